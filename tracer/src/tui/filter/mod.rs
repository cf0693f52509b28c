//! The filter that is typed on the screen: words, all of which must fit.
//!
//! ```text
//! filter = word {blank word}
//! word   = ["!"] [field ":"] value {"," value}
//! field  = "pid" | "comm" | "sys" | "err" | "lat" | "on"
//! ```
//!
//! A plain word is a part of a name, of a PID, of a syscall or of an errno; among files, of theirs too. What has blanks in it stands between double
//! quotes. Of several values one must fit, of several words all. `!` hides every row that the word fits.

mod files;
mod parse;

pub use parse::Problem;

use crate::file::Names;
use crate::process::Comm;
use crate::snapshot::{CallRow, ErrnoRow, ProcessRow};
use crate::syscalls::{self, Class, errno};

/// The language, for help and manual: what can be typed, and what it finds.
pub const LANGUAGE: [(&str, &str); 9] = [
    ("nginx", "a part of a name, a PID, a syscall or an errno, among files of theirs"),
    ("pid:7,12", "these processes"),
    ("comm:sshd", "processes with this in their name; comm:\"Web Content\" with a blank in it"),
    ("sys:openat,%net", "calls with this in their name, or of a class of strace"),
    ("err:ENOENT", "calls that failed with it; err:2 and err:ENO do too"),
    ("lat:>10ms", "calls whose p99, or age while open, is longer; lat:<1ms shorter"),
    ("on:/var/log", "calls on a file or peer with this in its name, and processes that make such"),
    ("!comm:sshd", "what does not fit the word"),
    ("sys:%file err:ENOENT", "all words must fit, sys: err: and lat: the same call"),
];

/// A parsed filter. Empty fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
    terms: Vec<Term>,
    problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    excludes: bool,
    field: Field,
    /// One of them must fit. Never empty.
    values: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Any,
    Pid,
    Comm,
    Call,
    Errno,
    Latency,
    On,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// Of a name, in lower case.
    Part(String),
    Pid(u32),
    Errno(u16),
    Class(Class),
    SlowerThan(u64),
    FasterThan(u64),
}

impl Filter {
    /// Reads any text. Words that mean nothing are left out of what the filter does, and named by
    /// [`problems`](Self::problems).
    pub fn parse(text: &str) -> Self {
        let (terms, problems) = parse::parse(text);
        Self { text: text.to_owned(), terms, problems }
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The words that mean nothing.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether a process fits: by itself or by one of its calls, the same for all words about calls.
    pub(crate) fn fits_process(&self, process: &ProcessRow) -> bool {
        let by_itself = |term: &Term| term.fits_process(process);
        let by_call = |term: &Term, call: &CallRow| term.fits_call_of_process(call);
        let (excluding, wanting): (Vec<&Term>, Vec<&Term>) =
            self.terms.iter().partition(|term| term.excludes);
        if excluding
            .iter()
            .any(|term| by_itself(term) || process.calls.iter().any(|call| by_call(term, call)))
        {
            return false;
        }
        let left: Vec<&Term> = wanting.into_iter().filter(|term| !by_itself(term)).collect();
        left.is_empty() || process.calls.iter().any(|call| left.iter().all(|term| by_call(term, call)))
    }

    /// Whether a process is one whose calls are summed: only words that speak of processes count.
    pub(crate) fn fits_member(&self, process: &ProcessRow) -> bool {
        self.terms
            .iter()
            .filter(|term| matches!(term.field, Field::Pid | Field::Comm))
            .all(|term| term.fits_process(process) != term.excludes)
    }

    /// Whether a call of `process` fits, or a call summed over processes.
    pub(crate) fn fits_call(&self, process: Option<&ProcessRow>, call: &CallRow) -> bool {
        self.terms.iter().all(|term| match process {
            None if matches!(term.field, Field::Pid | Field::Comm) => true,
            _ => {
                let fits = term.fits_call(call) || process.is_some_and(|process| term.fits_process(process));
                fits != term.excludes
            }
        })
    }

    /// Whether a thread of `process` fits: by itself, by its process, or by the call that it is in.
    pub(crate) fn fits_thread(
        &self,
        process: &ProcessRow,
        tid: u32,
        name: Comm,
        now: Option<&CallRow>,
    ) -> bool {
        self.terms.iter().all(|term| {
            let is_it = match term.field {
                Field::Any => term.fits_comm(name) || term.has(|value| value.is_in(&tid.to_string())),
                Field::Pid => term.has(|value| *value == Value::Pid(tid)),
                Field::Comm => term.fits_comm(name),
                Field::Call | Field::Errno | Field::Latency | Field::On => false,
            };
            let fits = is_it || term.fits_process(process) || now.is_some_and(|call| term.fits_call(call));
            fits != term.excludes
        })
    }

    /// Whether an errno of a call fits.
    pub(crate) fn fits_errno(&self, process: &ProcessRow, call: &CallRow, errno: &ErrnoRow) -> bool {
        self.terms.iter().all(|term| {
            let fits = term.fits_process(process)
                || term.fits_name(call)
                || term.fits_latency(call)
                || term.fits_on(call)
                || term.fits_errno(errno.errno);
            fits != term.excludes
        })
    }
}

impl Term {
    fn has(&self, fits: impl Fn(&Value) -> bool) -> bool {
        self.values.iter().any(fits)
    }

