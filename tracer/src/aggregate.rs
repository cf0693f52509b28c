//! Everything seen so far, in bounded memory. Live, replay and compare all feed it through
//! [`Aggregator::merge`]; nobody else holds state.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::findings::{Known, Watch};
use crate::histogram::Histogram;
use crate::interval::{
    CallKey, Cell, CellKey, InFlight, Interval, OnFile, ThreadFigures, on, slowest, threads,
};
use crate::ledger::LedgerCounts;
use crate::process::{Comm, ProcessId, ProcessInfo};
use crate::snapshot::within;
use crate::trend::Trend;

mod bounds;
mod errno;
mod rows;

use errno::Seen;

/// Ended processes that keep a row of their own; older ones fold into one row per name.
const MAX_EXITED: usize = 1024;

/// The single owner of what was aggregated.
#[derive(Clone, Debug, Default)]
pub struct Aggregator {
    generation: u64,
    start_ns: u64,
    end_ns: u64,
    recent_ns: u64,
    ledger: LedgerCounts,
    recent_ledger: LedgerCounts,
    processes: Processes,
    /// Ended processes by the time they were first known to be ended, oldest first.
    exited: Vec<ProcessId>,
    folded: BTreeMap<Kind, Folded>,
    in_flight: Vec<InFlight>,
    /// Memory of the rows, about: see `bounds`.
    bytes: usize,
    /// Names of processes that were folded although they live, for when they call again.
    names: FxHashMap<ProcessId, Kind>,
    watch: Watch,
}

/// What is known of each process. They are looked up for every cell and put in order for a snapshot only.
type Processes = FxHashMap<ProcessId, Process>;

/// What is known of each syscall of somebody.
type Calls = FxHashMap<CallKey, Call>;

#[derive(Clone, Debug, Default)]
struct Process {
    info: ProcessInfo,
    /// The last merge in which there was anything of it.
    generation: u64,
    /// Start of the interval in which it was first seen.
    first_ns: u64,
    /// Where it was folded before, and counted.
    was_folded: Option<Kind>,
    calls: Calls,
}

/// What processes have in common that share a row: their name and their cgroup, empty where that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    comm: Comm,
    cgroup: Arc<str>,
}

#[derive(Clone, Debug, Default)]
struct Folded {
    processes: u64,
    /// How many of them had not ended.
    living: u64,
    /// When the first of them was first seen.
    first_ns: u64,
    /// Whether any of them had an `io_uring`.
    owns_ring: bool,
    calls: Calls,
}

/// One syscall of one process.
#[derive(Clone, Debug, Default)]
struct Call {
    total: Cell,
    /// Of the last merged interval; `recent_generation` says whether that is still the last one.
    recent: Recent,
    recent_generation: u64,
    trend: Trend,
    errnos: BTreeMap<u16, Seen>,
}

#[derive(Clone, Debug, Default)]
struct Recent {
    calls: u64,
    errors: u64,
    total_ns: u64,
    busy_ns: u64,
    bytes: u64,
    threads: Arc<[ThreadFigures]>,
    on: Arc<[OnFile]>,
    by_errno: BTreeMap<u16, u64>,
}

impl Call {
    /// `start_ns` to `now_ns` is the interval of the cell.
    fn merge(&mut self, cell: &Cell, generation: u64, (start_ns, now_ns): (u64, u64)) {
        self.total.merge_keeping(cell, slowest::IN_RUN);
        threads::limit(&mut self.total.threads);
        on::limit(&mut self.total.on);
        if self.recent_generation != generation {
            self.recent = Recent::default();
            self.recent_generation = generation;
        }
        // Several cells of one merge meet here only in the row of what has no room of its own.
        self.recent.calls += cell.calls;
        self.trend.count(generation, cell.calls);
        threads::merge(&mut self.recent.threads, &cell.threads);
        on::merge(&mut self.recent.on, &cell.on);
        self.recent.errors += cell.error_count();
        self.recent.total_ns += cell.total_ns;
        let latencies = cell.latencies.buckets().map(|bucket| (bucket.high_ns, bucket.count));
        let span_ns = now_ns.saturating_sub(start_ns);
        self.recent.busy_ns += within(span_ns, cell.total_ns, latencies, cell.interrupted);
        self.recent.bytes = self.recent.bytes.saturating_add(cell.sizes.bytes);
        for (&errno, &count) in &cell.errors {
            *self.recent.by_errno.entry(errno).or_default() += count;
        }
        for (&errno, &count) in &cell.errors {
            self.errnos
                .entry(errno)
                .and_modify(|seen| seen.again(count, now_ns))
                .or_insert_with(|| Seen::new(count, now_ns));
        }
    }

