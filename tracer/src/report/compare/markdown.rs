//! A comparison as Markdown, for a pull request or an incident report.

use std::io::{self, Write};

use crate::compare::gate::State;
use crate::compare::words::{
    drawn_words, errno_rows, interval_words, latencies, pair, rate_words, share_words, side_words,
    time_words, verdict_words,
};
use crate::compare::{By, Change, Verdict, threshold_words};
use crate::human;
use crate::report::markdown::escaped;
use crate::syscalls::errno;

use super::Shown;

/// Rows in the table unless all are asked for; those with a verdict are always there.
const MAX_CALLS: usize = 15;

/// Errnos in the table unless all are asked for.
const MAX_ERRNOS: usize = 10;

/// Writes it all.
pub fn write_markdown(out: &mut impl Write, shown: &Shown<'_>) -> io::Result<()> {
    let comparison = shown.comparison;
    writeln!(
        out,
        "### Syscalls: {} → {}\n",
        escaped(&side_words(&comparison.before)),
        escaped(&side_words(&comparison.after))
    )?;
    for sentence in &comparison.summary {
        writeln!(out, "- {}", escaped(sentence))?;
    }
    if !comparison.warnings.is_empty() {
        writeln!(out)?;
    }
    for warning in &comparison.warnings {
        writeln!(out, "> **Note:** {}", escaped(&warning.to_string()))?;
    }
    if !shown.errnos_only {
        write_calls(out, shown)?;
    }
    write_errnos(out, shown)?;
    if !shown.conditions.is_empty() {
        writeln!(out)?;
    }
    for outcome in shown.conditions {
        let word = match outcome.state {
            State::Met => "**met**",
            State::NotMet => "not met",
            State::CannotTell => "**cannot tell**",
        };
        let condition = escaped(&human::safe_text(outcome.condition.as_bytes()));
        let because: Vec<String> = outcome.because.iter().map(|why| escaped(why)).collect();
        let because = if because.is_empty() { String::new() } else { format!(" ({})", because.join("; ")) };
        writeln!(out, "- {condition}: {word}{because}")?;
    }
    writeln!(
        out,
        "\n<sub>tracer compare: 95 % intervals by block bootstrap over {}, seed {}; a verdict needs \
         at least {} % and survives the correction for the number of rows.</sub>",
        drawn_words(comparison),
        comparison.thresholds.seed,
        threshold_words(comparison.thresholds.change),
    )
}

fn write_calls(out: &mut impl Write, shown: &Shown<'_>) -> io::Result<()> {
    let is_told = |row: &Change| matches!(row.verdict, Some(Verdict::Faster | Verdict::Slower));
    let rows: Vec<&Change> = shown
        .comparison
        .rows
        .iter()
        .enumerate()
        .filter(|(at, row)| shown.all || (!row.key.waits && *at < MAX_CALLS) || is_told(row))
        .map(|(_, row)| row)
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let owner = owner_head(shown);
    writeln!(out, "\n| {owner} | call | calls/s | p50 | p99 | time/s | 95 % interval | verdict |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    for row in &rows {
        let verdict = verdict_words(row);
        let verdict = if is_told(row) { format!("**{verdict}**") } else { verdict };
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {verdict} |",
            row.owner().map_or_else(|| "all".to_owned(), |owner| escaped(&owner)),
            row.call_name().map_or_else(|| "all".to_owned(), |name| escaped(&name)),
            pair(Some(rate_words(row.before.rate)), Some(rate_words(row.after.rate))),
            latencies(row.quantiles[0].before, row.quantiles[0].after),
            latencies(row.quantiles[2].before, row.quantiles[2].after),
            time_words(row),
            interval_words(row).unwrap_or_else(|| "-".to_owned()),
        )?;
    }
    if let Some(more) = shown.comparison.rows.len().checked_sub(rows.len()).filter(|&more| more > 0) {
        writeln!(
            out,
            "\n{more} more {} not shown (`--all`).",
            if more == 1 { "row is" } else { "rows are" }
        )?;
    }
    Ok(())
}

/// Head of the column that says whose calls they are.
fn owner_head(shown: &Shown<'_>) -> &'static str {
    if shown.comparison.by == By::Cgroup { "cgroup" } else { "command" }
}

fn write_errnos(out: &mut impl Write, shown: &Shown<'_>) -> io::Result<()> {
    let rows = errno_rows(shown.comparison);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| errno | {} | call | failed | % of calls | verdict |", owner_head(shown))?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    let limit = if shown.all || shown.errnos_only { rows.len() } else { rows.len().min(MAX_ERRNOS) };
    for (row, change) in &rows[..limit] {
        let share = change.share;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            errno::name(change.errno),
            row.owner().map_or_else(|| "all".to_owned(), |owner| escaped(&owner)),
            row.call_name().map_or_else(|| "all".to_owned(), |name| escaped(&name)),
            pair(Some(human::count(share.before)), Some(human::count(share.after))),
            pair(Some(share_words(share.share_before)), Some(share_words(share.share_after))),
            share.verdict.map_or("-", crate::compare::ShareVerdict::name),
        )?;
    }
    if limit < rows.len() {
        writeln!(out, "\n{} more errnos are not shown (`--all`).", rows.len() - limit)?;
    }
    Ok(())
}
