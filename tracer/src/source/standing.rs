//! Threads that were inside a call before we attached and have not left it: no event tells of them until they
//! do. They are found once, from `/proc`, on a thread of its own; from then on each is forgotten with the first
//! thing that it is seen to do.

use std::fs::{self, File};
use std::io::Read as _;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use rustc_hash::{FxHashMap, FxHashSet};
use tracer_common::abi::Abi;

use crate::interval::CallKey;
use crate::process::Comm;
use crate::syscalls::{HOST_ABI, SyscallSet};
use crate::targets::Procfs;

/// Threads that are looked at; of more, the rest is not shown until it does something.
const MOST_THREADS: usize = 65_536;

/// `e_ident[EI_CLASS]` of a 32-bit program.
const ELFCLASS32: u8 = 1;

/// A thread inside a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) tgid: u32,
    pub(super) tid: u32,
    /// What its process and itself are called: no event has told.
    pub(super) comm: Comm,
    pub(super) thread_comm: Comm,
    pub(super) call: CallKey,
    pub(super) args: [u64; 6],
}

/// Those that are known to be where they were.
#[derive(Debug)]
pub(super) struct Standings {
    /// Brings what was found, until it has.
    found: Option<Receiver<Vec<Standing>>>,
    /// Threads that have done something since we attached, while what was found is not here yet.
    moved: FxHashSet<u32>,
    still: FxHashMap<u32, Standing>,
    /// Whether their numbers are those of a PID namespace of ours, and not the kernel's own.
    pub(super) in_pid_namespace: bool,
}

impl Standings {
    /// Looks at the threads of these processes, which must be attached to already, for calls that `filter`
    /// wants.
    pub(super) fn find(procfs: Procfs, pids: Vec<u32>, filter: Option<SyscallSet>) -> std::io::Result<Self> {
        let mut standings = Self {
            found: None,
            moved: FxHashSet::default(),
            still: FxHashMap::default(),
            in_pid_namespace: procfs.in_pid_namespace(),
        };
        if pids.is_empty() {
            return Ok(standings);
        }
        let (sender, found) = sync_channel(1);
        std::thread::Builder::new().name("standing".to_owned()).spawn(move || {
            let mut standing = look_at(&procfs, &pids);
            standing.retain(|thread| filter.as_ref().is_none_or(|filter| filter.contains(thread.call)));
            // Nobody listens any more when the run is over.
            let _ = sender.send(standing);
        })?;
        standings.found = Some(found);
        Ok(standings)
    }

    /// Whether it matters what threads do.
    pub(super) fn is_watching(&self) -> bool {
        self.found.is_some() || !self.still.is_empty()
    }

    /// This thread was seen for the first time: it has left the call that it was in.
    pub(super) fn has_moved(&mut self, tid: u32) {
        if self.found.is_some() {
            self.moved.insert(tid);
        } else {
            self.still.remove(&tid);
        }
    }

    /// Those that are in their calls, without those of whom `has_moved` knows better.
    pub(super) fn still(&mut self, has_moved: impl Fn(u32) -> bool) -> impl Iterator<Item = &Standing> {
        match self.found.as_ref().map(Receiver::try_recv) {
            Some(Ok(found)) => {
                self.still = found.into_iter().map(|thread| (thread.tid, thread)).collect();
                for tid in std::mem::take(&mut self.moved) {
                    self.still.remove(&tid);
                }
                self.found = None;
            }
            Some(Err(TryRecvError::Disconnected)) => self.found = None,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        self.still.retain(|&tid, _| !has_moved(tid));
        self.still.values()
    }
}

fn look_at(procfs: &Procfs, pids: &[u32]) -> Vec<Standing> {
    let mut standing = Vec::new();
    for &tgid in pids {
        let Ok(tasks) = fs::read_dir(procfs.file(tgid, "task")) else { continue };
        let abi = abi_of(procfs, tgid);
        let name = |file: &str| {
            let text = fs::read(procfs.file(tgid, file)).unwrap_or_default();
            Comm::new(text.strip_suffix(b"\n").unwrap_or(&text))
        };
        let comm = name("comm");
        for tid in tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok()) {
            if standing.len() == MOST_THREADS {
                return standing;
            }
            let text = fs::read_to_string(procfs.file(tgid, &format!("task/{tid}/syscall")));
            if let Some((nr, args)) = text.ok().and_then(|text| parse(&text)) {
                let abi = match abi {
                    Abi::X86_64 if nr & tracer_common::abi::X32_SYSCALL_BIT != 0 => Abi::X32,
                    abi => abi,
                };
                let thread_comm = name(&format!("task/{tid}/comm"));
                standing.push(Standing { tgid, tid, comm, thread_comm, call: CallKey { abi, nr }, args });
            }
        }
    }
    standing
}

