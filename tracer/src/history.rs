//! The past, kept so that one can go back to it: the last intervals one by one, everything before them
//! summed up. Bounded in time and in memory, the same for a recording, a pipe and a live run.

mod past;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::aggregate::Aggregator;
use crate::interval::Interval;
use crate::process::{Comm, ProcessId};
use crate::snapshot::Snapshot;
use past::Past;

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time, in ns.
    pub span_ns: u64,
    /// Memory of the intervals, in bytes, as far as it can be told.
    pub bytes: usize,
    /// How much of it may go to those that are not packed, the newest. Packing takes a few milliseconds of CPU for a
    /// thousand rows, and going back as much.
    pub plain_bytes: usize,
}

impl Limits {
    /// Fifteen minutes, 64 MiB, nothing packed: for what can be read again.
    pub const OF_A_FILE: Self = Self { span_ns: SPAN_NS, bytes: 64 << 20, plain_bytes: 64 << 20 };
}

const SPAN_NS: u64 = 15 * 60 * 1_000_000_000;

impl Default for Limits {
    /// Fifteen minutes, 40 MiB, of which a fifth is not packed: for what comes only once.
    fn default() -> Self {
        Self { span_ns: SPAN_NS, bytes: 40 << 20, plain_bytes: 8 << 20 }
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
    kept: VecDeque<Past>,
    /// How many of them were packed, from the front.
    packed: usize,
    /// Memory of all of them, and of those that were not packed.
    bytes: usize,
    plain_bytes: usize,
}

impl History {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            base: Aggregator::new(),
            first: 0,
            kept: VecDeque::new(),
            packed: 0,
            bytes: 0,
            plain_bytes: 0,
        }
    }

    /// Takes in the newest interval. At least the last one is always kept.
    pub fn push(&mut self, interval: Arc<Interval>) {
        if interval.is_empty() {
            return;
        }
        let since_ns = interval.end_ns.saturating_sub(self.limits.span_ns);
        let past = Past::new(interval);
        self.bytes += past.bytes();
        self.plain_bytes += past.bytes();
        self.kept.push_back(past);
        self.pack();
        while self.kept.len() > 1
            && (self.bytes > self.limits.bytes
                || self.kept.front().is_some_and(|old| old.end_ns() < since_ns))
            && let Some(old) = self.kept.pop_front()
        {
            self.bytes -= old.bytes();
            if self.packed > 0 {
                self.packed -= 1;
            } else {
                self.plain_bytes -= old.bytes();
            }
            self.base.merge(&old.interval());
            self.first += 1;
        }
    }

    /// Packs the oldest that are not, but never the newest.
    fn pack(&mut self) {
        while self.plain_bytes > self.limits.plain_bytes && self.packed + 1 < self.kept.len() {
            let past = &mut self.kept[self.packed];
            let before = past.bytes();
            past.pack();
            self.bytes = self.bytes - before + past.bytes();
            self.plain_bytes -= before;
            self.packed += 1;
        }
    }

    /// The intervals that are kept from number `from` on, oldest first.
    pub fn intervals(&self, from: u64) -> impl Iterator<Item = Arc<Interval>> + '_ {
        let from = (from.saturating_sub(self.first) as usize).min(self.kept.len());
        self.kept.range(from..).map(Past::interval)
    }

    /// The names of processes that were told before what is kept.
    pub fn names(&self) -> impl Iterator<Item = (ProcessId, Comm)> + '_ {
        self.base.names()
    }

    /// The earliest moment that one can go back to; `None` while there is nothing.
    pub fn reach_ns(&self) -> Option<u64> {
        self.kept.front().map(Past::end_ns)
    }

    /// The newest moment; `None` while there is nothing.
    pub fn end_ns(&self) -> Option<u64> {
        self.kept.back().map(Past::end_ns)
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
        self.first + self.kept.partition_point(|past| past.end_ns() <= time_ns) as u64
    }
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
        for past in history.kept.range(from..to) {
            self.aggregator.merge(&past.interval());
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
            span_ns in 500u64..30_000, bytes in 1_000usize..200_000, plain_bytes in 0usize..50_000,
        ) {
            let mut history = History::new(Limits { span_ns, bytes, plain_bytes });
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
                prop_assert!(history.bytes <= bytes || history.kept.len() == 1);
                prop_assert!(history.plain_bytes <= plain_bytes || history.packed + 1 >= history.kept.len());
                let plain: usize = history.kept.range(history.packed..).map(Past::bytes).sum();
                prop_assert_eq!(history.plain_bytes, plain);
            }
        }
    }

    #[test]
    fn what_is_older_than_the_span_is_summed_up_and_can_no_longer_be_reached() {
        let second = 1_000_000_000;
        let mut history = History::new(Limits { span_ns: 10 * second, bytes: 1 << 30, plain_bytes: 1 << 30 });
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
