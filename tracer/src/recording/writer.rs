//! Writing a recording. Each batch is one write, so that whatever the disk does, what lies before it is whole.

use std::collections::BTreeSet;
use std::io::{self, Write};

use rustc_hash::FxHashMap;

use super::calls::{Calls, STAGED};
use super::encode::{Body, END_MARKER, Shape, schema_message};
use super::note::Note;
use super::rows::{Row, RowShape, Rows};
use super::schema::{self, Kind};
use super::verify::Check;
use super::{MAX_BATCH_ROWS, Mark};
use crate::decode::{self, CallEvent, End, Record};
use crate::fold::Fold;
use crate::interval::{Cell, CellKey, Interval};
use crate::ledger::LedgerCounts;
use crate::operand;
use crate::process::{Comm, ProcessId};
use crate::run::Meta;

/// Time of data after which a batch is written although it is not full.
const BATCH_NS: u64 = 250_000_000;
/// Bytes of lists after which a batch is written although it has few rows.
const LIST_BYTES: usize = 8 << 20;
/// Rows up to which short intervals share a batch; their lists stay below [`LIST_BYTES`].
const SHARED_ROWS: usize = 512;
/// Most rows of an interval beside those for cells, processes and open calls.
const LEDGER_ROWS: usize = 64;
/// Rows at which a batch is full: calls come in groups.
const FULL: usize = MAX_BATCH_ROWS - STAGED;

/// Writes a recording to `W`, which needs no buffer.
pub struct Writer<W> {
    out: W,
    written: u64,
    shape: RowShape,
    check: Check,
    rows: Rows,
    events: Option<Events>,
    /// Rows so far, written or gathered.
    rows_so_far: u64,
    /// Where the data of this batch begins.
    batch_start_ns: Option<u64>,
    /// Names of processes that have not ended, to be in the rows of their cells.
    comms: FxHashMap<ProcessId, Comm>,
    body: Body,
    message: Vec<u8>,
}

/// What a recording of events has in addition.
struct Events {
    calls: Calls,
    /// Of the call that comes next.
    operands: operand::Latest,
    /// Folds what was written, to know what is left to be said at the end of the interval.
    fold: Fold,
    /// Where the data of this batch begins and how far it goes; 0 and 0 without any.
    first_ns: u64,
    last_ns: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a recording: the schema is written at once.
    pub fn new(mut out: W, meta: &Meta, kind: Kind) -> io::Result<Self> {
        let first = schema_message(&schema::schema(kind, meta));
        out.write_all(&first)?;
        let mut writer = Self::behind(out, meta, kind, 0)?;
        writer.written = first.len() as u64;
        Ok(writer)
    }

    /// Goes on behind so many rows of such a recording, which are in `out` already.
    pub(super) fn behind(out: W, meta: &Meta, kind: Kind, rows: u64) -> io::Result<Self> {
        Ok(Self {
            out,
            written: 0,
            shape: RowShape::new(meta),
            check: Check { is_first: false, kind, args: meta.args, stacks: meta.stacks },
            rows: Rows::new(RowShape::new(meta)),
            events: (kind == Kind::Events).then(|| Events {
                calls: Calls::new(meta),
                operands: operand::Latest::default(),
                fold: Fold::new(meta.start_ns),
                first_ns: 0,
                last_ns: 0,
            }),
            rows_so_far: rows,
            batch_start_ns: None,
            comms: FxHashMap::default(),
            body: Body::new(kind)?,
            message: Vec::new(),
        })
    }

    /// Records of a ring, back to back ([`decode::record_bytes`]). They belong to the interval that is written
    /// next. A recording of intervals takes none.
    pub fn events(&mut self, raw: &[u8]) -> io::Result<()> {
        let mut rest = raw;
        while !rest.is_empty() {
            let Some(events) = &mut self.events else {
                let what = "a recording of intervals takes no events";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            };
            rest = events.take(rest, &mut self.rows, &mut self.rows_so_far)?;
            if events.is_due() {
                self.flush_batch()?;
            }
        }
        Ok(())
    }

