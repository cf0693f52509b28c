//! The text tables: what the screen shows, for standard output that is no terminal and for the totals at
//! the end. Appended, never redrawn, so logs and screen readers can follow.

use std::io::{self, Write};

use super::findings::write_findings;
use super::stacks::write_stacks;
use crate::columns::{self, Align, Column, Context, GAP, Rank, Row, Scope, SortKey};
use crate::human;
use crate::interval::InFlight;
use crate::io_uring;
use crate::run::RunInfo;
use crate::snapshot::{ProcessRow, Snapshot};
use crate::trust;

/// How much of a snapshot is printed; what is left out is counted in a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows in the table of processes.
    pub processes: usize,
    /// Processes whose calls are listed.
    pub detailed: usize,
    /// Rows in each table of calls.
    pub calls: usize,
    /// Rows in the table of open calls.
    pub open: usize,
    /// Rows in the table of errors.
    pub errors: usize,
    /// Places in the list of where slow calls were made.
    pub stacks: usize,
}

impl Limits {
    /// What suits an interval, or the end of a run.
    pub fn of(scope: Scope) -> Self {
        let processes = if scope == Scope::Total { 50 } else { 20 };
        Self { processes, detailed: 5, calls: usize::MAX, open: 15, errors: 15, stacks: 5 }
    }

    /// `rows` in each table.
    pub fn top(rows: usize) -> Self {
        Self { processes: rows, detailed: rows.min(5), calls: rows, open: rows, errors: rows, stacks: rows }
    }
}

/// Open calls younger than this are in no list: they only say when we looked.
const TOLD_NS: u64 = 1_000_000_000;

/// Width of lines, in cells: an interval leaves out what only the end can tell.
const LINE_WIDTH: [usize; 2] = [96, 140];

/// Writes the tables of one snapshot: who, with which calls, failing how, and whether that is all.
pub fn write_tables(
    out: &mut impl Write,
    snapshot: &Snapshot,
    run: &RunInfo,
    scope: Scope,
) -> io::Result<()> {
    write_tables_within(out, snapshot, run, scope, &Limits::of(scope))
}

/// The same with as many rows as are wanted.
pub fn write_tables_within(
    out: &mut impl Write,
    snapshot: &Snapshot,
    run: &RunInfo,
    scope: Scope,
    limits: &Limits,
) -> io::Result<()> {
    let at = Context::new(snapshot, scope);
    write_header(out, snapshot, run, scope)?;
    write_findings(out, snapshot, scope)?;
    if let [process] = &snapshot.processes[..] {
        writeln!(out, "\n{}", columns::process_label(process))?;
        write_calls(out, process, &at, limits)?;
    } else if snapshot.processes.is_empty() {
        let none = if run.part.is_some() { "no calls in this part" } else { "no calls seen yet" };
        writeln!(out, "\n{none}")?;
    } else {
        write_processes(out, snapshot, &at, limits)?;
    }
    write_open_calls(out, snapshot, &at, limits)?;
    write_errors(out, snapshot, &at, limits)?;
    if scope == Scope::Total {
        write_stacks(out, snapshot, limits.stacks)?;
    }
    if snapshot.processes.iter().any(|process| process.calls.iter().any(columns::is_stuck)) {
        writeln!(out, "\n! before a row: a call is open for longer than 99 in 100 calls like it took")?;
    }
    write_caveats(out, snapshot, run)?;
    writeln!(out)
}

/// What stands between the figures and their being everything: losses, and what this host lacks.
pub(super) fn write_caveats(out: &mut impl Write, snapshot: &Snapshot, run: &RunInfo) -> io::Result<()> {
    let mut words = trust::words(&snapshot.ledger);
    words.extend(io_uring::word(snapshot));
    if words.iter().any(|word| word.severity > trust::Severity::Fine) || !run.notices.is_empty() {
        writeln!(out)?;
        for word in words.iter().filter(|word| word.severity > trust::Severity::Fine) {
            writeln!(out, "! {}", word.sentence)?;
        }
        for notice in &run.notices {
            writeln!(out, "! {}", human::safe_text(notice.as_bytes()))?;
        }
    }
    Ok(())
}

