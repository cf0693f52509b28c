//! Effect size straight from two histograms: how often is a call of one side slower than one of the other,
//! and by which factor are they shifted? Neither depends on how many calls there were.

use std::fmt;

use tracer_common::bucket::{self, GROUPING_POWER};

use crate::histogram::Histogram;

/// Cliff's delta in a word, by the usual limits (Romano 2006).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Below 0.147.
    Negligible,
    /// Below 0.33.
    Small,
    /// Below 0.474.
    Medium,
    /// All above.
    Large,
}

impl Effect {
    /// The word for this delta.
    pub fn of(delta: f64) -> Self {
        match delta.abs() {
            d if d < 0.147 => Self::Negligible,
            d if d < 0.33 => Self::Small,
            d if d < 0.474 => Self::Medium,
            _ => Self::Large,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Negligible => "negligible",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        })
    }
}

/// Cliff's delta: the probability that a call after is slower than a call before, less the probability that
/// it is faster; -1 to 1. Calls of the same bucket count as equal. `None` when a side is empty.
pub fn cliffs_delta(before: &Histogram, after: &Histogram) -> Option<f64> {
    let pairs = before.count() as f64 * after.count() as f64;
    if pairs == 0.0 {
        return None;
    }
    let total = before.count() as f64;
    let mut before = before.indexed().peekable();
    let (mut below, mut difference) = (0.0, 0.0);

    for (index, count) in after.indexed() {
        while let Some((_, lower)) = before.next_if(|(at, _)| *at < index) {
            below += lower as f64;
        }
        let equal = before.peek().filter(|(at, _)| *at == index).map_or(0.0, |(_, count)| *count as f64);
        difference += count as f64 * (below - (total - below - equal));
    }
    Some(difference / pairs)
}

/// The factor by which calls after are shifted against calls before: the median of the ratios of all pairs
/// (Hodges and Lehmann's estimate, on the logarithm). `None` when a side is empty.
pub fn shift(before: &Histogram, after: &Histogram) -> Option<f64> {
    if before.is_empty() || after.is_empty() {
        return None;
    }
    let (before, after) = (logarithms(before), logarithms(after));
    let mut cumulated = Vec::with_capacity(before.len() + 1);
    let mut sum = 0.0;
    cumulated.push(sum);
    for bucket in &before {
        sum += bucket.count;
        cumulated.push(sum);
    }
    let pairs = sum * after.iter().map(|bucket| bucket.count).sum::<f64>();
    // A pair of buckets is taken as spread evenly over the sum of their widths, so that the share of pairs
    // below a shift grows steadily and can be halved in on.
    let share_below = |shift: f64| {
        let mut below = 0.0;
        for bucket in &after {
            // Buckets before this one make pairs above the shift, those from the second one on pairs below.
            let touched = before.partition_point(|other| bucket.low - other.high > shift);
            let certain = before.partition_point(|other| bucket.high - other.low > shift);
            below += bucket.count * (cumulated[before.len()] - cumulated[certain]);
            for other in &before[touched..certain] {
                let (lowest, highest) = (bucket.low - other.high, bucket.high - other.low);
                below += bucket.count * other.count * ((shift - lowest) / (highest - lowest));
            }
        }
        below / pairs
    };
    // Where no pair lies around the middle, every value between its neighbours is a median: take the middle.
    let lowest = last_where(|shift| share_below(shift) < 0.5 - 1e-12);
    let highest = last_where(|shift| share_below(shift) <= 0.5 + 1e-12);
    Some(f64::midpoint(lowest, highest).exp())
}

