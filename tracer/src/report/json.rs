//! JSON Lines: intervals and totals as one object per line, `type` first, times in ns.
//!
//! Lines are pure ASCII: whatever a process called itself, no byte of it reaches a terminal unescaped, and
//! parsing the line gives the name back unchanged. A name that is no UTF-8 has its exact bytes beside it in
//! `comm_hex`. Figures that do not exist (a percentile without a completed call) are `null`.

mod before;
mod example;
mod finding;
mod ledger;
mod name;
mod on;
mod process;
mod stack;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use before::BeforeLine;
use example::ErrnoLine;
pub(crate) use example::ExampleLine;
use finding::FindingLine;
use ledger::LedgerLine;
pub use name::Name;
use on::{FileFields, FileLine, OnLine};
use process::{ProcessLine, SlowLine, ThreadLine};
use serde::Serialize;
use serde::ser::Serializer;
use serde_json::ser::Formatter;
use stack::StackLine;

use crate::arguments::{self, Argument};
use crate::baseline::Baseline;
use crate::by_file::{self, OnBy};
use crate::findings::Finding;
use crate::group::ErrnoGroup;
use crate::interval::{CallKey, Cell, CellKey, Example, InFlight, Interval, examples};
use crate::io_uring;
use crate::process::{Comm, ProcessId};
use crate::run::Meta;
use crate::snapshot::{CallRow, CallStats, ProcessRow, Snapshot};
use crate::syscalls;

