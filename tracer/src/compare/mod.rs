//! Did the fix help? Two sides of intervals in, one [`Comparison`] out: what changed in each (comm, syscall),
//! how sure that is, and what stands in the way of saying so.
//!
//! Every latency ratio carries an interval from a block bootstrap over slices of time (`bootstrap`), because
//! calls are not independent of each other; where the sides have several recordings, these say how much one run
//! differs from the next, and no interval is narrower than that makes it. A verdict wants three things: the interval excludes no change,
//! the change is as large as the threshold, and it survives the correction for how many rows were looked at.
//! All ratios are held as logarithms, so that swapping the sides mirrors every figure.

mod bootstrap;
mod change;
pub mod columns;
mod drawn;
pub mod effect;
mod errors;
pub mod gate;
mod measure;
mod quantile;
mod row;
mod side;
mod split;
mod spread;
mod student;
mod summary;
mod verdict;
pub mod warnings;
pub mod words;

#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::interval::Interval;

pub use change::{
    Change, Comparison, ErrnoChange, Figures, Method, QuantileChange, Ratio, ShareChange, ShareVerdict,
    SideFigures, Verdict, Withheld,
};
pub use effect::Effect;
pub use side::{About, By, CgroupKey, InFlightAtEnd, Key, Side, Slice};
pub use split::{Compared, Spans, Split, Versus};
pub use summary::{factor, latency, threshold_words};
pub use warnings::{SideName, Warning};

/// Number of quantiles that are compared.
pub const QUANTILE_COUNT: usize = 4;

/// The quantiles that are compared.
pub const QUANTILES: [f64; QUANTILE_COUNT] = [0.5, 0.9, 0.99, 0.999];

/// What they are called.
pub const QUANTILE_NAMES: [&str; QUANTILE_COUNT] = ["p50", "p90", "p99", "p99.9"];

/// How many of them, from the first on, a verdict looks at. p99.9 is shown with its interval, but hangs on
/// too few calls to judge a row by.
pub const JUDGED: usize = 3;

/// Rows up to which each gets all draws: beyond, nobody reads that far, and somebody waits.
pub const FULL_ROWS: usize = 50;

/// Recordings of both sides together from which it is known how much they differ from each other.
pub const MIN_RECORDINGS: usize = 4;

/// What counts as a change, and as enough evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Smallest factor of latency that gets a verdict, less 1: 0.05 for 5 %.
    pub change: f64,
    /// Smallest difference in the share of failing calls that gets a verdict: 0.001 for 0.1 points.
    pub errors: f64,
    /// Share of calls missing from a side beyond which nothing is judged.
    pub loss: f64,
    /// Draws of the bootstrap for each row. Where there are more than [`FULL_ROWS`] rows each gets fewer, but at
    /// least a fifth.
    pub draws: usize,
    /// Seed of the draws: the same sides and seed give the same figures.
    pub seed: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { change: 0.05, errors: 0.001, loss: 0.01, draws: 2000, seed: 0 }
    }
}

/// Compares two spans of time by (comm, syscall).
pub fn compare(before: &[Interval], after: &[Interval], thresholds: &Thresholds) -> Comparison {
    let before = Side::of(By::default(), About::default(), before);
    let after = Side::of(By::default(), About::default(), after);
    compare_sides(&before, &after, thresholds, 1, &|_, _| {})
}

/// Compares two sides, which were formed alike, on `threads` threads. `progress` is told, from any of them,
/// how many rows are done and how many there are.
pub fn compare_sides(
    before: &Side,
    after: &Side,
    thresholds: &Thresholds,
    threads: usize,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Comparison {
    let warnings = warnings::find(before, after, thresholds);
    let refused = warnings.iter().any(Warning::refuses);
    let keys: Vec<Key> = before.keys().chain(after.keys()).collect::<BTreeSet<_>>().into_iter().collect();
    let draws = (thresholds.draws * FULL_ROWS / keys.len().max(FULL_ROWS)).max(thresholds.draws / 5);
    // Rows with many buckets take long and rows with few do not: whoever is free takes the next.
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut measured = Vec::new();
        while let Some(&key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
            measured.push(measure::measure(key, before, after, thresholds, draws));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, keys.len());
        }
        measured
    };
    let rows = if threads < 2 {
        work()
    } else {
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut rows = work();
            for other in others {
                match other.join() {
                    Ok(more) => rows.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            rows
        })
    };
    let mut rows = verdict::settle(rows, refused, thresholds);
    rows.sort_by(|a, b| {
        let time = |row: &Change| row.before.time_per_s.max(row.after.time_per_s);
        (a.key.waits.cmp(&b.key.waits))
            .then(b.impact.abs().total_cmp(&a.impact.abs()))
            .then(time(b).total_cmp(&time(a)))
            .then(a.key.cmp(&b.key))
    });
    let mut comparison = Comparison {
        by: before.by(),
        thresholds: *thresholds,
        before: SideFigures::of(before),
        after: SideFigures::of(after),
        rows,
        warnings,
        refused,
        summary: Vec::new(),
    };
    comparison.summary = summary::sentences(&comparison);
    comparison
}
