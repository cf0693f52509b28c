//! The answer in a few plain sentences, for whoever reads nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::human;
use crate::syscalls::errno;

use super::change::{Change, Comparison, Ratio, ShareVerdict, SideFigures, Verdict};
use super::{QUANTILE_NAMES, Warning};

/// Changed calls that get a sentence of their own.
const MOST_CALLS: usize = 3;

/// Share of all time in calls from which a call's rate is worth a sentence.
const NOTABLE_COST: f64 = 0.1;

/// New or vanished names listed before "and N more".
const MOST_NAMES: usize = 4;

/// Sentences, the most important first.
pub(super) fn sentences(comparison: &Comparison) -> Vec<String> {
    let mut sentences = Vec::new();
    if comparison.refused {
        let why: Vec<String> =
            comparison.warnings.iter().filter(|warning| warning.refuses()).map(Warning::to_string).collect();
        sentences.push(format!("Nothing is judged: {}.", why.join("; ")));
        return sentences;
    }
    let names = Names::of(comparison);
    let changed: Vec<&Change> = rows_with(comparison, &[Verdict::Faster, Verdict::Slower]).collect();
    sentences.extend(changed.iter().take(MOST_CALLS).filter_map(|row| changed_call(row, &names)));
    if let Some(more) = changed.len().checked_sub(MOST_CALLS).filter(|&more| more > 0) {
        sentences.push(format!("{more} more changed."));
    }
    // Next to them: a call may take longer each time and cost less all the same.
    sentences.extend(called_more_or_less(comparison, &names));
    sentences.push(the_others(comparison, changed.is_empty()));
    sentences.extend(errnos(comparison));
    sentences.extend(failing_more_or_less(comparison, &names));
    sentences.extend(new_and_gone(comparison, &names));
    sentences.extend(load(comparison));
    sentences.extend(unknown_between_runs(comparison));
    sentences
}

/// What rows are called: without the command where there is only one.
pub(super) struct Names {
    with_owner: bool,
}

impl Names {
    pub(super) fn of(comparison: &Comparison) -> Self {
        let owners: BTreeSet<_> = comparison.rows.iter().map(|row| (row.key.comm, row.key.cgroup)).collect();
        Self { with_owner: owners.len() > 1 }
    }

    pub(super) fn name(&self, row: &Change) -> String {
        match (row.owner(), row.call_name()) {
            (Some(owner), Some(call)) if self.with_owner => format!("{owner} {call}"),
            (_, Some(call)) => call,
            (owner, None) => owner.unwrap_or_else(|| "all calls".to_owned()),
        }
    }
}

fn rows_with<'a>(comparison: &'a Comparison, verdicts: &'a [Verdict]) -> impl Iterator<Item = &'a Change> {
    comparison.rows.iter().filter(|row| row.verdict.is_some_and(|verdict| verdicts.contains(&verdict)))
}

fn changed_call(row: &Change, names: &Names) -> Option<String> {
    let at = row.telling()?;
    let quantile = &row.quantiles[at];
    let (before, after, ratio) = (quantile.before?, quantile.after?, quantile.ratio?);
    let mut sentence = format!(
        "{} {} {} from {} to {} ({})",
        names.name(row),
        QUANTILE_NAMES[at],
        if ratio.value > 1.0 { "rose" } else { "fell" },
        latency(before),
        latency(after),
        factor_with_interval(&ratio),
    );
    // A median that went the other way is news of its own.
    let against = row.verdict.map(Verdict::mirrored);
    if let Some(other) = (0..at).find(|&other| row.quantiles[other].verdict == against)
        && let (Some(before), Some(after)) = (row.quantiles[other].before, row.quantiles[other].after)
    {
        let _ = write!(
            sentence,
            ", although {} went from {} to {}",
            QUANTILE_NAMES[other],
            latency(before),
            latency(after)
        );
    }
    sentence.push('.');
    Some(sentence)
}

fn the_others(comparison: &Comparison, nothing_changed: bool) -> String {
    let count = |verdict| rows_with(comparison, &[verdict]).count();
    let threshold = threshold_words(comparison.thresholds.change);
    let (same, unknown) = (count(Verdict::Same), count(Verdict::Inconclusive));
    let other = if nothing_changed { "call" } else { "other call" };
    let why = "(few or unsteady)";
    match (same, unknown) {
        (0, 0) if nothing_changed => "No call is on both sides.".to_owned(),
        (0, 0) => "There is no other call on both sides.".to_owned(),
        (_, 0) => format!("No {other} changed by more than {threshold} %."),
        (0, 1) => {
            format!("For one {other} a change beyond {threshold} % is not ruled out {why}.")
        }
        (0, _) => {
            format!("For {unknown} {other}s a change beyond {threshold} % is not ruled out {why}.")
        }
        _ => format!(
            "No {other} is known to have changed by more than {threshold} %; for {unknown} of {} that is not ruled out {why}.",
            same + unknown
        ),
    }
}

