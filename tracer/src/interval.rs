//! A slice of time and the calls in it: the one unit that live, replay and compare share. Merging two
//! intervals is associative and commutative, so it never matters where time was cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tracer_common::abi::Abi;
use tracer_common::outcome::Outcome;

use crate::histogram::Histogram;
use crate::ledger::LedgerCounts;
use crate::operand::Kept;
use crate::process::{ProcessId, ProcessInfo};

pub mod examples;
pub mod on;
pub mod sizes;
pub mod slowest;
pub mod stacks;
pub mod threads;

pub use examples::Example;
pub use on::{On, OnFile};
pub use sizes::Sizes;
pub use slowest::SlowCall;
pub use stacks::Stack;
pub use threads::ThreadFigures;

/// A syscall by its table and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey {
    /// Table.
    #[serde(with = "abi")]
    pub abi: Abi,
    /// Number in that table; any value.
    pub nr: i32,
}

/// The number of a table: [`Abi`] is of the kernel side too, which has no serde.
mod abi {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use tracer_common::abi::Abi;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
    pub(super) fn serialize<S: Serializer>(abi: &Abi, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(*abi as u8)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Abi, D::Error> {
        Abi::from_u8(u8::deserialize(from)?).ok_or_else(|| D::Error::custom("no table has this number"))
    }
}

/// Whose call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellKey {
    /// The process.
    pub process: ProcessId,
    /// The syscall.
    pub call: CallKey,
}

/// The aggregate of one syscall of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Calls that ended in whatever way, including the four kinds below.
    pub calls: u64,
    /// Failed calls by errno; those denied before enter included.
    pub errors: BTreeMap<u16, u64>,
    /// Calls that a signal cut short; neither success nor error.
    pub interrupted: u64,
    /// Failed calls that were refused before they entered: no latency.
    pub denied: u64,
    /// Calls that never return (`exit`): no latency.
    pub no_return: u64,
    /// Calls whose thread died inside: no latency.
    pub died: u64,
    /// Time spent in completed and in interrupted calls.
    pub total_ns: u64,
    /// Shortest completed call; meaningless while the histogram is empty.
    pub min_ns: u64,
    /// Longest completed call.
    pub max_ns: u64,
    /// Completed calls (success or error) by latency. Shared with snapshots until it changes.
    pub latencies: Arc<Histogram>,
    /// Its slowest completed calls, the slowest first, as far as they were seen one by one.
    pub slowest: Arc<[SlowCall]>,
    /// The threads that made them, by tid, as far as they are told apart.
    pub threads: Arc<[ThreadFigures]>,
    /// What they moved, where they return it.
    pub sizes: Sizes,
    /// The files behind their descriptors, by identity, as far as they are told apart.
    pub on: Arc<[OnFile]>,
    /// What they failed on, by errno, as far as that was read.
    pub examples: Arc<[Example]>,
    /// Where they were made, those with most time first, as far as that was taken.
    pub stacks: Arc<[Stack]>,
}

impl Cell {
    /// Counts one completed or interrupted call. `latencies` is the histogram that will be this cell's: whoever
    /// fills a cell keeps it unshared until the cell is done.
    #[inline]
    pub fn record(&mut self, outcome: Outcome, latency_ns: u64, latencies: &mut Histogram) {
        self.calls += 1;
        self.total_ns += latency_ns;
        match outcome {
            Outcome::Interrupted(_) => {
                self.interrupted += 1;
                return;
            }
            Outcome::Error(errno) => *self.errors.entry(errno).or_default() += 1,
            Outcome::Success => {}
        }
        self.note_extremes(latency_ns, latency_ns, latencies.is_empty());
        latencies.record(latency_ns);
    }

    /// Counts calls refused before they entered.
    pub fn record_denied(&mut self, errno: u16, count: u64) {
        self.calls += count;
        self.denied += count;
        *self.errors.entry(errno).or_default() += count;
    }

    /// Widens min and max; `is_first` says that nothing was in the histogram before.
    pub fn note_extremes(&mut self, min_ns: u64, max_ns: u64, is_first: bool) {
        self.min_ns = if is_first { min_ns } else { self.min_ns.min(min_ns) };
        self.max_ns = self.max_ns.max(max_ns);
    }

    /// Failed calls of any errno.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Memory that it points to, about, shared or not.
    pub(crate) fn heap_bytes(&self) -> usize {
        // An entry of a tree.
        const ERRNO_BYTES: usize = 64;
        self.latencies.heap_bytes()
            + self.errors.len() * ERRNO_BYTES
            + slowest::heap_bytes(&self.slowest)
            + size_of_val(&*self.threads)
            + on::heap_bytes(&self.on)
            + examples::heap_bytes(&self.examples)
            + stacks::heap_bytes(&self.stacks)
    }

