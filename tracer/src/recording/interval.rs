//! The interval that is being read: its rows so far, and whether they can be true.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow_buffer::ArrowNativeType;
use rustc_hash::FxHashMap;

use super::batch::{Column, Damage};
use super::reader::{call_key, comm, nonsense};
use super::rows::BEFORE_ATTACH;
use super::schema::{Kind, row};
use super::{End, detail, on, verify};
use crate::decode::{CallEvent, ProcessEvent};
use crate::fold::Fold;
use crate::histogram::Histogram;
use crate::interval::{Cell, CellKey, InFlight, Interval};
use crate::ledger::LedgerCounts;
use crate::operand::OperandsEvent;
use crate::process::{ProcessId, ProcessInfo};

/// Most bytes that one interval may need in memory.
const MAX_INTERVAL_BYTES: usize = 96 << 20;
/// Most processes that are known at one time.
const MAX_PROCESSES: usize = 1 << 20;
/// Figures that no recording reaches: beyond it, sums over intervals could overflow.
pub(super) const IMPOSSIBLE: u64 = 1 << 60;

/// What is known of the interval whose end has not been read, and the sums of those before.
pub(super) struct Open {
    /// In a recording of events.
    fold: Option<Fold>,
    /// Rows so far.
    rows: u64,
    /// Rows since the last interval that are no mark.
    unfinished: u64,
    /// Calls among them.
    calls: u64,
    /// Whether the rows that end the interval have begun.
    closing: bool,
    /// Memory of what was gathered, and of the interval before.
    bytes: usize,
    closed_bytes: usize,
    interval: Interval,
    /// Of the cells that were counted.
    check: u64,
    /// What is known of a cell before its row; making one allocates.
    nothing: Cell,
    sums: Sums,
}

/// Sums over all intervals so far: whoever adds them up later must not overflow.
#[derive(Default)]
struct Sums {
    calls: u64,
    total_ns: u64,
    ledger: u64,
}

fn number<T: ArrowNativeType>(columns: &[Column], index: usize, at: usize) -> Result<T, Damage> {
    columns.get(index).and_then(|column| column.number(at)).ok_or_else(nonsense)
}

fn pairs(
    columns: &[Column],
    keys: usize,
    counts: usize,
    at: usize,
) -> Result<impl ExactSizeIterator<Item = (u16, u64)>, Damage> {
    let keys: &[u16] = columns.get(keys).ok_or_else(nonsense)?.list(at);
    let counts: &[u64] = columns.get(counts).ok_or_else(nonsense)?.list(at);
    if keys.len() != counts.len() || keys.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(nonsense());
    }
    Ok(keys.iter().copied().zip(counts.iter().copied()))
}

impl Open {
    pub(super) fn new(kind: Kind, start_ns: u64) -> Self {
        Self {
            fold: (kind == Kind::Events).then(|| Fold::new(start_ns)),
            rows: 0,
            unfinished: 0,
            calls: 0,
            closing: false,
            bytes: 0,
            closed_bytes: 0,
            interval: Interval::default(),
            check: 0,
            nothing: nothing(),
            sums: Sums::default(),
        }
    }

    pub(super) fn has_rows(&self) -> bool {
        self.unfinished > 0
    }

    /// How a file ended whose end marker was found.
    pub(super) fn at_end(&self) -> End {
        if self.has_rows() {
            self.at_damage(&Damage::new("it ends in the middle of an interval"))
        } else {
            End::Clean
        }
    }

    /// How a file ended in which something was wrong.
    pub(super) fn at_damage(&self, damage: &Damage) -> End {
        let why = match self.calls {
            0 => damage.0.clone(),
            calls => format!("{}; {calls} calls of the interval that it cuts are left out", damage.0),
        };
        End::Unclean { why }
    }

    /// Whether what was gathered stays in the memory that reading may take.
    pub(super) fn within_bounds(&self) -> Result<(), Damage> {
        let (events, processes) = self.fold.as_ref().map_or((0, 0), |fold| (fold.bytes(), fold.processes()));
        if self.bytes + events > MAX_INTERVAL_BYTES || processes > MAX_PROCESSES {
            return Err(Damage::new("an interval claims to be larger than any recording has"));
        }
        Ok(())
    }

