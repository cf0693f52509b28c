//! Block bootstrap of one row of one side: how much would its figures differ if the same program had been
//! recorded at another time? And, where a side has several recordings: how much do these differ?
//!
//! Calls are not independent (they come in bursts, neighbours resemble each other), so a test over calls
//! would be sure of anything. What is drawn, with replacement, is blocks of successive slices of time
//! (circular moving blocks), long enough that two of them hardly depend on each other. A draw is the sum of
//! its blocks' histograms and counters, and every figure is worked out of it as it is of the whole.
//!
//! Blocks tell how unsteady a run is while it lasts. What makes one run differ from the next (where its pages and
//! files came to lie, what else the machine did) is the same in all blocks of a recording, so no draw of them
//! shows it. Several recordings do: each is left out once, and every figure worked out of the others (jackknife).

use std::ops::Range;

use super::quantile::Ladder;
use super::row::Row;
use super::side::Slice;
use super::{QUANTILE_COUNT, QUANTILES};

/// Slices below which autocorrelation cannot be told and blocks would be too few.
pub(super) const MIN_SLICES: usize = 10;

/// Columns before the errnos and buckets: time in s, calls, errors, timed calls, their time in ns.
const FIXED: usize = 5;

/// One row of one side as the bootstrap wants it.
pub(super) struct Blocks {
    /// The slices of each recording.
    recordings: Vec<Range<usize>>,
    /// Slices in a block, where a recording has as many.
    pub(super) length: usize,
    /// By how much the variance of drawn latencies falls short of the true one for cutting what hangs together
    /// at the ends of blocks.
    pub(super) shortfall: f64,
    /// The same of drawn rates.
    pub(super) rate_shortfall: f64,
    columns: usize,
    errnos: usize,
    /// Sum over the block that starts at each slice: a row of `columns` for each slice. Single precision: one part
    /// in ten million is nothing beside what the bootstrap measures, and it sums four at a time.
    sums: Vec<f32>,
    /// Bounds of the buckets behind the last columns.
    ladder: Ladder,
}

/// The figures of one draw.
#[derive(Clone, Debug, Default)]
pub(super) struct Draw {
    /// Logarithms of the latency at each of [`QUANTILES`]; `None` when no call completed.
    pub(super) quantiles: Option<[f64; QUANTILE_COUNT]>,
    /// What is per second, or per call.
    pub(super) logs: Logs,
    /// Share of calls that fail.
    pub(super) errors: f64,
    /// The same for each errno.
    pub(super) errnos: Vec<f64>,
}

/// Logarithms of rates, so that ratios are differences and swapping sides mirrors them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Logs {
    /// Calls per second.
    pub(super) rate: f64,
    /// Time in calls per second, in ns.
    pub(super) time: f64,
    /// Mean latency in ns.
    pub(super) mean: f64,
}

impl Logs {
    /// Of `calls` in `seconds`, `timed` of which took `total_ns` together.
    pub(super) fn of(seconds: f64, calls: f64, timed: f64, total_ns: f64) -> Self {
        let seconds = seconds.max(1e-9).ln();
        Self { rate: log(calls) - seconds, time: log(total_ns) - seconds, mean: log(total_ns) - log(timed) }
    }
}

