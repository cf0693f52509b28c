//! The columns of a comparison: one table for the screen and for text.

use unicode_width::UnicodeWidthStr as _;

use crate::human;

use super::change::Change;
use super::side::InFlightAtEnd;
use super::words::{interval_words, latencies, pair, rate_words, share_words, time_words, verdict_words};

/// One column: what is in it, and how soon it goes where there is no room for all.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Head.
    pub title: &'static str,
    /// Least cells.
    width: usize,
    /// 0 stays; higher ones go first.
    drop: u8,
    /// Its text in a row.
    pub text: fn(&Change) -> String,
}

const fn column(title: &'static str, width: usize, drop: u8, text: fn(&Change) -> String) -> Column {
    Column { title, width, drop, text }
}

impl Column {
    fn is_name(&self) -> bool {
        matches!(self.title, "COMM" | "CGROUP" | "CALL")
    }
}

/// The table of calls, from left to right.
static CALLS: [Column; 15] = [
    column("COMM", 8, 0, |row| row.owner().unwrap_or_default()),
    column("CGROUP", 20, 0, |row| row.owner().unwrap_or_default()),
    column("CALL", 11, 0, |row| row.call_name().unwrap_or_else(|| "all".to_owned())),
    column("RATE/s", 14, 0, |row| pair(Some(rate_words(row.before.rate)), Some(rate_words(row.after.rate)))),
    column("ERR%", 14, 4, |row| {
        if row.errors.before + row.errors.after == 0 {
            return "-".to_owned();
        }
        pair(Some(share_words(row.errors.share_before)), Some(share_words(row.errors.share_after)))
    }),
    column("TIME/s", 14, 3, time_words),
    column("p50", 14, 0, |row| quantile(row, 0)),
    column("p90", 14, 5, |row| quantile(row, 1)),
    column("p99", 14, 0, |row| quantile(row, 2)),
    column("p99.9", 14, 6, |row| quantile(row, 3)),
    column("MAX", 14, 7, |row| {
        latencies(row.before.max_ns.map(|ns| ns as f64), row.after.max_ns.map(|ns| ns as f64))
    }),
    column("EFFECT", 10, 8, |row| row.effect().map_or_else(|| "-".to_owned(), |effect| effect.to_string())),
    column("95% INTERVAL", 20, 1, |row| interval_words(row).unwrap_or_else(|| "-".to_owned())),
    column("VERDICT", 12, 0, verdict_words),
    column("OPEN", 16, 9, |row| {
        let of = |open: InFlightAtEnd| (open.calls > 0).then(|| human::count(open.calls));
        if row.before.in_flight.calls + row.after.in_flight.calls == 0 {
            return "-".to_owned();
        }
        pair(of(row.before.in_flight), of(row.after.in_flight))
    }),
];

fn quantile(row: &Change, at: usize) -> String {
    latencies(row.quantiles[at].before, row.quantiles[at].after)
}

/// The columns that fit in `width` cells, each with its width.
pub fn lay_out(rows: &[Change], width: usize) -> Vec<(&'static Column, usize)> {
    let one_comm = rows.windows(2).all(|pair| pair[0].key.comm == pair[1].key.comm);
    let by_cgroup = rows.iter().any(|row| row.key.cgroup.is_some());
    let has_calls = rows.iter().any(|row| row.key.call.is_some());
    let has_open = rows.iter().any(|row| row.before.in_flight.calls + row.after.in_flight.calls > 0);
    let wanted = |column: &&Column| match column.title {
        "COMM" => !by_cgroup && (!one_comm || !has_calls),
        "CGROUP" => by_cgroup,
        "CALL" => has_calls,
        "OPEN" => has_open,
        _ => true,
    };
    let mut columns: Vec<&'static Column> = CALLS.iter().filter(wanted).collect();
    let needed = |columns: &[&Column]| columns.iter().map(|column| column.width + 1).sum::<usize>() - 1;
    while needed(&columns) > width
        && let Some(worst) = columns.iter().map(|column| column.drop).max().filter(|&drop| drop > 0)
    {
        columns.retain(|column| column.drop != worst);
    }
    let mut room = width.saturating_sub(needed(&columns));
    let mut widths: Vec<usize> = columns.iter().map(|column| column.width).collect();
    // What is left goes to figures first: a name may be cut, a figure says something else when it is.
    for names in [false, true] {
        for (column, given) in columns.iter().zip(&mut widths) {
            if column.is_name() == names {
                let longest = rows.iter().map(|row| (column.text)(row).width()).max().unwrap_or(0);
                let more = longest.saturating_sub(*given).min(room);
                room -= more;
                *given += more;
            }
        }
    }
    columns.into_iter().zip(widths).collect()
}
