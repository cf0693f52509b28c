//! Classes of syscalls, the ones of `strace -e trace=%CLASS`: by name, so the same in every table.

use std::fmt;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;

/// A kind of syscall. A call can be in several (`openat` is in [`File`](Self::File) and
/// [`Desc`](Self::Desc)) or in none (`futex`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Takes a file name.
    File,
    /// Takes or makes a file descriptor; network calls are not counted in.
    Desc,
    /// Networking.
    Network,
    /// Life cycle of processes: create, execute, signal, wait, end.
    Process,
    /// Signals.
    Signal,
    /// System V inter-process communication.
    Ipc,
    /// Memory mapping and policy.
    Memory,
    /// Reads or changes user and group ids and capabilities.
    Creds,
    /// Reads or changes clocks.
    Clock,
    /// `stat` and its variants.
    Stat,
    /// `lstat` and its variants.
    Lstat,
    /// `fstat`, `fstatat`, `statx` and their variants.
    Fstat,
    /// All three above: the status of a file.
    StatLike,
    /// `statfs` and its variants.
    Statfs,
    /// `fstatfs` and its variants.
    Fstatfs,
    /// Both above and `ustat`: the status of a file system.
    StatfsLike,
    /// No arguments and always succeeds.
    Pure,
}

const FILE: u32 = 1 << 0;
const DESC: u32 = 1 << 1;
const NETWORK: u32 = 1 << 2;
const PROCESS: u32 = 1 << 3;
const SIGNAL: u32 = 1 << 4;
const IPC: u32 = 1 << 5;
const MEMORY: u32 = 1 << 6;
const CREDS: u32 = 1 << 7;
const CLOCK: u32 = 1 << 8;
const STAT: u32 = 1 << 9;
const LSTAT: u32 = 1 << 10;
const FSTAT: u32 = 1 << 11;
const STATFS: u32 = 1 << 12;
const FSTATFS: u32 = 1 << 13;
const USTAT: u32 = 1 << 14;
const PURE: u32 = 1 << 15;

impl Class {
    /// Every class.
    pub const ALL: [Self; 17] = [
        Self::File,
        Self::Desc,
        Self::Network,
        Self::Process,
        Self::Signal,
        Self::Ipc,
        Self::Memory,
        Self::Creds,
        Self::Clock,
        Self::Stat,
        Self::Lstat,
        Self::Fstat,
        Self::StatLike,
        Self::Statfs,
        Self::Fstatfs,
        Self::StatfsLike,
        Self::Pure,
    ];

    /// The spellings, the usual one first.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::File => &["%file"],
            Self::Desc => &["%desc"],
            Self::Network => &["%network", "%net"],
            Self::Process => &["%process"],
            Self::Signal => &["%signal"],
            Self::Ipc => &["%ipc"],
            Self::Memory => &["%memory", "%mem"],
            Self::Creds => &["%creds"],
            Self::Clock => &["%clock"],
            Self::Stat => &["%stat"],
            Self::Lstat => &["%lstat"],
            Self::Fstat => &["%fstat"],
            Self::StatLike => &["%%stat"],
            Self::Statfs => &["%statfs"],
            Self::Fstatfs => &["%fstatfs"],
            Self::StatfsLike => &["%%statfs"],
            Self::Pure => &["%pure"],
        }
    }

    /// The class of this name, given with its percent sign: `%file`, `%%stat`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.names().contains(&name))
    }

    /// Whether the syscall of this name is in the class. Names that no table has are in none.
    pub fn contains(self, syscall: &str) -> bool {
        CLASSES.get(syscall).is_some_and(|bits| bits & self.bits() != 0)
    }

    const fn bits(self) -> u32 {
        match self {
            Self::File => FILE,
            Self::Desc => DESC,
            Self::Network => NETWORK,
            Self::Process => PROCESS,
            Self::Signal => SIGNAL,
            Self::Ipc => IPC,
            Self::Memory => MEMORY,
            Self::Creds => CREDS,
            Self::Clock => CLOCK,
            Self::Stat => STAT,
            Self::Lstat => LSTAT,
            Self::Fstat => FSTAT,
            Self::StatLike => STAT | LSTAT | FSTAT,
            Self::Statfs => STATFS,
            Self::Fstatfs => FSTATFS,
            Self::StatfsLike => STATFS | FSTATFS | USTAT,
            Self::Pure => PURE,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.names()[0])
    }
}

static CLASSES: LazyLock<FxHashMap<&'static str, u32>> = LazyLock::new(|| {
    let named = ROWS.iter().flat_map(|&(bits, names)| names.split(' ').map(move |name| (name, bits)));
    named.collect()
});

