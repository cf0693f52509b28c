//! A selection of calls over time: how many, how slow, how many failed in each stretch of what is kept. Pure;
//! each interval is looked at once, however often the figures are asked for.

use std::collections::VecDeque;

use tracer_common::bucket::{self, GROUPING_POWER};

use crate::history::History;
use crate::interval::{CallKey, Cell, CellKey, Interval};
use crate::process::ProcessId;
use crate::syscalls;

/// Columns that are made at most.
pub const MOST_COLUMNS: u16 = 512;

/// Lengths that a column may have, in intervals: those that people can count in.
const LENGTHS: [u64; 12] = [1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 300, 600];

/// Which calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those of this process; `None` for those of all.
    pub process: Option<ProcessId>,
    /// This syscall; `None` for all that do not wait by design, whose time says nothing about being slow.
    pub call: Option<CallKey>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of which calls.
    pub selection: Selection,
    /// In how many columns at most.
    pub columns: u16,
}

/// A stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// How much of it is known; 0 where nothing was recorded.
    pub covered_ns: u64,
    /// Calls that ended in it. A long interval may lie in several columns; each gets its share.
    pub calls: f64,
    /// Those that failed.
    pub errors: f64,
    /// Completed calls by bucket of latency, lowest first.
    buckets: Vec<(u16, f64)>,
}

/// The selection over time. Times are `CLOCK_MONOTONIC`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverTime {
    /// What it is the answer to.
    pub wanted: Wanted,
    /// Where the first column begins.
    pub start_ns: u64,
    /// Where what is shown ends.
    pub end_ns: u64,
    /// Length of a column.
    pub column_ns: u64,
    /// Oldest first.
    pub columns: Vec<Column>,
}

impl Column {
    fn add(&mut self, slice: &Slice, share: f64) {
        self.calls += slice.calls as f64 * share;
        self.errors += slice.errors as f64 * share;
        let mut merged = Vec::with_capacity(self.buckets.len().max(slice.buckets.len()));
        let mut mine = self.buckets.iter().copied().peekable();
        for &(index, count) in &slice.buckets {
            while let Some(lower) = mine.next_if(|(other, _)| *other < index) {
                merged.push(lower);
            }
            let before = mine.next_if(|(other, _)| *other == index).map_or(0.0, |(_, count)| count);
            merged.push((index, before + count as f64 * share));
        }
        merged.extend(mine);
        self.buckets = merged;
    }

    /// Calls a second of the time that is known; `None` where none is.
    pub fn rate(&self) -> Option<f64> {
        (self.covered_ns > 0).then(|| self.calls * 1e9 / self.covered_ns as f64)
    }

    /// Failed calls a second of the time that is known.
    pub fn error_rate(&self) -> Option<f64> {
        (self.covered_ns > 0).then(|| self.errors * 1e9 / self.covered_ns as f64)
    }

    /// Latency below which `quantile` of its completed calls lie: the upper end of the bucket.
    pub fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        let all: f64 = self.buckets.iter().map(|(_, count)| count).sum();
        let mut seen = 0.0;
        let found = self.buckets.iter().find(|(_, count)| {
            seen += count;
            // A share of a call is no reason to look further.
            seen >= quantile * all - 1e-9
        });
        found.map(|(index, _)| bucket::upper_bound(usize::from(*index), GROUPING_POWER))
    }

    /// Completed calls by the power of two of their latency in ns, lowest first.
    pub fn powers(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.buckets.iter().map(|&(index, count)| {
            let low_ns = bucket::lower_bound(usize::from(index), GROUPING_POWER);
            (low_ns.max(1).ilog2() as usize, count)
        })
    }
}

/// What an interval has of the selection.
#[derive(Clone, Debug, Default)]
struct Slice {
    start_ns: u64,
    end_ns: u64,
    calls: u64,
    errors: u64,
    buckets: Vec<(u16, u64)>,
}

impl Slice {
    fn of(interval: &Interval, selection: Selection) -> Self {
        let mut slice = Self { start_ns: interval.start_ns, end_ns: interval.end_ns, ..Self::default() };
        let mut dense = Vec::new();
        let mut add = |cell: &Cell| {
            slice.calls += cell.calls;
            slice.errors += cell.error_count();
            for (index, count) in cell.latencies.indexed() {
                if dense.len() <= index {
                    dense.resize(index + 1, 0);
                }
                dense[index] += count;
            }
        };
        if let Selection { process: Some(process), call: Some(call) } = selection {
            if let Some(cell) = interval.cells.get(&CellKey { process, call }) {
                add(cell);
            }
        } else {
            let wanted = |key: &CellKey| {
                selection.process.is_none_or(|process| key.process == process)
                    && match selection.call {
                        Some(call) => key.call == call,
                        None => !syscalls::waits_by_design(key.call),
                    }
            };
            interval.cells.iter().filter(|(key, _)| wanted(key)).for_each(|(_, cell)| add(cell));
        }
        let filled = dense.into_iter().enumerate().filter(|(_, count)| *count > 0);
        slice.buckets = filled.map(|(index, count)| (index as u16, count)).collect();
        slice
    }

    fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// A selection that is watched in a history that grows.
#[derive(Clone, Debug)]
pub struct Watched {
    wanted: Wanted,
    /// Of each interval that is kept.
    slices: VecDeque<Slice>,
    /// Number of the interval of the first one.
    first: u64,
}

impl Watched {
    /// Nothing yet.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, slices: VecDeque::new(), first: 0 }
    }

    /// What was asked for.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Asks for something else; what was looked at stays where the calls are the same.
    pub fn want(&mut self, wanted: Wanted) {
        if wanted.selection != self.wanted.selection {
            self.slices.clear();
        }
        self.wanted = wanted;
    }

    /// Looks at what is new in `history` and forgets what it has forgotten.
    pub fn follow(&mut self, history: &History) {
        let next = self.first + self.slices.len() as u64;
        if self.slices.is_empty() || next < history.first() || next > history.len() {
            self.slices.clear();
            self.first = history.first();
        }
        while self.first < history.first() {
            self.slices.pop_front();
            self.first += 1;
        }
        let next = self.first + self.slices.len() as u64;
        self.slices
            .extend(history.intervals(next).map(|interval| Slice::of(&interval, self.wanted.selection)));
    }

    /// What is kept up to this moment.
    pub fn over_time(&self, until_ns: u64) -> OverTime {
        let count = self.slices.partition_point(|slice| slice.end_ns <= until_ns);
        let mut over = OverTime { wanted: self.wanted, ..OverTime::default() };
        let shown = || self.slices.range(..count);
        let (Some(first), Some(last)) = (shown().next(), shown().next_back()) else { return over };
        let mut durations: Vec<u64> = shown().map(Slice::duration_ns).collect();
        let middle = durations.len() / 2;
        let usual_ns = (*durations.select_nth_unstable(middle).1).max(1);
        let most = u64::from(self.wanted.columns.clamp(1, MOST_COLUMNS));
        let span_ns = last.end_ns.saturating_sub(first.start_ns).max(1);
        over.column_ns = length(span_ns, usual_ns, most);
        // Ticks that come a little late make no column of their own.
        let whole_ns = span_ns.saturating_sub(over.column_ns / 20).max(1);
        let columns = whole_ns.div_ceil(over.column_ns).min(most) as usize;
        (over.start_ns, over.end_ns) = (first.start_ns, last.end_ns);
        over.columns = vec![Column::default(); columns];
        for slice in shown() {
            over.put(slice);
        }
        over
    }
}

/// Length of a column: as many intervals of the usual length as are needed.
fn length(span_ns: u64, usual_ns: u64, most: u64) -> u64 {
    let fits = |length: &u64| usual_ns.saturating_mul(length * most) >= span_ns;
    match LENGTHS.iter().copied().find(fits) {
        Some(length) => usual_ns * length,
        None => span_ns.div_ceil(most),
    }
}

impl OverTime {
    fn column_of(&self, time_ns: u64) -> usize {
        let column = time_ns.saturating_sub(self.start_ns) / self.column_ns;
        (column as usize).min(self.columns.len() - 1)
    }