impl Blocks {
    /// Blocks of this row. `errnos` are those to be drawn, sorted.
    pub(super) fn new(row: &Row, slices: &[Slice], errnos: &[u16]) -> Self {
        let ladder = Ladder::of(&row.total);
        let columns = FIXED + errnos.len() + ladder.len();
        let n = slices.len();
        let mut table = vec![0f32; n * columns];
        for (at, slice) in slices.iter().enumerate() {
            table[at * columns] = (slice.duration_ns as f64 / 1e9) as f32;
        }
        for (part, buckets) in row.parts() {
            let line = &mut table[part.slice as usize * columns..][..columns];
            line[1] = part.calls as f32;
            line[2] = part.errors as f32;
            line[3] = part.timed as f32;
            line[4] = part.total_ns as f32;
            let mut at = 0;
            for &(bucket, count) in buckets {
                while ladder.index(at) < usize::from(bucket) {
                    at += 1;
                }
                line[FIXED + errnos.len() + at] = count as f32;
            }
        }
        for &(slice, errno, count) in &row.errnos {
            if let Ok(at) = errnos.binary_search(&errno) {
                table[slice as usize * columns + FIXED + at] = count as f32;
            }
        }
        let mut recordings = Vec::new();
        for one in slices.chunk_by(|a, b| a.recording == b.recording) {
            let start = recordings.last().map_or(0, |last: &Range<usize>| last.end);
            recordings.push(start..start + one.len());
        }
        let mut blocks = Self {
            recordings,
            length: 1,
            shortfall: 1.0,
            rate_shortfall: 1.0,
            columns,
            errnos: errnos.len(),
            sums: table,
            ladder,
        };
        if n >= MIN_SLICES {
            let of_latency = blocks.correlation_at(0.5).max(blocks.correlation_at(0.9));
            let each = n as f64 / blocks.recordings.len() as f64;
            let [of_latency, of_rate] =
                [of_latency, blocks.correlation_of_rate()].map(|found| unbiased(found, each));
            let length = suitable_length(n, of_latency.max(of_rate));
            blocks.shortfall = shortfall(length, of_latency);
            blocks.rate_shortfall = shortfall(length, of_rate);
            blocks.join(length);
        }
        blocks
    }

    /// Correlation of neighbouring slices in what moves the quantile: by how many calls more than expected
    /// lie below it. (Slices are single when this is asked.)
    fn correlation_at(&self, quantile: f64) -> f64 {
        let first = FIXED + self.errnos;
        let mut whole = vec![0.0; self.columns - first];
        for line in self.sums.chunks_exact(self.columns) {
            for (sum, &count) in whole.iter_mut().zip(&line[first..]) {
                *sum += f64::from(count);
            }
        }
        let calls: f64 = whole.iter().sum();
        if calls == 0.0 {
            return 0.0;
        }
        let mut below = 0.0;
        let upto = whole
            .iter()
            .position(|count| {
                below += count;
                below >= quantile * calls
            })
            .unwrap_or(0);
        self.lag_one_within(|line| {
            let low: f32 = line[first..=first + upto].iter().sum();
            let all: f32 = line[first..].iter().sum();
            [low, all].map(f64::from)
        })
    }

    fn correlation_of_rate(&self) -> f64 {
        self.lag_one_within(|line| [line[1], line[0]].map(f64::from))
    }

    /// Correlation of neighbouring slices of a recording in a share: `of` gives part and whole of a slice, and
    /// what is correlated is by how much the part exceeds what it is in that recording.
    fn lag_one_within(&self, of: impl Fn(&[f32]) -> [f64; 2]) -> f64 {
        let (mut squares, mut products) = (0.0, 0.0);
        for recording in &self.recordings {
            let lines = &self.sums[recording.start * self.columns..recording.end * self.columns];
            let lines = || lines.chunks_exact(self.columns).map(&of);
            let (part, whole) = lines().fold((0.0, 0.0), |sum, [part, whole]| (sum.0 + part, sum.1 + whole));
            let share = if whole == 0.0 { 0.0 } else { part / whole };
            let [more_squares, more_products] = lag_one(lines().map(|[part, whole]| part - share * whole));
            squares += more_squares;
            products += more_products;
        }
        if squares == 0.0 { 0.0 } else { products / squares }
    }

    /// Turns single slices into blocks of `length`, one from each slice on, past the end of a recording from its
    /// beginning.
    fn join(&mut self, length: usize) {
        if length < 2 {
            return;
        }
        let columns = self.columns;
        let mut sums = vec![0f32; self.sums.len()];
        for recording in &self.recordings {
            for start in recording.clone() {
                let sum = &mut sums[start * columns..][..columns];
                for at in start..start + length.min(recording.len()) {
                    let at = recording.start + (at - recording.start) % recording.len();
                    add(sum, &self.sums[at * columns..][..columns]);
                }
            }
        }
        self.sums = sums;
        self.length = length;
    }

    /// One draw, of as many slices of each recording as it has. `sum` is room for it, kept between draws.
    pub(super) fn draw(&self, rng: &mut fastrand::Rng, sum: &mut Vec<f32>) -> Draw {
        sum.clear();
        sum.resize(self.columns, 0.0);
        for recording in &self.recordings {
            for _ in 0..recording.len().div_ceil(self.length.min(recording.len())) {
                let at = rng.usize(recording.clone());
                add(sum, &self.sums[at * self.columns..][..self.columns]);
            }
        }
        self.figures(sum)
    }