/// Syscalls and names that are listed in a row.
pub(super) const LISTED: usize = 3;

/// The first names of so many, in one cell.
pub(super) fn listed(each: &[String], of: usize) -> String {
    let more = if of > LISTED { format!(", +{}", of - LISTED) } else { String::new() };
    each.join(", ") + &more
}

pub(super) fn write_header(
    out: &mut impl Write,
    snapshot: &Snapshot,
    run: &RunInfo,
    scope: Scope,
) -> io::Result<()> {
    let state: Vec<String> = trust::words(&snapshot.ledger).into_iter().map(|word| word.short).collect();
    let at_least = trust::at_least(&snapshot.ledger);
    let mut parts = vec![
        human::safe_text(run.target.as_bytes()),
        format!("on {}", human::safe_text(run.host.as_bytes())),
        human::clock(snapshot.elapsed_ns()),
        format!("{at_least}{} calls", human::count(snapshot.all.calls)),
    ];
    if scope == Scope::Interval {
        let rate = snapshot.per_second(snapshot.all.recent_calls);
        parts.push(format!("{at_least}{} calls/s", human::short_count(rate)));
    }
    parts.push(state.join(", "));
    if let Some(filter) = &run.filter {
        parts.push(format!("only {}", human::safe_text(filter.as_bytes())));
    }
    // An interval may be over before the run, and be printed after it.
    if scope == Scope::Total
        && let Some(why) = &run.ended
    {
        parts.push(format!("ended: {}", human::safe_text(why.as_bytes())));
    }
    writeln!(out, "{}", parts.join("  "))?;
    match scope {
        Scope::Interval => writeln!(
            out,
            "rates and BUSY% of the last {}, latencies since the start",
            human::duration(snapshot.recent_ns)
        ),
        Scope::Total => match &run.part {
            Some(part) => writeln!(out, "totals of {}", human::safe_text(part.as_bytes())),
            None => writeln!(out, "totals since the start"),
        },
    }
}

fn write_processes(
    out: &mut impl Write,
    snapshot: &Snapshot,
    at: &Context,
    limits: &Limits,
) -> io::Result<()> {
    let rows = sorted(snapshot.processes.iter().map(Row::Process).collect(), &columns::PROCESSES, "busy", at);
    let (shown, hidden) = rows.split_at(rows.len().min(limits.processes));
    writeln!(out)?;
    let mut lines = shown.to_vec();
    lines.push(Row::Sum {
        all: &snapshot.all,
        busy_ns: snapshot.processes.iter().map(|process| at.time_ns(&process.work)).sum(),
        in_flight: snapshot.processes.iter().map(|process| process.work.in_flight).sum(),
        oldest_ns: snapshot
            .processes
            .iter()
            .map(|process| process.work.oldest_in_flight_ns)
            .max()
            .unwrap_or(0),
    });
    let table = Table::new(&columns::PROCESSES, at);
    table.write_head(out)?;
    for (index, &row) in lines.iter().enumerate() {
        if index == shown.len() && !hidden.is_empty() {
            let calls: u64 = hidden.iter().map(|&row| calls_in_scope(row, at)).sum();
            writeln!(
                out,
                "  ... {} more {}, {}{}",
                human::count(hidden.len() as u64),
                if hidden.len() == 1 { "process" } else { "processes" },
                human::plural(calls, "call"),
                if at.scope == Scope::Interval { " in this interval" } else { "" },
            )?;
        }
        table.write_row(out, row)?;
    }
    let detailed = shown.iter().filter(|&&row| columns::rank(row, at) < Rank::Waiting).take(limits.detailed);
    for row in detailed {
        if let Row::Process(process) = row {
            writeln!(out, "\ncalls of {}", columns::process_label(process))?;
            write_calls(out, process, at, limits)?;
        }
    }
    Ok(())
}

