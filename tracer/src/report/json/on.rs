//! What JSON Lines say of the files that calls were on, and of the peers that they led to.

use std::borrow::Cow;

use serde::Serialize;

use super::name::{Name, hex_of_no_text};
use super::{Total, is_false};
use crate::by_file::{FileRow, OnBy, What};
use crate::file::{FileId, Known, Names};
use crate::interval::{On, OnFile};
use crate::syscalls;

/// A file, and what it is called.
#[derive(Serialize)]
pub(super) struct FileFields<'a> {
    /// The descriptor; `null` where there were several.
    fd: Option<i32>,
    kind: &'static str,
    /// Of its file system, as `stat` shows it.
    major: u32,
    minor: u32,
    inode: u64,
    /// Path, or what stands for one; `null` where it is not known.
    name: Option<Cow<'a, str>>,
    /// Its exact bytes where it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    /// It had other names too.
    #[serde(skip_serializing_if = "is_false")]
    other_names: bool,
    /// Address at the other end of a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Cow<'a, str>>,
    /// The process at the other end, where it is on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_process: Option<PeerProcess>,
}

#[derive(Serialize)]
struct PeerProcess {
    pid: u32,
    #[serde(flatten)]
    name: Name,
}

impl<'a> FileFields<'a> {
    fn new(file: FileId, fd: Option<i32>, names: &'a Names) -> Self {
        let known: Option<&Known> = names.known.as_deref();
        let peer = known.and_then(|known| known.peer.as_ref());
        Self {
            fd,
            kind: file.kind.name(),
            major: file.dev >> 20,
            minor: file.dev & 0xf_ffff,
            inode: file.ino,
            name: known.map(|known| String::from_utf8_lossy(&known.name)),
            name_hex: known.and_then(|known| hex_of_no_text(&known.name)),
            other_names: names.has_others,
            peer: peer
                .filter(|peer| !peer.address.is_empty())
                .map(|peer| String::from_utf8_lossy(&peer.address)),
            peer_process: peer
                .and_then(|peer| peer.process)
                .map(|(pid, comm)| PeerProcess { pid, name: Name::new(comm) }),
        }
    }

    /// Of one call.
    pub(super) fn of_call(on: &'a On) -> Self {
        Self::new(on.file, Some(on.fd), &on.names)
    }
}

/// What the calls of a cell on one file came to.
#[derive(Serialize)]
pub(super) struct OnLine<'a> {
    #[serde(flatten)]
    file: FileFields<'a>,
    calls: u64,
    errors: u64,
    total_ns: u64,
    max_ns: u64,
    p99_ns: Option<u64>,
    bytes: u64,
}

impl<'a> OnLine<'a> {
    pub(super) fn new(row: &'a OnFile) -> Self {
        Self {
            file: FileFields::new(row.file, row.fd, &row.names),
            calls: row.calls,
            errors: row.errors,
            total_ns: row.total_ns,
            max_ns: row.max_ns,
            p99_ns: row.quantile_ns(0.99),
            bytes: row.bytes,
        }
    }
}

/// All calls on one file or to one peer, or what is left of others.
#[derive(Serialize)]
pub(super) struct FileLine<'a> {
    #[serde(flatten)]
    total: Total,
    /// `file` or `peer`.
    by: &'static str,
    /// `file`, `peer`, `other_files`, `unknown_peer`, `no_peer` or `no_file`.
    what: &'static str,
    /// Where figures of several hosts were put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(flatten)]
    file: Option<FileFields<'a>>,
    #[serde(flatten)]
    peer: Option<PeerFields<'a>>,
    calls: u64,
    errors: u64,
    in_flight: u64,
    total_ns: u64,
    max_ns: Option<u64>,
    p50_ns: Option<u64>,
    p99_ns: Option<u64>,
    bytes: u64,
    /// Over the whole time, in bytes.
    bytes_per_s: u64,
    /// Which calls, most frequent first.
    syscalls: Vec<SyscallCount>,
    /// Whose, most frequent first.
    processes: Vec<ProcessCount>,
}

#[derive(Serialize)]
struct PeerFields<'a> {
    /// `10.0.0.9:*` for all ports that clients get by chance; `null` where only the process is known.
    peer: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_process: Option<PeerProcess>,
    /// It was other processes too.
    #[serde(skip_serializing_if = "is_false")]
    other_processes: bool,
}

#[derive(Serialize)]
struct SyscallCount {
    syscall: Cow<'static, str>,
    calls: u64,
}

#[derive(Serialize)]
struct ProcessCount {
    #[serde(flatten)]
    name: Name,
    calls: u64,
}

impl<'a> FileLine<'a> {
    pub(super) fn new(total: Total, by: OnBy, row: &'a FileRow, elapsed_ns: u64) -> Self {
        let (figures, all) = (&row.figures, &row.figures.all);
        let (what, file, peer) = match &row.what {
            What::File { file, fd, names } => ("file", Some(FileFields::new(*file, *fd, names)), None),
            What::Peer { name, process, has_others } => {
                let peer = PeerFields {
                    peer: (!name.is_empty()).then(|| String::from_utf8_lossy(name)),
                    peer_process: process.map(|(pid, comm)| PeerProcess { pid, name: Name::new(comm) }),
                    other_processes: *has_others,
                };
                ("peer", None, Some(peer))
            }
            What::OtherFiles => ("other_files", None, None),
            What::UnknownPeer => ("unknown_peer", None, None),
            What::NoPeer => ("no_peer", None, None),
            What::NoFile => ("no_file", None, None),
        };
        let syscalls = row.calls.iter();
        let processes = row.comms.iter();
        Self {
            total,
            by: if by == OnBy::Peer { "peer" } else { "file" },
            what,
            host: row.host.as_deref(),
            file,
            peer,
            calls: all.calls,
            errors: all.errors,
            in_flight: all.in_flight,
            total_ns: all.total_ns,
            max_ns: (!figures.latencies.is_empty()).then_some(all.max_ns),
            p50_ns: figures.quantile_ns(0.5),
            p99_ns: figures.quantile_ns(0.99),
            bytes: all.sizes.bytes,
            bytes_per_s: (all.sizes.bytes as f64 * 1e9 / elapsed_ns.max(1) as f64) as u64,
            syscalls: syscalls
                .map(|&(call, calls)| SyscallCount { syscall: syscalls::name(call), calls })
                .collect(),
            processes: processes
                .map(|&(comm, calls)| ProcessCount { name: Name::new(comm), calls })
                .collect(),
        }
    }
}
