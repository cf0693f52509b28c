//! Who made a call: processes by the number that events carry, for as long as the number is theirs.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::decode::{ProcessChange, ProcessEvent};
use crate::process::{Comm, ProcessId, ProcessInfo};

/// Ended processes that are still known, for calls that come late.
const ENDED_KEPT: usize = 4096;

/// The processes of one recording as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_tgid: FxHashMap<u32, ProcessId>,
    comms: FxHashMap<ProcessId, Comm>,
    ended: VecDeque<(u32, ProcessId)>,
}

impl Names {
    /// Takes in news of a process.
    pub(super) fn take(&mut self, event: &ProcessEvent) {
        let pid = if event.ns_tgid == 0 { event.tgid } else { event.ns_tgid };
        let known = self.by_tgid.get(&event.tgid).copied();
        let start_ns = match known {
            Some(known) if event.start_ns == 0 => known.start_ns,
            _ => event.start_ns,
        };
        let id = ProcessId { pid, start_ns };
        self.by_tgid.insert(event.tgid, id);
        if !event.comm.is_empty() {
            self.comms.insert(id, event.comm);
        }
        if event.what == ProcessChange::Exit {
            self.end(event.tgid, id);
        }
    }

    /// Takes in what an interval says of its processes.
    pub(super) fn learn(&mut self, processes: &FxHashMap<ProcessId, ProcessInfo>) {
        for (&id, info) in processes {
            if !info.comm.is_empty() {
                self.comms.insert(id, info.comm);
            }
            if info.exited {
                self.end(id.pid, id);
            }
        }
    }

    /// The process that has this number now, and its name.
    pub(super) fn of(&self, tgid: u32) -> (ProcessId, Comm) {
        let id = self.by_tgid.get(&tgid).copied().unwrap_or(ProcessId { pid: tgid, start_ns: 0 });
        (id, self.name(id))
    }

    /// The name of a process; empty when it is not known.
    pub(super) fn name(&self, id: ProcessId) -> Comm {
        self.comms.get(&id).copied().unwrap_or_default()
    }

    fn end(&mut self, tgid: u32, id: ProcessId) {
        self.ended.push_back((tgid, id));
        while self.ended.len() > ENDED_KEPT {
            if let Some((tgid, id)) = self.ended.pop_front() {
                self.comms.remove(&id);
                if self.by_tgid.get(&tgid) == Some(&id) {
                    self.by_tgid.remove(&tgid);
                }
            }
        }
    }
}
