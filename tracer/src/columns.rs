//! The table of columns: what a figure is called, how wide it is, how it is written and how it sorts. The
//! screen, the text tables, the sort menu and the help all read it, so a figure is the same everywhere.

mod baseline;
mod cell;
mod errno;
mod file;
mod on;
mod open;
mod row;
mod thread;
mod wide;

use std::cmp::Ordering;

use crate::human;
use crate::process::Comm;
use crate::snapshot::ProcessRow;
pub use baseline::CALLS_AGAINST_BASELINE;
pub use cell::{age, clip, fit, whole};
use cell::{dash, in_flight_text, rate, share, span};
pub use errno::{ERRNOS, ERRNOS_OF_CALL, FAILED_ON_ID};
pub use file::{FILES, FILES_OF_ALL, USES};
pub use on::about;
pub use open::OPEN_CALLS;
pub(crate) use row::is_stuck_for;
pub use row::{Context, Rank, Row, is_stuck, rank};
use row::{busy_ns, call_of, latency_of, process_of, stats_of};
pub use thread::THREADS;
pub use wide::{CALLS_AGAINST_BASELINE_ON_SCREEN, CALLS_ON_SCREEN, PROCESSES_AS_TREE, PROCESSES_ON_SCREEN};

/// Blank cells between two columns.
pub const GAP: usize = 1;

/// Columns that are dropped this early or earlier are shown only where names are not cut for them.
const EXTRA: u8 = 7;

/// Width at which hardly a name is cut.
const COMFORT: usize = 16;

/// Which span of time rates and counts describe. Latencies always describe all calls since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The last interval.
    #[default]
    Interval,
    /// Everything since the start.
    Total,
}

/// What a column sorts by.
#[derive(Clone, Debug, PartialEq)]
pub enum SortKey {
    /// A figure; rows without one have a negative one.
    Number(f64),
    /// A name.
    Text(String),
}

/// Side of the column that text is pushed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Names.
    Left,
    /// Names that differ in their ends, paths above all: what does not fit is cut from the front.
    End,
    /// Figures.
    Right,
    /// Figures over time, the newest last: what does not fit is cut from the front.
    Newest,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in options and configuration.
    pub id: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// Head of the column.
    pub title: &'static str,
    /// What it tells, for help and sort menu.
    pub about: &'static str,
    /// Width in cells, the sort mark in its head included.
    pub width: usize,
    /// Width it grows to where there is room; the same as `width` for most.
    pub max_width: usize,
    /// Side its text is pushed to.
    pub align: Align,
    /// How early a narrow terminal drops it, by scope: 0 never, 9 first; `None` where it has no meaning.
    pub drop: [Option<u8>; 2],
    /// Whether the largest come first when it becomes the sort column.
    pub descending: bool,
    /// Its text.
    pub text: fn(Row<'_>, &Context) -> String,
    /// Its sort key.
    pub key: fn(Row<'_>, &Context) -> SortKey,
}

/// A column with its place on the line.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// Index in its set.
    pub index: usize,
    /// The column.
    pub column: &'static Column,
    /// Width given to it.
    pub width: usize,
}

/// Columns of the table of processes.
pub static PROCESSES: [Column; 13] =
    [PID, COMM, CALL_RATE, ERROR_RATE, BUSY, P50, P99, MAX, IN_FLIGHT, CALLS, ERRORS, TOTAL, INTERRUPTED];

/// Columns of the table of syscalls.
pub static CALLS_OF_PROCESS: [Column; 14] = [
    CALL,
    CALL_RATE,
    ERROR_SHARE,
    BUSY,
    P50,
    P90,
    P99,
    P999,
    MAX,
    IN_FLIGHT,
    CALLS,
    ERRORS,
    TOTAL,
    INTERRUPTED,
];

/// What most columns have in common: a number, seven cells wide.
const FIGURE: Column = Column {
    id: "",
    aliases: &[],
    title: "",
    about: "",
    width: 7,
    max_width: 7,
    align: Align::Right,
    drop: [Some(0), Some(0)],
    descending: true,
    text: |_, _| String::new(),
    key: |_, _| SortKey::Number(0.0),
};

/// What names have in common.
const NAME: Column = Column { align: Align::Left, descending: false, ..FIGURE };

