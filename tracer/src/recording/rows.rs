//! The rows that are no call: the whole of an interval recording, and what events leave to be said in one of
//! events. Column by column as `schema` has them.

use super::columns::{Flags, Lists, Numbers, Text};
use super::detail::{Detail, Details};
use super::encode::{Body, Shape};
use crate::histogram::Histogram;
use crate::interval::{CallKey, Cell, CellKey, InFlight};
use crate::process::{Comm, ProcessId, ProcessInfo};
use crate::syscalls;

/// Rows that are being gathered.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// See [`super::schema::clock_offset`].
    offset: u64,
    len: usize,
    kind: Text,
    time: Numbers<i64>,
    since: Numbers<i64>,
    pid: Numbers<u32>,
    process_start: Numbers<u64>,
    comm: Text,
    comm_bytes: Text,
    exited: Flags,
    tid: Numbers<u32>,
    abi: Text,
    nr: Numbers<i32>,
    syscall: Text,
    calls: Numbers<u64>,
    errors: Numbers<u64>,
    interrupted: Numbers<u64>,
    denied: Numbers<u64>,
    no_return: Numbers<u64>,
    died: Numbers<u64>,
    total: Numbers<u64>,
    min: Numbers<u64>,
    max: Numbers<u64>,
    errnos: Lists<u16>,
    errno_calls: Lists<u64>,
    buckets: Lists<u16>,
    bucket_calls: Lists<u64>,
    counter: Text,
    value: Numbers<u64>,
    text: Text,
    check: Numbers<u64>,
    details: Details,
}

/// One row; what is `None` stays empty.
#[derive(Default)]
pub(super) struct Row<'a> {
    pub(super) kind: &'static str,
    /// Like all moments here, ns since 1970.
    pub(super) time: i64,
    pub(super) since: Option<i64>,
    pub(super) process: Option<ProcessId>,
    pub(super) comm: Option<Comm>,
    pub(super) exited: Option<bool>,
    pub(super) tid: Option<u32>,
    pub(super) call: Option<CallKey>,
    pub(super) counter: Option<&'a str>,
    pub(super) value: Option<u64>,
    pub(super) text: Option<&'a str>,
    pub(super) check: Option<u64>,
    pub(super) detail: Detail<'a>,
}

/// What `text` says of an open call that was entered before anybody watched.
pub(super) const BEFORE_ATTACH: &str = "before";

