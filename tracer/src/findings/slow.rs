//! Calls that take a program's time: making data durable, or being slow in some or all of its calls.

use super::before::Before;
use super::nature::{Nature, is_sync, nature, receives};
use super::step::{Activity, Step, quantile_ns};
use super::{Evidence, Hit, Rule};
use crate::interval::CallKey;
use crate::process::ProcessId;
use crate::syscalls;

/// Share of a process's working time in calls that make data durable, and of the clock.
const SYNC_SHARE: (f64, f64) = (0.3, 0.05);

/// Slow and frequent at the same time: median in ns, calls a second.
const SYNC_PACE: (u64, f64) = (1_000_000, 10.0);

/// Share of the clock that a slow call takes at least.
const SLOW_SHARE: f64 = 0.1;

/// A slow tail: calls that say so, p99 in ns, and how many times the median that is.
const TAIL: (u64, u64, u64) = (50, 10_000_000, 10);

/// Slow throughout: calls that say so, and median in ns.
const THROUGHOUT: (u64, u64) = (3, 50_000_000);

/// The share of the clock that this takes.
const THROUGHOUT_SHARE: f64 = 0.3;

/// Time in the syscalls of one process in one step.
struct Clock<'a> {
    step: &'a Step<'a>,
    before: &'a Before,
    process: ProcessId,
    activity: &'a Activity<'a>,
}

impl Clock<'_> {
    /// Time spent in a syscall: of the calls that ended and of those that are open, without what was spent
    /// before the step.
    fn busy_ns(&self, call: CallKey) -> u64 {
        let ended = self.activity.cells.get(&call).map_or(0, |cell| cell.total_ns);
        let open = self.activity.open.get(&call).map_or(0, |open| self.step.open_ns(open));
        ended.saturating_add(open).saturating_sub(self.before.open_ns(self.process, call))
    }

    /// The figures of a syscall; `None` before any call ended.
    fn evidence(&self, call: CallKey) -> Option<Evidence> {
        let total = self.step.total(self.process, call)?;
        Some(Evidence::Time {
            calls: self.activity.cells.get(&call).map_or(0, |cell| cell.calls),
            busy_ns: self.busy_ns(call),
            over_ns: self.step.over_ns(),
            p50_ns: quantile_ns(total, 0.5)?,
            p99_ns: quantile_ns(total, 0.99)?,
        })
    }

    /// The syscalls it made or is in.
    fn calls(&self) -> impl Iterator<Item = CallKey> {
        let Activity { cells, open } = self.activity;
        cells.keys().chain(open.keys().filter(|call| !cells.contains_key(*call))).copied()
    }
}

/// Looks for processes that spend their time making data durable.
pub(super) fn find_syncs(step: &Step<'_>, before: &Before, hits: &mut Vec<Hit>) {
    for (&process, activity) in &step.processes {
        let clock = Clock { step, before, process, activity };
        let mut syncs: Vec<(CallKey, u64)> =
            clock.calls().filter(|&call| is_sync(call)).map(|call| (call, clock.busy_ns(call))).collect();
        syncs.sort_by_key(|&(_, busy)| std::cmp::Reverse(busy));
        let Some(&(call, _)) = syncs.first() else { continue };
        let sync_ns = syncs.iter().map(|&(_, busy)| busy).sum::<u64>() as f64;
        // A connection that is quiet is no work; with it, syncs would look rarer than they are.
        let work_ns: f64 = clock
            .calls()
            .filter(|&call| !syscalls::waits_by_design(call) && !receives(call))
            .map(|call| clock.busy_ns(call) as f64)
            .sum();
        let takes_time = sync_ns >= work_ns * SYNC_SHARE.0 && sync_ns >= step.over_ns() as f64 * SYNC_SHARE.1;
        let is_paced = activity.cells.get(&call).is_some_and(|cell| {
            step.per_second(cell.calls) >= SYNC_PACE.1
                && quantile_ns(cell, 0.5).is_some_and(|p50_ns| p50_ns >= SYNC_PACE.0)
        });
        if let Some(evidence) = clock.evidence(call).filter(|_| takes_time || is_paced) {
            let finding = step.finding(Rule::SyncInHotPath, process, call, step.start_ns(), evidence);
            hits.push(Hit { finding, is_certain: false });
        }
    }
}

/// Looks for calls that take a large part of the clock and are slow in some or in all of their calls.
pub(super) fn find_slow(step: &Step<'_>, before: &Before, hits: &mut Vec<Hit>) {
    for (&process, activity) in &step.processes {
        let clock = Clock { step, before, process, activity };
        for call in clock.calls() {
            // Nearly every call ends here, and the rest is not cheap.
            if clock.busy_ns(call) as f64 / (step.over_ns().max(1) as f64) < SLOW_SHARE.min(THROUGHOUT_SHARE)
            {
                continue;
            }
            if is_sync(call) || receives(call) || matches!(nature(call), Nature::Waits | Nature::Unknown) {
                continue;
            }
            let (Some(total), Some(evidence)) = (step.total(process, call), clock.evidence(call)) else {
                continue;
            };
            let Evidence::Time { busy_ns, over_ns, p50_ns, p99_ns, .. } = evidence else { continue };
            let share = busy_ns as f64 / over_ns.max(1) as f64;
            let completed = total.latencies.count();
            // What was slow a while ago and is not now must not be news for ever.
            let slowest_ns = activity.cells.get(&call).map_or(0, |cell| cell.max_ns);
            let open_ns =
                activity.open.get(&call).and_then(|open| open.first()).map_or(0, |open| step.age_ns(open));
            let slowest_ns = slowest_ns.max(open_ns);
            let has_tail = completed >= TAIL.0
                && p99_ns >= TAIL.1
                && p99_ns >= p50_ns.saturating_mul(TAIL.2)
                && share >= SLOW_SHARE
                && slowest_ns >= p99_ns / 2;
            let is_slow = completed >= THROUGHOUT.0
                && p50_ns >= THROUGHOUT.1
                && share >= THROUGHOUT_SHARE
                && slowest_ns >= p50_ns / 2;
            if has_tail || is_slow {
                let finding = step.finding(Rule::SlowCall, process, call, step.start_ns(), evidence);
                hits.push(Hit { finding, is_certain: false });
            }
        }
    }
}