fn write_calls(out: &mut impl Write, process: &ProcessRow, at: &Context, limits: &Limits) -> io::Result<()> {
    let set: &'static [Column] =
        if at.has_baseline { &columns::CALLS_AGAINST_BASELINE } else { &columns::CALLS_OF_PROCESS };
    let table = Table::new(set, at);
    table.write_head(out)?;
    let rows = sorted(process.calls.iter().map(Row::Call).collect(), set, "busy", at);
    for &row in rows.iter().take(limits.calls) {
        table.write_row(out, row)?;
    }
    write_more(out, rows.len(), limits.calls)?;
    table.write_row(
        out,
        Row::Sum {
            all: &process.all,
            busy_ns: at.time_ns(&process.work),
            in_flight: process.all.in_flight,
            oldest_ns: process.all.oldest_in_flight_ns,
        },
    )
}

/// The calls that are open for long enough to be told, longest first.
fn write_open_calls(
    out: &mut impl Write,
    snapshot: &Snapshot,
    at: &Context,
    limits: &Limits,
) -> io::Result<()> {
    let is_told = |open: &InFlight| at.age_ns(open) >= TOLD_NS;
    let rows: Vec<Row<'_>> = snapshot
        .processes
        .iter()
        .flat_map(|process| process.calls.iter().map(move |call| (process, call)))
        .flat_map(|(process, call)| call.in_flight.iter().map(move |open| (process, call, open)))
        .filter(|(.., open)| is_told(open))
        .map(|(process, call, open)| Row::Open(process, call, open))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let has_old = rows.iter().any(|row| matches!(row, Row::Open(.., open) if open.before_attach));
    let rows = sorted(rows, &columns::OPEN_CALLS, "open_for", at);
    writeln!(out, "\nin flight")?;
    let table = Table::new(&columns::OPEN_CALLS, at);
    table.write_head(out)?;
    for &row in rows.iter().take(limits.open) {
        table.write_row(out, row)?;
    }
    write_more(out, rows.len(), limits.open)?;
    if has_old {
        writeln!(out, "  ≥: entered before we attached, and open since")?;
    }
    Ok(())
}

fn write_errors(out: &mut impl Write, snapshot: &Snapshot, at: &Context, limits: &Limits) -> io::Result<()> {
    let rows: Vec<Row<'_>> = snapshot
        .processes
        .iter()
        .flat_map(|process| process.calls.iter().map(move |call| (process, call)))
        .flat_map(|(process, call)| call.errnos.iter().map(move |errno| Row::Error(process, call, errno)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let by = if at.scope == Scope::Interval { "now" } else { "count" };
    let rows = sorted(rows, &columns::ERRNOS, by, at);
    writeln!(out, "\nerrors")?;
    let table = Table::new(&columns::ERRNOS, at);
    table.write_head(out)?;
    for &row in rows.iter().take(limits.errors) {
        table.write_row(out, row)?;
    }
    write_more(out, rows.len(), limits.errors)
}

/// Says how many rows of a table are not printed.
fn write_more(out: &mut impl Write, rows: usize, limit: usize) -> io::Result<()> {
    match rows.saturating_sub(limit) {
        0 => Ok(()),
        more => writeln!(out, "  ... {} more", human::count(more as u64)),
    }
}

fn calls_in_scope(row: Row<'_>, at: &Context) -> u64 {
    match (row, at.scope) {
        (Row::Process(process), Scope::Interval) => process.all.recent_calls,
        (Row::Process(process), Scope::Total) => process.all.calls,
        _ => 0,
    }
}

/// Rows in the order of the screen: stuck, working, waiting, and the largest figure first in each.
fn sorted<'a>(rows: Vec<Row<'a>>, set: &[Column], by: &str, at: &Context) -> Vec<Row<'a>> {
    let key = columns::find(set, at.scope, by).map(|index| set[index].key);
    let sort_key = |row| key.map_or(SortKey::Number(0.0), |key| key(row, at));
    let mut keyed: Vec<_> =
        rows.into_iter().map(|row| (columns::rank(row, at), sort_key(row), row)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)));
    keyed.into_iter().map(|(_, _, row)| row).collect()
}

/// Columns and spans of one table.
struct Table<'a> {
    placed: Vec<columns::Placed>,
    at: &'a Context,
}

