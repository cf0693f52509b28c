//! What keeps the figures in bounded memory, whatever a host does or a file claims. Sums stay exact: only who made
//! a call, or which one it was, is told less finely, and the rows say so.

use std::collections::btree_map::BTreeMap;

use super::{Aggregator, Call, Calls, Folded, Kind, Process};
use crate::interval::{CallKey, on};
use crate::process::{Comm, ProcessId};
use crate::syscalls;

/// Memory that the rows may take, about; a snapshot of them takes as much once more, and up to three are alive.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// Different syscalls that one row tells apart; those beyond share one for each ABI. Twice what two ABIs have.
const MAX_CALLS: usize = 2048;

/// Names and cgroups that folded processes may have; those beyond share one row.
const MAX_FOLDED: usize = 1024;

/// Names of living folded processes that are kept.
const MAX_NAMES: usize = 7 << 13;

/// Memory of a process beside its calls: an entry of a tree that is at least half full.
pub(super) const PROCESS_BYTES: usize = 2 * size_of::<(ProcessId, Process)>();

/// Memory of one syscall beside what it points to: an entry of a table that may be half empty.
pub(super) const CALL_BYTES: usize = 2 * size_of::<(CallKey, Call)>();

/// Memory of one errno: an entry in each of three trees, of which the cell's is counted with it.
const ERRNO_BYTES: usize = 96;

/// Where a call is counted: under its own number while there is room.
pub(super) fn key(calls: &Calls, call: CallKey) -> CallKey {
    let has_room = calls.len() < MAX_CALLS || calls.contains_key(&call);
    if has_room { call } else { CallKey { nr: syscalls::OTHERS, ..call } }
}

impl Call {
    /// Memory that it points to.
    pub(super) fn heap_bytes(&self) -> usize {
        let recent = size_of_val(&*self.recent.threads) + on::heap_bytes(&self.recent.on);
        self.total.heap_bytes() + recent + ERRNO_BYTES * self.total.errors.len()
    }
}

impl Process {
    /// Memory of it and its calls.
    pub(super) fn bytes(&self) -> usize {
        PROCESS_BYTES + self.info.heap_bytes() + bytes_of(&self.calls)
    }
}

fn bytes_of(calls: &Calls) -> usize {
    calls.values().map(|call| CALL_BYTES + call.heap_bytes()).sum()
}

impl Folded {
    /// One of them was first seen then.
    fn note_first(&mut self, first_ns: u64) {
        self.first_ns = if self.first_ns == 0 { first_ns } else { self.first_ns.min(first_ns) };
    }

    /// Adds figures; `key` says under what.
    fn add(&mut self, from: &Calls, generation: u64, key: impl Fn(&Calls, CallKey) -> CallKey) {
        for (call, figures) in from {
            let call = key(&self.calls, *call);
            self.calls.entry(call).or_default().fold(figures, generation);
        }
    }
}

impl Aggregator {
    /// Folds one process into the row of its name.
    pub(super) fn fold(&mut self, id: ProcessId) {
        let Some(process) = self.processes.remove(&id) else { return };
        let kind = self.kind_of(&process);
        let folded = self.folded.entry(kind.clone()).or_default();
        folded.note_first(process.first_ns);
        folded.owns_ring |= process.info.owns_ring;
        let before = bytes_of(&folded.calls);
        folded.add(&process.calls, self.generation, key);
        let is_living = !process.info.exited;
        match (process.was_folded.is_some(), is_living) {
            (false, _) => {
                folded.processes += 1;
                folded.living += u64::from(is_living);
            }
            (true, true) => {}
            (true, false) => folded.living = folded.living.saturating_sub(1),
        }
        self.bytes = self.bytes + bytes_of(&folded.calls) - before;
        self.bytes -= process.bytes();
        if is_living {
            if self.names.len() >= MAX_NAMES {
                self.names.clear();
            }
            self.names.insert(id, Kind { comm: process.info.comm, ..kind });
        }
    }

