//! Modes of one thread: plain, failing, denied, unknown and foreign-ABI calls.

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::names;
use crate::raw;
use crate::tally::{Tally, X32_BIT};

/// An argument that is no descriptor, no PID and no address.
const INVALID: usize = usize::MAX;

/// `N` × getppid.
pub(crate) fn plain(tally: &mut Tally, count: u64) {
    tally.repeat(libc::SYS_getppid, [0; 6], count);
}

/// Calls that fail in many ways, each `count` times, and two numbers that no table holds.
pub(crate) fn errors(tally: &mut Tally, count: u64) {
    let missing = c"/nonexistent/for/the/oracle".as_ptr() as usize;
    let no_directory = c"/dev/null".as_ptr() as usize;
    let root = c"/".as_ptr() as usize;
    let too_long = format!("{}\0", "x".repeat(5000));
    let wanted: &[(i64, [usize; 2], i32)] = &[
        (libc::SYS_chdir, [missing, 0], libc::ENOENT),
        (libc::SYS_chdir, [no_directory, 0], libc::ENOTDIR),
        (libc::SYS_chdir, [INVALID, 0], libc::EFAULT),
        (libc::SYS_chdir, [too_long.as_ptr() as usize, 0], libc::ENAMETOOLONG),
        (libc::SYS_rmdir, [missing, 0], libc::ENOENT),
        (libc::SYS_mkdir, [root, 0], libc::EEXIST),
        (libc::SYS_fchdir, [INVALID, 0], libc::EBADF),
        (libc::SYS_dup, [INVALID, 0], libc::EBADF),
        (libc::SYS_getpgid, [INVALID, 0], libc::ESRCH),
        (libc::SYS_getpriority, [99, 0], libc::EINVAL),
        (100_000, [0, 0], libc::ENOSYS),
        (-1, [0, 0], libc::ENOSYS),
    ];
    for &(nr, [first, second], errno) in wanted {
        for _ in 0..count {
            let ret = tally.call(nr, [first, second, 0, 0, 0, 0]);
            assert_eq!(ret, -i64::from(errno), "{} fails as planned", names::syscall(nr));
        }
    }
    // The same call succeeding beside its failures.
    tally.repeat(libc::SYS_getpgid, [0; 6], count);
}

/// `count` × writing and reading back 0 to 199 bytes: what was moved is known, and so is how often it was little.
pub(crate) fn moves(tally: &mut Tally, count: u64) {
    let fd = raw::syscall(libc::SYS_memfd_create, [c"oracle".as_ptr() as usize, 0, 0, 0, 0, 0]);
    let fd = raw::checked(fd).expect("memfd_create") as usize;
    let mut buffer = [b'x'; 200];
    for (nr, name) in [(libc::SYS_pwritev, "written"), (libc::SYS_preadv, "read")] {
        let (mut calls, mut bytes, mut small) = (0, 0, 0);
        for index in 0..count {
            let wanted = (index % 200) as usize;
            let vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: wanted };
            let moved = tally.call(nr, [fd, (&raw const vector) as usize, 1, 0, 0, 0]);
            assert_eq!(moved, wanted as i64, "{}", names::syscall(nr));
            calls += u64::from(moved > 0);
            bytes += moved as u64;
            small += u64::from(moved > 0 && moved < 64);
        }
        // It fails, and moves nothing.
        assert!(tally.call(nr, [INVALID, 0, 0, 0, 0, 0]) < 0);
        tally.fact(&format!("{name}_calls"), calls);
        tally.fact(&format!("{name}_bytes"), bytes);
        tally.fact(&format!("{name}_small"), small);
    }
}

/// 32-bit calls whose numbers mean other calls to a 64-bit caller, interleaved with those other calls.
pub(crate) fn int80(tally: &mut Tally, count: u64) {
    let sink = File::options().write(true).open("/dev/null").expect("/dev/null opens");
    let byte = b'x';
    let vector = libc::iovec { iov_base: (&raw const byte).cast_mut().cast(), iov_len: 1 };
    for _ in 0..count {
        assert!(tally.call_i386(20, [0; 3], true) > 0, "32-bit getpid");
        let ret = tally
            .call(libc::SYS_writev, [sink.as_raw_fd() as usize, (&raw const vector) as usize, 1, 0, 0, 0]);
        assert_eq!(ret, 1, "64-bit writev");
        assert_eq!(tally.call_i386(41, [u32::MAX, 0, 0], false), -9, "32-bit dup fails with EBADF");
        tally.call_i386(100_000, [0; 3], false);
    }
    // 32-bit personality returns the old value, which reads like -2 here: no call that cannot fail fails.
    let before = tally.call_i386(136, [u32::MAX, 0, 0], true);
    tally.call_i386(136, [u32::MAX - 1, 0, 0], true);
    let odd = tally.call_i386(136, [before as u32, 0, 0], true);
    assert_eq!(odd, -2, "personality gives back what was set");
}

/// x32 getpid: `ENOSYS` where the kernel has no x32, a PID where it has.
pub(crate) fn x32(tally: &mut Tally, count: u64) {
    tally.repeat(X32_BIT | libc::SYS_getpid, [0; 6], count);
}

/// `count` getppid that succeed, then `count` that seccomp denies with `EACCES`.
pub(crate) fn denied(tally: &mut Tally, count: u64) {
    tally.repeat(libc::SYS_getppid, [0; 6], count);
    raw::deny(libc::SYS_getppid, libc::EACCES).expect("a process may filter itself");
    tally.repeat_denied(libc::SYS_getppid, count);
}

/// Successes that look like failures at first sight.
pub(crate) fn never_failing(tally: &mut Tally, count: u64) {
    let memory = File::open("/proc/self/mem").expect("/proc/self/mem opens");
    let high = 0xffff_ffff_ff60_0000_usize;
    for _ in 0..count {
        let offset = tally
            .call(libc::SYS_lseek, [memory.as_raw_fd() as usize, high, libc::SEEK_SET as usize, 0, 0, 0]);
        assert_eq!(offset, high as i64, "the offset of a kernel address is a success");
        for query in [libc::SYS_personality, libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_umask] {
            tally.call(query, [u32::MAX as usize, 0, 0, 0, 0, 0]);
        }
        tally.call(libc::SYS_getpgrp, [0; 6]);
    }
}

/// Every harmless call with all arguments invalid, then two runs of numbers that no table holds. Whatever the
/// kernel answers is the expectation.
pub(crate) fn many(tally: &mut Tally) {
    for &(_, nr) in names::HARMLESS {
        tally.call(nr, [INVALID; 6]);
    }
    for unknown in (340..=423).chain(600..=700) {
        tally.call(unknown, [INVALID; 6]);
    }
}
