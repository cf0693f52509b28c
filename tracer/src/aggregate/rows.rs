//! The view of everything merged so far: rows that the screen, reports and findings read.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::errno::Seen;
use super::{Aggregator, Call, Calls, shrink};
use crate::findings::{asks_again, is_expected};
use crate::interval::{CallKey, InFlight, examples};
use crate::process::{Comm, ProcessId};
use crate::snapshot::{CallRow, CallStats, ErrnoRow, ProcessRow, Snapshot};
use crate::syscalls;
use crate::who::Who;

impl Aggregator {
    /// The view of everything merged so far.
    pub fn snapshot(&self) -> Snapshot {
        let mut open: FxHashMap<ProcessId, FxHashMap<CallKey, Vec<InFlight>>> = FxHashMap::default();
        for call in &self.in_flight {
            open.entry(call.process).or_default().entry(call.call).or_default().push(call.clone());
        }
        let mut processes = Vec::with_capacity(self.processes.len() + self.folded.len());
        let mut known: Vec<_> = self.processes.iter().collect();
        known.sort_unstable_by_key(|(id, _)| **id);
        for (id, process) in known {
            let row = ProcessRow {
                id: *id,
                comm: process.info.comm,
                who: process.info.who.clone(),
                threads: Arc::clone(&process.info.threads),
                descriptors: process.info.descriptors,
                owns_ring: process.info.owns_ring,
                first_seen_ns: process.first_ns,
                exited: process.info.exited,
                ..ProcessRow::default()
            };
            processes.push(self.fill(row, &process.calls, open.remove(id).unwrap_or_default()));
        }
        for (id, calls) in open {
            processes.push(self.fill(
                ProcessRow {
                    id,
                    comm: self.names.get(&id).map_or_else(Comm::default, |kind| kind.comm),
                    first_seen_ns: self.start_ns,
                    ..ProcessRow::default()
                },
                &FxHashMap::default(),
                calls,
            ));
        }
        for (kind, folded) in &self.folded {
            let cgroup = || Who { cgroup: (&*kind.cgroup).into(), ..Who::default() };
            let row = ProcessRow {
                comm: kind.comm,
                who: (!kind.cgroup.is_empty()).then(|| Arc::new(cgroup())),
                first_seen_ns: folded.first_ns,
                owns_ring: folded.owns_ring,
                exited: folded.living == 0,
                folded: folded.processes,
                ..ProcessRow::default()
            };
            processes.push(self.fill(row, &folded.calls, FxHashMap::default()));
        }
        let mut all = CallStats::default();
        for row in &processes {
            all.merge(&row.all);
        }
        Snapshot {
            generation: self.generation,
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            recent_ns: self.recent_ns,
            processes,
            ledger: self.ledger,
            recent_ledger: self.recent_ledger,
            all,
            findings: self.watch.findings(&self.processes),
            baseline: None,
        }
    }

    fn fill(
        &self,
        mut row: ProcessRow,
        calls: &Calls,
        mut open: FxHashMap<CallKey, Vec<InFlight>>,
    ) -> ProcessRow {
        // Rows of ended processes are many and live for long: none takes more than it needs.
        row.calls.reserve_exact(calls.len() + open.keys().filter(|key| !calls.contains_key(*key)).count());
        for (key, call) in calls {
            let open = open.remove(key).unwrap_or_default();
            row.calls.push(self.call_row(*key, call, open, row.first_seen_ns));
        }
        let unseen = Call::default();
        for (key, in_flight) in open {
            row.calls.push(self.call_row(key, &unseen, in_flight, row.first_seen_ns));
        }
        row.calls.sort_by_key(|call| call.call);
        // Many processes that each look once for the same library do not ask again.
        if row.folded == 0 {
            for call in &mut row.calls {
                for errno in &mut call.errnos {
                    errno.is_expected &= !asks_again(call.call, errno.errno, &errno.examples);
                }
            }
        }
        for call in row.calls.iter().filter(|call| !call.waits_by_design) {
            row.work.merge(&call.stats);
        }
        shrink(&mut row.work.latencies);
        // Shares what it can with `work`: most short-lived processes never wait.
        row.all = row.work.clone();
        for call in row.calls.iter().filter(|call| call.waits_by_design) {
            row.all.merge(&call.stats);
        }
        shrink(&mut row.all.latencies);
        row
    }

    fn call_row(
        &self,
        key: CallKey,
        call: &Call,
        mut in_flight: Vec<InFlight>,
        first_seen_ns: u64,
    ) -> CallRow {
        in_flight.sort_by_key(|open| (open.enter_ns, open.tid));
        let total = &call.total;
        let is_recent = call.recent_generation == self.generation;
        let recent = |value: u64| if is_recent { value } else { 0 };
        let mut errnos: Vec<ErrnoRow> = total
            .errors
            .iter()
            .map(|(&errno, &count)| {
                let seen = call.errnos.get(&errno).copied().unwrap_or_else(|| Seen::new(0, 0));
                let recent_start_ns = self.end_ns.saturating_sub(self.recent_ns);
                ErrnoRow {
                    errno,
                    count,
                    recent: recent(call.recent.by_errno.get(&errno).copied().unwrap_or(0)),
                    before_per_minute: seen.before_per_minute(first_seen_ns, recent_start_ns, self.end_ns),
                    is_expected: is_expected(key, errno),
                    first_seen_ns: seen.first_ns,
                    last_seen_ns: seen.last_ns,
                    examples: examples::of_errno(&total.examples, errno).into(),
                }
            })
            .collect();
        errnos.sort_by_key(|row| (std::cmp::Reverse(row.count), row.errno));
        CallRow {
            call: key,
            name: syscalls::name(key).into_owned(),
            waits_by_design: syscalls::waits_by_design(key),
            stats: CallStats {
                calls: total.calls,
                errors: total.error_count(),
                interrupted: total.interrupted,
                denied: total.denied,
                no_return: total.no_return + total.died,
                in_flight: in_flight.len() as u64,
                oldest_in_flight_ns: in_flight
                    .first()
                    .map_or(0, |open| self.end_ns.saturating_sub(open.enter_ns)),
                total_ns: total.total_ns,
                min_ns: if total.latencies.is_empty() { 0 } else { total.min_ns },
                max_ns: total.max_ns,
                latencies: Arc::clone(&total.latencies),
                recent_calls: recent(call.recent.calls),
                recent_errors: recent(call.recent.errors),
                recent_total_ns: recent(call.recent.total_ns),
                recent_busy_ns: recent(call.recent.busy_ns),
                sizes: total.sizes,
                recent_bytes: recent(call.recent.bytes),
                trend: call.trend.at(self.generation),
            },
            errnos,
            in_flight,
            before: None,
            slowest: Arc::clone(&total.slowest),
            threads: Arc::clone(&total.threads),
            recent_threads: if is_recent { Arc::clone(&call.recent.threads) } else { Arc::default() },
            on: Arc::clone(&total.on),
            stacks: Arc::clone(&total.stacks),
            recent_on: if is_recent { Arc::clone(&call.recent.on) } else { Arc::default() },
        }
    }
}
