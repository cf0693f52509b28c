//! One step of time as rules look at it: by process, and with what is known of the past.

use std::collections::BTreeMap;

use super::{Evidence, Finding, Hit, Known, Rule, SECOND, failed_on};
use crate::interval::{CallKey, Cell, CellKey, InFlight, Interval};
use crate::process::{Comm, ProcessId};

/// Open calls and ended calls of one process in a step.
#[derive(Debug, Default)]
pub(super) struct Activity<'a> {
    /// Calls that ended, by syscall.
    pub(super) cells: BTreeMap<CallKey, &'a Cell>,
    /// Calls that are open, by syscall, the oldest first.
    pub(super) open: BTreeMap<CallKey, Vec<InFlight>>,
}

/// One step.
pub(super) struct Step<'a> {
    interval: &'a Interval,
    known: &'a dyn Known,
    /// By process.
    pub(super) processes: BTreeMap<ProcessId, Activity<'a>>,
}

impl<'a> Step<'a> {
    pub(super) fn new(interval: &'a Interval, known: &'a dyn Known) -> Self {
        // Trees are made several times faster from what is sorted than one by one.
        let mut cells: Vec<(CellKey, &Cell)> =
            interval.cells.iter().map(|(key, cell)| (*key, cell)).collect();
        cells.sort_unstable_by_key(|(key, _)| *key);
        let of_one = |cells: &[(CellKey, &'a Cell)]| Activity {
            cells: cells.iter().map(|(key, cell)| (key.call, *cell)).collect(),
            open: BTreeMap::new(),
        };
        let by_process = cells.chunk_by(|(one, _), (next, _)| one.process == next.process);
        let mut processes: BTreeMap<ProcessId, Activity<'a>> =
            by_process.map(|cells| (cells[0].0.process, of_one(cells))).collect();
        for open in &interval.in_flight {
            processes.entry(open.process).or_default().open.entry(open.call).or_default().push(open.clone());
        }
        for activity in processes.values_mut() {
            for open in activity.open.values_mut() {
                open.sort_unstable_by_key(|open| (open.enter_ns, open.tid));
            }
        }
        Self { interval, known, processes }
    }

    pub(super) fn start_ns(&self) -> u64 {
        self.interval.start_ns
    }

    pub(super) fn end_ns(&self) -> u64 {
        self.interval.end_ns
    }

    pub(super) fn over_ns(&self) -> u64 {
        self.interval.duration_ns()
    }

    /// How long a call has been open at the end.
    pub(super) fn age_ns(&self, open: &InFlight) -> u64 {
        self.end_ns().saturating_sub(open.enter_ns)
    }

    /// Ages of open calls, added up.
    pub(super) fn open_ns(&self, open: &[InFlight]) -> u64 {
        open.iter().fold(0, |sum: u64, open| sum.saturating_add(self.age_ns(open)))
    }

    /// `count` in this step as a rate. Steps shorter than a second do not make it higher.
    pub(super) fn per_second(&self, count: u64) -> f64 {
        count as f64 * SECOND as f64 / self.over_ns().max(SECOND) as f64
    }

    /// Everything since the start of one syscall of one process, this step included.
    pub(super) fn total(&self, process: ProcessId, call: CallKey) -> Option<&'a Cell> {
        self.known.cell(CellKey { process, call })
    }

    /// Whether it has ended.
    pub(super) fn has_exited(&self, process: ProcessId) -> bool {
        self.known.process(process).is_some_and(|info| info.exited)
    }

    /// A finding that holds in this step.
    pub(super) fn finding(
        &self,
        rule: Rule,
        process: ProcessId,
        call: CallKey,
        since_ns: u64,
        evidence: Evidence,
    ) -> Finding {
        let known = self.known.process(process);
        let comm = known.map_or_else(Comm::default, |info| info.comm);
        let descriptors = known.and_then(|info| info.descriptors);
        let figures = self.processes.get(&process).and_then(|activity| activity.cells.get(&call));
        let on = match (evidence, figures) {
            (Evidence::Errors { errno, .. }, Some(figures)) => failed_on::most(rule, figures, errno),
            _ => None,
        };
        Finding {
            rule,
            process,
            comm,
            more: 0,
            call,
            since_ns,
            from_start: false,
            until_ns: None,
            evidence,
            descriptors: descriptors.filter(|_| rule == Rule::DescriptorExhaustion),
            on,
        }
    }

    /// A hit on calls that failed.
    pub(super) fn errors(&self, subject: (Rule, ProcessId, CallKey), errno: u16, count: u64, of: u64) -> Hit {
        let evidence = Evidence::Errors { errno, count, of, over_ns: self.over_ns() };
        let (rule, process, call) = subject;
        Hit { finding: self.finding(rule, process, call, self.start_ns(), evidence), is_certain: false }
    }
}

/// Latency of a cell below which `quantile` of its completed calls lie, never beyond its exact extremes.
pub(super) fn quantile_ns(cell: &Cell, quantile: f64) -> Option<u64> {
    let bucket = cell.latencies.quantile(quantile)?;
    Some(bucket.high_ns.min(cell.max_ns).max(cell.min_ns))
}
