//! The columns that say what calls were on: for each row a list of files with figures and names. Figures of a cell are
//! those of the whole, and of an open call there is one file without any.

use std::sync::Arc;

use arrow_buffer::ArrowNativeType;
use tracer_common::bucket;

use super::batch::{Column, Damage};
use super::columns::{Lists, TextLists};
use super::encode::{Body, Shape};
use super::reader::nonsense;
use super::schema::row;
use crate::file::{FileId, FileKind, Known, MAX_NAME_BYTES, Names, Peer};
use crate::interval::on::{GROUPING_POWER, MAX_FILES};
use crate::interval::{On, OnFile};
use crate::process::Comm;

/// What a descriptor is written as where there were several.
const SEVERAL: i32 = -1;

/// The columns, while they are being gathered.
#[derive(Debug, Default)]
pub(super) struct OnColumns {
    kinds: Lists<u16>,
    devs: Lists<u32>,
    inodes: Lists<u64>,
    fds: Lists<i32>,
    calls: Lists<u64>,
    errors: Lists<u64>,
    totals: Lists<u64>,
    maxima: Lists<u64>,
    bytes: Lists<u64>,
    /// How many of the buckets are each file's.
    spreads: Lists<u16>,
    buckets: Lists<u16>,
    bucket_calls: Lists<u64>,
    names: TextLists,
    has_others: Lists<u16>,
    peers: TextLists,
    peer_pids: Lists<u32>,
    peer_comms: TextLists,
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
        self.kinds.add(row.file.kind as u16);
        self.devs.add(row.file.dev);
        self.inodes.add(row.file.ino);
        self.fds.add(row.fd.unwrap_or(SEVERAL));
        self.calls.add(row.calls);
        self.errors.add(row.errors);
        self.totals.add(row.total_ns);
        self.maxima.add(row.max_ns);
        self.bytes.add(row.bytes);
        self.spreads.add(row.latencies.len() as u16);
        for &(bucket, calls) in &row.latencies {
            self.buckets.add(u16::from(bucket));
            self.bucket_calls.add(calls);
        }
        let known = row.names.known.as_deref();
        let peer = known.and_then(|known| known.peer.as_ref());
        let process = peer.and_then(|peer| peer.process.as_ref());
        let name: &[u8] = known.map_or(b"", |known| &known.name);
        let address: &[u8] = peer.map_or(b"", |peer| &peer.address);
        self.names.add(name);
        self.has_others.add(u16::from(row.names.has_others));
        self.peers.add(address);
        self.peer_pids.add(process.map_or(0, |process| process.0));
        self.peer_comms.add(process.map_or(b"", |process| process.1.as_bytes()));
        self.text_bytes += name.len() + address.len();
    }

    pub(super) fn end_row(&mut self) {
        self.kinds.end_row();
        self.devs.end_row();
        self.inodes.end_row();
        self.fds.end_row();
        for numbers in self.wide() {
            numbers.end_row();
        }
        self.spreads.end_row();
        self.buckets.end_row();
        self.names.end_row();
        self.has_others.end_row();
        self.peers.end_row();
        self.peer_pids.end_row();
        self.peer_comms.end_row();
    }

    fn wide(&mut self) -> [&mut Lists<u64>; 6] {
        [
            &mut self.calls,
            &mut self.errors,
            &mut self.totals,
            &mut self.maxima,
            &mut self.bytes,
            &mut self.bucket_calls,
        ]
    }

    pub(super) fn clear(&mut self) {
        self.kinds.clear();
        self.devs.clear();
        self.inodes.clear();
        self.fds.clear();
        for numbers in self.wide() {
            numbers.clear();
        }
        self.spreads.clear();
        self.buckets.clear();
        self.names.clear();
        self.has_others.clear();
        self.peers.clear();
        self.peer_pids.clear();
        self.peer_comms.clear();
        self.text_bytes = 0;
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.kinds.encode(body, Shape::Plain);
        self.devs.encode(body, Shape::Plain);
        self.inodes.encode(body, Shape::Plain);
        self.fds.encode(body, Shape::Plain);
        self.calls.encode(body, Shape::Counts);
        self.errors.encode(body, Shape::Counts);
        self.totals.encode(body, Shape::Plain);
        self.maxima.encode(body, Shape::Plain);
        self.bytes.encode(body, Shape::Plain);
        self.spreads.encode(body, Shape::Plain);
        self.buckets.encode(body, Shape::Plain);
        self.bucket_calls.encode(body, Shape::Counts);
        self.names.encode(body);
        self.has_others.encode(body, Shape::Plain);
        self.peers.encode(body);
        self.peer_pids.encode(body, Shape::Plain);
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
    let kinds: &[u16] = items(columns, row::ON_KINDS, at);
    if kinds.len() > MAX_FILES {
        return Err(nonsense());
    }
    let of = Items { columns, at, len: kinds.len() };
    let (devs, inodes, fds): (&[u32], &[u64], &[i32]) =
        (of.numbers(row::ON_DEVS)?, of.numbers(row::ON_INODES)?, of.numbers(row::ON_FDS)?);
    let wide = |index| of.numbers::<u64>(index);
    let (calls, errors, totals) = (wide(row::ON_CALLS)?, wide(row::ON_ERRORS)?, wide(row::ON_TOTALS)?);
    let (maxima, bytes) = (wide(row::ON_MAXIMA)?, wide(row::ON_BYTES)?);
    let (spreads, others): (&[u16], &[u16]) =
        (of.numbers(row::ON_SPREADS)?, of.numbers(row::ON_OTHER_NAMES)?);
    let pids: &[u32] = of.numbers(row::ON_PEER_PIDS)?;
    let buckets: &[u16] = items(columns, row::ON_BUCKETS, at);
    let counts: &[u64] = items(columns, row::ON_BUCKET_CALLS, at);
    if buckets.len() != counts.len() {
        return Err(nonsense());
    }
    let mut pairs = buckets.iter().zip(counts);
    let mut rows = Vec::with_capacity(kinds.len());
    for index in 0..kinds.len() {
        let kind = FileKind::from_number(u32::from(kinds[index])).ok_or_else(nonsense)?;
        let file = FileId { kind, dev: devs[index], ino: inodes[index] };
        let mut latencies = Vec::with_capacity(usize::from(spreads[index]).min(buckets.len()));
        let mut completed = 0u64;
        for _ in 0..spreads[index] {
            let (&bucket, &count) = pairs.next().ok_or_else(nonsense)?;
            let bucket = u8::try_from(bucket).map_err(|_| nonsense())?;
            let is_rising = latencies.last().is_none_or(|&(last, _)| last < bucket);
            completed = completed.checked_add(count).ok_or_else(nonsense)?;
            if !is_rising || count == 0 || usize::from(bucket) >= bucket::buckets(GROUPING_POWER) {
                return Err(nonsense());
            }
            latencies.push((bucket, count));
        }
        if completed > calls[index] || errors[index] > calls[index] {
            return Err(nonsense());
        }
        rows.push(OnFile {
            file,
            fd: Some(fds[index]).filter(|&fd| fd != SEVERAL),
            names: names(&of, index, others[index] != 0, pids[index])?,
            calls: calls[index],
            errors: errors[index],
            total_ns: totals[index],
            max_ns: maxima[index],
            bytes: bytes[index],
            latencies,
        });
    }
    let is_rising = rows.windows(2).all(|pair| pair[0].file < pair[1].file);
    if is_rising && pairs.next().is_none() { Ok(rows) } else { Err(nonsense()) }
}