    /// Adds another cell.
    pub fn merge(&mut self, other: &Self) {
        self.merge_keeping(other, slowest::IN_CELL);
    }

    /// Adds another cell and keeps this many of the slowest calls.
    pub(crate) fn merge_keeping(&mut self, other: &Self, slow_calls: usize) {
        slowest::merge(&mut self.slowest, &other.slowest, slow_calls);
        threads::merge(&mut self.threads, &other.threads);
        on::merge(&mut self.on, &other.on);
        self.sizes.merge(&other.sizes);
        examples::merge(&mut self.examples, &other.examples);
        stacks::merge(&mut self.stacks, &other.stacks);
        self.calls += other.calls;
        for (&errno, &count) in &other.errors {
            *self.errors.entry(errno).or_default() += count;
        }
        self.interrupted += other.interrupted;
        self.denied += other.denied;
        self.no_return += other.no_return;
        self.died += other.died;
        self.total_ns += other.total_ns;
        if other.latencies.is_empty() {
            return;
        }
        self.note_extremes(other.min_ns, other.max_ns, self.latencies.is_empty());
        if self.latencies.is_empty() {
            self.latencies = Arc::clone(&other.latencies);
        } else {
            Arc::make_mut(&mut self.latencies).merge(&other.latencies);
        }
    }
}

/// A call that has not returned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InFlight {
    /// The process.
    pub process: ProcessId,
    /// The thread, as the tracer's PID namespace shows it.
    pub tid: u32,
    /// The syscall.
    pub call: CallKey,
    /// `CLOCK_MONOTONIC` at enter; where it was entered before we attached, when that was.
    pub enter_ns: u64,
    /// Whether it was entered before we attached: it is open for at least that long.
    pub before_attach: bool,
    /// The six arguments as registers, when they were taken.
    pub args: Option<[u64; 6]>,
    /// What it is on, where its first argument is a descriptor and it is known.
    pub on: Option<On>,
    /// What it operates on, where that was read.
    pub operands: Option<Kept>,
}

/// A slice of time. Times are `CLOCK_MONOTONIC`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Start; 0 in an empty interval.
    pub start_ns: u64,
    /// End; 0 in an empty interval.
    pub end_ns: u64,
    /// The calls that ended in it.
    pub cells: FxHashMap<CellKey, Cell>,
    /// What is known, at its end, of the processes in it.
    pub processes: FxHashMap<ProcessId, ProcessInfo>,
    /// The calls that were open at its end.
    pub in_flight: Vec<InFlight>,
    /// What the ledger counted in it.
    pub ledger: LedgerCounts,
}

impl Interval {
    /// Whether it covers no time.
    pub fn is_empty(&self) -> bool {
        self.end_ns == 0
    }

    /// Length.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Adds another slice. What describes a moment (names, open calls) is taken from the later one.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        let other_is_later = self.is_empty() || other.end_ns > self.end_ns;
        for (key, cell) in &other.cells {
            self.cells.entry(*key).or_default().merge(cell);
        }
        for (id, info) in &other.processes {
            self.processes.entry(*id).or_default().merge(info);
        }
        if other_is_later {
            self.in_flight.clone_from(&other.in_flight);
        }
        self.ledger.merge(&other.ledger);
        self.start_ns = if self.is_empty() { other.start_ns } else { self.start_ns.min(other.start_ns) };
        self.end_ns = self.end_ns.max(other.end_ns);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::process::Comm;
    use crate::who::Who;
    use proptest::prelude::*;

    /// A cell with these calls in it.
    pub(crate) fn cell_of(calls: &[(u64, Outcome)]) -> Cell {
        let (mut cell, mut latencies) = (Cell::default(), Histogram::new());
        for &(latency_ns, outcome) in calls {
            cell.record(outcome, latency_ns, &mut latencies);
        }
        Cell { latencies: Arc::new(latencies), ..cell }
    }

    fn any_info(order: u64, exited: bool) -> ProcessInfo {
        ProcessInfo {
            comm: Comm::new(format!("p{order}")),
            exited,
            as_of_ns: order,
            who: (!order.is_multiple_of(3)).then(|| {
                Arc::new(Who {
                    ns_pid: order as u32 % 5,
                    names: ["", "web", "ns/pod/c", "/pod/"][order as usize % 4].into(),
                    ..Who::new(order as u32, b"p\0-x\0", b"0::/a.service")
                })
            }),
            threads: Arc::new([(order as u32, Comm::new("t"))].into()),
            descriptors: None,
            owns_ring: order.is_multiple_of(2),
        }
    }

