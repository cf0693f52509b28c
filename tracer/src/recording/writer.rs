//! Writing a recording. Each batch is one write, so that whatever the disk does, what lies before it is whole.

use std::collections::BTreeSet;
use std::io::{self, Write};

use rustc_hash::FxHashMap;
use tracer_common::abi::Abi;
use tracer_common::outcome::Outcome;

use super::columns::{Ends, Numbers, Text};
use super::encode::{Body, END_MARKER, schema_message};
use super::rows::{Row, Rows};
use super::schema::{self, Kind};
use super::verify;
use super::{MAX_BATCH_ROWS, Mark};
use crate::decode::{self, CallEvent, End, ProcessChange, ProcessEvent, Record};
use crate::fold::Fold;
use crate::interval::{Cell, CellKey, Interval};
use crate::ledger::LedgerCounts;
use crate::process::{Comm, ProcessId};
use crate::run::Meta;
use crate::syscalls;

/// Time of data after which a batch is written although it is not full.
const BATCH_NS: u64 = 250_000_000;
/// Bytes of lists after which a batch is written although it has few rows.
const LIST_BYTES: usize = 8 << 20;
/// Rows up to which short intervals share a batch; their lists stay below [`LIST_BYTES`].
const SHARED_ROWS: usize = 512;
/// Most rows of an interval beside those for cells, processes and open calls.
const LEDGER_ROWS: usize = 64;

/// Writes a recording to `W`, which needs no buffer.
pub struct Writer<W> {
    out: W,
    written: u64,
    /// See [`schema::clock_offset`].
    offset: u64,
    rows: Rows,
    events: Option<Events>,
    /// Rows since the last `interval` row.
    rows_in_interval: u64,
    /// Where the data of this batch begins.
    batch_start_ns: Option<u64>,
    /// Names of processes that have not ended, to be in the rows of their cells.
    comms: FxHashMap<ProcessId, Comm>,
    body: Body,
    message: Vec<u8>,
}

/// What a recording of events has in addition.
struct Events {
    native: Abi,
    args: bool,
    /// Folds what was written, to know what is left to be said at the end of the interval.
    fold: Fold,
    time: Numbers<i64>,
    tgid: Numbers<u32>,
    tid: Numbers<u32>,
    abi: Text,
    nr: Numbers<i32>,
    syscall: Text,
    ret: Numbers<i64>,
    latency: Numbers<u64>,
    errno: Numbers<u16>,
    ended: Text,
    arg: [Numbers<u64>; 6],
    /// Ends of the lists of other rows: one list a row, of one other row or none.
    other: Ends,
    /// Other rows so far.
    others: usize,
}

impl<W: Write> Writer<W> {
    /// Begins a recording: the schema is written at once.
    pub fn new(mut out: W, meta: &Meta, kind: Kind) -> io::Result<Self> {
        let first = schema_message(&schema::schema(kind, meta));
        out.write_all(&first)?;
        let mut writer = Self::behind(out, meta, kind)?;
        writer.written = first.len() as u64;
        Ok(writer)
    }

    /// Goes on behind what was written of such a recording elsewhere.
    pub(super) fn behind(out: W, meta: &Meta, kind: Kind) -> io::Result<Self> {
        Ok(Self {
            out,
            written: 0,
            offset: schema::clock_offset(meta),
            rows: Rows::default(),
            events: (kind == Kind::Events).then(|| Events::new(meta)),
            rows_in_interval: 0,
            batch_start_ns: None,
            comms: FxHashMap::default(),
            body: Body::new()?,
            message: Vec::new(),
        })
    }

