//! An immutable view of everything aggregated so far, for screens and reports. Plain data: no handles, no
//! locks, no styling. Order and filters are the viewer's business.

use std::sync::Arc;

use crate::baseline::{Baseline, Before};
use crate::findings::Findings;
use crate::histogram::Histogram;
use crate::interval::{CallKey, Example, InFlight, OnFile, Sizes, SlowCall, Stack, ThreadFigures};
use crate::ledger::LedgerCounts;
use crate::process::{Comm, Descriptors, ProcessId, ThreadNames};
use crate::trend;
use crate::who::Who;

/// Everything there is to show at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Grows with every merged interval; equal generations mean equal content.
    pub generation: u64,
    /// `CLOCK_MONOTONIC` where the first interval began.
    pub start_ns: u64,
    /// `CLOCK_MONOTONIC` where the last interval ended.
    pub end_ns: u64,
    /// Length of the last interval: what the `recent` figures are counted over.
    pub recent_ns: u64,
    /// One row for each process with calls or open calls, by pid. Processes that ended long ago, and where there
    /// are very many also those that were idle for longest, are folded by name and cgroup into rows whose
    /// pid is 0.
    pub processes: Vec<ProcessRow>,
    /// Counted since the start.
    pub ledger: LedgerCounts,
    /// Counted in the last interval.
    pub recent_ledger: LedgerCounts,
    /// All calls of all processes together.
    pub all: CallStats,
    /// What stands out.
    pub findings: Findings,
    /// What the calls are held against, where they are.
    pub baseline: Option<Arc<Baseline>>,
}

/// One process, or many of the same name that were folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessRow {
    /// Identity; pid 0 when folded.
    pub id: ProcessId,
    /// Name.
    pub comm: Comm,
    /// Who it is beyond its name; `None` where that is not known, and for many. Of processes that a report took together by
    /// cgroup only that, empty where it is not known.
    pub who: Option<Arc<Who>>,
    /// Names of its threads other than the leader, as far as they were seen.
    pub threads: ThreadNames,
    /// Its descriptors when they were counted last; `None` where they were not, and for many.
    pub descriptors: Option<Descriptors>,
    /// Whether it, or any of many, had an `io_uring` when we attached, as far as was found.
    pub owns_ring: bool,
    /// `CLOCK_MONOTONIC` at the start of the interval in which it was first seen; of many, the first of all.
    pub first_seen_ns: u64,
    /// Whether it has ended; of a folded row, whether all have.
    pub exited: bool,
    /// How many folded processes this row stands for; 0 for a single process.
    pub folded: u64,
    /// How many processes a report took together in this row, ended or not; 0 when it did not.
    pub together: u64,
    /// The host it is on, where figures come from several.
    pub host: Option<Arc<str>>,
    /// All its calls, waiting ones included.
    pub all: CallStats,
    /// Its calls that do not wait by design.
    pub work: CallStats,
    /// Its calls, by (abi, number).
    pub calls: Vec<CallRow>,
}

/// One syscall of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// The syscall.
    pub call: CallKey,
    /// Its name, `i386:` or `x32:` before it where it is not the host's own ABI.
    pub name: String,
    /// Whether it sits and waits because the program asked it to.
    pub waits_by_design: bool,
    /// Figures.
    pub stats: CallStats,
    /// Failed calls by errno, most frequent first: (errno, since the start, in the last interval).
    pub errnos: Vec<ErrnoRow>,
    /// Open calls, longest first.
    pub in_flight: Vec<InFlight>,
    /// What it was like in the baseline; `None` without one, and where it was not called then.
    pub before: Option<Arc<Before>>,
    /// Its slowest completed calls since the start, the slowest first.
    pub slowest: Arc<[SlowCall]>,
    /// The threads that made it since the start, by tid; see [`CallRow::other_threads`].
    pub threads: Arc<[ThreadFigures]>,
    /// Those that made it in the last interval, by tid.
    pub recent_threads: Arc<[ThreadFigures]>,
    /// The files behind their descriptors since the start, by identity; see [`CallRow::other_files`].
    pub on: Arc<[OnFile]>,
    /// Those of the last interval, by identity.
    pub recent_on: Arc<[OnFile]>,
    /// Where it was made since the start, the places with most time first, as far as that was taken.
    pub stacks: Arc<[Stack]>,
}

/// A latency, or the least that it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtLeast {
    /// In ns: the upper end of the bucket, or the age of an open call.
    pub ns: u64,
    /// Whether it is that, and not more.
    pub exactly: bool,
}