    /// A cell with one call in it that was seen by itself.
    fn cell_of_one(latency_ns: u64, outcome: Outcome, tid: u32, ret: i64) -> Cell {
        let mut thread = ThreadFigures { tid, ..ThreadFigures::default() };
        thread.record(outcome, latency_ns);
        let mut sizes = Sizes::default();
        sizes.record(ret);
        let slow =
            SlowCall { latency_ns, enter_ns: u64::from(tid), tid, ret, args: None, on: None, operands: None };
        let is_completed = !matches!(outcome, Outcome::Interrupted(_));
        Cell {
            slowest: is_completed.then_some(slow).into_iter().collect(),
            threads: Arc::from([thread]),
            sizes,
            examples: match outcome {
                Outcome::Error(errno) => examples::tests::examples_of(&[(errno % 10, tid as u8)]),
                _ => Arc::default(),
            },
            stacks: stacks::tests::stacks_of(&[(tid as u8, latency_ns.max(1))]),
            ..cell_of(&[(latency_ns, outcome)])
        }
    }

    prop_compose! {
        pub(crate) fn any_cell()(
            calls in proptest::collection::vec((0u64..1 << 45, prop_oneof![
                4 => Just(Outcome::Success), 2 => (1u16..40).prop_map(Outcome::Error),
                1 => Just(Outcome::Interrupted(512))], 1u32..5, -9i64..200), 0..40),
            denied in 0u64..3,
            on in on::tests::any_rows(),
        ) -> Cell {
            let mut cell = Cell::default();
            for (latency_ns, outcome, tid, ret) in calls {
                cell.merge(&cell_of_one(latency_ns, outcome, tid, ret));
            }
            if denied > 0 {
                cell.record_denied(13, denied);
            }
            // Calls on a file are calls.
            let of = |figure: fn(&OnFile) -> u64| on.iter().map(figure).sum::<u64>();
            cell.calls += of(|row| row.calls);
            cell.total_ns += of(|row| row.total_ns);
            cell.sizes.bytes += of(|row| row.bytes);
            if let errors @ 1.. = of(|row| row.errors) {
                *cell.errors.entry(11).or_default() += errors;
            }
            cell.on = on;
            cell
        }
    }

    prop_compose! {
            /// Intervals of one run end at different times, as real ones do.
            pub(crate) fn any_interval(order: u64)(
                cells in proptest::collection::vec((1u32..5, 0i32..4, any_cell()), 0..8),
                exited in any::<bool>(),
                open in 0u32..3,
            ) -> Interval {
                let mut interval = Interval { start_ns: order * 1000 + 1, end_ns: order * 1000 + 1000, ..Interval::default() };
                for (pid, nr, cell) in cells {
                    let process = ProcessId { pid, start_ns: 7 };
                    interval.cells.entry(CellKey { process, call: CallKey { abi: Abi::X86_64, nr } }).or_default().merge(&cell);
                    interval.processes.insert(process, any_info(order, exited));
                }
                for tid in 0..open {
                    interval.in_flight.push(InFlight {
    before_attach: order % 2 == 1,                     process: ProcessId { pid: 1, start_ns: 7 }, tid,
                        call: CallKey { abi: Abi::X86_64, nr: 0 }, enter_ns: order, args: None, on: None, operands: None,
                    });
                }
                interval.ledger.aggregated = interval.cells.values().map(|cell| cell.calls).sum();
                interval
            }
        }

    fn merged(parts: &[&Interval]) -> Interval {
        let mut sum = Interval::default();
        for part in parts {
            sum.merge(part);
        }
        sum
    }

    proptest! {
        #[test]
        fn merge_is_associative_commutative_and_has_an_identity(
            a in any_interval(1), b in any_interval(2), c in any_interval(3),
        ) {
            let left = merged(&[&merged(&[&a, &b]), &c]);
            let right = merged(&[&a, &merged(&[&b, &c])]);
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(&left, &merged(&[&c, &a, &b]));
            prop_assert_eq!(&merged(&[&a, &Interval::default()]), &a);
        }
    }

    #[test]
    fn interrupted_calls_count_but_have_no_latency_and_are_no_error() {
        let cell = cell_of(&[(5_000, Outcome::Interrupted(512)), (10, Outcome::Error(2))]);
        assert_eq!((cell.calls, cell.interrupted, cell.error_count()), (2, 1, 1));
        assert_eq!((cell.min_ns, cell.max_ns, cell.latencies.count()), (10, 10, 1));
        assert_eq!(cell.total_ns, 5_010);
    }
}
