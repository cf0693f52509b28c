//! Which processes hold a socket or a pipe: a look at every descriptor of a process, or of the host, so it is done rarely.
//! What a look found is only where to look again: whoever is named has it at that moment.

use std::fs;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::bpf::sys;
use crate::process::Comm;
use crate::source::links::each_link;
use crate::targets::Procfs;

/// Descriptors that are looked at in one go at most, on the host, and of one process while others wait for their answers.
const MAX_OF_HOST: usize = 200_000;
const MAX_OF_PROCESS: usize = 4096;

/// Processes whose own last look is remembered.
const MAX_PROCESSES: usize = 64;

/// Holders of one inode of which it is asked whether they still are.
const MAX_ASKED: usize = 64;

/// Nothing is looked at again before this many times the CPU time that it took. There are two looks at the host: 5 % of a
/// CPU with all of them.
const LASTS_TIMES: u32 = 40;
/// And not before this, for the host and for one process.
const HOST_LASTS: Duration = Duration::from_millis(500);
const PROCESS_LASTS: Duration = Duration::from_millis(50);

/// Who holds what.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// The processes with few descriptors, and those with many: a look at these takes long, and the others need not wait
    /// until it may be repeated. Before Linux 6.2, which says how many there are, all count as few.
    few: Look,
    many: Look,
    by_process: FxHashMap<u32, Look>,
}

/// What a look at descriptors found.
#[derive(Debug, Default)]
struct Look {
    /// In order.
    held: Vec<Held>,
    /// When it may be repeated.
    next: Option<Instant>,
}

/// A socket or pipe, and behind which descriptor it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    inode: u64,
    pid: u32,
    fd: i32,
}

impl Holders {
    /// A process of the host that holds the socket or pipe with this inode, other than `not`; the first by PID of those with
    /// few descriptors, then of the others.
    pub(super) fn of(&mut self, procfs: &Procfs, inode: u64, not: Option<u32>) -> Option<(u32, Comm)> {
        let found = self.few.find(procfs, inode, not).or_else(|| self.many.find(procfs, inode, not));
        found
            .or_else(|| {
                self.few.look_at_host(procfs, |open| open <= MAX_OF_PROCESS as u64)?.find(procfs, inode, not)
            })
            .or_else(|| {
                self.many.look_at_host(procfs, |open| open > MAX_OF_PROCESS as u64)?.find(procfs, inode, not)
            })
    }

    /// Process `pid`, if it holds the one with this inode behind one of its first descriptors.
    pub(super) fn in_process(&mut self, procfs: &Procfs, inode: u64, pid: u32) -> Option<(u32, Comm)> {
        if self.by_process.len() >= MAX_PROCESSES && !self.by_process.contains_key(&pid) {
            self.by_process.clear();
        }
        let look = self.by_process.entry(pid).or_default();
        look.find(procfs, inode, None)
            .or_else(|| look.look_at_process(procfs, pid)?.find(procfs, inode, None))
    }
}

impl Look {
    fn find(&self, procfs: &Procfs, inode: u64, not: Option<u32>) -> Option<(u32, Comm)> {
        let held = &self.held[self.held.partition_point(|held| held.inode < inode)..];
        let held = held.iter().take_while(|held| held.inode == inode).filter(|held| Some(held.pid) != not);
        held.take(MAX_ASKED).find_map(|held| {
            // Asked after the name: the number may be another process's meanwhile.
            let comm = procfs.comm_of(held.pid)?;
            held.is_true(procfs).then_some((held.pid, comm))
        })
    }

    /// Looks at one process; `None` where it may not be repeated yet.
    fn look_at_process(&mut self, procfs: &Procfs, pid: u32) -> Option<&Self> {
        self.look(PROCESS_LASTS, |held| {
            read(procfs, pid, MAX_OF_PROCESS, held);
        })
    }

    /// Looks at all processes of which `is_meant` says so by the number of descriptors that they have open.
    fn look_at_host(&mut self, procfs: &Procfs, is_meant: impl Fn(u64) -> bool) -> Option<&Self> {
        // We hold whatever we are asked about ourselves, while we look at it.
        let this = procfs.own_pid();
        self.look(HOST_LASTS, |held| {
            let mut left = MAX_OF_HOST;
            for process in procfs.processes().unwrap_or_default() {
                let open = || fs::metadata(procfs.file(process.pid, "fd")).map_or(0, |found| found.len());
                if Some(process.pid) != this && is_meant(open()) {
                    left -= read(procfs, process.pid, left, held);
                }
            }
        })
    }