    fn fold(&mut self, other: &Self, generation: u64) {
        self.total.merge_keeping(&other.total, slowest::IN_RUN);
        // Of processes that ended long ago, and of many, threads tell nobody anything.
        self.total.threads = Arc::default();
        self.trend.merge(&other.trend);
        on::limit(&mut self.total.on);
        if other.recent_generation == generation {
            if self.recent_generation != generation {
                self.recent = Recent::default();
                self.recent_generation = generation;
            }
            self.recent.calls += other.recent.calls;
            self.recent.errors += other.recent.errors;
            self.recent.total_ns += other.recent.total_ns;
            self.recent.busy_ns += other.recent.busy_ns;
            self.recent.bytes = self.recent.bytes.saturating_add(other.recent.bytes);
            on::merge(&mut self.recent.on, &other.recent.on);
            on::limit(&mut self.recent.on);
            for (&errno, &count) in &other.recent.by_errno {
                *self.recent.by_errno.entry(errno).or_default() += count;
            }
        }
        for (&errno, seen) in &other.errnos {
            self.errnos.entry(errno).and_modify(|mine| mine.merge(seen)).or_insert(*seen);
        }
    }
}

impl Known for Processes {
    fn cell(&self, key: CellKey) -> Option<&Cell> {
        self.get(&key.process)?.calls.get(&key.call).map(|call| &call.total)
    }

    fn process(&self, id: ProcessId) -> Option<&ProcessInfo> {
        self.get(&id).map(|process| &process.info)
    }
}

/// Takes a histogram that nobody else holds to its smallest form.
fn shrink(latencies: &mut Arc<Histogram>) {
    if let Some(own) = Arc::get_mut(latencies) {
        own.shrink();
    }
}

impl Aggregator {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a slice of time. Totals do not depend on the order of slices; what describes the last moment
    /// (`recent` figures, names, open calls) is that of the slice merged last.
    pub fn merge(&mut self, interval: &Interval) {
        if interval.is_empty() {
            return;
        }
        self.generation += 1;
        self.start_ns =
            if self.end_ns == 0 { interval.start_ns } else { self.start_ns.min(interval.start_ns) };
        self.end_ns = self.end_ns.max(interval.end_ns);
        self.recent_ns = interval.duration_ns();
        self.ledger.merge(&interval.ledger);
        self.recent_ledger = interval.ledger;
        self.in_flight.clone_from(&interval.in_flight);
        for (id, info) in &interval.processes {
            self.forget_nameless(*id);
            let process = self.process(*id, interval.start_ns);
            let has_ended = info.exited && !process.info.exited;
            // A thread of a process whose leader has ended may still call; the kernel told us it ended.
            let exited = info.exited || process.info.exited;
            let before = process.info.heap_bytes();
            process.info.merge(info);
            process.info.exited = exited;
            let after = process.info.heap_bytes();
            self.bytes = self.bytes + after - before;
            if has_ended {
                self.exited.push(*id);
            }
            self.make_room();
        }
        for (key, cell) in &interval.cells {
            let generation = self.generation;
            let calls = &mut self.process(key.process, interval.start_ns).calls;
            let known = calls.len();
            let call = calls.entry(bounds::key(calls, key.call)).or_default();
            let before = call.heap_bytes();
            call.merge(cell, generation, (interval.start_ns, interval.end_ns));
            let after = call.heap_bytes() + (calls.len() - known) * bounds::CALL_BYTES;
            // Less than before where the histogram was shared and had room to grow.
            self.bytes = self.bytes + after - before;
            self.make_room();
        }
        self.watch.observe(interval, &self.processes);
        self.fold_exited();
    }

