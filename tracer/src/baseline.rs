//! An earlier recording that figures are held against while they come: by (comm, syscall), as `compare` matches them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::compare::{Key, Side};
use crate::interval::{CallKey, Cell};
use crate::process::Comm;
use crate::snapshot::{CallStats, Snapshot};

/// The calls of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    by_comm: FxHashMap<(Comm, CallKey), Arc<Before>>,
    by_call: FxHashMap<CallKey, Arc<Before>>,
}

/// What one syscall was like then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Calls.
    pub calls: u64,
    /// Failed calls.
    pub errors: u64,
    /// Time they were counted over.
    pub duration_ns: u64,
    /// Latency below which half of the completed calls lay; `None` without any. As tables show it: the upper end of
    /// a bucket that is 3 % wide.
    pub p50_ns: Option<u64>,
    /// The same of 99 in 100.
    pub p99_ns: Option<u64>,
}

/// A figure of now over the same of then; each `None` where one of them is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratios {
    /// Of calls a second.
    pub rate: Option<f64>,
    /// Of the median.
    pub p50: Option<f64>,
    /// Of the 99th percentile.
    pub p99: Option<f64>,
}

impl Baseline {
    /// Of a finished side whose rows are by (comm, syscall).
    pub fn of(side: &Side) -> Self {
        let mut baseline = Self::default();
        let mut sums: FxHashMap<CallKey, Cell> = FxHashMap::default();
        for (key, cell) in side.totals() {
            let Key { comm: Some(comm), call: Some(call), .. } = key else { continue };
            sums.entry(call).or_default().merge(cell);
            baseline.by_comm.insert((comm, call), Arc::new(Before::of(cell, side.duration_ns())));
        }
        let sums =
            sums.into_iter().map(|(call, cell)| (call, Arc::new(Before::of(&cell, side.duration_ns()))));
        baseline.by_call = sums.collect();
        baseline
    }

    /// A syscall of processes of this name; `None` when it was not called.
    pub fn call(&self, comm: Comm, call: CallKey) -> Option<&Arc<Before>> {
        self.by_comm.get(&(comm, call))
    }

    /// A syscall of whomever.
    pub fn call_of_all(&self, call: CallKey) -> Option<&Arc<Before>> {
        self.by_call.get(&call)
    }

    /// Puts into each call of a snapshot what it was like then, and the baseline itself for sums of calls.
    pub fn attach(self: &Arc<Self>, snapshot: &mut Snapshot) {
        for process in &mut snapshot.processes {
            for call in &mut process.calls {
                call.before = self.call(process.comm, call.call).cloned();
            }
        }
        snapshot.baseline = Some(Arc::clone(self));
    }
}

impl Before {
    fn of(cell: &Cell, duration_ns: u64) -> Self {
        let quantile = |share| {
            let bucket = cell.latencies.quantile(share)?;
            Some(bucket.high_ns.clamp(cell.min_ns, cell.max_ns))
        };
        Self {
            calls: cell.calls,
            errors: cell.error_count(),
            duration_ns,
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
        }
    }

    /// Calls a second.
    pub fn rate(&self) -> f64 {
        per_second(self.calls, self.duration_ns)
    }

    /// Of `stats`, whose latencies are those since the start, with `calls` in `window_ns`.
    pub fn ratios(&self, stats: &CallStats, calls: u64, window_ns: u64) -> Ratios {
        let over =
            |now: Option<u64>, then: Option<u64>| Some(now? as f64 / then.filter(|&ns| ns > 0)? as f64);
        Ratios {
            rate: (window_ns > 0 && self.calls > 0 && self.duration_ns > 0)
                .then(|| per_second(calls, window_ns) / self.rate()),
            p50: over(stats.quantile_ns(0.5), self.p50_ns),
            p99: over(stats.quantile_ns(0.99), self.p99_ns),
        }
    }
}

fn per_second(calls: u64, window_ns: u64) -> f64 {
    if window_ns == 0 { 0.0 } else { calls as f64 * 1e9 / window_ns as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Aggregator;
    use crate::compare::synthetic::{Stream, intervals};
    use crate::compare::{About, By};

    const SECOND: u64 = 1_000_000_000;

    fn stream(comm: &'static str, nr: i32, median_ns: f64) -> Stream {
        Stream { comm, nr, calls: 100.0, median_ns, spread: 0.2, ..Stream::default() }
    }

    fn snapshot(streams: &[Stream]) -> Snapshot {
        let mut aggregator = Aggregator::new();
        for interval in intervals(streams, 10, SECOND, 7) {
            aggregator.merge(&interval);
        }
        aggregator.snapshot()
    }

    #[test]
    fn calls_are_matched_by_name_and_syscall_and_what_is_new_has_no_ratio() {
        let then = intervals(&[stream("db", 74, 1e6), stream("web", 74, 4e6)], 20, SECOND, 3);
        let baseline = Arc::new(Baseline::of(&Side::of(By::CommCall, About::default(), &then)));
        let mut now = snapshot(&[stream("db", 74, 2e6), stream("db", 1, 1e3)]);
        baseline.attach(&mut now);
        let calls = &now.processes[0].calls;
        let of = |nr| calls.iter().find(|call| call.call.nr == nr).expect("a row");
        let fsync = of(74);
        let ratios = fsync.before.as_ref().expect("it was called").ratios(
            &fsync.stats,
            fsync.stats.calls,
            10 * SECOND,
        );
        let near =
            |ratio: Option<f64>, wanted: f64| ratio.is_some_and(|ratio| (ratio / wanted - 1.0).abs() < 0.15);
        assert!(near(ratios.p50, 2.0) && near(ratios.p99, 2.0) && near(ratios.rate, 1.0), "{ratios:?}");
        assert_eq!(of(1).before, None);
        let all = baseline.call_of_all(fsync.call).expect("called by two");
        assert!((all.rate() / 200.0 - 1.0).abs() < 0.15, "{}", all.rate());
    }

    #[test]
    fn nothing_then_or_now_is_no_ratio() {
        let none = Ratios::default();
        assert_eq!(Before::default().ratios(&CallStats::default(), 5, SECOND), none);
        let before = Before { p50_ns: Some(0), p99_ns: Some(5), ..Before::default() };
        assert_eq!(before.ratios(&CallStats::default(), 0, 0), none);
    }
}
