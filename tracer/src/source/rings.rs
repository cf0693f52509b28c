//! Which processes had an `io_uring` when we attached: who lets the kernel poll its ring, or has nothing to do on it, makes
//! no call that would tell. They are looked for once, through `/proc`, on a thread of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::links::each_link;
use crate::targets::{Process, Procfs};

/// Threads and descriptors that are looked at, of all processes together, those with few descriptors first. Who has its ring
/// behind a later one is named only if it makes calls on it.
const MOST_THREADS: usize = 65_536;
const MOST_DESCRIPTORS: usize = 200_000;

/// Owners that were found and not taken yet.
const QUEUED: usize = 64;

/// What `/proc/PID/fd` calls a ring.
const LINK: &[u8] = b"anon_inode:[io_uring]";

/// How the kernel names the threads that it runs in a process with a ring: `iou-sqp-PID` polls, `iou-wrk-PID` works.
const THREADS: &[u8] = b"iou-";

/// The flag of such a thread, which no program can give itself as it can the name.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/sched.h#L1692>
const PF_IO_WORKER: u64 = 0x10;

/// Where owners are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Among {
    /// All processes that are there.
    Everybody,
    /// These, which may be gone.
    Pids(Vec<u32>),
}

/// The drain thread's end. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Rings {
    found: Receiver<Process>,
    /// Those that are not settled.
    owners: Vec<Process>,
}

impl Rings {
    /// Starts to look.
    pub(super) fn find(procfs: Procfs, among: Among) -> io::Result<Self> {
        let (sender, found) = sync_channel(QUEUED);
        if among != Among::Pids(Vec::new()) {
            std::thread::Builder::new()
                .name("rings".to_owned())
                .spawn(move || look(&procfs, &among, &sender))?;
        }
        Ok(Self { found, owners: Vec::new() })
    }

    /// Tells of every owner that was found, again and again until `tell` says that it is settled who that is.
    pub(super) fn tell(&mut self, mut tell: impl FnMut(&Process) -> bool) {
        self.owners.extend(self.found.try_iter());
        self.owners.retain(|owner| !tell(owner));
    }