    /// The row of a process, with news in this merge of what began at `start_ns`.
    fn process(&mut self, id: ProcessId, start_ns: u64) -> &mut Process {
        let process = self.processes.entry(id).or_insert_with(|| {
            self.bytes += bounds::PROCESS_BYTES;
            let folded = self.names.remove(&id);
            let comm = folded.as_ref().map_or_else(Comm::default, |kind| kind.comm);
            let info = ProcessInfo { comm, ..ProcessInfo::default() };
            Process { info, first_ns: start_ns, was_folded: folded, ..Process::default() }
        });
        process.generation = self.generation;
        process.first_ns = process.first_ns.min(start_ns);
        process
    }

    /// A process in which only calls from before we attached were open had no start yet. Now it has, and
    /// another row.
    fn forget_nameless(&mut self, id: ProcessId) {
        let unknown = ProcessId { start_ns: 0, ..id };
        let is_empty = |known: &Process| known.calls.is_empty() && !known.info.exited;
        if id.start_ns != 0 && self.processes.get(&unknown).is_some_and(is_empty) {
            self.bytes -= self.processes.remove(&unknown).map_or(0, |known| known.bytes());
        }
    }

    /// Folds the oldest ended processes into rows by name, so that a host that starts a thousand processes
    /// a second does not fill our memory. Sums stay exact.
    fn fold_exited(&mut self) {
        let excess = self.exited.len().saturating_sub(MAX_EXITED);
        for id in self.exited.drain(..excess).collect::<Vec<_>>() {
            self.fold(id);
        }
    }