impl Rows {
    /// None yet, of a recording with this offset of its clock.
    pub(super) fn new(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes held by lists, which have no bound by the number of rows.
    pub(super) fn list_bytes(&self) -> usize {
        10 * (self.errnos.items() + self.buckets.items()) + self.details.list_bytes()
    }

    /// What a cell counted; `than` is what is known of it otherwise, and left out. The extremes of a cell are
    /// those of the whole.
    pub(super) fn cell(&mut self, key: CellKey, comm: Option<Comm>, cell: &Cell, than: &Cell, time: i64) {
        self.figures(cell, than);
        self.push(&Row {
            kind: "cell",
            time,
            process: Some(key.process),
            comm,
            call: Some(key.call),
            detail: Detail::Cell(cell, than),
            ..Row::default()
        });
    }

    /// The differences are wrapping ones: in two's complement that is a negative number.
    fn figures(&mut self, cell: &Cell, than: &Cell) {
        self.calls.push(cell.calls.wrapping_sub(than.calls));
        self.errors.push(cell.error_count().wrapping_sub(than.error_count()));
        self.interrupted.push(cell.interrupted.wrapping_sub(than.interrupted));
        self.denied.push(cell.denied.wrapping_sub(than.denied));
        self.no_return.push(cell.no_return.wrapping_sub(than.no_return));
        self.died.push(cell.died.wrapping_sub(than.died));
        self.total.push(cell.total_ns.wrapping_sub(than.total_ns));
        let known = !cell.latencies.is_empty() || cell.min_ns != 0 || cell.max_ns != 0;
        self.min.push_option(known.then_some(cell.min_ns));
        self.max.push_option(known.then_some(cell.max_ns));
        let errors = |cell: &Cell| cell.errors.clone().into_iter().collect::<Vec<_>>();
        for (errno, calls) in differences(&errors(cell), &errors(than)) {
            self.errnos.add(errno);
            self.errno_calls.add(calls);
        }
        if than.latencies.is_empty() {
            for (bucket, calls) in cell.latencies.indexed() {
                self.buckets.add(bucket as u16);
                self.bucket_calls.add(calls);
            }
            return;
        }
        for (bucket, calls) in differences(&counts(&cell.latencies), &counts(&than.latencies)) {
            self.buckets.add(bucket);
            self.bucket_calls.add(calls);
        }
    }

    pub(super) fn process(&mut self, id: ProcessId, info: &ProcessInfo, as_of: i64, time: i64) {
        self.push(&Row {
            kind: "process",
            time,
            since: Some(as_of),
            process: Some(id),
            comm: Some(info.comm),
            exited: Some(info.exited),
            detail: Detail::Process(info),
            ..Row::default()
        });
    }

    pub(super) fn in_flight(&mut self, open: &InFlight, comm: Option<Comm>, since: i64, time: i64) {
        self.push(&Row {
            kind: "in_flight",
            time,
            since: Some(since),
            process: Some(open.process),
            comm,
            tid: Some(open.tid),
            call: Some(open.call),
            text: open.before_attach.then_some(BEFORE_ATTACH),
            detail: Detail::Open(open),
            ..Row::default()
        });
    }

    /// A row without figures of a cell, or the end of one with them.
    pub(super) fn push(&mut self, row: &Row) {
        self.len += 1;
        self.kind.push(row.kind);
        self.time.push(row.time);
        self.since.push_option(row.since);
        self.pid.push_option(row.process.map(|id| id.pid));
        self.process_start.push_option(row.process.map(|id| id.start_ns));
        self.push_comm(row.comm);
        self.exited.push(row.exited);
        self.tid.push_option(row.tid);
        if let Some(call) = row.call {
            self.abi.push(call.abi.name());
            self.nr.push(call.nr);
            self.syscall.push(syscalls::plain_name(call).as_bytes());
        } else {
            self.abi.push_null();
            self.nr.push_null();
            self.syscall.push_null();
        }
        if row.kind != "cell" {
            for column in [
                &mut self.calls,
                &mut self.errors,
                &mut self.interrupted,
                &mut self.denied,
                &mut self.no_return,
                &mut self.died,
                &mut self.total,
                &mut self.min,
                &mut self.max,
            ] {
                column.push_null();
            }
        }
        self.errnos.end_row();
        self.errno_calls.end_row();
        self.buckets.end_row();
        self.bucket_calls.end_row();
        push_text(&mut self.counter, row.counter);
        self.value.push_option(row.value);
        push_text(&mut self.text, row.text);
        self.check.push_option(row.check);
        let offset = self.offset;
        self.details.push(row.detail, |monotonic_ns| monotonic_ns.wrapping_add(offset) as i64);
    }

    /// The name as text, and its bytes where they are none.
    fn push_comm(&mut self, comm: Option<Comm>) {
        push_as_text(&mut self.comm, &mut self.comm_bytes, comm.as_ref().map(Comm::as_bytes));
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        for text in [&mut self.kind, &mut self.comm, &mut self.comm_bytes, &mut self.abi, &mut self.syscall]
            .into_iter()
            .chain([&mut self.counter, &mut self.text])
        {
            text.clear();
        }
        self.time.clear();
        self.since.clear();
        self.exited.clear();
        self.nr.clear();
        self.pid.clear();
        self.tid.clear();
        for numbers in [
            &mut self.process_start,
            &mut self.calls,
            &mut self.errors,
            &mut self.interrupted,
            &mut self.denied,
            &mut self.no_return,
            &mut self.died,
            &mut self.total,
            &mut self.min,
            &mut self.max,
            &mut self.value,
            &mut self.check,
        ] {
            numbers.clear();
        }
        self.errnos.clear();
        self.errno_calls.clear();
        self.buckets.clear();
        self.bucket_calls.clear();
        self.details.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.kind.encode(body);
        self.time.encode(body);
        self.since.encode(body);
        self.pid.encode(body);
        self.process_start.encode(body);
        self.comm.encode(body);
        self.comm_bytes.encode(body);
        self.exited.encode(body);
        self.tid.encode(body);
        self.abi.encode(body);
        self.nr.encode(body);
        self.syscall.encode(body);
        self.calls.encode(body);
        self.errors.encode(body);
        self.interrupted.encode(body);
        self.denied.encode(body);
        self.no_return.encode(body);
        self.died.encode(body);
        self.total.encode(body);
        self.min.encode(body);
        self.max.encode(body);
        self.errnos.encode(body, Shape::Plain);
        self.errno_calls.encode(body, Shape::Counts);
        self.buckets.encode(body, Shape::Plain);
        self.bucket_calls.encode(body, Shape::Counts);
        self.counter.encode(body);
        self.value.encode(body);
        self.text.encode(body);
        self.check.encode(body);
        self.details.encode(body);
    }
}

/// As text, and as bytes where they are none.
pub(super) fn push_as_text(text: &mut Text, raw: &mut Text, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (str::from_utf8(bytes), bytes)) {
        None => {
            text.push_null();
            raw.push_null();
        }
        Some((Ok(valid), _)) => {
            text.push(valid);
            raw.push_null();
        }
        Some((Err(_), bytes)) => {
            text.push(String::from_utf8_lossy(bytes).as_bytes());
            raw.push(bytes);
        }
    }
}

fn push_text(column: &mut Text, text: Option<&str>) {
    match text {
        Some(text) => column.push(text),
        None => column.push_null(),
    }
}

fn counts(histogram: &Histogram) -> Vec<(u16, u64)> {
    histogram.indexed().map(|(bucket, calls)| (bucket as u16, calls)).collect()
}

/// What `all` has more than `part`, wrapping, by key; both are sorted.
fn differences(all: &[(u16, u64)], part: &[(u16, u64)]) -> Vec<(u16, u64)> {
    let (mut all, mut part) = (all.iter().peekable(), part.iter().peekable());
    let mut found = Vec::new();
    loop {
        let key = match (all.peek(), part.peek()) {
            (None, None) => return found,
            (Some(&&(key, _)), None) | (None, Some(&&(key, _))) => key,
            (Some(&&(a, _)), Some(&&(b, _))) => a.min(b),
        };
        let in_all = all.next_if(|pair| pair.0 == key).map_or(0, |pair| pair.1);
        let in_part = part.next_if(|pair| pair.0 == key).map_or(0, |pair| pair.1);
        if in_all != in_part {
            found.push((key, in_all.wrapping_sub(in_part)));
        }
    }
}