impl<'a> Table<'a> {
    fn new(set: &'static [Column], at: &'a Context) -> Self {
        let width = LINE_WIDTH[usize::from(at.scope == Scope::Total)];
        Self { placed: columns::lay_out(set, at.scope, width), at }
    }

    fn write_head(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_line(out, "  ", |column| column.title.to_owned())
    }

    fn write_row(&self, out: &mut impl Write, row: Row<'_>) -> io::Result<()> {
        let mark = if columns::rank(row, self.at) == Rank::Urgent { "! " } else { "  " };
        self.write_line(out, mark, |column| (column.text)(row, self.at))
    }

    fn write_line(
        &self,
        out: &mut impl Write,
        mark: &str,
        text: impl Fn(&Column) -> String,
    ) -> io::Result<()> {
        let mut line = mark.to_owned();
        for (index, at) in self.placed.iter().enumerate() {
            if index > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let text = text(at.column);
            let is_last = index + 1 == self.placed.len();
            match at.column.align {
                Align::Left if is_last => line.push_str(&text),
                align => line.push_str(&columns::fit(&text, at.width, align)),
            }
        }
        writeln!(out, "{}", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    fn text(snapshot: &Snapshot, run: &RunInfo, scope: Scope) -> String {
        let mut out = Vec::new();
        write_tables(&mut out, snapshot, run, scope).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn an_interval() {
        insta::assert_snapshot!(text(&fixture::incident(), &fixture::run(), Scope::Interval));
    }

    #[test]
    fn the_totals() {
        let mut run = fixture::run();
        run.ended = Some("30 s are over".to_owned());
        insta::assert_snapshot!(text(&fixture::incident(), &run, Scope::Total));
    }

    #[test]
    fn one_process_shows_its_calls_at_once() {
        let mut snapshot = fixture::incident();
        snapshot.processes.retain(|process| process.id.pid == 1841);
        snapshot.ledger.missed_enter = 12;
        let mut run = fixture::run();
        run.target = "postgres 1841".to_owned();
        run.filter = Some("-e %desc".to_owned());
        run.notices.push("32-bit calls cannot be told apart here".to_owned());
        insta::assert_snapshot!(text(&snapshot, &run, Scope::Interval));
    }

    #[test]
    fn nothing_seen_yet_is_said() {
        assert!(text(&Snapshot::default(), &fixture::run(), Scope::Interval).contains("no calls seen yet"));
    }

    #[test]
    fn one_hidden_row_is_one_process() {
        let snapshot = fixture::crowd(Limits::of(Scope::Interval).processes as u32 + 1);
        let text = text(&snapshot, &fixture::run(), Scope::Interval);
        assert!(text.contains("... 1 more process, "), "{text}");
    }

    #[test]
    fn hidden_rows_and_shown_rows_add_up_to_the_total() {
        for scope in [Scope::Interval, Scope::Total] {
            let snapshot = fixture::crowd(120);
            let text = text(&snapshot, &fixture::run(), scope);
            let at = Context::new(&snapshot, scope);
            let limit = Limits::of(scope).processes;
            let more = text.lines().find(|line| line.contains("more processes")).expect("a line of the rest");
            let hidden = 120 - limit;
            assert!(more.contains(&format!("... {hidden} more processes")), "{more}");
            let rest: u64 = more
                .split(", ")
                .nth(1)
                .and_then(|calls| calls.split(' ').next())
                .and_then(|calls| calls.replace(',', "").parse().ok())
                .expect("a count");
            let rows = sorted(
                snapshot.processes.iter().map(Row::Process).collect(),
                &columns::PROCESSES,
                "busy",
                &at,
            );
            let shown: u64 = rows[..limit].iter().map(|&row| calls_in_scope(row, &at)).sum();
            let all = if scope == Scope::Total { snapshot.all.calls } else { snapshot.all.recent_calls };
            assert_eq!(shown + rest, all);
        }
    }

    #[test]
    fn no_byte_of_a_hostile_name_reaches_the_terminal() {
        let mut run = fixture::run();
        run.target = "\x1b]0;owned\x07".to_owned();
        let text = text(&fixture::incident(), &run, Scope::Total);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
