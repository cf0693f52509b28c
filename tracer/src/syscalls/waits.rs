//! Which calls wait by design.
//!
//! The rule: a call is listed when a healthy, idle program spends its life in it, so that its time says
//! nothing about anything being slow. Calls that block on a resource which the program wants to *have*
//! (`read`, `recvfrom`, `connect`, `flock`, `fsync`, `msgsnd`) are not: their waiting is what one looks for.

/// Sorted, for the binary search.
const WAITING: [&str; 38] = [
    "_newselect",
    // On a listening socket: the wait is for the next client.
    "accept",
    "accept4",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    // Also how contended locks wait, and `FUTEX_WAKE` does not wait at all. But every parked worker thread
    // is here too, for hours, and would otherwise head every table; the number alone cannot tell them apart.
    "futex",
    "futex_time64",
    "futex_wait",
    "futex_waitv",
    "io_getevents",
    "io_pgetevents",
    "io_pgetevents_time64",
    // Submits as well, but blocks only for completions that the caller asked to wait for.
    "io_uring_enter",
    "mq_timedreceive",
    "mq_timedreceive_time64",
    // Waiting for the next message; sending (`msgsnd`) blocks on a full queue, which is trouble.
    "msgrcv",
    "nanosleep",
    "pause",
    "poll",
    "ppoll",
    "ppoll_time64",
    "pselect6",
    "pselect6_time64",
    // Goes on with a poll, a futex wait or a sleep that a signal stopped.
    "restart_syscall",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "select",
    // Semaphores are to older programs (databases above all) what futexes are to newer ones.
    "semop",
    "semtimedop",
    "semtimedop_time64",
    "sigsuspend",
    // A child that runs long is not a slow call of its parent.
    "wait4",
    "waitid",
    "waitpid",
    // `ipc` and `socketcall` of 32-bit programs are not here: one number for waiting calls and others alike.
];

/// Whether the call of this name waits by design.
pub(super) fn by_name(name: &str) -> bool {
    WAITING.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use tracer_common::abi::Abi;

    use super::*;
    use crate::syscalls::number;

    #[test]
    fn the_list_is_sorted_and_names_real_calls() {
        assert!(WAITING.is_sorted());
        for name in WAITING {
            assert!(Abi::ALL.iter().any(|&abi| number(abi, name).is_some()), "{name}");
        }
    }

    #[test]
    fn blocking_on_something_wanted_is_not_waiting_by_design() {
        for name in ["read", "recvfrom", "connect", "flock", "fsync", "msgsnd", "futex_wake", "epoll_ctl"] {
            assert!(!by_name(name), "{name}");
        }
    }
}