/// The table that a program's calls are from, by the class of its file.
fn abi_of(procfs: &Procfs, tgid: u32) -> Abi {
    let mut ident = [0; 5];
    let read = File::open(procfs.file(tgid, "exe")).and_then(|mut file| file.read_exact(&mut ident));
    if read.is_ok() && ident[4] == ELFCLASS32 && HOST_ABI == Abi::X86_64 { Abi::I386 } else { HOST_ABI }
}

/// Number and arguments from `/proc/PID/syscall`: `NR ARG×6 SP PC` of a thread that is blocked in a call,
/// `running` of one that runs, `-1 SP PC` of one that is blocked elsewhere.
fn parse(text: &str) -> Option<(i32, [u64; 6])> {
    let mut words = text.split_ascii_whitespace();
    let nr = words.next()?.parse().ok().filter(|nr| *nr >= 0)?;
    let mut rest = words.map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok());
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = rest.next()??;
    }
    let (stack, _) = (rest.next()??, rest.next()??);
    // A thread of the kernel makes no calls, but is shown as if.
    (stack != 0).then_some((nr, args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_call_is_read_and_nothing_else() {
        let blocked = "202 0x7f01 0x80 0x2 0x0 0x0 0xffffffff 0x7ffc1000 0x7f0000001000\n";
        assert_eq!(parse(blocked), Some((202, [0x7f01, 0x80, 2, 0, 0, 0xffff_ffff])));
        for text in [
            "running\n",
            "-1 0x7ffc1000 0x7f0000001000\n",
            "0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n",
            "",
            "1 0x2",
            "1 0x1 0x1 0x1 0x1 0x1 zz 0x1 0x1",
            "99999999999 0x0 0x0 0x0 0x0 0x0 0x0 0x1 0x1",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    fn thread(tid: u32) -> Standing {
        let (comm, thread_comm) = (Comm::new("app"), Comm::new("worker"));
        Standing { tgid: 1, tid, comm, thread_comm, call: CallKey { abi: HOST_ABI, nr: 0 }, args: [0; 6] }
    }

    #[test]
    fn who_moves_is_forgotten_before_and_after_the_list_arrives() {
        let (sender, found) = sync_channel(1);
        let mut standings = Standings {
            found: Some(found),
            moved: FxHashSet::default(),
            still: FxHashMap::default(),
            in_pid_namespace: false,
        };
        let tids = |standings: &mut Standings, gone: u32| {
            let mut tids: Vec<u32> = standings.still(|tid| tid == gone).map(|thread| thread.tid).collect();
            tids.sort_unstable();
            tids
        };
        standings.has_moved(2);
        assert_eq!(tids(&mut standings, 0), [0_u32; 0]);
        sender.send((1..=5).map(thread).collect()).expect("room");
        assert_eq!(tids(&mut standings, 0), [1, 3, 4, 5]);
        standings.has_moved(3);
        assert_eq!(tids(&mut standings, 5), [1, 4]);
        assert!(standings.is_watching());
        standings.has_moved(1);
        standings.has_moved(4);
        assert_eq!(tids(&mut standings, 0), [0_u32; 0]);
        assert!(!standings.is_watching());
    }

    #[test]
    fn a_thread_of_ours_that_waits_is_found() {
        let (sender, receiver) = sync_channel::<()>(0);
        let waiter = std::thread::Builder::new().name("waits".to_owned()).spawn(move || receiver.recv());
        let waiter = waiter.expect("a thread");
        let pid = std::process::id();
        let is_there = || {
            let found = look_at(&Procfs::default(), &[pid]);
            found.iter().any(|thread| {
                crate::syscalls::plain_name(thread.call) == "futex"
                    && thread.thread_comm == Comm::new("waits")
                    && !thread.comm.is_empty()
            })
        };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !is_there() {
            assert!(std::time::Instant::now() < deadline, "nobody waits in a futex");
            std::thread::yield_now();
        }
        drop(sender);
        assert!(waiter.join().expect("no panic").is_err());
    }
}
