//! The column that says what calls were on: for each row a list of files with figures and names. Figures of a cell are
//! those of the whole, and of an open call there is one file without any.

use std::sync::Arc;

use tracer_common::bucket;

use super::batch::{Column, Damage, Structures};
use super::columns::{Ends, Numbers, Text};
use super::encode::{Body, Shape};
use super::reader::nonsense;
use super::schema::{on, on_bucket, row};
use crate::file::{FileId, FileKind, Known, MAX_NAME_BYTES, Names, Peer};
use crate::interval::on::{GROUPING_POWER, MAX_FILES};
use crate::interval::{On, OnFile};
use crate::process::Comm;

/// What a descriptor is written as where there were several.
const SEVERAL: i32 = -1;

/// The column, while it is being gathered.
#[derive(Debug, Default)]
pub(super) struct OnColumns {
    ends: Ends,
    kinds: Numbers<u16>,
    devs: Numbers<u32>,
    inodes: Numbers<u64>,
    fds: Numbers<i32>,
    calls: Numbers<u64>,
    errors: Numbers<u64>,
    totals: Numbers<u64>,
    maxima: Numbers<u64>,
    bytes: Numbers<u64>,
    latencies: Ends,
    buckets: Numbers<u16>,
    bucket_calls: Numbers<u64>,
    names: Text,
    has_others: Numbers<u16>,
    peers: Text,
    peer_pids: Numbers<u32>,
    peer_comms: Text,
    /// Bytes of names.
    text_bytes: usize,
}

impl OnColumns {
    /// Bytes held by lists.
    pub(super) fn list_bytes(&self) -> usize {
        80 * self.kinds.items() + 10 * self.buckets.items() + self.text_bytes
    }

    /// Adds to the list of the row that [`OnColumns::end_row`] ends.
    pub(super) fn add(&mut self, row: &OnFile) {
        self.kinds.push(row.file.kind as u16);
        self.devs.push(row.file.dev);
        self.inodes.push(row.file.ino);
        self.fds.push(row.fd.unwrap_or(SEVERAL));
        self.calls.push(row.calls);
        self.errors.push(row.errors);
        self.totals.push(row.total_ns);
        self.maxima.push(row.max_ns);
        self.bytes.push(row.bytes);
        for &(bucket, calls) in &row.latencies {
            self.buckets.push(u16::from(bucket));
            self.bucket_calls.push(calls);
        }
        self.latencies.push(self.buckets.items());
        let known = row.names.known.as_deref();
        let peer = known.and_then(|known| known.peer.as_ref());
        debug_assert!(known.is_none_or(|known| !known.name.is_empty()), "what a reader would take for none");
        debug_assert!(peer.is_none_or(|peer| Peer::new(&*peer.address, peer.process).is_some()), "and this");
        let process = peer.and_then(|peer| peer.process.as_ref());
        let name: &[u8] = known.map_or(b"", |known| &known.name);
        let address: &[u8] = peer.map_or(b"", |peer| &peer.address);
        self.names.push(name);
        self.has_others.push(u16::from(row.names.has_others));
        self.peers.push(address);
        self.peer_pids.push(process.map_or(0, |process| process.0));
        self.peer_comms.push(process.map_or(&b""[..], |process| process.1.as_bytes()));
        self.text_bytes += name.len() + address.len();
    }

    pub(super) fn end_row(&mut self) {
        self.ends.push(self.kinds.items());
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.kinds.clear();
        self.devs.clear();
        self.inodes.clear();
        self.fds.clear();
        let wide = [&mut self.calls, &mut self.errors, &mut self.totals, &mut self.maxima, &mut self.bytes];
        wide.into_iter().for_each(Numbers::clear);
        self.latencies.clear();
        self.buckets.clear();
        self.bucket_calls.clear();
        self.names.clear();
        self.has_others.clear();
        self.peers.clear();
        self.peer_pids.clear();
        self.peer_comms.clear();
        self.text_bytes = 0;
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.ends.encode_structures(body);
        self.kinds.encode(body);
        self.devs.encode(body);
        self.inodes.encode(body);
        self.fds.encode(body);
        self.calls.encode_as(body, Shape::Counts);
        self.errors.encode_as(body, Shape::Counts);
        self.totals.encode(body);
        self.maxima.encode(body);
        self.bytes.encode(body);
        self.latencies.encode_structures(body);
        self.buckets.encode(body);
        self.bucket_calls.encode_as(body, Shape::Counts);
        self.names.encode(body);
        self.has_others.encode(body);
        self.peers.encode(body);
        self.peer_pids.encode(body);
        self.peer_comms.encode(body);
    }
}

/// What an open call is on, as a row without figures.
pub(super) fn without_figures(on: &On) -> OnFile {
    OnFile { names: on.names.clone(), ..OnFile::new(on.file, on.fd) }
}