/// The largest logarithm of a ratio for which `holds`, which holds up to there.
fn last_where(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (-64.0, 64.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// A bucket on the logarithmic scale.
struct LogBucket {
    low: f64,
    high: f64,
    count: f64,
}

fn logarithms(histogram: &Histogram) -> Vec<LogBucket> {
    histogram
        .indexed()
        .map(|(index, count)| {
            let low = bucket::lower_bound(index, GROUPING_POWER).max(1) as f64;
            let high = bucket::upper_bound(index, GROUPING_POWER).max(1) as f64 + 1.0;
            LogBucket { low: low.ln(), high: high.ln(), count: count as f64 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use statrs::stats_tests::Alternative;
    use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        for &value in values {
            histogram.record(value);
        }
        histogram
    }

    fn samples() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec((0u32..40, any::<u64>()).prop_map(|(bits, n)| n & ((1 << bits) - 1)), 1..80)
    }

    /// statrs' U of `x` over the number of pairs: the share of pairs in which `x` is the larger one.
    fn share_larger(x: &[u64], y: &[u64]) -> f64 {
        let (u, _) =
            mannwhitneyu(x, y, MannWhitneyUMethod::AsymptoticInclContinuityCorrection, Alternative::TwoSided)
                .expect("samples are not empty");
        u / (x.len() as f64 * y.len() as f64)
    }

    proptest! {
        #[test]
        fn delta_is_that_of_mann_whitney_u(a in samples(), b in samples()) {
            let delta = cliffs_delta(&of(&a), &of(&b)).expect("not empty");
            let indexes = |values: &[u64]| -> Vec<u64> {
                values.iter().map(|&value| bucket::index(value, GROUPING_POWER) as u64).collect()
            };
            let (bucketed_a, bucketed_b) = (indexes(&a), indexes(&b));
            // statrs cannot rank samples that are all equal.
            prop_assume!(bucketed_a.iter().chain(&bucketed_b).any(|&index| index != bucketed_a[0]));
            let exact = 2.0 * share_larger(&bucketed_b, &bucketed_a) - 1.0;
            prop_assert!((delta - exact).abs() < 1e-9, "{} {}", delta, exact);
            // On the raw samples only the pairs within one bucket can differ.
            let tied = bucketed_a.iter().flat_map(|x| bucketed_b.iter().filter(move |y| *y == x)).count();
            let raw = 2.0 * share_larger(&b, &a) - 1.0;
            let pairs = (a.len() * b.len()) as f64;
            prop_assert!((delta - raw).abs() <= tied as f64 / pairs + 1e-9, "{} {}", delta, raw);
        }

        #[test]
        fn shift_is_within_a_bucket_of_the_median_ratio(a in samples(), b in samples()) {
            let mut ratios: Vec<f64> = b
                .iter()
                .flat_map(|&after| a.iter().map(move |&before| (after.max(1) as f64 / before.max(1) as f64).ln()))
                .collect();
            ratios.sort_by(f64::total_cmp);
            let found = shift(&of(&a), &of(&b)).expect("not empty").ln();
            // Both ends of a pair are known to a bucket: 3.1 %, but for the integers at the very bottom.
            let slack = if a.iter().chain(&b).any(|&ns| ns < 32) { 0.7 } else { 0.064 };
            let (low, high) = (ratios[(ratios.len() - 1) / 2], ratios[ratios.len() / 2]);
            prop_assert!(found >= low - slack && found <= high + slack, "{} not in {}..{}", found, low, high);
        }

        #[test]
        fn swapping_sides_mirrors_and_equal_sides_are_equal(a in samples(), b in samples()) {
            let (a, b) = (of(&a), of(&b));
            let (there, back) = (cliffs_delta(&a, &b), cliffs_delta(&b, &a));
            prop_assert!((there.expect("some") + back.expect("some")).abs() < 1e-12);
            let (there, back) = (shift(&a, &b), shift(&b, &a));
            prop_assert!((there.expect("some") * back.expect("some") - 1.0).abs() < 1e-6);
            prop_assert!(cliffs_delta(&a, &a).expect("some").abs() < 1e-12);
            prop_assert!((shift(&a, &a).expect("some") - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn words_and_empty_sides() {
        assert_eq!(
            [0.0, -0.2, 0.4, -1.0].map(Effect::of),
            [Effect::Negligible, Effect::Small, Effect::Medium, Effect::Large]
        );
        assert_eq!(cliffs_delta(&of(&[]), &of(&[1])), None);
        assert_eq!(shift(&of(&[1]), &of(&[])), None);
        assert!((shift(&of(&[1000; 9]), &of(&[2000; 4])).expect("some") - 2.0).abs() < 0.01);
    }
}