const PID: Column = Column {
    id: "pid",
    title: "PID",
    about: "process id; - for ended processes of one name taken together",
    descending: false,
    text: |row, _| match process_of(row) {
        Some(process) if process.id.pid > 0 => process.id.pid.to_string(),
        _ => "-".to_owned(),
    },
    key: |row, _| SortKey::Number(process_of(row).map_or(-1.0, |process| f64::from(process.id.pid))),
    ..FIGURE
};

/// Id of the column with the name of a process, before which a tree has its lines.
pub const NAME_OF_PROCESS: &str = "comm";

const COMM: Column = Column {
    id: NAME_OF_PROCESS,
    aliases: &["name", "command"],
    title: "COMM",
    about: "name of the process",
    width: 12,
    max_width: 30,
    text: |row, _| process_of(row).map_or_else(|| "total".to_owned(), process_name),
    key: |row, _| SortKey::Text(process_of(row).map_or_else(String::new, |row| row.comm.to_string())),
    ..NAME
};

const PROCESS: Column = Column {
    id: "process",
    title: "PROCESS",
    about: "name and id of the process",
    width: 13,
    max_width: 38,
    text: |row, _| process_of(row).map_or_else(String::new, process_label),
    key: |row, _| SortKey::Text(process_of(row).map_or_else(String::new, process_label)),
    ..NAME
};

const CALL: Column = Column {
    id: "call",
    aliases: &["syscall", "sys"],
    title: "CALL",
    about: "the syscall",
    width: 13,
    max_width: 28,
    text: |row, _| call_of(row).map_or_else(|| "total".to_owned(), |call| call.name.clone()),
    key: |row, _| SortKey::Text(call_of(row).map_or_else(String::new, |call| call.name.clone())),
    ..NAME
};

const CALL_RATE: Column = Column {
    id: "calls_per_s",
    aliases: &["rate"],
    title: "CALLS/s",
    about: "calls that ended, a second, in the last interval",
    width: 8,
    max_width: 8,
    drop: [Some(2), None],
    text: |row, at| stats_of(row).map_or_else(dash, |stats| rate(at.per_second(stats.recent_calls))),
    key: |row, _| number(stats_of(row).map(|stats| stats.recent_calls)),
    ..FIGURE
};

const ERROR_RATE: Column = Column {
    id: "errors_per_s",
    aliases: &["err"],
    title: "ERR/s",
    about: "failed calls a second in the last interval",
    drop: [Some(3), None],
    text: |row, at| stats_of(row).map_or_else(dash, |stats| rate(at.per_second(stats.recent_errors))),
    key: |row, _| number(stats_of(row).map(|stats| stats.recent_errors)),
    ..FIGURE
};

const ERROR_SHARE: Column = Column {
    id: "error_share",
    aliases: &["err"],
    title: "ERR%",
    about: "failed calls in percent of all; - when none failed",
    width: 5,
    max_width: 5,
    drop: [Some(3), Some(4)],
    text: |row, at| {
        stats_of(row).map_or_else(dash, |stats| match at.calls_and_errors(stats) {
            (_, 0) => dash(),
            (calls, errors) => human::percent(errors as f64, calls as f64),
        })
    },
    key: |row, at| {
        SortKey::Number(stats_of(row).map_or(-1.0, |stats| {
            let (calls, errors) = at.calls_and_errors(stats);
            if calls == 0 { -1.0 } else { errors as f64 / calls as f64 }
        }))
    },
    ..FIGURE
};

const BUSY: Column = Column {
    id: "busy",
    title: "BUSY%",
    about: "time in calls that do not wait by design, in percent of wall time; threads add up",
    width: 6,
    max_width: 6,
    drop: [Some(1), Some(1)],
    text: |row, at| busy_ns(row, at).map_or_else(dash, |ns| share(ns, at.window_ns())),
    key: |row, at| number(busy_ns(row, at)),
    ..FIGURE
};

const P50: Column = Column {
    id: "p50",
    aliases: &["median"],
    title: "P50",
    about: "half of the calls since the start were faster",
    drop: [Some(5), Some(5)],
    text: |row, _| quantile(row, 0.5),
    key: |row, _| quantile_key(row, 0.5),
    ..FIGURE
};

const P90: Column = Column {
    id: "p90",
    title: "P90",
    about: "nine in ten calls since the start were faster",
    drop: [Some(6), Some(6)],
    text: |row, _| quantile(row, 0.9),
    key: |row, _| quantile_key(row, 0.9),
    ..FIGURE
};