fn names(of: &Items, index: usize, has_others: bool, pid: u32) -> Result<Names, Damage> {
    let (name, address) = (of.bytes(row::ON_NAMES, index)?, of.bytes(row::ON_PEERS, index)?);
    if name.is_empty() {
        return Ok(Names::default());
    }
    let comm = of.bytes(row::ON_PEER_COMMS, index)?;
    if name.len() > MAX_NAME_BYTES || address.len() > MAX_NAME_BYTES {
        return Err(nonsense());
    }
    let process = (pid != 0).then(|| (pid, Comm::new(comm)));
    let peer = (process.is_some() || !address.is_empty()).then(|| Peer { address: address.into(), process });
    Ok(Names { known: Some(Arc::new(Known { name: name.into(), peer })), has_others })
}

/// The lists of one row, which have one length.
struct Items<'a> {
    columns: &'a [Column],
    at: usize,
    len: usize,
}

impl<'a> Items<'a> {
    fn numbers<T: ArrowNativeType>(&self, index: usize) -> Result<&'a [T], Damage> {
        let found = items(self.columns, index, self.at);
        if found.len() == self.len { Ok(found) } else { Err(nonsense()) }
    }

    fn bytes(&self, index: usize, item: usize) -> Result<&'a [u8], Damage> {
        let column = self.columns.get(index).ok_or_else(nonsense)?;
        let (start, end) = column.range(self.at);
        if end - start != self.len {
            return Err(nonsense());
        }
        column.item_bytes(start + item).ok_or_else(nonsense)
    }
}

fn items<T: ArrowNativeType>(columns: &[Column], index: usize, at: usize) -> &[T] {
    columns.get(index).map_or(&[], |column| column.list(at))
}