/// What the open call in row `at` is on.
pub(super) fn take_open(columns: &[Column], at: usize) -> Result<Option<On>, Damage> {
    let mut rows = take(columns, at)?;
    match (rows.pop(), rows.pop()) {
        (None, _) => Ok(None),
        (Some(OnFile { file, fd: Some(fd), names, .. }), None) => Ok(Some(On { fd, file, names })),
        _ => Err(nonsense()),
    }
}

/// The files in row `at`, by identity.
pub(super) fn take(columns: &[Column], at: usize) -> Result<Vec<OnFile>, Damage> {
    let Some(list) = columns.get(row::ON).map(|column| column.structures(at)) else { return Ok(Vec::new()) };
    if list.len() == 0 {
        return Ok(Vec::new());
    }
    if list.len() > MAX_FILES {
        return Err(nonsense());
    }
    let wide = |part: usize| list.numbers::<u64>(part).ok_or_else(nonsense);
    let short = |part: usize| list.numbers::<u16>(part).ok_or_else(nonsense);
    let (kinds, others) = (short(on::KIND)?, short(on::OTHER_NAMES)?);
    let devs: &[u32] = list.numbers(on::DEVICE).ok_or_else(nonsense)?;
    let fds: &[i32] = list.numbers(on::FD).ok_or_else(nonsense)?;
    let pids: &[u32] = list.numbers(on::PEER_PID).ok_or_else(nonsense)?;
    let (inodes, calls, errors) = (wide(on::INODE)?, wide(on::CALLS)?, wide(on::ERRORS)?);
    let (totals, maxima, bytes) = (wide(on::TOTAL)?, wide(on::MAX)?, wide(on::BYTES)?);
    let (latencies, start) = list.part(on::LATENCIES).ok_or_else(nonsense)?;
    let mut rows = Vec::with_capacity(kinds.len());
    for index in 0..kinds.len() {
        let kind = FileKind::from_number(u32::from(kinds[index])).ok_or_else(nonsense)?;
        let file = FileId { kind, dev: devs[index], ino: inodes[index] };
        let (latencies, completed) = spread(latencies.structures(start + index))?;
        if completed > calls[index] || errors[index] > calls[index] {
            return Err(nonsense());
        }
        rows.push(OnFile {
            file,
            fd: Some(fds[index]).filter(|&fd| fd != SEVERAL),
            names: names(list, index, others[index] != 0, pids[index])?,
            calls: calls[index],
            errors: errors[index],
            total_ns: totals[index],
            max_ns: maxima[index],
            bytes: bytes[index],
            latencies,
        });
    }
    let is_rising = rows.windows(2).all(|pair| pair[0].file < pair[1].file);
    if is_rising { Ok(rows) } else { Err(nonsense()) }
}

/// Completed calls by bucket, and all of them.
fn spread(list: Structures<'_>) -> Result<(Vec<(u8, u64)>, u64), Damage> {
    let buckets: &[u16] = list.numbers(on_bucket::BUCKET).ok_or_else(nonsense)?;
    let counts: &[u64] = list.numbers(on_bucket::CALLS).ok_or_else(nonsense)?;
    let most = bucket::buckets(GROUPING_POWER);
    let mut latencies = Vec::with_capacity(buckets.len().min(most));
    let mut completed = 0u64;
    for (&bucket, &count) in buckets.iter().zip(counts) {
        let bucket = u8::try_from(bucket).map_err(|_| nonsense())?;
        let is_rising = latencies.last().is_none_or(|&(last, _)| last < bucket);
        completed = completed.checked_add(count).ok_or_else(nonsense)?;
        if !is_rising || count == 0 || usize::from(bucket) >= most {
            return Err(nonsense());
        }
        latencies.push((bucket, count));
    }
    Ok((latencies, completed))
}

fn names(list: Structures<'_>, index: usize, has_others: bool, pid: u32) -> Result<Names, Damage> {
    let bytes = |part: usize| {
        let (column, start) = list.part(part).ok_or_else(nonsense)?;
        column.bytes(start + index).ok_or_else(nonsense)
    };
    let (name, address) = (bytes(on::NAME)?, bytes(on::PEER)?);
    if name.is_empty() {
        return Ok(Names::default());
    }
    let comm = bytes(on::PEER_COMM)?;
    if name.len() > MAX_NAME_BYTES || address.len() > MAX_NAME_BYTES {
        return Err(nonsense());
    }
    let process = (pid != 0).then(|| (pid, Comm::new(comm)));
    Ok(Names {
        known: Some(Arc::new(Known { name: name.into(), peer: Peer::new(address, process) })),
        has_others,
    })
}
