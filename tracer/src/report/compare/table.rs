//! A comparison as text: the answer, what stands in its way, the calls by impact, the errors.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use crate::columns::{Align, fit};
use crate::compare::columns::{self, Column};
use crate::compare::gate::State;
use crate::compare::words::{
    drawn_words, errno_rows, pair, rate_words, share_verdict_words, share_words, side_words,
};
use crate::compare::{By, Change, Comparison, ShareVerdict, Verdict, threshold_words};
use crate::human;
use crate::syscalls::errno;

use super::Shown;

/// Calls shown unless all are asked for.
const MAX_CALLS: usize = 25;

/// Waiting calls shown unless all are asked for.
const MAX_WAITING: usize = 8;

/// Errnos shown unless all are asked for.
const MAX_ERRNOS: usize = 12;

/// Reasons given for one condition.
const MAX_REASONS: usize = 5;

/// Form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Cells in a line.
    pub width: usize,
    /// Whether verdicts are coloured.
    pub colour: bool,
}

/// Writes it all.
pub fn write_tables(out: &mut impl Write, shown: &Shown<'_>, layout: Layout) -> io::Result<()> {
    let comparison = shown.comparison;
    let ink = Ink { colour: layout.colour };
    let lost = format!(
        "lost {} | {}",
        human::count(comparison.before.missing),
        human::count(comparison.after.missing)
    );
    let sides = format!("{}  ->  {}", side_words(&comparison.before), side_words(&comparison.after));
    writeln!(out, "{}  {lost}", ink.strong(&sides))?;
    writeln!(out)?;
    for sentence in &comparison.summary {
        write_wrapped(out, sentence, "", layout.width)?;
    }
    for warning in &comparison.warnings {
        write_wrapped(out, &warning.to_string(), "! ", layout.width)?;
    }
    if !shown.errnos_only {
        write_calls(out, shown, layout, ink)?;
    }
    write_errnos(out, shown, layout, ink)?;
    write_conditions(out, shown, layout, ink)?;
    write_notes(out, comparison, layout)
}

fn write_calls(out: &mut impl Write, shown: &Shown<'_>, layout: Layout, ink: Ink) -> io::Result<()> {
    let comparison = shown.comparison;
    let (waiting, working): (Vec<&Change>, Vec<&Change>) =
        comparison.rows.iter().partition(|row| row.key.waits);
    if comparison.rows.is_empty() {
        return Ok(());
    }
    let table = Table { columns: columns::lay_out(&comparison.rows, layout.width) };
    writeln!(out)?;
    table.write_head(out, ink)?;
    let limit = |rows: usize, most: usize| if shown.all { rows } else { rows.min(most) };
    let (first, rest) = working.split_at(limit(working.len(), MAX_CALLS));
    for row in first {
        table.write_row(out, row, ink)?;
    }
    write_rest(out, rest)?;
    if !waiting.is_empty() {
        writeln!(
            out,
            "{}",
            ink.dim("waiting by design: not judged, their time is that of having nothing to do")
        )?;
        let (first, rest) = waiting.split_at(limit(waiting.len(), MAX_WAITING));
        for row in first {
            table.write_row(out, row, ink)?;
        }
        write_rest(out, rest)?;
    }
    Ok(())
}

fn write_rest(out: &mut impl Write, rest: &[&Change]) -> io::Result<()> {
    if rest.is_empty() {
        return Ok(());
    }
    let count = |verdict| rest.iter().filter(|row| row.verdict == Some(verdict)).count();
    let verdicts: Vec<String> =
        [Verdict::Slower, Verdict::Faster, Verdict::New, Verdict::Gone, Verdict::Same, Verdict::Inconclusive]
            .into_iter()
            .filter(|&verdict| count(verdict) > 0)
            .map(|verdict| format!("{} {verdict}", count(verdict)))
            .collect();
    let verdicts = if verdicts.is_empty() { String::new() } else { format!(" ({})", verdicts.join(", ")) };
    writeln!(out, "... {} more{verdicts}; --all shows them", rest.len())
}