/// Every name of every table with its classes. Up to Linux 5.17 they are strace's (`fixtures/strace-6.1.txt`
/// says how that was measured); for later calls they follow what the call takes. `socketcall` is counted to
/// the network because strace looks into it and counts what it finds.
const ROWS: &[(u32, &str)] = &[
    (
        FILE,
        "access acct chdir chmod chown chown32 chroot getcwd getxattr lchown lchown32 lgetxattr link \
         listxattr llistxattr lremovexattr lsetxattr mkdir mknod mount pivot_root quotactl readlink \
         removexattr rename rmdir setxattr swapoff swapon symlink truncate truncate64 umount umount2 \
         unlink uselib utime utimes",
    ),
    (
        FILE | DESC,
        "creat faccessat faccessat2 fanotify_mark fchmodat fchmodat2 fchownat file_getattr file_setattr \
         fsconfig fspick futimesat getxattrat inotify_add_watch linkat listxattrat mkdirat mknodat \
         mount_setattr move_mount name_to_handle_at open open_tree open_tree_attr openat openat2 \
         readlinkat removexattrat renameat renameat2 setxattrat symlinkat unlinkat utimensat \
         utimensat_time64",
    ),
    (FILE | DESC | PROCESS, "execveat"),
    (FILE | DESC | FSTAT, "fstatat64 newfstatat statx"),
    (FILE | PROCESS, "execve"),
    (FILE | STAT, "oldstat stat stat64"),
    (FILE | LSTAT, "lstat lstat64 oldlstat"),
    (FILE | STATFS, "statfs statfs64"),
    (
        DESC,
        "_llseek _newselect bpf cachestat close copy_file_range dup dup2 dup3 epoll_create epoll_create1 \
         epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 fadvise64 fadvise64_64 fallocate \
         fanotify_init fchdir fchmod fchown fchown32 fcntl fcntl64 fdatasync fgetxattr finit_module \
         flistxattr flock fremovexattr fsetxattr fsmount fsopen fsync ftruncate ftruncate64 getdents \
         getdents64 inotify_init inotify_init1 inotify_rm_watch io_uring_setup ioctl kexec_file_load \
         landlock_add_rule landlock_create_ruleset landlock_restrict_self lseek memfd_create memfd_secret \
         mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
         mq_timedsend_time64 open_by_handle_at perf_event_open pidfd_getfd pidfd_open pipe pipe2 poll \
         ppoll ppoll_time64 pread64 preadv preadv2 process_madvise process_mrelease pselect6 \
         pselect6_time64 pwrite64 pwritev pwritev2 quotactl_fd read readahead readdir readv select setns \
         splice sync_file_range syncfs tee timerfd_create timerfd_gettime timerfd_gettime64 \
         timerfd_settime timerfd_settime64 userfaultfd vmsplice write writev",
    ),
    (DESC | NETWORK, "sendfile sendfile64 socketcall"),
    (DESC | PROCESS | SIGNAL, "pidfd_send_signal"),
    (DESC | SIGNAL, "io_uring_enter signalfd signalfd4"),
    (DESC | MEMORY, "io_uring_register mmap mmap2"),
    (DESC | FSTAT, "fstat fstat64 oldfstat"),
    (DESC | FSTATFS, "fstatfs fstatfs64"),
    (
        NETWORK,
        "accept accept4 bind connect getpeername getpmsg getsockname getsockopt listen putpmsg recvfrom \
         recvmmsg recvmmsg_time64 recvmsg sendmmsg sendmsg sendto setsockopt shutdown socket socketpair",
    ),
    (PROCESS, "clone clone3 exit exit_group fork vfork wait4 waitid waitpid"),
    (PROCESS | SIGNAL, "kill rt_sigqueueinfo rt_tgsigqueueinfo tgkill tkill"),
    (
        SIGNAL,
        "pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait \
         rt_sigtimedwait_time64 sgetmask sigaction sigaltstack signal sigpending sigprocmask sigreturn \
         sigsuspend ssetmask",
    ),
    (IPC, "ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmctl shmget"),
    (IPC | MEMORY, "shmat shmdt"),
    (
        MEMORY,
        "break brk get_mempolicy io_destroy io_setup madvise map_shadow_stack mbind migrate_pages mincore \
         mlock mlock2 mlockall move_pages mprotect mremap mseal msync munlock munlockall munmap \
         pkey_mprotect remap_file_pages set_mempolicy set_mempolicy_home_node",
    ),
    (
        CREDS,
        "capget capset getgroups getgroups32 getresgid getresgid32 getresuid getresuid32 prctl setfsgid \
         setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 \
         setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32",
    ),
    (CREDS | PURE, "getegid getegid32 geteuid geteuid32 getgid getgid32 getuid getuid32"),
    (
        CLOCK,
        "adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime \
         clock_gettime64 clock_settime clock_settime64 gettimeofday settimeofday time",
    ),
    (USTAT, "ustat"),
    (PURE, "getpgrp getpid getppid gettid"),
    (
        0,
        "_sysctl add_key afs_syscall alarm arch_prctl bdflush clock_nanosleep clock_nanosleep_time64 \
         close_range create_module delete_module epoll_ctl_old epoll_wait_old ftime futex futex_requeue \
         futex_time64 futex_wait futex_waitv futex_wake get_kernel_syms get_robust_list get_thread_area \
         getcpu getitimer getpgid getpriority getrandom getrlimit getrusage getsid gtty idle init_module \
         io_cancel io_getevents io_pgetevents io_pgetevents_time64 io_submit ioperm iopl ioprio_get \
         ioprio_set kcmp kexec_load keyctl listmount lock lookup_dcookie lsm_get_self_attr \
         lsm_list_modules lsm_set_self_attr membarrier modify_ldt mpx mq_unlink nanosleep nfsservctl nice \
         oldolduname olduname personality pkey_alloc pkey_free prlimit64 process_vm_readv \
         process_vm_writev prof profil ptrace query_module reboot request_key restart_syscall rseq \
         sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam \
         sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity \
         sched_setattr sched_setparam sched_setscheduler sched_yield seccomp security set_robust_list \
         set_thread_area set_tid_address setdomainname sethostname setitimer setpgid setpriority \
         setrlimit setsid statmount stime stty sync sysfs sysinfo syslog timer_create timer_delete \
         timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 times tuxcall \
         ugetrlimit ulimit umask uname unshare uprobe uretprobe vhangup vm86 vm86old vserver",
    ),
];

