//! The table of columns: what a figure is called, how wide it is, how it is written and how it sorts. The
//! screen, the text tables, the sort menu and the help all read it, so a figure is the same everywhere.

use std::cmp::Ordering;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::human;
use crate::process::Comm;
use crate::snapshot::{CallRow, CallStats, ErrnoRow, ProcessRow, Snapshot};

/// Open calls younger than this are not called stuck, whatever their history says.
const STUCK_NS: u64 = 1_000_000_000;

/// Open calls younger than this are counted but their age is not shown: it only says when we looked.
const AGE_SHOWN_NS: u64 = 100_000_000;

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

/// What a line of a table is about.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// A process. Latencies and busy time are those of its calls that do not wait by design.
    Process(&'a ProcessRow),
    /// One syscall, of one process or of many.
    Call(&'a CallRow),
    /// One errno of one syscall of one process.
    Error(&'a ProcessRow, &'a CallRow, &'a ErrnoRow),
    /// The sum of a table. It has no latencies: those of different calls taken together say nothing.
    Sum {
        /// All calls of its rows.
        all: &'a CallStats,
        /// Time in scope in those that do not wait by design.
        busy_ns: u64,
        /// Open calls that its rows show.
        in_flight: u64,
        /// Age of the oldest of them.
        oldest_ns: u64,
    },
}

/// The spans of time that figures are counted over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// Which of the two below applies.
    pub scope: Scope,
    /// Length of the last interval, in ns.
    pub recent_ns: u64,
    /// `CLOCK_MONOTONIC` where counting began.
    pub start_ns: u64,
    /// `CLOCK_MONOTONIC` of the figures.
    pub end_ns: u64,
}

/// Where a row belongs before any column is compared. In this order: what never returns comes first, what
/// only waits comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A call that should have returned long ago is open.
    Stuck,
    /// Work.
    Work,
    /// Idle, or only in calls that wait by design.
    Waiting,
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
    /// Figures.
    Right,
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

/// Columns of the table of errors.
pub static ERRNOS: [Column; 7] = [ERRNO, CALL, PROCESS, ERRNO_RATE, ERRNO_COUNT, FIRST_SEEN, LAST_SEEN];

/// Columns of the errors of one syscall.
pub static ERRNOS_OF_CALL: [Column; 5] = [ERRNO, ERRNO_RATE, ERRNO_COUNT, FIRST_SEEN, LAST_SEEN];

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

const COMM: Column = Column {
    id: "comm",
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
    text: |row, _| latency_of(row).filter(|stats| !stats.latencies.is_empty()).map_or_else(dash, max_text),
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

const ERRNO: Column = Column {
    id: "errno",
    title: "ERRNO",
    about: "why the call failed",
    width: 12,
    max_width: 16,
    text: |row, _| errno_of(row).map_or_else(String::new, |errno| errno_text(errno.errno)),
    key: |row, _| SortKey::Text(errno_of(row).map_or_else(String::new, |errno| errno_text(errno.errno))),
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

const ERRNO_COUNT: Column = Column {
    id: "count",
    aliases: &["rate", "err"],
    title: "COUNT",
    about: "calls that failed with it since the start",
    drop: [Some(1), Some(1)],
    text: |row, _| errno_of(row).map_or_else(dash, |errno| whole(errno.count, 7)),
    key: |row, _| number(errno_of(row).map(|errno| errno.count)),
    ..FIGURE
};

const FIRST_SEEN: Column = Column {
    id: "first_seen",
    title: "FIRST SEEN",
    about: "when it was first seen; `at start` means in the first interval",
    width: 11,
    max_width: 11,
    drop: [Some(3), Some(3)],
    text: |row, at| {
        errno_of(row).map_or_else(dash, |errno| match errno.first_seen_ns {
            ns if ns <= at.start_ns.saturating_add(at.recent_ns) => "at start".to_owned(),
            ns => ago(at.end_ns.saturating_sub(ns)),
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
    drop: [Some(2), Some(2)],
    text: |row, at| {
        errno_of(row).map_or_else(dash, |errno| ago(at.end_ns.saturating_sub(errno.last_seen_ns)))
    },
    key: |row, _| number(errno_of(row).map(|errno| errno.last_seen_ns)),
    ..FIGURE
};

impl Context {
    /// The spans of `snapshot`.
    pub fn new(snapshot: &Snapshot, scope: Scope) -> Self {
        Self { scope, recent_ns: snapshot.recent_ns, start_ns: snapshot.start_ns, end_ns: snapshot.end_ns }
    }

    /// Length of the span in scope, in ns.
    pub fn window_ns(&self) -> u64 {
        match self.scope {
            Scope::Interval => self.recent_ns,
            Scope::Total => self.end_ns.saturating_sub(self.start_ns),
        }
    }

    fn per_second(&self, recent: u64) -> f64 {
        if self.recent_ns == 0 { 0.0 } else { recent as f64 * 1e9 / self.recent_ns as f64 }
    }

    /// Time spent in calls in scope, in ns.
    pub fn time_ns(&self, stats: &CallStats) -> u64 {
        match self.scope {
            Scope::Interval => stats.recent_total_ns,
            Scope::Total => stats.total_ns,
        }
    }

    fn calls_and_errors(&self, stats: &CallStats) -> (u64, u64) {
        match self.scope {
            Scope::Interval => (stats.recent_calls, stats.recent_errors),
            Scope::Total => (stats.calls, stats.errors),
        }
    }
}

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
        let rank = |at: &Placed| at.column.drop[scope.index()].unwrap_or(0);
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

/// Where `row` belongs before any column is compared.
pub fn rank(row: Row<'_>, scope: Scope) -> Rank {
    match row {
        Row::Process(process) => {
            let worked = match scope {
                Scope::Interval => process.work.recent_calls,
                Scope::Total => process.work.calls,
            };
            if process.calls.iter().any(is_stuck) {
                Rank::Stuck
            } else if worked > 0 || process.work.in_flight > 0 {
                Rank::Work
            } else {
                Rank::Waiting
            }
        }
        Row::Call(call) if is_stuck(call) => Rank::Stuck,
        // A wait that times out or is interrupted is no failure of work either.
        Row::Call(call) | Row::Error(_, call, _) if call.waits_by_design => Rank::Waiting,
        _ => Rank::Work,
    }
}

/// Whether a call that does not wait by design has been open for a second, and for longer than 99 in 100
/// calls like it ever took.
pub fn is_stuck(call: &CallRow) -> bool {
    !call.waits_by_design
        && call.stats.in_flight > 0
        && call.stats.oldest_in_flight_ns >= STUCK_NS
        && call.stats.quantile_ns(0.99).is_none_or(|p99| call.stats.oldest_in_flight_ns > p99)
}

/// `text` in exactly `width` cells: padded on the side away from `align`, or cut with `…`.
pub fn fit(text: &str, width: usize, align: Align) -> String {
    let has = text.width();
    if has > width {
        let cut = clip(text, width);
        let blank = " ".repeat(width.saturating_sub(cut.width()));
        return cut + &blank;
    }
    let blank = " ".repeat(width - has);
    match align {
        Align::Left => format!("{text}{blank}"),
        Align::Right => format!("{blank}{text}"),
    }
}

/// `text` in at most `width` cells, `…` standing for what was cut.
pub fn clip(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for character in text.chars() {
        let cells = character.width().unwrap_or(0);
        if used + cells + 1 > width {
            break;
        }
        cut.push(character);
        used += cells;
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// Name of a process as tables show it.
pub fn process_name(process: &ProcessRow) -> String {
    match process.folded {
        0 if process.exited => format!("{} (ended)", process.comm),
        0 => process.comm.to_string(),
        many => format!("{} ({} ended)", process.comm, human::short_count(many as f64)),
    }
}

/// Name and id of a process.
pub fn process_label(process: &ProcessRow) -> String {
    match process.id.pid {
        0 => process_name(process),
        pid => process_label_of(process.comm, pid),
    }
}

/// Name and id of a process that has no row any more.
pub fn process_label_of(comm: Comm, pid: u32) -> String {
    format!("{comm} {pid}")
}

/// Name of an errno.
pub fn errno_text(errno: u16) -> String {
    format!("errno {errno}")
}

/// How long a call has been open: `310 µs`, `4.2 s`, `41 s`, `02:13`.
pub fn age(ns: u64) -> String {
    match ns {
        0..1_000_000_000 => human::duration(ns),
        // 9.95 s and up would print as 10.0 s.
        1_000_000_000..9_950_000_000 => format!("{:.1} s", ns as f64 / 1e9),
        9_950_000_000..10_000_000_000 => "10 s".to_owned(),
        10_000_000_000..100_000_000_000 => format!("{} s", ns / 1_000_000_000),
        100_000_000_000..36_000_000_000_000 => human::clock(ns),
        _ => hours(ns),
    }
}

/// A time in the past: `now`, `12 s ago`, `2 min ago`.
fn ago(ns: u64) -> String {
    match ns / 1_000_000_000 {
        0 => "now".to_owned(),
        seconds @ 1..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

fn process_of(row: Row<'_>) -> Option<&ProcessRow> {
    match row {
        Row::Process(process) | Row::Error(process, ..) => Some(process),
        Row::Call(_) | Row::Sum { .. } => None,
    }
}

fn call_of(row: Row<'_>) -> Option<&CallRow> {
    match row {
        Row::Call(call) | Row::Error(_, call, _) => Some(call),
        Row::Process(_) | Row::Sum { .. } => None,
    }
}

fn errno_of(row: Row<'_>) -> Option<&ErrnoRow> {
    match row {
        Row::Error(_, _, errno) => Some(errno),
        _ => None,
    }
}

/// What counts and rates are taken from.
fn stats_of(row: Row<'_>) -> Option<&CallStats> {
    match row {
        Row::Process(process) => Some(&process.all),
        Row::Call(call) => Some(&call.stats),
        Row::Sum { all, .. } => Some(all),
        Row::Error(..) => None,
    }
}

/// What latencies and open calls are taken from: waiting by design is not slowness.
fn latency_of(row: Row<'_>) -> Option<&CallStats> {
    match row {
        Row::Process(process) => Some(&process.work),
        Row::Call(call) => Some(&call.stats),
        Row::Sum { .. } | Row::Error(..) => None,
    }
}

fn busy_ns(row: Row<'_>, at: &Context) -> Option<u64> {
    match row {
        Row::Sum { busy_ns, .. } => Some(busy_ns),
        Row::Call(call) if call.waits_by_design => None,
        _ => latency_of(row).map(|stats| at.time_ns(stats)),
    }
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

fn max_text(stats: &CallStats) -> String {
    span(stats.max_ns)
}

/// A duration in at most seven cells; beyond a day in hours.
fn span(ns: u64) -> String {
    if ns < 99_999_000_000_000 { human::duration(ns) } else { hours(ns) }
}

fn hours(ns: u64) -> String {
    format!("{} h", human::short_count((ns / 3_600_000_000_000) as f64))
}

/// A share in percent; a thousand threads in one process make it large.
fn share(part: u64, whole: u64) -> String {
    let percent = human::percent(part as f64, whole as f64);
    if percent.len() < BUSY.width { percent } else { human::short_count(part as f64 / whole as f64 * 100.0) }
}

fn in_flight_text(in_flight: u64, oldest_ns: u64) -> String {
    match (in_flight, oldest_ns) {
        (0, _) => String::new(),
        (open, age_ns) if age_ns < AGE_SHOWN_NS => human::count(open),
        (open, age_ns) => {
            let both = format!("{}, {}", human::short_count(open as f64), age(age_ns));
            if both.width() <= IN_FLIGHT.width { both } else { human::short_count(open as f64) }
        }
    }
}

/// A rate with as many digits as it deserves.
fn rate(per_second: f64) -> String {
    if per_second < 9.995 { human::short_count(per_second) } else { whole(per_second.round() as u64, 7) }
}

/// A number in full where it fits, in short where it does not: a cut number would be a wrong number.
fn whole(number: u64, width: usize) -> String {
    let full = human::count(number);
    if full.len() <= width { full } else { human::short_count(number as f64) }
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    fn sets() -> [&'static [Column]; 3] {
        [&PROCESSES, &CALLS_OF_PROCESS, &ERRNOS]
    }

    #[test]
    fn every_column_has_a_name_of_its_own_and_room_for_its_title_and_sort_mark() {
        for set in sets() {
            for (index, column) in set.iter().enumerate() {
                assert!(column.title.width() < column.width, "{}", column.title);
                assert!(column.max_width >= column.width && !column.about.is_empty(), "{}", column.title);
                let scope = if column.is_in(Scope::Interval) { Scope::Interval } else { Scope::Total };
                assert_eq!(find(set, scope, column.id), Some(index), "{}", column.id);
                assert_eq!(find(set, scope, column.title), Some(index), "{}", column.title);
            }
        }
    }

    #[test]
    fn the_other_scope_sorts_by_the_same_figure() {
        for (set, name, other) in [
            (&PROCESSES[..], "CALLS/s", "CALLS"),
            (&PROCESSES[..], "ERR/s", "ERRORS"),
            (&CALLS_OF_PROCESS[..], "CALLS/s", "CALLS"),
            (&CALLS_OF_PROCESS[..], "BUSY%", "BUSY%"),
            (&ERRNOS[..], "NOW/s", "COUNT"),
        ] {
            let index = find(set, Scope::Interval, name).expect("a column");
            assert_eq!(set[counterpart(set, Scope::Total, index)].title, other);
        }
    }

    #[test]
    fn lines_are_never_longer_than_the_terminal_while_anything_can_be_dropped() {
        for set in sets() {
            for scope in [Scope::Interval, Scope::Total] {
                for width in 40..200 {
                    let placed = lay_out(set, scope, width);
                    let used: usize = placed.iter().map(|at| at.width + GAP).sum::<usize>() - GAP;
                    assert!(used <= width, "{used} > {width}");
                }
            }
        }
    }

    #[test]
    fn at_80_cells_the_first_screen_answers_who_is_slow_failing_or_stuck() {
        let titles: Vec<&str> =
            lay_out(&PROCESSES, Scope::Interval, 79).iter().map(|at| at.column.title).collect();
        assert_eq!(titles, ["PID", "COMM", "CALLS/s", "ERR/s", "BUSY%", "P50", "P99", "MAX", "IN FLIGHT"]);
    }

    #[test]
    fn numbers_are_shortened_but_never_cut() {
        assert_eq!(whole(9_999_999, 9), "9,999,999");
        assert_eq!(whole(123_456_789, 9), "123M");
        assert_eq!(rate(1_294_400.0), "1.29M");
        assert_eq!(rate(129_440.2), "129,440");
        assert_eq!(rate(0.5), "0.50");
        for set in sets() {
            for column in set {
                let at = Context {
                    recent_ns: 1_000_000_000,
                    end_ns: 99_000_000_000_000_000,
                    ..Context::default()
                };
                for row in fixture::extreme().rows() {
                    let text = (column.text)(row, &at);
                    assert!(
                        column.align == Align::Left || text.width() <= column.width,
                        "{} is too narrow for {text}",
                        column.title
                    );
                }
            }
        }
    }

    #[test]
    fn ages_grow_without_growing_wide() {
        for (ns, text) in [
            (310_000, "310 µs"),
            (4_230_000_000, "4.2 s"),
            (9_990_000_000, "10 s"),
            (41_900_000_000, "41 s"),
            (133_000_000_000, "02:13"),
        ] {
            assert_eq!(age(ns), text);
        }
        assert_eq!(ago(0), "now");
        assert_eq!(ago(12_000_000_000), "12 s ago");
        assert_eq!(ago(7_300_000_000_000), "2 h ago");
    }

    #[test]
    fn cut_text_says_so_and_keeps_its_cells() {
        assert_eq!(fit("systemd-journald", 8, Align::Left), "systemd…");
        assert_eq!(fit("7", 3, Align::Right), "  7");
        assert_eq!(fit("日本語", 4, Align::Left), "日… ");
        assert_eq!(fit("abc", 0, Align::Left), "");
    }

    #[test]
    fn stuck_needs_a_second_beyond_its_habit_and_no_design() {
        let mut call = fixture::call("read", &[1_000; 100]);
        call.stats.in_flight = 1;
        call.stats.oldest_in_flight_ns = STUCK_NS;
        assert!(is_stuck(&call));
        call.waits_by_design = true;
        assert!(!is_stuck(&call));
        call.waits_by_design = false;
        call.stats.oldest_in_flight_ns = STUCK_NS - 1;
        assert!(!is_stuck(&call));
        let mut slow = fixture::call("fsync", &[5_000_000_000; 100]);
        slow.stats.in_flight = 1;
        slow.stats.oldest_in_flight_ns = 2_000_000_000;
        assert!(!is_stuck(&slow), "its calls always take that long");
    }
}
