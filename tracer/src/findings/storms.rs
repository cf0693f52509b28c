//! Calls that fail at high rates: one call over and over, or lookups of files that are not there.

use super::nature::{errno, is_expected, is_lookup};
use super::step::Step;
use super::{Hit, Rule};
use crate::interval::Cell;
use crate::syscalls;

/// Failures a second of one call that make a storm.
const RETRIES_PER_S: f64 = 100.0;

/// The same for `connect`, which nobody repeats a hundred times a second against a host that is far.
const CONNECTS_PER_S: f64 = 5.0;

/// The same for EAGAIN: below it, a program asks now and then; above it, it spins.
const SPINS_PER_S: f64 = 5_000.0;

/// Share of the calls that fail in a storm.
const FAILING_SHARE: f64 = 0.9;

/// Failed lookups a second that make a storm.
const MISSES_PER_S: f64 = 500.0;

/// Share of the lookups that fail in a storm.
const MISSING_SHARE: f64 = 0.5;

/// Looks for calls of which nearly all fail in the same way.
pub(super) fn find_retries(step: &Step<'_>, hits: &mut Vec<Hit>) {
    for (&process, activity) in &step.processes {
        for (&call, cell) in &activity.cells {
            for (&code, &count) in &cell.errors {
                let enough = match code {
                    // How an uncontended lock is lost, or a wait begun too late: part of a lock that works.
                    errno::EAGAIN if syscalls::waits_by_design(call) => continue,
                    errno::EAGAIN => SPINS_PER_S,
                    _ if is_expected(call, code) => continue,
                    _ if syscalls::plain_name(call) == "connect" => CONNECTS_PER_S,
                    _ => RETRIES_PER_S,
                };
                if step.per_second(count) >= enough && count as f64 >= cell.calls as f64 * FAILING_SHARE {
                    hits.push(step.errors((Rule::RetryStorm, process, call), code, count, cell.calls));
                }
            }
        }
    }
}

/// Looks for processes whose lookups mostly find nothing. What it names is the call with most of them.
pub(super) fn find_searches(step: &Step<'_>, hits: &mut Vec<Hit>) {
    let missed = |cell: &Cell| {
        let of = |errno| cell.errors.get(&errno).copied().unwrap_or(0);
        of(errno::ENOENT) + of(errno::ENOTDIR)
    };
    for (&process, activity) in &step.processes {
        // Most find what they look for; what each call is for need not be asked.
        if activity.cells.values().all(|cell| missed(cell) == 0) {
            continue;
        }
        let (mut lookups, mut missing, mut most) = (0, 0, None);
        for (&call, cell) in activity.cells.iter().filter(|(call, _)| is_lookup(**call)) {
            let count = missed(cell);
            lookups += cell.calls;
            missing += count;
            if most.is_none_or(|(_, seen, _)| count > seen) {
                most = Some((call, count, cell.calls));
            }
        }
        let is_storm =
            step.per_second(missing) >= MISSES_PER_S && missing as f64 >= lookups as f64 * MISSING_SHARE;
        if let Some((call, count, of)) = most.filter(|_| is_storm) {
            hits.push(step.errors((Rule::SearchStorm, process, call), errno::ENOENT, count, of));
        }
    }
}
