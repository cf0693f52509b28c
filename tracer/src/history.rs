//! The past, kept so that one can go back to it: the last intervals one by one, everything before them
//! summed up. Bounded in time and in memory, the same for a recording, a pipe and a live run.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::aggregate::Aggregator;
use crate::interval::{Cell, InFlight, Interval};
use crate::process::{Comm, ProcessId, ProcessInfo};
use crate::snapshot::Snapshot;

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time, in ns.
    pub span_ns: u64,
    /// Memory of the intervals, in bytes, as far as it can be told.
    pub bytes: usize,
}

impl Default for Limits {
    /// Fifteen minutes, 64 MiB.
    fn default() -> Self {
        Self { span_ns: 15 * 60 * 1_000_000_000, bytes: 64 << 20 }
    }
}

/// The kept past. Intervals have numbers, counted from the first one that ever came.
#[derive(Debug)]
pub struct History {
    limits: Limits,
    /// Everything before what is kept.
    base: Aggregator,
    /// Number of the first kept interval.
    first: u64,
    kept: VecDeque<Arc<Interval>>,
    bytes: usize,
}

impl History {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, base: Aggregator::new(), first: 0, kept: VecDeque::new(), bytes: 0 }
    }

    /// Takes in the newest interval. At least the last one is always kept.
    pub fn push(&mut self, interval: Arc<Interval>) {
        if interval.is_empty() {
            return;
        }
        self.bytes += bytes_of(&interval);
        let since_ns = interval.end_ns.saturating_sub(self.limits.span_ns);
        self.kept.push_back(interval);
        while self.kept.len() > 1
            && (self.bytes > self.limits.bytes || self.kept.front().is_some_and(|old| old.end_ns < since_ns))
            && let Some(old) = self.kept.pop_front()
        {
            self.bytes -= bytes_of(&old);
            self.base.merge(&old);
            self.first += 1;
        }
    }

    /// The intervals that are kept, oldest first.
    pub fn intervals(&self) -> impl DoubleEndedIterator<Item = &Arc<Interval>> + ExactSizeIterator {
        self.kept.iter()
    }

    /// The names of processes that were told before what is kept.
    pub fn names(&self) -> impl Iterator<Item = (ProcessId, Comm)> + '_ {
        self.base.names()
    }

    /// The earliest moment that one can go back to; `None` while there is nothing.
    pub fn reach_ns(&self) -> Option<u64> {
        self.kept.front().map(|interval| interval.end_ns)
    }

    /// The newest moment; `None` while there is nothing.
    pub fn end_ns(&self) -> Option<u64> {
        self.kept.back().map(|interval| interval.end_ns)
    }

    /// How many intervals there ever were.
    pub fn len(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// Whether none ever came.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of the first interval that is kept: how many are summed up.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// How many intervals had ended at this moment, at least those that can no longer be told apart.
    fn count_at(&self, time_ns: u64) -> u64 {
        self.first + self.kept.partition_point(|interval| interval.end_ns <= time_ns) as u64
    }
}

/// Memory of an interval, in bytes: an estimate that is not far too low.
fn bytes_of(interval: &Interval) -> usize {
    // Tables of hashes are at most seven eighths full and half empty after they grew.
    const SLACK: usize = 2;
    let cells: usize =
        interval.cells.values().map(|cell| SLACK * size_of::<Cell>() + cell.heap_bytes()).sum();
    let processes: usize = interval
        .processes
        .values()
        .map(|info| SLACK * (size_of::<ProcessInfo>() + 16) + info.heap_bytes())
        .sum();
    size_of::<Interval>() + cells + processes + interval.in_flight.len() * size_of::<InFlight>()
}

/// A moment of the past and everything up to it.
#[derive(Debug, Default)]
pub struct Playhead {
    aggregator: Aggregator,
    /// Intervals merged so far: the number of the next one.
    next: u64,
}

impl Playhead {
    /// Before everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes to a moment, as near as the history reaches: after the last interval that had ended then, but not
    /// before the first one kept.
    pub fn seek(&mut self, history: &History, time_ns: u64) {
        self.go_to(history, history.count_at(time_ns));
    }

