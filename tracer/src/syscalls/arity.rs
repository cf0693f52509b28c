//! How many arguments a syscall has: the registers beyond them hold whatever was there before.

use tracer_common::abi::Abi;

use super::{HOST_ABI, names};
use crate::interval::CallKey;

/// Names by their number of arguments, as the kernel declares them.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/syscalls.h>
#[rustfmt::skip]
const NAMES: [&[&str]; 7] = [
    &[
        "fork", "getegid", "geteuid", "getgid", "getpgrp", "getpid", "getppid", "gettid", "getuid",
        "inotify_init", "munlockall", "pause", "restart_syscall", "rt_sigreturn", "sched_yield", "setsid",
        "sync", "uprobe", "uretprobe", "vfork", "vhangup",
    ],
    &[
        "_sysctl", "acct", "adjtimex", "alarm", "brk", "chdir", "chroot", "close", "dup", "epoll_create",
        "epoll_create1", "eventfd", "exit", "exit_group", "fchdir", "fdatasync", "fsync", "get_thread_area",
        "getpgid", "getsid", "inotify_init1", "io_destroy", "iopl", "memfd_secret", "mlockall", "mq_unlink",
        "personality", "pipe", "pkey_free", "rmdir", "sched_get_priority_max", "sched_get_priority_min",
        "sched_getscheduler", "set_thread_area", "set_tid_address", "setfsgid", "setfsuid", "setgid", "setuid",
        "shmdt", "swapoff", "syncfs", "sysinfo", "time", "timer_delete", "timer_getoverrun", "times", "umask",
        "uname", "unlink", "unshare", "uselib", "userfaultfd",
    ],
    &[
        "access", "arch_prctl", "capget", "capset", "chmod", "clock_adjtime", "clock_getres", "clock_gettime",
        "clock_settime", "clone3", "creat", "delete_module", "dup2", "eventfd2", "fanotify_init", "fchmod",
        "flock", "fremovexattr", "fsopen", "fstat", "fstatfs", "ftruncate", "getcwd", "getgroups", "getitimer",
        "getpriority", "getrlimit", "getrusage", "gettimeofday", "inotify_rm_watch", "io_setup",
        "io_uring_setup", "ioprio_get", "kill", "landlock_restrict_self", "link", "listen", "lremovexattr",
        "lstat", "memfd_create", "mkdir", "mlock", "mq_notify", "msgget", "munlock", "munmap", "nanosleep",
        "pidfd_open", "pipe2", "pivot_root", "pkey_alloc", "process_mrelease", "removexattr", "rename",
        "rt_sigpending", "rt_sigsuspend", "sched_getparam", "sched_rr_get_interval", "sched_setparam",
        "set_robust_list", "setdomainname", "setgroups", "sethostname", "setns", "setpgid", "setregid",
        "setreuid", "setrlimit", "settimeofday", "shutdown", "sigaltstack", "stat", "statfs", "swapon",
        "symlink", "timer_gettime", "timerfd_create", "timerfd_gettime", "tkill", "truncate", "umount2",
        "ustat", "utime", "utimes",
    ],
    &[
        "accept", "bind", "bpf", "chown", "close_range", "connect", "dup3", "execve", "faccessat", "fchmodat",
        "fchown", "fcntl", "finit_module", "flistxattr", "fsmount", "fspick", "futimesat", "get_robust_list",
        "getcpu", "getdents", "getdents64", "getpeername", "getrandom", "getresgid", "getresuid", "getsockname",
        "init_module", "inotify_add_watch", "io_cancel", "io_submit", "ioctl", "ioperm", "ioprio_set",
        "landlock_create_ruleset", "lchown", "listxattr", "llistxattr", "lookup_dcookie", "lseek",
        "lsm_list_modules", "madvise", "map_shadow_stack", "membarrier", "mincore", "mkdirat", "mknod",
        "mlock2", "modify_ldt", "mprotect", "mq_getsetattr", "mseal", "msgctl", "msync", "open",
        "open_by_handle_at", "open_tree", "pidfd_getfd", "poll", "read", "readahead", "readlink", "readv",
        "recvmsg", "rt_sigqueueinfo", "sched_getaffinity", "sched_setaffinity", "sched_setattr",
        "sched_setscheduler", "seccomp", "semget", "semop", "sendmsg", "set_mempolicy", "setitimer",
        "setpriority", "setresgid", "setresuid", "shmat", "shmctl", "shmget", "signalfd", "socket", "symlinkat",
        "sysfs", "syslog", "tgkill", "timer_create", "unlinkat", "write", "writev",
    ],
    &[
        "accept4", "cachestat", "clock_nanosleep", "epoll_ctl", "epoll_wait", "faccessat2", "fadvise64",
        "fallocate", "fchmodat2", "fgetxattr", "futex_requeue", "futex_wake", "getxattr", "io_uring_register",
        "kexec_load", "landlock_add_rule", "lgetxattr", "listmount", "lsm_get_self_attr", "lsm_set_self_attr",
        "migrate_pages", "mknodat", "mq_open", "msgsnd", "newfstatat", "openat", "openat2", "pidfd_send_signal",
        "pkey_mprotect", "pread64", "prlimit64", "ptrace", "pwrite64", "quotactl", "quotactl_fd", "readlinkat",
        "reboot", "removexattrat", "renameat", "request_key", "rseq", "rt_sigaction", "rt_sigprocmask",
        "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_getattr", "semctl", "semtimedop", "sendfile", "sendmmsg",
        "set_mempolicy_home_node", "signalfd4", "socketpair", "statmount", "sync_file_range", "tee",
        "timer_settime", "timerfd_settime", "utimensat", "vmsplice", "wait4",
    ],
    &[
        "add_key", "clone", "execveat", "fanotify_mark", "fchownat", "file_getattr", "file_setattr", "fsconfig",
        "fsetxattr", "futex_waitv", "get_mempolicy", "getsockopt", "io_getevents", "kcmp", "kexec_file_load",
        "keyctl", "linkat", "listxattrat", "lsetxattr", "mount", "mount_setattr", "move_mount",
        "mq_timedreceive", "mq_timedsend", "mremap", "msgrcv", "name_to_handle_at", "open_tree_attr",
        "perf_event_open", "ppoll", "prctl", "preadv", "process_madvise", "pwritev", "recvmmsg",
        "remap_file_pages", "renameat2", "select", "setsockopt", "setxattr", "statx", "waitid",
    ],
    &[
        "copy_file_range", "epoll_pwait", "epoll_pwait2", "futex", "futex_wait", "getxattrat", "io_pgetevents",
        "io_uring_enter", "mbind", "mmap", "move_pages", "preadv2", "process_vm_readv", "process_vm_writev",
        "pselect6", "pwritev2", "recvfrom", "sendto", "setxattrat", "splice",
    ],
];