/// The columns that fit, with their widths.
struct Table {
    columns: Vec<(&'static Column, usize)>,
}

impl Table {
    fn write_head(&self, out: &mut impl Write, ink: Ink) -> io::Result<()> {
        let cells: Vec<String> =
            self.columns.iter().map(|(column, width)| fit(column.title, *width, Align::Left)).collect();
        writeln!(out, "{}", ink.strong(cells.join(" ").trim_end()))
    }

    fn write_row(&self, out: &mut impl Write, row: &Change, ink: Ink) -> io::Result<()> {
        let cells: Vec<String> = self
            .columns
            .iter()
            .map(|(column, width)| {
                let text = fit(&(column.text)(row), *width, Align::Left);
                if column.title == "VERDICT" { ink.verdict(row.verdict, &text) } else { text }
            })
            .collect();
        writeln!(out, "{}", cells.join(" ").trim_end())
    }
}

fn write_errnos(out: &mut impl Write, shown: &Shown<'_>, layout: Layout, ink: Ink) -> io::Result<()> {
    let rows = errno_rows(shown.comparison);
    if rows.is_empty() {
        return if shown.errnos_only { writeln!(out, "\nno call failed on either side") } else { Ok(()) };
    }
    let limit = if shown.all || shown.errnos_only { rows.len() } else { rows.len().min(MAX_ERRNOS) };
    let (first, rest) = rows.split_at(limit);
    let is_wide = layout.width >= 100;
    let one_owner = rows.windows(2).all(|pair| pair[0].0.owner() == pair[1].0.owner());
    let by_cgroup = shown.comparison.by == By::Cgroup;
    // (head, most cells): a name may be cut, a figure never is.
    let columns: Vec<(&str, usize)> = [
        ("ERRNO", 14, true),
        ("COMM", 12, !one_owner && !by_cgroup),
        ("CGROUP", 40, by_cgroup),
        ("CALL", 18, true),
        ("RATE/s", 20, true),
        ("% OF CALLS", 20, true),
        ("95% IN POINTS", 20, is_wide),
        ("VERDICT", 14, true),
    ]
    .into_iter()
    .filter(|&(.., wanted)| wanted)
    .map(|(head, most, _)| (head, most))
    .collect();
    let seconds = |ns: u64| (ns as f64 / 1e9).max(1e-9);
    let before_s = seconds(shown.comparison.before.duration_ns);
    let after_s = seconds(shown.comparison.after.duration_ns);
    let lines: Vec<Vec<String>> = first
        .iter()
        .map(|(row, change)| {
            let share = change.share;
            columns
                .iter()
                .map(|&(head, _)| match head {
                    "ERRNO" => errno::name(change.errno).into_owned(),
                    "COMM" | "CGROUP" => row.owner().unwrap_or_default(),
                    "CALL" => row.call_name().unwrap_or_else(|| "all".to_owned()),
                    "RATE/s" => pair(
                        Some(rate_words(share.before as f64 / before_s)),
                        Some(rate_words(share.after as f64 / after_s)),
                    ),
                    "% OF CALLS" => {
                        let of = |calls: u64, share: f64| (calls > 0).then(|| share_words(share));
                        pair(of(row.before.calls, share.share_before), of(row.after.calls, share.share_after))
                    }
                    "95% IN POINTS" => share.difference.map_or_else(
                        || "-".to_owned(),
                        |(low, high)| format!("{:+.2}..{:+.2}", low * 100.0, high * 100.0),
                    ),
                    _ => share_verdict_words(share),
                })
                .collect()
        })
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, &(head, most))| {
            let longest = lines.iter().map(|line| line[at].width()).max().unwrap_or(0);
            longest.max(head.width()).min(most)
        })
        .collect();
    let joined = |cells: &[String]| {
        let cells: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, &width)| fit(cell, width, Align::Left)).collect();
        cells.join(" ").trim_end().to_owned()
    };
    let heads: Vec<String> = columns.iter().map(|&(head, _)| head.to_owned()).collect();
    writeln!(out, "\n{}", ink.strong(&joined(&heads)))?;
    for ((_, change), line) in first.iter().zip(&lines) {
        let text = joined(line);
        match change.share.verdict {
            Some(ShareVerdict::New | ShareVerdict::More) => writeln!(out, "{}", ink.bad(&text))?,
            Some(ShareVerdict::Gone | ShareVerdict::Fewer) => writeln!(out, "{}", ink.good(&text))?,
            _ => writeln!(out, "{text}")?,
        }
    }
    if !rest.is_empty() {
        writeln!(out, "... {} more; --all shows them", rest.len())?;
    }
    Ok(())
}