#[cfg(test)]
mod tests {
    use tracer_common::abi::{Abi, X32_SYSCALL_BIT};

    use super::*;
    use crate::interval::CallKey;
    use crate::syscalls::{name, names, number};

    #[test]
    fn every_name_of_every_table_has_a_row() {
        for abi in Abi::ALL {
            for (_, entry) in names::entries(abi) {
                assert!(CLASSES.contains_key(entry.name), "{abi:?} {}", entry.name);
            }
        }
    }

    #[test]
    fn every_row_names_a_call_once() {
        let listed: Vec<&str> = ROWS.iter().flat_map(|(_, names)| names.split(' ')).collect();
        assert_eq!(listed.len(), CLASSES.len(), "a name stands in two rows");
        for call in listed {
            assert!(Abi::ALL.iter().any(|&abi| number(abi, call).is_some()), "{call:?}");
        }
    }

    #[test]
    fn class_names_are_inverse_and_distinct() {
        for class in Class::ALL {
            for name in class.names() {
                assert_eq!(Class::parse(name), Some(class));
            }
        }
        assert_eq!(Class::parse("file"), None);
        assert_eq!(Class::parse("%"), None);
    }

    #[test]
    fn a_call_can_be_in_several_classes() {
        let of = |call| Class::ALL.into_iter().filter(|class| class.contains(call)).collect::<Vec<_>>();
        assert_eq!(of("openat"), [Class::File, Class::Desc]);
        assert_eq!(of("fchmodat2"), [Class::File, Class::Desc]);
        assert_eq!(of("exit_group"), [Class::Process]);
        assert_eq!(of("socketcall"), [Class::Desc, Class::Network]);
        assert_eq!(of("futex"), []);
        assert_eq!(of("no_such_call"), []);
    }

    /// Names and classes of the three x86 tables against what strace itself says.
    #[test]
    fn agrees_with_strace() {
        let rows = include_str!("fixtures/strace-6.1.txt").lines().filter(|line| !line.starts_with('#'));
        let mut compared = 0;
        for row in rows {
            let fields: Vec<&str> = row.split(' ').collect();
            let [abi, nr, call, classes] = fields[..] else { panic!("four fields: {row:?}") };
            let abi = Abi::ALL.into_iter().find(|known| known.name() == abi).expect("an ABI");
            let nr: i32 = nr.parse().expect("a number");
            let shown = name(CallKey { abi, nr });
            assert_eq!(shown.rsplit(':').next(), Some(call), "{row}");
            assert_eq!(number(abi, call).map(|nr| nr & !X32_SYSCALL_BIT), Some(nr), "{row}");
            for class in Class::ALL {
                let theirs = classes.split(',').any(|name| class.names()[0][1..] == *name);
                let known_difference = call == "socketcall" && class == Class::Network;
                assert_eq!(class.contains(call), theirs || known_difference, "{class} {row}");
            }
            compared += 1;
        }
        assert!(compared > 1_100, "{compared} rows");
    }
}
