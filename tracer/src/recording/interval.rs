//! The interval that is being read: its rows so far, and whether they can be true.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow_buffer::ArrowNativeType;
use rustc_hash::FxHashMap;

use super::batch::{Column, Damage};
use super::note::Note;
use super::reader::{Layout, call_key, nonsense};
use super::rows::BEFORE_ATTACH;
use super::schema::{Kind, errno, row};
use super::single::{self, Place};
use super::verify::Check;
use super::{End, buckets, examples, on, process, stacks};
use crate::decode::{CallEvent, ProcessEvent};
use crate::fold::Fold;
use crate::histogram::Histogram;
use crate::interval::{Cell, CellKey, InFlight, Interval, Sizes};
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
    /// What the checksum covers, and its sum so far.
    covers: Check,
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

impl Open {
    pub(super) fn new(covers: Check, start_ns: u64) -> Self {
        Self {
            fold: (covers.kind == Kind::Events).then(|| Fold::new(start_ns)),
            rows: 0,
            unfinished: 0,
            calls: 0,
            closing: false,
            bytes: 0,
            closed_bytes: 0,
            interval: Interval::default(),
            covers,
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

    pub(super) fn take_cell(&mut self, columns: &[Column], at: usize, layout: Layout) -> Result<(), Damage> {
        let key =
            CellKey { process: Self::process(columns, at)?, call: call_key(columns, at, layout.native)? };
        let known = if self.fold.is_some() { self.interval.cells.remove(&key) } else { None };
        let cell = cell(known.as_ref().unwrap_or(&self.nothing), columns, at, layout)?;
        self.needs(size_of::<(CellKey, Cell)>() + cell.heap_bytes())?;
        if self.fold.is_none() {
            // It is in the cache now; once all of them are there it no longer is.
            self.count(&key, &cell);
        } else if known.is_some() && cell.calls == 0 && cell.on.is_empty() && cell.stacks.is_empty() {
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
        self.check = self.check.wrapping_add(self.covers.cell(key, cell));
        self.sums.calls = self.sums.calls.saturating_add(cell.calls);
        self.sums.total_ns = self.sums.total_ns.saturating_add(cell.total_ns);
    }

    pub(super) fn take_info(&mut self, columns: &[Column], at: usize, layout: Layout) -> Result<(), Damage> {
        let info = process::take(columns, at, |moment| layout.monotonic(moment))?;
        self.needs(size_of::<(ProcessId, ProcessInfo)>() + info.heap_bytes())?;
        let id = Self::process(columns, at)?;
        self.check = self.check.wrapping_add(self.covers.process(id, &info));
        match self.interval.processes.insert(id, info) {
            None => Ok(()),
            Some(_) => Err(nonsense()),
        }
    }

    pub(super) fn take_in_flight(
        &mut self,
        columns: &[Column],
        at: usize,
        note: Option<Note<'_>>,
        layout: Layout,
    ) -> Result<(), Damage> {
        self.needs(size_of::<InFlight>())?;
        let call = Place::of(columns, at)?.ok_or_else(nonsense)?;
        let open = InFlight {
            process: Self::process(columns, at)?,
            tid: call.tid()?,
            call: call_key(columns, at, layout.native)?,
            enter_ns: layout.monotonic(call.since().ok_or_else(nonsense)?),
            before_attach: note.and_then(|note| note.text) == Some(BEFORE_ATTACH),
            args: call.args()?,
            on: on::take_open(columns, at)?,
            operands: call.operands()?,
        };
        self.check = self.check.wrapping_add(self.covers.open(&open));
        self.interval.in_flight.push(open);
        Ok(())
    }

    pub(super) fn take_ledger(&mut self, note: Note<'_>) -> Result<(), Damage> {
        let (Some(name), Some(value)) = (note.text, note.value) else { return Err(nonsense()) };
        self.sums.ledger = self.sums.ledger.saturating_add(value);
        if self.sums.ledger >= IMPOSSIBLE {
            return Err(nonsense());
        }
        self.check = self.check.wrapping_add(self.covers.ledger(name, value));
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
        stacks: Arc::from([]),
        ..Cell::default()
    }
}

/// The cell in row `at`, which says what `known` does not.
fn cell(known: &Cell, columns: &[Column], at: usize, layout: Layout) -> Result<Cell, Damage> {
    let sum = |known: u64, index: usize| -> Result<u64, Damage> {
        Ok(known.wrapping_add(number::<u64>(columns, index, at)?))
    };
    // Where there is none, it is 0: in the first version some were not written then.
    let more = |known: u64, index: usize| {
        let said = columns.get(index).and_then(|column| column.number(at)).unwrap_or(0);
        known.wrapping_add(said)
    };
    let mut cell = Cell {
        calls: sum(known.calls, row::CALLS)?,
        errors: known.errors.clone(),
        interrupted: sum(known.interrupted, row::INTERRUPTED)?,
        denied: sum(known.denied, row::DENIED)?,
        no_return: sum(known.no_return, row::NO_RETURN)?,
        died: sum(known.died, row::DIED)?,
        total_ns: sum(known.total_ns, row::TOTAL)?,
        min_ns: more(0, row::MIN),
        max_ns: more(0, row::MAX),
        latencies: Arc::new(latencies(&known.latencies, columns, at)?),
        slowest: Arc::clone(&known.slowest),
        threads: Arc::clone(&known.threads),
        sizes: Sizes {
            calls: more(known.sizes.calls, row::SIZED),
            bytes: more(known.sizes.bytes, row::BYTES),
            small: more(known.sizes.small, row::SMALL),
        },
        on: Arc::clone(&known.on),
        examples: examples::take(columns, at)?.unwrap_or_else(|| Arc::clone(&known.examples)),
        stacks: stacks::take(columns, at)?.unwrap_or_else(|| Arc::clone(&known.stacks)),
    };
    add_errors(&mut cell.errors, columns, at)?;
    let mut errors = 0u64;
    for count in cell.errors.values() {
        errors = errors.checked_add(*count).ok_or_else(nonsense)?;
    }
    let files = on::take(columns, at)?;
    if !files.is_empty() || cell.calls == 0 {
        let mut calls = 0u64;
        for file in &files {
            calls = calls.checked_add(file.calls).ok_or_else(nonsense)?;
        }
        if calls > cell.calls {
            return Err(nonsense());
        }
        cell.on = files.into();
    }
    single::take_slowest(columns, at, &mut cell, |moment| layout.monotonic(moment))?;
    if cell.calls == 0 {
        // Single calls that the whole interval has under another key: news of their process were lost on their way into
        // the file. What is left came late: names of files, and where calls of earlier intervals were made.
        cell.slowest = Arc::default();
        cell.threads = Arc::default();
        cell.examples = Arc::default();
    }
    let parts = [errors, cell.interrupted, cell.denied, cell.no_return, cell.died, cell.latencies.count()];
    let possible = cell.calls < IMPOSSIBLE
        && parts.iter().all(|&part| part <= cell.calls)
        && cell.sizes.small <= cell.sizes.calls
        && cell.sizes.calls <= cell.calls;
    if possible && errors == sum(known.error_count(), row::ERRORS)? { Ok(cell) } else { Err(nonsense()) }
}

fn latencies(known: &Histogram, columns: &[Column], at: usize) -> Result<Histogram, Damage> {
    let column = columns.get(row::LATENCIES).ok_or_else(nonsense)?;
    if known.is_empty() {
        return buckets::histogram(column, at);
    }
    let mut counts: FxHashMap<u16, u64> =
        known.indexed().map(|(bucket, calls)| (bucket as u16, calls)).collect();
    for (bucket, calls) in buckets::differences(column, at)? {
        let count = counts.entry(bucket).or_default();
        *count = count.wrapping_add(calls);
    }
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, calls)| *calls > 0).collect();
    counts.sort_unstable();
    Histogram::from_indexed(counts.into_iter()).ok_or_else(nonsense)
}

/// Adds the failed calls of row `at`.
fn add_errors(errors: &mut BTreeMap<u16, u64>, columns: &[Column], at: usize) -> Result<(), Damage> {
    let list = columns.get(row::ERRNOS).ok_or_else(nonsense)?.structures(at);
    let errnos: &[u16] = list.numbers(errno::ERRNO).ok_or_else(nonsense)?;
    let calls: &[u64] = list.numbers(errno::CALLS).ok_or_else(nonsense)?;
    if errnos.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(nonsense());
    }
    for (&errno, &calls) in errnos.iter().zip(calls) {
        let count = errors.entry(errno).or_default();
        *count = count.wrapping_add(calls);
        if *count == 0 {
            errors.remove(&errno);
        }
    }
    Ok(())
}