    /// Waits until all were looked at, but not for long.
    pub(super) fn finish(&mut self, longest: Duration) {
        let until = Instant::now() + longest;
        loop {
            match self.found.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(owner) => self.owners.push(owner),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// Sends every owner, once, until nobody listens any more.
fn look(procfs: &Procfs, among: &Among, sender: &SyncSender<Process>) {
    let is_there = |process: &Process| !process.zombie;
    let mut left: Vec<(u64, Process)> = match among {
        Among::Everybody => procfs.processes().unwrap_or_default(),
        Among::Pids(pids) => pids.iter().filter_map(|&pid| procfs.process(pid)).collect(),
    }
    .into_iter()
    .filter(is_there)
    // The kernel tells how many descriptors there are as the size of the directory, from 6.2 on.
    .map(|process| (fs::metadata(procfs.file(process.pid, "fd")).map_or(0, |found| found.len()), process))
    .collect();
    left.sort_by_key(|(descriptors, _)| *descriptors);
    let mut told = BTreeSet::new();
    let mut tell = |process: &Process| {
        // Somebody else may have its number by now.
        let is_it = procfs.start_time(process.pid) == Some(process.start_ns);
        !is_it || !told.insert(process.pid) || sender.send(*process).is_ok()
    };
    let mut threads = MOST_THREADS;
    let mut without = Vec::with_capacity(left.len());
    for (_, process) in left {
        match has_thread(procfs, process.pid, &mut threads) {
            true if !tell(&process) => return,
            true => {}
            false => without.push(process),
        }
    }
    let mut descriptors = MOST_DESCRIPTORS;
    for process in without {
        if has_descriptor(procfs, process.pid, &mut descriptors) && !tell(&process) {
            return;
        }
    }
}

/// Whether the kernel runs a thread of a ring in this process.
fn has_thread(procfs: &Procfs, pid: u32, left: &mut usize) -> bool {
    let Ok(tasks) = fs::read_dir(procfs.file(pid, "task")) else { return false };
    for tid in tasks.filter_map(|task| task.ok()?.file_name().into_string().ok()).take(*left) {
        *left -= 1;
        let read = |file: &str| fs::read(procfs.file(pid, &format!("task/{tid}/{file}"))).unwrap_or_default();
        if read("comm").starts_with(THREADS)
            && flags(&read("stat")).is_some_and(|flags| flags & PF_IO_WORKER != 0)
        {
            return true;
        }
    }
    false
}

/// The flags in `TID (comm) STATE PPID PGRP SESSION TTY TPGID FLAGS …`; the name may hold anything.
fn flags(stat: &[u8]) -> Option<u64> {
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    str::from_utf8(&stat[close + 1..]).ok()?.split_ascii_whitespace().nth(6)?.parse().ok()
}

/// Whether one of its descriptors is a ring.
fn has_descriptor(procfs: &Procfs, pid: u32, left: &mut usize) -> bool {
    let mut is_one = false;
    *left -= each_link(procfs, pid, *left, |_, link| {
        is_one = link == LINK;
        if is_one { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    is_one
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process: names and flags of its threads, and the links of its descriptors.
    type Imitated<'a> = (u32, &'a [(&'a str, u64)], &'a [&'a str]);

    /// A tree like `/proc`.
    fn imitation(processes: &[Imitated<'_>]) -> (tempfile::TempDir, Procfs) {
        let directory = tempfile::tempdir().expect("a directory");
        for (pid, threads, links) in processes {
            let at = directory.path().join(pid.to_string());
            let stat = |comm: &str, flags: u64| {
                format!("{pid} ({comm}) S 1 1 1 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0")
            };
            fs::create_dir_all(at.join("fd")).expect("our directory");
            fs::write(at.join("stat"), stat("app", 0)).expect("our directory");
            for (index, (comm, flags)) in threads.iter().enumerate() {
                let task = at.join(format!("task/{}", pid + index as u32));
                fs::create_dir_all(&task).expect("our directory");
                fs::write(task.join("comm"), format!("{comm}\n")).expect("our directory");
                fs::write(task.join("stat"), stat(comm, *flags)).expect("our directory");
            }
            for (fd, link) in links.iter().enumerate() {
                std::os::unix::fs::symlink(link, at.join(format!("fd/{fd}"))).expect("our directory");
            }
        }
        let procfs = Procfs::below(directory.path());
        (directory, procfs)
    }

    fn found(procfs: &Procfs, among: Among) -> Vec<u32> {
        let mut rings = Rings::find(procfs.clone(), among).expect("a thread");
        rings.finish(Duration::from_mins(1));
        let mut pids = Vec::new();
        rings.tell(|owner| {
            pids.push(owner.pid);
            true
        });
        pids.sort_unstable();
        pids
    }

    #[test]
    fn rings_are_found_by_a_descriptor_or_by_a_thread_of_the_kernel() {
        let main = ("app", 0);
        let (_directory, procfs) = imitation(&[
            (10, &[main], &["/dev/null", "anon_inode:[io_uring]"]),
            (20, &[main, ("iou-sqp-20", 0x40_4010)], &["/dev/null"]),
            (30, &[main, ("iou-sqp-30", 0x40_4000)], &["/tmp/anon_inode:[io_uring]", "anon_inode:[eventfd]"]),
            (40, &[main, ("iou-) S 1 1 1 0 -1 16", 0)], &[]),
            (50, &[main, ("iou-wrk-50", 0x10)], &["anon_inode:[io_uring]"]),
            (60, &[main, ("worker", 0x10)], &[]),
        ]);
        assert_eq!(found(&procfs, Among::Everybody), [10, 20, 50], "each once, and nobody by a name alone");
        assert_eq!(found(&procfs, Among::Pids(vec![30, 20, 20, 99])), [20]);
        assert_eq!(found(&procfs, Among::Pids(Vec::new())), [0_u32; 0]);
    }

    #[test]
    fn an_owner_is_told_until_it_is_settled() {
        let (_directory, procfs) = imitation(&[(10, &[], &["anon_inode:[io_uring]"])]);
        let mut rings = Rings::find(procfs, Among::Everybody).expect("a thread");
        rings.finish(Duration::from_mins(1));
        let mut told = |is_settled: bool| {
            let mut times = 0;
            rings.tell(|_| {
                times += 1;
                is_settled
            });
            times
        };
        assert_eq!([told(false), told(true), told(true)], [1, 1, 0]);
    }

    /// Many descriptors take a while, which is nobody's but this thread's, and no more of them than are allowed.
    #[test]
    fn no_more_descriptors_are_looked_at_than_are_allowed() {
        let links = vec!["/dev/null"; 50];
        let (_directory, procfs) = imitation(&[(10, &[], &links)]);
        let mut left = 60;
        assert!(!has_descriptor(&procfs, 10, &mut left));
        assert_eq!(left, 10);
        assert!(!has_descriptor(&procfs, 10, &mut left));
        assert_eq!(left, 0);
        let mut threads = 0;
        let (_directory, procfs) = imitation(&[(10, &[("iou-sqp-10", 0x10)], &[])]);
        assert!(!has_thread(&procfs, 10, &mut threads));
        threads = 1;
        assert!(has_thread(&procfs, 10, &mut threads));
    }
}