    /// Goes on or back by so many intervals, as far as the history reaches.
    pub fn step(&mut self, history: &History, by: i64) {
        self.go_to(history, self.next.saturating_add_signed(by));
    }

    /// Goes to the newest moment.
    pub fn seek_end(&mut self, history: &History) {
        self.go_to(history, history.len());
    }

    /// Whether the newest moment is the one shown.
    pub fn is_at_end(&self, history: &History) -> bool {
        self.next >= history.len()
    }

    fn go_to(&mut self, history: &History, count: u64) {
        let lowest = (history.first + 1).min(history.len());
        let count = count.clamp(lowest, history.len());
        if count < self.next || self.next < history.first {
            self.aggregator = history.base.clone();
            self.next = history.first;
        }
        let (from, to) = ((self.next - history.first) as usize, (count - history.first) as usize);
        for interval in history.kept.range(from..to) {
            self.aggregator.merge(interval);
        }
        self.next = count;
    }

    /// How many intervals are merged: the generation of its snapshot.
    pub fn count(&self) -> u64 {
        self.next
    }

    /// End of the last interval merged; `None` before everything.
    pub fn position_ns(&self) -> Option<u64> {
        (self.next > 0).then(|| self.aggregator.end_ns())
    }

    /// Everything up to here.
    pub fn snapshot(&self) -> Snapshot {
        self.aggregator.snapshot()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::tests::any_interval;
    use proptest::prelude::*;

    fn any_run() -> impl Strategy<Value = Vec<Interval>> {
        (1usize..24).prop_flat_map(|len| (0..len as u64).map(any_interval).collect::<Vec<_>>())
    }

    #[derive(Clone, Copy, Debug)]
    enum Move {
        Push,
        Seek(u64),
        Step(i64),
        End,
    }

    fn any_move() -> impl Strategy<Value = Move> {
        prop_oneof![
            3 => Just(Move::Push),
            3 => (0u64..26_000).prop_map(Move::Seek),
            2 => (-9i64..9).prop_map(Move::Step),
            1 => Just(Move::End),
        ]
    }

    proptest! {
        #[test]
        fn wherever_one_went_the_figures_are_those_of_folding_straight_there(
            run in any_run(), moves in proptest::collection::vec(any_move(), 0..40),
            span_ns in 500u64..30_000, bytes in 1_000usize..200_000,
        ) {
            let mut history = History::new(Limits { span_ns, bytes });
            let mut playhead = Playhead::new();
            let mut coming = run.iter().cloned().map(Arc::new);
            for one in moves {
                match one {
                    Move::Push => if let Some(interval) = coming.next() { history.push(interval) },
                    Move::Seek(time_ns) => playhead.seek(&history, time_ns),
                    Move::Step(by) => playhead.step(&history, by),
                    Move::End => playhead.seek_end(&history),
                }
                let mut straight = Aggregator::new();
                for interval in &run[..playhead.next as usize] {
                    straight.merge(interval);
                }
                prop_assert_eq!(playhead.snapshot(), straight.snapshot());
                prop_assert!(history.is_empty() || history.reach_ns() <= history.end_ns());
                prop_assert!(history.bytes <= bytes || history.intervals().len() == 1);
            }
        }
    }

    #[test]
    fn what_is_older_than_the_span_is_summed_up_and_can_no_longer_be_reached() {
        let second = 1_000_000_000;
        let mut history = History::new(Limits { span_ns: 10 * second, bytes: 1 << 30 });
        for at in 1..=60 {
            history.push(Arc::new(Interval {
                start_ns: at * second,
                end_ns: (at + 1) * second,
                ..Interval::default()
            }));
        }
        assert_eq!((history.reach_ns(), history.end_ns()), (Some(51 * second), Some(61 * second)));
        let mut playhead = Playhead::new();
        playhead.seek(&history, 0);
        assert_eq!(playhead.position_ns(), Some(51 * second));
        assert!(playhead.count() == history.first() + 1 && !playhead.is_at_end(&history));
        assert_eq!(playhead.snapshot().start_ns, second);
        playhead.seek_end(&history);
        assert_eq!(playhead.snapshot().generation, 60);
    }
}