    /// The figures without each recording in turn; none when there is but one. Circular blocks hold every slice equally
    /// often, so sums of blocks are in proportion to sums of slices.
    pub(super) fn leaving_one_out(&self) -> Vec<Draw> {
        if self.recordings.len() < 2 {
            return Vec::new();
        }
        let out = |left: usize| {
            let mut sum = vec![0f32; self.columns];
            for (_, recording) in self.recordings.iter().enumerate().filter(|&(at, _)| at != left) {
                let mut whole = vec![0f32; self.columns];
                for at in recording.clone() {
                    add(&mut whole, &self.sums[at * self.columns..][..self.columns]);
                }
                let times = self.length.min(recording.len()) as f32;
                sum.iter_mut().zip(whole).for_each(|(sum, more)| *sum += more / times);
            }
            self.figures(&sum)
        };
        (0..self.recordings.len()).map(out).collect()
    }

    fn figures(&self, sum: &[f32]) -> Draw {
        let [time, calls, errors, timed, total] = [sum[0], sum[1], sum[2], sum[3], sum[4]].map(f64::from);
        let share = |count: f64| if calls > 0.0 { count / calls } else { 0.0 };
        Draw {
            quantiles: self
                .ladder
                .values(&sum[FIXED + self.errnos..], QUANTILES)
                .map(|values| values.map(|value| log(value.ns))),
            logs: Logs::of(time, calls, timed, total),
            errors: share(errors),
            errnos: sum[FIXED..FIXED + self.errnos].iter().map(|&count| share(f64::from(count))).collect(),
        }
    }
}

/// The autocorrelation behind one found in `slices` slices: with few of them it comes out too low (Kendall
/// 1954). 0 to 0.9.
fn unbiased(found: f64, slices: f64) -> f64 {
    ((slices * found + 1.0) / (slices - 4.0).max(1.0)).clamp(0.0, 0.9)
}

/// Block length for the dependence between `slices`: the cube root of their number, longer when they are
/// autocorrelated (the optimum for an AR(1) series), but so that five blocks remain.
fn suitable_length(slices: usize, correlation: f64) -> usize {
    let root = (slices as f64).cbrt();
    let optimum =
        1.5f64.cbrt() * (2.0 * correlation / (1.0 - correlation * correlation)).powf(2.0 / 3.0) * root;
    (optimum.max(root).round() as usize).clamp(1, (slices / 5).max(1))
}

/// The variance of a sum of an AR(1) series over the part of it that blocks of `length` keep.
fn shortfall(length: usize, correlation: f64) -> f64 {
    let length = length as f64;
    let (mut kept, mut power, mut lag) = (1.0, correlation, 1.0);
    while lag < length {
        kept += 2.0 * (1.0 - lag / length) * power;
        power *= correlation;
        lag += 1.0;
    }
    (1.0 + correlation) / (1.0 - correlation) / kept
}

/// Logarithm of a figure that may be 0: then of half of the smallest unit there is.
pub(super) fn log(value: f64) -> f64 {
    value.max(0.5).ln()
}

fn add(sum: &mut [f32], more: &[f32]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

/// Sums of the squares of deviations whose mean is 0 by construction, and of the products of neighbours.
fn lag_one(deviations: impl Iterator<Item = f64>) -> [f64; 2] {
    let (mut squares, mut products, mut last) = (0.0, 0.0, None);
    for deviation in deviations {
        squares += deviation * deviation;
        if let Some(last) = last {
            products += last * deviation;
        }
        last = Some(deviation);
    }
    [squares, products]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlated_series_are_recognised() {
        let correlation = |series: &mut dyn Iterator<Item = f64>| {
            let [squares, products] = lag_one(series);
            products / squares
        };
        let mut rng = fastrand::Rng::with_seed(1);
        let white: Vec<f64> = (0..2000).map(|_| rng.f64() - 0.5).collect();
        assert!(correlation(&mut white.iter().copied()).abs() < 0.07);
        let mut level = 0.0;
        let red: Vec<f64> = white
            .iter()
            .map(|noise| {
                level = 0.8 * level + noise;
                level
            })
            .collect();
        assert!((correlation(&mut red.into_iter()) - 0.8).abs() < 0.06);
    }
}
