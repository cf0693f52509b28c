//! One row: its figures on both sides, their ratios with intervals, and the evidence that verdicts are made of.

use crate::interval::Cell;

use super::bootstrap::{Blocks, Draw, Logs, MIN_SLICES, log};
use super::change::{Change, ErrnoChange, Figures, Method, QuantileChange, Ratio, ShareChange};
use super::effect;
use super::errors::newcombe;
use super::quantile::{Ladder, Value};
use super::side::{Key, Row, Side};
use super::student::{self, Z_90, Z_95};
use super::{JUDGED, QUANTILE_COUNT, QUANTILES, Thresholds};

/// Calls beyond a quantile that it takes to tell where it is.
const MIN_TAIL: f64 = 10.0;

/// Slices with calls below which nothing is known of how they vary.
const MIN_SUPPORT: usize = 4;

/// Share of draws that may be without any call.
const MAX_EMPTY: f64 = 0.05;

/// Expected calls below which their absence may be chance.
const MIN_EXPECTED: f64 = 5.0;

/// How much coarser buckets are for calls that the kernel counted itself (a ring was full).
const SPILL_COARSENESS: f64 = 4.0;

/// Share of spilled calls beyond which a side is as coarse as they are.
const SPILL_MATTERS: f64 = 0.01;

/// A row without its verdict.
pub(super) struct Measured {
    pub(super) change: Change,
    /// Of each quantile, where there is enough of it.
    pub(super) evidence: [Option<Evidence>; QUANTILE_COUNT],
    pub(super) errors: ShareEvidence,
    /// In the order of `change.errnos`.
    pub(super) errnos: Vec<ShareEvidence>,
    /// Whether both sides hold the same calls in the same slices.
    pub(super) identical: bool,
}

/// What is known of one logarithm of a ratio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub(super) log_ratio: f64,
    /// 95 % interval.
    pub(super) low: f64,
    pub(super) high: f64,
    /// 90 % interval.
    pub(super) low_90: f64,
    pub(super) high_90: f64,
    /// Probability of a figure this far beyond half the threshold if the change were no larger than that.
    pub(super) p: f64,
    /// Width of the wider bucket: what is smaller was not measured.
    pub(super) width: f64,
}

/// What is known of one difference of shares.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShareEvidence {
    pub(super) difference: f64,
    /// 95 % interval.
    pub(super) low: f64,
    pub(super) high: f64,
    /// Probability of a difference this large if there were none; 1 when it was not tested.
    pub(super) p: f64,
}

impl Measured {
    /// The row's p-value: that of its most telling quantile, corrected for how many there are.
    pub(super) fn p_value(&self) -> Option<f64> {
        if self.change.key.waits || self.identical {
            return None;
        }
        let tested = || self.evidence.iter().take(JUDGED).flatten();
        let smallest = tested().map(|evidence| evidence.p).reduce(f64::min)?;
        Some((smallest * tested().count() as f64).min(1.0))
    }

    /// The p-values of all differences of shares that were tested.
    pub(super) fn share_p_values(&self) -> impl Iterator<Item = f64> + '_ {
        let shares = self.change.errnos.iter().map(|row| &row.share).zip(&self.errnos);
        std::iter::once((&self.change.errors, &self.errors))
            .chain(shares)
            .filter(|(share, _)| share.before > 0 && share.after > 0)
            .map(|(_, evidence)| evidence.p)
    }
}

