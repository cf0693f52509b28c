//! Modes in which signals cut calls short. Every signal is sent only after /proc shows its target inside the
//! call, so the number of interruptions is known and not estimated.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;

use crate::raw;
use crate::tally::{Row, Tally};
use crate::tasks::{exit_group, own_tid, receive_one_byte};
use crate::watch;

/// A sleep that only a signal ends.
static FOREVER: libc::timespec = libc::timespec { tv_sec: 3600, tv_nsec: 0 };

/// Sends `signal` to thread `tid` of this process.
fn signal_thread(tid: u32, signal: i32) {
    let ret =
        raw::syscall(libc::SYS_tgkill, [std::process::id() as usize, tid as usize, signal as usize, 0, 0, 0]);
    assert_eq!(ret, 0, "the thread is ours");
}

/// Signals `tid` `count` times, each time inside call `nr` and after the last signal was handled.
fn interrupt(tid: u32, nr: i64, signal: i32, count: u64) {
    for _ in 0..count {
        watch::until_blocked(std::process::id(), tid, nr);
        let handled = raw::signals_handled();
        signal_thread(tid, signal);
        watch::until("the signal is handled", || raw::signals_handled() > handled);
    }
}

/// `count` interruptions each of `readv`, `nanosleep` and `ppoll`, which return `EINTR`, and of one `recvfrom`
/// that the kernel restarts every time until it succeeds.
pub(crate) fn restarts(tally: &mut Tally, count: u64) {
    raw::on_signal(libc::SIGUSR1, false).expect("a handler");
    raw::on_signal(libc::SIGUSR2, true).expect("a handler");
    let (silent, _writer) = std::io::pipe().expect("a pipe");
    let (receiving, mut sending) = UnixStream::pair().expect("a socket pair");
    let target = own_tid();
    let watcher = thread::spawn(move || {
        for nr in [libc::SYS_readv, libc::SYS_nanosleep, libc::SYS_ppoll] {
            interrupt(target, nr, libc::SIGUSR1, count);
        }
        interrupt(target, libc::SYS_recvfrom, libc::SIGUSR2, count);
        watch::until_blocked(std::process::id(), target, libc::SYS_recvfrom);
        sending.write_all(b"x").expect("the other end reads");
    });

    let mut byte = 0u8;
    let vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let sleep = (&raw const FOREVER) as usize;
    for _ in 0..count {
        let fd = silent.as_raw_fd() as usize;
        tally.call_interrupted(libc::SYS_readv, [fd, (&raw const vector) as usize, 1, 0, 0, 0]);
    }
    for _ in 0..count {
        tally.call_interrupted(libc::SYS_nanosleep, [sleep, 0, 0, 0, 0, 0]);
    }
    for _ in 0..count {
        // ppoll writes the time left back, so it gets a copy.
        let mut left = FOREVER;
        tally.call_interrupted(libc::SYS_ppoll, [0, 0, (&raw mut left) as usize, 0, 0, 0]);
    }
    assert_eq!(receive_one_byte(receiving.as_raw_fd()), 1, "restarted until it got its byte");
    tally.add(libc::SYS_recvfrom, &Row { calls: count + 1, interrupted: count, ..Row::default() });
    watcher.join().expect("the watcher does not panic");
    tally.add_calls(libc::SYS_tgkill, 4 * count);
    tally.add_calls(libc::SYS_rt_sigreturn, 4 * count);
    tally.fact("threads", 1);
}

/// One `nanosleep` stopped and continued `count` times: the kernel goes on with it as `restart_syscall`.
pub(crate) fn stop_restarts(tally: &mut Tally, count: u64) {
    assert!(count > 0, "stop-restarts needs at least one stop");
    raw::on_signal(libc::SIGUSR1, false).expect("a handler");
    let parent = std::process::id();
    let child = raw::checked(raw::syscall(libc::SYS_fork, [0; 6])).expect("fork");
    if child == 0 {
        let kill = |signal: i32| {
            let ret = raw::syscall(libc::SYS_kill, [parent as usize, signal as usize, 0, 0, 0, 0]);
            assert_eq!(ret, 0, "the parent is alive");
        };
        let mut inside = libc::SYS_nanosleep;
        for _ in 0..count {
            watch::until_blocked(parent, parent, inside);
            kill(libc::SIGSTOP);
            watch::until_stopped(parent);
            kill(libc::SIGCONT);
            inside = libc::SYS_restart_syscall;
        }
        watch::until_blocked(parent, parent, inside);
        kill(libc::SIGUSR1);
        exit_group();
    }
    tally.add_calls(libc::SYS_fork, 1);
    tally.call_interrupted(libc::SYS_nanosleep, [(&raw const FOREVER) as usize, 0, 0, 0, 0, 0]);
    tally.add(libc::SYS_restart_syscall, &Row { calls: count, interrupted: count, ..Row::default() });
    tally.add_calls(libc::SYS_rt_sigreturn, 1);
    tally.add_calls(libc::SYS_kill, 2 * count + 1);
    let reaped = raw::syscall(libc::SYS_wait4, [child as usize, 0, 0, 0, 0, 0]);
    assert_eq!(reaped, child, "the child is ours");
    tally.fact("fork_children", 1);
}

/// `count` signals to ourselves, each handled and returned from.
pub(crate) fn sigreturn(tally: &mut Tally, count: u64) {
    raw::on_signal(libc::SIGUSR1, false).expect("a handler");
    let (pid, tid) = (std::process::id() as usize, own_tid() as usize);
    tally.repeat(libc::SYS_tgkill, [pid, tid, libc::SIGUSR1 as usize, 0, 0, 0], count);
    assert_eq!(raw::signals_handled(), count, "a signal to oneself is handled before the call returns");
    tally.add_calls(libc::SYS_rt_sigreturn, count);
}
