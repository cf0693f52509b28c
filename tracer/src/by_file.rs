//! The figures of all calls by what they were on: a row for each file, socket and pipe, or for each peer, of whatever
//! process and syscall. Nothing is left out: calls on no file, and those that a cell has more than the files it tells
//! apart, have rows of their own, so that the rows of a snapshot add up to it.

mod row;

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;

use rustc_hash::FxBuildHasher;
use tracer_common::bucket::upper_bound;

use crate::columns;
use crate::file::{FileId, FileKind, Names, Peer};
use crate::interval::{OnFile, Sizes, on};
use crate::process::Comm;
use crate::snapshot::{CallRow, CallStats, ProcessRow, Snapshot, within};
pub use row::{Figures, FileRow, FileUse, What};

/// Ports from here on are mostly given to clients by chance, the first of those that Linux gives: they tell connections
/// apart and not peers.
const FIRST_PORT_OF_CHANCE: u16 = 32_768;

/// What makes one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBy {
    /// A file, socket or pipe.
    #[default]
    File,
    /// Whom sockets and pipes lead to.
    Peer,
}

impl OnBy {
    /// What is said where there is no row; `has_args` says whether calls have their arguments.
    pub fn why_empty(self, has_args: bool) -> &'static str {
        match (self, has_args) {
            (Self::File, true) => "no call was on a file, socket or pipe yet",
            (Self::Peer, true) => "no call was on a socket or pipe yet",
            (_, false) => "no file is known: calls need their arguments for it (--args)",
        }
    }
}

/// Which row, from one snapshot to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKey {
    /// Of a file or peer: what is hashed of all that makes it one.
    Known(u64),
    /// Of cells with so many files that not all are told apart: the calls that are on none that is.
    OtherFiles,
    /// By peer: calls on sockets of which nothing is known, closed too soon most of them.
    UnknownPeer,
    /// By peer: calls on what is no socket and no pipe.
    NoPeer,
    /// Calls on no file: without a descriptor, with a number behind which there was none, or only counted under overload.
    NoFile,
}

/// What makes a row one, on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum One<'a> {
    /// A name, and the address at the other end.
    Named(&'a [u8], &'a [u8]),
    /// Something without a name of its own.
    Nameless(FileId),
    /// A peer by its address.
    Address(&'a [u8]),
    /// All peers of one host whose port is one of chance.
    Host(&'a [u8]),
    /// A peer by its process.
    Process(u32, Comm),
    OtherFiles,
    UnknownPeer,
    NoPeer,
    NoFile,
}

/// With the host it is on, where figures come from several.
type Group<'a> = (Option<&'a str>, One<'a>);

impl One<'_> {
    fn key(self, host: Option<&str>) -> FileKey {
        match self {
            One::OtherFiles => FileKey::OtherFiles,
            One::UnknownPeer => FileKey::UnknownPeer,
            One::NoPeer => FileKey::NoPeer,
            One::NoFile => FileKey::NoFile,
            known => FileKey::Known(FxBuildHasher.hash_one((host, known))),
        }
    }
}

/// A part of the calls of a cell.
struct Part<'a> {
    /// Index of the process, and of the call among its calls.
    place: (usize, usize),
    call: &'a CallRow,
    /// What they were on.
    on: Option<(FileId, Option<i32>, &'a Names)>,
    stats: CallStats,
    latencies: &'a [(u8, u64)],
    is_stuck: bool,
}

/// The rows of the processes that are wanted, in no order.
pub fn files(snapshot: &Snapshot, by: OnBy, wants: impl Fn(&ProcessRow) -> bool) -> Vec<FileRow> {
    let mut places: HashMap<Group<'_>, usize> = HashMap::new();
    let mut rows: Vec<FileRow> = Vec::new();
    each(snapshot, by, wants, |(host, one), part| {
        let at = *places.entry((host, one)).or_insert_with(|| {
            let host = snapshot.processes[part.place.0].host.clone();
            rows.push(FileRow::new(one.key(host.as_deref()), host, what(one, &part)));
            rows.len() - 1
        });
        let row = &mut rows[at];
        if let Some((_, fd, names)) = part.on {
            row.what.merge(fd, names);
        }
        row.figures.add(&part);
        match row.uses.last_mut() {
            Some((place, calls)) if *place == part.place => *calls += part.stats.calls,
            _ => row.uses.push((part.place, part.stats.calls)),
        }
    });
    rows.retain(|row| row.figures.all.calls > 0 || row.figures.all.in_flight > 0);
    for row in &mut rows {
        row.finish(snapshot);
    }
    rows
}

