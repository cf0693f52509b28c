//! The processes that a fold knows: by the number under which they are shown, those whose name is to be looked up
//! because none arrived, and all of them for another fold.

use tracer_common::record::{ProcessRecord, kind};

use super::{Fold, Process, UNHEARD, name_thread};
use crate::decode::{ProcessChange, ProcessEvent};
use crate::process::{Comm, ProcessId};

impl Fold {
    /// Records from which another fold knows the same processes: for a recording that begins in the middle of a
    /// run, where an interval does. `time_ns` is now.
    pub fn introduce(&self, time_ns: u64, mut each: impl FnMut(&[u8])) {
        for &index in self.present.values() {
            let Process { tgid, id, info, .. } = &self.processes[index];
            let ns_tgid = if id.pid == *tgid { 0 } else { id.pid };
            let mut record = [0; size_of::<ProcessRecord>()];
            record[0] = if info.exited { kind::EXIT } else { kind::SEEN };
            for (place, number) in [(4, *tgid), (8, id.pid), (12, ns_tgid)] {
                record[place..place + 4].copy_from_slice(&number.to_ne_bytes());
            }
            for (place, number) in [(16, time_ns), (24, id.start_ns)] {
                record[place..place + 8].copy_from_slice(&number.to_ne_bytes());
            }
            record[32..48].copy_from_slice(&info.comm.to_kernel());
            each(&record);
        }
    }

    /// Lets the next interval tell of every process that lives, for a reader who begins with it.
    pub fn tell_again(&mut self) {
        for process in &mut self.processes {
            process.news |= !process.info.exited;
        }
    }

    /// Identity of a process that is known by the PID under which it is shown, of a tracer in a PID namespace. One that
    /// nothing was heard of yet has a row of its own until something is.
    pub fn id_of_shown(&mut self, pid: u32) -> ProcessId {
        let is_it = |process: &&Process| process.id.pid == pid && !process.info.exited;
        let known = self.processes.iter().filter(is_it).max_by_key(|process| process.id.start_ns);
        if let Some(process) = known {
            return process.id;
        }
        // No process of the kernel's has such a number.
        let index = self.process(pid | UNHEARD);
        self.processes[index].id.pid = pid;
        self.processes[index].id
    }

    /// Processes whose name never arrived (its record found the ring full), to be looked up by the caller: the number
    /// for [`Fold::name`], and the PID under which it is shown.
    pub fn unnamed(&self) -> Vec<(u32, u32)> {
        let unnamed = self.processes.iter().filter(|p| p.info.comm.is_empty() && p.news);
        unnamed.map(|p| (p.tgid, p.id.pid)).collect()
    }

    /// Names a process of [`Fold::unnamed`].
    pub fn name(&mut self, tgid: u32, comm: Comm) {
        let index = self.process(tgid);
        if self.processes[index].info.comm.is_empty() {
            self.processes[index].info.comm = comm;
        }
    }

    /// Names a process, and a thread of it, that nothing told of yet.
    pub fn name_thread(&mut self, id: ProcessId, comm: Comm, tid: u32, thread_comm: Comm) {
        let is_it = |at: &usize| self.processes[*at].id == id;
        let known = self.present.get(&id.pid).copied().filter(is_it);
        let Some(at) = known.or_else(|| self.present.values().copied().find(is_it)) else { return };
        let process = &mut self.processes[at];
        if process.info.comm.is_empty() && !comm.is_empty() {
            process.info.comm = comm;
            process.news = true;
        }
        if tid != id.pid && !thread_comm.is_empty() && !process.info.threads.contains_key(&tid) {
            name_thread(&mut process.info.threads, tid, thread_comm);
            process.news = true;
        }
    }

    /// Records that tell another fold of every process that this one knows, one after the other.
    pub fn known_processes(&self, now_ns: u64) -> Vec<u8> {
        let mut records = Vec::new();
        for process in &self.processes {
            if process.id.start_ns == 0 && process.info.comm.is_empty() {
                continue;
            }
            let event = ProcessEvent {
                what: if process.info.exited { ProcessChange::Exit } else { ProcessChange::Seen },
                tgid: process.tgid,
                tid: process.id.pid,
                ns_tgid: if process.id.pid == process.tgid { 0 } else { process.id.pid },
                time_ns: now_ns,
                start_ns: process.id.start_ns,
                comm: process.info.comm,
                thread_comm: process.info.comm,
            };
            records.extend(event.to_record());
        }
        records
    }
}
