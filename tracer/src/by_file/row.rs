//! A row of what calls were on: what it is called, its figures, and which calls of whom are in it.

use std::sync::Arc;

use super::{FileKey, Part};
use crate::file::{FileId, Names};
use crate::human::safe_text;
use crate::interval::{CallKey, on};
use crate::process::Comm;
use crate::snapshot::{CallStats, Snapshot};

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file, socket or pipe.
    File {
        /// Of several files of one name the first.
        file: FileId,
        /// The descriptor; `None` where there were several.
        fd: Option<i32>,
        /// What it is called, as far as known.
        names: Names,
    },
    /// Whom sockets and pipes lead to.
    Peer {
        /// Its address, `10.0.0.9:*` for all ports that clients get by chance; empty where only its process is known.
        name: Box<[u8]>,
        /// Its process, where that is on this host; the first of several.
        process: Option<(u32, Comm)>,
        /// Whether there were other processes.
        has_others: bool,
    },
    /// See [`FileKey::OtherFiles`].
    OtherFiles,
    /// See [`FileKey::UnknownPeer`].
    UnknownPeer,
    /// See [`FileKey::NoPeer`].
    NoPeer,
    /// See [`FileKey::NoFile`].
    NoFile,
}

impl What {
    pub(super) fn merge(&mut self, other_fd: Option<i32>, other: &Names) {
        match self {
            Self::File { fd, names, .. } => {
                if *fd != other_fd {
                    *fd = None;
                }
                names.merge(other);
            }
            Self::Peer { process, has_others, .. } => {
                let known = other.known.as_ref().and_then(|known| known.peer.as_ref());
                if let Some(theirs) = known.and_then(|peer| peer.process) {
                    *has_others |= process.is_some_and(|mine| mine != theirs);
                    *process = Some(process.map_or(theirs, |mine| mine.min(theirs)));
                }
            }
            Self::OtherFiles | Self::UnknownPeer | Self::NoPeer | Self::NoFile => {}
        }
    }

    /// For tables and screens; safe to print.
    pub fn label(&self) -> String {
        match self {
            Self::File { file, names, .. } => names.label(*file),
            Self::Peer { name, process, has_others } => {
                let name = safe_text(name);
                let others = if *has_others { " and others" } else { "" };
                match process {
                    None => name,
                    Some((pid, comm)) if name.is_empty() => format!("{comm} {pid}"),
                    Some((pid, comm)) => format!("{name} ({comm} {pid}{others})"),
                }
            }
            Self::OtherFiles => "(more files than are told apart)".to_owned(),
            Self::UnknownPeer => "(peer not known)".to_owned(),
            Self::NoPeer => "(no socket or pipe)".to_owned(),
            Self::NoFile => "(no file)".to_owned(),
        }
    }
}

/// What calls came to. There are no percentiles but those of the coarse histograms that files have, and none of the rows that
/// stand for what is not told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// All calls, waiting ones included; without a histogram.
    pub all: CallStats,
    /// Those that do not wait by design.
    pub work: CallStats,
    /// Completed calls by latency.
    pub latencies: on::Latencies,
    /// Those that do not wait by design.
    pub work_latencies: on::Latencies,
    /// Whether one is open that should have returned long ago.
    pub is_stuck: bool,
}

impl Figures {
    pub(super) fn add(&mut self, part: &Part<'_>) {
        self.all.merge(&part.stats);
        on::add_latencies(&mut self.latencies, part.latencies);
        if !part.call.waits_by_design {
            self.work.merge(&part.stats);
            on::add_latencies(&mut self.work_latencies, part.latencies);
        }
        self.is_stuck |= part.is_stuck;
    }

    /// Latency below which `quantile` of all completed calls lie, see [`crate::interval::OnFile::quantile_ns`].
    pub fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        on::quantile_ns(&self.latencies, quantile, self.all.max_ns)
    }

    /// The same of those that do not wait by design.
    pub fn work_quantile_ns(&self, quantile: f64) -> Option<u64> {
        on::quantile_ns(&self.work_latencies, quantile, self.work.max_ns)
    }
}

/// All calls on one file, or to one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Which row.
    pub key: FileKey,
    /// The host it is on, where figures come from several.
    pub host: Option<Arc<str>>,
    /// What it is.
    pub what: What,
    /// Figures.
    pub figures: Figures,
    /// Which syscalls, most frequent first.
    pub calls: Vec<(CallKey, u64)>,
    /// Whose, most frequent first.
    pub comms: Vec<(Comm, u64)>,
    /// Which cells: indices of process and call in the snapshot, and calls.
    pub uses: Vec<((usize, usize), u64)>,
}

impl FileRow {
    pub(super) fn new(key: FileKey, host: Option<Arc<str>>, what: What) -> Self {
        Self {
            key,
            host,
            what,
            figures: Figures::default(),
            calls: Vec::new(),
            comms: Vec::new(),
            uses: Vec::new(),
        }
    }

    /// Says of its cells what they are of.
    pub(super) fn finish(&mut self, snapshot: &Snapshot) {
        let of = |&((process, call), calls): &((usize, usize), u64)| {
            let process = &snapshot.processes[process];
            (process.comm, process.calls[call].call, calls)
        };
        self.comms = most_frequent_first(self.uses.iter().map(of).map(|(comm, _, calls)| (comm, calls)));
        self.calls = most_frequent_first(self.uses.iter().map(of).map(|(_, call, calls)| (call, calls)));
    }

    /// Whether it is a file or peer, and not what is left of others.
    pub fn is_known(&self) -> bool {
        matches!(self.key, FileKey::Known(_))
    }

    /// With its host, where there are several; safe to print.
    pub fn label(&self) -> String {
        let host = self.host.as_ref().map(|host| format!("{}: ", safe_text(host.as_bytes())));
        host.unwrap_or_default() + &self.what.label()
    }
}

fn most_frequent_first<T: Ord + Copy>(each: impl Iterator<Item = (T, u64)>) -> Vec<(T, u64)> {
    let mut sums: Vec<(T, u64)> = each.collect();
    sums.sort_unstable_by_key(|(what, _)| *what);
    sums.dedup_by(|(what, count), (before, sum)| {
        let is_same = what == before;
        *sum += if is_same { *count } else { 0 };
        is_same
    });
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sums
}

/// The calls of one cell that are in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUse {
    /// Indices of process and call in the snapshot.
    pub place: (usize, usize),
    /// Figures.
    pub figures: Figures,
}