    fn look(&mut self, least: Duration, fill: impl FnOnce(&mut Vec<Held>)) -> Option<&Self> {
        if self.next.is_some_and(|next| Instant::now() < next) {
            return None;
        }
        let began_ns = sys::thread_cpu_ns();
        self.held.clear();
        fill(&mut self.held);
        self.held.sort_unstable();
        // By CPU time: on a busy host a look lasts longer than it costs.
        let cost = Duration::from_nanos(sys::thread_cpu_ns().saturating_sub(began_ns));
        self.next = Some(Instant::now() + least.max(cost * LASTS_TIMES));
        Some(self)
    }
}

impl Held {
    /// Whether it is still there.
    fn is_true(&self, procfs: &Procfs) -> bool {
        let link = fs::read_link(procfs.file(self.pid, &format!("fd/{}", self.fd)));
        link.is_ok_and(|link| inode_in(link.as_os_str().as_encoded_bytes()) == Some(self.inode))
    }
}

/// Adds the sockets and pipes among the first `most` descriptors of a process; how many it looked at.
fn read(procfs: &Procfs, pid: u32, most: usize, held: &mut Vec<Held>) -> usize {
    each_link(procfs, pid, most, |fd, link| {
        held.extend(inode_in(link).map(|inode| Held { inode, pid, fd }));
        ControlFlow::Continue(())
    })
}

/// The inode of `socket:[123]` or `pipe:[123]`.
fn inode_in(link: &[u8]) -> Option<u64> {
    let rest = link.strip_prefix(b"socket:[").or_else(|| link.strip_prefix(b"pipe:["))?;
    str::from_utf8(rest.strip_suffix(b"]")?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn inode(socket: &UnixStream) -> u64 {
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("it is open");
        inode_in(link.as_os_str().as_encoded_bytes()).expect("a socket")
    }

    fn not_yet() -> Look {
        Look { next: Some(Instant::now() + Duration::from_mins(1)), ..Look::default() }
    }

    #[test]
    fn a_process_is_looked_at_while_the_host_may_not_be() {
        let (socket, _other) = UnixStream::pair().expect("a pair of sockets");
        let (this, inode) = (std::process::id(), inode(&socket));
        let procfs = Procfs::default();
        let mut holders = Holders { few: not_yet(), many: not_yet(), ..Holders::default() };
        assert_eq!(holders.of(&procfs, inode, None), None, "nothing was looked at");
        assert_eq!(holders.in_process(&procfs, inode, this).map(|(pid, _)| pid), Some(this));
        assert_eq!(holders.of(&procfs, inode, Some(this)), None, "nobody else has it");
    }

    #[test]
    fn who_has_it_no_longer_is_not_named_though_the_last_look_found_it_there() {
        let (socket, _other) = UnixStream::pair().expect("a pair of sockets");
        let (this, inode) = (std::process::id(), inode(&socket));
        let procfs = Procfs::default();
        let held = vec![Held { inode, pid: this, fd: socket.as_raw_fd() }];
        let look = Look { held, ..not_yet() };
        assert_eq!(look.find(&procfs, inode, None).map(|(pid, _)| pid), Some(this));
        // Behind another descriptor, as after a close and a reuse.
        let held = vec![Held { inode, pid: this, fd: i32::MAX }, Held { inode, pid: u32::MAX, fd: 0 }];
        assert_eq!(Look { held, ..not_yet() }.find(&procfs, inode, None), None);
    }

    #[test]
    fn no_more_than_the_first_descriptors_are_looked_at() {
        let pairs: Vec<_> = (0..20).map(|_| UnixStream::pair().expect("a pair of sockets")).collect();
        let mut held = Vec::new();
        assert_eq!(read(&Procfs::default(), std::process::id(), 10, &mut held), 10);
        assert!(held.len() <= 10, "{held:?}");
        let mut all = Vec::new();
        assert!(read(&Procfs::default(), std::process::id(), MAX_OF_HOST, &mut all) >= 40);
        let (last, _) = pairs.last().expect("twenty");
        assert!(all.iter().any(|held| (held.inode, held.fd) == (inode(last), last.as_raw_fd())), "{all:?}");
    }

    #[test]
    fn inodes_are_those_of_sockets_and_pipes_only() {
        assert_eq!(inode_in(b"socket:[12]"), Some(12));
        assert_eq!(inode_in(b"pipe:[7]"), Some(7));
        for other in ["/tmp/socket:[12]", "socket:[]", "socket:[x]", "pipe:[1", "anon_inode:[eventfd]"] {
            assert_eq!(inode_in(other.as_bytes()), None, "{other}");
        }
    }
}
