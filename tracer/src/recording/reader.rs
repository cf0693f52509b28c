//! Reading a recording: batches into intervals and marks, one batch in memory at a time.

use std::io::Read;

use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::{MessageHeader, MetadataVersion};
use tracer_common::abi::Abi;
use tracer_common::outcome::classify;
use zstd::bulk::Decompressor;

use super::batch::{Batch, Column, Damage};
use super::interval::Open;
use super::message::{Messages, Next, verified};
use super::schema::{self, Kind, Understood, call, row};
use super::shape::Shapes;
use super::single::MAX_OPERANDS_BYTES;
use super::verify::Check;
use super::{End, Item, Mark, ReadError, format1, note, process};
use crate::arguments;
use crate::decode::{self, CallEvent, ProcessChange, ProcessEvent, Record};
use crate::interval::CallKey;
use crate::operand::{Operands, OperandsEvent};
use crate::process::Comm;
use crate::run::Meta;

/// Reads a recording from `R`, in few large reads.
pub struct Reader<R> {
    messages: Messages<R>,
    decompressor: Decompressor<'static>,
    shapes: Shapes,
    has_our_columns: bool,
    layout: Layout,
    meta: Meta,
    batch: Batch,
    /// The next row of the batch.
    row: usize,
    open: Open,
    /// Bytes up to the last place between two batches that is one between two intervals.
    good_bytes: u64,
    /// Rows up to there.
    good_rows: u64,
    end: Option<End>,
}

/// What rows mean in this file.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Whether it is of the first format version.
    is_first: bool,
    kind: Kind,
    args: bool,
    pub(super) native: Abi,
    /// See [`schema::clock_offset`].
    offset: u64,
}

impl<R: Read> Reader<R> {
    /// Reads what stands before the first batch.
    pub fn open(input: R) -> Result<Self, ReadError> {
        let not = |why: &str| ReadError::NotARecording { why: why.to_owned() };
        let mut messages = Messages::new(input);
        match messages.next()? {
            Next::Message => {}
            Next::End => return Err(not("an empty Arrow stream")),
            Next::Damaged(_) if messages.bytes_read() == 0 => return Err(not("the file is empty")),
            Next::Damaged(_) => return Err(not("it does not begin like an Arrow stream")),
        }
        let message = verified(&messages.head).ok_or_else(|| not("its beginning is damaged"))?;
        let found = message.header_as_schema().ok_or_else(|| not("its first message is no schema"))?;
        let found = try_fb_to_schema(found).map_err(|_| not("its columns make no sense"))?;
        let Understood { kind, meta, is_first, has_our_columns, shapes } = schema::understand(&found)?;
        let layout = Layout {
            is_first,
            kind,
            args: meta.args,
            native: schema::native_abi(&meta),
            offset: schema::clock_offset(&meta),
        };
        Ok(Self {
            messages,
            decompressor: Decompressor::new()?,
            shapes,
            has_our_columns,
            layout,
            open: Open::new(Check { is_first, kind, args: meta.args, stacks: meta.stacks }, meta.start_ns),
            meta,
            batch: Batch::default(),
            row: 0,
            good_bytes: 0,
            good_rows: 0,
            end: None,
        })
    }

    /// What was recorded.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// What the recording is made of.
    pub fn kind(&self) -> Kind {
        self.layout.kind
    }

    /// The next interval or mark; `None` at the end, of whatever kind: see [`Reader::end`].
    #[expect(clippy::should_implement_trait, reason = "what an error means differs from an iterator's")]
    pub fn next(&mut self) -> Result<Option<Item>, ReadError> {
        self.next_with_events(&mut |_| {})
    }

