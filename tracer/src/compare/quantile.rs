//! Quantiles inside buckets. A bucket is up to 3 % wide; taking its upper end would make ratios jump in
//! steps of 3 %, so calls are taken to lie evenly between the ends of their bucket, and how wrong that can
//! be is kept beside the value.

use tracer_common::bucket::{self, GROUPING_POWER};

use crate::interval::Cell;

/// Bounds of those buckets that a row fills.
pub(super) struct Ladder {
    /// (index, lowest, highest), lowest first. The outer ends are the exact extremes.
    rungs: Vec<(usize, f64, f64)>,
}

/// A quantile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Value {
    /// In ns.
    pub(super) ns: f64,
    /// Logarithm of how far off it may be for being inside a bucket, up or down.
    pub(super) blur: f64,
    /// Logarithm of the width of that bucket.
    pub(super) width: f64,
}

impl Ladder {
    /// The filled buckets of `cell`.
    pub(super) fn of(cell: &Cell) -> Self {
        let mut rungs: Vec<(usize, f64, f64)> = cell
            .latencies
            .indexed()
            .map(|(index, _)| {
                let (low, high) =
                    (bucket::lower_bound(index, GROUPING_POWER), bucket::upper_bound(index, GROUPING_POWER));
                (index, low as f64, high as f64)
            })
            .collect();
        // Spilled calls sit in the middle of a coarser bucket, beside which the exact extremes may lie.
        if let Some(first) = rungs.first_mut() {
            first.1 = first.1.max(cell.min_ns as f64).min(first.2);
        }
        if let Some(last) = rungs.last_mut() {
            last.2 = last.2.min(cell.max_ns as f64).max(last.1);
        }
        Self { rungs }
    }

    /// Number of buckets.
    pub(super) fn len(&self) -> usize {
        self.rungs.len()
    }

    /// Index in the histogram's layout of bucket `at`; past the last one the largest number.
    pub(super) fn index(&self, at: usize) -> usize {
        self.rungs.get(at).map_or(usize::MAX, |rung| rung.0)
    }

    /// The values below which these shares (rising) of the counts lie; `None` when there are no counts.
    pub(super) fn values<T: Copy + Into<f64>, const N: usize>(
        &self,
        counts: &[T],
        shares: [f64; N],
    ) -> Option<[Value; N]> {
        let total: f64 = counts.iter().map(|&count| count.into()).sum();
        if total <= 0.0 {
            return None;
        }
        let mut values = [Value::default(); N];
        let (mut at, mut below) = (0, 0.0);
        for (value, share) in values.iter_mut().zip(shares) {
            let rank = share.clamp(0.0, 1.0) * total;
            while below + counts[at].into() < rank && at + 1 < counts.len() {
                below += counts[at].into();
                at += 1;
            }
            *value = self.value_in(counts, at, rank - below);
        }
        Some(values)
    }

    fn value_in<T: Copy + Into<f64>>(&self, counts: &[T], at: usize, rank: f64) -> Value {
        let (index, low, high) = self.rungs[at];
        let count: f64 = counts[at].into();
        let within = if count > 0.0 { (rank / count).clamp(0.0, 1.0) } else { 1.0 };
        let width = if high > low { (high / low.max(1.0)).ln() } else { 0.0 };
        // Where the neighbours hold about as many calls, "evenly" is nearly right; where this bucket stands
        // alone, all its calls may sit at one of its ends.
        let beside = |at: usize, index: usize| {
            if self.rungs.get(at).is_some_and(|rung| rung.0 == index) { counts[at].into() } else { 0.0 }
        };
        let around =
            f64::midpoint(beside(at.wrapping_sub(1), index.wrapping_sub(1)), beside(at + 1, index + 1));
        let lonely = (count - around).abs() / (count + around).max(1.0);
        Value { ns: low + (high - low) * within, blur: width / 2.0 * lonely, width }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracer_common::outcome::Outcome;

    use super::*;
    use crate::interval::tests::cell_of;

    fn counts(cell: &Cell) -> Vec<f64> {
        cell.latencies.indexed().map(|(_, count)| count as f64).collect()
    }

    proptest! {
        #[test]
        fn values_are_within_a_bucket_of_the_exact_quantile(
            mut latencies in proptest::collection::vec(0u64..1 << 38, 1..200), share in 0.0f64..=1.0,
        ) {
            let calls: Vec<_> = latencies.iter().map(|&ns| (ns, Outcome::Success)).collect();
            let cell = cell_of(&calls);
            latencies.sort_unstable();
            let rank = ((share * latencies.len() as f64).ceil() as usize).clamp(1, latencies.len());
            let exact = latencies[rank - 1] as f64;
            let [found] = Ladder::of(&cell).values(&counts(&cell), [share]).expect("not empty");
            // Rank n.0 is the end of one call and the start of the next: both sides of it are right.
            let next = latencies[rank.min(latencies.len() - 1)] as f64;
            prop_assert!(found.ns >= exact * 0.969 - 1.0 && found.ns <= next.max(exact) * 1.032 + 1.0,
                "{} {exact} {next}", found.ns);
            prop_assert!(found.blur <= found.width && found.width <= 0.032);
        }
    }

    #[test]
    fn a_constant_is_exact_and_nothing_is_none() {
        let cell = cell_of(&[(100_003, Outcome::Success); 5]);
        let [found] = Ladder::of(&cell).values(&counts(&cell), [0.5]).expect("not empty");
        assert!((found.ns, found.blur) == (100_003.0, 0.0));
        assert!(Ladder::of(&Cell::default()).values::<f64, 1>(&[], [0.5]).is_none());
    }
}
