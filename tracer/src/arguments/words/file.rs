//! Words of calls on files and descriptors.

use super::{Words, any_of, one_of};

/// `open` and its kin on x86.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/asm-generic/fcntl.h#L19-L95>
pub(in super::super) const OPEN: Words = Words {
    mask: 3,
    choices: &[(0, "O_RDONLY"), (1, "O_WRONLY"), (2, "O_RDWR")],
    flags: &[
        (0o100, "O_CREAT"),
        (0o200, "O_EXCL"),
        (0o400, "O_NOCTTY"),
        (0o1000, "O_TRUNC"),
        (0o2000, "O_APPEND"),
        (0o4000, "O_NONBLOCK"),
        (0o4_010_000, "O_SYNC"),
        (0o10_000, "O_DSYNC"),
        (0o20_000, "FASYNC"),
        (0o40_000, "O_DIRECT"),
        (0o100_000, "O_LARGEFILE"),
        (0o20_200_000, "O_TMPFILE"),
        (0o2_000_000, "O_CLOEXEC"),
        (0o200_000, "O_DIRECTORY"),
        (0o400_000, "O_NOFOLLOW"),
        (0o1_000_000, "O_NOATIME"),
        (0o10_000_000, "O_PATH"),
    ],
};

/// The same on aarch64, which numbers four of them in its own way.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/arm64/include/uapi/asm/fcntl.h#L24-L27>
pub(in super::super) const OPEN_AARCH64: Words = Words {
    mask: 3,
    choices: OPEN.choices,
    flags: &[
        (0o100, "O_CREAT"),
        (0o200, "O_EXCL"),
        (0o400, "O_NOCTTY"),
        (0o1000, "O_TRUNC"),
        (0o2000, "O_APPEND"),
        (0o4000, "O_NONBLOCK"),
        (0o4_010_000, "O_SYNC"),
        (0o10_000, "O_DSYNC"),
        (0o20_000, "FASYNC"),
        (0o200_000, "O_DIRECT"),
        (0o400_000, "O_LARGEFILE"),
        (0o20_040_000, "O_TMPFILE"),
        (0o2_000_000, "O_CLOEXEC"),
        (0o40_000, "O_DIRECTORY"),
        (0o100_000, "O_NOFOLLOW"),
        (0o1_000_000, "O_NOATIME"),
        (0o10_000_000, "O_PATH"),
    ],
};

/// What `pipe2`, `dup3` and `inotify_init1` and others take of the above.
pub(in super::super) const DESCRIPTOR: Words =
    any_of(&[(0o2_000_000, "O_CLOEXEC"), (0o4000, "O_NONBLOCK"), (0o40_000, "O_DIRECT")]);

/// `inotify_init1`.
pub(in super::super) const INOTIFY_INIT: Words =
    any_of(&[(0o2_000_000, "IN_CLOEXEC"), (0o4000, "IN_NONBLOCK")]);

/// `inotify_add_watch`.
pub(in super::super) const INOTIFY: Words = any_of(&[
    (0xfff, "IN_ALL_EVENTS"),
    (0x1, "IN_ACCESS"),
    (0x2, "IN_MODIFY"),
    (0x4, "IN_ATTRIB"),
    (0x8, "IN_CLOSE_WRITE"),
    (0x10, "IN_CLOSE_NOWRITE"),
    (0x20, "IN_OPEN"),
    (0x40, "IN_MOVED_FROM"),
    (0x80, "IN_MOVED_TO"),
    (0x100, "IN_CREATE"),
    (0x200, "IN_DELETE"),
    (0x400, "IN_DELETE_SELF"),
    (0x800, "IN_MOVE_SELF"),
    (0x100_0000, "IN_ONLYDIR"),
    (0x200_0000, "IN_DONT_FOLLOW"),
    (0x400_0000, "IN_EXCL_UNLINK"),
    (0x1000_0000, "IN_MASK_CREATE"),
    (0x2000_0000, "IN_MASK_ADD"),
    (0x8000_0000, "IN_ONESHOT"),
]);