    /// The row that a process is folded into: the one it was counted in before, that of its name and cgroup, or where there are
    /// too many of these the one for all others.
    fn kind_of(&self, process: &Process) -> Kind {
        let own = || {
            let cgroup = process.info.who.as_ref().map_or("", |who| &who.cgroup);
            Kind { comm: process.info.comm, cgroup: cgroup.into() }
        };
        let kind = process.was_folded.clone().unwrap_or_else(own);
        match self.folded.get_key_value(&kind) {
            // Its path is shared by all that are remembered.
            Some((known, _)) => known.clone(),
            None if self.folded.len() < MAX_FOLDED => kind,
            None => others(),
        }
    }

    /// Folds what was idle for longest, ended or not, when there is too much.
    #[inline]
    pub(super) fn make_room(&mut self) {
        if self.bytes > MAX_BYTES {
            self.fold_idle();
        }
    }

    #[cold]
    fn fold_idle(&mut self) {
        // Not just enough: looking for the idle ones again and again would take all the time.
        const WANTED: usize = MAX_BYTES / 4 * 3;
        let mut idle: Vec<_> = self.processes.iter().map(|(id, process)| (process.generation, *id)).collect();
        idle.sort_unstable();
        for (_, id) in idle {
            if self.bytes <= WANTED {
                return;
            }
            self.fold(id);
        }
        // No process has a row any more, and it is still too much.
        self.refold(|_| others(), key);
        if self.bytes > WANTED {
            self.refold(|kind| kind, |_, call| CallKey { nr: syscalls::OTHERS, ..call });
        }
    }

    /// Folds the rows of folded processes once more.
    fn refold(&mut self, of: impl Fn(Kind) -> Kind, key: impl Fn(&Calls, CallKey) -> CallKey + Copy) {
        let mut coarser: BTreeMap<Kind, Folded> = BTreeMap::new();
        for (kind, folded) in std::mem::take(&mut self.folded) {
            let row = coarser.entry(of(kind)).or_default();
            row.processes += folded.processes;
            row.living += folded.living;
            row.note_first(folded.first_ns);
            row.owns_ring |= folded.owns_ring;
            row.add(&folded.calls, self.generation, key);
        }
        self.folded = coarser;
        let processes = self.processes.values().map(Process::bytes);
        self.bytes =
            processes.sum::<usize>() + self.folded.values().map(|row| bytes_of(&row.calls)).sum::<usize>();
    }
}

