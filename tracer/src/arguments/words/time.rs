//! Words of clocks and timers.

use super::{Words, any_of, one_of};

/// Clocks.
pub(in super::super) const CLOCK: Words = one_of(&[
    (0, "CLOCK_REALTIME"),
    (1, "CLOCK_MONOTONIC"),
    (2, "CLOCK_PROCESS_CPUTIME_ID"),
    (3, "CLOCK_THREAD_CPUTIME_ID"),
    (4, "CLOCK_MONOTONIC_RAW"),
    (5, "CLOCK_REALTIME_COARSE"),
    (6, "CLOCK_MONOTONIC_COARSE"),
    (7, "CLOCK_BOOTTIME"),
    (8, "CLOCK_REALTIME_ALARM"),
    (9, "CLOCK_BOOTTIME_ALARM"),
    (11, "CLOCK_TAI"),
]);

/// `clock_nanosleep`, `timer_settime`.
pub(in super::super) const SLEEP: Words = any_of(&[(1, "TIMER_ABSTIME")]);

/// `timerfd_create`.
pub(in super::super) const TIMERFD: Words = any_of(&[(0o2_000_000, "TFD_CLOEXEC"), (0o4000, "TFD_NONBLOCK")]);

/// `timerfd_settime`.
pub(in super::super) const TIMERFD_SET: Words =
    any_of(&[(1, "TFD_TIMER_ABSTIME"), (2, "TFD_TIMER_CANCEL_ON_SET")]);

/// `getitimer`, `setitimer`.
pub(in super::super) const INTERVAL: Words =
    one_of(&[(0, "ITIMER_REAL"), (1, "ITIMER_VIRTUAL"), (2, "ITIMER_PROF")]);

#[cfg(test)]
pub(super) const ALL: &[Words] = &[CLOCK, SLEEP, TIMERFD, TIMERFD_SET, INTERVAL];
