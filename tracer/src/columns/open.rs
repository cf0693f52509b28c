//! The columns of single open calls: who is in what, for how long, and how long it took before.

use super::row::open_ns;
use super::{CALL, Column, FIGURE, MAX, P50, P99, PROCESS, Row, SortKey, age, dash, number};

/// Columns of the table of open calls.
pub static OPEN_CALLS: [Column; 7] = [OPEN_FOR, CALL, THREAD, PROCESS, P50, P99, MAX];

const OPEN_FOR: Column = Column {
    id: "open_for",
    aliases: &["age", "elapsed", "busy"],
    title: "OPEN FOR",
    about: "how long the call has not returned",
    width: 9,
    max_width: 9,
    text: |row, at| match open_ns(row, at) {
        None => dash(),
        // Entered after the figures were taken, a moment before the list of open calls was.
        Some(0) => "just now".to_owned(),
        Some(ns) => age(ns),
    },
    key: |row, at| number(open_ns(row, at)),
    ..FIGURE
};

const THREAD: Column = Column {
    id: "thread",
    aliases: &["tid"],
    title: "THREAD",
    about: "id of the thread that is in it",
    descending: false,
    width: 8,
    max_width: 8,
    drop: [Some(3), Some(3)],
    text: |row, _| match row {
        Row::Open(.., open) => open.tid.to_string(),
        _ => dash(),
    },
    key: |row, _| match row {
        Row::Open(.., open) => SortKey::Number(f64::from(open.tid)),
        _ => number(None),
    },
    ..FIGURE
};