    /// `CLOCK_MONOTONIC` where the last interval ended; 0 before the first.
    pub fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// The names of processes that have rows of their own, or had while they lived.
    pub fn names(&self) -> impl Iterator<Item = (ProcessId, Comm)> + '_ {
        let named = self.processes.iter().map(|(&id, process)| (id, process.info.comm));
        named.chain(self.names.iter().map(|(&id, kind)| (id, kind.comm)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::tests::{any_interval, cell_of};
    use crate::snapshot::Snapshot;
    use crate::who::Who;
    use proptest::prelude::*;
    use tracer_common::abi::Abi;
    use tracer_common::outcome::Outcome;

    fn totals(snapshot: &Snapshot) -> Vec<(ProcessId, CallKey, u64, u64, u64, u64, u64)> {
        let mut rows = Vec::new();
        for process in &snapshot.processes {
            for call in &process.calls {
                let s = &call.stats;
                rows.push((process.id, call.call, s.calls, s.errors, s.total_ns, s.min_ns, s.max_ns));
            }
        }
        rows
    }

    proptest! {
        #[test]
        fn totals_do_not_depend_on_where_time_was_cut(
            a in any_interval(1), b in any_interval(2), c in any_interval(3),
        ) {
            let mut one_by_one = Aggregator::new();
            for part in [&a, &b, &c] {
                one_by_one.merge(part);
            }
            let mut joined = a;
            joined.merge(&b);
            joined.merge(&c);
            let mut at_once = Aggregator::new();
            at_once.merge(&joined);
            prop_assert_eq!(totals(&one_by_one.snapshot()), totals(&at_once.snapshot()));
            prop_assert_eq!(one_by_one.snapshot().ledger, at_once.snapshot().ledger);
        }

        #[test]
        fn sums_over_rows_are_the_sum_of_cells(a in any_interval(1), b in any_interval(2)) {
            let mut aggregator = Aggregator::new();
            aggregator.merge(&a);
            aggregator.merge(&b);
            let snapshot = aggregator.snapshot();
            let cells = a.cells.values().chain(b.cells.values());
            prop_assert_eq!(snapshot.all.calls, cells.clone().map(|cell| cell.calls).sum::<u64>());
            prop_assert_eq!(snapshot.all.total_ns, cells.clone().map(|cell| cell.total_ns).sum::<u64>());
            prop_assert_eq!(snapshot.all.latencies.count(), cells.map(|cell| cell.latencies.count()).sum::<u64>());
        }
    }

    #[test]
    fn ten_thousand_dead_processes_fold_by_name_and_cgroup_without_losing_a_call() {
        let mut aggregator = Aggregator::new();
        for batch in 0..100u64 {
            let mut interval =
                Interval { start_ns: batch * 10 + 1, end_ns: batch * 10 + 10, ..Interval::default() };
            for pid in 0..100 {
                let process = ProcessId { pid: pid + 1, start_ns: batch + 1 };
                let call = CallKey { abi: Abi::X86_64, nr: 1 };
                let figures = cell_of(&[(100, Outcome::Success)]);
                interval.cells.insert(CellKey { process, call }, figures);
                interval.processes.insert(
                    process,
                    ProcessInfo {
                        comm: Comm::new("sh"),
                        exited: true,
                        as_of_ns: batch,
                        who: (pid % 2 == 0).then(|| Arc::new(Who::new(1, b"sh\0", b"0::/a.service"))),
                        ..ProcessInfo::default()
                    },
                );
            }
            aggregator.merge(&interval);
        }
        let snapshot = aggregator.snapshot();
        assert_eq!(snapshot.all.calls, 10_000);
        assert_eq!(snapshot.processes.len(), MAX_EXITED + 2);
        let folded: Vec<_> = snapshot.processes.iter().filter(|row| row.folded > 0).collect();
        let half = (10_000 - MAX_EXITED as u64) / 2;
        for (row, cgroup) in folded.iter().zip([None, Some("/a.service")]) {
            assert_eq!((row.folded, row.all.calls), (half, half));
            assert_eq!(row.who.as_ref().map(|who| &*who.cgroup), cgroup);
        }
    }

    #[test]
    fn a_path_that_one_process_asks_for_again_and_again_is_not_expected_to_be_missing() {
        use crate::interval::examples::Example;
        let (openat, enoent) = (CallKey { abi: Abi::X86_64, nr: 257 }, 2);
        // Of `paths` that are not there each is asked for so often, by so many processes.
        let is_expected = |paths: u64, times: u64, processes: u32, exited: bool| {
            let mut aggregator = Aggregator::new();
            for second in 0..times {
                let mut interval =
                    Interval { start_ns: second * 10 + 1, end_ns: second * 10 + 10, ..Interval::default() };
                for pid in 0..processes {
                    let process = ProcessId { pid: pid + 1, start_ns: 1 };
                    let mut cell = cell_of(&vec![(100, Outcome::Error(enoent)); paths as usize]);
                    cell.examples = (0..paths)
                        .map(|path| Example {
                            errno: enoent,
                            on: format!("/lib/{path:03}").into_bytes().into(),
                            calls: 1,
                            unsure: 0,
                        })
                        .collect();
                    interval.cells.insert(CellKey { process, call: openat }, cell);
                    let info = ProcessInfo { exited, as_of_ns: second, ..ProcessInfo::default() };
                    interval.processes.insert(process, info);
                }
                aggregator.merge(&interval);
            }
            let snapshot = aggregator.snapshot();
            let errnos =
                snapshot.processes.iter().flat_map(|row| row.calls.iter().flat_map(|call| &call.errnos));
            errnos.clone().all(|errno| errno.is_expected) && errnos.count() > 0
        };
        assert!(is_expected(1, 59, 1, false), "a search that takes its time");
        assert!(!is_expected(1, 60, 1, false), "the same path for the sixtieth time");
        assert!(!is_expected(5, 60, 1, false), "in each directory of a path");
        assert!(is_expected(16, 20, 1, false), "many paths, a few times each");
        assert!(
            is_expected(1, 1, MAX_EXITED as u32 + 100, true),
            "many processes, once each, which then ended"
        );
    }

    #[test]
    fn a_stuck_call_has_a_row_before_it_returns() {
        let process = ProcessId { pid: 9, start_ns: 1 };
        let call = CallKey { abi: Abi::X86_64, nr: 0 };
        let mut aggregator = Aggregator::new();
        aggregator.merge(&Interval {
            start_ns: 1_000,
            end_ns: 5_000,
            in_flight: vec![InFlight {
                process,
                tid: 9,
                call,
                enter_ns: 2_000,
                before_attach: false,
                args: None,
                on: None,
                operands: None,
            }],
            ..Interval::default()
        });
        let row = &aggregator.snapshot().processes[0].calls[0];
        assert_eq!((row.stats.calls, row.stats.in_flight, row.stats.oldest_in_flight_ns), (0, 1, 3_000));
    }

    #[test]
    fn a_call_is_busy_in_its_last_interval_for_no_longer_than_that_is() {
        const SECOND: u64 = 1_000_000_000;
        let process = ProcessId { pid: 9, start_ns: 1 };
        let key = CellKey { process, call: CallKey { abi: Abi::X86_64, nr: 2 } };
        let busy = |calls: &[(u64, Outcome)]| {
            let mut interval = Interval { start_ns: 60 * SECOND, end_ns: 61 * SECOND, ..Interval::default() };
            interval.cells.insert(key, cell_of(calls));
            let mut aggregator = Aggregator::new();
            aggregator.merge(&interval);
            let snapshot = aggregator.snapshot();
            let stats = &snapshot.processes[0].calls[0].stats;
            let total: u64 = calls.iter().map(|(latency_ns, _)| latency_ns).sum();
            assert_eq!(stats.recent_total_ns, total, "what the calls took is told whole");
            assert_eq!(snapshot.all.recent_busy_ns, stats.recent_busy_ns);
            stats.recent_busy_ns
        };
        let [long, short] = [(20 * SECOND, Outcome::Success), (1_000_000, Outcome::Success)];
        assert_eq!(busy(&[long]), SECOND, "a thread, a second");
        assert_eq!(busy(&[long; 64]), 64 * SECOND, "and 64 of them");
        assert_eq!(busy(&[(20 * SECOND, Outcome::Interrupted(512))]), SECOND);
        assert_eq!(busy(&[(SECOND / 2, Outcome::Success)]), SECOND / 2);
        let many = [short; 500];
        assert_eq!(busy(&many), SECOND / 2);
        let threads = [(SECOND * 3 / 4, Outcome::Success); 4];
        assert_eq!(busy(&threads), 3 * SECOND, "threads add up");
        let both = busy(&[&many[..], &[long]].concat());
        assert!(
            (SECOND * 3 / 2..SECOND * 8 / 5).contains(&both),
            "short ones to the width of a bucket: {both}"
        );
    }

    #[test]
    fn recent_figures_are_those_of_the_last_interval_only() {
        let process = ProcessId { pid: 9, start_ns: 1 };
        let key = CellKey { process, call: CallKey { abi: Abi::X86_64, nr: 2 } };
        let cell = cell_of(&[(100, Outcome::Error(2))]);
        let mut aggregator = Aggregator::new();
        let mut first = Interval { start_ns: 1, end_ns: 1_000, ..Interval::default() };
        first.cells.insert(key, cell);
        aggregator.merge(&first);
        assert_eq!(aggregator.snapshot().processes[0].calls[0].errnos[0].recent, 1);
        aggregator.merge(&Interval { start_ns: 1_000, end_ns: 2_000, ..Interval::default() });
        let row = aggregator.snapshot().processes[0].calls[0].clone();
        assert_eq!((row.stats.recent_calls, row.errnos[0].recent, row.errnos[0].count), (0, 0, 1));
        assert_eq!(row.errnos[0].first_seen_ns, 1_000);
    }
}
