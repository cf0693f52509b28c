//! Slow calls that are made in known places: functions with frame pointers, whatever this program is compiled with.

use std::arch::naked_asm;
use std::time::Duration;

use crate::tally::{Row, Tally};

/// `nanosleep`, in a function that was called by another, that was called by a third.
#[unsafe(naked)]
extern "C" fn place_outer(_pause: *const libc::timespec) -> i64 {
    naked_asm!("push rbp", "mov rbp, rsp", "call {}", "pop rbp", "ret", sym place_middle)
}

#[unsafe(naked)]
extern "C" fn place_middle(_pause: *const libc::timespec) -> i64 {
    naked_asm!("push rbp", "mov rbp, rsp", "call {}", "pop rbp", "ret", sym place_inner)
}

#[unsafe(naked)]
extern "C" fn place_inner(_pause: *const libc::timespec) -> i64 {
    naked_asm!("push rbp", "mov rbp, rsp", "xor esi, esi", "mov eax, 35", "syscall", "pop rbp", "ret")
}

/// The same in a function of its own.
#[unsafe(naked)]
extern "C" fn place_alone(_pause: *const libc::timespec) -> i64 {
    naked_asm!("push rbp", "mov rbp, rsp", "xor esi, esi", "mov eax, 35", "syscall", "pop rbp", "ret")
}

/// The same, for calls that are short.
#[unsafe(naked)]
extern "C" fn place_of_short_ones(_pause: *const libc::timespec) -> i64 {
    naked_asm!("push rbp", "mov rbp, rsp", "xor esi, esi", "mov eax, 35", "syscall", "pop rbp", "ret")
}

/// `count` × nanosleep of `ms` milliseconds behind three functions, twice as many in one, and as many of no time at all.
pub(crate) fn places(tally: &mut Tally, count: u64, ms: u64) {
    let pause = |duration: Duration| libc::timespec {
        tv_sec: duration.as_secs() as i64,
        tv_nsec: i64::from(duration.subsec_nanos()),
    };
    let (long, short) = (pause(Duration::from_millis(ms)), pause(Duration::from_nanos(1)));
    for _ in 0..count {
        assert_eq!(place_outer(&raw const long), 0);
        assert_eq!(place_alone(&raw const long), 0);
        assert_eq!(place_of_short_ones(&raw const short), 0);
        assert_eq!(place_alone(&raw const long), 0);
    }
    tally.add(libc::SYS_nanosleep, &Row { calls: 4 * count, ..Row::default() });
    tally.fact("behind_three", count);
    tally.fact("alone", 2 * count);
}
