//! Rules about calls that fail: what they must say, what they must not, and where the border lies.

use super::*;
use crate::process::Descriptors;

const ENOENT: u16 = 2;
const EAGAIN: u16 = 11;
const ENFILE: u16 = 23;
const EMFILE: u16 = 24;
const ENOSPC: u16 = 28;
const EPIPE: u16 = 32;
const ETIMEDOUT: u16 = 110;
const ECONNREFUSED: u16 = 111;
const EDQUOT: u16 = 122;

/// What is found after so many seconds of one call failing at a rate, beside some that succeed.
fn found(seconds: usize, name: &str, errno: u16, failing: usize, fine: usize) -> Vec<Rule> {
    let mut host = Host::default();
    rules(&host.after(seconds, |slice| {
        slice.failed(7, name, failing, errno).ok(7, name, fine, 2 * US);
    }))
}

#[test]
fn descriptor_exhaustion() {
    let mut host = Host::default();
    host.seconds(3, healthy);
    let findings = host.after(4, |slice| {
        slice.failed(7, "accept4", 312, EMFILE);
    });
    assert_eq!(host.texts(&findings), ["app 7  accept4 EMFILE 312/s, began 4.0 s ago: no descriptor left"]);
    let mut counted = findings[0].clone();
    counted.descriptors = Some(Descriptors { open: 1024, limit: 1024 });
    assert!(
        counted.sentence(0).ends_with("no descriptor left (1,024 of 1,024 open)"),
        "{}",
        counted.sentence(0)
    );
    assert_eq!(found(1, "openat", ENFILE, 3, 0), [Rule::DescriptorExhaustion]);
    // Asking once how many there may be is no trouble; asking again and again is.
    assert_eq!(found(1, "openat", EMFILE, 1, 50), []);
    assert_eq!(found(4, "openat", EMFILE, 1, 50), [Rule::DescriptorExhaustion]);
    assert_eq!(found(4, "openat", ENOENT, 9, 50), []);
}

#[test]
fn disk_full() {
    let mut host = Host::default();
    let findings = host.after(1, |slice| {
        slice.failed(7, "pwrite64", 1, ENOSPC).ok(7, "pwrite64", 900, 5 * US);
    });
    assert_eq!(host.texts(&findings), ["app 7  pwrite64 ENOSPC 1/s: no space left"]);
    assert_eq!(found(1, "write", EDQUOT, 1, 0), [Rule::DiskFull]);
    // No file system is full when no more files can be watched, or no more semaphores made.
    assert_eq!(found(1, "inotify_add_watch", ENOSPC, 40, 0), []);
    assert_eq!(found(1, "semget", ENOSPC, 40, 0), []);
}

#[test]
fn search_storm() {
    let mut host = Host::default();
    host.seconds(3, healthy);
    let findings = host.after(12, |slice| {
        slice.failed(7, "openat", 2_310, ENOENT).failed(7, "newfstatat", 90, ENOENT).ok(
            7,
            "openat",
            47,
            3 * US,
        );
    });
    assert_eq!(host.texts(&findings), ["app 7  openat ENOENT 2,310/s, 98.0% of its lookups, began 12 s ago"]);
    assert_eq!(found(4, "statx", ENOENT, 500, 500), [Rule::SearchStorm]);
    assert_eq!(found(4, "statx", ENOENT, 499, 0), []);
    assert_eq!(found(4, "statx", ENOENT, 500, 501), []);
    // A program starts: a second of looking for libraries is how that goes.
    assert_eq!(found(1, "openat", ENOENT, 5_000, 0), []);
    assert_eq!(found(2, "openat", ENOENT, 5_000, 0), []);
    assert_eq!(found(3, "openat", ENOENT, 5_000, 0), [Rule::SearchStorm]);
}