/// How often the costliest calls are made, where that has changed: a fix may well be to call less.
fn called_more_or_less(comparison: &Comparison, names: &Names) -> Vec<String> {
    let work = || comparison.rows.iter().filter(|row| !row.key.waits);
    let cost = |row: &Change| row.before.time_per_s.max(row.after.time_per_s);
    let all: f64 = work().map(cost).sum();
    let least = 1.0 + comparison.thresholds.change;
    work()
        .filter(|row| cost(row) >= all * NOTABLE_COST)
        .filter_map(|row| {
            let (low, high) = row.rate?.interval?;
            (low > least || high < 1.0 / least).then_some(row)
        })
        .take(MOST_CALLS)
        .map(|row| {
            format!(
                "{} is called {} often: {} to {} times a second. It took {} of each second and takes {}.",
                names.name(row),
                if row.after.rate > row.before.rate { "more" } else { "less" },
                human::short_count(row.before.rate),
                human::short_count(row.after.rate),
                human::duration(row.before.time_per_s as u64),
                human::duration(row.after.time_per_s as u64),
            )
        })
        .collect()
}

/// Errnos that nobody had before, or nobody has any more.
fn errnos(comparison: &Comparison) -> Vec<String> {
    let mut totals: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
    for row in &comparison.rows {
        for row in &row.errnos {
            let total = totals.entry(row.errno).or_default();
            total.0 += row.share.before;
            total.1 += row.share.after;
        }
    }
    let sides = [&comparison.before, &comparison.after];
    let [seconds_before, seconds_after] = sides.map(|side| (side.duration_ns as f64 / 1e9).max(1e-9));
    let mut sentences = Vec::new();
    for (gone, word, was) in [(true, "gone", "was "), (false, "new", "")] {
        let mut found: Vec<(u16, f64)> = totals
            .iter()
            .filter_map(|(&errno, &(before, after))| match (before, after, gone) {
                (count, 0, true) if !is_chance(count, seconds_before, seconds_after) => {
                    Some((errno, count as f64 / seconds_before))
                }
                (0, count, false) if !is_chance(count, seconds_after, seconds_before) => {
                    Some((errno, count as f64 / seconds_after))
                }
                _ => None,
            })
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if let Some(list) =
            listed(found.iter().map(|&(number, rate)| {
                format!("{} ({was}{}/s)", errno::name(number), human::short_count(rate))
            }))
        {
            let verb = if found.len() == 1 { "is" } else { "are" };
            sentences.push(format!("{list} {verb} {word}."));
        }
    }
    sentences
}

fn is_chance(count: u64, seconds: f64, other_seconds: f64) -> bool {
    count as f64 / seconds * other_seconds < 5.0
}

fn failing_more_or_less(comparison: &Comparison, names: &Names) -> Vec<String> {
    let mut rows: Vec<&Change> = comparison
        .rows
        .iter()
        .filter(|row| match row.errors.verdict {
            Some(ShareVerdict::More | ShareVerdict::Fewer) => true,
            Some(ShareVerdict::New | ShareVerdict::Gone) => {
                // What differs by no more than chance is among the errnos, if anywhere.
                let excludes_none = |(low, high)| low > 0.0 || high < 0.0;
                !row.errors.may_be_chance && row.errors.difference.is_some_and(excludes_none)
            }
            _ => false,
        })
        .collect();
    rows.sort_by(|a, b| {
        let difference = |row: &Change| (row.errors.share_after - row.errors.share_before).abs();
        difference(b).total_cmp(&difference(a)).then(a.key.cmp(&b.key))
    });
    rows.into_iter()
        .take(MOST_CALLS)
        .map(|row| {
            let share = row.errors;
            format!(
                "{} fails {} often: {} % of calls, {} % before.",
                names.name(row),
                if share.share_after > share.share_before { "more" } else { "less" },
                human::percent(share.share_after, 1.0),
                human::percent(share.share_before, 1.0),
            )
        })
        .collect()
}

fn new_and_gone(comparison: &Comparison, names: &Names) -> Vec<String> {
    [(Verdict::New, "called now, not before"), (Verdict::Gone, "not called any more")]
        .into_iter()
        .filter_map(|(verdict, words)| {
            let rows: Vec<&Change> = comparison
                .rows
                .iter()
                .filter(|row| row.verdict == Some(verdict) && !row.may_be_chance)
                .collect();
            let verb = if rows.len() == 1 { "is" } else { "are" };
            listed(rows.iter().map(|row| names.name(row))).map(|list| format!("{list} {verb} {words}."))
        })
        .collect()
}