impl CallRow {
    /// Latency below which `quantile` of the calls lie once those have returned that are open at `now_ns`: a lower bound where
    /// it depends on when they do. `None` without any call.
    pub fn quantile_with_open(&self, quantile: f64, now_ns: u64) -> Option<AtLeast> {
        let stats = &self.stats;
        if self.in_flight.is_empty() {
            return stats.quantile_ns(quantile).map(|ns| AtLeast { ns, exactly: true });
        }
        let mut soonest = Histogram::clone(&stats.latencies);
        let mut never = soonest.clone();
        for open in &self.in_flight {
            soonest.record(now_ns.saturating_sub(open.enter_ns));
            never.record(u64::MAX);
        }
        let (soonest, never) = (soonest.quantile(quantile)?, never.quantile(quantile)?);
        let oldest_ns =
            self.in_flight.iter().map(|open| now_ns.saturating_sub(open.enter_ns)).max().unwrap_or(0);
        let max_ns = stats.max_ns.max(oldest_ns);
        Some(AtLeast { ns: soonest.high_ns.min(max_ns), exactly: soonest.low_ns == never.low_ns })
    }

    /// What the row has more than `threads`: calls of threads that are not told apart, because there are very many, because
    /// overload kept their calls from being seen one by one, or because a recording does not hold them. `tid` is 0, `max_ns` is
    /// not known and 0; `None` where there are none.
    pub fn other_threads(&self) -> Option<ThreadFigures> {
        let rest = self.threads.iter().fold(
            ThreadFigures {
                tid: 0,
                calls: self.stats.calls,
                errors: self.stats.errors,
                total_ns: self.stats.total_ns,
                max_ns: 0,
            },
            |rest, thread| ThreadFigures {
                calls: rest.calls.saturating_sub(thread.calls),
                errors: rest.errors.saturating_sub(thread.errors),
                total_ns: rest.total_ns.saturating_sub(thread.total_ns),
                ..rest
            },
        );
        (rest.calls > 0).then_some(rest)
    }

    /// Calls that the row has more than `on`: with a descriptor behind which there was no file, of files that are not told
    /// apart because there are very many, or seen only as a number under overload.
    pub fn other_files(&self) -> u64 {
        let told: u64 = self.on.iter().map(|row| row.calls).sum();
        self.stats.calls.saturating_sub(told)
    }
}

/// One errno of one syscall of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrnoRow {
    /// The errno.
    pub errno: u16,
    /// Calls that failed with it since the start.
    pub count: u64,
    /// Calls that failed with it in the last interval.
    pub recent: u64,
    /// Failures a minute before the last interval, averaged over about a minute; `None` where nothing was watched
    /// before.
    pub before_per_minute: Option<u64>,
    /// Whether healthy programs get it from this call too: nothing to look at by itself.
    pub is_expected: bool,
    /// `CLOCK_MONOTONIC` at the end of the interval in which it was first seen.
    pub first_seen_ns: u64,
    /// The same for the last.
    pub last_seen_ns: u64,
    /// What they failed on, the most frequent first, as far as that was read.
    pub examples: Arc<[Example]>,
}

/// Figures of a set of calls since the start, and over the last interval where named `recent`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallStats {
    /// Calls.
    pub calls: u64,
    /// Failed calls, denied ones included.
    pub errors: u64,
    /// Calls cut short by a signal.
    pub interrupted: u64,
    /// Failed calls refused before they entered.
    pub denied: u64,
    /// Calls that never return, or whose thread died inside.
    pub no_return: u64,
    /// Calls open now.
    pub in_flight: u64,
    /// Age of the oldest open call.
    pub oldest_in_flight_ns: u64,
    /// Time in completed and interrupted calls.
    pub total_ns: u64,
    /// Shortest completed call; 0 when there is none.
    pub min_ns: u64,
    /// Longest completed call.
    pub max_ns: u64,
    /// Completed calls by latency.
    pub latencies: Arc<Histogram>,
    /// Calls in the last interval.
    pub recent_calls: u64,
    /// Failed calls in the last interval.
    pub recent_errors: u64,
    /// Time of the calls that ended in the last interval; can exceed its length.
    pub recent_total_ns: u64,
    /// The part of it that can lie in the last interval, see [`within`].
    pub recent_busy_ns: u64,
    /// What they moved, where they return it.
    pub sizes: Sizes,
    /// Bytes moved in the last interval.
    pub recent_bytes: u64,
    /// Calls of each of the last intervals, oldest first.
    pub trend: [u32; trend::INTERVALS],
}

