//! Which of the recorded calls a report is about: filters on what was recorded, beside those that the kernel
//! applied while it was. Pure.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::interval::{CallKey, Interval};
use crate::process::{Comm, ProcessId, ProcessInfo};
use crate::syscalls::SyscallSet;

/// Ended processes whose name is still known, for calls that are reported after the end.
const ENDED_KEPT: usize = 4096;

/// Names that are known at one time; no host has so many processes. Those beyond are as if nobody had told them.
const MAX_NAMES: usize = 7 << 17;

/// What is asked for; nothing given is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// These processes; empty for all.
    pub pids: Vec<u32>,
    /// Processes of these names; empty for all.
    pub comms: Vec<Comm>,
    /// These syscalls; `None` for all.
    pub calls: Option<SyscallSet>,
}

/// Lets through what is wanted of one recording, whose intervals it sees in order of time.
#[derive(Debug)]
pub struct Sieve {
    wanted: Wanted,
    known: FxHashMap<ProcessId, Known>,
    ended: VecDeque<ProcessId>,
    /// Whether there is something that was told in an interval that nobody will see.
    untold: bool,
}

/// What is remembered of a process from earlier intervals.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    comm: Comm,
    owns_ring: bool,
}

impl Wanted {
    /// Whether it asks for everything.
    pub fn is_everything(&self) -> bool {
        self.pids.is_empty() && self.comms.is_empty() && self.calls.is_none()
    }

    /// Whether a process of this number and name is wanted.
    pub fn wants_process(&self, pid: u32, comm: Comm) -> bool {
        (self.pids.is_empty() || self.pids.contains(&pid))
            && (self.comms.is_empty() || self.comms.contains(&comm))
    }

    /// Whether this syscall is wanted.
    pub fn wants_call(&self, call: CallKey) -> bool {
        self.calls.as_ref().is_none_or(|calls| calls.contains(call))
    }

    /// As a header says it; `None` for everything.
    pub fn words(&self) -> Option<String> {
        let mut words = Vec::new();
        if !self.pids.is_empty() {
            let pids: Vec<String> = self.pids.iter().map(u32::to_string).collect();
            words.push(format!("pid {}", pids.join(", ")));
        }
        if !self.comms.is_empty() {
            let comms: Vec<String> = self.comms.iter().map(Comm::to_string).collect();
            words.push(format!("named {}", comms.join(", ")));
        }
        words.extend(self.calls.as_ref().map(SyscallSet::to_string));
        (!words.is_empty()).then(|| words.join(", "))
    }
}