/// How much is asked of the program decides how to read the rest.
fn load(comparison: &Comparison) -> Option<String> {
    let (before, after) = (comparison.before.rate(), comparison.after.rate());
    let moved = (after.max(1e-9) / before.max(1e-9)).ln().abs() >= 1.05f64.ln();
    moved.then(|| {
        format!(
            "Calls per second went from {} to {} ({}).",
            human::short_count(before),
            human::short_count(after),
            factor(after / before.max(1e-9)),
        )
    })
}

/// Two parts of one recording are one run; of two recordings nobody knows whether they would differ anyway.
fn unknown_between_runs(comparison: &Comparison) -> Option<String> {
    let run = |side: &SideFigures| (side.about.boot_id.clone(), side.about.start_ns);
    let is_one_run = run(&comparison.before) == run(&comparison.after);
    let is_judged = comparison.rows.iter().any(|row| row.verdict.is_some());
    if comparison.knows_recordings() || is_one_run || !is_judged {
        return None;
    }
    Some(match (comparison.before.recordings, comparison.after.recordings) {
        (1, 1) => "One recording a side does not show how much runs differ by themselves: record several of each, in turn."
            .to_owned(),
        (before, after) => {
            format!("{before} and {after} recordings are too few to show how much runs differ by themselves.")
        }
    })
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let count = names.len();
    let mut shown: Vec<String> = names.take(MOST_NAMES).collect();
    if count > MOST_NAMES {
        shown.push(format!("{} more", count - MOST_NAMES));
    }
    match &shown[..] {
        [] => None,
        [one] => Some(one.clone()),
        [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
    }
}

/// A threshold in percent: `5`, `2.5`.
pub fn threshold_words(threshold: f64) -> String {
    let percent = (threshold * 1000.0).round() / 10.0;
    format!("{percent}")
}

/// A latency that is not a whole number of ns.
pub fn latency(ns: f64) -> String {
    human::duration(ns.round() as u64)
}

/// Factors beyond which a number says no more than "anything": the end of an interval of a call that took microseconds
/// or seconds by chance.
const MOST: f64 = 9999.0;

/// A change in the form in which people say it: `+20 %`, `-4 %`, and from a factor of two on `3.1x`, `1/15`.
pub fn factor(ratio: f64) -> String {
    match ratio {
        r if r > MOST => format!(">{MOST}x"),
        r if r < 1.0 / MOST && r > 0.0 => format!("<1/{MOST}"),
        r if r >= 1.995 => format!("{}x", digits(r)),
        r if r <= 1.0 / 1.995 && r > 0.0 => format!("1/{}", digits(1.0 / r)),
        r => percent(r),
    }
}

/// A change in percent: `+20 %`.
fn percent(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    let text = if percent.abs() < 9.95 { format!("{percent:+.1}") } else { format!("{percent:+.0}") };
    if text.trim_start_matches(['+', '-']).chars().all(|c| matches!(c, '0' | '.')) {
        "0 %".to_owned()
    } else {
        format!("{text} %")
    }
}

/// The change with its interval, all in one form: `15x, 95 %: 12x to 18x`, `-47 %, 95 %: -55 % to -42 %`. How many times
/// less reads better than what part of it is left.
fn factor_with_interval(ratio: &Ratio) -> String {
    let is_fraction = ratio.value <= 1.0 / 1.995;
    let turned = |value: f64| if is_fraction { 1.0 / value } else { value };
    let is_multiple = turned(ratio.value) >= 1.995;
    let end = |value: f64| match turned(value) {
        r if is_multiple && (0.1..1.995).contains(&r) => format!("{r:.1}x"),
        r if !is_multiple && (0.1..10.0).contains(&r) => percent(r),
        r => factor(r),
    };
    match ratio.interval {
        Some((low, high)) => {
            let (low, high) = if is_fraction { (high, low) } else { (low, high) };
            format!("{}, 95 %: {} to {}", factor(turned(ratio.value)), end(low), end(high))
        }
        None => factor(turned(ratio.value)),
    }
}

fn digits(factor: f64) -> String {
    match factor {
        f if f < 9.95 => format!("{f:.1}"),
        f => format!("{f:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_and_the_ends_of_its_interval_are_said_in_one_form() {
        let said = |value, low, high| factor_with_interval(&Ratio { value, interval: Some((low, high)) });
        assert_eq!(said(1.49, 1.27, 2.6), "+49 %, 95 %: +27 % to +160 %");
        assert_eq!(said(0.53, 0.45, 0.58), "-47 %, 95 %: -55 % to -42 %");
        assert_eq!(said(1.0 / 2.2, 1.0 / 2.4, 1.0 / 1.7), "2.2x, 95 %: 1.7x to 2.4x");
        assert_eq!(said(3.0, 0.8, 14.0), "3.0x, 95 %: 0.8x to 14x");
        assert_eq!(said(1.2, 0.05, 25.0), "+20 %, 95 %: 1/20 to 25x");
    }
}