/// Measures the row of `key` with so many draws.
pub(super) fn measure(
    key: Key,
    before: &Side,
    after: &Side,
    thresholds: &Thresholds,
    draws: usize,
) -> Measured {
    let mut errnos: Vec<u16> = [before, after]
        .into_iter()
        .filter_map(|side| side.row(key))
        .flat_map(|row| row.total.errors.keys().copied())
        .collect();
    errnos.sort_unstable();
    errnos.dedup();
    // Nothing is drawn for a row that one side has not: there is nothing to set it against.
    let both = before.row(key).is_some() && after.row(key).is_some();
    let cgroup = before.cgroup(key).or_else(|| after.cgroup(key)).cloned();
    let draws = if both { draws } else { 0 };
    let before = Drawn::new(key, before, &errnos, draws, thresholds.seed);
    let after = Drawn::new(key, after, &errnos, draws, thresholds.seed);

    let mut quantiles = [QuantileChange::default(); QUANTILE_COUNT];
    let mut evidence = [None; QUANTILE_COUNT];
    for (at, (quantile, evidence)) in quantiles.iter_mut().zip(&mut evidence).enumerate() {
        let value = |side: &Drawn| side.values.map(|values| values[at].ns);
        *evidence = quantile_evidence(at, &before, &after, thresholds);
        *quantile = QuantileChange {
            before: value(&before),
            after: value(&after),
            ratio: value(&before).zip(value(&after)).map(|(before, after)| Ratio {
                value: (log(after) - log(before)).exp(),
                interval: evidence.as_ref().map(|evidence| (evidence.low.exp(), evidence.high.exp())),
            }),
            verdict: None,
        };
    }
    let (errors, error_evidence) = share(&before, &after, |figures| figures.errors, |draw| draw.errors);
    let (errno_rows, errno_evidence) = errnos
        .iter()
        .enumerate()
        .map(|(at, &errno)| {
            let count = |figures: &Figures| figures.errnos.get(&errno).copied().unwrap_or(0);
            let (share, evidence) = share(&before, &after, count, |draw| draw.errnos[at]);
            (ErrnoChange { errno, share }, evidence)
        })
        .unzip();
    let maxima = before.figures.max_ns.zip(after.figures.max_ns);
    let change = Change {
        key,
        cgroup,
        rate: ratio(&before, &after, About::Rate, |of| of.rate),
        time: ratio(&before, &after, About::Rate, |of| of.time),
        mean: ratio(&before, &after, About::Latency, |of| of.mean),
        quantiles,
        max_ratio: maxima.map(|(before, after)| (log(after as f64) - log(before as f64)).exp()),
        shift: effect::shift(&before.figures.latencies, &after.figures.latencies),
        delta: effect::cliffs_delta(&before.figures.latencies, &after.figures.latencies),
        errors,
        errnos: errno_rows,
        method: method(&before, &after),
        verdict: None,
        withheld: None,
        may_be_chance: match (before.figures.calls, after.figures.calls) {
            (0, calls) => is_rare(calls, after.seconds, before.seconds),
            (calls, 0) => is_rare(calls, before.seconds, after.seconds),
            _ => false,
        },
        impact: after.figures.time_per_s - before.figures.time_per_s,
        before: before.figures,
        after: after.figures,
    };
    let identical = before.fingerprint == after.fingerprint && before.row == after.row;
    Measured { change, evidence, errors: error_evidence, errnos: errno_evidence, identical }
}

/// One side of a row with everything drawn of it.
struct Drawn<'a> {
    figures: Figures,
    row: Option<&'a Row>,
    fingerprint: u64,
    seconds: f64,
    point: Logs,
    values: Option<[Value; QUANTILE_COUNT]>,
    draws: Vec<Draw>,
    slices: usize,
    /// Slices in which there were calls with a latency.
    support: usize,
    /// Slices in a block.
    length: usize,
    /// By how much its drawn latencies and its drawn rates vary too little.
    shortfalls: [f64; 2],
    coarseness: f64,
}

impl<'a> Drawn<'a> {
    fn new(key: Key, side: &'a Side, errnos: &[u16], count: usize, seed: u64) -> Self {
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
            drawn.length = blocks.length;
            drawn.shortfalls = [blocks.shortfall, blocks.rate_shortfall];
        }
        drawn
    }

    /// Blocks in a draw that can differ from each other.
    fn blocks(&self) -> f64 {
        (self.slices as f64 / self.length as f64).min(self.support as f64).max(1.0)
    }

    fn calls_with_latency(&self) -> f64 {
        self.figures.latencies.count() as f64
    }

    /// Logarithms between which the quantile lies, were calls independent: `z` standard deviations of its
    /// rank to either side.
    fn order_statistics(&self, quantile: f64, z: f64) -> Option<(f64, f64)> {
        let total = &self.row?.total;
        let counts: Vec<f64> = total.latencies.indexed().map(|(_, count)| count as f64).collect();
        let reach = z * (quantile * (1.0 - quantile) / self.calls_with_latency()).sqrt();
        let [low, high] = Ladder::of(total).values(&counts, [quantile - reach, quantile + reach])?;
        Some((log(low.ns), log(high.ns)))
    }
}

fn per_second(number: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { number / seconds } else { 0.0 }
}

/// Share of the calls that the kernel counted itself.
pub(super) fn spilled_share(side: &Side) -> f64 {
    let spilled = side.ledger().get(tracer_common::ledger::Counter::Spilled) as f64;
    if spilled == 0.0 { 0.0 } else { spilled / (spilled + side.ledger().aggregated as f64) }
}

/// Whether none of `calls` seen in `seconds` would be no wonder in `other_seconds`.
fn is_rare(calls: u64, seconds: f64, other_seconds: f64) -> bool {
    per_second(calls as f64, seconds) * other_seconds < MIN_EXPECTED
}

fn method(before: &Drawn, after: &Drawn) -> Method {
    match before.slices.min(after.slices) {
        MIN_SLICES.. => Method::Blocks { before: before.length, after: after.length },
        MIN_SUPPORT.. => Method::FewIntervals,
        _ => Method::Independent,
    }
}

