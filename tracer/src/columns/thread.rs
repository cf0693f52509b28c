//! The columns of the threads of a process: what each does, and what it is in now.

use super::row::Row;
use super::{
    BUSY, CALL_RATE, CALLS, Column, Context, ERROR_RATE, ERRORS, FIGURE, NAME, SortKey, TOTAL, age, dash,
    number, span,
};
use crate::by_thread::ThreadRow;
use crate::interval::InFlight;
use crate::snapshot::CallRow;

/// Columns of the table of threads.
pub static THREADS: [Column; 10] =
    [TID, THREAD_NAME, CALL_RATE, ERROR_RATE, BUSY, LONGEST, CALLS, ERRORS, TOTAL, NOW_IN];

const TID: Column = Column {
    id: "tid",
    title: "TID",
    about: "thread id; - for those that are not told apart",
    max_width: 8,
    descending: false,
    text: |row, _| match row {
        Row::Thread(_, ThreadRow { tid: 1.., .. }) => {
            thread_of(row).map_or(0, |thread| thread.tid).to_string()
        }
        _ => dash(),
    },
    key: |row, _| SortKey::Number(thread_of(row).map_or(-1.0, |thread| f64::from(thread.tid))),
    ..FIGURE
};

const THREAD_NAME: Column = Column {
    id: "name",
    aliases: &["comm"],
    title: "NAME",
    about: "name of the thread, or of its process where that is all that is known",
    width: 13,
    max_width: 15,
    text: |row, _| name(row),
    key: |row, _| SortKey::Text(name(row)),
    ..NAME
};

const LONGEST: Column = Column {
    id: "max",
    title: "MAX",
    about: "its slowest call since the start that does not wait by design, exactly",
    drop: [Some(2), Some(2)],
    text: |row, _| match thread_of(row) {
        Some(thread) if thread.work.max_ns > 0 => span(thread.work.max_ns),
        _ => dash(),
    },
    key: |row, _| number(thread_of(row).map(|thread| thread.work.max_ns)),
    ..FIGURE
};

const NOW_IN: Column = Column {
    id: "now_in",
    aliases: &["in_flight", "age", "call"],
    title: "NOW IN",
    about: "the call that it is in, for how long, and its arguments as far as they were taken; sorts by how long",
    width: 24,
    max_width: 120,
    drop: [Some(1), Some(1)],
    descending: true,
    text: now_in,
    key: |row, at| number(now_of(row).map(|(_, open)| at.age_ns(open))),
    ..NAME
};

fn thread_of(row: Row<'_>) -> Option<&ThreadRow> {
    match row {
        Row::Thread(_, thread) => Some(thread),
        _ => None,
    }
}

fn name(row: Row<'_>) -> String {
    match thread_of(row) {
        Some(ThreadRow { tid: 0, .. }) => "all others".to_owned(),
        Some(thread) => thread.name.to_string(),
        None => dash(),
    }
}

/// The call that the thread of a row is in.
fn now_of(row: Row<'_>) -> Option<(&CallRow, &InFlight)> {
    let Row::Thread(process, thread) = row else { return None };
    let (index, open) = thread.now.as_ref()?;
    Some((process.calls.get(*index)?, open))
}

fn now_in(row: Row<'_>, at: &Context) -> String {
    let Some((call, open)) = now_of(row) else { return String::new() };
    let mark = if open.before_attach { "≥ " } else { "" };
    let about = super::about(open.call, open.args.as_ref(), open.on.as_ref(), open.operands.as_deref());
    let text = format!("{} {mark}{} {about}", call.name, age(at.age_ns(open)));
    text.trim_end().to_owned()
}
