//! The figures of a comparison as people read them: the same on the screen, in tables and in Markdown.

use std::cmp::Reverse;

use crate::human;

use super::change::{
    Change, Comparison, ErrnoChange, ShareChange, ShareVerdict, SideFigures, Verdict, Withheld,
};
use super::summary::factor;
use super::{JUDGED, QUANTILE_NAMES};

/// A side in a few words: `before.arrows (05:00, db-7)`.
pub fn side_words(side: &SideFigures) -> String {
    let label = human::safe_text(side.about.label.as_bytes());
    let length = human::clock(side.duration_ns);
    if side.about.host.is_empty() {
        format!("{label} ({length})")
    } else {
        format!("{label} ({length}, {})", human::safe_text(side.about.host.as_bytes()))
    }
}

/// Both values of a figure: `31 -> 214`, `-` where there is none.
pub fn pair(before: Option<String>, after: Option<String>) -> String {
    let dash = || "-".to_owned();
    format!("{} -> {}", before.unwrap_or_else(dash), after.unwrap_or_else(dash))
}

/// Two latencies, the unit said once where it is the same: `48 -> 3.1 ms`, `900 µs -> 1.2 ms`.
pub fn latencies(before: Option<f64>, after: Option<f64>) -> String {
    let split = |ns: f64| -> (String, &'static str) {
        const UNITS: [(f64, &str); 4] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
        let (scale, unit) = UNITS.into_iter().find(|(scale, _)| ns >= scale * 0.9995).unwrap_or((1.0, "ns"));
        let value = ns / scale;
        (if value < 9.95 && unit != "ns" { format!("{value:.1}") } else { format!("{value:.0}") }, unit)
    };
    match (before.map(split), after.map(split)) {
        (Some((before, unit)), Some((after, other))) if unit == other => {
            format!("{before} -> {after} {unit}")
        }
        (before, after) => {
            let joined = |side: Option<(String, &'static str)>| side.map(|(value, unit)| value + unit);
            pair(joined(before), joined(after))
        }
    }
}

/// The row's verdict with the change that made it: `slower +35 %`.
pub fn verdict_words(row: &Change) -> String {
    match (row.verdict, row.withheld) {
        (Some(verdict @ (Verdict::Faster | Verdict::Slower)), _) => {
            let ratio = row.telling().and_then(|at| row.quantiles[at].ratio);
            match ratio {
                Some(ratio) => format!("{verdict} {}", factor(ratio.value).replace(' ', "")),
                None => verdict.to_string(),
            }
        }
        (Some(verdict @ (Verdict::New | Verdict::Gone)), _) if row.may_be_chance => format!("{verdict}?"),
        (Some(verdict), _) => verdict.to_string(),
        (None, Some(Withheld::Waits)) => "waits".to_owned(),
        (None, _) => "-".to_owned(),
    }
}

/// The interval that matters most in a row, and whose it is: the quantile that made the verdict, otherwise the
/// highest one that is judged. `p99 +12 % to +24 %`.
pub fn interval_words(row: &Change) -> Option<String> {
    let at =
        row.telling().filter(|_| matches!(row.verdict, Some(Verdict::Faster | Verdict::Slower))).or_else(
            || (0..JUDGED).rev().find(|&at| row.quantiles[at].ratio.is_some_and(|r| r.interval.is_some())),
        )?;
    let (low, high) = row.quantiles[at].ratio?.interval?;
    let short = |ratio: f64| factor(ratio).replace(' ', "");
    Some(format!("{} {}..{}", QUANTILE_NAMES[at], short(low), short(high)))
}

/// What the intervals were drawn from: `61 and 61 slices of time`.
pub fn drawn_words(comparison: &Comparison) -> String {
    let (before, after) = (&comparison.before, &comparison.after);
    let slices = format!("{} and {} slices of time", before.slices, after.slices);
    if comparison.knows_recordings() {
        format!("{slices} in {} and {} recordings", before.recordings, after.recordings)
    } else {
        slices
    }
}

/// The errnos worth a line, those with news first: (row, errno).
pub fn errno_rows(comparison: &Comparison) -> Vec<(&Change, &ErrnoChange)> {
    let mut rows: Vec<(&Change, &ErrnoChange)> =
        comparison.rows.iter().flat_map(|row| row.errnos.iter().map(move |errno| (row, errno))).collect();
    rows.sort_by_key(|(row, errno)| {
        let share = errno.share;
        let news = match share.verdict {
            Some(ShareVerdict::New | ShareVerdict::Gone) if !share.may_be_chance => 0,
            Some(ShareVerdict::More | ShareVerdict::Fewer) => 1,
            Some(ShareVerdict::Inconclusive) => 2,
            _ => 3,
        };
        (news, Reverse(share.before.max(share.after)), row.key, errno.errno)
    });
    rows
}

/// A share of calls in percent.
pub fn share_words(share: f64) -> String {
    human::percent(share, 1.0)
}

/// Calls per second.
pub fn rate_words(rate: f64) -> String {
    match rate {
        // Next to each other 20.1 and 20.0 read better than 20.1 and 20; and what is rare is not never.
        r if (0.95..99.5).contains(&r) => format!("{r:.1}"),
        r if r < 0.005 && r > 0.0 => "<0.01".to_owned(),
        r => human::short_count(r),
    }
}

/// Time in calls per second on both sides; `-` on one without calls.
pub fn time_words(row: &Change) -> String {
    let of = |calls: u64, time: f64| (calls > 0 && time > 0.0).then_some(time);
    latencies(of(row.before.calls, row.before.time_per_s), of(row.after.calls, row.after.time_per_s))
}

/// What is said of a share of failing calls.
pub fn share_verdict_words(share: ShareChange) -> String {
    match share.verdict {
        Some(verdict @ (ShareVerdict::New | ShareVerdict::Gone)) if share.may_be_chance => {
            format!("{}?", verdict.name())
        }
        Some(verdict) => verdict.name().to_owned(),
        None => "-".to_owned(),
    }
}