/// Writes lines to `W`, and flushes after each group of lines, so that a reader at the other end of a pipe
/// is never an interval behind.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
    baseline: Option<Arc<Baseline>>,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out, baseline: None }
    }

    /// The same, with each cell held against a baseline.
    #[must_use]
    pub fn against(mut self, baseline: Arc<Baseline>) -> Self {
        self.baseline = Some(baseline);
        self
    }

    /// The first line.
    pub fn meta(&mut self, meta: &Meta) -> io::Result<()> {
        self.line(&Line::Meta(meta))?;
        self.out.flush()
    }

    /// The calls of one interval with percentiles of their own, the calls open at its end, and its ledger.
    pub fn interval(&mut self, interval: &Interval) -> io::Result<()> {
        let span = Span { scope: Scope::Interval, start_ns: interval.start_ns, end_ns: interval.end_ns };
        let mut known: Vec<_> = interval.processes.iter().collect();
        known.sort_unstable_by_key(|(id, _)| **id);
        for (&id, info) in known {
            if let Some(who) = &info.who {
                self.line(&Line::Process(ProcessLine::new((span.scope, span.end_ns), id, info.comm, who)))?;
            }
        }
        for row in rows_of_interval(interval) {
            self.row(span, &row)?;
        }
        self.line(&Line::Ledger(LedgerLine {
            span,
            counts: &interval.ledger,
            in_flight_now: interval.in_flight.iter().filter(|open| !open.before_attach).count() as u64,
            imbalances: None,
            io_uring: Vec::new(),
        }))?;
        self.out.flush()
    }

    /// What stands out at the end of an interval; nothing, where nothing does.
    pub fn findings(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.write_findings(Scope::Interval, snapshot, &snapshot.findings.now)?;
        self.out.flush()
    }

    /// Everything since the start.
    pub fn totals(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.write_totals(snapshot, true)
    }

    /// Totals of a part of what the ledger counted: whether that ledger is balanced is not said.
    pub fn totals_of_part(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.write_totals(snapshot, false)
    }

    /// Failed calls by errno, whosever they are.
    pub fn errnos(&mut self, groups: &[ErrnoGroup], end_ns: u64) -> io::Result<()> {
        for group in groups {
            self.line(&Line::Errno(ErrnoLine {
                subject: None,
                total: Some(Total { scope: Scope::Total, end_ns }),
                errno: syscalls::errno::name(group.errno),
                count: group.count,
                examples: group
                    .examples
                    .iter()
                    .map(|(call, example)| ExampleLine::of(*call, example))
                    .collect(),
            }))?;
        }
        self.out.flush()
    }

    /// All calls by what they were on, or by whom they led to; the lines add up to the totals.
    pub fn files(&mut self, snapshot: &Snapshot, by: OnBy) -> io::Result<()> {
        for row in by_file::ranked(snapshot, by) {
            let total = Total { scope: Scope::Total, end_ns: snapshot.end_ns };
            self.line(&Line::On(FileLine::new(total, by, &row, snapshot.elapsed_ns())))?;
        }
        self.out.flush()
    }

    /// The same where they stand for the totals of a run: whether all calls are in them follows.
    pub fn totals_by(&mut self, snapshot: &Snapshot, by: OnBy) -> io::Result<()> {
        self.files(snapshot, by)?;
        self.ledger(snapshot, true)
    }

    /// One of the lines that verbs other than `top` add.
    pub fn value(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut serializer = serde_json::Serializer::with_formatter(&mut self.out, Ascii);
        line.serialize(&mut serializer)?;
        self.out.write_all(b"\n")
    }

    fn write_totals(&mut self, snapshot: &Snapshot, whole: bool) -> io::Result<()> {
        let span = Span { scope: Scope::Total, start_ns: snapshot.start_ns, end_ns: snapshot.end_ns };
        for process in snapshot.processes.iter().filter(|process| process.together == 0) {
            if let Some(who) = &process.who {
                let line = ProcessLine::new((span.scope, span.end_ns), process.id, process.comm, who);
                self.line(&Line::Process(line.on(process.host.as_deref())))?;
            }
        }
        for row in rows_of_snapshot(snapshot) {
            self.row(span, &row)?;
        }
        self.write_findings(Scope::Total, snapshot, &snapshot.findings.run)?;
        self.ledger(snapshot, whole)
    }

    /// What the ledger counted since the start, and who did what it cannot see.
    fn ledger(&mut self, snapshot: &Snapshot, whole: bool) -> io::Result<()> {
        let span = Span { scope: Scope::Total, start_ns: snapshot.start_ns, end_ns: snapshot.end_ns };
        let in_flight_now = snapshot.entered_in_flight();
        let imbalances = whole.then(|| snapshot.ledger.imbalances(in_flight_now));
        self.line(&Line::Ledger(LedgerLine {
            span,
            counts: &snapshot.ledger,
            in_flight_now,
            imbalances: imbalances.map(|found| found.iter().map(ToString::to_string).collect()),
            io_uring: io_uring::owners(snapshot).iter().map(|owner| owner.process.pid).collect(),
        }))?;
        self.out.flush()
    }

    /// Hands on what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The writer, with everything written so far.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn write_findings(&mut self, scope: Scope, snapshot: &Snapshot, findings: &[Finding]) -> io::Result<()> {
        for (rank, finding) in (1..).zip(findings) {
            self.line(&Line::Finding(FindingLine::new(scope, snapshot.end_ns, rank, finding)))?;
        }
        Ok(())
    }

    /// One cell, then its errnos, then its open calls.
    fn row(&mut self, span: Span, row: &Row) -> io::Result<()> {
        let subject = || Subject::new(span, row);
        let mut cell = CellLine::new(subject(), row);
        if let Some(baseline) = &self.baseline {
            let window_ns = span.end_ns.saturating_sub(span.start_ns);
            cell.baseline = BeforeLine::new(baseline.call(row.comm, row.call), &row.stats, window_ns);
        }
        self.line(&Line::Cell(cell))?;
        for &(errno, count, examples) in &row.errnos {
            self.line(&Line::Errno(ErrnoLine {
                subject: Some(subject()),
                total: None,
                errno: syscalls::errno::name(errno),
                count,
                examples: ExampleLine::all(row.call, examples),
            }))?;
        }
        for open in row.in_flight.iter() {
            let elapsed_ns = span.end_ns.saturating_sub(open.enter_ns);
            self.line(&Line::InFlight(InFlightLine {
                subject: subject(),
                tid: open.tid,
                elapsed_ns,
                before_attach: open.before_attach,
                args: open.args,
                arguments: open.args.map(|args| Arguments::of(open.call, &args, open.operands.as_deref())),
                on: open.on.as_ref().map(FileFields::of_call),
            }))?;
        }
        Ok(())
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.value(line)
    }
}

/// One syscall of one process over some span, wherever it came from.
struct Row<'a> {
    process: ProcessId,
    host: Option<&'a str>,
    comm: Comm,
    folded: u64,
    together: u64,
    call: CallKey,
    name: Cow<'a, str>,
    stats: Cow<'a, CallStats>,
    /// Errno, calls and what they failed on, by errno.
    errnos: Vec<(u16, u64, &'a [Example])>,
    /// Longest first.
    in_flight: Cow<'a, [InFlight]>,
    /// Of a report by cgroup, which.
    cgroup: Option<&'a str>,
    /// The slowest first; only of totals.
    slowest: Vec<SlowLine<'a>>,
    /// By tid; only of totals.
    threads: Vec<ThreadLine>,
    /// By identity.
    on: Vec<OnLine<'a>>,
    /// The most time first.
    stacks: Vec<StackLine<'a>>,
}

