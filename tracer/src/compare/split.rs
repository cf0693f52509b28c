//! Two sides cut out of one run, while it goes on or after: from A to B, and from B on.

use std::sync::Arc;

use super::gate::Outcome;
use super::{About, By, Comparison, Side, Thresholds, compare_sides};
use crate::interval::Interval;
use crate::process::{Comm, ProcessId};
use crate::span::Span;

/// Two moments of a run on `CLOCK_MONOTONIC`, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// Where before begins.
    pub a_ns: u64,
    /// Where it ends and after begins.
    pub b_ns: u64,
}

/// A comparison with everything that can be looked at in it.
#[derive(Debug)]
pub struct Compared {
    /// What changed.
    pub comparison: Comparison,
    /// The calls before, by time.
    pub before: Arc<Side>,
    /// The calls after, by time.
    pub after: Arc<Side>,
    /// What became of the conditions.
    pub conditions: Vec<Outcome>,
}

/// Equal only to itself.
impl PartialEq for Compared {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// One state of a comparison that grows with its run.
#[derive(Clone, Debug, PartialEq)]
pub struct Versus {
    /// Which pair of spans it is of, counted from 1.
    pub serial: u64,
    /// The comparison so far.
    pub compared: Arc<Compared>,
}

/// The two sides while they are filled.
#[derive(Clone, Debug)]
pub struct Split {
    spans: [Span; 2],
    before: Side,
    after: Side,
    /// `before` as it is compared; it changes no more once after has begun.
    finished: Option<Arc<Side>>,
}

impl Split {
    /// Two empty sides; both are described by `about`, apart from their labels.
    pub fn new(spans: Spans, about: &About, labels: [String; 2]) -> Self {
        let [before, after] = labels.map(|label| Side::new(By::default(), About { label, ..about.clone() }));
        let before_span = Span { from_ns: spans.a_ns, to_ns: spans.b_ns };
        let after_span = Span { from_ns: spans.b_ns, ..Span::EVERYTHING };
        Self { spans: [before_span, after_span], before, after, finished: None }
    }

    /// Learns the names of processes from before the intervals that will be added.
    pub fn name(&mut self, names: impl Iterator<Item = (ProcessId, Comm)>) {
        for (id, comm) in names {
            self.before.name(id, comm);
            self.after.name(id, comm);
        }
    }

    /// Adds the next interval to the side that it belongs to, if to any.
    pub fn add(&mut self, interval: &Interval) {
        let [before, after] = self.spans.map(|span| span.holds(interval));
        if before {
            self.finished = None;
            self.before.add(interval);
        } else {
            self.before.learn_names(interval);
        }
        if after {
            self.after.add(interval);
        } else {
            self.after.learn_names(interval);
        }
    }

    /// Both sides as they are now.
    pub fn sides(&mut self) -> [Arc<Side>; 2] {
        let finished = |side: &Side| {
            let mut side = side.clone();
            side.finish();
            Arc::new(side)
        };
        let before = self.finished.get_or_insert_with(|| finished(&self.before));
        [Arc::clone(before), finished(&self.after)]
    }
}

impl Compared {
    /// Compares two sides, on the thread that asks.
    pub fn of([before, after]: [Arc<Side>; 2], thresholds: &Thresholds) -> Self {
        let comparison = compare_sides(&before, &after, thresholds, 1, &|_, _| {});
        Self { comparison, before, after, conditions: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Verdict;
    use crate::compare::synthetic::{Stream, intervals};

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_run_is_cut_in_two_and_the_second_part_grows() {
        let slow =
            Stream { comm: "db", nr: 74, calls: 200.0, median_ns: 2e6, spread: 0.3, ..Stream::default() };
        let fast = Stream { median_ns: 5e5, ..slow.clone() };
        let mut run = intervals(&[slow], 40, SECOND, 1);
        let end_ns = run.last().expect("forty").end_ns;
        let later = intervals(&[fast], 20, SECOND, 2).into_iter().map(|mut interval| {
            interval.start_ns += end_ns;
            interval.end_ns += end_ns;
            // Named before: it is the same process.
            interval.processes.clear();
            interval
        });
        let spans = Spans { a_ns: run[10].start_ns, b_ns: end_ns };
        let mut split = Split::new(spans, &About::default(), ["a".to_owned(), "b".to_owned()]);
        for interval in &run {
            split.add(interval);
        }
        let first = Compared::of(split.sides(), &Thresholds::default());
        assert_eq!((first.before.intervals(), first.after.intervals()), (30, 0));
        assert!(first.comparison.refused, "nothing yet to set it against");
        for interval in later {
            split.add(&interval);
            run.push(interval);
        }
        let whole = Compared::of(split.sides(), &Thresholds::default());
        let row = whole.comparison.rows.iter().find(|row| row.key.comm == Some(Comm::new("db")));
        let row = row.expect("one row under the name that was told before the cut");
        assert_eq!((row.verdict, whole.comparison.rows.len()), (Some(Verdict::Faster), 1));
        assert_eq!(whole.before.duration_ns() + whole.after.duration_ns(), 50 * SECOND);
    }
}