impl Sieve {
    /// Lets through what is `wanted`.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, known: FxHashMap::default(), ended: VecDeque::new(), untold: false }
    }

    /// Leaves out an interval. It may be the only one that names its processes and says who has an `io_uring`, so the next one
    /// that is let through does.
    pub fn skip(&mut self, interval: &Interval) {
        self.learn(&interval.processes);
        self.untold = true;
    }

    /// Takes in what an interval tells of its processes. To be called for every interval, in order: an
    /// interval names only those of which there was news in it.
    fn learn<'a>(&mut self, processes: impl IntoIterator<Item = (&'a ProcessId, &'a ProcessInfo)>) {
        for (&id, info) in processes {
            if self.known.len() >= MAX_NAMES && !self.known.contains_key(&id) {
                continue;
            }
            let known = self.known.entry(id).or_default();
            if !info.comm.is_empty() {
                known.comm = info.comm;
            }
            known.owns_ring |= info.owns_ring;
            if info.exited {
                self.ended.push_back(id);
            }
        }
        while self.ended.len() > ENDED_KEPT {
            if let Some(id) = self.ended.pop_front() {
                self.known.remove(&id);
            }
        }
    }

    /// The name of a process, empty when it is not known.
    pub fn name(&self, process: ProcessId) -> Comm {
        self.known.get(&process).map(|known| known.comm).unwrap_or_default()
    }

    /// Whether a call is wanted.
    pub fn wants(&self, process: ProcessId, call: CallKey) -> bool {
        self.wanted.wants_call(call) && self.wanted.wants_process(process.pid, self.name(process))
    }

    /// Takes everything else out of an interval. Its ledger stays as it is: it tells of the whole recording.
    pub fn strain(&mut self, interval: &mut Interval) {
        self.learn(&interval.processes);
        if std::mem::take(&mut self.untold) {
            for (&id, &Known { comm, owns_ring }) in &self.known {
                let info = ProcessInfo {
                    comm,
                    owns_ring,
                    exited: false,
                    as_of_ns: interval.start_ns,
                    ..ProcessInfo::default()
                };
                interval.processes.entry(id).or_insert(info);
            }
        }
        if self.wanted.is_everything() {
            return;
        }
        let mut cells = std::mem::take(&mut interval.cells);
        cells.retain(|key, _| self.wants(key.process, key.call));
        interval.cells = cells;
        interval.in_flight.retain(|open| self.wants(open.process, open.call));
        interval.processes.retain(|&id, _| self.wanted.wants_process(id.pid, self.name(id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::tests::any_interval;
    use proptest::prelude::*;
    use tracer_common::abi::Abi;

    #[test]
    fn names_are_remembered_from_earlier_intervals() {
        let (process, call) = (ProcessId { pid: 7, start_ns: 1 }, CallKey { abi: Abi::X86_64, nr: 0 });
        let wanted = Wanted { comms: vec![Comm::new("nginx")], ..Wanted::default() };
        assert_eq!(wanted.words().as_deref(), Some("named nginx"));
        let mut sieve = Sieve::new(wanted);
        assert!(!sieve.wants(process, call));
        let info = ProcessInfo { comm: Comm::new("nginx"), ..ProcessInfo::default() };
        sieve.learn([(&process, &info)]);
        assert!(sieve.wants(process, call));
        sieve.learn([(&process, &ProcessInfo { exited: true, ..ProcessInfo::default() })]);
        assert!(sieve.wants(process, call), "news without a name take none away");
    }

    #[test]
    fn names_from_skipped_intervals_are_told_in_the_next() {
        let id = ProcessId { pid: 7, start_ns: 1 };
        let info = ProcessInfo { comm: Comm::new("nginx"), owns_ring: true, ..ProcessInfo::default() };
        let mut named = Interval { start_ns: 1, end_ns: 2, ..Interval::default() };
        named.processes.insert(id, info.clone());
        let mut sieve = Sieve::new(Wanted::default());
        sieve.skip(&named);
        for told in [true, false] {
            let mut next = Interval { start_ns: 2, end_ns: 3, ..Interval::default() };
            sieve.strain(&mut next);
            let is_it = |known: &ProcessInfo| (known.comm, known.owns_ring) == (info.comm, info.owns_ring);
            assert_eq!(next.processes.get(&id).is_some_and(is_it), told);
        }
    }

    proptest! {
        #[test]
        fn what_is_let_through_and_what_is_not_are_everything(interval in any_interval(0), pid in 1u32..5, nr in 0i32..4) {
            let calls = |text: &str| SyscallSet::parse(&[text.to_owned()]).ok();
            let all: u64 = interval.cells.values().map(|cell| cell.calls).sum();
            let strained = |wanted: Wanted| {
                let mut copy = interval.clone();
                Sieve::new(wanted).strain(&mut copy);
                copy.cells.values().map(|cell| cell.calls).sum::<u64>()
            };
            let one = Wanted { pids: vec![pid], ..Wanted::default() };
            let others = Wanted { pids: (1..5).filter(|other| *other != pid).collect(), ..Wanted::default() };
            prop_assert_eq!(strained(one) + strained(others), all);
            let one = Wanted { calls: calls(&format!("x86_64:{nr}")), ..Wanted::default() };
            let others = Wanted { calls: calls(&format!("!x86_64:{nr}")), ..Wanted::default() };
            prop_assert_eq!(strained(one) + strained(others), all);
        }
    }
}