    /// The end of an interval: all of it that the events before do not say.
    pub fn interval(&mut self, interval: &Interval) -> io::Result<()> {
        let time = self.shape.moment(interval.end_ns);
        for (id, info) in &interval.processes {
            self.comms.insert(*id, info.comm);
        }
        self.cells(interval, time)?;
        let mut processes: Vec<_> = interval.processes.iter().collect();
        processes.sort_unstable_by_key(|(id, _)| **id);
        for (id, info) in processes {
            self.rows.process(*id, info, time);
            self.row_added()?;
        }
        for open in &interval.in_flight {
            self.rows.in_flight(open, self.comms.get(&open.process).copied(), time);
            self.row_added()?;
        }
        let mut check = self.check.interval(interval);
        for (counter, value) in interval.ledger.named().filter(|(_, value)| *value > 0) {
            check = check.wrapping_add(self.check.ledger(counter, value));
            let note = Note { text: Some(counter), value: Some(value), ..Note::default() };
            self.rows.push(&Row { kind: Some("ledger"), time, note: Some(note), ..Row::default() });
            self.row_added()?;
        }
        let note = Note {
            value: Some(self.rows_so_far),
            since: Some(self.shape.moment(interval.start_ns)),
            check: Some(check),
            ..Note::default()
        };
        self.rows.push(&Row { kind: Some("interval"), time, note: Some(note), ..Row::default() });
        self.row_added()?;
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
        let text = Some(&mark.text[..cut]);
        let note = Note { text, value: Some(self.rows_so_far), ..Note::default() };
        let time = self.shape.moment(mark.time_ns);
        self.rows.push(&Row { kind: Some("mark"), time, note: Some(note), ..Row::default() });
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

    /// Rows for the cells, as far as events do not hold them.
    fn cells(&mut self, interval: &Interval, time: i64) -> io::Result<()> {
        let written = match &mut self.events {
            Some(events) => events.fold.close(interval.end_ns, Vec::new(), LedgerCounts::default()).cells,
            None => FxHashMap::default(),
        };
        let nothing = Cell::default();
        // One syscall after the other: what rows of the same one say is more alike than what rows of one process say, and
        // compresses by 2 % more.
        let by_call = |key: &CellKey| (key.call, key.process);
        let keys: BTreeSet<_> = interval.cells.keys().chain(written.keys()).map(by_call).collect();
        let rows = keys.len() + interval.processes.len() + interval.in_flight.len() + LEDGER_ROWS;
        // An interval that takes more than one batch never shares one with an earlier interval, so that a file
        // can be cut between two intervals by cutting it between two batches.
        if self.events.is_none() && self.rows.len() + rows > SHARED_ROWS {
            self.flush_batch()?;
        }
        for (call, process) in keys {
            let key = CellKey { process, call };
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
            events.calls.other(&self.rows);
        }
        self.rows_so_far += 1;
        if self.batch_rows() >= FULL || self.rows.list_bytes() >= LIST_BYTES {
            self.flush_batch()?;
        }
        Ok(())
    }

    fn batch_rows(&self) -> usize {
        self.events.as_ref().map_or(self.rows.len(), |events| events.calls.rows())
    }

    fn flush_batch(&mut self) -> io::Result<()> {
        let rows = self.batch_rows();
        if rows == 0 {
            return Ok(());
        }
        match &mut self.events {
            None => self.rows.encode(&mut self.body),
            Some(events) => {
                events.calls.encode(&mut self.body);
                self.body.node(self.rows.len(), 0);
                self.body.buffer(&[], Shape::Plain);
                self.rows.encode(&mut self.body);
                events.calls.encode_later(&mut self.body);
                events.calls.clear();
                (events.first_ns, events.last_ns) = (0, 0);
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
    /// Takes records up to the end of `raw` or of the batch; what is left is the result.
    fn take<'a>(&mut self, raw: &'a [u8], rows: &mut Rows, taken: &mut u64) -> io::Result<&'a [u8]> {
        let args = self.calls.args();
        let mut rest = raw;
        while !rest.is_empty() {
            let record = decode::record_bytes(rest, args).and_then(|bytes| rest.split_at_checked(bytes));
            let Some((record, behind)) = record else {
                let what = "a chunk of events that holds no whole records";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            };
            rest = behind;
            let full = match decode::decode(record) {
                Ok(Record::Call(event)) => {
                    // As a reader will fold it.
                    let event = CallEvent { file: None, ..event };
                    self.fold.take_call(&event);
                    if let End::Returned { latency_ns, .. } = event.end {
                        self.note_time(event.enter_ns.saturating_add(latency_ns));
                    }
                    self.calls.stage(&event, self.operands.of(&event))
                }
                Ok(Record::Process(event)) => {
                    self.fold.take_process(&event);
                    self.note_time(event.time_ns);
                    self.calls.process(&event, rows);
                    true
                }
                Ok(Record::Operands(event)) => {
                    self.fold.take_operands(&event);
                    self.operands.take(&event);
                    continue;
                }
                // Stacks stand in the rows of cells, by name. What cannot be decoded the ledger has: whoever took it from the
                // ring could not decode it either.
                Ok(Record::Stack(_)) | Err(_) => continue,
            };
            *taken += 1;
            if full {
                self.calls.append();
                if self.is_due() {
                    break;
                }
            }
        }
        self.calls.append();
        Ok(rest)
    }

    fn note_time(&mut self, time_ns: u64) {
        self.first_ns = if self.last_ns == 0 { time_ns } else { self.first_ns.min(time_ns) };
        self.last_ns = self.last_ns.max(time_ns);
    }

    /// Whether the batch has gathered as much as one may.
    fn is_due(&self) -> bool {
        self.calls.rows() >= FULL || self.last_ns.saturating_sub(self.first_ns) >= BATCH_NS
    }
}
