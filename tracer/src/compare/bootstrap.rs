//! Block bootstrap of one row of one side: how much would its figures differ if the same program had been
//! recorded at another time?
//!
//! Calls are not independent (they come in bursts, neighbours resemble each other), so a test over calls
//! would be sure of anything. What is drawn, with replacement, is blocks of successive slices of time
//! (circular moving blocks), long enough that two of them hardly depend on each other. A draw is the sum of
//! its blocks' histograms and counters, and every figure is worked out of it as it is of the whole.

use super::quantile::Ladder;
use super::side::{Row, Slice};
use super::{QUANTILE_COUNT, QUANTILES};

/// Slices below which autocorrelation cannot be told and blocks would be too few.
pub(super) const MIN_SLICES: usize = 10;

/// Columns before the errnos and buckets: time in s, calls, errors, timed calls, their time in ns.
const FIXED: usize = 5;

/// One row of one side as the bootstrap wants it.
pub(super) struct Blocks {
    /// Slices.
    slices: usize,
    /// Slices in a block.
    pub(super) length: usize,
    /// By how much the variance of drawn latencies falls short of the true one for cutting what hangs together
    /// at the ends of blocks.
    pub(super) shortfall: f64,
    /// The same of drawn rates.
    pub(super) rate_shortfall: f64,
    columns: usize,
    errnos: usize,
    /// Sum over the block that starts at each slice: `slices` rows of `columns`. Single precision: one part
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
        let mut blocks = Self {
            slices: n,
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
            let [of_latency, of_rate] =
                [of_latency, blocks.correlation_of_rate()].map(|found| unbiased(found, n as f64));
            let length = suitable_length(n, of_latency.max(of_rate));
            blocks.shortfall = shortfall(length, of_latency);
            blocks.rate_shortfall = shortfall(length, of_rate);
            blocks.join(length);
        }
        blocks
    }

    /// How many blocks make a draw as long as the side.
    pub(super) fn count(&self) -> usize {
        self.slices.div_ceil(self.length)
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
        let share = below / calls;
        lag_one(self.sums.chunks_exact(self.columns).map(|line| {
            let low: f32 = line[first..=first + upto].iter().sum();
            let all: f32 = line[first..].iter().sum();
            f64::from(low) - share * f64::from(all)
        }))
    }

    fn correlation_of_rate(&self) -> f64 {
        let (time, calls) = self
            .sums
            .chunks_exact(self.columns)
            .fold((0.0, 0.0), |(time, calls), line| (time + f64::from(line[0]), calls + f64::from(line[1])));
        if time == 0.0 {
            return 0.0;
        }
        let rate = calls / time;
        lag_one(
            self.sums.chunks_exact(self.columns).map(|line| f64::from(line[1]) - rate * f64::from(line[0])),
        )
    }

    /// Turns single slices into blocks of `length`, one from each slice on, past the end from the beginning.
    fn join(&mut self, length: usize) {
        if length < 2 {
            return;
        }
        let (n, columns) = (self.slices, self.columns);
        let mut sums = vec![0f32; n * columns];
        for (start, sum) in sums.chunks_exact_mut(columns).enumerate() {
            for at in start..start + length {
                add(sum, &self.sums[at % n * columns..][..columns]);
            }
        }
        self.sums = sums;
        self.length = length;
    }

    /// One draw. `sum` is room for it, kept between draws.
    pub(super) fn draw(&self, rng: &mut fastrand::Rng, sum: &mut Vec<f32>) -> Draw {
        sum.clear();
        sum.resize(self.columns, 0.0);
        for _ in 0..self.count() {
            let at = rng.usize(0..self.slices);
            add(sum, &self.sums[at * self.columns..][..self.columns]);
        }
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
    ((slices * found + 1.0) / (slices - 4.0)).clamp(0.0, 0.9)
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

/// Autocorrelation at lag one of deviations whose mean is 0 by construction.
fn lag_one(deviations: impl Iterator<Item = f64>) -> f64 {
    let (mut squares, mut products, mut last) = (0.0, 0.0, None);
    for deviation in deviations {
        squares += deviation * deviation;
        if let Some(last) = last {
            products += last * deviation;
        }
        last = Some(deviation);
    }
    if squares == 0.0 { 0.0 } else { products / squares }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlated_series_are_recognised() {
        let mut rng = fastrand::Rng::with_seed(1);
        let white: Vec<f64> = (0..2000).map(|_| rng.f64() - 0.5).collect();
        assert!(lag_one(white.iter().copied()).abs() < 0.07);
        let mut level = 0.0;
        let red: Vec<f64> = white
            .iter()
            .map(|noise| {
                level = 0.8 * level + noise;
                level
            })
            .collect();
        assert!((lag_one(red.into_iter()) - 0.8).abs() < 0.06);
    }
}
