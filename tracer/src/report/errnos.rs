//! The table of what fails, by errno: how often, what it means, in which calls, whose, and on what most often.

use std::io::{self, Write};

use super::table::{LISTED, listed, write_caveats, write_header};
use crate::arguments;
use crate::columns::{Align, Scope, clip, fit};
use crate::group::{self, ErrnoGroup};
use crate::human;
use crate::run::RunInfo;
use crate::snapshot::Snapshot;
use crate::syscalls::{self, errno};

/// Rows when nobody asks for another number.
const ROWS: usize = 50;

/// What calls failed on, for each errno.
const EXAMPLES: usize = 3;

/// Writes the table.
pub fn write_errnos(
    out: &mut impl Write,
    snapshot: &Snapshot,
    run: &RunInfo,
    rows: Option<usize>,
) -> io::Result<()> {
    write_header(out, snapshot, run, Scope::Total)?;
    let groups = group::errnos(snapshot);
    let all: u64 = groups.iter().map(|group| group.count).sum();
    if groups.is_empty() {
        writeln!(out, "\nno call failed")?;
    } else {
        writeln!(
            out,
            "\n  {:<16} {:>11}  SHARE  {:<34} {:<44} PROCESSES",
            "ERRNO", "CALLS", "MEANING", "IN"
        )?;
        let rows = rows.unwrap_or(ROWS);
        for group in groups.iter().take(rows) {
            writeln!(out, "{}", row(group, all).trim_end())?;
            for (call, example) in group.examples.iter().take(EXAMPLES) {
                let on = arguments::readable(*call, example);
                writeln!(out, "  {:>28}  {} {on}", arguments::times(example), syscalls::name(*call))?;
            }
        }
        if let more @ 1.. = groups.len().saturating_sub(rows) {
            writeln!(out, "  ... {more} more")?;
        }
        writeln!(out, "  {:<16} {:>11}", "total", human::count(all))?;
    }
    write_caveats(out, snapshot, run)
}

fn row(group: &ErrnoGroup, all: u64) -> String {
    let count = |count: u64| human::short_count(count as f64);
    let calls: Vec<String> =
        group.calls.iter().take(LISTED).map(|(name, calls)| format!("{name} {}", count(*calls))).collect();
    let comms: Vec<String> =
        group.comms.iter().take(LISTED).map(|(comm, calls)| format!("{comm} {}", count(*calls))).collect();
    format!(
        "  {:<16} {:>11} {:>5}%  {} {} {}",
        errno::name(group.errno),
        human::count(group.count),
        human::percent(group.count as f64, all as f64),
        fit(errno::description(group.errno).unwrap_or(""), 34, Align::Left),
        fit(&clip(&listed(&calls, group.calls.len()), 44), 44, Align::Left),
        listed(&comms, group.comms.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    #[test]
    fn every_errno_has_a_row_with_its_meaning_and_where_it_comes_from() {
        let snapshot = fixture::incident();
        let mut out = Vec::new();
        write_errnos(&mut out, &snapshot, &fixture::run(), None).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("text");
        for group in group::errnos(&snapshot) {
            let row = text.lines().find(|line| line.trim_start().starts_with(&*errno::name(group.errno)));
            let row = row.expect("a row for each errno");
            assert!(row.contains(&human::count(group.count)) && row.contains(&group.calls[0].0), "{row}");
            if let Some((call, example)) = group.examples.first() {
                assert!(text.contains(&arguments::readable(*call, example)), "{text}");
            }
        }
        assert!(group::errnos(&snapshot).iter().any(|group| !group.examples.is_empty()));
        let total = human::count(snapshot.all.errors);
        assert!(
            text.lines().any(|line| line.trim_start().starts_with("total") && line.ends_with(&total)),
            "{text}"
        );
    }
}
