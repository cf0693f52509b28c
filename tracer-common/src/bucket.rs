//! The H2 log-linear bucket index: linear steps inside each power of two. With grouping power `g`, a
//! bucket is at most `1/2^g` of its value wide.
//!
//! Same layout as the `histogram` crate (held against it by a property test), so that an index computed
//! in the kernel names the same bucket in user space. <https://h2histogram.org>

/// Grouping power of histograms in user space: buckets 3.1 % wide.
pub const GROUPING_POWER: u8 = 5;
/// Grouping power of the in-kernel spill cells: buckets 12.5 % wide, 1.2 KiB a cell.
pub const SPILL_GROUPING_POWER: u8 = 3;
/// Values at or above `2^MAX_VALUE_POWER` ns (18 minutes) fall in the last bucket; their exact sum and
/// maximum are kept beside the histogram.
pub const MAX_VALUE_POWER: u8 = 40;
/// Buckets of a histogram in user space.
pub const BUCKETS: usize = buckets(GROUPING_POWER);
/// Buckets of a spill cell.
pub const SPILL_BUCKETS: usize = buckets(SPILL_GROUPING_POWER);

/// Number of buckets that cover `0..2^MAX_VALUE_POWER` with this grouping power.
pub const fn buckets(grouping_power: u8) -> usize {
    ((MAX_VALUE_POWER - grouping_power + 1) as usize) << grouping_power
}

/// Index of the bucket that holds `value`, saturating at the last one.
#[inline(always)]
pub const fn index(value: u64, grouping_power: u8) -> usize {
    let power = grouping_power as u32;
    if value < 2 << power {
        return value as usize;
    }
    if value >> MAX_VALUE_POWER != 0 {
        return buckets(grouping_power) - 1;
    }
    let shift = value.ilog2() - power;
    ((shift as usize) << power) + (value >> shift) as usize
}

/// Lowest value of bucket `index`.
pub const fn lower_bound(index: usize, grouping_power: u8) -> u64 {
    let group = index >> grouping_power;
    if group < 2 {
        return index as u64;
    }
    let shift = group as u32 - 1;
    let step = (index & ((1 << grouping_power) - 1)) as u64;
    ((1u64 << grouping_power) + step) << shift
}

/// Highest value of bucket `index`; the last bucket ends at `u64::MAX`.
pub const fn upper_bound(index: usize, grouping_power: u8) -> u64 {
    if index + 1 >= buckets(grouping_power) {
        return u64::MAX;
    }
    lower_bound(index + 1, grouping_power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn oracle(grouping_power: u8) -> histogram::Config {
        histogram::Config::new(grouping_power, MAX_VALUE_POWER).expect("a valid layout")
    }

    fn oracle_bucket(value: u64, grouping_power: u8) -> histogram::Bucket {
        let mut one = histogram::Histogram::with_config(&oracle(grouping_power));
        one.increment(value).expect("in range");
        one.iter().find(|bucket| bucket.count() == 1).expect("one bucket is filled")
    }

    #[test]
    fn layout_has_as_many_buckets_as_the_oracle() {
        for power in [SPILL_GROUPING_POWER, GROUPING_POWER] {
            assert_eq!(buckets(power), oracle(power).total_buckets());
        }
    }

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        for power in [SPILL_GROUPING_POWER, GROUPING_POWER] {
            for i in 0..buckets(power) - 1 {
                assert_eq!(upper_bound(i, power) + 1, lower_bound(i + 1, power));
                assert_eq!(index(lower_bound(i, power), power), i);
                assert_eq!(index(upper_bound(i, power), power), i);
            }
        }
    }

    proptest! {
        #[test]
        fn index_agrees_with_the_histogram_crate(bits in 0u32..40, noise in any::<u64>()) {
            let value = noise & ((2u64 << bits) - 1) & ((1 << MAX_VALUE_POWER) - 1);
            for power in [SPILL_GROUPING_POWER, GROUPING_POWER] {
                let bucket = oracle_bucket(value, power);
                prop_assert_eq!(lower_bound(index(value, power), power), bucket.start());
                if index(value, power) + 1 < buckets(power) {
                    prop_assert_eq!(upper_bound(index(value, power), power), bucket.end());
                }
            }
        }

        #[test]
        fn values_beyond_the_range_saturate(value in (1u64 << MAX_VALUE_POWER)..) {
            prop_assert_eq!(index(value, GROUPING_POWER), BUCKETS - 1);
        }
    }
}
