//! The table of what calls were on: by file, socket or pipe, how often, how long, how much, in which calls, whose.

use std::io::{self, Write};

use super::table::{LISTED, listed, write_caveats, write_header};
use crate::columns::{Align, Scope, age, clip, fit};
use crate::group::{self, FileGroup};
use crate::human;
use crate::run::RunInfo;
use crate::snapshot::Snapshot;

/// Rows when nobody asks for another number.
const ROWS: usize = 50;

/// Writes the table.
pub fn write_files(
    out: &mut impl Write,
    snapshot: &Snapshot,
    run: &RunInfo,
    rows: Option<usize>,
) -> io::Result<()> {
    write_header(out, snapshot, run, Scope::Total)?;
    let groups = group::files(snapshot);
    if groups.is_empty() {
        writeln!(out, "\nno call was on a file that is known; calls need their arguments for it (--args)")?;
    } else {
        writeln!(
            out,
            "\n  {:>11} {:>7} {:>8} {:>9} {:>9} {:>10} {:<40} ON",
            "CALLS", "ERRORS", "TIME", "P99", "MAX", "BYTES", "IN"
        )?;
        let rows = rows.unwrap_or(ROWS);
        for group in groups.iter().take(rows) {
            writeln!(out, "{}", row(group).trim_end())?;
        }
        if let more @ 1.. = groups.len().saturating_sub(rows) {
            writeln!(out, "  ... {more} more")?;
        }
        let all: u64 = groups.iter().map(|group| group.on.calls).sum();
        writeln!(out, "  {:>11} calls on all of them", human::count(all))?;
    }
    write_caveats(out, snapshot, run)
}

fn row(group: &FileGroup) -> String {
    let count = |count: u64| human::short_count(count as f64);
    let calls: Vec<String> =
        group.calls.iter().take(LISTED).map(|(name, calls)| format!("{name} {}", count(*calls))).collect();
    let comms: Vec<String> = group.comms.iter().take(LISTED).map(|(comm, _)| comm.to_string()).collect();
    let on = &group.on;
    let host = group
        .host
        .as_ref()
        .map_or_else(String::new, |host| format!("{}: ", human::safe_text(host.as_bytes())));
    format!(
        "  {:>11} {:>7} {:>8} {:>9} {:>9} {:>10} {} {host}{}  ({})",
        human::count(on.calls),
        human::count(on.errors),
        age(on.total_ns),
        on.quantile_ns(0.99).map_or_else(|| "-".to_owned(), human::duration),
        human::duration(on.max_ns),
        human::bytes(on.bytes),
        fit(&clip(&listed(&calls, group.calls.len()), 40), 40, Align::Left),
        on.names.label(on.file),
        listed(&comms, group.comms.len()),
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
        write_files(&mut out, &snapshot, &fixture::run(), None).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("text");
        let row = text.lines().find(|line| line.contains("/data/")).expect("a row");
        assert!(row.contains("1,234") && row.contains(&snapshot.processes[0].calls[0].name), "{row}");
        assert!(!text.contains('\x1b'), "{text}");
    }
}
