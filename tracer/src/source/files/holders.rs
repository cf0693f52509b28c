//! Which processes hold a socket or a pipe: a look at every descriptor of a process, or of the host, so it is done rarely.

use std::fs;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::bpf::sys;
use crate::process::Comm;
use crate::targets::Procfs;

/// Descriptors that are looked at in one go, and most that are kept.
const MAX_LOOKED_AT: usize = 200_000;

/// Holders of one inode that are kept.
const MAX_HOLDERS: usize = 4;

/// Processes whose own last look is remembered.
const MAX_PROCESSES: usize = 256;

/// Nothing is looked at again before this many times the CPU time that it took: a twentieth of a CPU.
const LASTS_TIMES: u32 = 20;
/// And not before this, for the whole host and for one process.
const HOST_LASTS: Duration = Duration::from_millis(500);
const PROCESS_LASTS: Duration = Duration::from_millis(50);

/// Who holds what.
#[derive(Debug, Default)]
pub(super) struct Holders {
    by_inode: FxHashMap<u64, Vec<u32>>,
    /// When the host may be looked at again.
    host: Option<Instant>,
    /// When a process may be.
    processes: FxHashMap<u32, Instant>,
}

impl Holders {
    /// A process of the host that holds the socket or pipe with this inode, other than `not`; the first by PID.
    pub(super) fn of(&mut self, procfs: &Procfs, inode: u64, not: Option<u32>) -> Option<(u32, Comm)> {
        self.find(procfs, inode, not).or_else(|| {
            self.look_at_host(procfs);
            self.find(procfs, inode, not)
        })
    }

    /// Process `pid`, if it holds the one with this inode. Its descriptors are few beside those of the host.
    pub(super) fn in_process(&mut self, procfs: &Procfs, inode: u64, pid: u32) -> Option<(u32, Comm)> {
        self.find(procfs, inode, None).or_else(|| {
            self.look_at_process(procfs, pid);
            self.find(procfs, inode, None)
        })
    }

    fn find(&self, procfs: &Procfs, inode: u64, not: Option<u32>) -> Option<(u32, Comm)> {
        let pids = self.by_inode.get(&inode)?;
        let pid = pids.iter().copied().filter(|&pid| Some(pid) != not).min()?;
        // It may have closed it since.
        Some((pid, procfs.comm_of(pid)?))
    }

    fn look_at_process(&mut self, procfs: &Procfs, pid: u32) {
        if self.processes.get(&pid).is_some_and(|&next| Instant::now() < next) {
            return;
        }
        if self.by_inode.len() >= MAX_LOOKED_AT {
            self.by_inode.clear();
        }
        let began_ns = sys::thread_cpu_ns();
        self.read(procfs, pid, &mut 0);
        if self.processes.len() >= MAX_PROCESSES {
            self.processes.clear();
        }
        self.processes.insert(pid, next(began_ns, PROCESS_LASTS));
    }

    fn look_at_host(&mut self, procfs: &Procfs) {
        if self.host.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let began_ns = sys::thread_cpu_ns();
        self.by_inode.clear();
        // We hold whatever we are asked about ourselves, while we look at it.
        let this = procfs.own_pid();
        let mut looked_at = 0;
        for process in procfs.processes().unwrap_or_default() {
            if Some(process.pid) != this {
                self.read(procfs, process.pid, &mut looked_at);
            }
        }
        self.host = Some(next(began_ns, HOST_LASTS));
    }

    fn read(&mut self, procfs: &Procfs, pid: u32, looked_at: &mut usize) {
        let Ok(descriptors) = fs::read_dir(procfs.file(pid, "fd")) else { return };
        for descriptor in descriptors.flatten() {
            if *looked_at >= MAX_LOOKED_AT {
                return;
            }
            *looked_at += 1;
            let link = fs::read_link(descriptor.path()).unwrap_or_default();
            if let Some(inode) = inode_in(link.as_os_str().as_encoded_bytes()) {
                let pids = self.by_inode.entry(inode).or_default();
                if pids.len() < MAX_HOLDERS && !pids.contains(&pid) {
                    pids.push(pid);
                }
            }
        }
    }
}

/// When what was begun at this CPU time may be done again. On a busy host a look lasts longer than it costs.
fn next(began_ns: u64, least: Duration) -> Instant {
    let cost = Duration::from_nanos(sys::thread_cpu_ns().saturating_sub(began_ns));
    Instant::now() + least.max(cost * LASTS_TIMES)
}

/// The inode of `socket:[123]` or `pipe:[123]`.
fn inode_in(link: &[u8]) -> Option<u64> {
    let rest = link.strip_prefix(b"socket:[").or_else(|| link.strip_prefix(b"pipe:["))?;
    str::from_utf8(rest.strip_suffix(b"]")?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_looked_at_while_the_host_may_not_be() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let this = std::process::id();
        let link = fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&socket)));
        let inode = inode_in(link.expect("it is open").as_os_str().as_encoded_bytes()).expect("a socket");
        let procfs = Procfs::default();
        let mut holders =
            Holders { host: Some(Instant::now() + Duration::from_mins(1)), ..Holders::default() };
        assert_eq!(holders.of(&procfs, inode, None), None, "nothing was looked at");
        assert_eq!(holders.in_process(&procfs, inode, this).map(|(pid, _)| pid), Some(this));
        assert_eq!(holders.of(&procfs, inode, Some(this)), None, "nobody else has it");
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
