//! Which processes hold a socket or a pipe: a look at every descriptor of the host, so it is done rarely.

use std::fs;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::process::Comm;
use crate::targets::Procfs;

/// Descriptors that are looked at in one go.
const MAX_LOOKED_AT: usize = 200_000;

/// Holders of one inode that are kept.
const MAX_HOLDERS: usize = 4;

/// What was read lasts at least so long, and this many times as long as reading it took: a twentieth of a CPU.
const LASTS: Duration = Duration::from_millis(500);
const LASTS_TIMES: u32 = 20;

/// Who holds what.
#[derive(Debug, Default)]
pub(super) struct Holders {
    by_inode: FxHashMap<u64, Vec<u32>>,
    next: Option<Instant>,
}

impl Holders {
    /// A process that holds the socket or pipe with this inode, other than `not`; the first by PID.
    pub(super) fn of(&mut self, procfs: &Procfs, inode: u64, not: Option<u32>) -> Option<(u32, Comm)> {
        let find = |holders: &Self| {
            let pids = holders.by_inode.get(&inode)?;
            let pid = pids.iter().copied().filter(|&pid| Some(pid) != not).min()?;
            // It may have closed it since.
            Some((pid, procfs.comm_of(pid)?))
        };
        if let Some(found) = find(self) {
            return Some(found);
        }
        let began = Instant::now();
        if self.next.is_some_and(|next| began < next) {
            return None;
        }
        self.read(procfs);
        let ended = Instant::now();
        self.next = Some(ended + LASTS.max((ended - began) * LASTS_TIMES));
        find(self)
    }

    fn read(&mut self, procfs: &Procfs) {
        self.by_inode.clear();
        // We hold whatever we are asked about ourselves, while we look at it.
        let this = procfs.own_pid();
        let mut looked_at = 0;
        for process in procfs.processes().unwrap_or_default() {
            if Some(process.pid) == this {
                continue;
            }
            let Ok(descriptors) = fs::read_dir(procfs.file(process.pid, "fd")) else { continue };
            for descriptor in descriptors.flatten() {
                looked_at += 1;
                if looked_at > MAX_LOOKED_AT {
                    return;
                }
                let link = fs::read_link(descriptor.path()).unwrap_or_default();
                if let Some(inode) = inode_in(link.as_os_str().as_encoded_bytes()) {
                    let pids = self.by_inode.entry(inode).or_default();
                    if pids.len() < MAX_HOLDERS && !pids.contains(&process.pid) {
                        pids.push(process.pid);
                    }
                }
            }
        }
    }
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
    fn inodes_are_those_of_sockets_and_pipes_only() {
        assert_eq!(inode_in(b"socket:[12]"), Some(12));
        assert_eq!(inode_in(b"pipe:[7]"), Some(7));
        for other in ["/tmp/socket:[12]", "socket:[]", "socket:[x]", "pipe:[1", "anon_inode:[eventfd]"] {
            assert_eq!(inode_in(other.as_bytes()), None, "{other}");
        }
    }
}
