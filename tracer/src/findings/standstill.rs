//! Processes that were at work and now wait for themselves.

use super::before::Before;
use super::nature::waits_for_threads;
use super::step::Step;
use super::{Evidence, Hit, Rule, SECOND};

/// Calls a second, waits not counted, that a process must have made to be called at work.
const WORK_PER_S: f64 = 50.0;

/// How long it must have been seen at work, in ns.
const WORKED_NS: u64 = 3 * SECOND;

/// How long each thread must have waited.
const AGE_NS: u64 = 2 * SECOND;

/// Threads that must wait. One alone may wait for another process.
const THREADS: usize = 2;

/// Looks for processes of which every thread waits for another, and none for anything from outside.
///
/// Parked threads wait in the same call, hours long, in every healthy program. What tells a deadlock from them
/// is that nobody is left to give them work: a program that idles has a thread that sleeps or waits for input.
pub(super) fn find(step: &Step<'_>, before: &Before, hits: &mut Vec<Hit>) {
    for (&process, activity) in &step.processes {
        let (worked_ns, work_per_s) = before.work(process);
        let was_at_work = worked_ns >= WORKED_NS && work_per_s >= WORK_PER_S;
        let is_silent =
            activity.cells.is_empty() && activity.open.keys().all(|&call| waits_for_threads(call));
        if !was_at_work || !is_silent || step.has_exited(process) {
            continue;
        }
        let open = || activity.open.values().flatten();
        let youngest_ns = open().map(|open| step.age_ns(open)).min().unwrap_or(0);
        if open().count() >= THREADS && youngest_ns >= AGE_NS {
            let Some((&call, _)) = activity.open.iter().max_by_key(|(_, open)| open.len()) else { continue };
            let evidence =
                Evidence::Open { threads: open().count() as u64, age_ns: youngest_ns, p99_ns: None };
            let since_ns = step.end_ns().saturating_sub(youngest_ns);
            let finding = step.finding(Rule::Standstill, process, call, since_ns, evidence);
            hits.push(Hit { finding, is_certain: true });
        }
    }
}
