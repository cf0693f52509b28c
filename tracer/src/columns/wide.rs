//! The columns of the screen: those of the text tables and more, which a wide terminal has room for, a line over time
//! among them.

use super::cell::{dash, share};
use super::row::stats_of;
use super::{
    Align, BUSY, CALL_RATE, CALLS, CALLS_AGAINST_BASELINE, CALLS_OF_PROCESS, COMM, Column, Context,
    ERROR_RATE, ERROR_SHARE, ERRORS, FIGURE, IN_FLIGHT, INTERRUPTED, MAX, P50, P90, P99, P999, PID, Row,
    Scope, SortKey, TOTAL, number,
};
use crate::human;
use crate::snapshot::CallStats;
use crate::spark::{self, Point};

/// Columns of the table of processes on the screen.
pub static PROCESSES_ON_SCREEN: [Column; 20] = processes(COMM);

/// The same where processes stand under their parents: indices into one set are good for the other.
pub static PROCESSES_AS_TREE: [Column; 20] =
    processes(Column { title: "COMM", width: 20, max_width: 44, ..COMM });

const fn processes(name: Column) -> [Column; 20] {
    [
        PID,
        name,
        CALL_RATE,
        ERROR_RATE,
        Column { drop: [Some(7), Some(7)], aliases: &[], ..ERROR_SHARE },
        BUSY,
        P50,
        P90,
        P99,
        P999,
        MAX,
        IN_FLIGHT,
        TREND,
        BYTE_RATE,
        BYTES,
        SHARE,
        CALLS,
        ERRORS,
        TOTAL,
        INTERRUPTED,
    ]
}

const PLAIN: usize = CALLS_OF_PROCESS.len();
const HELD: usize = CALLS_AGAINST_BASELINE.len();

/// Columns of the table of syscalls on the screen.
pub static CALLS_ON_SCREEN: [Column; PLAIN + 4] = {
    let mut set = [FIGURE; PLAIN + 4];
    let mut at = 0;
    while at < PLAIN {
        set[at] = CALLS_OF_PROCESS[at];
        at += 1;
    }
    [set[PLAIN], set[PLAIN + 1], set[PLAIN + 2], set[PLAIN + 3]] = [TREND, BYTE_RATE, BYTES, SHARE];
    set
};

/// The same with those of a baseline, which come last: indices into one set are good for the other.
pub static CALLS_AGAINST_BASELINE_ON_SCREEN: [Column; HELD + 4] = {
    let mut set = [FIGURE; HELD + 4];
    let mut at = 0;
    while at < PLAIN + 4 {
        set[at] = CALLS_ON_SCREEN[at];
        at += 1;
    }
    let mut held = PLAIN;
    while held < HELD {
        set[held + 4] = CALLS_AGAINST_BASELINE[held];
        held += 1;
    }
    set
};

const TREND: Column = Column {
    id: "trend",
    title: "TREND",
    about: "calls in each of the last intervals, the newest last; sorts by how much more they are than before",
    width: 12,
    max_width: crate::trend::INTERVALS,
    align: Align::Newest,
    drop: [Some(6), Some(6)],
    text: |row, _| stats_of(row).map_or_else(dash, trend),
    key: |row, _| SortKey::Number(stats_of(row).map_or(-1.0, growth)),
    ..FIGURE
};

fn trend(stats: &CallStats) -> String {
    let points = stats.trend.map(|calls| Point::Figure(f64::from(calls)));
    spark::line(&points, 1)
}

/// Calls of the last interval over the average of those before.
fn growth(stats: &CallStats) -> f64 {
    let Some((&last, before)) = stats.trend.split_last() else { return -1.0 };
    let sum: u64 = before.iter().map(|&calls| u64::from(calls)).sum();
    let average = sum as f64 / before.len() as f64;
    if last == 0 { 0.0 } else { f64::from(last) / average.max(1.0 / before.len() as f64) }
}

pub(super) const BYTE_RATE: Column = Column {
    id: "bytes_per_s",
    aliases: &["moved"],
    title: "BYTES/s",
    about: "what its calls moved a second, of those that return it, in the last interval",
    width: 8,
    max_width: 8,
    drop: [Some(7), None],
    text: |row, at| match stats_of(row) {
        Some(stats) if stats.recent_bytes > 0 => human::bytes(at.per_second(stats.recent_bytes) as u64),
        _ => dash(),
    },
    key: |row, _| number(stats_of(row).map(|stats| stats.recent_bytes)),
    ..FIGURE
};

pub(super) const BYTES: Column = Column {
    id: "bytes",
    aliases: &["moved"],
    title: "BYTES",
    about: "what its calls moved since the start, of those that return it",
    width: 8,
    max_width: 8,
    drop: [None, Some(7)],
    text: |row, _| match stats_of(row) {
        Some(stats) if stats.sizes.bytes > 0 => human::bytes(stats.sizes.bytes),
        _ => dash(),
    },
    key: |row, _| number(stats_of(row).map(|stats| stats.sizes.bytes)),
    ..FIGURE
};

const SHARE: Column = Column {
    id: "share",
    title: "CALLS%",
    about: "its calls in percent of all calls of everybody",
    width: 7,
    drop: [Some(8), Some(8)],
    text: |row, at| match calls_of(row, at) {
        Some(calls) if at.all_calls > 0 => share(calls, at.all_calls),
        _ => dash(),
    },
    key: |row, at| number(calls_of(row, at)),
    ..FIGURE
};

fn calls_of(row: Row<'_>, at: &Context) -> Option<u64> {
    stats_of(row).map(|stats| match at.scope {
        Scope::Interval => stats.recent_calls,
        Scope::Total => stats.calls,
    })
}
