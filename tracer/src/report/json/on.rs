//! What JSON Lines say of the files that calls were on.

use std::borrow::Cow;

use serde::Serialize;

use super::is_false;
use super::name::{Name, hex_of_no_text};
use crate::file::{FileId, Known, Names};
use crate::interval::{On, OnFile};

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
