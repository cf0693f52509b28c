//! The rows that are no call: the whole of an interval recording, and what events leave to be said in one of
//! events. Column by column as `schema` has them.

use super::buckets::Buckets;
use super::columns::{Ends, Numbers, Text};
use super::encode::Body;
use super::examples::Examples;
use super::note::{Note, Notes};
use super::on::{self, OnColumns};
use super::process::{Processes, Said};
use super::schema;
use super::single::{Call, Calls};
use super::stacks::Stacks;
use crate::histogram::Histogram;
use crate::interval::on::MAX_FILES;
use crate::interval::{CallKey, Cell, CellKey, InFlight};
use crate::process::{Comm, ProcessId, ProcessInfo};
use crate::run::Meta;
use crate::syscalls;
use tracer_common::abi::Abi;

/// Rows that are being gathered.
#[derive(Debug, Default)]
pub(super) struct Rows {
    shape: RowShape,
    len: usize,
    kind: Text,
    time: Numbers<i64>,
    pid: Numbers<u32>,
    process_start: Numbers<u64>,
    comm: Text,
    abi: Text,
    nr: Numbers<i32>,
    syscall: Text,
    counts: Counts,
    min: Numbers<u64>,
    max: Numbers<u64>,
    errnos: Errnos,
    latencies: Buckets,
    calls: Calls,
    processes: Processes,
    notes: Notes,
    on: OnColumns,
    examples: Examples,
    stacks: Stacks,
}

/// What rows of a recording have.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowShape {
    /// Whether there is a place for what arguments tell.
    pub(super) args: bool,
    /// Whether there is one for where slow calls were made.
    pub(super) stacks: bool,
    /// The table whose calls need no `abi`.
    pub(super) native: Abi,
    /// See [`super::schema::clock_offset`].
    pub(super) offset: u64,
}

impl Default for RowShape {
    fn default() -> Self {
        Self { args: false, stacks: false, native: Abi::X86_64, offset: 0 }
    }
}

impl RowShape {
    /// Of a recording of such a run.
    pub(super) fn new(meta: &Meta) -> Self {
        let (native, offset) = (schema::native_abi(meta), schema::clock_offset(meta));
        Self { args: meta.args, stacks: meta.stacks, native, offset }
    }

    /// A time on `CLOCK_MONOTONIC` as moments are written.
    pub(super) fn moment(self, monotonic_ns: u64) -> i64 {
        monotonic_ns.wrapping_add(self.offset) as i64
    }
}

/// Columns of numbers that add up: 0 in rows that are no cell.
#[derive(Debug, Default)]
struct Counts {
    before_extremes: [Numbers<u64>; 7],
    sizes: [Numbers<u64>; 3],
}

impl Counts {
    fn all(&mut self) -> impl Iterator<Item = &mut Numbers<u64>> {
        self.before_extremes.iter_mut().chain(&mut self.sizes)
    }

    fn push(&mut self, cell: &Cell, than: &Cell) {
        let figures = |cell: &Cell| {
            let sizes = cell.sizes;
            [cell.calls, cell.error_count(), cell.interrupted, cell.denied, cell.no_return, cell.died]
                .into_iter()
                .chain([cell.total_ns, sizes.calls, sizes.bytes, sizes.small])
        };
        // The differences are wrapping ones: in two's complement that is a negative number.
        let differences = figures(cell).zip(figures(than)).map(|(all, part)| all.wrapping_sub(part));
        self.all().zip(differences).for_each(|(column, figure)| column.push(figure));
    }

    fn push_none(&mut self) {
        self.all().for_each(|column| column.push(0));
    }
}

/// Failed calls by errno.
#[derive(Debug, Default)]
struct Errnos {
    ends: Ends,
    numbers: Numbers<u16>,
    calls: Numbers<u64>,
}

impl Errnos {
    fn add(&mut self, errno: u16, calls: u64) {
        self.numbers.push(errno);
        self.calls.push(calls);
    }

    fn end_row(&mut self) {
        self.ends.push(self.numbers.items());
    }

    fn clear(&mut self) {
        self.ends.clear();
        self.numbers.clear();
        self.calls.clear();
    }

    fn encode(&self, body: &mut Body) {
        self.ends.encode_structures(body);
        self.numbers.encode(body);
        self.calls.encode(body);
    }
}

/// One row; what is `None` stays empty.
#[derive(Default)]
pub(super) struct Row<'a> {
    /// `None` for a cell.
    pub(super) kind: Option<&'static str>,
    /// In ns since 1970.
    pub(super) time: i64,
    pub(super) process: Option<ProcessId>,
    pub(super) comm: Option<Comm>,
    pub(super) call: Option<CallKey>,
    pub(super) single: Option<Call<'a>>,
    pub(super) said: Option<Said<'a>>,
    pub(super) note: Option<Note<'a>>,
}

/// What a note says of an open call that was entered before anybody watched.
pub(super) const BEFORE_ATTACH: &str = "before";