#[test]
fn retry_storm() {
    assert_eq!(found(4, "connect", ECONNREFUSED, 5, 0), [Rule::RetryStorm]);
    assert_eq!(found(4, "connect", ECONNREFUSED, 4, 0), []);
    assert_eq!(found(4, "connect", ECONNREFUSED, 50, 50), []);
    assert_eq!(found(4, "write", EPIPE, 100, 11), [Rule::RetryStorm]);
    assert_eq!(found(4, "write", EPIPE, 99, 0), []);
    assert_eq!(found(4, "write", EPIPE, 100, 12), []);
    // To ask in vain now and then is how non-blocking programs work; to do nothing else is not.
    assert_eq!(found(4, "recvfrom", EAGAIN, 4_000, 0), []);
    assert_eq!(found(4, "recvfrom", EAGAIN, 5_000, 0), [Rule::RetryStorm]);
    assert_eq!(found(4, "futex", EAGAIN, 9_000, 0), []);
    assert_eq!(found(4, "futex", ETIMEDOUT, 9_000, 0), []);
    assert_eq!(found(4, "ioctl", 25, 9_000, 0), []);
}

#[test]
fn new_errno() {
    let mut host = Host::default();
    host.seconds(10, healthy);
    let failing = |slice: &mut Slice| {
        healthy(slice);
        slice.failed(1, "sendto", 12, EPIPE);
    };
    let findings = host.after(1, failing);
    assert_eq!(host.texts(&findings), ["app 1  sendto EPIPE 12/s, began 1.0 s ago"]);
    let findings = host.after(11, failing);
    assert_eq!(host.texts(&findings), ["app 1  sendto EPIPE 12/s, began 12 s ago"]);
}

#[test]
fn an_errno_that_was_there_from_the_start_or_is_rare_is_not_new() {
    let with = |seconds: usize, count: usize| {
        move |slice: &mut Slice| {
            healthy(slice);
            let second = ((slice.0.end_ns - Host::START) / SECOND) as usize;
            if second.is_multiple_of(seconds) {
                slice.failed(1, "sendto", count, EPIPE);
            }
        }
    };
    // In every second since the start.
    let mut host = Host::default();
    assert!(host.seconds(30, with(1, 12)).iter().all(Vec::is_empty));
    // Twice in a minute, and never before.
    let mut host = Host::default();
    host.seconds(9, healthy);
    assert!(host.seconds(60, with(30, 1)).iter().all(Vec::is_empty));
    // Of a program that has just started, or of a call that was not made before.
    let mut host = Host::default();
    host.seconds(30, healthy);
    assert!(
        host.seconds(30, |slice| {
            healthy(slice);
            slice.failed(9, "sendto", 3, EPIPE).ok(9, "sendto", 300, 5 * US).failed(1, "sendmsg", 3, EPIPE);
        })
        .iter()
        .all(Vec::is_empty)
    );
}

#[test]
fn an_errno_that_rises_tenfold_is_news_and_twice_the_same_is_not() {
    let usual = |slice: &mut Slice| {
        healthy(slice);
        slice.failed(1, "sendto", 4, EPIPE);
    };
    let rise = |times: usize| {
        move |slice: &mut Slice| {
            healthy(slice);
            slice.failed(1, "sendto", 4 * times, EPIPE);
        }
    };
    let mut host = Host::default();
    host.seconds(300, usual);
    assert_eq!(host.after(5, rise(9)), []);
    host.seconds(300, usual);
    assert_eq!(rules(&host.after(5, rise(11))), [Rule::NewErrno]);
    host.seconds(300, usual);
    assert_eq!(host.after(5, rise(11)), [], "it went by itself");
    host.seconds(300, usual);
    assert_eq!(rules(&host.after(5, rise(30))), [Rule::NewErrno], "it was never as bad as this");
}

#[test]
fn expected_errors_are_never_new() {
    let mut host = Host::default();
    host.seconds(10, |slice| {
        healthy(slice);
        slice.ok(1, "access", 90, US).ok(1, "ioctl", 90, US).ok(1, "mkdir", 90, US);
    });
    assert_eq!(
        host.after(20, |slice| {
            healthy(slice);
            slice
                .failed(1, "sendto", 40, EAGAIN)
                .failed(2, "futex", 90, ETIMEDOUT)
                .failed(1, "access", 40, 13);
            slice.failed(1, "ioctl", 40, 25).failed(1, "mkdir", 40, 17).failed(1, "openat", 40, ENOENT);
        }),
        []
    );
}