impl<'a> Row<'a> {
    fn from_snapshot(process: &'a ProcessRow, call: &'a CallRow) -> Self {
        let mut errnos: Vec<(u16, u64, &[Example])> =
            call.errnos.iter().map(|row| (row.errno, row.count, &*row.examples)).collect();
        errnos.sort_unstable_by_key(|(errno, ..)| *errno);
        Self {
            process: process.id,
            host: process.host.as_deref(),
            comm: process.comm,
            folded: process.folded,
            together: process.together,
            call: call.call,
            name: Cow::Borrowed(&call.name),
            stats: Cow::Borrowed(&call.stats),
            errnos,
            in_flight: Cow::Borrowed(&call.in_flight),
            cgroup: process.who.as_ref().filter(|_| process.together > 0).map(|who| &*who.cgroup),
            slowest: call.slowest.iter().map(|slow| SlowLine::new(call.call, slow)).collect(),
            threads: call.threads.iter().map(|thread| ThreadLine::new(thread, process)).collect(),
            on: call.on.iter().map(OnLine::new).collect(),
            stacks: call.stacks.iter().map(StackLine::new).collect(),
        }
    }

    fn from_interval(
        interval: &Interval,
        key: CellKey,
        cell: Option<&'a Cell>,
        in_flight: Vec<InFlight>,
    ) -> Self {
        let none = Cell::default();
        let figures = cell.unwrap_or(&none);
        Self {
            process: key.process,
            comm: interval.processes.get(&key.process).map(|info| info.comm).unwrap_or_default(),
            host: None,
            folded: 0,
            together: 0,
            call: key.call,
            name: syscalls::name(key.call),
            stats: Cow::Owned(CallStats {
                calls: figures.calls,
                errors: figures.error_count(),
                interrupted: figures.interrupted,
                denied: figures.denied,
                no_return: figures.no_return + figures.died,
                in_flight: in_flight.len() as u64,
                total_ns: figures.total_ns,
                min_ns: figures.min_ns,
                max_ns: figures.max_ns,
                latencies: figures.latencies.clone(),
                sizes: figures.sizes,
                ..CallStats::default()
            }),
            errnos: cell
                .into_iter()
                .flat_map(|cell| {
                    cell.errors.iter().map(move |(&errno, &count)| {
                        (errno, count, examples::of_errno(&cell.examples, errno))
                    })
                })
                .collect(),
            in_flight: Cow::Owned(in_flight),
            cgroup: None,
            slowest: Vec::new(),
            threads: Vec::new(),
            on: cell.map_or(&[][..], |cell| &cell.on).iter().map(OnLine::new).collect(),
            stacks: cell.map_or(&[][..], |cell| &cell.stacks).iter().map(StackLine::new).collect(),
        }
    }
}

/// Rows by process, then by syscall; a stuck call has a row although nothing ended.
fn rows_of_interval(interval: &Interval) -> impl Iterator<Item = Row<'_>> {
    let mut by_key: BTreeMap<CellKey, (Option<&Cell>, Vec<InFlight>)> =
        interval.cells.iter().map(|(&key, cell)| (key, (Some(cell), Vec::new()))).collect();
    for open in &interval.in_flight {
        let key = CellKey { process: open.process, call: open.call };
        by_key.entry(key).or_default().1.push(open.clone());
    }
    by_key.into_iter().map(move |(key, (cell, mut in_flight))| {
        in_flight.sort_unstable_by_key(|open| (open.enter_ns, open.tid));
        Row::from_interval(interval, key, cell, in_flight)
    })
}

/// Rows in the order of [`rows_of_interval`]; folded processes come first, by name.
fn rows_of_snapshot(snapshot: &Snapshot) -> impl Iterator<Item = Row<'_>> {
    let mut rows: Vec<Row> = snapshot
        .processes
        .iter()
        .flat_map(|process| process.calls.iter().map(move |call| Row::from_snapshot(process, call)))
        .collect();
    rows.sort_by_key(|row| (row.process, row.host, row.comm, row.call));
    rows.into_iter()
}

