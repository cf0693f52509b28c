//! Modes about time: slow calls measured from outside, calls that do not return, and calls at full speed.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::raw;
use crate::tally::Tally;
use crate::tasks::{own_tid, readv_one_byte};
use crate::watch;

/// Calls between two looks at the clock in [`full_speed`].
const BATCH: u64 = 10_000;

/// `count` × nanosleep of `ms` milliseconds, each measured by ourselves.
pub(crate) fn slow(tally: &mut Tally, count: u64, ms: u64) {
    let pause = Duration::from_millis(ms);
    let pause = libc::timespec { tv_sec: pause.as_secs() as i64, tv_nsec: i64::from(pause.subsec_nanos()) };
    for _ in 0..count {
        tally.timed(libc::SYS_nanosleep, [(&raw const pause) as usize, 0, 0, 0, 0, 0]);
    }
    tally.fact("pause_at", (&raw const pause) as usize);
    tally.fact("asked_ns", Duration::from_millis(ms).as_nanos());
}

/// Three threads that wait `seconds` inside `readv`, `flock` and `futex`, then are let go.
pub(crate) fn stuck(tally: &mut Tally, seconds: u64) {
    let (silent, mut writer) = std::io::pipe().expect("a pipe");
    let (held, wanted) = two_openings();
    tally.call(libc::SYS_flock, [held.as_raw_fd() as usize, libc::LOCK_EX as usize, 0, 0, 0, 0]);
    let word = Arc::new(AtomicU32::new(1));
    let futex_word = Arc::clone(&word);

    let (send_tid, receive_tid) = mpsc::channel();
    let mut waiters = Vec::new();
    let mut wait_in = |name: &'static str, nr: i64, wait: Box<dyn FnOnce() + Send>| {
        let send_tid = send_tid.clone();
        waiters.push(thread::spawn(move || {
            send_tid.send(own_tid()).expect("the main thread waits");
            wait();
        }));
        let tid = receive_tid.recv().expect("the thread says who it is");
        watch::until_blocked(std::process::id(), tid, nr);
        tally.fact(&format!("stuck_{name}"), tid);
    };
    wait_in("readv", libc::SYS_readv, Box::new(move || assert_eq!(readv_one_byte(silent.as_raw_fd()), 1)));
    wait_in(
        "flock",
        libc::SYS_flock,
        Box::new(move || {
            let fd = wanted.as_raw_fd() as usize;
            assert_eq!(raw::syscall(libc::SYS_flock, [fd, libc::LOCK_EX as usize, 0, 0, 0, 0]), 0);
        }),
    );
    wait_in(
        "futex",
        libc::SYS_futex,
        Box::new(move || {
            let address = futex_word.as_ptr() as usize;
            raw::syscall(libc::SYS_futex, [address, libc::FUTEX_WAIT as usize, 1, 0, 0, 0]);
        }),
    );

    thread::sleep(Duration::from_secs(seconds));
    writer.write_all(b"x").expect("the reader waits");
    drop(held);
    word.store(0, Ordering::SeqCst);
    raw::syscall(libc::SYS_futex, [word.as_ptr() as usize, libc::FUTEX_WAKE as usize, 1, 0, 0, 0]);
    for waiter in waiters {
        waiter.join().expect("a waiter does not panic");
    }
    tally.add_calls(libc::SYS_readv, 1);
    tally.add_calls(libc::SYS_flock, 1);
    tally.fact("threads", 3);
}

/// A file of our own opened twice, so that a lock through one opening excludes the other. The descriptor that
/// made it stays open until the end.
fn two_openings() -> (File, File) {
    let fd = raw::syscall(libc::SYS_memfd_create, [c"oracle".as_ptr() as usize, 0, 0, 0, 0, 0]);
    let path = format!("/proc/self/fd/{}", raw::checked(fd).expect("memfd_create"));
    let open = || File::open(&path).expect("a memfd opens again");
    (open(), open())
}

/// `threads` threads making getppid until `seconds` are over; the ledger says how many.
pub(crate) fn full_speed(tally: &mut Tally, threads: u64, seconds: f64) {
    let limit = Duration::from_secs_f64(seconds);
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            thread::spawn(move || {
                let mut mine = Tally::default();
                let start = Instant::now();
                while start.elapsed() < limit {
                    mine.repeat(libc::SYS_getppid, [0; 6], BATCH);
                }
                mine
            })
        })
        .collect();
    for worker in workers {
        tally.merge(&worker.join().expect("a worker does not panic"));
    }
    tally.fact("threads", threads);
}

/// `threads` threads making `rate` getppid a second each for `seconds`, a burst every millisecond or so with
/// nanosleep between.
pub(crate) fn paced(tally: &mut Tally, threads: u64, rate: u64, seconds: f64) {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 500_000 };
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            thread::spawn(move || {
                let mut mine = Tally::default();
                let (start, mut made) = (Instant::now(), 0);
                let wanted = (rate as f64 * seconds) as u64;
                while made < wanted {
                    let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
                    let burst = due.min(wanted).saturating_sub(made);
                    mine.repeat(libc::SYS_getppid, [0; 6], burst);
                    made += burst;
                    mine.call(libc::SYS_nanosleep, [(&raw const pause) as usize, 0, 0, 0, 0, 0]);
                }
                (mine, start.elapsed())
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for worker in workers {
        let (mine, elapsed) = worker.join().expect("a worker does not panic");
        tally.merge(&mine);
        longest = longest.max(elapsed);
    }
    tally.fact("threads", threads);
    tally.fact("elapsed_ns", longest.as_nanos());
}

/// The call that `spin` repeats, with its arguments: one on nothing, one on a descriptor, one on a path.
fn spun(name: &str) -> Option<(i64, [usize; 6])> {
    match name {
        "getppid" => Some((libc::SYS_getppid, [0; 6])),
        "lseek" => {
            let null = File::open("/dev/null").expect("it is everywhere").into_raw_fd();
            Some((libc::SYS_lseek, [null as usize, 0, libc::SEEK_SET as usize, 0, 0, 0]))
        }
        "access" => Some((libc::SYS_access, [c"/dev/null".as_ptr() as usize, 0, 0, 0, 0, 0])),
        _ => None,
    }
}

/// `threads` threads making `calls` calls named `name` each, all at once; `ns_per_call` is the mean over the threads.
/// False if it knows no such call.
pub(crate) fn spin(tally: &mut Tally, threads: u64, calls: u64, name: &str) -> bool {
    let Some((nr, args)) = spun(name) else { return false };
    let start_line = Arc::new(Barrier::new(threads as usize));
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let start_line = Arc::clone(&start_line);
            thread::spawn(move || {
                let mut mine = Tally::default();
                start_line.wait();
                let start = Instant::now();
                mine.repeat(nr, args, calls);
                (mine, start.elapsed())
            })
        })
        .collect();
    let mut spent = Duration::ZERO;
    for worker in workers {
        let (mine, elapsed) = worker.join().expect("a worker does not panic");
        tally.merge(&mine);
        spent += elapsed;
    }
    let made = (threads * calls).max(1);
    tally.fact("threads", threads);
    tally.fact("ns_per_call", format_args!("{:.2}", spent.as_nanos() as f64 / made as f64));
    true
}