/// `access` and its kin.
pub(in super::super) const ACCESS: Words =
    Words { mask: u64::MAX, choices: &[(0, "F_OK")], flags: &[(4, "R_OK"), (2, "W_OK"), (1, "X_OK")] };

/// The `…at` calls.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/fcntl.h#L100-L153>
pub(in super::super) const AT: Words = any_of(&[
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x400, "AT_SYMLINK_FOLLOW"),
    (0x800, "AT_NO_AUTOMOUNT"),
    (0x1000, "AT_EMPTY_PATH"),
    (0x8000, "AT_RECURSIVE"),
]);

/// `faccessat2`.
pub(in super::super) const AT_ACCESS: Words =
    any_of(&[(0x100, "AT_SYMLINK_NOFOLLOW"), (0x200, "AT_EACCESS"), (0x1000, "AT_EMPTY_PATH")]);

/// `unlinkat`.
pub(in super::super) const AT_UNLINK: Words = any_of(&[(0x200, "AT_REMOVEDIR")]);

/// `statx`.
pub(in super::super) const AT_STATX: Words = Words {
    mask: 0x6000,
    choices: &[(0, "AT_STATX_SYNC_AS_STAT"), (0x2000, "AT_STATX_FORCE_SYNC"), (0x4000, "AT_STATX_DONT_SYNC")],
    flags: AT.flags,
};

/// What `statx` is asked for.
pub(in super::super) const STATX: Words = any_of(&[
    (0xfff, "STATX_ALL"),
    (0x7ff, "STATX_BASIC_STATS"),
    (0x1, "STATX_TYPE"),
    (0x2, "STATX_MODE"),
    (0x4, "STATX_NLINK"),
    (0x8, "STATX_UID"),
    (0x10, "STATX_GID"),
    (0x20, "STATX_ATIME"),
    (0x40, "STATX_MTIME"),
    (0x80, "STATX_CTIME"),
    (0x100, "STATX_INO"),
    (0x200, "STATX_SIZE"),
    (0x400, "STATX_BLOCKS"),
    (0x800, "STATX_BTIME"),
    (0x1000, "STATX_MNT_ID"),
    (0x2000, "STATX_DIOALIGN"),
    (0x4000, "STATX_MNT_ID_UNIQUE"),
    (0x8000, "STATX_SUBVOL"),
]);

/// `renameat2`.
pub(in super::super) const RENAME: Words =
    any_of(&[(1, "RENAME_NOREPLACE"), (2, "RENAME_EXCHANGE"), (4, "RENAME_WHITEOUT")]);