const P99: Column = Column {
    id: "p99",
    title: "P99",
    about: "99 in 100 calls since the start were faster",
    drop: [Some(2), Some(2)],
    text: |row, _| quantile(row, 0.99),
    key: |row, _| quantile_key(row, 0.99),
    ..FIGURE
};

const P999: Column = Column {
    id: "p999",
    aliases: &["p99.9"],
    title: "P99.9",
    about: "999 in 1000 calls since the start were faster",
    drop: [Some(7), Some(7)],
    text: |row, _| quantile(row, 0.999),
    key: |row, _| quantile_key(row, 0.999),
    ..FIGURE
};

const MAX: Column = Column {
    id: "max",
    title: "MAX",
    about: "the slowest call since the start, exactly",
    drop: [Some(4), Some(4)],
    text: |row, _| {
        latency_of(row)
            .filter(|stats| !stats.latencies.is_empty())
            .map_or_else(dash, |stats| span(stats.max_ns))
    },
    key: |row, _| {
        number(latency_of(row).filter(|stats| !stats.latencies.is_empty()).map(|stats| stats.max_ns))
    },
    ..FIGURE
};

const IN_FLIGHT: Column = Column {
    id: "in_flight",
    aliases: &["open"],
    title: "IN FLIGHT",
    about: "calls that have not returned, and the age of the oldest",
    width: 10,
    max_width: 10,
    drop: [Some(1), Some(1)],
    text: |row, _| match row {
        Row::Sum { in_flight, oldest_ns, .. } => in_flight_text(in_flight, oldest_ns),
        _ => latency_of(row)
            .map_or_else(String::new, |stats| in_flight_text(stats.in_flight, stats.oldest_in_flight_ns)),
    },
    key: |row, _| number(latency_of(row).map(|stats| stats.oldest_in_flight_ns)),
    ..FIGURE
};

const CALLS: Column = Column {
    id: "calls",
    aliases: &["rate"],
    title: "CALLS",
    about: "calls that ended since the start",
    width: 11,
    max_width: 11,
    drop: [Some(8), Some(1)],
    text: |row, _| stats_of(row).map_or_else(dash, |stats| whole(stats.calls, 11)),
    key: |row, _| number(stats_of(row).map(|stats| stats.calls)),
    ..FIGURE
};

const ERRORS: Column = Column {
    id: "errors",
    aliases: &["err"],
    title: "ERRORS",
    about: "failed calls since the start",
    width: 9,
    max_width: 9,
    drop: [Some(8), Some(3)],
    text: |row, _| stats_of(row).map_or_else(dash, |stats| whole(stats.errors, 9)),
    key: |row, _| number(stats_of(row).map(|stats| stats.errors)),
    ..FIGURE
};

const TOTAL: Column = Column {
    id: "total",
    aliases: &["time"],
    title: "TOTAL",
    about: "time in calls since the start; threads and waiting calls add up",
    drop: [Some(8), Some(5)],
    text: |row, _| stats_of(row).map_or_else(dash, |stats| span(stats.total_ns)),
    key: |row, _| number(stats_of(row).map(|stats| stats.total_ns)),
    ..FIGURE
};

const INTERRUPTED: Column = Column {
    id: "interrupted",
    aliases: &["intr"],
    title: "INTR",
    about: "calls cut short by a signal since the start; neither success nor error",
    drop: [Some(9), Some(9)],
    text: |row, _| stats_of(row).map_or_else(dash, |stats| whole(stats.interrupted, 7)),
    key: |row, _| number(stats_of(row).map(|stats| stats.interrupted)),
    ..FIGURE
};

impl Scope {
    /// Index into [`Column::drop`].
    fn index(self) -> usize {
        match self {
            Self::Interval => 0,
            Self::Total => 1,
        }
    }
}

impl Eq for SortKey {}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

impl Column {
    /// Whether it means something in `scope`.
    pub fn is_in(&self, scope: Scope) -> bool {
        self.drop[scope.index()].is_some()
    }

