//! The columns of errors: how, how often now and before, since when.

use super::cell::ago;
use super::row::{call_of, errno_of};
use super::{CALL, Column, FIGURE, NAME, PROCESS, Row, SortKey, dash, number, rate, whole};
use crate::arguments;
use crate::human;
use crate::snapshot::CallStats;
use crate::syscalls::errno;

/// Columns of the table of errors.
pub static ERRNOS: [Column; 9] = [
    ERRNO,
    Column { width: 12, ..CALL },
    PROCESS,
    ERRNO_RATE,
    ERRNO_BEFORE,
    ERRNO_COUNT,
    FIRST_SEEN,
    LAST_SEEN,
    FAILED_ON,
];

/// Columns of the errors of one syscall.
pub static ERRNOS_OF_CALL: [Column; 6] =
    [ERRNO, ERRNO_RATE, ERRNO_BEFORE, ERRNO_COUNT, FIRST_SEEN, LAST_SEEN];

const ERRNO: Column = Column {
    id: "errno",
    title: "ERRNO",
    about: "why the call failed",
    width: 10,
    max_width: 16,
    text: |row, _| errno_of(row).map_or_else(String::new, |row| errno::name(row.errno).into_owned()),
    key: |row, _| {
        SortKey::Text(errno_of(row).map_or_else(String::new, |row| errno::name(row.errno).into_owned()))
    },
    ..NAME
};

const ERRNO_RATE: Column = Column {
    id: "now",
    aliases: &["rate", "err"],
    title: "NOW/s",
    about: "calls that failed with it, a second, in the last interval",
    drop: [Some(1), None],
    text: |row, at| errno_of(row).map_or_else(dash, |errno| rate(at.per_second(errno.recent))),
    key: |row, _| number(errno_of(row).map(|errno| errno.recent)),
    ..FIGURE
};

const ERRNO_BEFORE: Column = Column {
    id: "before",
    title: "BEFORE/s",
    about: "the same a second over the minute before; - while there was none",
    width: 9,
    max_width: 9,
    drop: [Some(4), None],
    text: |row, at| before(row).filter(|_| at.recent_ns > 0).map_or_else(dash, rate),
    key: |row, _| SortKey::Number(before(row).unwrap_or(-1.0)),
    ..FIGURE
};

/// Failures a second before the last interval.
fn before(row: Row<'_>) -> Option<f64> {
    errno_of(row)?.before_per_minute.map(|number| number as f64 / 60.0)
}

const ERRNO_COUNT: Column = Column {
    id: "count",
    aliases: &["rate", "err"],
    title: "COUNT",
    about: "calls that failed with it since the start",
    drop: [Some(5), Some(1)],
    text: |row, _| errno_of(row).map_or_else(dash, |errno| whole(errno.count, 7)),
    key: |row, _| number(errno_of(row).map(|errno| errno.count)),
    ..FIGURE
};

const FIRST_SEEN: Column = Column {
    id: "first_seen",
    title: "FIRST SEEN",
    about: "when it was first seen; `new` in the last minute, `at start` in the first interval",
    width: 12,
    max_width: 12,
    drop: [Some(2), Some(2)],
    text: |row, at| {
        errno_of(row).map_or_else(dash, |errno| {
            let ago = ago(at.end_ns.saturating_sub(errno.first_seen_ns));
            match errno {
                errno if at.is_from_start(errno) => "at start".to_owned(),
                errno if at.is_new(errno) => format!("new {ago}"),
                _ => ago,
            }
        })
    },
    key: |row, _| number(errno_of(row).map(|errno| errno.first_seen_ns)),
    ..FIGURE
};

const LAST_SEEN: Column = Column {
    id: "last_seen",
    title: "LAST SEEN",
    about: "when it was last seen; `now` means in the last interval",
    width: 10,
    max_width: 10,
    drop: [Some(3), Some(3)],
    text: |row, at| {
        errno_of(row).map_or_else(dash, |errno| ago(at.end_ns.saturating_sub(errno.last_seen_ns)))
    },
    key: |row, _| number(errno_of(row).map(|errno| errno.last_seen_ns)),
    ..FIGURE
};

/// Id of the column with what calls failed on.
pub const FAILED_ON_ID: &str = "on";

const FAILED_ON: Column = Column {
    id: FAILED_ON_ID,
    aliases: &["path"],
    title: "ON",
    about: "the path or the address that calls failed on most often, how often, and how many others are known; or that they were refused before entry (seccomp)",
    width: 16,
    max_width: 120,
    drop: [Some(4), Some(4)],
    text: |row, _| failed_on(row),
    key: |row, _| SortKey::Text(failed_on(row)),
    ..NAME
};

fn failed_on(row: Row<'_>) -> String {
    let (Some(errno), Some(call)) = (errno_of(row), call_of(row)) else { return dash() };
    let Some(most) = errno.examples.first() else {
        return refused(errno.count, &call.stats).unwrap_or_else(dash);
    };
    let others = match errno.examples.len() {
        1 => String::new(),
        all => format!(" +{}", human::count(all as u64 - 1)),
    };
    format!("{} {}{others}", arguments::times(most), arguments::readable(call.call, most))
}

/// Whether these `count` failures were refused before they entered, as seccomp does: nothing is known of what they were on. Of
/// a call that failed in other ways too it is the least that it can be.
fn refused(count: u64, all: &CallStats) -> Option<String> {
    let entered = all.errors.saturating_sub(all.denied);
    match count.saturating_sub(entered) {
        0 => None,
        refused if refused == count => Some("refused before entry".to_owned()),
        least => Some(format!("≥ {} refused before entry", human::count(least))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_told_as_far_as_it_is_certain() {
        let of =
            |count, errors, denied| refused(count, &CallStats { errors, denied, ..CallStats::default() });
        let all = Some("refused before entry".to_owned());
        assert_eq!(of(7, 7, 7), all);
        assert_eq!(of(7, 10, 10), all, "so was every other one");
        assert_eq!(of(7, 7, 0), None);
        assert_eq!(of(7, 9, 5), Some("≥ 3 refused before entry".to_owned()), "four entered");
        assert_eq!(of(3, 10, 5), None, "all three may have entered");
    }
}
