//! The kind of each argument of each call: from its published type and name, and for constants from a list.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use tracer_common::abi::Abi;

use super::signatures::PUBLISHED;
use super::words::{Words, file, ipc, memory, net, process, sync, time};
use super::{Meaning, pointed};

/// How to read a register.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Descriptor,
    Directory,
    Address,
    /// A path that ends with a NUL.
    Path,
    /// A `struct sockaddr` that the call is given, its length in the next register.
    SocketAddress,
    /// `int` and its like: the lower half of a register.
    Int,
    /// `long` and its like.
    Long,
    /// `unsigned int` and its like.
    Unsigned,
    /// `size_t` and its like.
    Size,
    /// Bits without names.
    Bits,
    Mode,
    /// Constants in the lower half of a register.
    Words(&'static Words),
    /// Constants in all of it.
    WideWords(&'static Words),
    /// Flags and the permissions of an IPC object.
    IpcFlags,
}

impl Kind {
    /// What this argument means. In a register of a 32-bit program only the lower half counts.
    pub(super) fn meaning(self, raw: u64, abi: Abi) -> Meaning {
        let low = raw as u32;
        match self {
            Self::Descriptor => Meaning::Descriptor(low as i32),
            Self::Directory => Meaning::Directory(low as i32),
            // What is there is put in its place where it was read.
            Self::Address | Self::Path | Self::SocketAddress => Meaning::Address(raw),
            Self::Int => Meaning::Signed(i64::from(low as i32)),
            Self::Long if abi == Abi::I386 => Meaning::Signed(i64::from(low as i32)),
            Self::Long => Meaning::Signed(raw as i64),
            Self::Unsigned => Meaning::Unsigned(u64::from(low)),
            Self::Size => Meaning::Unsigned(raw),
            Self::Bits => Meaning::Bits(raw),
            Self::Mode => Meaning::Mode(low),
            Self::Words(words) => Meaning::Words(words.text(u64::from(low))),
            Self::WideWords(words) => Meaning::Words(words.text(raw)),
            Self::IpcFlags => {
                let (flags, mode) = (low & !0o777, low & 0o777);
                Meaning::Words(match flags {
                    0 => format!("0{mode:02o}"),
                    _ => format!("{}|0{mode:02o}", ipc::GET.text(u64::from(flags))),
                })
            }
        }
    }
}

/// One argument that a call takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    /// The kernel's name for it.
    pub(super) name: &'static str,
    /// Which of the six registers.
    pub(super) register: usize,
    pub(super) kind: Kind,
}

/// What is shown of a call that is not known.
pub(super) const UNKNOWN: [Parameter; 6] = {
    const fn bits(name: &'static str, register: usize) -> Parameter {
        Parameter { name, register, kind: Kind::Bits }
    }
    [bits("arg0", 0), bits("arg1", 1), bits("arg2", 2), bits("arg3", 3), bits("arg4", 4), bits("arg5", 5)]
};

/// Calls that the kernel of [`PUBLISHED`] was built without, as its source declares them.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/syscalls.h>
const UNPUBLISHED: [(&str, &str); 13] = [
    ("_sysctl", "struct __sysctl_args * args"),
    ("delete_module", "const char * name_user|unsigned int flags"),
    ("finit_module", "int fd|const char * uargs|int flags"),
    ("get_thread_area", "struct user_desc * u_info"),
    ("init_module", "void * umod|unsigned long len|const char * uargs"),
    (
        "kexec_file_load",
        "int kernel_fd|int initrd_fd|unsigned long cmdline_len|const char * cmdline_ptr|unsigned long flags",
    ),
    (
        "kexec_load",
        "unsigned long entry|unsigned long nr_segments|struct kexec_segment * segments|unsigned long flags",
    ),
    ("lookup_dcookie", "u64 cookie64|char * buf|size_t len"),
    ("map_shadow_stack", "unsigned long addr|unsigned long size|unsigned int flags"),
    ("set_thread_area", "struct user_desc * u_info"),
    ("uselib", "const char * library"),
    ("waitpid", "pid_t pid|int * stat_addr|int options"),
    (
        "_llseek",
        "unsigned int fd|unsigned long offset_high|unsigned long offset_low|loff_t * result|unsigned int whence",
    ),
];

static PARAMETERS: LazyLock<FxHashMap<&'static str, Box<[Parameter]>>> = LazyLock::new(|| {
    let published = UNPUBLISHED.iter().chain(&PUBLISHED);
    published.map(|&(call, declarations)| (call, parameters(call, declarations))).collect()
});

/// What the call of this name takes; `None` when it is not known.
pub(super) fn of(name: &str) -> Option<&'static [Parameter]> {
    PARAMETERS.get(name).map(|parameters| &parameters[..])
}

