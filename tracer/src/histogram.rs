//! A latency histogram in the H2 layout: sparse while few buckets are filled, dense after. Merging is
//! exact; percentiles are derived when somebody asks, never stored or averaged.

use std::slice;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tracer_common::bucket::{self, BUCKETS, GROUPING_POWER, SPILL_BUCKETS, SPILL_GROUPING_POWER};

/// Filled buckets up to which the sparse form is kept; beyond it a dense array is cheaper to update.
const SPARSE_LIMIT: usize = 32;

/// The same for a histogram that comes as a whole: it is read far more often than changed, and going through
/// a few pairs is cheaper than through all buckets.
const SPARSE_WHOLE_LIMIT: usize = BUCKETS / 4;

/// Counts by latency bucket. Two histograms with equal counts are equal, whatever their form.
#[derive(Clone, Debug)]
pub struct Histogram {
    count: u64,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// One filled bucket: what most cells of processes that live for a moment have.
    One((u16, u64)),
    /// (bucket, count), sorted by bucket; empty or more than one.
    Sparse(Vec<(u16, u64)>),
    Dense(Box<[u64; BUCKETS]>),
}

/// One bucket with something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Lowest latency it holds, in ns.
    pub low_ns: u64,
    /// Highest latency it holds, in ns.
    pub high_ns: u64,
    /// Calls in it.
    pub count: u64,
}

/// The dense form of pairs whose buckets are within the layout.
fn dense(pairs: &[(u16, u64)]) -> Box<[u64; BUCKETS]> {
    let mut counts: Box<[u64; BUCKETS]> =
        vec![0; BUCKETS].into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!());
    for &(bucket, count) in pairs {
        counts[usize::from(bucket)] = count;
    }
    counts
}

impl Default for Histogram {
    fn default() -> Self {
        Self { count: 0, form: Form::Sparse(Vec::new()) }
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.indexed().eq(other.indexed())
    }
}

impl Eq for Histogram {}