/// The name without the table it is from, which `abi` says: one syscall has one name in every table.
fn plain_name(name: &str, call: CallKey) -> &str {
    name.strip_prefix(call.abi.name()).and_then(|rest| rest.strip_prefix(':')).unwrap_or(name)
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Scope {
    Interval,
    Total,
}

#[derive(Clone, Copy)]
struct Span {
    scope: Scope,
    start_ns: u64,
    end_ns: u64,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Meta(&'a Meta),
    Process(ProcessLine<'a>),
    Cell(CellLine<'a>),
    Errno(ErrnoLine<'a>),
    On(FileLine<'a>),
    InFlight(InFlightLine<'a>),
    Finding(FindingLine),
    Ledger(LedgerLine<'a>),
}

/// When a line about all calls was true.
#[derive(Serialize)]
struct Total {
    scope: Scope,
    end_ns: u64,
}

/// What cells, errnos and open calls have in common.
#[derive(Serialize)]
struct Subject<'a> {
    scope: Scope,
    end_ns: u64,
    /// Where figures of several hosts were put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    pid: u32,
    /// Tells apart two processes that had the same PID; 0 when not known.
    process_start_ns: u64,
    #[serde(flatten)]
    name: Name,
    syscall: &'a str,
    abi: &'static str,
    nr: i32,
}

impl<'a> Subject<'a> {
    fn new(span: Span, row: &'a Row) -> Self {
        Self {
            scope: span.scope,
            end_ns: span.end_ns,
            host: row.host,
            pid: row.process.pid,
            process_start_ns: row.process.start_ns,
            name: Name::new(row.comm),
            syscall: plain_name(&row.name, row.call),
            abi: row.call.abi.name(),
            nr: row.call.nr,
        }
    }
}

#[derive(Serialize)]
struct CellLine<'a> {
    #[serde(flatten)]
    subject: Subject<'a>,
    calls: u64,
    errors: u64,
    interrupted: u64,
    denied: u64,
    no_return: u64,
    in_flight: u64,
    total_ns: u64,
    min_ns: Option<u64>,
    max_ns: Option<u64>,
    p50_ns: Option<u64>,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    p999_ns: Option<u64>,
    /// How many folded processes of this name the row stands for.
    #[serde(skip_serializing_if = "is_zero")]
    folded: u64,
    /// How many processes a grouped report took together in the row.
    #[serde(skip_serializing_if = "is_zero")]
    processes: u64,
    /// Their cgroup, where the report is by cgroup; empty where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<&'a str>,
    /// What was moved by calls that return it, how many these are, and how many moved fewer than 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sized: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    small: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    slowest: &'a [SlowLine<'a>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    threads: &'a [ThreadLine],
    /// What they were on, where they have a descriptor.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    on: &'a [OnLine<'a>],
    /// Where they were made.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stacks: &'a [StackLine<'a>],
    /// What the call was like in the baseline.
    #[serde(skip_serializing_if = "BeforeLine::is_left_out")]
    baseline: BeforeLine,
}

impl<'a> CellLine<'a> {
    fn new(subject: Subject<'a>, row: &'a Row<'a>) -> Self {
        let stats = &row.stats;
        let completed = !stats.latencies.is_empty();
        let sizes = Some(stats.sizes).filter(|sizes| sizes.calls > 0);
        Self {
            subject,
            calls: stats.calls,
            errors: stats.errors,
            interrupted: stats.interrupted,
            denied: stats.denied,
            no_return: stats.no_return,
            in_flight: stats.in_flight,
            total_ns: stats.total_ns,
            min_ns: completed.then_some(stats.min_ns),
            max_ns: completed.then_some(stats.max_ns),
            p50_ns: stats.quantile_ns(0.5),
            p90_ns: stats.quantile_ns(0.9),
            p99_ns: stats.quantile_ns(0.99),
            p999_ns: stats.quantile_ns(0.999),
            folded: row.folded,
            processes: row.together,
            cgroup: row.cgroup,
            bytes: sizes.map(|sizes| sizes.bytes),
            sized: sizes.map(|sizes| sizes.calls),
            small: sizes.map(|sizes| sizes.small),
            slowest: &row.slowest,
            threads: &row.threads,
            on: &row.on,
            stacks: &row.stacks,
            baseline: BeforeLine::LeftOut,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize)]
struct InFlightLine<'a> {
    #[serde(flatten)]
    subject: Subject<'a>,
    tid: u32,
    elapsed_ns: u64,
    /// It was entered before we attached: `elapsed_ns` is since then, and a lower bound.
    #[serde(skip_serializing_if = "is_false")]
    before_attach: bool,
    /// As registers, when they were taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<[u64; 6]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Arguments>,
    /// What it is on, where it has a descriptor.
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<FileFields<'a>>,
}

/// Arguments as an object: what each means, under its name.
pub struct Arguments(Vec<Argument>);

impl Arguments {
    /// Of a call with these registers, which operates on this where it is known.
    pub fn of(call: CallKey, registers: &[u64; 6], operands: Option<&[u8]>) -> Self {
        Self(arguments::decode(call, registers, operands))
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|argument| (argument.name, argument.meaning.to_string())))
    }
}

/// Compact JSON in which every character beyond printable ASCII is written `\uNNNN`.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for part in fragment.split_inclusive(|c: char| !matches!(c, ' '..='~')) {
            let plain = part.trim_end_matches(|c: char| !matches!(c, ' '..='~'));
            writer.write_all(plain.as_bytes())?;
            for unit in part[plain.len()..].encode_utf16() {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
