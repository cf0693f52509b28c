//! One row: its figures on both sides, their ratios with intervals, and the evidence that verdicts are made of.

use super::bootstrap::{Draw, Logs, MIN_SLICES, log};
use super::change::{Change, ErrnoChange, Figures, Method, QuantileChange, Ratio, ShareChange};
use super::drawn::{Drawn, per_second};
use super::effect;
use super::errors::newcombe;
use super::side::{Key, Side};
use super::spread::{About, MIN_SUPPORT, Spread, knows_recordings};
use super::student::{self, Z_95};
use super::{JUDGED, QUANTILE_COUNT, QUANTILES, Thresholds};

/// Calls beyond a quantile that it takes to tell where it is.
const MIN_TAIL: f64 = 10.0;

/// Expected calls below which their absence may be chance.
const MIN_EXPECTED: f64 = 5.0;

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
    let between = if knows_recordings(before, after) {
        Some(Spread::of_recordings(before, after, |draw| draw.quantiles.map(|values| values[at]))?)
    } else {
        None
    };
    // Where inside its bucket each quantile lies is known only so far.
    let (coarse_before, coarse_after) = (before.coarseness, after.coarseness);
    let blur = (of_before.blur * coarse_before).hypot(of_after.blur * coarse_after);
    let width = (of_before.width * coarse_before).max(of_after.width * coarse_after);
    // What is tested is not "no change at all", which two recordings never show, but "no change worth half
    // the threshold".
    let beyond = point.abs() - (1.0 + thresholds.change / 2.0).ln();
    let p = |spread: Spread| p_value(beyond, spread.deviation.hypot(blur / 2.0), spread.freedom);
    // Both must speak against chance: that of a run as it lasts, and that between runs.
    let p = between.map_or(0.0, p).max(p(spread));
    let spread = between.map_or(spread, |between| spread.hull(between));
    Some(Evidence {
        log_ratio: point,
        low: point - spread.down[0].hypot(blur),
        high: point + spread.up[0].hypot(blur),
        low_90: point - spread.down[1].hypot(blur),
        high_90: point + spread.up[1].hypot(blur),
        p,
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
    let mut spread = Spread::of_draws(before, after, about, point, |draw| Some(of(&draw.logs)));
    if knows_recordings(before, after) {
        let between = Spread::of_recordings(before, after, |draw| Some(of(&draw.logs)));
        spread = spread.zip(between).map(|(spread, between)| spread.hull(between));
    }
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
            (0, 0) => false,
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
    let mut p = p_value(point.abs(), deviation, freedom);
    if knows_recordings(before, after)
        && let Some(between) = Spread::of_recordings(before, after, |draw| Some(of(draw)))
    {
        (down, up) = (down.max(between.down[0]), up.max(between.up[0]));
        p = p.max(p_value(point.abs(), between.deviation, between.freedom));
    }
    change.difference = Some((point - down, point + up));
    let evidence = ShareEvidence { difference: point, low: point - down, high: point + up, p };
    (change, evidence)
}
