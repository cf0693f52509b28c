//! Recordings as files that other tools read. One file for each format; what they have in common is the
//! stream of calls, intervals and marks that [`Feed`] makes of a recording, one batch in memory at a time.

mod chrome;
mod csv;
mod folded;
mod jsonl;
mod names;
mod parquet;
mod strace;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use tracer_common::outcome::Outcome;

use crate::cli::export::{Format, Weight};
use crate::decode::{CallEvent, End, Record};
use crate::fold::Fold;
use crate::interval::{CallKey, Cell, CellKey, Interval, Stack};
use crate::ledger::LedgerCounts;
use crate::operand;
use crate::process::{Comm, ProcessId};
use crate::recording::{Kind, Mark};
use crate::run::Meta;
use crate::sieve::Wanted;
use crate::span::Span;
use crate::syscalls::{arity, errno};
use names::Names;

/// A recorded call and who made it.
#[derive(Clone, Copy, Debug)]
struct Call<'a> {
    process: ProcessId,
    comm: Comm,
    event: &'a CallEvent,
    /// What it operates on, where that is known ([`crate::operand`]).
    operands: Option<&'a [u8]>,
    /// `CLOCK_MONOTONIC` at enter; for a call that was refused before, a moment shortly before that.
    enter_ns: u64,
}

/// What an interval says beside recorded calls: in a recording of intervals everything, in one of events the
/// calls that are in no row of their own, and in both the open calls and the ledger.
#[derive(Debug)]
struct Rest<'a> {
    interval: &'a Interval,
    /// Where its slow calls were made, those with a row of their own too.
    stacks: &'a [(CellKey, Arc<[Stack]>)],
    names: &'a Names,
}