/// What shares one row.
fn others() -> Kind {
    Kind { comm: Comm::new("(others)"), ..Kind::default() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracer_common::abi::Abi;
    use tracer_common::outcome::Outcome;

    use super::*;
    use crate::histogram::Histogram;
    use crate::interval::tests::cell_of;
    use crate::interval::{Cell, CellKey, Interval};
    use crate::process::ProcessInfo;
    use crate::snapshot::Snapshot;

    fn call(nr: i32) -> CallKey {
        CallKey { abi: Abi::X86_64, nr }
    }

    /// The sums are those of all cells, and the account of memory is right.
    fn is_exact(aggregator: &Aggregator, calls: u64) -> Snapshot {
        let rows = aggregator.processes.values().map(Process::bytes);
        let folded = aggregator.folded.values().map(|row| bytes_of(&row.calls));
        assert_eq!(aggregator.bytes, rows.chain(folded).sum::<usize>());
        assert!(aggregator.bytes <= MAX_BYTES, "{}", aggregator.bytes);
        let snapshot = aggregator.snapshot();
        assert_eq!(snapshot.all.calls, calls);
        assert_eq!(snapshot.all.latencies.count(), calls);
        snapshot
    }

    #[test]
    fn processes_that_never_end_fold_and_come_back_under_their_name() {
        let mut aggregator = Aggregator::new();
        let merge = |aggregator: &mut Aggregator, generation: u64, pids: std::ops::Range<u32>| {
            let (start_ns, end_ns) = (generation * 10 + 1, generation * 10 + 11);
            let mut interval = Interval { start_ns, end_ns, ..Interval::default() };
            for pid in pids {
                let process = ProcessId { pid, start_ns: 1 };
                let cell = cell_of(&[(u64::from(pid), Outcome::Error(2))]);
                interval.cells.insert(CellKey { process, call: call(1) }, cell);
                let info = ProcessInfo {
                    comm: Comm::new("sh"),
                    exited: false,
                    as_of_ns: end_ns,
                    ..ProcessInfo::default()
                };
                if generation < 100 {
                    interval.processes.insert(process, info);
                }
            }
            aggregator.merge(&interval);
        };
        let (each, rounds) = (5_000, 40);
        for round in 0..rounds {
            merge(&mut aggregator, u64::from(round), round * each + 1..(round + 1) * each + 1);
        }
        let snapshot = is_exact(&aggregator, u64::from(each * rounds));
        assert_eq!(snapshot.all.recent_calls, u64::from(each));
        let folded = snapshot.processes.iter().find(|row| row.folded > 0).expect("a folded row");
        assert_eq!(folded.comm, Comm::new("sh"));
        assert!(!folded.exited, "they live");
        assert_eq!(folded.folded + snapshot.processes.len() as u64 - 1, u64::from(each * rounds));
        assert!(crate::columns::process_name(folded).ends_with("processes)"));
        let idle = snapshot.processes.iter().find(|row| row.id.pid == 1);
        assert_eq!(idle, None, "the one that was idle for longest has no row of its own");

        let last_folded = folded.folded as u32;
        merge(&mut aggregator, 100, last_folded..last_folded + 1);
        let snapshot = is_exact(&aggregator, u64::from(each * rounds) + 1);
        let back = snapshot.processes.iter().find(|row| row.id.pid == last_folded).expect("a row again");
        assert_eq!((back.comm, back.all.calls), (Comm::new("sh"), 1));
    }

    #[test]
    fn numbers_that_are_no_syscalls_share_a_row() {
        let mut aggregator = Aggregator::new();
        let process = ProcessId { pid: 7, start_ns: 1 };
        let mut interval = Interval { start_ns: 1, end_ns: 11, ..Interval::default() };
        for nr in 0..10_000 {
            interval.cells.insert(CellKey { process, call: call(nr) }, cell_of(&[(5, Outcome::Success)]));
        }
        aggregator.merge(&interval);
        let snapshot = is_exact(&aggregator, 10_000);
        assert_eq!(snapshot.all.recent_calls, 10_000);
        assert_eq!(snapshot.processes[0].calls.len(), MAX_CALLS + 1);
        let shared = snapshot.processes[0].calls.iter().find(|row| row.name == "(others)").expect("a row");
        assert_eq!(shared.stats.calls, 10_000 - MAX_CALLS as u64);
    }

    #[test]
    fn full_histograms_everywhere_end_in_a_few_rows() {
        let mut latencies = Histogram::new();
        for power in 0..60 {
            latencies.record(1 << power);
        }
        let cell = Cell { calls: 60, max_ns: 1 << 59, latencies: Arc::new(latencies), ..Cell::default() };
        let mut aggregator = Aggregator::new();
        for pid in 1..=12u32 {
            let process = ProcessId { pid, start_ns: 1 };
            let (start_ns, end_ns) = (u64::from(pid) * 10, u64::from(pid) * 10 + 10);
            let mut interval = Interval { start_ns, end_ns, ..Interval::default() };
            let info = ProcessInfo {
                comm: Comm::new(format!("p{pid}")),
                exited: false,
                as_of_ns: end_ns,
                ..ProcessInfo::default()
            };
            interval.processes.insert(process, info);
            for nr in 0..1000 {
                interval.cells.insert(CellKey { process, call: call(nr) }, cell.clone());
            }
            aggregator.merge(&interval);
        }
        let snapshot = is_exact(&aggregator, 12 * 1000 * 60);
        assert!(snapshot.processes.iter().any(|row| row.comm == others().comm), "names share a row");
    }
}
