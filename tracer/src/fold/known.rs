//! The processes that a fold knows: by the number under which they are shown, who they are and how many descriptors they
//! have, those whose name is to be looked up because none arrived, and all of them for another fold.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracer_common::record::{ProcessRecord, kind};

use super::{Filling, Fold, Process, Stranger, UNHEARD, name_thread};
use crate::decode::{ProcessChange, ProcessEvent};
use crate::process::{Comm, Descriptors, ProcessId};
use crate::who::Who;

/// Processes whose descriptors are counted again each interval, of those that do not lack any.
const COUNTED_AGAIN: usize = 8;

impl Fold {
    /// The process that has this tgid now.
    pub fn process_id(&mut self, tgid: u32) -> ProcessId {
        let index = self.process(tgid);
        self.processes[index].id
    }

    /// Processes that are known.
    pub fn processes(&self) -> usize {
        self.processes.len()
    }

    /// Processes that nobody has asked about yet, on first sight and after each new program. Those that are not
    /// told of are asked for again with the next news of them.
    pub fn take_strangers(&mut self) -> Vec<Stranger> {
        std::mem::take(&mut self.strangers)
    }

    /// Says who a process is, if it still is who it was when it was asked for.
    pub fn introduce_as(&mut self, stranger: &Stranger, who: Arc<Who>) {
        let Some(&index) = self.present.get(&stranger.tgid) else { return };
        let process = &mut self.processes[index];
        if process.id == stranger.id && process.programs == stranger.programs {
            process.info.who = Some(who);
            process.news = true;
        }
    }

    /// Processes whose descriptors are worth counting now: those that failed for want of one, and in turn a few of
    /// the others that called.
    pub fn take_uncounted(&mut self) -> BTreeSet<ProcessId> {
        let lacks = |filling: &&Filling| {
            let errors = &filling.cell.errors;
            [libc::EMFILE, libc::ENFILE].iter().any(|&errno| errors.contains_key(&(errno as u16)))
        };
        let id = |filling: &Filling| self.processes[filling.process].id;
        let mut worth: BTreeSet<ProcessId> = self.cells.iter().filter(lacks).map(id).collect();
        let all = self.cells.len();
        let turn = self.cells.iter().cycle().skip(self.counted.checked_rem(all).unwrap_or(0));
        worth.extend(turn.take(COUNTED_AGAIN.min(all)).map(id));
        self.counted = self.counted.wrapping_add(COUNTED_AGAIN);
        worth.retain(|id| id.start_ns != 0);
        worth
    }

    /// Says how many descriptors a process has, if it still is there.
    pub fn count_descriptors(&mut self, id: ProcessId, descriptors: Descriptors) {
        let known = self.processes.iter_mut().find(|process| process.id == id && !process.info.exited);
        if let Some(process) = known.filter(|process| process.info.descriptors != Some(descriptors)) {
            process.info.descriptors = Some(descriptors);
            process.news = true;
        }
    }

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

    /// The present process with this number in the initial namespace, as it is shown. What came first of it may have come from
    /// another CPU's ring than the news that tell how.
    pub(super) fn present_id(&self, tgid: u32) -> Option<ProcessId> {
        self.present.get(&tgid).map(|&at| self.processes[at].id)
    }

    /// Where a present process is; found at once where it is shown under the kernel's own number.
    fn place_of_id(&self, id: ProcessId) -> Option<usize> {
        let is_it = |at: &usize| self.processes[*at].id == id;
        let known = self.present.get(&id.pid).copied().filter(is_it);
        known.or_else(|| self.present.values().copied().find(is_it))
    }

    /// Names a process, and a thread of it, that nothing told of yet.
    pub fn name_thread(&mut self, id: ProcessId, comm: Comm, tid: u32, thread_comm: Comm) {
        let Some(at) = self.place_of_id(id) else { return };
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

    /// Notes whether this process had an `io_uring` when it was looked at.
    pub fn note_ring(&mut self, id: ProcessId, owns_ring: bool) {
        let Some(at) = self.place_of_id(id) else { return };
        let process = &mut self.processes[at];
        process.news |= process.info.owns_ring != owns_ring;
        process.info.owns_ring = owns_ring;
        // Until something was heard of it another one stood for it, see `id_of_shown`.
        if id.start_ns != 0
            && let Some(&unheard) = self.present.get(&(id.pid | UNHEARD))
        {
            self.processes[unheard].info.owns_ring = false;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::LedgerCounts;

    fn seen(tgid: u32, ns_tgid: u32, start_ns: u64) -> ProcessEvent {
        ProcessEvent {
            what: ProcessChange::Seen,
            tgid,
            tid: tgid,
            ns_tgid,
            time_ns: 10,
            start_ns,
            comm: Comm::new("app"),
            thread_comm: Comm::new("app"),
        }
    }

    /// Those with a ring that an interval tells of.
    fn owners(fold: &mut Fold, end_ns: u64) -> Vec<ProcessId> {
        fold.tell_again();
        let interval = fold.close(end_ns, Vec::new(), LedgerCounts::default());
        let owners = interval.processes.iter().filter(|(_, info)| info.owns_ring);
        owners.map(|(id, _)| *id).collect()
    }

    #[test]
    fn who_has_a_ring_is_known_before_anything_is_heard_of_it_and_after() {
        let mut fold = Fold::new(1);
        let id = fold.process_id(5);
        fold.note_ring(id, true);
        assert_eq!(owners(&mut fold, 100), [ProcessId { pid: 5, start_ns: 0 }]);
        fold.take_process(&seen(5, 0, 70));
        let id = fold.process_id(5);
        fold.note_ring(id, true);
        assert_eq!(owners(&mut fold, 200), [ProcessId { pid: 5, start_ns: 70 }]);
        // It was another one that had the number.
        fold.note_ring(id, false);
        assert_eq!(owners(&mut fold, 300), []);
    }

    #[test]
    fn in_a_pid_namespace_nobody_has_the_ring_of_one_that_is_heard_of_later_twice() {
        let mut fold = Fold::new(1);
        let id = fold.id_of_shown(9);
        fold.note_ring(id, true);
        assert_eq!(owners(&mut fold, 100), [ProcessId { pid: 9, start_ns: 0 }]);
        fold.take_process(&seen(500, 9, 70));
        let id = fold.id_of_shown(9);
        fold.note_ring(id, true);
        assert_eq!(owners(&mut fold, 200), [ProcessId { pid: 9, start_ns: 70 }]);
    }
}