/// A format.
trait Sink {
    /// The next recording.
    fn begin(&mut self, meta: &Meta, kind: Kind) -> io::Result<()>;
    /// A call; only from recordings of events.
    fn call(&mut self, call: &Call<'_>) -> io::Result<()>;
    /// The end of an interval.
    fn rest(&mut self, rest: &Rest<'_>) -> io::Result<()>;
    /// A mark.
    fn mark(&mut self, mark: &Mark) -> io::Result<()>;
    /// The end of everything.
    fn finish(&mut self) -> io::Result<()>;
}

/// Takes recordings apart and hands over what is wanted of them.
pub struct Feed {
    sink: Box<dyn Sink>,
    wanted: Wanted,
    span: Span,
    kind: Kind,
    names: Names,
    /// Folds the recorded calls, to know what an interval holds beside them.
    fold: Fold,
    /// Of the call that comes next.
    operands: operand::Latest,
    latest_ns: u64,
    failed: Option<io::Error>,
}

/// Whether a format shows single calls, which only recordings of events have.
pub fn needs_events(format: Format) -> bool {
    matches!(format, Format::Strace | Format::Chrome)
}

impl Feed {
    /// Writes to `out`, which should be buffered.
    pub fn new(format: Format, weight: Weight, out: Box<dyn Write + Send>, wanted: Wanted) -> Self {
        let sink: Box<dyn Sink> = match format {
            Format::Parquet => Box::new(parquet::Parquet::new(out)),
            Format::Csv => Box::new(csv::Csv::new(out)),
            Format::Jsonl => Box::new(jsonl::Jsonl::new(out)),
            Format::Strace => Box::new(strace::Strace::new(out)),
            Format::Chrome => Box::new(chrome::Chrome::new(out)),
            Format::Folded => Box::new(folded::Folded::new(out, weight)),
        };
        Self {
            sink,
            wanted,
            span: Span::EVERYTHING,
            kind: Kind::Intervals,
            names: Names::default(),
            fold: Fold::new(0),
            operands: operand::Latest::default(),
            latest_ns: 0,
            failed: None,
        }
    }

    /// The next recording, and which part of it is wanted.
    pub fn begin(&mut self, meta: &Meta, kind: Kind, span: Span) -> io::Result<()> {
        self.kind = kind;
        self.span = span;
        self.names = Names::default();
        self.fold = Fold::new(meta.start_ns);
        self.latest_ns = meta.start_ns;
        self.sink.begin(meta, kind)
    }

    /// An event. A failure is told by the next [`Feed::interval`], so that it can be called from inside a
    /// reader.
    pub fn event(&mut self, record: &Record<'_>) {
        match record {
            Record::Process(event) => {
                self.fold.take_process(event);
                self.names.take(event);
            }
            Record::Operands(event) => {
                self.fold.take_operands(event);
                self.operands.take(event);
            }
            // A file holds none.
            Record::Stack(_) => {}
            Record::Call(event) => {
                self.fold.take_call(event);
                // A call that was refused never entered; it was seen among its neighbours.
                let enter_ns = if event.enter_ns == 0 { self.latest_ns } else { event.enter_ns };
                let end_ns = enter_ns.saturating_add(latency_ns(event).unwrap_or(0));
                self.latest_ns = self.latest_ns.max(end_ns);
                let (process, comm) = self.names.of(event.tgid);
                let is_wanted = self.failed.is_none()
                    && self.span.holds_time(end_ns)
                    && self.wanted.wants_call(event.call)
                    && self.wanted.wants_process(process.pid, comm);
                if is_wanted {
                    let operands = self.operands.of(event);
                    self.failed = self.sink.call(&Call { process, comm, event, operands, enter_ns }).err();
                }
            }
        }
    }

    /// The end of an interval.
    pub fn interval(&mut self, mut interval: Interval) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.names.learn(&interval.processes);
        let with_stacks = ordered(&interval).into_iter().filter(|(_, cell)| !cell.stacks.is_empty());
        let mut stacks: Vec<_> = with_stacks.map(|(key, cell)| (*key, Arc::clone(&cell.stacks))).collect();
        if self.kind == Kind::Events {
            let told = self.fold.close(interval.end_ns, Vec::new(), LedgerCounts::default());
            take_out_told(&mut interval, told);
        }
        self.latest_ns = self.latest_ns.max(interval.end_ns);
        if !self.span.holds(&interval) {
            return Ok(());
        }
        let (wanted, names) = (&self.wanted, &self.names);
        let wants = |key: CellKey| {
            wanted.wants_call(key.call) && wanted.wants_process(key.process.pid, names.name(key.process))
        };
        stacks.retain(|(key, _)| wants(*key));
        interval.cells.retain(|key, _| wants(*key));
        interval.in_flight.retain(|open| wants(CellKey { process: open.process, call: open.call }));
        self.sink.rest(&Rest { interval: &interval, stacks: &stacks, names: &self.names })
    }

    /// A mark.
    pub fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        if self.span.holds_time(mark.time_ns) { self.sink.mark(mark) } else { Ok(()) }
    }

    /// The end of everything. Nothing is complete before.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.sink.finish(),
        }
    }
}

/// Leaves in an interval what its cells hold beside the calls that were told one by one. Latencies of single
/// calls are not in it.
///
/// News of a process may have been lost on its way into the file, so that a call was told under another
/// number than it was counted. What finds no cell of its own process is taken from all those of its syscall,
/// which then are one.
fn take_out_told(interval: &mut Interval, told: Interval) {
    let mut left = told.cells;
    for (key, told) in &mut left {
        if let Some(cell) = interval.cells.get_mut(key) {
            take_out(cell, told);
        }
    }
    let mut by_call: BTreeMap<CallKey, Cell> = BTreeMap::new();
    for (key, cell) in left.into_iter().filter(|(_, cell)| !is_nothing(cell)) {
        by_call.entry(key.call).or_default().merge(&cell);
    }
    for (call, mut told) in by_call {
        let keys: BTreeSet<CellKey> = interval.cells.keys().filter(|key| key.call == call).copied().collect();
        let mut sum = Cell::default();
        for key in &keys {
            sum.merge(&interval.cells.remove(key).unwrap_or_default());
        }
        take_out(&mut sum, &mut told);
        interval.cells.extend(keys.first().map(|key| (*key, sum)));
    }
    interval.cells.retain(|_, cell| {
        cell.errors.retain(|_, count| *count > 0);
        !is_nothing(cell)
    });
}

