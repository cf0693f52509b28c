//! The columns of what calls were on: files, sockets and pipes, or peers; and of the calls of one of them.

use super::row::{Row, figures_of};
use super::wide::{BYTE_RATE, BYTES};
use super::{
    Align, BUSY, CALL, CALL_RATE, CALLS, Column, ERROR_SHARE, ERRORS, FIGURE, IN_FLIGHT, NAME, PROCESS,
    SortKey, TOTAL, dash, number, span,
};
use crate::by_file::{Figures, FileRow};
use crate::snapshot::CallStats;
use crate::syscalls;

/// Calls and names that are listed in a cell.
const LISTED: usize = 3;

/// Columns of the table of files and peers.
pub static FILES: [Column; 14] = [
    ON,
    CALL_RATE,
    ERROR_SHARE,
    BUSY,
    FILE_P50,
    FILE_P99,
    FILE_MAX,
    Column { drop: [Some(5), Some(5)], ..IN_FLIGHT },
    Column { drop: [Some(3), None], ..BYTE_RATE },
    Column { drop: [None, Some(3)], ..BYTES },
    CALLS,
    Column { drop: [Some(8), Some(8)], ..ERRORS },
    TOTAL,
    MOSTLY,
];

/// The same where they are those of many processes: indices into one set are good for the other.
pub static FILES_OF_ALL: [Column; 15] = {
    let mut set = [WHOSE; 15];
    let mut at = 0;
    while at < FILES.len() {
        set[at] = FILES[at];
        at += 1;
    }
    set
};

/// Columns of the table of the calls on one file.
pub static USES: [Column; 14] = [
    PROCESS,
    CALL,
    CALL_RATE,
    ERROR_SHARE,
    BUSY,
    FILE_P50,
    FILE_P99,
    FILE_MAX,
    Column { drop: [Some(5), Some(5)], ..IN_FLIGHT },
    Column { drop: [Some(3), None], ..BYTE_RATE },
    Column { drop: [None, Some(3)], ..BYTES },
    CALLS,
    Column { drop: [Some(8), Some(8)], ..ERRORS },
    TOTAL,
];

const ON: Column = Column {
    id: "on",
    aliases: &["file", "peer", "name"],
    title: "ON",
    about: "the file, socket or pipe behind the descriptor of calls, or whom sockets and pipes lead to",
    width: 24,
    max_width: 72,
    align: Align::End,
    text: |row, _| file_of(row).map_or_else(String::new, FileRow::label),
    key: |row, _| SortKey::Text(file_of(row).map_or_else(String::new, FileRow::label)),
    ..NAME
};

const FILE_P50: Column = Column {
    id: "p50",
    aliases: &["median"],
    title: "P50",
    about: "half of its calls since the start were faster; buckets 25 % wide",
    drop: [Some(7), Some(7)],
    text: |row, _| quantile(row, 0.5),
    key: |row, _| number(quantile_ns(row, 0.5)),
    ..FIGURE
};

const FILE_P99: Column = Column {
    id: "p99",
    title: "P99",
    about: "99 in 100 of its calls since the start were faster; buckets 25 % wide",
    drop: [Some(2), Some(2)],
    text: |row, _| quantile(row, 0.99),
    key: |row, _| number(quantile_ns(row, 0.99)),
    ..FIGURE
};

const FILE_MAX: Column = Column {
    id: "max",
    title: "MAX",
    about: "the slowest of its calls since the start that do not wait by design, exactly",
    drop: [Some(5), Some(5)],
    text: |row, _| max_ns(row).map_or_else(dash, span),
    key: |row, _| number(max_ns(row)),
    ..FIGURE
};

const MOSTLY: Column = Column {
    id: "mostly",
    aliases: &["calls_on_it", "sys"],
    title: "MOSTLY",
    about: "which calls, the most frequent first, in percent of its calls since the start",
    width: 12,
    max_width: 34,
    drop: [Some(4), Some(4)],
    text: |row, _| file_of(row).map_or_else(String::new, mostly),
    key: |row, _| SortKey::Text(file_of(row).map_or_else(String::new, mostly)),
    ..NAME
};

const WHOSE: Column = Column {
    id: "whose",
    aliases: &["comm"],
    title: "WHOSE",
    about: "the names of the processes that make the calls, the most frequent first",
    width: 16,
    max_width: 34,
    drop: [Some(6), Some(6)],
    text: |row, _| file_of(row).map_or_else(String::new, whose),
    key: |row, _| SortKey::Text(file_of(row).map_or_else(String::new, whose)),
    ..NAME
};

fn file_of(row: Row<'_>) -> Option<&FileRow> {
    match row {
        Row::File(file) => Some(file),
        _ => None,
    }
}

fn quantile_ns(row: Row<'_>, quantile: f64) -> Option<u64> {
    figures_of(row)?.work_quantile_ns(quantile)
}

fn quantile(row: Row<'_>, quantile: f64) -> String {
    quantile_ns(row, quantile).map_or_else(dash, span)
}

fn max_ns(row: Row<'_>) -> Option<u64> {
    let Figures { work: CallStats { max_ns, .. }, work_latencies, .. } = figures_of(row)?;
    (!work_latencies.is_empty()).then_some(*max_ns)
}

fn mostly(file: &FileRow) -> String {
    let all: u64 = file.calls.iter().map(|(_, calls)| calls).sum();
    let named = |(call, calls): &(_, u64)| {
        let name = syscalls::name(*call);
        // Of a single one there is nothing to divide.
        match calls * 100 / all.max(1) {
            100 => name.into_owned(),
            0 => format!("{name} <1%"),
            percent => format!("{name} {percent}%"),
        }
    };
    listed(file.calls.iter().map(named), file.calls.len())
}

fn whose(file: &FileRow) -> String {
    listed(file.comms.iter().map(|(comm, _)| comm.to_string()), file.comms.len())
}

fn listed(each: impl Iterator<Item = String>, of: usize) -> String {
    let more = if of > LISTED { format!(" +{}", of - LISTED) } else { String::new() };
    each.take(LISTED).collect::<Vec<_>>().join(", ") + &more
}