fn write_conditions(out: &mut impl Write, shown: &Shown<'_>, layout: Layout, ink: Ink) -> io::Result<()> {
    if shown.conditions.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for outcome in shown.conditions {
        let condition = human::safe_text(outcome.condition.as_bytes());
        let (word, ink_of): (&str, fn(Ink, &str) -> String) = match outcome.state {
            State::Met => ("MET", Ink::bad),
            State::NotMet => ("not met", Ink::good),
            State::CannotTell => ("CANNOT TELL", Ink::bad),
        };
        writeln!(out, "{}  --fail-on '{condition}'", ink_of(ink, word))?;
        for why in outcome.because.iter().take(MAX_REASONS) {
            write_wrapped(out, why, "    ", layout.width)?;
        }
        if let Some(more) = outcome.because.len().checked_sub(MAX_REASONS).filter(|&more| more > 0) {
            writeln!(out, "    ... {more} more")?;
        }
    }
    Ok(())
}

/// What the words and marks above mean, where they are there.
fn write_notes(out: &mut impl Write, comparison: &Comparison, layout: Layout) -> io::Result<()> {
    let mut notes = Vec::new();
    let judged = comparison.rows.iter().any(|row| row.verdict.is_some());
    if judged {
        notes.push(format!(
            "faster, slower: at least {} %, and more than chance explains (block bootstrap over {}, \
             seed {}; corrected for the number of rows). same: certainly less than that.",
            threshold_words(comparison.thresholds.change),
            drawn_words(comparison),
            comparison.thresholds.seed,
        ));
    }
    if comparison.rows.iter().any(|row| row.method.assumes_independent_calls()) {
        notes.push(
            "Few intervals: intervals of confidence assume independent calls, and may be too narrow."
                .to_owned(),
        );
    }
    let chance = |row: &Change| {
        (row.may_be_chance && row.verdict.is_some())
            || row.errnos.iter().any(|errno| errno.share.may_be_chance && errno.share.verdict.is_some())
    };
    if comparison.rows.iter().any(chance) {
        notes.push("new?, gone?: so few that it may be chance.".to_owned());
    }
    if !notes.is_empty() {
        writeln!(out)?;
    }
    for note in notes {
        write_wrapped(out, &note, "", layout.width)?;
    }
    Ok(())
}

/// A sentence over as many lines as it takes; `mark` stands before the first, blanks before the others.
fn write_wrapped(out: &mut impl Write, sentence: &str, mark: &str, width: usize) -> io::Result<()> {
    let mut line = mark.to_owned();
    let indent = mark.width();
    let mut is_empty = true;
    for word in sentence.split(' ') {
        if !is_empty && line.width() + 1 + word.width() > width {
            writeln!(out, "{line}")?;
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(out, "{line}")
}

/// Colours, or none. What they say is always said in words too.
#[derive(Clone, Copy)]
struct Ink {
    colour: bool,
}

impl Ink {
    fn dressed(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn strong(self, text: &str) -> String {
        self.dressed("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.dressed("2", text)
    }

    fn good(self, text: &str) -> String {
        self.dressed("36", text)
    }

    fn bad(self, text: &str) -> String {
        self.dressed("33", text)
    }

    fn verdict(self, verdict: Option<Verdict>, text: &str) -> String {
        match verdict {
            Some(Verdict::Faster) => self.good(text),
            Some(Verdict::Slower) => self.bad(text),
            Some(Verdict::New | Verdict::Gone) => self.strong(text),
            _ => self.dim(text),
        }
    }
}
