//! Modes with an `io_uring` that was made before anybody attached, so that no call tells of it.
#![expect(unsafe_code, reason = "whoever hands work to the kernel promises that it may be done")]

use std::os::fd::AsRawFd as _;

use io_uring::{IoUring, opcode};

use crate::raw;
use crate::tally::Tally;

/// How long the kernel polls a ring on which nothing is to be done: longer than any test takes.
const POLLED_MS: u32 = 600_000;

/// A ring, and whether the kernel polls it.
pub(crate) enum Ring {
    /// It waits for a call, and is behind a descriptor.
    Idle(IoUring),
    /// Its descriptor is closed: the memory that is shared keeps it.
    Polled(IoUring),
}

impl Ring {
    /// Makes one, which is `idle` or `polled`; `None` for any other word.
    pub(crate) fn new(kind: &str) -> Option<Self> {
        match kind {
            "idle" => Some(Self::Idle(IoUring::new(8).expect("an io_uring"))),
            "polled" => {
                let mut ring = IoUring::builder().setup_sqpoll(POLLED_MS).build(8).expect("an io_uring");
                // The kernel begins to poll with the first operation.
                submit(&mut ring, 0);
                ring.submit_and_wait(1).expect("it is done");
                assert!(ring.completion().next().is_some());
                assert_eq!(raw::syscall(libc::SYS_close, [ring.as_raw_fd() as usize, 0, 0, 0, 0, 0]), 0);
                Some(Self::Polled(ring))
            }
            _ => None,
        }
    }

    /// Has a polled ring do `count` operations one after the other, of which nothing is seen from outside. The ring stays.
    pub(crate) fn work(self, tally: &mut Tally, count: u64) {
        match self {
            Self::Idle(ring) => std::mem::forget(ring),
            Self::Polled(mut ring) => {
                for number in 0..count {
                    submit(&mut ring, number);
                    let done = loop {
                        if let Some(done) = ring.completion().next() {
                            break done;
                        }
                        std::hint::spin_loop();
                    };
                    assert_eq!((done.user_data(), done.result()), (number, 0));
                }
                tally.fact("operations", count);
                // Its descriptor is closed already and may be another's by now.
                std::mem::forget(ring);
            }
        }
    }
}

/// Leaves an operation where the kernel will find it.
fn submit(ring: &mut IoUring, number: u64) {
    let nothing = opcode::Nop::new().build().user_data(number);
    // SAFETY: an operation that does nothing needs no memory.
    unsafe { ring.submission().push(&nothing) }.expect("there is room");
}
