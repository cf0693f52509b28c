//! The column of single calls: the slowest one of a cell, or the open one.

use std::sync::Arc;

use super::batch::{Column, Damage};
use super::columns::{Ends, Lists, Numbers, Text};
use super::encode::Body;
use super::reader::nonsense;
use super::rows::RowShape;
use super::schema::{row, single};
use crate::interval::{Cell, InFlight, On, OnFile, SlowCall, slowest};
use crate::operand::Kept;

/// Calls that took less are not recorded as the slowest of a cell: a recording of intervals would grow by half.
pub const SLOW_NS: u64 = 1_000_000;

/// The longest that two paths and what is between them can be.
pub(super) const MAX_OPERANDS_BYTES: usize = 2 * 4096 + 1;

/// What there is to say of a single call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call<'a> {
    /// It is the slowest of this cell.
    Slowest(&'a SlowCall, &'a Cell),
    /// That what is known otherwise is none of the cell's.
    NotThat,
    /// It is open.
    Open(&'a InFlight),
}

impl<'a> Call<'a> {
    /// The slowest call of a cell, unless it is known otherwise or not worth its bytes.
    pub(super) fn slowest(cell: &'a Cell, than: &Cell) -> Option<Self> {
        match (cell.slowest.first(), than.slowest.first()) {
            (None, None) => None,
            (None, Some(_)) => Some(Self::NotThat),
            (Some(slow), None) if slow.latency_ns < SLOW_NS => None,
            (Some(slow), known) if known == Some(slow) => None,
            (Some(slow), _) => Some(Self::Slowest(slow, cell)),
        }
    }
}

/// The column, while it is being gathered.
#[derive(Debug, Default)]
pub(super) struct Calls {
    ends: Ends,
    tid: Numbers<u32>,
    since: Numbers<i64>,
    latency: Numbers<u64>,
    ret: Numbers<i64>,
    args: Lists<u64>,
    on: Numbers<u32>,
    operands: Text,
    operands_bytes: usize,
}

impl Calls {
    /// Bytes held by lists and operands.
    pub(super) fn list_bytes(&self) -> usize {
        8 * self.args.items() + self.operands_bytes
    }

    /// The next row.
    pub(super) fn push(&mut self, call: Option<Call<'_>>, shape: RowShape) {
        if let Some(call) = call {
            self.add(call, shape);
        }
        self.ends.push(self.tid.items());
    }

    fn add(&mut self, call: Call<'_>, shape: RowShape) {
        let (mut on, mut operands, mut args) = (None, None, None);
        match call {
            Call::Slowest(slow, of) => {
                self.tid.push(slow.tid);
                self.since.push(shape.moment(slow.enter_ns));
                self.latency.push_option(Some(slow.latency_ns).filter(|&ns| ns != of.max_ns));
                self.ret.push(slow.ret);
                args = slow.args.as_deref();
                on = slow
                    .on
                    .as_ref()
                    .and_then(|on| of.on.binary_search_by_key(&on.file, |file| file.file).ok());
                operands = slow.operands.as_deref();
            }
            Call::NotThat => {
                self.tid.push(0);
                self.since.push_null();
                self.latency.push(0);
                self.ret.push_null();
            }
            Call::Open(open) => {
                self.tid.push(open.tid);
                self.since.push(shape.moment(open.enter_ns));
                self.latency.push_null();
                self.ret.push_null();
                args = open.args.as_ref();
                operands = open.operands.as_deref();
            }
        }
        args.into_iter().flatten().for_each(|&arg| self.args.add(arg));
        self.args.end_row();
        if shape.args {
            self.on.push_option(on.map(|place| place as u32));
            match operands {
                Some(operands) => self.operands.push(operands),
                None => self.operands.push_null(),
            }
            self.operands_bytes += operands.map_or(0, |operands: &[u8]| operands.len());
        }
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.tid.clear();
        self.since.clear();
        self.latency.clear();
        self.ret.clear();
        self.args.clear();
        self.on.clear();
        self.operands.clear();
        self.operands_bytes = 0;
    }