/// The rows of everybody: those on which most time was spent first, what is left of others last.
pub fn ranked(snapshot: &Snapshot, by: OnBy) -> Vec<FileRow> {
    let mut rows = files(snapshot, by, |_| true);
    rows.sort_by_cached_key(|row| {
        let all = &row.figures.all;
        (!row.is_known(), std::cmp::Reverse((all.total_ns, all.calls)), row.label(), row.key)
    });
    rows
}

/// Which calls of whom make up one of the rows: the rows of what [`files`] has under `key`.
pub fn uses(
    snapshot: &Snapshot,
    by: OnBy,
    wants: impl Fn(&ProcessRow) -> bool,
    key: FileKey,
) -> Vec<FileUse> {
    let mut uses: Vec<FileUse> = Vec::new();
    each(snapshot, by, wants, |(host, one), part| {
        if one.key(host) != key {
            return;
        }
        // All parts of a cell come one after the other.
        if uses.last().is_none_or(|last| last.place != part.place) {
            uses.push(FileUse { place: part.place, figures: Figures::default() });
        }
        if let Some(last) = uses.last_mut() {
            last.figures.add(&part);
        }
    });
    uses.retain(|row| row.figures.all.calls > 0 || row.figures.all.in_flight > 0);
    uses
}

fn each<'a>(
    snapshot: &'a Snapshot,
    by: OnBy,
    wants: impl Fn(&ProcessRow) -> bool,
    mut take: impl FnMut(Group<'a>, Part<'a>),
) {
    for (p, process) in snapshot.processes.iter().enumerate().filter(|(_, process)| wants(process)) {
        let host = process.host.as_deref();
        for (c, call) in process.calls.iter().enumerate() {
            let none = || Part {
                place: (p, c),
                call,
                on: None,
                stats: CallStats::default(),
                latencies: &[],
                is_stuck: false,
            };
            let mut rest = rest_of(call);
            for row in call.on.iter() {
                let stats = stats_of(call, row, snapshot.recent_ns);
                rest.recent_calls = rest.recent_calls.saturating_sub(stats.recent_calls);
                rest.recent_errors = rest.recent_errors.saturating_sub(stats.recent_errors);
                rest.recent_total_ns = rest.recent_total_ns.saturating_sub(stats.recent_total_ns);
                rest.recent_busy_ns = rest.recent_busy_ns.saturating_sub(stats.recent_busy_ns);
                rest.recent_bytes = rest.recent_bytes.saturating_sub(stats.recent_bytes);
                let on = Some((row.file, row.fd, &row.names));
                let part = Part { on, stats, latencies: &row.latencies, ..none() };
                take((host, one_of(by, row.file, &row.names)), part);
            }
            let other = if on::is_full(&call.on) { One::OtherFiles } else { One::NoFile };
            if rest.calls > 0 {
                take((host, other), Part { stats: rest, ..none() });
            }
            for open in &call.in_flight {
                let age_ns = snapshot.end_ns.saturating_sub(open.enter_ns);
                let stats = CallStats { in_flight: 1, oldest_in_flight_ns: age_ns, ..CallStats::default() };
                let part = Part { stats, is_stuck: columns::is_stuck_for(call, age_ns), ..none() };
                let Some(open) = &open.on else {
                    take((host, other), part);
                    continue;
                };
                // What calls that ended say of the file is never less.
                let known = call.on.binary_search_by_key(&open.file, |row| row.file);
                let names = known.map_or(&open.names, |at| &call.on[at].names);
                let on = Some((open.file, Some(open.fd), names));
                take((host, one_of(by, open.file, names)), Part { on, ..part });
            }
        }
    }
}