/// The call among 64-bit ones that takes what the 32-bit call `name` does; `None` where none does: its 64-bit
/// numbers are in two registers, or its arguments behind a pointer.
pub(super) fn name_on_i386(name: &str) -> Option<&str> {
    match name {
        "mmap" | "select" | "break" | "oldstat" | "oldfstat" | "oldlstat" | "umount" | "pread64"
        | "pwrite64" | "readahead" | "fadvise64" | "fallocate" | "sync_file_range" | "fanotify_mark"
        | "lookup_dcookie" | "getrlimit" | "quotactl" => None,
        "mmap2" => Some("mmap"),
        "_newselect" => Some("select"),
        "stat64" => Some("stat"),
        "lstat64" => Some("lstat"),
        "fstat64" => Some("fstat"),
        "fstatat64" => Some("newfstatat"),
        "fcntl64" => Some("fcntl"),
        "sendfile64" => Some("sendfile"),
        "ugetrlimit" => Some("getrlimit"),
        "recvmmsg_time64" => Some("recvmmsg"),
        _ => Some(name.strip_suffix("_time64").or_else(|| name.strip_suffix("32")).unwrap_or(name)),
    }
}

fn parameters(call: &str, declarations: &'static str) -> Box<[Parameter]> {
    let parameter = |(register, declaration): (usize, &'static str)| {
        let (kind, name) = declaration.rsplit_once(' ').unwrap_or(("", declaration));
        Parameter { name, register, kind: kind_of(call, kind, name) }
    };
    declarations.split('|').filter(|text| !text.is_empty()).enumerate().take(6).map(parameter).collect()
}

/// The kind of an argument by the name of its call, its type and its name.
fn kind_of(call: &str, type_name: &str, name: &str) -> Kind {
    let is_wide = type_name.contains("long") || matches!(type_name, "size_t" | "__u64" | "u64");
    if let Some(words) = words_of(call, name) {
        return if is_wide { Kind::WideWords(words) } else { Kind::Words(words) };
    }
    match (call, name) {
        ("umask", "mask") => return Kind::Mode,
        ("shmget" | "semget" | "msgget", "shmflg" | "semflg" | "msgflg") => return Kind::IpcFlags,
        ("execveat", "fd") => return Kind::Directory,
        ("brk", _) | ("shmat" | "shmdt", "shmaddr") => return Kind::Address,
        ("rseq", "rseq_len" | "sig") => return Kind::Bits,
        _ => {}
    }
    let type_name = type_name.strip_prefix("const ").unwrap_or(type_name);
    if let Some(kind) = pointed::kind_of(call, type_name, name) {
        return kind;
    }
    if type_name.contains('*') || type_name.starts_with("cap_user_") {
        return Kind::Address;
    }
    match name {
        "fd" | "oldfd" | "newfd" | "fildes" | "epfd" | "fd_in" | "fd_out" | "in_fd" | "out_fd" | "fdin"
        | "fdout" | "ufd" | "pidfd" | "group_fd" | "fs_fd" | "fanotify_fd" | "ruleset_fd" | "kernel_fd"
        | "initrd_fd" | "mqdes" | "mountdirfd" => return Kind::Descriptor,
        "dfd" | "olddfd" | "newdfd" | "from_dfd" | "to_dfd" => return Kind::Directory,
        "addr" | "start" | "newsp" | "new_addr" => return Kind::Address,
        "off" | "arg" | "arg1" | "arg2" | "arg3" | "arg4" | "arg5" | "data" | "tls" | "entry" | "ctx"
        | "ctx_id" => return Kind::Bits,
        _ if name.ends_with("flags") || name.ends_with("flag") || name.ends_with("mask") => {
            return if is_wide { Kind::Bits } else { Kind::Words(&NO_WORDS) };
        }
        _ => {}
    }
    match type_name {
        "umode_t" => Kind::Mode,
        "long" | "off_t" | "loff_t" => Kind::Long,
        "size_t" | "unsigned long" | "u64" | "__u64" => Kind::Size,
        "unsigned int" | "unsigned" | "u32" | "__u32" => Kind::Unsigned,
        "aio_context_t" => Kind::Bits,
        _ => Kind::Int,
    }
}

/// Flags whose names are not listed here.
const NO_WORDS: Words = Words { mask: 0, choices: &[], flags: &[] };