/// How many of the six registers are arguments of `call`. Six where it is not known, and for tables other than
/// the host's, whose calls of the same name may take others.
pub fn arguments(call: CallKey) -> usize {
    names::entry(call).map_or(6, |entry| entry.arguments)
}

/// The registers of a call, those that are no arguments of it zeroed: whatever was left in them is nobody's business.
pub fn arguments_only(call: CallKey, mut registers: [u64; 6]) -> [u64; 6] {
    registers[arguments(call)..].fill(0);
    registers
}

/// Of the call that `abi` has under this name.
pub(super) fn by_name(abi: Abi, name: &str) -> usize {
    if abi != HOST_ABI {
        return 6;
    }
    NAMES.iter().position(|names| names.binary_search(&name).is_ok()).unwrap_or(6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::number;

    #[test]
    fn names_are_sorted_and_known_and_have_the_arguments_of_their_manual_page() {
        for names in NAMES {
            assert!(names.is_sorted());
            assert!(names.iter().all(|name| number(Abi::X86_64, name).is_some()));
        }
        if HOST_ABI == Abi::X86_64 {
            for (name, count) in
                [("getpid", 0), ("close", 1), ("stat", 2), ("read", 3), ("openat", 4), ("mmap", 6)]
            {
                let nr = number(HOST_ABI, name).expect("a name");
                assert_eq!(arguments(CallKey { abi: HOST_ABI, nr }), count, "{name}");
            }
        }
        assert_eq!(arguments(CallKey { abi: Abi::I386, nr: 20 }), 6);
        assert_eq!(arguments(CallKey { abi: HOST_ABI, nr: 99_999 }), 6);
    }
}
