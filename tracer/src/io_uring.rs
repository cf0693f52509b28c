//! Who does I/O that no syscall tells of: a process with an `io_uring` hands its reads, writes and connections to the
//! kernel through memory that both share. Known by the calls that make such a ring and drive it; who had one before we came
//! and makes no call on it, because the kernel polls it or nothing is to be done, was found when we attached.

use tracer_common::abi::{Abi, X32_SYSCALL_BIT};

use crate::human;
use crate::interval::CallKey;
use crate::process::{Comm, ProcessId};
use crate::snapshot::Snapshot;
use crate::trust::{Severity, Word};

/// `io_uring_setup`, `io_uring_enter`, `io_uring_register`: the same numbers in every table.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/asm-generic/unistd.h#L792-L797>
const CALLS: std::ops::RangeInclusive<i32> = 425..=427;

/// A process with a ring: it made calls on one, and not all in vain, or had one when we attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The process, as the row of the table has it.
    pub process: ProcessId,
    /// Its name.
    pub comm: Comm,
}

/// Processes that own a ring, by how many calls they make on it.
pub fn owners(snapshot: &Snapshot) -> Vec<Owner> {
    let mut owners: Vec<(u64, Owner)> = Vec::new();
    for row in &snapshot.processes {
        let calls = row.calls.iter().filter(|call| is_on_ring(call.call));
        let done: u64 = calls.map(|call| call.stats.calls.saturating_sub(call.stats.errors)).sum();
        if done > 0 || row.owns_ring {
            owners.push((done, Owner { process: row.id, comm: row.comm }));
        }
    }
    owners.sort_by_key(|(done, owner)| (std::cmp::Reverse(*done), owner.process));
    owners.into_iter().map(|(_, owner)| owner).collect()
}

/// The same in words; `None` where nobody owns a ring.
pub fn word(snapshot: &Snapshot) -> Option<Word> {
    let owners = owners(snapshot);
    let first = owners.first()?;
    let who = match first.process.pid {
        0 => first.comm.to_string(),
        pid => format!("{} {pid}", first.comm),
    };
    let others = match owners.len() - 1 {
        0 => String::new(),
        others => format!(" and {} more", human::count(others as u64)),
    };
    Some(Word {
        short: format!("IO_URING {who}{others}"),
        sentence: format!(
            "IO_URING: {who}{others} with an io_uring. Its I/O through io_uring is not seen here: what is read, written, sent \
             and received so makes no calls but io_uring_enter."
        ),
        severity: Severity::Note,
    })
}

fn is_on_ring(call: CallKey) -> bool {
    let nr = if call.abi == Abi::X32 { call.nr & !X32_SYSCALL_BIT } else { call.nr };
    CALLS.contains(&nr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Aggregator;
    use crate::interval::{Cell, CellKey, Interval};
    use crate::syscalls::{self, HOST_ABI};

    /// What is seen of processes that made so many calls of a number, of which so many failed.
    fn seen(calls: &[(u32, i32, u64, u64)]) -> Snapshot {
        let mut interval = Interval { start_ns: 1, end_ns: 2, ..Interval::default() };
        for &(pid, nr, calls, errors) in calls {
            let key =
                CellKey { process: ProcessId { pid, start_ns: 1 }, call: CallKey { abi: HOST_ABI, nr } };
            let errors = if errors > 0 { [(38, errors)].into() } else { std::collections::BTreeMap::new() };
            interval.cells.insert(key, Cell { calls, errors, ..Cell::default() });
            let info = interval.processes.entry(key.process).or_default();
            info.comm = Comm::new("app");
        }
        let mut aggregator = Aggregator::new();
        aggregator.merge(&interval);
        aggregator.snapshot()
    }

    #[test]
    fn who_made_a_ring_or_drives_one_owns_it() {
        for (nr, name) in CALLS.zip(["io_uring_setup", "io_uring_enter", "io_uring_register"]) {
            assert_eq!(syscalls::number(HOST_ABI, name), Some(nr));
        }
        assert_eq!(word(&seen(&[(7, 0, 9, 0)])), None);
        assert_eq!(word(&seen(&[(7, 425, 1, 1)])), None, "it was refused");
        let word = word(&seen(&[(7, 425, 1, 0), (8, 426, 500, 1)])).expect("two own one");
        assert_eq!(word.short, "IO_URING app 8 and 1 more");
        assert!(word.sentence.contains("not seen"), "{}", word.sentence);
    }

    #[test]
    fn who_had_a_ring_when_we_attached_owns_it_without_a_call() {
        let mut snapshot = seen(&[(7, 0, 9, 0), (8, 425, 1, 0), (9, 0, 0, 0)]);
        for row in &mut snapshot.processes {
            row.owns_ring = row.id.pid == 9;
        }
        let pids: Vec<u32> = owners(&snapshot).iter().map(|owner| owner.process.pid).collect();
        assert_eq!(pids, [8, 9], "who makes calls on it comes first");
    }
}