    /// Records of a ring, back to back ([`decode::record_bytes`]). They belong to the interval that is written
    /// next. A recording of intervals takes none.
    pub fn events(&mut self, raw: &[u8]) -> io::Result<()> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let mut rest = raw;
        while let Some(&kind) = rest.first() {
            let Some(events) = &mut self.events else {
                return Err(invalid("a recording of intervals takes no events"));
            };
            let record =
                decode::record_bytes(kind, events.args).and_then(|bytes| rest.split_at_checked(bytes));
            let Some((record, behind)) = record else {
                return Err(invalid("a chunk of events that holds no whole records"));
            };
            rest = behind;
            let time_ns = match decode::decode(record) {
                Ok(Record::Call(event)) => {
                    events.call(&event, self.offset);
                    events.fold.take_call(&event);
                    event.enter_ns
                }
                Ok(Record::Process(event)) => {
                    events.process(&event, self.offset, &mut self.rows);
                    events.fold.take_process(&event);
                    event.time_ns
                }
                // The ledger has it: whoever took it from the ring could not decode it either.
                Err(_) => continue,
            };
            self.rows_in_interval += 1;
            if time_ns != 0 {
                self.batch_start_ns.get_or_insert(time_ns);
            }
            let start_ns = self.batch_start_ns.unwrap_or(time_ns);
            if self.batch_rows() >= MAX_BATCH_ROWS || time_ns.saturating_sub(start_ns) >= BATCH_NS {
                self.flush_batch()?;
            }
        }
        Ok(())
    }

    /// The end of an interval: all of it that the events before do not say.
    pub fn interval(&mut self, interval: &Interval) -> io::Result<()> {
        let time = self.moment(interval.end_ns);
        for (id, info) in &interval.processes {
            self.comms.insert(*id, info.comm);
        }
        self.cells(interval, time)?;
        let mut processes: Vec<_> = interval.processes.iter().collect();
        processes.sort_unstable_by_key(|(id, _)| **id);
        for (id, info) in processes {
            let as_of = self.moment(info.as_of_ns);
            self.rows.process(*id, info, as_of, time);
            self.row_added()?;
        }
        for open in &interval.in_flight {
            let (comm, since) = (self.comms.get(&open.process).copied(), self.moment(open.enter_ns));
            self.rows.in_flight(open, comm, since, time);
            self.row_added()?;
        }
        for (counter, value) in interval.ledger.named().filter(|(_, value)| *value > 0) {
            let row =
                Row { kind: "ledger", time, counter: Some(counter), value: Some(value), ..Row::default() };
            self.rows.push(&row);
            self.row_added()?;
        }
        self.rows.push(&Row {
            kind: "interval",
            time,
            since: Some(self.moment(interval.start_ns)),
            value: Some(self.rows_in_interval),
            check: Some(verify::check(interval)),
            ..Row::default()
        });
        self.row_added()?;
        self.rows_in_interval = 0;
        for (id, info) in &interval.processes {
            if info.exited {
                self.comms.remove(id);
            }
        }
        let start_ns = *self.batch_start_ns.get_or_insert(interval.start_ns);
        let long = interval.end_ns.saturating_sub(start_ns) >= BATCH_NS;
        if self.events.is_some() || long {
            self.flush_batch()?;
        }
        Ok(())
    }

    /// A mark, visible to readers at once.
    pub fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        let cut = mark.text.floor_char_boundary(Mark::MAX_BYTES);
        self.rows.push(&Row {
            kind: "mark",
            time: self.moment(mark.time_ns),
            text: Some(&mark.text[..cut]),
            ..Row::default()
        });
        self.row_added()?;
        self.flush()
    }

    /// Writes what is gathered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flush_batch()?;
        self.out.flush()
    }

    /// Writes what is gathered and the end marker.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush_batch()?;
        self.write(&END_MARKER)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Bytes of everything that was written whole: where to cut the file after a write that failed.
    pub fn bytes_written(&self) -> u64 {
        self.written
    }

    fn moment(&self, monotonic_ns: u64) -> i64 {
        monotonic_ns.wrapping_add(self.offset) as i64
    }

    /// Rows for the cells, as far as events do not hold them.
    fn cells(&mut self, interval: &Interval, time: i64) -> io::Result<()> {
        let written = match &mut self.events {
            Some(events) => events.fold.close(interval.end_ns, Vec::new(), LedgerCounts::default()).cells,
            None => FxHashMap::default(),
        };
        let nothing = Cell::default();
        let keys: BTreeSet<CellKey> = interval.cells.keys().chain(written.keys()).copied().collect();
        let rows = keys.len() + interval.processes.len() + interval.in_flight.len() + LEDGER_ROWS;
        // An interval that takes more than one batch never shares one with an earlier interval, so that a file
        // can be cut between two intervals by cutting it between two batches.
        if self.events.is_none() && self.rows.len() + rows > SHARED_ROWS {
            self.flush_batch()?;
        }
        for key in keys {
            let (all, known) = (interval.cells.get(&key), written.get(&key));
            if all != known {
                let comm = self.comms.get(&key.process).copied();
                self.rows.cell(key, comm, all.unwrap_or(&nothing), known.unwrap_or(&nothing), time);
                self.row_added()?;
            }
        }
        Ok(())
    }

    fn row_added(&mut self) -> io::Result<()> {
        if let Some(events) = &mut self.events {
            events.other_row(&self.rows);
        }
        self.rows_in_interval += 1;
        if self.batch_rows() >= MAX_BATCH_ROWS || self.rows.list_bytes() >= LIST_BYTES {
            self.flush_batch()?;
        }
        Ok(())
    }

    fn batch_rows(&self) -> usize {
        self.events.as_ref().map_or(self.rows.len(), |events| events.other.rows())
    }

    fn flush_batch(&mut self) -> io::Result<()> {
        let rows = self.batch_rows();
        if rows == 0 {
            return Ok(());
        }
        match &mut self.events {
            None => self.rows.encode(&mut self.body),
            Some(events) => {
                events.encode(&mut self.body);
                self.body.node(self.rows.len(), 0);
                self.body.buffer(&[]);
                self.rows.encode(&mut self.body);
                events.clear();
            }
        }
        self.rows.clear();
        self.batch_start_ns = None;
        let mut message = std::mem::take(&mut self.message);
        message.clear();
        let outcome = self.body.finish(rows, &mut message).and_then(|()| self.write(&message));
        self.message = message;
        outcome
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

impl Events {
    fn new(meta: &Meta) -> Self {
        Self {
            native: schema::native_abi(meta),
            args: meta.args,
            fold: Fold::new(meta.start_ns),
            time: Numbers::default(),
            tgid: Numbers::default(),
            tid: Numbers::default(),
            abi: Text::default(),
            nr: Numbers::default(),
            syscall: Text::default(),
            ret: Numbers::default(),
            latency: Numbers::default(),
            errno: Numbers::default(),
            ended: Text::default(),
            arg: Default::default(),
            other: Ends::default(),
            others: 0,
        }
    }

    #[inline]
    fn call(&mut self, event: &CallEvent, offset: u64) {
        let time = (event.enter_ns != 0).then(|| event.enter_ns.wrapping_add(offset) as i64);
        self.time.push_option(time);
        self.tgid.push(event.tgid);
        self.tid.push(event.tid);
        if event.call.abi == self.native {
            self.abi.push_null();
        } else {
            self.abi.push(event.call.abi.name());
        }
        self.nr.push(event.call.nr);
        self.syscall.push(syscalls::plain_name(event.call).as_bytes());
        let (ret, latency, errno, ended) = match event.end {
            End::Returned { outcome: Outcome::Error(errno), latency_ns, ret } => {
                (Some(ret), Some(latency_ns), Some(errno), None)
            }
            End::Returned { latency_ns, ret, .. } => (Some(ret), Some(latency_ns), None, None),
            End::Denied { errno } => (None, None, Some(errno), Some("denied")),
            End::NeverReturns => (None, None, None, Some("no_return")),
            End::Died => (None, None, None, Some("died")),
        };
        self.ret.push_option(ret);
        self.latency.push_option(latency);
        self.errno.push_option(errno);
        match ended {
            None => self.ended.push_null(),
            Some(how) => self.ended.push(how),
        }
        if let (true, Some(args)) = (self.args, event.args) {
            for (column, arg) in self.arg.iter_mut().zip(args) {
                column.push(arg);
            }
        }
        self.other.push(self.others);
    }

    fn process(&mut self, event: &ProcessEvent, offset: u64, rows: &mut Rows) {
        let time = event.time_ns.wrapping_add(offset) as i64;
        let kind = match event.what {
            ProcessChange::Seen => "seen",
            ProcessChange::Exec => "exec",
            ProcessChange::Exit => "exit",
        };
        rows.push(&Row {
            kind,
            time,
            process: Some(ProcessId { pid: event.ns_tgid, start_ns: event.start_ns }),
            comm: Some(event.comm),
            tid: Some(event.tid),
            ..Row::default()
        });
        self.time.push(time);
        self.tgid.push(event.tgid);
        self.tid.push(event.tid);
        self.no_call();
        self.others = rows.len();
        self.other.push(self.others);
    }

    /// The row for what has just been added to `rows`.
    fn other_row(&mut self, rows: &Rows) {
        self.time.push_null();
        self.tgid.push_null();
        self.tid.push_null();
        self.no_call();
        self.others = rows.len();
        self.other.push(self.others);
    }

    fn no_call(&mut self) {
        self.abi.push_null();
        self.nr.push_null();
        self.syscall.push_null();
        self.ret.push_null();
        self.latency.push_null();
        self.errno.push_null();
        self.ended.push_null();
        if self.args {
            self.arg.iter_mut().for_each(Numbers::push_null);
        }
    }

    fn encode(&self, body: &mut Body) {
        self.time.encode(body);
        self.tgid.encode(body);
        self.tid.encode(body);
        self.abi.encode(body);
        self.nr.encode(body);
        self.syscall.encode(body);
        self.ret.encode(body);
        self.latency.encode(body);
        self.errno.encode(body);
        self.ended.encode(body);
        if self.args {
            self.arg.iter().for_each(|column| column.encode(body));
        }
        self.other.encode(body);
    }

    fn clear(&mut self) {
        self.time.clear();
        self.tgid.clear();
        self.tid.clear();
        self.abi.clear();
        self.nr.clear();
        self.syscall.clear();
        self.ret.clear();
        self.latency.clear();
        self.errno.clear();
        self.ended.clear();
        self.arg.iter_mut().for_each(Numbers::clear);
        self.other.clear();
        self.others = 0;
    }
}
