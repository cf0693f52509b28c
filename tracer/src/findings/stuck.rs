//! Calls that do not return although calls like them do.

use super::before::Before;
use super::nature::{Nature, nature};
use super::step::{Step, quantile_ns};
use super::{Evidence, Hit, Rule, SECOND};

/// Open for less than this is never stuck.
const AGE_NS: u64 = SECOND;

/// Open for so many times its p99.
const TIMES_P99: u64 = 10;

/// Calls that make a p99.
const CALLS_FOR_P99: u64 = 20;

/// For calls that wait for a peer: how many calls must have been fast before.
const PEER_CALLS: u64 = 50;

/// How fast their p99 must have been, in ns: slower ones wait for people or clocks.
const PEER_P99_NS: u64 = 200_000_000;

/// How many of them a second there must have been.
const PEER_CALLS_PER_S: f64 = 5.0;

/// For how long nothing must have come.
const PEER_AGE_NS: u64 = 2 * SECOND;

/// Looks for calls that have been open for far longer than calls like them ever were.
///
/// A call that has come back after so long was not stuck, and its time is the longest from then on: the
/// next one is spoken of only when it lasts longer than that.
pub(super) fn find(step: &Step<'_>, before: &Before, hits: &mut Vec<Hit>) {
    for (&process, activity) in &step.processes {
        if step.has_exited(process) {
            continue;
        }
        for (&call, open) in &activity.open {
            let Some(oldest) = open.first() else { continue };
            let total = step.total(process, call);
            let completed = total.map_or(0, |cell| cell.latencies.count());
            let p99_ns =
                total.filter(|_| completed >= CALLS_FOR_P99).and_then(|cell| quantile_ns(cell, 0.99));
            let longest_ns = total.map_or(0, |cell| cell.max_ns);
            let floor_ns = match nature(call) {
                Nature::Prompt => AGE_NS.max(longest_ns),
                Nature::Peer => {
                    let came_often = before
                        .watched_ns(process, oldest.enter_ns)
                        .is_some_and(|ns| completed as f64 * SECOND as f64 >= ns as f64 * PEER_CALLS_PER_S);
                    let was_fast =
                        completed >= PEER_CALLS && p99_ns.is_some_and(|p99_ns| p99_ns <= PEER_P99_NS);
                    // While any of them returns, the others are connections that have nothing to say.
                    let stands_still = !activity.cells.contains_key(&call);
                    if !(came_often && was_fast && stands_still) {
                        continue;
                    }
                    PEER_AGE_NS.max(longest_ns.saturating_mul(2))
                }
                Nature::Descriptor | Nature::Waits | Nature::Unknown => continue,
            };
            let floor_ns = floor_ns.max(p99_ns.unwrap_or(0).saturating_mul(TIMES_P99));
            let threads = open.iter().filter(|open| step.age_ns(open) >= floor_ns).count() as u64;
            if threads > 0 {
                let evidence = Evidence::Open { threads, age_ns: step.age_ns(oldest), p99_ns };
                let finding = step.finding(Rule::StuckCall, process, call, oldest.enter_ns, evidence);
                hits.push(Hit { finding, is_certain: true });
            }
        }
    }
}
