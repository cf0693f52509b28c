//! The columns of single open calls: who is in what, for how long, and how long it took before.

use super::row::open_ns;
use super::{CALL, Column, FIGURE, NAME, P99, PROCESS, Row, SortKey, age, dash, number};
use crate::interval::InFlight;

/// Columns of the table of open calls.
pub static OPEN_CALLS: [Column; 6] = [
    OPEN_FOR,
    // What a call waits on tells more than the rest of a long name.
    Column { max_width: 14, ..CALL },
    Column { max_width: 16, ..PROCESS },
    THREAD,
    P99,
    ON,
];

const OPEN_FOR: Column = Column {
    id: "open_for",
    aliases: &["age", "elapsed", "busy"],
    title: "OPEN FOR",
    about: "how long the call has not returned; ≥ where it was entered before we attached",
    width: 9,
    max_width: 9,
    text: |row, at| match open_ns(row, at) {
        None => dash(),
        // Entered after the figures were taken, a moment before the list of open calls was.
        Some(0) => "just now".to_owned(),
        Some(ns) if is_from_before(row) => format!("≥ {}", age(ns)),
        Some(ns) => age(ns),
    },
    key: |row, at| number(open_ns(row, at)),
    ..FIGURE
};

const ON: Column = Column {
    id: "on",
    aliases: &["args"],
    title: "ON",
    about: "what it waits on: the file or peer behind its descriptor, and its arguments, as far as they were taken",
    width: 14,
    max_width: 120,
    drop: [Some(4), Some(4)],
    text: |row, _| on(row),
    key: |row, _| SortKey::Text(on(row)),
    ..NAME
};

/// What the call of a row was made with.
fn on(row: Row<'_>) -> String {
    match row {
        Row::Open(.., InFlight { call, args, on, operands, .. }) => {
            super::about(*call, args.as_ref(), on.as_ref(), operands.as_deref())
        }
        _ => String::new(),
    }
}

fn is_from_before(row: Row<'_>) -> bool {
    matches!(row, Row::Open(.., open) if open.before_attach)
}

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