/// Whether nothing is counted in it any more.
fn is_nothing(cell: &Cell) -> bool {
    let counts = [cell.calls, cell.interrupted, cell.denied, cell.no_return, cell.died, cell.total_ns];
    counts.iter().chain(cell.errors.values()).all(|count| *count == 0)
}

/// Takes from `cell` what it has in common with `told`, and from `told` what it found.
fn take_out(cell: &mut Cell, told: &mut Cell) {
    let take = |from: &mut u64, told: &mut u64| {
        let both = (*from).min(*told);
        *from -= both;
        *told -= both;
    };
    // A call that failed is no other than one that failed with the same errno.
    let (mut left, mut told_left) = (fine(cell), fine(told));
    take(&mut left, &mut told_left);
    take(&mut cell.interrupted, &mut told.interrupted);
    take(&mut cell.denied, &mut told.denied);
    take(&mut cell.no_return, &mut told.no_return);
    take(&mut cell.died, &mut told.died);
    take(&mut cell.total_ns, &mut told.total_ns);
    for (errno, count) in &mut cell.errors {
        if let Some(told) = told.errors.get_mut(errno) {
            take(count, told);
        }
    }
    cell.calls = left + cell.error_count();
    told.calls = told_left + told.error_count();
    cell.latencies = Arc::default();
}

/// Calls without an errno.
fn fine(cell: &Cell) -> u64 {
    cell.calls.saturating_sub(cell.error_count())
}

/// Cells in one order whatever the map does.
fn ordered(interval: &Interval) -> Vec<(&CellKey, &Cell)> {
    let mut cells: Vec<_> = interval.cells.iter().collect();
    cells.sort_unstable_by_key(|(key, _)| **key);
    cells
}

/// Enter to exit, of calls that have both.
fn latency_ns(event: &CallEvent) -> Option<u64> {
    match event.end {
        End::Returned { latency_ns, .. } => Some(latency_ns),
        _ => None,
    }
}

/// The errno of a failed call, whether it entered or not.
fn errno_of(event: &CallEvent) -> Option<u16> {
    match event.end {
        End::Returned { outcome: Outcome::Error(errno), .. } | End::Denied { errno } => Some(errno),
        _ => None,
    }
}

/// The return value; none for calls that did not return.
fn ret_of(event: &CallEvent) -> Option<i64> {
    match event.end {
        End::Returned { ret, .. } => Some(ret),
        End::Denied { errno } => Some(-i64::from(errno)),
        End::NeverReturns | End::Died => None,
    }
}

/// The registers that are arguments of the call; none where arguments were not recorded.
fn args_of(event: &CallEvent) -> Option<&[u64]> {
    event.args.as_ref().map(|args| &args[..arity::arguments(event.call)])
}

/// How a call ended, in one word.
fn ended(event: &CallEvent) -> &'static str {
    match event.end {
        End::Returned { outcome: Outcome::Success, .. } => "ok",
        End::Returned { outcome: Outcome::Error(_), .. } => "error",
        End::Returned { outcome: Outcome::Interrupted(_), .. } => "interrupted",
        End::Denied { .. } => "denied",
        End::NeverReturns => "no_return",
        End::Died => "died",
    }
}

/// `ENOENT:12 EAGAIN:3`, as one field of a table.
fn errnos_text(cell: &Cell) -> String {
    let each: Vec<String> =
        cell.errors.iter().map(|(&errno, count)| format!("{}:{count}", errno::name(errno))).collect();
    each.join(" ")
}

#[cfg(test)]
mod tests;