    /// Memory of the interval that was closed last.
    pub(super) fn item_bytes(&self) -> usize {
        self.closed_bytes
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// A mark, before which the file has so many rows.
    pub(super) fn take_mark(&mut self, rows: u64) -> Result<(), Damage> {
        if self.rows != rows {
            return Err(Damage::new("a part of it is missing"));
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn take_call(&mut self, event: &CallEvent) -> Result<(), Damage> {
        self.fold_for_event()?.take_call(event);
        self.calls += 1;
        Ok(())
    }

    /// What the call in the same row operates on.
    pub(super) fn take_operands(&mut self, event: &OperandsEvent<'_>) {
        if let Some(fold) = &mut self.fold {
            fold.take_operands(event);
        }
    }

    pub(super) fn take_process(&mut self, event: &ProcessEvent) -> Result<(), Damage> {
        self.fold_for_event()?.take_process(event);
        Ok(())
    }

    fn fold_for_event(&mut self) -> Result<&mut Fold, Damage> {
        self.rows += 1;
        self.unfinished += 1;
        match &mut self.fold {
            Some(fold) if !self.closing => Ok(fold),
            _ => Err(nonsense()),
        }
    }

    /// A row of the end of the interval, which is at `end_ns`.
    pub(super) fn take_row(&mut self, end_ns: u64) -> Result<(), Damage> {
        self.rows += 1;
        self.unfinished += 1;
        if self.closing {
            return if self.interval.end_ns == end_ns { Ok(()) } else { Err(nonsense()) };
        }
        self.closing = true;
        if let Some(fold) = &mut self.fold {
            self.bytes = fold.bytes();
            self.interval = fold.close(end_ns, Vec::new(), LedgerCounts::default());
            // Said again by rows, with what the fold could not know.
            self.interval.processes.clear();
            self.interval.ledger = LedgerCounts::default();
        }
        self.interval.end_ns = end_ns;
        Ok(())
    }

    /// Counts memory that a row needs.
    fn needs(&mut self, bytes: usize) -> Result<(), Damage> {
        self.bytes += bytes;
        if self.bytes > MAX_INTERVAL_BYTES {
            return Err(Damage::new("an interval claims to be larger than any recording has"));
        }
        Ok(())
    }

    fn process(columns: &[Column], at: usize) -> Result<ProcessId, Damage> {
        Ok(ProcessId {
            pid: number(columns, row::PID, at)?,
            start_ns: number(columns, row::PROCESS_START, at)?,
        })
    }

    pub(super) fn take_cell(
        &mut self,
        columns: &[Column],
        at: usize,
        monotonic: impl Fn(i64) -> u64,
    ) -> Result<(), Damage> {
        let key = CellKey { process: Self::process(columns, at)?, call: call_key(columns, at)? };
        let known = if self.fold.is_some() { self.interval.cells.remove(&key) } else { None };
        let mut cell = cell(known.as_ref().unwrap_or(&self.nothing), columns, at)?;
        detail::take_cell(columns, at, &mut cell, monotonic)?;
        self.needs(size_of::<(CellKey, Cell)>() + cell.heap_bytes())?;
        if self.fold.is_none() {
            // It is in the cache now; once all of them are there it no longer is.
            self.count(&key, &cell);
        } else if known.is_some() && cell.calls == 0 {
            // Events that the whole interval does not have under this key.
            return Ok(());
        }
        match self.interval.cells.entry(key) {
            Entry::Vacant(place) => {
                place.insert(cell);
                Ok(())
            }
            Entry::Occupied(_) => Err(nonsense()),
        }
    }

    /// Takes a cell whose figures will not change into the sums.
    fn count(&mut self, key: &CellKey, cell: &Cell) {
        self.check = self.check.wrapping_add(verify::check_cell(key, cell));
        self.sums.calls = self.sums.calls.saturating_add(cell.calls);
        self.sums.total_ns = self.sums.total_ns.saturating_add(cell.total_ns);
    }

    pub(super) fn take_info(&mut self, columns: &[Column], at: usize, as_of_ns: u64) -> Result<(), Damage> {
        let exited = columns.get(row::EXITED).and_then(|column| column.flag(at)).ok_or_else(nonsense)?;
        let mut info = ProcessInfo { comm: comm(columns, at)?, exited, as_of_ns, ..ProcessInfo::default() };
        detail::take_info(columns, at, &mut info)?;
        self.needs(size_of::<(ProcessId, ProcessInfo)>() + info.heap_bytes())?;
        match self.interval.processes.insert(Self::process(columns, at)?, info) {
            None => Ok(()),
            Some(_) => Err(nonsense()),
        }
    }

    pub(super) fn take_in_flight(
        &mut self,
        columns: &[Column],
        at: usize,
        enter_ns: u64,
    ) -> Result<(), Damage> {
        self.needs(size_of::<InFlight>())?;
        self.interval.in_flight.push(InFlight {
            process: Self::process(columns, at)?,
            tid: number(columns, row::TID, at)?,
            call: call_key(columns, at)?,
            enter_ns,
            before_attach: columns.get(row::TEXT).and_then(|column| column.text(at)) == Some(BEFORE_ATTACH),
            args: detail::args(columns, at)?,
            on: on::take_open(columns, at)?,
            operands: detail::operands(columns, at)?,
        });
        Ok(())
    }

    pub(super) fn take_ledger(&mut self, columns: &[Column], at: usize) -> Result<(), Damage> {
        let name = columns.get(row::COUNTER).and_then(|column| column.text(at)).ok_or_else(nonsense)?;
        let value: u64 = number(columns, row::VALUE, at)?;
        self.sums.ledger = self.sums.ledger.saturating_add(value);
        if self.sums.ledger >= IMPOSSIBLE {
            return Err(nonsense());
        }
        // A later version may count more.
        if let Some(counter) = self.interval.ledger.by_name_mut(name) {
            if *counter != 0 {
                return Err(nonsense());
            }
            *counter = value;
        }
        Ok(())
    }

    /// The end of the interval, before which the file has so many rows.
    pub(super) fn close(&mut self, start_ns: u64, rows: u64, check: u64) -> Result<Interval, Damage> {
        if self.rows != rows + 1 {
            return Err(Damage::new("a part of it is missing"));
        }
        let mut interval = std::mem::take(&mut self.interval);
        interval.start_ns = start_ns;
        if self.fold.is_some() {
            interval.cells.iter().for_each(|(key, cell)| self.count(key, cell));
        }
        if self.sums.calls >= IMPOSSIBLE || self.sums.total_ns == u64::MAX {
            return Err(Damage::new("its figures add up to more than any recording has"));
        }
        if std::mem::take(&mut self.check) != check {
            return Err(Damage::new("the figures of an interval are not those that were written"));
        }
        self.unfinished = 0;
        self.calls = 0;
        self.closing = false;
        self.closed_bytes = std::mem::take(&mut self.bytes);
        self.nothing = nothing();
        // The next one will have about as many.
        self.interval.cells.reserve(interval.cells.len());
        Ok(interval)
    }
}

/// An empty cell whose empty parts nobody else counts references of: the default ones are shared by all threads, which
/// would wait for each other at every cell.
fn nothing() -> Cell {
    Cell {
        slowest: Arc::from([]),
        threads: Arc::from([]),
        on: Arc::from([]),
        examples: Arc::from([]),
        ..Cell::default()
    }
}

/// The cell in row `at`, which says what `known` does not.
fn cell(known: &Cell, columns: &[Column], at: usize) -> Result<Cell, Damage> {
    let sum = |known: u64, index: usize| -> Result<u64, Damage> {
        Ok(known.wrapping_add(number::<u64>(columns, index, at)?))
    };
    let extreme = |index: usize| columns.get(index).and_then(|column| column.number(at)).unwrap_or(0);
    let buckets = pairs(columns, row::BUCKETS, row::BUCKET_CALLS, at)?;
    let latencies = if known.latencies.is_empty() {
        Histogram::from_indexed(buckets)
    } else {
        let mut counts: FxHashMap<u16, u64> =
            known.latencies.indexed().map(|(bucket, calls)| (bucket as u16, calls)).collect();
        for (bucket, calls) in buckets {
            let count = counts.entry(bucket).or_default();
            *count = count.wrapping_add(calls);
        }
        let mut counts: Vec<_> = counts.into_iter().filter(|(_, calls)| *calls > 0).collect();
        counts.sort_unstable();
        Histogram::from_indexed(counts.into_iter())
    };
    let mut cell = Cell {
        calls: sum(known.calls, row::CALLS)?,
        errors: known.errors.clone(),
        interrupted: sum(known.interrupted, row::INTERRUPTED)?,
        denied: sum(known.denied, row::DENIED)?,
        no_return: sum(known.no_return, row::NO_RETURN)?,
        died: sum(known.died, row::DIED)?,
        total_ns: sum(known.total_ns, row::TOTAL)?,
        min_ns: extreme(row::MIN),
        max_ns: extreme(row::MAX),
        latencies: Arc::new(latencies.ok_or_else(nonsense)?),
        slowest: Arc::clone(&known.slowest),
        threads: Arc::clone(&known.threads),
        sizes: known.sizes,
        on: Arc::clone(&known.on),
        examples: Arc::clone(&known.examples),
    };
    for (errno, calls) in pairs(columns, row::ERRNOS, row::ERRNO_CALLS, at)? {
        let count = cell.errors.entry(errno).or_default();
        *count = count.wrapping_add(calls);
        if *count == 0 {
            cell.errors.remove(&errno);
        }
    }
    let mut errors = 0u64;
    for count in cell.errors.values() {
        errors = errors.checked_add(*count).ok_or_else(nonsense)?;
    }
    let parts = [errors, cell.interrupted, cell.denied, cell.no_return, cell.died, cell.latencies.count()];
    let possible = cell.calls < IMPOSSIBLE && parts.iter().all(|&part| part <= cell.calls);
    if possible && errors == sum(known.error_count(), row::ERRORS)? { Ok(cell) } else { Err(nonsense()) }
}
