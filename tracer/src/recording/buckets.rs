//! The column of latencies: for each row a list of filled buckets. An item says how many buckets it lies behind the one
//! before and how many calls are in it, in bytes, since most of both fit into one: that is a third less of a file of
//! a busy host than numbers of the width that a large one would need.

use super::batch::{Column, Damage};
use super::columns::{Ends, Numbers};
use super::encode::{Body, Shape};
use super::reader::nonsense;
use super::schema::bucket;
use crate::histogram::Histogram;

/// The widest gap of an item. Where there is more between two buckets, items without calls lead there.
const WIDEST: u16 = u8::MAX as u16;

/// The column, while it is being gathered.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    ends: Ends,
    gaps: Numbers<u8>,
    calls: Numbers<u8>,
    calls_256: Numbers<u64>,
    /// Bucket of the last item of this row.
    last: u16,
}

impl Buckets {
    /// Adds to the list of the row that [`Buckets::end_row`] ends. Buckets rise; a negative number of calls is in two's
    /// complement.
    pub(super) fn add(&mut self, bucket: u16, calls: u64) {
        let mut gap = bucket.wrapping_sub(self.last);
        while gap > WIDEST {
            self.item(u8::MAX, 0);
            gap -= WIDEST;
        }
        self.item(gap as u8, calls);
        self.last = bucket;
    }

    fn item(&mut self, gap: u8, calls: u64) {
        self.gaps.push(gap);
        self.calls.push(calls as u8);
        self.calls_256.push((calls as i64 >> 8) as u64);
    }

    pub(super) fn end_row(&mut self) {
        self.ends.push(self.gaps.items());
        self.last = 0;
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        10 * self.gaps.items()
    }

    /// As it will be read.
    pub(super) fn to_column(&self) -> Column {
        let parts = vec![self.gaps.to_column(), self.calls.to_column(), self.calls_256.to_column()];
        self.ends.to_column(parts)
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.gaps.clear();
        self.calls.clear();
        self.calls_256.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.ends.encode_structures(body);
        self.gaps.encode(body);
        self.calls.encode(body);
        self.calls_256.encode_as(body, Shape::Counts);
    }
}

/// (bucket, calls) of the items, also of those without calls.
fn items(column: &Column, at: usize) -> Result<impl ExactSizeIterator<Item = (u16, u64)>, Damage> {
    let list = column.structures(at);
    let gaps: &[u8] = list.numbers(bucket::GAP).ok_or_else(nonsense)?;
    let calls: &[u8] = list.numbers(bucket::CALLS).ok_or_else(nonsense)?;
    let calls_256: &[u64] = list.numbers(bucket::CALLS_256).ok_or_else(nonsense)?;
    let mut place = 0u16;
    Ok(gaps.iter().zip(calls.iter().zip(calls_256)).map(move |(&gap, (&calls, &calls_256))| {
        place = place.saturating_add(u16::from(gap));
        (place, (calls_256 << 8).wrapping_add(u64::from(calls)))
    }))
}

/// The histogram in row `at`.
#[inline]
pub(super) fn histogram(column: &Column, at: usize) -> Result<Histogram, Damage> {
    // Nearly always nothing has to be left out.
    match Histogram::from_indexed(items(column, at)?) {
        Some(histogram) => Ok(histogram),
        None => Histogram::from_indexed(differences(column, at)?.into_iter()).ok_or_else(nonsense),
    }
}

/// What row `at` adds to each bucket.
pub(super) fn differences(column: &Column, at: usize) -> Result<Vec<(u16, u64)>, Damage> {
    let mut found: Vec<(u16, u64)> = Vec::new();
    let (mut last, mut leads) = (0, false);
    for (bucket, calls) in items(column, at)? {
        // What leads on leads further than one item can tell.
        let led_nowhere = leads && bucket == last;
        leads = calls == 0;
        let is_wrong = if leads {
            bucket - last != WIDEST
        } else {
            led_nowhere || found.last().is_some_and(|known| known.0 >= bucket)
        };
        if is_wrong {
            return Err(nonsense());
        }
        if !leads {
            found.push((bucket, calls));
        }
        last = bucket;
    }
    if leads { Err(nonsense()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_added_is_found(rows in proptest::collection::vec(
            proptest::collection::btree_map(0u16..1152, prop_oneof![1u64..300, 1u64..1 << 60, Just(-3i64 as u64)], 0..60), 1..5,
        )) {
            let mut buckets = Buckets::default();
            for row in &rows {
                for (&bucket, &calls) in row {
                    buckets.add(bucket, calls);
                }
                buckets.end_row();
            }
            let column = buckets.to_column();
            for (at, row) in rows.iter().enumerate() {
                let expected: Vec<(u16, u64)> = row.iter().map(|(&bucket, &calls)| (bucket, calls)).collect();
                prop_assert_eq!(&differences(&column, at).expect("sound"), &expected);
                let known = Histogram::from_indexed(expected.into_iter());
                prop_assert_eq!(histogram(&column, at).ok(), known);
            }
        }

        #[test]
        fn items_that_are_not_as_they_are_written_are_noticed(
            items in proptest::collection::vec((prop_oneof![Just(0u8), Just(255), any::<u8>()], 0u8..3), 0..300),
        ) {
            let mut buckets = Buckets::default();
            for &(gap, calls) in &items {
                buckets.item(gap, u64::from(calls));
            }
            buckets.end_row();
            if let Ok(found) = differences(&buckets.to_column(), 0) {
                let mut again = Buckets::default();
                for &(bucket, calls) in &found {
                    again.add(bucket, calls);
                }
                again.end_row();
                let read = histogram(&buckets.to_column(), 0);
                prop_assert_eq!(read.is_ok(), found.iter().all(|&(bucket, _)| bucket < 1152));
                prop_assert_eq!(format!("{again:?}"), format!("{buckets:?}"));
            }
        }
    }
}