    /// Whether `name` is its id, its title or an alias, in any case.
    pub fn answers_to(&self, name: &str) -> bool {
        std::iter::once(&self.id)
            .chain([&self.title])
            .chain(self.aliases)
            .any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Index in `set` of the first column in `scope` that answers to `name`.
pub fn find(set: &[Column], scope: Scope, name: &str) -> Option<usize> {
    set.iter().position(|column| column.is_in(scope) && column.answers_to(name))
}

/// Index in `set` of the column that tells in `scope` what the one at `index` tells in the other: itself, or
/// one with a name in common, such as calls a second and calls. The first where there is none.
pub fn counterpart(set: &[Column], scope: Scope, index: usize) -> usize {
    match set.get(index) {
        Some(column) if column.is_in(scope) => index,
        Some(column) => column.aliases.iter().find_map(|alias| find(set, scope, alias)).unwrap_or(0),
        None => 0,
    }
}

/// The columns of `set` that fit on a line of `width` cells, the least important left out and names
/// widened where there is room.
pub fn lay_out(set: &'static [Column], scope: Scope, width: usize) -> Vec<Placed> {
    lay_out_with(set, scope, width, None)
}

/// The same with one column, by index, that is not left out: what a table is sorted by is to be seen.
pub fn lay_out_with(set: &'static [Column], scope: Scope, width: usize, kept: Option<usize>) -> Vec<Placed> {
    let mut placed: Vec<Placed> = set
        .iter()
        .enumerate()
        .filter(|(_, column)| column.is_in(scope))
        .map(|(index, column)| Placed { index, column, width: column.width })
        .collect();
    let used = |placed: &[Placed]| placed.iter().map(|at| at.width + GAP).sum::<usize>().saturating_sub(GAP);
    let cut_from_names = |placed: &[Placed]| {
        placed.iter().map(|at| COMFORT.min(at.column.max_width).saturating_sub(at.width)).sum::<usize>()
    };
    loop {
        let rank = |at: &Placed| match at.column.drop[scope.index()] {
            Some(rank) if kept != Some(at.index) => rank,
            _ => 0,
        };
        // Of equally important ones the last goes first.
        let Some((at, rank)) =
            placed.iter().map(rank).enumerate().filter(|(_, rank)| *rank > 0).max_by_key(|(_, rank)| *rank)
        else {
            break;
        };
        let wanted = used(&placed) + if rank >= EXTRA { cut_from_names(&placed) } else { 0 };
        if wanted <= width {
            break;
        }
        placed.remove(at);
    }
    let mut spare = width.saturating_sub(used(&placed));
    for at in &mut placed {
        let grown = spare.min(at.column.max_width - at.width);
        at.width += grown;
        spare -= grown;
    }
    placed
}

/// Name of a process as tables show it.
pub fn process_name(process: &ProcessRow) -> String {
    let name = match (process.folded, process.together) {
        (0, 0) if process.exited => format!("{} (ended)", process.comm),
        (0, 0) => process.comm.to_string(),
        // Idle ones fold too where there are very many.
        (many, 0) if !process.exited => format!("{} ({})", process.comm, processes(many)),
        (many, 0) => format!("{} ({} ended)", process.comm, human::short_count(many as f64)),
        (_, many) if process.comm.is_empty() => match &process.who {
            Some(who) => format!("{} ({})", human::safe_text(who.place().as_bytes()), processes(many)),
            None => processes(many),
        },
        (_, 1) => process.comm.to_string(),
        (_, many) => format!("{} ({})", process.comm, processes(many)),
    };
    with_host(name, process)
}

fn processes(many: u64) -> String {
    format!("{} process{}", human::short_count(many as f64), if many == 1 { "" } else { "es" })
}

fn with_host(name: String, process: &ProcessRow) -> String {
    match &process.host {
        Some(host) => format!("{name} on {}", human::safe_text(host.as_bytes())),
        None => name,
    }
}

/// Name and id of a process.
pub fn process_label(process: &ProcessRow) -> String {
    match process.id.pid {
        0 => process_name(process),
        pid => with_host(process_label_of(process.comm, pid), process),
    }
}

/// Name and id of a process that has no row any more.
pub fn process_label_of(comm: Comm, pid: u32) -> String {
    format!("{comm} {pid}")
}

fn number(value: Option<u64>) -> SortKey {
    SortKey::Number(value.map_or(-1.0, |value| value as f64))
}

fn quantile(row: Row<'_>, quantile: f64) -> String {
    latency_of(row).and_then(|stats| stats.quantile_ns(quantile)).map_or_else(dash, span)
}

fn quantile_key(row: Row<'_>, quantile: f64) -> SortKey {
    number(latency_of(row).and_then(|stats| stats.quantile_ns(quantile)))
}

#[cfg(test)]
mod tests;