    pub(super) fn encode(&self, body: &mut Body, shape: RowShape) {
        self.ends.encode_structures(body);
        self.tid.encode(body);
        self.since.encode(body);
        self.latency.encode(body);
        self.ret.encode(body);
        self.args.encode(body);
        if shape.args {
            self.on.encode(body);
            self.operands.encode(body);
        }
    }
}

/// What is said of a single call: columns, and the place in them.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    parts: &'a [Column],
    at: usize,
}

impl<'a> Place<'a> {
    /// In row `at`, if anything is.
    #[inline]
    pub(super) fn of(columns: &'a [Column], at: usize) -> Result<Option<Self>, Damage> {
        let list = columns.get(row::CALL).ok_or_else(nonsense)?.structures(at);
        if list.len() > 1 {
            return Err(nonsense());
        }
        Ok(list.first().map(|(parts, at)| Self { parts, at }))
    }

    pub(super) fn tid(self) -> Result<u32, Damage> {
        self.number(single::TID).ok_or_else(nonsense)
    }

    /// When it was entered, as moments are written.
    pub(super) fn since(self) -> Option<i64> {
        self.number(single::SINCE)
    }

    fn number<T: arrow_buffer::ArrowNativeType>(self, part: usize) -> Option<T> {
        self.parts.get(part)?.number(self.at)
    }

    /// The arguments, if there are any.
    pub(super) fn args(self) -> Result<Option<[u64; 6]>, Damage> {
        match self.parts.get(single::ARGS).ok_or_else(nonsense)?.list(self.at) {
            [] => Ok(None),
            args => <[u64; 6]>::try_from(args).map(Some).map_err(|_| nonsense()),
        }
    }

    /// What it operates on, if that is there.
    pub(super) fn operands(self) -> Result<Option<Kept>, Damage> {
        match self.parts.get(single::OPERANDS).and_then(|column| column.bytes(self.at)) {
            Some(bytes) if bytes.len() > MAX_OPERANDS_BYTES => Err(nonsense()),
            bytes => Ok(bytes.map(Into::into)),
        }
    }

    /// What it was on: one of the files that are listed. Its descriptor is its first argument.
    fn on(self, files: &[OnFile]) -> Result<Option<Arc<On>>, Damage> {
        let Some(place) = self.number::<u32>(single::ON) else { return Ok(None) };
        let row = files.get(place as usize).ok_or_else(nonsense)?;
        let fd = self.args()?.ok_or_else(nonsense)?[0] as i32;
        Ok(Some(Arc::new(On { fd, file: row.file, names: row.names.clone() })))
    }
}

/// Takes the slowest call of a cell, whose files are known already, from row `at`; `monotonic` tells how times were
/// written.
#[inline]
pub(super) fn take_slowest(
    columns: &[Column],
    at: usize,
    cell: &mut Cell,
    monotonic: impl Fn(i64) -> u64,
) -> Result<(), Damage> {
    let Some(place) = Place::of(columns, at)? else { return Ok(()) };
    let latency_ns = place.number(single::LATENCY).unwrap_or(cell.max_ns);
    if latency_ns > cell.max_ns {
        return Err(nonsense());
    }
    let said: Option<SlowCall> = match place.since() {
        None => None,
        Some(since) => Some(SlowCall {
            latency_ns,
            enter_ns: monotonic(since),
            tid: place.tid()?,
            ret: place.number(single::RET).ok_or_else(nonsense)?,
            args: place.args()?.map(Arc::new),
            on: place.on(&cell.on)?,
            operands: place.operands()?,
        }),
    };
    // Calls that are said to be slower are another cell's.
    let known = cell.slowest.iter().filter(|known| said.as_ref().is_some_and(|slow| slow.is_before(known)));
    let slowest: Vec<SlowCall> = said.iter().chain(known).take(slowest::IN_CELL).cloned().collect();
    cell.slowest = slowest.into();
    Ok(())
}