impl Rows {
    /// None yet.
    pub(super) fn new(shape: RowShape) -> Self {
        Self { shape, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes held by lists, which have no bound by the number of rows.
    pub(super) fn list_bytes(&self) -> usize {
        10 * self.errnos.numbers.items()
            + self.latencies.bytes()
            + self.calls.list_bytes()
            + self.processes.list_bytes()
            + self.on.list_bytes()
            + self.examples.list_bytes()
            + self.stacks.list_bytes()
    }

    /// What a cell counted; `than` is what is known of it otherwise, and left out. The extremes of a cell and what is
    /// known of its files are those of the whole.
    pub(super) fn cell(&mut self, key: CellKey, comm: Option<Comm>, cell: &Cell, than: &Cell, time: i64) {
        self.counts.push(cell, than);
        let known = !cell.latencies.is_empty() || cell.min_ns != 0 || cell.max_ns != 0;
        self.min.push_option(known.then_some(cell.min_ns));
        self.max.push_option(known.then_some(cell.max_ns));
        let errors = |cell: &Cell| cell.errors.clone().into_iter().collect::<Vec<_>>();
        for (errno, calls) in differences(&errors(cell), &errors(than)) {
            self.errnos.add(errno, calls);
        }
        if than.latencies.is_empty() {
            for (bucket, calls) in cell.latencies.indexed() {
                self.latencies.add(bucket as u16, calls);
            }
        } else {
            for (bucket, calls) in differences(&counts(&cell.latencies), &counts(&than.latencies)) {
                self.latencies.add(bucket, calls);
            }
        }
        if self.shape.args {
            debug_assert!(cell.on.len() <= MAX_FILES, "what a reader would refuse");
            cell.on.iter().for_each(|file| self.on.add(file));
            // What single calls tell is known from them.
            if than.examples.is_empty() {
                cell.examples.iter().for_each(|example| self.examples.add(example));
            }
        }
        if self.shape.stacks {
            cell.stacks.iter().for_each(|stack| self.stacks.add(stack));
        }
        self.push(&Row {
            time,
            process: Some(key.process),
            comm,
            call: Some(key.call),
            single: Call::slowest(cell, than),
            ..Row::default()
        });
    }

    pub(super) fn process(&mut self, id: ProcessId, info: &ProcessInfo, time: i64) {
        self.push(&Row {
            kind: Some("process"),
            time,
            process: Some(id),
            comm: Some(info.comm),
            said: Some(Said::Info(info)),
            ..Row::default()
        });
    }

    pub(super) fn in_flight(&mut self, open: &InFlight, comm: Option<Comm>, time: i64) {
        if self.shape.args
            && let Some(on) = &open.on
        {
            self.on.add(&on::without_figures(on));
        }
        self.push(&Row {
            kind: Some("in_flight"),
            time,
            process: Some(open.process),
            comm,
            call: Some(open.call),
            single: Some(Call::Open(open)),
            note: open.before_attach.then(|| Note { text: Some(BEFORE_ATTACH), ..Note::default() }),
            ..Row::default()
        });
    }

    /// A row without figures of a cell, or the end of one with them.
    pub(super) fn push(&mut self, row: &Row) {
        self.len += 1;
        push_text(&mut self.kind, row.kind);
        self.time.push(row.time);
        self.pid.push(row.process.map_or(0, |id| id.pid));
        self.process_start.push(row.process.map_or(0, |id| id.start_ns));
        match &row.comm {
            Some(comm) => self.comm.push(String::from_utf8_lossy(comm.as_bytes()).as_bytes()),
            None => self.comm.push_null(),
        }
        let abi = row.call.map(|call| call.abi).filter(|&abi| abi != self.shape.native);
        push_text(&mut self.abi, abi.map(Abi::name));
        self.nr.push(row.call.map_or(0, |call| call.nr));
        match row.call {
            Some(call) => self.syscall.push(syscalls::plain_name(call).as_bytes()),
            None => self.syscall.push_null(),
        }
        if row.kind.is_some() {
            self.counts.push_none();
            self.min.push_null();
            self.max.push_null();
        }
        self.errnos.end_row();
        self.latencies.end_row();
        self.calls.push(row.single, self.shape);
        self.processes.push(row.said, self.shape);
        self.notes.push(row.note.as_ref());
        if self.shape.args {
            self.on.end_row();
            self.examples.end_row();
        }
        if self.shape.stacks {
            self.stacks.end_row();
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        for text in [&mut self.kind, &mut self.comm, &mut self.abi, &mut self.syscall] {
            text.clear();
        }
        self.time.clear();
        self.pid.clear();
        self.nr.clear();
        self.counts.all().for_each(Numbers::clear);
        for numbers in [&mut self.process_start, &mut self.min, &mut self.max] {
            numbers.clear();
        }
        self.errnos.clear();
        self.latencies.clear();
        self.calls.clear();
        self.processes.clear();
        self.notes.clear();
        self.on.clear();
        self.examples.clear();
        self.stacks.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.kind.encode(body);
        self.time.encode(body);
        self.pid.encode(body);
        self.process_start.encode(body);
        self.comm.encode(body);
        self.abi.encode(body);
        self.nr.encode(body);
        self.syscall.encode(body);
        self.counts.before_extremes.iter().for_each(|column| column.encode(body));
        self.min.encode(body);
        self.max.encode(body);
        self.counts.sizes.iter().for_each(|column| column.encode(body));
        self.errnos.encode(body);
        self.latencies.encode(body);
        self.calls.encode(body, self.shape);
        self.processes.encode(body);
        self.notes.encode(body);
        if self.shape.args {
            self.on.encode(body);
            self.examples.encode(body);
        }
        if self.shape.stacks {
            self.stacks.encode(body);
        }
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

pub(super) fn push_text(column: &mut Text, text: Option<&str>) {
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
