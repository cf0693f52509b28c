//! What a line of a table is about, where it belongs, and which figures its columns are taken from.

use super::Scope;
use crate::by_file::{Figures, FileRow};
use crate::by_thread::ThreadRow;
use crate::findings;
use crate::interval::InFlight;
use crate::snapshot::{CallRow, CallStats, ErrnoRow, ProcessRow, Snapshot};

/// Open calls younger than this are not called stuck, whatever their history says.
const STUCK_NS: u64 = 1_000_000_000;

/// For how long an errno is new.
const NEW_NS: u64 = 60_000_000_000;

/// Calls that make a habit, where it is not known how soon a call should return: a shell reads from its terminal
/// for as long as nobody types.
const CALLS_FOR_HABIT: u64 = 20;

/// What a line of a table is about.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// A process. Latencies and busy time are those of its calls that do not wait by design.
    Process(&'a ProcessRow),
    /// One syscall, of one process or of many.
    Call(&'a CallRow),
    /// One errno of one syscall of one process.
    Error(&'a ProcessRow, &'a CallRow, &'a ErrnoRow),
    /// One open call. Latencies are those of the calls of its kind and process that returned.
    Open(&'a ProcessRow, &'a CallRow, &'a InFlight),
    /// One thread of a process. It has no latencies but the longest.
    Thread(&'a ProcessRow, &'a ThreadRow),
    /// One file, socket, pipe or peer, or what is left of others.
    File(&'a FileRow),
    /// One syscall of one process, as far as it was on one of them.
    Use(&'a ProcessRow, &'a CallRow, &'a Figures),
    /// The sum of a table. It has no latencies: those of different calls taken together say nothing.
    Sum {
        /// All calls of its rows.
        all: &'a CallStats,
        /// Time in scope in those that do not wait by design.
        busy_ns: u64,
        /// Open calls that its rows show.
        in_flight: u64,
        /// Age of the oldest of them.
        oldest_ns: u64,
    },
}

/// The spans of time that figures are counted over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// Which of the two below applies.
    pub scope: Scope,
    /// Length of the last interval, in ns.
    pub recent_ns: u64,
    /// `CLOCK_MONOTONIC` where counting began.
    pub start_ns: u64,
    /// `CLOCK_MONOTONIC` of the figures.
    pub end_ns: u64,
    /// Whether calls are held against a baseline.
    pub has_baseline: bool,
    /// All calls of everybody in scope.
    pub all_calls: u64,
}

/// Where a row belongs before any column is compared. In this order: what never returns comes first, what
/// only waits comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A call that should have returned long ago is open, or calls fail in a way that is new.
    Urgent,
    /// Work.
    Work,
    /// Idle, or only in calls that wait by design; of errors, those that healthy programs get.
    Waiting,
}

impl Context {
    /// The spans of `snapshot`.
    pub fn new(snapshot: &Snapshot, scope: Scope) -> Self {
        Self {
            scope,
            recent_ns: snapshot.recent_ns,
            start_ns: snapshot.start_ns,
            end_ns: snapshot.end_ns,
            has_baseline: snapshot.baseline.is_some(),
            all_calls: match scope {
                Scope::Interval => snapshot.all.recent_calls,
                Scope::Total => snapshot.all.calls,
            },
        }
    }

    /// Length of the span in scope, in ns.
    pub fn window_ns(&self) -> u64 {
        match self.scope {
            Scope::Interval => self.recent_ns,
            Scope::Total => self.end_ns.saturating_sub(self.start_ns),
        }
    }

    /// Whether an errno was first seen lately, and not at the start when everything is.
    pub fn is_new(&self, errno: &ErrnoRow) -> bool {
        !self.is_from_start(errno) && self.end_ns.saturating_sub(errno.first_seen_ns) <= NEW_NS
    }

    /// Whether an errno was there in the first interval. Intervals are not all of one length to the nanosecond: what
    /// ended nearer to the first end than to the second belongs to the first.
    pub(super) fn is_from_start(&self, errno: &ErrnoRow) -> bool {
        errno.first_seen_ns <= self.start_ns.saturating_add(self.recent_ns + self.recent_ns / 2)
    }

    /// How long a call has been open.
    pub fn age_ns(&self, open: &InFlight) -> u64 {
        self.end_ns.saturating_sub(open.enter_ns)
    }

    pub(super) fn per_second(&self, recent: u64) -> f64 {
        if self.recent_ns == 0 { 0.0 } else { recent as f64 * 1e9 / self.recent_ns as f64 }
    }

    /// Time spent in calls in scope, in ns; in an interval, no more than can lie in it.
    pub fn time_ns(&self, stats: &CallStats) -> u64 {
        match self.scope {
            Scope::Interval => stats.recent_busy_ns,
            Scope::Total => stats.total_ns,
        }
    }

    pub(super) fn calls_and_errors(&self, stats: &CallStats) -> (u64, u64) {
        match self.scope {
            Scope::Interval => (stats.recent_calls, stats.recent_errors),
            Scope::Total => (stats.calls, stats.errors),
        }
    }
}

/// Where `row` belongs before any column is compared.
pub fn rank(row: Row<'_>, at: &Context) -> Rank {
    match row {
        Row::Process(process) => {
            let worked = match at.scope {
                Scope::Interval => process.work.recent_calls,
                Scope::Total => process.work.calls,
            };
            if process.calls.iter().any(is_stuck) {
                Rank::Urgent
            } else if worked > 0 || process.work.in_flight > 0 {
                Rank::Work
            } else {
                Rank::Waiting
            }
        }
        Row::Thread(process, thread) => {
            let worked = match at.scope {
                Scope::Interval => thread.work.recent_calls,
                Scope::Total => thread.work.calls,
            };
            let open = thread.now.as_ref().and_then(|(index, open)| Some((process.calls.get(*index)?, open)));
            if open.is_some_and(|(call, open)| is_stuck_for(call, at.age_ns(open))) {
                Rank::Urgent
            } else if worked > 0 || thread.work.in_flight > 0 {
                Rank::Work
            } else {
                Rank::Waiting
            }
        }
        Row::File(file) if !file.is_known() => Rank::Waiting,
        Row::File(FileRow { figures, .. }) | Row::Use(_, _, figures) => {
            let worked = match at.scope {
                Scope::Interval => figures.work.recent_calls,
                Scope::Total => figures.work.calls,
            };
            if figures.is_stuck {
                Rank::Urgent
            } else if worked > 0 || figures.work.in_flight > 0 {
                Rank::Work
            } else {
                Rank::Waiting
            }
        }
        Row::Call(call) if is_stuck(call) => Rank::Urgent,
        Row::Open(_, call, open) if is_stuck_for(call, at.age_ns(open)) => Rank::Urgent,
        // A wait that times out or is interrupted is no failure of work either.
        Row::Error(_, call, errno) if errno.is_expected || call.waits_by_design => Rank::Waiting,
        Row::Error(_, _, errno) if at.is_new(errno) => Rank::Urgent,
        Row::Call(call) | Row::Open(_, call, _) if call.waits_by_design => Rank::Waiting,
        _ => Rank::Work,
    }
}

/// Whether a call that does not wait by design has been open for a second, and for longer than 99 in 100
/// calls like it ever took.
pub fn is_stuck(call: &CallRow) -> bool {
    call.stats.in_flight > 0 && is_stuck_for(call, call.stats.oldest_in_flight_ns)
}

/// The same of a call of this kind that has been open for so long.
pub(crate) fn is_stuck_for(call: &CallRow, age_ns: u64) -> bool {
    let has_habit = call.stats.latencies.count() >= CALLS_FOR_HABIT;
    !call.waits_by_design
        && age_ns >= STUCK_NS
        && (has_habit || findings::is_prompt(call.call))
        && call.stats.quantile_ns(0.99).is_none_or(|p99| age_ns > p99)
}

pub(super) fn process_of(row: Row<'_>) -> Option<&ProcessRow> {
    match row {
        Row::Process(process)
        | Row::Error(process, ..)
        | Row::Open(process, ..)
        | Row::Use(process, ..)
        | Row::Thread(process, _) => Some(process),
        Row::Call(_) | Row::File(_) | Row::Sum { .. } => None,
    }
}

pub(super) fn call_of(row: Row<'_>) -> Option<&CallRow> {
    match row {
        Row::Call(call) | Row::Error(_, call, _) | Row::Open(_, call, _) | Row::Use(_, call, _) => Some(call),
        Row::Process(_) | Row::Thread(..) | Row::File(_) | Row::Sum { .. } => None,
    }
}

pub(super) fn errno_of(row: Row<'_>) -> Option<&ErrnoRow> {
    match row {
        Row::Error(_, _, errno) => Some(errno),
        _ => None,
    }
}

/// Of calls on files, what they came to.
pub(super) fn figures_of(row: Row<'_>) -> Option<&Figures> {
    match row {
        Row::File(file) => Some(&file.figures),
        Row::Use(.., figures) => Some(figures),
        _ => None,
    }
}

/// What counts and rates are taken from.
pub(super) fn stats_of(row: Row<'_>) -> Option<&CallStats> {
    match row {
        Row::Process(process) => Some(&process.all),
        Row::Call(call) => Some(&call.stats),
        Row::Thread(_, thread) => thread.is_counted.then_some(&thread.all),
        Row::File(FileRow { figures, .. }) | Row::Use(_, _, figures) => Some(&figures.all),
        Row::Sum { all, .. } => Some(all),
        Row::Error(..) | Row::Open(..) => None,
    }
}

/// What latencies and open calls are taken from: waiting by design is not slowness.
pub(super) fn latency_of(row: Row<'_>) -> Option<&CallStats> {
    match row {
        Row::Process(process) => Some(&process.work),
        Row::Call(call) | Row::Open(_, call, _) => Some(&call.stats),
        Row::Thread(_, thread) => thread.is_counted.then_some(&thread.work),
        Row::File(FileRow { figures, .. }) | Row::Use(_, _, figures) => Some(&figures.work),
        Row::Sum { .. } | Row::Error(..) => None,
    }
}

pub(super) fn busy_ns(row: Row<'_>, at: &Context) -> Option<u64> {
    match row {
        Row::Sum { busy_ns, .. } => Some(busy_ns),
        Row::Call(call) if call.waits_by_design => None,
        Row::Open(..) => None,
        _ => latency_of(row).map(|stats| at.time_ns(stats)),
    }
}

/// How long the call of a row has been open.
pub(super) fn open_ns(row: Row<'_>, at: &Context) -> Option<u64> {
    match row {
        Row::Open(.., open) => Some(at.age_ns(open)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    #[test]
    fn stuck_needs_a_second_beyond_its_habit_and_no_design() {
        let mut call = fixture::call("read", &[1_000; 100]);
        call.stats.in_flight = 1;
        call.stats.oldest_in_flight_ns = STUCK_NS;
        assert!(is_stuck(&call));
        call.waits_by_design = true;
        assert!(!is_stuck(&call));
        call.waits_by_design = false;
        call.stats.oldest_in_flight_ns = STUCK_NS - 1;
        assert!(!is_stuck(&call));
        let mut slow = fixture::call("fsync", &[5_000_000_000; 100]);
        slow.stats.in_flight = 1;
        slow.stats.oldest_in_flight_ns = 2_000_000_000;
        assert!(!is_stuck(&slow), "its calls always take that long");
    }

    #[test]
    fn an_errno_of_the_first_interval_is_not_new_however_long_the_last_one_was() {
        let snapshot = fixture::incident();
        let rows = snapshot.processes.iter().flat_map(|process| &process.calls);
        let mut errno = rows.flat_map(|call| &call.errnos).next().expect("one that failed").clone();
        let at = |recent_ns| Context {
            start_ns: 5,
            end_ns: 8_000_000_000,
            recent_ns,
            ..Context::new(&snapshot, Scope::Interval)
        };
        errno.first_seen_ns = 1_000_300_000;
        for recent_ns in [999_000_000, 1_000_000_000, 1_001_000_000] {
            assert!(!at(recent_ns).is_new(&errno), "{recent_ns}");
        }
        errno.first_seen_ns = 2_000_300_000;
        assert!(at(1_001_000_000).is_new(&errno));
    }
}