    fn fits_process(&self, process: &ProcessRow) -> bool {
        match self.field {
            Field::Any => {
                self.fits_comm(process.comm) || self.has(|value| value.is_in(&process.id.pid.to_string()))
            }
            Field::Pid => self.has(|value| *value == Value::Pid(process.id.pid)),
            Field::Comm => self.fits_comm(process.comm),
            Field::Call | Field::Errno | Field::Latency | Field::On => false,
        }
    }

    fn fits_comm(&self, comm: Comm) -> bool {
        let name = comm.to_string().to_lowercase();
        self.has(|value| value.is_in(&name))
    }

    fn fits_call(&self, call: &CallRow) -> bool {
        self.fits_name(call)
            || self.fits_latency(call)
            || self.fits_on(call)
            || call.errnos.iter().any(|errno| self.fits_errno(errno.errno))
    }

    /// What waits by design is slow by design: it makes no process slow.
    fn fits_call_of_process(&self, call: &CallRow) -> bool {
        self.fits_call(call) && !(self.field == Field::Latency && call.waits_by_design)
    }

    fn fits_name(&self, call: &CallRow) -> bool {
        matches!(self.field, Field::Any | Field::Call)
            && self.has(|value| match value {
                Value::Class(class) => class.contains(&syscalls::plain_name(call.call)),
                value => value.is_in(&call.name),
            })
    }

    fn fits_on(&self, call: &CallRow) -> bool {
        let is_it = |names: &Names, file| {
            let label = names.label(file).to_lowercase();
            self.has(|value| value.is_in(&label))
        };
        self.field == Field::On
            && (call.on.iter().any(|row| is_it(&row.names, row.file))
                || call
                    .in_flight
                    .iter()
                    .filter_map(|open| open.on.as_ref())
                    .any(|on| is_it(&on.names, on.file)))
    }

    fn fits_errno(&self, number: u16) -> bool {
        matches!(self.field, Field::Any | Field::Errno)
            && self.has(|value| match value {
                Value::Errno(wanted) => *wanted == number,
                value => value.is_in(&errno::name(number).to_lowercase()),
            })
    }

    fn fits_latency(&self, call: &CallRow) -> bool {
        if self.field != Field::Latency {
            return false;
        }
        let open_ns = (call.stats.in_flight > 0).then_some(call.stats.oldest_in_flight_ns);
        self.fits_ns(call.stats.quantile_ns(0.99).max(open_ns))
    }