/// The constants of one argument of a call.
fn words_of(call: &str, name: &str) -> Option<&'static Words> {
    Some(match (call, name) {
        ("open" | "openat" | "open_by_handle_at", "flags") | ("mq_open", "oflag") => &file::OPEN,
        ("dup3" | "pipe2", "flags") => &file::DESCRIPTOR,
        ("inotify_init1", "flags") => &file::INOTIFY_INIT,
        ("inotify_add_watch", "mask") => &file::INOTIFY,
        ("access" | "faccessat" | "faccessat2", "mode") => &file::ACCESS,
        ("faccessat2", "flags") => &file::AT_ACCESS,
        ("unlinkat", "flag") => &file::AT_UNLINK,
        ("statx", "flags") => &file::AT_STATX,
        ("statx", "mask") => &file::STATX,
        (
            "newfstatat" | "fchownat" | "linkat" | "utimensat" | "execveat" | "name_to_handle_at"
            | "fchmodat2",
            "flag" | "flags",
        )
        | (
            "setxattrat" | "getxattrat" | "listxattrat" | "removexattrat" | "file_getattr" | "file_setattr",
            "at_flags",
        ) => &file::AT,
        ("renameat2", "flags") => &file::RENAME,
        ("lseek" | "_llseek", "whence") => &file::SEEK,
        ("fcntl", "cmd") => &file::FCNTL,
        ("flock", "cmd") => &file::FLOCK,
        ("fallocate", "mode") => &file::FALLOCATE,
        ("fadvise64", "advice") => &file::FADVISE,
        ("sync_file_range", "flags") => &file::SYNC_RANGE,
        ("splice" | "tee" | "vmsplice", "flags") => &file::SPLICE,
        ("preadv2" | "pwritev2", "flags") => &file::RWF,
        ("close_range", "flags") => &file::CLOSE_RANGE,
        ("memfd_create", "flags") => &file::MEMFD,
        ("eventfd2", "flags") => &file::EVENTFD,
        ("setxattr" | "lsetxattr" | "fsetxattr", "flags") => &file::XATTR,
        ("ioctl", "cmd") => &file::IOCTL,
        ("mount", "flags") => &file::MOUNT,
        ("umount2", "flags") => &file::UMOUNT,
        ("io_uring_enter", "flags") => &file::URING_ENTER,
        ("socket" | "socketpair", "family") => &net::FAMILY,
        ("socket" | "socketpair", "type") => &net::TYPE,
        ("accept4", "flags") => &net::ACCEPT,
        ("shutdown", "how") => &net::SHUTDOWN,
        ("sendto" | "recvfrom" | "sendmsg" | "recvmsg" | "sendmmsg" | "recvmmsg", "flags") => &net::MESSAGE,
        ("setsockopt" | "getsockopt", "level") => &net::LEVEL,
        ("epoll_ctl", "op") => &net::EPOLL_CTL,
        ("epoll_create1", "flags") => &net::EPOLL_CREATE,
        ("mmap" | "mprotect" | "pkey_mprotect", "prot") => &memory::PROTECTION,
        ("mmap", "flags") => &memory::MAP,
        ("mremap", "flags") => &memory::REMAP,
        ("madvise" | "process_madvise", "behavior") => &memory::ADVICE,
        ("msync", "flags") => &memory::SYNC,
        ("mlockall", "flags") => &memory::LOCK_ALL,
        ("mlock2", "flags") => &memory::LOCK,
        ("mbind" | "set_mempolicy", "mode") => &memory::POLICY,
        ("clone", "clone_flags") => &process::CLONE,
        ("unshare", "unshare_flags") | ("setns", "flags") => &process::UNSHARE,
        ("wait4" | "waitid" | "waitpid", "options") => &process::WAIT,
        ("waitid", "which") => &process::WAIT_WHICH,
        (
            "kill" | "tkill" | "tgkill" | "rt_sigaction" | "rt_sigqueueinfo" | "rt_tgsigqueueinfo"
            | "pidfd_send_signal",
            "sig",
        ) => &process::SIGNAL,
        ("rt_sigprocmask", "how") => &process::SIGNAL_MASK,
        ("signalfd4", "flags") => &process::SIGNALFD,
        ("getrlimit" | "setrlimit" | "prlimit64", "resource") => &process::LIMIT,
        ("getrusage", "who") => &process::USAGE,
        ("getpriority" | "setpriority", "which") => &process::PRIORITY,
        ("sched_setscheduler" | "sched_get_priority_max" | "sched_get_priority_min", "policy") => {
            &process::POLICY
        }
        ("prctl", "option") => &process::PRCTL,
        ("arch_prctl", "option") => &process::ARCH_PRCTL,
        ("ptrace", "request") => &process::PTRACE,
        ("seccomp", "op") => &process::SECCOMP,
        ("getrandom", "flags") => &process::RANDOM,
        ("pidfd_open", "flags") => &process::PIDFD,
        ("futex", "op") => &sync::FUTEX,
        ("futex_wait" | "futex_wake", "flags") => &sync::FUTEX2,
        ("futex_wait" | "futex_wake", "mask") => &sync::BITSET,
        ("membarrier", "cmd") => &sync::BARRIER,
        ("rseq", "flags") => &sync::RSEQ,
        (_, "which_clock" | "clockid") => &time::CLOCK,
        ("clock_nanosleep" | "timer_settime", "flags") => &time::SLEEP,
        ("timerfd_create", "flags") => &time::TIMERFD,
        ("timerfd_settime", "flags") => &time::TIMERFD_SET,
        ("getitimer" | "setitimer", "which") => &time::INTERVAL,
        ("shmget" | "semget" | "msgget", "key") => &ipc::KEY,
        ("semctl", "cmd") => &ipc::SEMCTL,
        ("shmctl", "cmd") => &ipc::SHMCTL,
        ("msgctl", "cmd") => &ipc::MSGCTL,
        ("shmat", "shmflg") => &ipc::SHMAT,
        ("msgsnd" | "msgrcv", "msgflg") => &ipc::MESSAGE,
        _ => return None,
    })
}