/// `lseek`.
pub(in super::super) const SEEK: Words =
    one_of(&[(0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END"), (3, "SEEK_DATA"), (4, "SEEK_HOLE")]);

/// `fcntl`.
pub(in super::super) const FCNTL: Words = one_of(&[
    (0, "F_DUPFD"),
    (1, "F_GETFD"),
    (2, "F_SETFD"),
    (3, "F_GETFL"),
    (4, "F_SETFL"),
    (5, "F_GETLK"),
    (6, "F_SETLK"),
    (7, "F_SETLKW"),
    (8, "F_SETOWN"),
    (9, "F_GETOWN"),
    (10, "F_SETSIG"),
    (11, "F_GETSIG"),
    (12, "F_GETLK64"),
    (13, "F_SETLK64"),
    (14, "F_SETLKW64"),
    (15, "F_SETOWN_EX"),
    (16, "F_GETOWN_EX"),
    (36, "F_OFD_GETLK"),
    (37, "F_OFD_SETLK"),
    (38, "F_OFD_SETLKW"),
    (1024, "F_SETLEASE"),
    (1025, "F_GETLEASE"),
    (1026, "F_NOTIFY"),
    (1030, "F_DUPFD_CLOEXEC"),
    (1031, "F_SETPIPE_SZ"),
    (1032, "F_GETPIPE_SZ"),
    (1033, "F_ADD_SEALS"),
    (1034, "F_GET_SEALS"),
    (1035, "F_GET_RW_HINT"),
    (1036, "F_SET_RW_HINT"),
]);

/// `fcntl(F_SETFD)`.
pub(in super::super) const CLOEXEC: Words = any_of(&[(1, "FD_CLOEXEC")]);

/// `flock`.
pub(in super::super) const FLOCK: Words =
    Words { mask: 0xb, choices: &[(1, "LOCK_SH"), (2, "LOCK_EX"), (8, "LOCK_UN")], flags: &[(4, "LOCK_NB")] };

/// `fallocate`.
pub(in super::super) const FALLOCATE: Words = any_of(&[
    (0x1, "FALLOC_FL_KEEP_SIZE"),
    (0x2, "FALLOC_FL_PUNCH_HOLE"),
    (0x8, "FALLOC_FL_COLLAPSE_RANGE"),
    (0x10, "FALLOC_FL_ZERO_RANGE"),
    (0x20, "FALLOC_FL_INSERT_RANGE"),
    (0x40, "FALLOC_FL_UNSHARE_RANGE"),
]);

/// `fadvise64`.
pub(in super::super) const FADVISE: Words = one_of(&[
    (0, "POSIX_FADV_NORMAL"),
    (1, "POSIX_FADV_RANDOM"),
    (2, "POSIX_FADV_SEQUENTIAL"),
    (3, "POSIX_FADV_WILLNEED"),
    (4, "POSIX_FADV_DONTNEED"),
    (5, "POSIX_FADV_NOREUSE"),
]);

/// `sync_file_range`.
pub(in super::super) const SYNC_RANGE: Words = any_of(&[
    (1, "SYNC_FILE_RANGE_WAIT_BEFORE"),
    (2, "SYNC_FILE_RANGE_WRITE"),
    (4, "SYNC_FILE_RANGE_WAIT_AFTER"),
]);

/// `splice`, `tee`, `vmsplice`.
pub(in super::super) const SPLICE: Words =
    any_of(&[(1, "SPLICE_F_MOVE"), (2, "SPLICE_F_NONBLOCK"), (4, "SPLICE_F_MORE"), (8, "SPLICE_F_GIFT")]);

/// `preadv2`, `pwritev2`.
pub(in super::super) const RWF: Words = any_of(&[
    (1, "RWF_HIPRI"),
    (2, "RWF_DSYNC"),
    (4, "RWF_SYNC"),
    (8, "RWF_NOWAIT"),
    (0x10, "RWF_APPEND"),
    (0x20, "RWF_NOAPPEND"),
    (0x40, "RWF_ATOMIC"),
]);

/// `close_range`.
pub(in super::super) const CLOSE_RANGE: Words =
    any_of(&[(2, "CLOSE_RANGE_UNSHARE"), (4, "CLOSE_RANGE_CLOEXEC")]);

/// `memfd_create`.
pub(in super::super) const MEMFD: Words = any_of(&[
    (1, "MFD_CLOEXEC"),
    (2, "MFD_ALLOW_SEALING"),
    (4, "MFD_HUGETLB"),
    (8, "MFD_NOEXEC_SEAL"),
    (0x10, "MFD_EXEC"),
]);

/// `eventfd2`.
pub(in super::super) const EVENTFD: Words =
    any_of(&[(1, "EFD_SEMAPHORE"), (0o2_000_000, "EFD_CLOEXEC"), (0o4000, "EFD_NONBLOCK")]);

/// `setxattr` and its kin.
pub(in super::super) const XATTR: Words = any_of(&[(1, "XATTR_CREATE"), (2, "XATTR_REPLACE")]);

/// `ioctl`, those that ordinary programs make.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/asm-generic/ioctls.h>
pub(in super::super) const IOCTL: Words = one_of(&[
    (0x5401, "TCGETS"),
    (0x5402, "TCSETS"),
    (0x5403, "TCSETSW"),
    (0x5404, "TCSETSF"),
    (0x5409, "TCSBRK"),
    (0x540a, "TCXONC"),
    (0x540b, "TCFLSH"),
    (0x540e, "TIOCSCTTY"),
    (0x540f, "TIOCGPGRP"),
    (0x5410, "TIOCSPGRP"),
    (0x5413, "TIOCGWINSZ"),
    (0x5414, "TIOCSWINSZ"),
    (0x541b, "FIONREAD"),
    (0x5421, "FIONBIO"),
    (0x5422, "TIOCNOTTY"),
    (0x5429, "TIOCGSID"),
    (0x5450, "FIONCLEX"),
    (0x5451, "FIOCLEX"),
    (0x5452, "FIOASYNC"),
    (0x8004_5430, "TIOCGPTN"),
    (0x4004_5431, "TIOCSPTLCK"),
    (0x8008_6601, "FS_IOC_GETFLAGS"),
    (0x4008_6602, "FS_IOC_SETFLAGS"),
    (0xc020_660b, "FS_IOC_FIEMAP"),
    (0x4004_9409, "FICLONE"),
    (0x8901, "FIOSETOWN"),
    (0x8910, "SIOCGIFNAME"),
    (0x8912, "SIOCGIFCONF"),
    (0x8913, "SIOCGIFFLAGS"),
    (0x8915, "SIOCGIFADDR"),
    (0x8927, "SIOCGIFHWADDR"),
    (0x8933, "SIOCGIFINDEX"),
    (0x8946, "SIOCETHTOOL"),
    (0x1261, "BLKFLSBUF"),
    (0x1268, "BLKSSZGET"),
    (0x8008_1272, "BLKGETSIZE64"),
    (0xae80, "KVM_RUN"),
    (0x2400, "PERF_EVENT_IOC_ENABLE"),
    (0x2401, "PERF_EVENT_IOC_DISABLE"),
    (0x2403, "PERF_EVENT_IOC_RESET"),
]);

/// `mount`.
pub(in super::super) const MOUNT: Words = any_of(&[
    (0x1, "MS_RDONLY"),
    (0x2, "MS_NOSUID"),
    (0x4, "MS_NODEV"),
    (0x8, "MS_NOEXEC"),
    (0x10, "MS_SYNCHRONOUS"),
    (0x20, "MS_REMOUNT"),
    (0x40, "MS_MANDLOCK"),
    (0x80, "MS_DIRSYNC"),
    (0x100, "MS_NOSYMFOLLOW"),
    (0x400, "MS_NOATIME"),
    (0x800, "MS_NODIRATIME"),
    (0x1000, "MS_BIND"),
    (0x2000, "MS_MOVE"),
    (0x4000, "MS_REC"),
    (0x8000, "MS_SILENT"),
    (0x10000, "MS_POSIXACL"),
    (0x20000, "MS_UNBINDABLE"),
    (0x40000, "MS_PRIVATE"),
    (0x80000, "MS_SLAVE"),
    (0x10_0000, "MS_SHARED"),
    (0x20_0000, "MS_RELATIME"),
    (0x100_0000, "MS_STRICTATIME"),
    (0x200_0000, "MS_LAZYTIME"),
]);

/// `umount2`.
pub(in super::super) const UMOUNT: Words =
    any_of(&[(1, "MNT_FORCE"), (2, "MNT_DETACH"), (4, "MNT_EXPIRE"), (8, "UMOUNT_NOFOLLOW")]);

/// `io_uring_enter`.
pub(in super::super) const URING_ENTER: Words = any_of(&[
    (1, "IORING_ENTER_GETEVENTS"),
    (2, "IORING_ENTER_SQ_WAKEUP"),
    (4, "IORING_ENTER_SQ_WAIT"),
    (8, "IORING_ENTER_EXT_ARG"),
    (0x10, "IORING_ENTER_REGISTERED_RING"),
]);

#[cfg(test)]
pub(super) const ALL: &[Words] = &[
    OPEN,
    OPEN_AARCH64,
    DESCRIPTOR,
    INOTIFY_INIT,
    INOTIFY,
    ACCESS,
    AT,
    AT_ACCESS,
    AT_UNLINK,
    AT_STATX,
    STATX,
    RENAME,
    SEEK,
    FCNTL,
    CLOEXEC,
    FLOCK,
    FALLOCATE,
    FADVISE,
    SYNC_RANGE,
    SPLICE,
    RWF,
    CLOSE_RANGE,
    MEMFD,
    EVENTFD,
    XATTR,
    IOCTL,
    MOUNT,
    UMOUNT,
    URING_ENTER,
];