    fn put(&mut self, slice: &Slice) {
        let (from, to) = (self.column_of(slice.start_ns), self.column_of(slice.end_ns.saturating_sub(1)));
        let mut overlaps = Vec::with_capacity(to - from + 1);
        for at in from..=to {
            let start_ns = self.start_ns + at as u64 * self.column_ns;
            let is_last = at + 1 == self.columns.len();
            let end_ns = if is_last { u64::MAX } else { start_ns + self.column_ns };
            let overlap_ns = slice.end_ns.min(end_ns).saturating_sub(slice.start_ns.max(start_ns));
            self.columns[at].covered_ns += overlap_ns;
            overlaps.push(overlap_ns);
        }
        // A tick comes a little late, and its calls must not be smeared over two columns for that.
        if slice.duration_ns() <= self.column_ns + self.column_ns / 2 {
            let middle_ns = slice.start_ns + slice.duration_ns() / 2;
            let at = self.column_of(middle_ns);
            return self.columns[at].add(slice, 1.0);
        }
        for (at, overlap_ns) in (from..=to).zip(overlaps) {
            if overlap_ns > 0 {
                self.columns[at].add(slice, overlap_ns as f64 / slice.duration_ns() as f64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tracer_common::abi::Abi;
    use tracer_common::outcome::Outcome;

    use super::*;
    use crate::history::Limits;
    use crate::interval::tests::{any_interval, cell_of};

    const SECOND: u64 = 1_000_000_000;
    const PROCESS: ProcessId = ProcessId { pid: 7, start_ns: 1 };

    fn call(nr: i32) -> CallKey {
        CallKey { abi: Abi::X86_64, nr }
    }

    /// A second in which these calls ended.
    fn second(at: u64, length_s: u64, calls: &[(i32, u64)]) -> Arc<Interval> {
        let mut interval =
            Interval { start_ns: at * SECOND, end_ns: (at + length_s) * SECOND, ..Interval::default() };
        for &(nr, latency_ns) in calls {
            let key = CellKey { process: PROCESS, call: call(nr) };
            interval.cells.entry(key).or_default().merge(&cell_of(&[(latency_ns, Outcome::Error(2))]));
        }
        Arc::new(interval)
    }

    fn watched(history: &History, selection: Selection, columns: u16) -> OverTime {
        let mut watched = Watched::new(Wanted { selection, columns });
        watched.follow(history);
        watched.over_time(u64::MAX)
    }

    fn history_of(intervals: impl IntoIterator<Item = Arc<Interval>>) -> History {
        let mut history =
            History::new(Limits { span_ns: u64::MAX, bytes: usize::MAX, plain_bytes: usize::MAX });
        intervals.into_iter().for_each(|interval| history.push(interval));
        history
    }

    #[test]
    fn each_second_has_its_column_and_nothing_is_not_the_same_as_no_call() {
        // The third second is missing.
        let history =
            history_of([second(1, 1, &[(0, 1_000)]), second(2, 1, &[]), second(4, 1, &[(0, 9_000_000)])]);
        let over = watched(&history, Selection::default(), 100);
        assert_eq!((over.columns.len(), over.column_ns), (4, SECOND));
        let rates: Vec<Option<f64>> = over.columns.iter().map(Column::rate).collect();
        assert_eq!(rates, [Some(1.0), Some(0.0), None, Some(1.0)]);
        let p99: Vec<bool> = over
            .columns
            .iter()
            .map(|column| column.quantile_ns(0.99).is_some_and(|ns| ns > 1_000_000))
            .collect();
        assert_eq!(p99, [false, false, false, true]);
        assert_eq!(over.columns[3].error_rate(), Some(1.0));
    }

    #[test]
    fn waits_by_design_are_left_out_unless_they_are_asked_for() {
        let (read, nanosleep) = (0, 35);
        let history = history_of([second(1, 1, &[(read, 1_000), (nanosleep, SECOND)])]);
        let calls = |selection| watched(&history, selection, 9).columns[0].calls as u64;
        let selection = Selection::default();
        assert_eq!(calls(selection), 1);
        assert_eq!(calls(Selection { call: Some(call(nanosleep)), ..selection }), 1);
        assert_eq!(calls(Selection { process: Some(PROCESS), call: Some(call(read)) }), 1);
        let stranger = ProcessId { pid: 8, start_ns: 1 };
        assert_eq!(calls(Selection { process: Some(stranger), call: None }), 0);
    }

    #[test]
    fn a_long_interval_is_shared_among_its_columns() {
        let quick = (1..=9).map(|at| second(at, 1, &[(0, 1_000)]));
        let history = history_of(quick.chain([second(10, 3, &[(0, 1_000), (1, 1_000), (3, 1_000)])]));
        let over = watched(&history, Selection::default(), 100);
        assert_eq!(over.columns.len(), 12);
        assert!(over.columns.iter().all(|column| (column.calls - 1.0).abs() < 1e-9), "{:?}", over.columns);
    }

    #[test]
    fn many_seconds_fit_into_few_columns_of_a_length_that_people_count_in() {
        let history = history_of((1..=900).map(|at| second(at, 1, &[(0, 1_000)])));
        let over = watched(&history, Selection::default(), 70);
        assert_eq!((over.columns.len(), over.column_ns), (60, 15 * SECOND));
    }

    proptest! {
        #[test]
        fn no_call_is_lost_and_looking_again_changes_nothing(
            run in (1usize..20).prop_flat_map(|len| (0..len as u64).map(any_interval).collect::<Vec<_>>()),
            columns in 1u16..40, span_ns in 500u64..30_000, steps in proptest::collection::vec(1usize..4, 1..20),
        ) {
            let mut history = History::new(Limits { span_ns, bytes: usize::MAX, plain_bytes: 10_000 });
            let mut grown = Watched::new(Wanted { selection: Selection::default(), columns });
            let mut coming = run.iter().cloned().map(Arc::new);
            for step in steps {
                coming.by_ref().take(step).for_each(|interval| history.push(interval));
                grown.follow(&history);
            }
            let at_once = watched(&history, Selection::default(), columns);
            prop_assert_eq!(grown.over_time(u64::MAX), at_once.clone());
            let works = |key: &CellKey| !syscalls::waits_by_design(key.call);
            let calls_of = |interval: &Interval| -> u64 {
                interval.cells.iter().filter(|(key, _)| works(key)).map(|(_, cell)| cell.calls).sum()
            };
            let calls: u64 = history.intervals(0).map(|interval| calls_of(&interval)).sum();
            let shown: f64 = at_once.columns.iter().map(|column| column.calls).sum();
            prop_assert!((shown - calls as f64).abs() < 1e-3, "{} of {}", shown, calls);
            prop_assert!(at_once.columns.len() <= usize::from(columns));
        }
    }
}