/// As the pairs of its filled buckets, whatever its form.
impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let pairs: Vec<(u16, u64)> = self.indexed().map(|(bucket, count)| (bucket as u16, count)).collect();
        pairs.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(u16, u64)>::deserialize(from)?;
        Self::from_indexed(pairs.into_iter()).ok_or_else(|| D::Error::custom("these are no buckets"))
    }
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one call of `latency_ns`.
    pub fn record(&mut self, latency_ns: u64) {
        self.add(bucket::index(latency_ns, GROUPING_POWER), 1);
    }

    /// Adds `count` to bucket `index` of the [`GROUPING_POWER`] layout. Indexes beyond the layout fall
    /// into its last bucket.
    pub fn add(&mut self, index: usize, count: u64) {
        if count == 0 {
            return;
        }
        let index = index.min(BUCKETS - 1);
        self.count += count;
        match &mut self.form {
            Form::Dense(counts) => counts[index] += count,
            Form::One(pair) if usize::from(pair.0) == index => pair.1 += count,
            Form::One(pair) => {
                let mut pairs = vec![*pair, (index as u16, count)];
                pairs.sort_unstable();
                self.form = Form::Sparse(pairs);
            }
            Form::Sparse(pairs) if pairs.is_empty() => self.form = Form::One((index as u16, count)),
            Form::Sparse(pairs) => match pairs.binary_search_by_key(&(index as u16), |pair| pair.0) {
                Ok(at) => pairs[at].1 += count,
                Err(at) if pairs.len() < SPARSE_LIMIT => pairs.insert(at, (index as u16, count)),
                Err(_) => {
                    let mut counts = dense(pairs);
                    counts[index] += count;
                    self.form = Form::Dense(counts);
                }
            },
        }
    }

    /// From (bucket index, count) of the filled buckets, lowest first; `None` if they are not in this order,
    /// beyond the layout, or add up to more than a `u64`.
    pub fn from_indexed(filled: impl ExactSizeIterator<Item = (u16, u64)>) -> Option<Self> {
        let is_one = filled.len() == 1;
        let mut pairs: Vec<(u16, u64)> =
            Vec::with_capacity(if is_one { 0 } else { filled.len().min(BUCKETS) });
        let (mut total, mut next) = (0u64, 0);
        for (bucket, count) in filled {
            if bucket < next || usize::from(bucket) >= BUCKETS || count == 0 {
                return None;
            }
            if is_one {
                return Some(Self { count, form: Form::One((bucket, count)) });
            }
            next = bucket + 1;
            total = total.checked_add(count)?;
            pairs.push((bucket, count));
        }
        if pairs.len() > SPARSE_WHOLE_LIMIT {
            return Some(Self { count: total, form: Form::Dense(dense(&pairs)) });
        }
        Some(Self { count: total, form: Form::Sparse(pairs) })
    }

    /// Adds the counts of a coarser in-kernel spill histogram. Each coarse bucket goes to the fine bucket
    /// of its middle, so the error is at most half a coarse bucket (6.3 %).
    pub fn add_spilled(&mut self, counts: &[u32; SPILL_BUCKETS]) {
        for (index, &count) in counts.iter().enumerate() {
            if count > 0 {
                let low = bucket::lower_bound(index, SPILL_GROUPING_POWER);
                let high = bucket::upper_bound(index, SPILL_GROUPING_POWER);
                let middle = low + (high - low) / 2;
                self.add(bucket::index(middle, GROUPING_POWER), u64::from(count));
            }
        }
    }

    /// Adds everything in `other`.
    pub fn merge(&mut self, other: &Self) {
        if let Form::Dense(counts) = &mut self.form {
            other.indexed().for_each(|(index, count)| counts[index] += count);
            self.count += other.count;
            return;
        }
        for (index, count) in other.indexed() {
            self.add(index, count);
        }
    }

    /// Takes the smallest form it can, for whoever keeps many that do not change any more.
    pub fn shrink(&mut self) {
        let filled = self.indexed().count();
        match &mut self.form {
            Form::One(_) => {}
            Form::Sparse(pairs) => pairs.shrink_to_fit(),
            Form::Dense(_) if filled > SPARSE_WHOLE_LIMIT => {}
            Form::Dense(_) => {
                let mut pairs = Vec::with_capacity(filled);
                pairs.extend(self.indexed().map(|(bucket, count)| (bucket as u16, count)));
                self.form = Form::Sparse(pairs);
            }
        }
    }

    /// Number of calls counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Memory behind it.
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::One(_) => 0,
            Form::Sparse(pairs) => pairs.capacity() * size_of::<(u16, u64)>(),
            Form::Dense(counts) => size_of_val(&**counts),
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Memory beside the value itself, in bytes.
    pub fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::One(_) => 0,
            Form::Sparse(pairs) => pairs.capacity() * size_of::<(u16, u64)>(),
            Form::Dense(counts) => size_of_val(&counts[..]),
        }
    }

    /// The filled buckets, lowest first.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.indexed().map(|(index, count)| Bucket {
            low_ns: bucket::lower_bound(index, GROUPING_POWER),
            high_ns: bucket::upper_bound(index, GROUPING_POWER),
            count,
        })
    }

    /// (bucket index, count) of the filled buckets, lowest first.
    pub fn indexed(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let (sparse, dense): (&[(u16, u64)], &[u64]) = match &self.form {
            Form::One(pair) => (slice::from_ref(pair), &[]),
            Form::Sparse(pairs) => (pairs, &[]),
            Form::Dense(counts) => (&[], &counts[..]),
        };
        let dense = dense.iter().enumerate().filter(|(_, count)| **count > 0).map(|(i, count)| (i, *count));
        sparse.iter().map(|&(index, count)| (usize::from(index), count)).chain(dense)
    }

    /// The bucket in which the call of rank `ceil(quantile * count)` lies; `None` when empty. The true
    /// quantile lies between its bounds.
    pub fn quantile(&self, quantile: f64) -> Option<Bucket> {
        let rank = ((quantile.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        self.buckets().find(|bucket| {
            seen += bucket.count;
            seen >= rank
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        for &value in values {
            histogram.record(value);
        }
        histogram
    }

    proptest! {
        #[test]
        fn shrinking_changes_the_form_alone(values in latencies(), more in latencies()) {
            let (whole, mut small) = (of(&values), of(&values));
            small.shrink();
            prop_assert_eq!(&small, &whole);
            prop_assert!(small.heap_bytes() <= whole.heap_bytes());
            small.merge(&of(&more));
            let both: Vec<u64> = values.iter().chain(&more).copied().collect();
            prop_assert_eq!(small, of(&both));
        }
    }

    fn latencies() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(
            (0u32..45, any::<u64>()).prop_map(|(bits, n)| n & ((1 << bits) - 1)),
            0..200,
        )
    }

    proptest! {
        #[test]
        fn merging_equals_recording_everything(a in latencies(), b in latencies()) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let all: Vec<u64> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(&merged, &of(&all));
            let mut mirrored = of(&b);
            mirrored.merge(&of(&a));
            prop_assert_eq!(merged, mirrored);
        }

        #[test]
        fn quantiles_hold_the_exact_one_and_rise(mut values in latencies(), q in 0.0f64..=1.0) {
            values.retain(|value| value >> bucket::MAX_VALUE_POWER == 0);
            prop_assume!(!values.is_empty());
            let histogram = of(&values);
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1];
            let found = histogram.quantile(q).expect("not empty");
            prop_assert!(found.low_ns <= exact && exact <= found.high_ns);
            let higher = histogram.quantile((q + 0.1).min(1.0)).expect("not empty");
            prop_assert!(higher.low_ns >= found.low_ns);
        }

        #[test]
        fn buckets_agree_with_the_histogram_crate(values in latencies()) {
            let values: Vec<u64> = values.into_iter().filter(|v| v >> bucket::MAX_VALUE_POWER == 0).collect();
            prop_assume!(!values.is_empty());
            let mut oracle = histogram::Histogram::new(GROUPING_POWER, bucket::MAX_VALUE_POWER).expect("valid");
            for &value in &values {
                oracle.increment(value).expect("in range");
            }
            let ours: Vec<_> = of(&values).buckets().map(|b| (b.low_ns, b.count)).collect();
            let theirs: Vec<_> =
                oracle.iter().filter(|b| b.count() > 0).map(|b| (b.start(), b.count())).collect();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn spilled_counts_keep_their_number_and_stay_within_half_a_coarse_bucket() {
        let mut counts = [0u32; SPILL_BUCKETS];
        for index in 0..SPILL_BUCKETS - 1 {
            counts[index] = 3;
            let mut histogram = Histogram::new();
            histogram.add_spilled(&counts);
            assert_eq!(histogram.count(), 3);
            let low = bucket::lower_bound(index, SPILL_GROUPING_POWER);
            let high = bucket::upper_bound(index, SPILL_GROUPING_POWER);
            let found = histogram.quantile(0.5).expect("not empty");
            assert!(found.low_ns >= low && found.high_ns <= high, "{index}");
            counts[index] = 0;
        }
    }
}
