//! Errors that are new, or far more frequent than they were.

use super::before::{Before, Episode, ErrnoBefore};
use super::nature::{errno, is_expected, takes_space};
use super::step::Step;
use super::{Evidence, Hit, Rule, SECOND};
use crate::interval::CellKey;

/// How long a process must have been watched before anything of it can be new, in ns.
const WATCHED_NS: u64 = 5 * SECOND;

/// Calls of the same kind that must have been seen before one of them fails.
const CALLS_BEFORE: u64 = 50;

/// A new error is spoken of when it has come so often.
const NEW_COUNT: u64 = 3;

/// One that is not new: when it comes so many times as often as before,
const TIMES_BEFORE: f64 = 10.0;

/// and so often a second,
const RISEN_PER_S: f64 = 10.0;

/// and so many times as often as in the worst episode that went by itself.
const TIMES_PAST_PEAK: f64 = 2.0;

/// An episode is over when the rate was below its floor for so long, in ns.
const OVER_AFTER_NS: u64 = 10 * SECOND;

/// Share of the rate at which an episode began that is its floor.
const FLOOR_SHARE: f64 = 0.25;

/// Looks for errors that are new or have risen, and keeps the history that this takes.
pub(super) fn find(step: &Step<'_>, before: &mut Before, hits: &mut Vec<Hit>) {
    for (&process, activity) in &step.processes {
        let is_watched = before.watched_ns(process, step.start_ns()).is_some_and(|ns| ns >= WATCHED_NS);
        for (&call, cell) in &activity.cells {
            let earlier = step.total(process, call).map_or(0, |total| total.calls.saturating_sub(cell.calls));
            for (&code, &count) in &cell.errors {
                if is_expected(call, code) || has_rule_of_its_own(call, code) {
                    continue;
                }
                let key = (CellKey { process, call }, code);
                let is_new = is_watched && earlier >= CALLS_BEFORE && !before.errnos.contains_key(&key);
                let Some(history) = before.errno(key, step.end_ns()) else { continue };
                let rate = step.per_second(count);
                history.last_ns = step.end_ns();
                let begins = is_new || (is_watched && has_risen(history, rate));
                match &mut history.episode {
                    Some(episode) => {
                        episode.count += count;
                        episode.peak_per_s = episode.peak_per_s.max(rate);
                        if rate >= episode.floor_per_s {
                            episode.last_ns = step.end_ns();
                        }
                    }
                    None if begins => {
                        let floor_per_s = if is_new { 0.0 } else { rate * FLOOR_SHARE };
                        history.episode = Some(Episode {
                            since_ns: step.start_ns(),
                            count,
                            peak_per_s: rate,
                            floor_per_s,
                            last_ns: step.end_ns(),
                        });
                    }
                    None => history.average(step, rate),
                }
                if let Some(episode) = history.episode.filter(|episode| episode.count >= NEW_COUNT) {
                    let evidence =
                        Evidence::Errors { errno: code, count, of: cell.calls, over_ns: step.over_ns() };
                    let finding = step.finding(Rule::NewErrno, process, call, episode.since_ns, evidence);
                    hits.push(Hit { finding, is_certain: true });
                }
            }
        }
    }
    for ((key, code), history) in &mut before.errnos {
        let is_over = history
            .episode
            .is_some_and(|episode| step.end_ns().saturating_sub(episode.last_ns) >= OVER_AFTER_NS);
        if is_over && let Some(episode) = history.episode.take() {
            history.past_peak_per_s = history.past_peak_per_s.max(episode.peak_per_s);
        }
        let came = step
            .processes
            .get(&key.process)
            .and_then(|activity| activity.cells.get(&key.call))
            .is_some_and(|cell| cell.errors.contains_key(code));
        if !came && history.episode.is_none() {
            history.average(step, 0.0);
        }
    }
}

fn has_risen(history: &ErrnoBefore, rate: f64) -> bool {
    rate >= RISEN_PER_S
        && rate >= history.usual_per_s * TIMES_BEFORE
        && rate >= history.past_peak_per_s * TIMES_PAST_PEAK
}

/// Whether [`super::resources`] speaks of it, whether it is new or not.
fn has_rule_of_its_own(call: crate::interval::CallKey, code: u16) -> bool {
    matches!(code, errno::EMFILE | errno::ENFILE)
        || (matches!(code, errno::ENOSPC | errno::EDQUOT) && takes_space(call))
}