/// What is known of the difference of two logarithms.
#[derive(Clone, Copy, Debug)]
struct Spread {
    /// Reach below and above the point: at 95 %, at 90 %.
    down: [f64; 2],
    up: [f64; 2],
    deviation: f64,
    freedom: f64,
}

/// What a figure hangs on, and so which autocorrelation matters for it.
#[derive(Clone, Copy, Debug)]
enum About {
    Latency,
    Rate,
}

/// The levels of `Spread`: standard deviations of the normal distribution, and the tail left out.
const LEVELS: [(f64, f64); 2] = [(Z_95, 0.025), (Z_90, 0.05)];

impl Spread {
    /// From draws of both sides. `of` gives nothing for a draw that has no such figure.
    fn of_draws(
        before: &Drawn,
        after: &Drawn,
        about: About,
        point: f64,
        of: impl Fn(&Draw) -> Option<f64>,
    ) -> Option<Self> {
        if before.slices.min(after.slices) < MIN_SUPPORT || before.support.min(after.support) < MIN_SUPPORT {
            return None;
        }
        let figures = |side: &Drawn| -> Option<Vec<f64>> {
            let drawn = side.draws.len();
            let found: Vec<f64> = side.draws.iter().filter_map(&of).collect();
            (drawn > 0 && found.len() as f64 >= drawn as f64 * (1.0 - MAX_EMPTY)).then_some(found)
        };
        let (b, a) = (figures(before)?, figures(after)?);
        // Draws of few blocks vary too little, by one part in the number of blocks and by what is cut at their
        // ends; and how much they vary is itself uncertain, which Student's t allows for.
        let widened = |draws: &[f64], side: &Drawn| {
            let blocks = side.blocks().max(2.0);
            let variance = variance(draws);
            (variance, variance * side.shortfalls[about as usize] * blocks / (blocks - 1.0), blocks - 1.0)
        };
        let (plain_b, var_b, freedom_b) = widened(&b, before);
        let (plain_a, var_a, freedom_a) = widened(&a, after);
        let (plain, var) = (plain_b + plain_a, var_b + var_a);
        let stretch = if plain > 0.0 { (var / plain).sqrt() } else { 1.0 };
        let freedom =
            if var > 0.0 { var * var / (var_b * var_b / freedom_b + var_a * var_a / freedom_a) } else { 1e6 };
        let mut differences: Vec<f64> = a.iter().zip(&b).map(|(after, before)| after - before).collect();
        differences.sort_by(f64::total_cmp);
        let last = differences.len() - 1;
        let (mut down, mut up) = ([0.0; 2], [0.0; 2]);
        for (level, (z, tail)) in LEVELS.into_iter().enumerate() {
            let cut = (tail * differences.len() as f64) as usize;
            let scale = stretch * student::quantile(z, freedom) / z;
            down[level] = (point - differences[cut]).max(0.0) * scale;
            up[level] = (differences[last - cut] - point).max(0.0) * scale;
        }
        Some(Self { down, up, deviation: var.sqrt(), freedom })
    }

    /// From the ranks of calls, taken as independent.
    fn of_ranks(before: &Drawn, after: &Drawn, quantile: f64, values: [f64; 2]) -> Option<Self> {
        let [at_before, at_after] = values;
        let (mut down, mut up) = ([0.0; 2], [0.0; 2]);
        for (level, (z, _)) in LEVELS.into_iter().enumerate() {
            let (before_low, before_high) = before.order_statistics(quantile, z)?;
            let (after_low, after_high) = after.order_statistics(quantile, z)?;
            down[level] = (at_after - after_low).hypot(before_high - at_before);
            up[level] = (after_high - at_after).hypot(at_before - before_low);
        }
        Some(Self { down, up, deviation: (down[0] + up[0]) / (2.0 * Z_95), freedom: 1e6 })
    }

    /// The wider of two, in each direction.
    fn hull(self, other: Self) -> Self {
        let wider = |a: [f64; 2], b: [f64; 2]| [a[0].max(b[0]), a[1].max(b[1])];
        Self {
            down: wider(self.down, other.down),
            up: wider(self.up, other.up),
            deviation: self.deviation.max(other.deviation),
            freedom: self.freedom.min(other.freedom),
        }
    }
}

fn variance(figures: &[f64]) -> f64 {
    let count = figures.len() as f64;
    let mean = figures.iter().sum::<f64>() / count;
    figures.iter().map(|figure| (figure - mean).powi(2)).sum::<f64>() / count
}