    fn fits_ns(&self, ns: Option<u64>) -> bool {
        let Some(ns) = ns else { return false };
        self.has(|value| match value {
            Value::SlowerThan(limit) => ns > *limit,
            Value::FasterThan(limit) => ns < *limit,
            _ => false,
        })
    }
}

impl Value {
    /// Whether it is a part of this name, which is in lower case.
    fn is_in(&self, name: &str) -> bool {
        matches!(self, Self::Part(part) if name.contains(part.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    fn pids(text: &str) -> Vec<u32> {
        let filter = Filter::parse(text);
        let snapshot = fixture::incident();
        snapshot.processes.iter().filter(|row| filter.fits_process(row)).map(|row| row.id.pid).collect()
    }

    #[test]
    fn words_find_processes_by_name_id_call_and_errno() {
        assert_eq!(pids("NGINX"), [977]);
        assert_eq!(pids("pid:977"), [977]);
        assert_eq!(pids("97"), [977]);
        assert_eq!(pids("pid:97"), [0; 0]);
        assert_eq!(pids("sys:fsync"), [1841]);
        assert_eq!(pids("err:28"), [1841]);
        assert_eq!(pids("flock comm:java"), [2210]);
        assert_eq!(pids("flock comm:nginx"), [0; 0]);
    }

    #[test]
    fn words_about_calls_are_about_the_same_call() {
        assert_eq!(pids("sys:openat err:ENOENT"), [977]);
        assert_eq!(pids("sys:epoll_wait err:ENOENT"), [0; 0], "another call of it fails");
        assert_eq!(pids("sys:fsync,flock"), [1841, 2210]);
        assert_eq!(pids("sys:%desc comm:postgres"), [1841]);
        assert_eq!(pids("pid:977,1841"), [977, 1841]);
    }

    #[test]
    fn latency_is_that_of_work_and_of_open_calls() {
        assert!(pids("lat:>10ms").contains(&1841), "its fsync is slow");
        assert!(pids("lat:>10s").contains(&2210), "its flock is open for so long");
        assert!(!pids("lat:>10ms").contains(&1120), "it only waits in epoll_wait");
        assert!(pids("lat:<1ms comm:redis").contains(&1120));
        assert!(!pids("!lat:>10ms").contains(&1841));
        let snapshot = fixture::incident();
        let postgres = snapshot.processes.iter().find(|row| row.id.pid == 1841).expect("postgres");
        let names = |text: &str| -> Vec<&str> {
            let filter = Filter::parse(text);
            let fitting = postgres.calls.iter().filter(|call| filter.fits_call(Some(postgres), call));
            fitting.map(|call| call.name.as_str()).collect()
        };
        assert!(names("lat:>10ms").contains(&"fsync") && !names("lat:>10ms").contains(&"pread64"));
    }

    #[test]
    fn a_word_that_means_nothing_hides_nothing() {
        let all = fixture::incident().processes.len();
        assert_eq!(pids("foo:bar").len(), all);
        assert_eq!(pids("sys:opnat comm:nginx"), [977]);
        assert_eq!(Filter::parse("sys:opnat comm:nginx").problems().len(), 1);
    }

    #[test]
    fn exclamation_marks_exclude_and_half_typed_words_do_not() {
        assert_eq!(pids("sys:epoll_wait !java !comm:postgres !pid:977"), [612, 1120, 2400]);
        assert_eq!(pids("!").len(), fixture::incident().processes.len());
        assert_eq!(pids("comm:").len(), fixture::incident().processes.len());
    }

    #[test]
    fn sums_over_processes_hear_only_words_about_processes() {
        let snapshot = fixture::incident();
        let members = |text: &str| {
            let filter = Filter::parse(text);
            snapshot.processes.iter().filter(|row| filter.fits_member(row)).count()
        };
        assert_eq!(members("openat"), snapshot.processes.len());
        assert_eq!(members("comm:nginx openat"), 1);
        let filter = Filter::parse("comm:nginx openat");
        let calls = &snapshot.processes[2].calls;
        let fitting: Vec<&str> =
            calls.iter().filter(|call| filter.fits_call(None, call)).map(|call| call.name.as_str()).collect();
        assert_eq!(fitting, ["openat"]);
    }
}
