//! How many calls each of the last intervals had: what the line over time of a row is drawn of. It is a part of the
//! figures, so it is that of the moment shown, whenever that was.

/// Intervals that are kept.
pub const INTERVALS: usize = 24;

/// Calls of the last intervals, by number of interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trend {
    /// Number of the interval that is last in `calls`.
    last: u64,
    /// Oldest first.
    calls: [u32; INTERVALS],
}

impl Trend {
    /// Counts calls of interval `number`, which is the last one or a later one.
    pub fn count(&mut self, number: u64, calls: u64) {
        self.calls = self.at(number);
        self.last = self.last.max(number);
        let place = &mut self.calls[INTERVALS - 1];
        *place = place.saturating_add(u32::try_from(calls).unwrap_or(u32::MAX));
    }

    /// Adds those of somebody else.
    pub fn merge(&mut self, other: &Self) {
        let last = self.last.max(other.last);
        let mut calls = self.at(last);
        add(&mut calls, &other.at(last));
        *self = Self { last, calls };
    }

    /// Calls of the intervals up to and with this one, oldest first.
    pub fn at(&self, number: u64) -> [u32; INTERVALS] {
        let gone = usize::try_from(number.saturating_sub(self.last)).unwrap_or(INTERVALS).min(INTERVALS);
        let mut calls = [0; INTERVALS];
        calls[..INTERVALS - gone].copy_from_slice(&self.calls[gone..]);
        calls
    }
}

/// Adds calls interval by interval.
pub fn add(sum: &mut [u32; INTERVALS], other: &[u32; INTERVALS]) {
    for (mine, other) in sum.iter_mut().zip(other) {
        *mine = mine.saturating_add(*other);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(calls: &[(u64, u64)]) -> Trend {
        let mut trend = Trend::default();
        for &(number, count) in calls {
            trend.count(number, count);
        }
        trend
    }

    proptest! {
        #[test]
        fn each_interval_has_its_calls_whoever_counted_them(
            mut calls in proptest::collection::vec((1u64..60, 1u64..1_000, any::<bool>()), 0..40),
            later in 0u64..30,
        ) {
            calls.sort_unstable();
            let whose = |mine: bool| -> Vec<(u64, u64)> {
                calls.iter().filter(|call| call.2 == mine).map(|call| (call.0, call.1)).collect()
            };
            let mut both = of(&whose(true));
            both.merge(&of(&whose(false)));
            let now = calls.last().map_or(0, |call| call.0) + later;
            for (at, shown) in both.at(now).into_iter().enumerate() {
                let number = (now + at as u64 + 1).checked_sub(INTERVALS as u64);
                let of_number = calls.iter().filter(|call| Some(call.0) == number).map(|call| call.1);
                prop_assert_eq!(u64::from(shown), of_number.sum::<u64>());
            }
        }
    }
}