fn quantile_evidence(at: usize, before: &Drawn, after: &Drawn, thresholds: &Thresholds) -> Option<Evidence> {
    let quantile = QUANTILES[at];
    let (of_before, of_after) = (before.values?[at], after.values?[at]);
    let tail = quantile.min(1.0 - quantile);
    if before.calls_with_latency().min(after.calls_with_latency()) * tail < MIN_TAIL {
        return None;
    }
    let (log_before, log_after) = (log(of_before.ns), log(of_after.ns));
    let point = log_after - log_before;
    let drawn = || {
        Spread::of_draws(before, after, About::Latency, point, |draw| draw.quantiles.map(|values| values[at]))
    };
    let ranked = || Spread::of_ranks(before, after, quantile, [log_before, log_after]);
    let spread = match method(before, after) {
        Method::Independent => ranked()?,
        // Independent calls would vary this much; slices that happen to vary less do so by chance.
        _ => drawn()?.hull(ranked()?),
    };
    // Where inside its bucket each quantile lies is known only so far.
    let (coarse_before, coarse_after) = (before.coarseness, after.coarseness);
    let blur = (of_before.blur * coarse_before).hypot(of_after.blur * coarse_after);
    let width = (of_before.width * coarse_before).max(of_after.width * coarse_after);
    // What is tested is not "no change at all", which two recordings never show, but "no change worth half
    // the threshold".
    let beyond = point.abs() - (1.0 + thresholds.change / 2.0).ln();
    let deviation = spread.deviation.hypot(blur / 2.0);
    Some(Evidence {
        log_ratio: point,
        low: point - spread.down[0].hypot(blur),
        high: point + spread.up[0].hypot(blur),
        low_90: point - spread.down[1].hypot(blur),
        high_90: point + spread.up[1].hypot(blur),
        p: p_value(beyond, deviation, spread.freedom),
        width,
    })
}

/// Two-sided; 1 where there is nothing beyond.
fn p_value(beyond: f64, deviation: f64, freedom: f64) -> f64 {
    if beyond <= 0.0 {
        return 1.0;
    }
    let t = if deviation > 0.0 { beyond / deviation } else { f64::INFINITY };
    2.0 * student::tail(t, freedom)
}

fn ratio(before: &Drawn, after: &Drawn, about: About, of: impl Fn(&Logs) -> f64) -> Option<Ratio> {
    if before.figures.calls == 0 || after.figures.calls == 0 {
        return None;
    }
    let point = of(&after.point) - of(&before.point);
    let spread = Spread::of_draws(before, after, about, point, |draw| Some(of(&draw.logs)));
    let interval = spread.map(|spread| ((point - spread.down[0]).exp(), (point + spread.up[0]).exp()));
    Some(Ratio { value: point.exp(), interval })
}

fn share(
    before: &Drawn,
    after: &Drawn,
    count: impl Fn(&Figures) -> u64,
    of: impl Fn(&Draw) -> f64,
) -> (ShareChange, ShareEvidence) {
    let (failed_before, failed_after) = (count(&before.figures), count(&after.figures));
    let (calls_before, calls_after) = (before.figures.calls as f64, after.figures.calls as f64);
    let share = |failed: u64, calls: f64| if calls > 0.0 { failed as f64 / calls } else { 0.0 };
    let mut change = ShareChange {
        before: failed_before,
        after: failed_after,
        share_before: share(failed_before, calls_before),
        share_after: share(failed_after, calls_after),
        may_be_chance: match (failed_before, failed_after) {
            (0, failed) => is_rare(failed, after.seconds, before.seconds),
            (failed, 0) => is_rare(failed, before.seconds, after.seconds),
            _ => false,
        },
        ..ShareChange::default()
    };
    if calls_before == 0.0 || calls_after == 0.0 || failed_before + failed_after == 0 {
        return (change, ShareEvidence { p: 1.0, ..ShareEvidence::default() });
    }
    let point = change.share_after - change.share_before;
    let independent = newcombe((failed_before as f64, calls_before), (failed_after as f64, calls_after));
    let mut down = point - independent.low;
    let mut up = independent.high - point;
    let mut deviation = (independent.high - independent.low) / (2.0 * Z_95);
    let mut freedom = 1e6;
    // Failures come in bursts: the bootstrap is as wide as they make it, and Newcombe's interval is there
    // for where nothing varies because nothing, or next to nothing, failed.
    if let Some(spread) = Spread::of_draws(before, after, About::Rate, point, |draw| Some(of(draw))) {
        (down, up) = (down.max(spread.down[0]), up.max(spread.up[0]));
        (deviation, freedom) = (deviation.max(spread.deviation), spread.freedom);
    }
    change.difference = Some((point - down, point + up));
    let evidence = ShareEvidence {
        difference: point,
        low: point - down,
        high: point + up,
        p: p_value(point.abs(), deviation, freedom),
    };
    (change, evidence)
}