    /// The same, and hands over each recorded call and each piece of news of a process on the way. They come
    /// before the interval that holds them, and may come without one where the recording was cut.
    pub fn next_with_events(&mut self, each: &mut dyn FnMut(&Record<'_>)) -> Result<Option<Item>, ReadError> {
        while self.end.is_none() {
            let found = self.rest_of_batch(each);
            let found = match found {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => self.next_batch()?,
                Err(damage) => Err(damage),
            };
            match found {
                Ok(true) => {}
                Ok(false) => self.end = Some(self.open.at_end()),
                Err(damage) => self.end = Some(self.open.at_damage(&damage)),
            }
        }
        Ok(None)
    }

    /// How the recording ended, once everything was read.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Bytes taken from the input so far.
    pub fn bytes_read(&self) -> u64 {
        self.messages.bytes_read()
    }

    /// Memory of the last interval that was read, about.
    pub fn item_bytes(&self) -> usize {
        self.open.item_bytes()
    }

    /// Bytes and rows from the beginning to the last place, between two batches, that cuts no interval.
    pub(super) fn good(&self) -> (u64, u64) {
        (self.good_bytes, self.good_rows)
    }

    /// Whether batches of ours belong into this file: no other version wrote it.
    pub(super) fn has_our_columns(&self) -> bool {
        self.has_our_columns
    }

    /// Takes rows up to one that completes something.
    fn rest_of_batch(&mut self, each: &mut dyn FnMut(&Record<'_>)) -> Result<Option<Item>, Damage> {
        let layout = self.layout;
        while self.row < self.batch.rows {
            let place = self.row;
            self.row += 1;
            let columns = self.batch.columns.as_slice();
            let (columns, place) = match layout.kind {
                Kind::Intervals => (columns, place),
                Kind::Events => {
                    if let Some(event) = layout.call(columns, place)? {
                        if let Some(operands) = layout.operands(columns, place, &event)? {
                            self.open.take_operands(&operands);
                            each(&Record::Operands(operands));
                        }
                        self.open.take_call(&event)?;
                        each(&Record::Call(event));
                        continue;
                    }
                    let others = columns.get(call::other(layout.args)).ok_or_else(nonsense)?;
                    let (start, end) = others.range(place);
                    if end != start + 1 {
                        return Err(nonsense());
                    }
                    if let Some(event) = layout.process(columns, place, others.struct_columns(), start)? {
                        self.open.take_process(&event)?;
                        each(&Record::Process(event));
                        continue;
                    }
                    (others.struct_columns(), start)
                }
            };
            if let Some(item) = layout.other(columns, place, &mut self.open)? {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// Reads the next batch; false at the end marker.
    fn next_batch(&mut self) -> Result<Result<bool, Damage>, ReadError> {
        self.row = 0;
        self.batch.rows = 0;
        if !self.open.has_rows() {
            self.good_bytes = self.messages.bytes_read();
            self.good_rows = self.open.rows();
        }
        match self.messages.next()? {
            Next::Message => {}
            Next::End => return Ok(Ok(false)),
            Next::Damaged(damage) => return Ok(Err(damage)),
        }
        let wrong = || Damage::new("the head of a batch is damaged");
        let body = match verified(&self.messages.head) {
            Some(message) if message.version() == MetadataVersion::V5 => message.bodyLength(),
            _ => return Ok(Err(wrong())),
        };
        if let Err(damage) = self.messages.read_body(body)? {
            return Ok(Err(damage));
        }
        let Some(message) = verified(&self.messages.head) else { return Ok(Err(wrong())) };
        let header = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            _ => None,
        };
        let Some(header) = header else { return Ok(Err(wrong())) };
        let decoded = self.batch.decode(&self.shapes, header, &self.messages.body, &mut self.decompressor);
        let upgraded = decoded.and_then(|()| {
            if !self.layout.is_first {
                return Ok(());
            }
            format1::upgrade(&mut self.batch, self.layout.kind, self.layout.args)
        });
        Ok(upgraded.and_then(|()| self.open.within_bounds()).map(|()| true))
    }
}

pub(super) fn nonsense() -> Damage {
    Damage::new("a row makes no sense")
}

fn column(columns: &[Column], index: usize) -> Result<&Column, Damage> {
    columns.get(index).ok_or_else(nonsense)
}

fn abi_named(name: &[u8]) -> Option<Abi> {
    Abi::ALL.into_iter().find(|abi| abi.name().as_bytes() == name)
}

impl Layout {
    /// The moment on `CLOCK_MONOTONIC`.
    pub(super) fn monotonic(self, moment: i64) -> u64 {
        (moment as u64).wrapping_sub(self.offset)
    }

    /// The call in row `at`, if it is one.
    #[inline]
    fn call(self, columns: &[Column], at: usize) -> Result<Option<CallEvent>, Damage> {
        let Some(nr) = column(columns, call::NR)?.number(at) else { return Ok(None) };
        let abi = match column(columns, call::ABI)?.bytes(at) {
            None => self.native,
            Some(name) => abi_named(name).ok_or_else(nonsense)?,
        };
        let ended = column(columns, call::ENDED)?.bytes(at);
        let errno: Option<u16> = column(columns, call::ERRNO)?.number(at);
        let end = match (ended, errno) {
            (None, _) => {
                let ret = column(columns, call::RET)?.number(at).ok_or_else(nonsense)?;
                let latency_ns = column(columns, call::LATENCY)?.number(at).ok_or_else(nonsense)?;
                decode::End::Returned { outcome: classify(abi, nr, ret), latency_ns, ret }
            }
            (Some(b"denied"), Some(errno @ 1..=4095)) => decode::End::Denied { errno },
            (Some(b"no_return"), None) => decode::End::NeverReturns,
            (Some(b"died"), None) => decode::End::Died,
            _ => return Err(nonsense()),
        };
        let mut args = None;
        if self.args {
            let args = args.insert([0; 6]);
            for (index, arg) in args.iter_mut().enumerate() {
                *arg = column(columns, call::ARGS + index)?.number(at).ok_or_else(nonsense)?;
            }
        }
        Ok(Some(CallEvent {
            call: CallKey { abi, nr },
            tgid: column(columns, call::TGID)?.number(at).ok_or_else(nonsense)?,
            tid: column(columns, call::TID)?.number(at).ok_or_else(nonsense)?,
            enter_ns: column(columns, call::TIME)?.number(at).map_or(0, |time| self.monotonic(time)),
            end,
            args,
            // What files events were on is said at the end of the interval.
            file: None,
        }))
    }

    /// What the call in row `at` operates on, if that is there.
    fn operands<'a>(
        self,
        columns: &'a [Column],
        at: usize,
        event: &CallEvent,
    ) -> Result<Option<OperandsEvent<'a>>, Damage> {
        if !self.args {
            return Ok(None);
        }
        let Some(kept) = columns.get(call::OPERANDS).and_then(|column| column.bytes(at)) else {
            return Ok(None);
        };
        if kept.len() > MAX_OPERANDS_BYTES || event.enter_ns == 0 {
            return Err(nonsense());
        }
        let operands = Some(Operands::from_kept(kept, arguments::takes_two(event.call)));
        Ok(Some(OperandsEvent { tid: event.tid, enter_ns: event.enter_ns, operands }))
    }

    /// The news in row `at`, described in row `place` of `rows`, if it is any.
    fn process(
        self,
        columns: &[Column],
        at: usize,
        rows: &[Column],
        place: usize,
    ) -> Result<Option<ProcessEvent>, Damage> {
        let what = match column(rows, row::KIND)?.bytes(place) {
            Some(b"seen") => ProcessChange::Seen,
            Some(b"exec") => ProcessChange::Exec,
            Some(b"exit") => ProcessChange::Exit,
            _ => return Ok(None),
        };
        Ok(Some(ProcessEvent {
            what,
            tgid: column(columns, call::TGID)?.number(at).ok_or_else(nonsense)?,
            tid: column(columns, call::TID)?.number(at).ok_or_else(nonsense)?,
            ns_tgid: column(rows, row::PID)?.number(place).ok_or_else(nonsense)?,
            time_ns: self.monotonic(column(columns, call::TIME)?.number(at).ok_or_else(nonsense)?),
            start_ns: column(rows, row::PROCESS_START)?.number(place).ok_or_else(nonsense)?,
            comm: comm(rows, place)?,
            thread_comm: Comm::default(),
        }))
    }

    /// Takes row `at`, which is no event.
    fn other(self, columns: &[Column], at: usize, open: &mut Open) -> Result<Option<Item>, Damage> {
        let kind = column(columns, row::KIND)?.bytes(at);
        let time: i64 = column(columns, row::TIME)?.number(at).ok_or_else(nonsense)?;
        let time_ns = self.monotonic(time);
        // In the first version the most frequent kind had a name too.
        let (None | Some(b"cell")) = kind else {
            return self.rare(kind.unwrap_or_default(), time_ns, columns, at, open);
        };
        open.take_row(time_ns)?;
        open.take_cell(columns, at, self)?;
        Ok(None)
    }

    /// Takes row `at`, which is no cell.
    fn rare(
        self,
        kind: &[u8],
        time_ns: u64,
        columns: &[Column],
        at: usize,
        open: &mut Open,
    ) -> Result<Option<Item>, Damage> {
        let note = note::take(columns, at)?;
        let said = note.unwrap_or_default();
        if kind == b"mark" {
            let text = said.text.filter(|text| text.len() <= Mark::MAX_BYTES).ok_or_else(nonsense)?;
            open.take_mark(said.value.ok_or_else(nonsense)?)?;
            return Ok(Some(Item::Mark(Mark { time_ns, text: text.to_owned() })));
        }
        open.take_row(time_ns)?;
        match kind {
            b"process" => open.take_info(columns, at, self)?,
            b"in_flight" => open.take_in_flight(columns, at, note, self)?,
            b"ledger" => open.take_ledger(said)?,
            b"interval" => {
                let (Some(since), Some(rows), Some(check)) = (said.since, said.value, said.check) else {
                    return Err(nonsense());
                };
                let interval = open.close(self.monotonic(since), rows, check)?;
                return Ok(Some(Item::Interval(interval)));
            }
            _ => return Err(nonsense()),
        }
        Ok(None)
    }
}

/// The name in row `at`.
pub(super) fn comm(columns: &[Column], at: usize) -> Result<Comm, Damage> {
    let name = match process::comm_bytes(columns, at)? {
        Some(bytes) => bytes,
        None => column(columns, row::COMM)?.text(at).ok_or_else(nonsense)?.as_bytes(),
    };
    let mut padded = [0; 16];
    padded.get_mut(..name.len()).ok_or_else(nonsense)?.copy_from_slice(name);
    Ok(Comm::from_kernel(padded))
}

/// The call in row `at`, of this table where it does not say which.
#[inline]
pub(super) fn call_key(columns: &[Column], at: usize, native: Abi) -> Result<CallKey, Damage> {
    let abi = match column(columns, row::ABI)?.bytes(at) {
        None => native,
        Some(name) => abi_named(name).ok_or_else(nonsense)?,
    };
    Ok(CallKey { abi, nr: column(columns, row::NR)?.number(at).ok_or_else(nonsense)? })
}
