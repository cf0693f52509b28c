//! How far the difference of two sides may be off, found in three ways: from draws of blocks (how unsteady a run is
//! while it lasts), from recordings (how much one run differs from the next), from the ranks of calls (how much
//! independent calls would vary).

use super::MIN_RECORDINGS;
use super::bootstrap::Draw;
use super::drawn::Drawn;
use super::student::{self, Z_90, Z_95};

/// Slices with calls below which nothing is known of how they vary.
pub(super) const MIN_SUPPORT: usize = 4;

/// Share of draws that may be without any call.
const MAX_EMPTY: f64 = 0.05;

/// What is known of the difference of two logarithms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    /// Reach below and above the point: at 95 %, at 90 %.
    pub(super) down: [f64; 2],
    pub(super) up: [f64; 2],
    pub(super) deviation: f64,
    pub(super) freedom: f64,
}

/// What a figure hangs on, and so which autocorrelation matters for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum About {
    Latency,
    Rate,
}

/// The levels of `Spread`: standard deviations of the normal distribution, and the tail left out.
const LEVELS: [(f64, f64); 2] = [(Z_95, 0.025), (Z_90, 0.05)];

impl Spread {
    /// From draws of both sides. `of` gives nothing for a draw that has no such figure.
    pub(super) fn of_draws(
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
            // Each recording has blocks of its own to draw from.
            let recordings = side.recordings as f64;
            let blocks = side.blocks().max(recordings + 1.0);
            let freedom = blocks - recordings;
            let variance = variance(draws);
            (variance, variance * side.shortfalls[about as usize] * blocks / freedom, freedom)
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
            let scale = stretch * student::quantile(z, tail, freedom) / z;
            down[level] = (point - differences[cut]).max(0.0) * scale;
            up[level] = (differences[last - cut] - point).max(0.0) * scale;
        }
        Some(Self { down, up, deviation: var.sqrt(), freedom })
    }

    /// From how much the recordings of a side differ, which is taken to be as much before as after: so few of them
    /// do not tell more. The calls and slices in them do not come into it.
    pub(super) fn of_recordings(
        before: &Drawn,
        after: &Drawn,
        of: impl Fn(&Draw) -> Option<f64>,
    ) -> Option<Self> {
        let freedom = (before.recordings + after.recordings - 2) as f64;
        let figures = |side: &Drawn| -> Option<Vec<f64>> { side.leaving_one_out.iter().map(&of).collect() };
        let [count_b, count_a] = [before, after].map(|side| side.recordings as f64);
        // Jackknife: the variance of the figure of a whole side, which is that of one recording over their number.
        let variance_of = |figures: &[f64]| variance(figures) * (figures.len() as f64 - 1.0).max(0.0);
        let (b, a) = (figures(before)?, figures(after)?);
        let (var_b, var_a) = (variance_of(&b), variance_of(&a));
        let of_one = ((count_b - 1.0) * count_b * var_b + (count_a - 1.0) * count_a * var_a) / freedom;
        let var = (of_one / count_b + of_one / count_a).max(var_b + var_a);
        let deviation = var.sqrt();
        let reach = LEVELS.map(|(z, tail)| deviation * student::quantile(z, tail, freedom));
        Some(Self { down: reach, up: reach, deviation, freedom })
    }

    /// From the ranks of calls, taken as independent.
    pub(super) fn of_ranks(before: &Drawn, after: &Drawn, quantile: f64, values: [f64; 2]) -> Option<Self> {
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
    pub(super) fn hull(self, other: Self) -> Self {
        let wider = |a: [f64; 2], b: [f64; 2]| [a[0].max(b[0]), a[1].max(b[1])];
        Self {
            down: wider(self.down, other.down),
            up: wider(self.up, other.up),
            deviation: self.deviation.max(other.deviation),
            freedom: self.freedom.min(other.freedom),
        }
    }
}

/// Whether the recordings of both sides are enough to tell how much they differ from each other.
pub(super) fn knows_recordings(before: &Drawn, after: &Drawn) -> bool {
    before.recordings + after.recordings >= MIN_RECORDINGS
}

fn variance(figures: &[f64]) -> f64 {
    let count = figures.len().max(1) as f64;
    let mean = figures.iter().sum::<f64>() / count;
    figures.iter().map(|figure| (figure - mean).powi(2)).sum::<f64>() / count
}
