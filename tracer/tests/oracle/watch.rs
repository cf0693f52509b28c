//! Waiting until another task is in a known state, by what /proc says of it. With it every signal of this
//! program lands inside the call that it is meant for.

use std::fs;
use std::time::{Duration, Instant};

/// Longer than any wait here takes on the slowest emulated machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Returns once thread `tid` of process `pid` sleeps inside call `nr`.
pub(crate) fn until_blocked(pid: u32, tid: u32, nr: i64) {
    let task = format!("/proc/{pid}/task/{tid}");
    let wanted = nr.to_string();
    until(&format!("thread {tid} blocks in call {nr}"), || {
        let call = fs::read_to_string(format!("{task}/syscall")).unwrap_or_default();
        call.split_whitespace().next() == Some(wanted.as_str()) && state(&task) == Some('S')
    });
}

/// Returns once process `pid` is stopped (a ptracer shows as `t`).
pub(crate) fn until_stopped(pid: u32) {
    let task = format!("/proc/{pid}/task/{pid}");
    until(&format!("process {pid} stops"), || matches!(state(&task), Some('T' | 't')));
}

/// Returns once `ready` says so; panics with `what` when it never does.
pub(crate) fn until(what: &str, ready: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// The state letter in `stat`, which follows the command in parentheses.
fn state(task: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("{task}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..].trim_start().chars().next()
}
