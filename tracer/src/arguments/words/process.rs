//! Words of calls on processes, signals, limits and scheduling.

use super::{Words, any_of, one_of};

/// Signals by their numbers on x86 and aarch64.
pub(in super::super) const SIGNAL: Words = one_of(SIGNALS);

const SIGNALS: &[(u64, &str)] = &[
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (16, "SIGSTKFLT"),
    (17, "SIGCHLD"),
    (18, "SIGCONT"),
    (19, "SIGSTOP"),
    (20, "SIGTSTP"),
    (21, "SIGTTIN"),
    (22, "SIGTTOU"),
    (23, "SIGURG"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (26, "SIGVTALRM"),
    (27, "SIGPROF"),
    (28, "SIGWINCH"),
    (29, "SIGIO"),
    (30, "SIGPWR"),
    (31, "SIGSYS"),
    (32, "SIGRTMIN"),
    (33, "SIGRT_1"),
    (34, "SIGRT_2"),
    (35, "SIGRT_3"),
    (36, "SIGRT_4"),
    (37, "SIGRT_5"),
    (38, "SIGRT_6"),
    (39, "SIGRT_7"),
    (40, "SIGRT_8"),
    (41, "SIGRT_9"),
    (42, "SIGRT_10"),
    (43, "SIGRT_11"),
    (44, "SIGRT_12"),
    (45, "SIGRT_13"),
    (46, "SIGRT_14"),
    (47, "SIGRT_15"),
    (48, "SIGRT_16"),
    (49, "SIGRT_17"),
    (50, "SIGRT_18"),
    (51, "SIGRT_19"),
    (52, "SIGRT_20"),
    (53, "SIGRT_21"),
    (54, "SIGRT_22"),
    (55, "SIGRT_23"),
    (56, "SIGRT_24"),
    (57, "SIGRT_25"),
    (58, "SIGRT_26"),
    (59, "SIGRT_27"),
    (60, "SIGRT_28"),
    (61, "SIGRT_29"),
    (62, "SIGRT_30"),
    (63, "SIGRT_31"),
    (64, "SIGRT_32"),
];

/// `clone`, with the signal of the end in the lowest byte.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/sched.h#L10-L34>
pub(in super::super) const CLONE: Words = Words { mask: 0xff, choices: SIGNALS, flags: CLONE_FLAGS };

/// `unshare`, `setns`.
pub(in super::super) const UNSHARE: Words = any_of(CLONE_FLAGS);

const CLONE_FLAGS: &[(u64, &str)] = &[
    (0x100, "CLONE_VM"),
    (0x200, "CLONE_FS"),
    (0x400, "CLONE_FILES"),
    (0x800, "CLONE_SIGHAND"),
    (0x1000, "CLONE_PIDFD"),
    (0x2000, "CLONE_PTRACE"),
    (0x4000, "CLONE_VFORK"),
    (0x8000, "CLONE_PARENT"),
    (0x10000, "CLONE_THREAD"),
    (0x20000, "CLONE_NEWNS"),
    (0x40000, "CLONE_SYSVSEM"),
    (0x80000, "CLONE_SETTLS"),
    (0x10_0000, "CLONE_PARENT_SETTID"),
    (0x20_0000, "CLONE_CHILD_CLEARTID"),
    (0x40_0000, "CLONE_DETACHED"),
    (0x80_0000, "CLONE_UNTRACED"),
    (0x100_0000, "CLONE_CHILD_SETTID"),
    (0x200_0000, "CLONE_NEWCGROUP"),
    (0x400_0000, "CLONE_NEWUTS"),
    (0x800_0000, "CLONE_NEWIPC"),
    (0x1000_0000, "CLONE_NEWUSER"),
    (0x2000_0000, "CLONE_NEWPID"),
    (0x4000_0000, "CLONE_NEWNET"),
    (0x8000_0000, "CLONE_IO"),
];

/// `wait4`, `waitid`.
pub(in super::super) const WAIT: Words = any_of(&[
    (1, "WNOHANG"),
    (2, "WSTOPPED"),
    (4, "WEXITED"),
    (8, "WCONTINUED"),
    (0x0100_0000, "WNOWAIT"),
    (0x2000_0000, "__WNOTHREAD"),
    (0x4000_0000, "__WALL"),
    (0x8000_0000, "__WCLONE"),
]);

/// `waitid`.
pub(in super::super) const WAIT_WHICH: Words =
    one_of(&[(0, "P_ALL"), (1, "P_PID"), (2, "P_PGID"), (3, "P_PIDFD")]);

/// `rt_sigprocmask`.
pub(in super::super) const SIGNAL_MASK: Words =
    one_of(&[(0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")]);

/// `signalfd4`.
pub(in super::super) const SIGNALFD: Words =
    any_of(&[(0o2_000_000, "SFD_CLOEXEC"), (0o4000, "SFD_NONBLOCK")]);

/// Limits.
pub(in super::super) const LIMIT: Words = one_of(&[
    (0, "RLIMIT_CPU"),
    (1, "RLIMIT_FSIZE"),
    (2, "RLIMIT_DATA"),
    (3, "RLIMIT_STACK"),
    (4, "RLIMIT_CORE"),
    (5, "RLIMIT_RSS"),
    (6, "RLIMIT_NPROC"),
    (7, "RLIMIT_NOFILE"),
    (8, "RLIMIT_MEMLOCK"),
    (9, "RLIMIT_AS"),
    (10, "RLIMIT_LOCKS"),
    (11, "RLIMIT_SIGPENDING"),
    (12, "RLIMIT_MSGQUEUE"),
    (13, "RLIMIT_NICE"),
    (14, "RLIMIT_RTPRIO"),
    (15, "RLIMIT_RTTIME"),
]);

/// `getrusage`.
pub(in super::super) const USAGE: Words =
    one_of(&[(0, "RUSAGE_SELF"), (1, "RUSAGE_THREAD"), (0xffff_ffff, "RUSAGE_CHILDREN")]);

/// `getpriority`, `setpriority`.
pub(in super::super) const PRIORITY: Words =
    one_of(&[(0, "PRIO_PROCESS"), (1, "PRIO_PGRP"), (2, "PRIO_USER")]);

/// `sched_setscheduler`.
pub(in super::super) const POLICY: Words = Words {
    mask: 0xff,
    choices: &[
        (0, "SCHED_OTHER"),
        (1, "SCHED_FIFO"),
        (2, "SCHED_RR"),
        (3, "SCHED_BATCH"),
        (5, "SCHED_IDLE"),
        (6, "SCHED_DEADLINE"),
        (7, "SCHED_EXT"),
    ],
    flags: &[(0x4000_0000, "SCHED_RESET_ON_FORK")],
};

/// `prctl`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/prctl.h>
pub(in super::super) const PRCTL: Words = one_of(&[
    (1, "PR_SET_PDEATHSIG"),
    (2, "PR_GET_PDEATHSIG"),
    (3, "PR_GET_DUMPABLE"),
    (4, "PR_SET_DUMPABLE"),
    (7, "PR_GET_KEEPCAPS"),
    (8, "PR_SET_KEEPCAPS"),
    (15, "PR_SET_NAME"),
    (16, "PR_GET_NAME"),
    (21, "PR_GET_SECCOMP"),
    (22, "PR_SET_SECCOMP"),
    (23, "PR_CAPBSET_READ"),
    (24, "PR_CAPBSET_DROP"),
    (28, "PR_SET_SECUREBITS"),
    (29, "PR_SET_TIMERSLACK"),
    (30, "PR_GET_TIMERSLACK"),
    (35, "PR_SET_MM"),
    (36, "PR_SET_CHILD_SUBREAPER"),
    (37, "PR_GET_CHILD_SUBREAPER"),
    (38, "PR_SET_NO_NEW_PRIVS"),
    (39, "PR_GET_NO_NEW_PRIVS"),
    (41, "PR_SET_THP_DISABLE"),
    (42, "PR_GET_THP_DISABLE"),
    (47, "PR_CAP_AMBIENT"),
    (52, "PR_GET_SPECULATION_CTRL"),
    (53, "PR_SET_SPECULATION_CTRL"),
    (62, "PR_SCHED_CORE"),
    (0x5356_4d41, "PR_SET_VMA"),
    (0x5961_6d61, "PR_SET_PTRACER"),
]);

/// `arch_prctl`.
pub(in super::super) const ARCH_PRCTL: Words = one_of(&[
    (0x1001, "ARCH_SET_GS"),
    (0x1002, "ARCH_SET_FS"),
    (0x1003, "ARCH_GET_FS"),
    (0x1004, "ARCH_GET_GS"),
    (0x1011, "ARCH_GET_CPUID"),
    (0x1012, "ARCH_SET_CPUID"),
    (0x1021, "ARCH_GET_XCOMP_SUPP"),
    (0x1022, "ARCH_GET_XCOMP_PERM"),
    (0x1023, "ARCH_REQ_XCOMP_PERM"),
    (0x5001, "ARCH_SHSTK_ENABLE"),
    (0x5002, "ARCH_SHSTK_DISABLE"),
    (0x5005, "ARCH_SHSTK_STATUS"),
]);

/// `ptrace`.
pub(in super::super) const PTRACE: Words = one_of(&[
    (0, "PTRACE_TRACEME"),
    (1, "PTRACE_PEEKTEXT"),
    (2, "PTRACE_PEEKDATA"),
    (3, "PTRACE_PEEKUSER"),
    (4, "PTRACE_POKETEXT"),
    (5, "PTRACE_POKEDATA"),
    (6, "PTRACE_POKEUSER"),
    (7, "PTRACE_CONT"),
    (8, "PTRACE_KILL"),
    (9, "PTRACE_SINGLESTEP"),
    (12, "PTRACE_GETREGS"),
    (13, "PTRACE_SETREGS"),
    (16, "PTRACE_ATTACH"),
    (17, "PTRACE_DETACH"),
    (24, "PTRACE_SYSCALL"),
    (0x4200, "PTRACE_SETOPTIONS"),
    (0x4201, "PTRACE_GETEVENTMSG"),
    (0x4202, "PTRACE_GETSIGINFO"),
    (0x4204, "PTRACE_GETREGSET"),
    (0x4205, "PTRACE_SETREGSET"),
    (0x4206, "PTRACE_SEIZE"),
    (0x4207, "PTRACE_INTERRUPT"),
    (0x4208, "PTRACE_LISTEN"),
    (0x420e, "PTRACE_GET_SYSCALL_INFO"),
]);

/// `seccomp`.
pub(in super::super) const SECCOMP: Words = one_of(&[
    (0, "SECCOMP_SET_MODE_STRICT"),
    (1, "SECCOMP_SET_MODE_FILTER"),
    (2, "SECCOMP_GET_ACTION_AVAIL"),
    (3, "SECCOMP_GET_NOTIF_SIZES"),
]);

/// `getrandom`.
pub(in super::super) const RANDOM: Words =
    any_of(&[(1, "GRND_NONBLOCK"), (2, "GRND_RANDOM"), (4, "GRND_INSECURE")]);

/// `pidfd_open`.
pub(in super::super) const PIDFD: Words = any_of(&[(0o4000, "PIDFD_NONBLOCK"), (0o200, "PIDFD_THREAD")]);

#[cfg(test)]
pub(super) const ALL: &[Words] = &[
    SIGNAL,
    CLONE,
    UNSHARE,
    WAIT,
    WAIT_WHICH,
    SIGNAL_MASK,
    SIGNALFD,
    LIMIT,
    USAGE,
    PRIORITY,
    POLICY,
    PRCTL,
    ARCH_PRCTL,
    PTRACE,
    SECCOMP,
    RANDOM,
    PIDFD,
];