impl CallStats {
    /// Latency below which `quantile` of the completed calls lie, in ns: the upper end of the bucket, but
    /// never beyond the exact extremes. `None` without completed calls.
    pub fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        self.latencies.quantile(quantile).map(|bucket| bucket.high_ns.clamp(self.min_ns, self.max_ns))
    }

    /// Mean latency of completed and interrupted calls.
    pub fn mean_ns(&self) -> Option<u64> {
        self.total_ns.checked_div(self.latencies.count() + self.interrupted)
    }

    /// Adds another set of calls to this one.
    pub fn merge(&mut self, other: &Self) {
        let has_mine = !self.latencies.is_empty();
        let has_theirs = !other.latencies.is_empty();
        self.min_ns = match (has_mine, has_theirs) {
            (true, true) => self.min_ns.min(other.min_ns),
            (false, _) => other.min_ns,
            (true, false) => self.min_ns,
        };
        self.max_ns = self.max_ns.max(other.max_ns);
        if has_theirs {
            if has_mine {
                Arc::make_mut(&mut self.latencies).merge(&other.latencies);
            } else {
                self.latencies = Arc::clone(&other.latencies);
            }
        }
        self.calls += other.calls;
        self.errors += other.errors;
        self.interrupted += other.interrupted;
        self.denied += other.denied;
        self.no_return += other.no_return;
        self.in_flight += other.in_flight;
        self.oldest_in_flight_ns = self.oldest_in_flight_ns.max(other.oldest_in_flight_ns);
        self.total_ns += other.total_ns;
        self.recent_calls += other.recent_calls;
        self.recent_errors += other.recent_errors;
        self.recent_total_ns += other.recent_total_ns;
        self.recent_busy_ns += other.recent_busy_ns;
        self.sizes.merge(&other.sizes);
        self.recent_bytes = self.recent_bytes.saturating_add(other.recent_bytes);
        trend::add(&mut self.trend, &other.trend);
    }
}

/// How much of `total_ns` can lie in an interval of `span_ns`: of a call no more than the interval is long. When it began is
/// not kept of each call, so this is never less than what was spent in the interval, and what a thread did after a call
/// that began before the interval may come on top. `latencies` are calls by the most that they took, `others` calls of
/// which that is not known.
pub fn within(span_ns: u64, total_ns: u64, latencies: impl Iterator<Item = (u64, u64)>, others: u64) -> u64 {
    // Then no call was longer than the interval, which is nearly always so.
    if total_ns <= span_ns {
        return total_ns;
    }
    let known = latencies.map(|(most_ns, calls)| calls.saturating_mul(most_ns.min(span_ns)));
    let most_ns = known.fold(others.saturating_mul(span_ns), u64::saturating_add);
    total_ns.min(most_ns)
}

impl Snapshot {
    /// Time covered.
    pub fn elapsed_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Open calls that were seen to be entered: those that the ledger knows of.
    pub fn entered_in_flight(&self) -> u64 {
        let calls = self.processes.iter().flat_map(|process| &process.calls);
        let before = calls.flat_map(|call| &call.in_flight).filter(|open| open.before_attach).count();
        self.all.in_flight - before as u64
    }

    /// `number` in the last interval as a rate per second.
    pub fn per_second(&self, number: u64) -> f64 {
        if self.recent_ns == 0 { 0.0 } else { number as f64 * 1e9 / self.recent_ns as f64 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tui::fixture;

    proptest! {
        #[test]
        fn open_calls_bound_quantiles_from_below_whenever_they_return(
            done in proptest::collection::vec(1u64..1 << 30, 0..60),
            open in proptest::collection::vec((1u64..1 << 30, 0u64..1 << 30), 1..8),
            quantile in 0.01f64..1.0,
        ) {
            const NOW: u64 = 1 << 40;
            let mut row = fixture::call("read", &done);
            for (age_ns, _) in &open {
                row.in_flight.push(InFlight { enter_ns: NOW - age_ns, ..fixture::in_flight() });
            }
            let bound = row.quantile_with_open(quantile, NOW).expect("there are calls");
            let ends: Vec<u64> = done.iter().copied().chain(open.iter().map(|(age_ns, more)| age_ns + more)).collect();
            let later = fixture::call("read", &ends).stats.quantile_ns(quantile).expect("there are calls");
            if bound.exactly {
                let bucket = |ns| tracer_common::bucket::index(ns, tracer_common::bucket::GROUPING_POWER);
                prop_assert_eq!(bucket(bound.ns), bucket(later));
            } else {
                prop_assert!(bound.ns <= later + later / 16, "{:?} {}", bound, later);
            }
        }
    }
}
