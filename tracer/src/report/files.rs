//! The table of what calls were on, or to whom they led: how often, how long, how much, in which calls, whose.

use std::io::{self, Write};

use super::table::{LISTED, listed, write_caveats, write_header};
use crate::by_file::{self, FileRow, OnBy};
use crate::columns::{Align, Scope, age, clip, fit};
use crate::human;
use crate::run::RunInfo;
use crate::snapshot::Snapshot;
use crate::syscalls;

/// Rows when nobody asks for another number.
const ROWS: usize = 50;

/// Writes the table. Its rows add up to all calls: what is not told apart has rows of its own, whatever the number of rows.
pub fn write_files(
    out: &mut impl Write,
    snapshot: &Snapshot,
    run: &RunInfo,
    by: OnBy,
    rows: Option<usize>,
) -> io::Result<()> {
    write_header(out, snapshot, run, Scope::Total)?;
    let (known, rest): (Vec<FileRow>, Vec<FileRow>) =
        by_file::ranked(snapshot, by).into_iter().partition(FileRow::is_known);
    if known.is_empty() {
        writeln!(out, "\n{}", by.why_empty(run.args))?;
        return write_caveats(out, snapshot, run);
    }
    writeln!(
        out,
        "\n  {:>11} {:>7} {:>8} {:>9} {:>9} {:>10} {:>9} {:<40} ON",
        "CALLS", "ERRORS", "TIME", "P99", "MAX", "BYTES", "BYTES/S", "IN"
    )?;
    let rows = rows.unwrap_or(ROWS);
    for row in known.iter().take(rows) {
        writeln!(out, "{}", line(row, snapshot).trim_end())?;
    }
    if let more @ 1.. = known.len().saturating_sub(rows) {
        writeln!(out, "  ... {more} more")?;
    }
    for row in &rest {
        writeln!(out, "{}", line(row, snapshot).trim_end())?;
    }
    let all = |of: fn(&FileRow) -> u64| known.iter().chain(&rest).map(of).sum::<u64>();
    writeln!(
        out,
        "  {:>11} {:>7} {:>8} {:>9} {:>9} {:>10} {:>9} total",
        human::count(all(|row| row.figures.all.calls)),
        human::count(all(|row| row.figures.all.errors)),
        age(all(|row| row.figures.all.total_ns)),
        "",
        "",
        human::bytes(all(|row| row.figures.all.sizes.bytes)),
        per_second(all(|row| row.figures.all.sizes.bytes), snapshot),
    )?;
    write_caveats(out, snapshot, run)
}

fn per_second(bytes: u64, snapshot: &Snapshot) -> String {
    match snapshot.elapsed_ns() {
        0 => "-".to_owned(),
        ns => human::bytes((bytes as f64 * 1e9 / ns as f64) as u64),
    }
}

fn line(row: &FileRow, snapshot: &Snapshot) -> String {
    let count = |count: u64| human::short_count(count as f64);
    let calls = row.calls.iter().take(LISTED);
    let calls: Vec<String> =
        calls.map(|(call, calls)| format!("{} {}", syscalls::name(*call), count(*calls))).collect();
    let comms: Vec<String> = row.comms.iter().take(LISTED).map(|(comm, _)| comm.to_string()).collect();
    let all = &row.figures.all;
    // What is left of others has no histogram, and no longest call that is known.
    let max = if row.figures.latencies.is_empty() { "-".to_owned() } else { human::duration(all.max_ns) };
    let bytes = |text: String| if all.sizes.bytes == 0 { "-".to_owned() } else { text };
    format!(
        "  {:>11} {:>7} {:>8} {:>9} {max:>9} {:>10} {:>9} {} {}  ({})",
        human::count(all.calls),
        human::count(all.errors),
        age(all.total_ns),
        row.figures.quantile_ns(0.99).map_or_else(|| "-".to_owned(), human::duration),
        bytes(human::bytes(all.sizes.bytes)),
        bytes(per_second(all.sizes.bytes, snapshot)),
        fit(&clip(&listed(&calls, row.calls.len()), 40), 40, Align::Left),
        row.label(),
        listed(&comms, row.comms.len()),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::file::{FileId, FileKind, Known, Names};
    use crate::interval::OnFile;
    use crate::tui::fixture;

    #[test]
    fn a_file_has_a_row_with_its_figures_and_no_escape_of_its_name() {
        let mut snapshot = fixture::incident();
        let file = FileId { kind: FileKind::Regular, dev: 1, ino: 2 };
        let known = Some(Arc::new(Known::named(*b"/data/\x1b[31mwal")));
        let names = Names { known, has_others: false };
        let row = OnFile { calls: 1234, total_ns: 5_000_000_000, names, ..OnFile::new(file, 7) };
        snapshot.processes[0].calls[0].on = Arc::from([row]);
        let mut out = Vec::new();
        write_files(&mut out, &snapshot, &fixture::run(), OnBy::File, None)
            .expect("a vector takes everything");
        let text = String::from_utf8(out).expect("text");
        let row = text.lines().find(|line| line.contains("/data/")).expect("a row");
        assert!(row.contains("1,234") && row.contains(&snapshot.processes[0].calls[0].name), "{row}");
        assert!(!text.contains('\x1b'), "{text}");
    }

    #[test]
    fn what_is_not_told_apart_has_rows_and_the_total_is_that_of_all_calls() {
        let snapshot = fixture::with_files();
        let mut out = Vec::new();
        write_files(&mut out, &snapshot, &fixture::run(), OnBy::Peer, Some(1))
            .expect("a vector takes everything");
        let text = String::from_utf8(out).expect("text");
        let total = text.lines().find(|line| line.ends_with(" total")).expect("a total");
        assert!(total.contains(&human::count(snapshot.all.calls)), "{total}");
        assert!(text.lines().any(|line| line.contains("(no file)")), "{text}");
        assert!(text.contains("(no socket or pipe)") && text.contains("  ... 2 more"), "{text}");
    }
}