/// Figures of the calls of a cell on one file, the last interval of which was `recent_ns` long.
fn stats_of(call: &CallRow, row: &OnFile, recent_ns: u64) -> CallStats {
    let recent = call.recent_on.binary_search_by_key(&row.file, |recent| recent.file);
    let recent = recent.ok().map(|at| &call.recent_on[at]);
    let recently = |of: fn(&OnFile) -> u64| recent.map_or(0, of);
    CallStats {
        calls: row.calls,
        errors: row.errors,
        total_ns: row.total_ns,
        max_ns: row.max_ns,
        sizes: Sizes { bytes: row.bytes, ..Sizes::default() },
        recent_calls: recently(|row| row.calls),
        recent_errors: recently(|row| row.errors),
        recent_total_ns: recently(|row| row.total_ns),
        recent_busy_ns: recent.map_or(0, |row| busy_ns(row, recent_ns)),
        recent_bytes: recently(|row| row.bytes),
        ..CallStats::default()
    }
}

/// How much of its time can lie in an interval of `span_ns`.
fn busy_ns(row: &OnFile, span_ns: u64) -> u64 {
    let most_ns = |index: u16| upper_bound(usize::from(index), on::GROUPING_POWER);
    let latencies = row.latencies.iter().map(|&(index, calls)| (most_ns(index.into()), calls));
    let completed: u64 = row.latencies.iter().map(|&(_, calls)| calls).sum();
    within(span_ns, row.total_ns, latencies, row.calls.saturating_sub(completed))
}

/// What a cell has more than its files since the start; of the last interval still everything.
fn rest_of(call: &CallRow) -> CallStats {
    let all = &call.stats;
    let more = |all: u64, of: fn(&OnFile) -> u64| all.saturating_sub(call.on.iter().map(of).sum());
    CallStats {
        calls: more(all.calls, |row| row.calls),
        errors: more(all.errors, |row| row.errors),
        total_ns: more(all.total_ns, |row| row.total_ns),
        sizes: Sizes { bytes: more(all.sizes.bytes, |row| row.bytes), ..Sizes::default() },
        recent_calls: all.recent_calls,
        recent_errors: all.recent_errors,
        recent_total_ns: all.recent_total_ns,
        recent_busy_ns: all.recent_busy_ns,
        recent_bytes: all.recent_bytes,
        ..CallStats::default()
    }
}

/// In which row a file's calls are counted.
fn one_of(by: OnBy, file: FileId, names: &Names) -> One<'_> {
    let known = names.known.as_deref();
    let peer = known.and_then(|known| known.peer.as_ref());
    if by == OnBy::Peer {
        if !matches!(file.kind, FileKind::Socket | FileKind::Pipe) {
            return One::NoPeer;
        }
        if known.is_none() && file.kind == FileKind::Socket {
            return One::UnknownPeer;
        }
        if let Some(Peer { address, process }) = peer {
            match (host_of_chance(address), process) {
                (None, _) if !address.is_empty() => return One::Address(address),
                (_, Some((pid, comm))) => return One::Process(*pid, *comm),
                (Some(host), None) => return One::Host(host),
                (None, None) => {}
            }
        }
    }
    let address = peer.map_or(&[][..], |peer| &peer.address);
    match known {
        // Every socket without a path is called so.
        Some(known) if !(known.name.starts_with(b"unix") && known.name.len() == 4) => {
            One::Named(&known.name, address)
        }
        _ => One::Nameless(file),
    }
}

/// Of an address whose port is one of chance, the part before the port.
fn host_of_chance(address: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(address).ok()?;
    let is_by_chance = text.parse::<SocketAddr>().is_ok_and(|address| address.port() >= FIRST_PORT_OF_CHANCE);
    Some(text.rsplit_once(':').filter(|_| is_by_chance)?.0.as_bytes())
}

fn what(one: One<'_>, part: &Part<'_>) -> What {
    let peer = |name: &[u8]| What::Peer { name: name.into(), process: None, has_others: false };
    match (one, part.on) {
        (One::OtherFiles, _) => What::OtherFiles,
        (One::UnknownPeer, _) => What::UnknownPeer,
        (One::NoPeer, _) => What::NoPeer,
        (One::NoFile, _) | (_, None) => What::NoFile,
        (One::Address(address), _) => peer(address),
        (One::Host(host), _) => peer(&[host, b":*"].concat()),
        (One::Process(..), _) => peer(b""),
        (One::Named(..) | One::Nameless(_), Some((file, fd, names))) => {
            What::File { file, fd, names: names.clone() }
        }
    }
}

#[cfg(test)]
mod tests;
