//! One side of a row: its figures, and the draws and recordings that say how certain they are.

use crate::interval::Cell;

use super::bootstrap::{Blocks, Draw, Logs, log};
use super::change::Figures;
use super::quantile::{Ladder, Value};
use super::row::Row;
use super::side::{Key, Side};
use super::{QUANTILE_COUNT, QUANTILES};

/// How much coarser buckets are for calls that the kernel counted itself (a ring was full).
const SPILL_COARSENESS: f64 = 4.0;

/// Share of spilled calls beyond which a side is as coarse as they are.
const SPILL_MATTERS: f64 = 0.01;

/// One side of a row with everything drawn of it.
pub(super) struct Drawn<'a> {
    pub(super) figures: Figures,
    pub(super) row: Option<&'a Row>,
    pub(super) fingerprint: u64,
    pub(super) seconds: f64,
    pub(super) point: Logs,
    pub(super) values: Option<[Value; QUANTILE_COUNT]>,
    pub(super) draws: Vec<Draw>,
    /// Its figures without each of its recordings; none when there is but one.
    pub(super) leaving_one_out: Vec<Draw>,
    pub(super) recordings: usize,
    pub(super) slices: usize,
    /// Slices in which there were calls with a latency.
    pub(super) support: usize,
    /// Slices in a block.
    pub(super) length: usize,
    /// By how much its drawn latencies and its drawn rates vary too little.
    pub(super) shortfalls: [f64; 2],
    pub(super) coarseness: f64,
}

impl<'a> Drawn<'a> {
    /// The row of `key`, drawn `count` times.
    pub(super) fn new(key: Key, side: &'a Side, errnos: &[u16], count: usize, seed: u64) -> Self {
        let row = side.row(key);
        let empty = Cell::default();
        let total = row.map_or(&empty, |row| &row.total);
        let seconds = side.duration_ns() as f64 / 1e9;
        let timed = total.latencies.count() + total.interrupted;
        let has_latencies = !total.latencies.is_empty();
        let ladder = Ladder::of(total);
        let counts: Vec<f64> = total.latencies.indexed().map(|(_, count)| count as f64).collect();
        let mut drawn = Self {
            figures: Figures {
                calls: total.calls,
                rate: per_second(total.calls as f64, seconds),
                errors: total.error_count(),
                interrupted: total.interrupted,
                time_per_s: per_second(total.total_ns as f64, seconds),
                mean_ns: (timed > 0).then(|| total.total_ns as f64 / timed as f64),
                min_ns: has_latencies.then_some(total.min_ns),
                max_ns: has_latencies.then_some(total.max_ns),
                latencies: total.latencies.clone(),
                errnos: total.errors.clone(),
                in_flight: side.in_flight(key),
            },
            row,
            fingerprint: row.map_or(0, |row| row.fingerprint(side.slices())),
            seconds,
            point: Logs::of(seconds, total.calls as f64, timed as f64, total.total_ns as f64),
            values: ladder.values(&counts, QUANTILES),
            draws: Vec::new(),
            leaving_one_out: Vec::new(),
            recordings: side.recordings(),
            slices: side.slices().len(),
            support: row.map_or(0, Row::slices_with_latencies),
            length: 1,
            shortfalls: [1.0; 2],
            coarseness: if spilled_share(side) > SPILL_MATTERS { SPILL_COARSENESS } else { 1.0 },
        };
        if let Some(row) = row.filter(|_| count > 0) {
            let blocks = Blocks::new(row, side.slices(), errnos);
            // The draws of a side depend on its calls and not on which side it is, so that swapping sides
            // mirrors every figure; and equal sides are drawn alike and do not differ by chance.
            let mut rng = fastrand::Rng::with_seed(seed ^ drawn.fingerprint);
            let mut sum = Vec::new();
            drawn.draws = (0..count).map(|_| blocks.draw(&mut rng, &mut sum)).collect();
            drawn.leaving_one_out = blocks.leaving_one_out();
            drawn.length = blocks.length;
            drawn.shortfalls = [blocks.shortfall, blocks.rate_shortfall];
        }
        drawn
    }

    /// Blocks in a draw that can differ from each other.
    pub(super) fn blocks(&self) -> f64 {
        (self.slices as f64 / self.length as f64).min(self.support as f64).max(1.0)
    }

    pub(super) fn calls_with_latency(&self) -> f64 {
        self.figures.latencies.count() as f64
    }

    /// Logarithms between which the quantile lies, were calls independent: `z` standard deviations of its
    /// rank to either side.
    pub(super) fn order_statistics(&self, quantile: f64, z: f64) -> Option<(f64, f64)> {
        let total = &self.row?.total;
        let counts: Vec<f64> = total.latencies.indexed().map(|(_, count)| count as f64).collect();
        let reach = z * (quantile * (1.0 - quantile) / self.calls_with_latency()).sqrt();
        let [low, high] = Ladder::of(total).values(&counts, [quantile - reach, quantile + reach])?;
        Some((log(low.ns), log(high.ns)))
    }
}

pub(super) fn per_second(number: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { number / seconds } else { 0.0 }
}

/// Share of the calls that the kernel counted itself.
pub(super) fn spilled_share(side: &Side) -> f64 {
    let spilled = side.ledger().get(tracer_common::ledger::Counter::Spilled) as f64;
    if spilled == 0.0 { 0.0 } else { spilled / (spilled + side.ledger().aggregated as f64) }
}
