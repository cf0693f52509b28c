//! The filter that is typed on the screen: words, all of which must fit.

use crate::process::Comm;
use crate::snapshot::{CallRow, ErrnoRow, ProcessRow};
use crate::syscalls::errno;

/// A parsed filter. Empty fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    text: String,
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    excludes: bool,
    field: Field,
    /// In lower case.
    needle: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Any,
    Pid,
    Comm,
    Call,
    Errno,
}

const PREFIXES: [(&str, Field); 4] =
    [("pid:", Field::Pid), ("comm:", Field::Comm), ("sys:", Field::Call), ("err:", Field::Errno)];

impl Filter {
    /// Reads words such as `nginx`, `pid:7`, `err:ENOENT`, `!comm:sshd`.
    pub(crate) fn parse(text: &str) -> Self {
        let terms = text
            .split_whitespace()
            .map(|word| {
                let (excludes, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
                let lower = word.to_lowercase();
                let (field, needle) = PREFIXES
                    .iter()
                    .find_map(|(prefix, field)| Some((*field, lower.strip_prefix(prefix)?)))
                    .unwrap_or((Field::Any, &lower));
                Term { excludes, field, needle: needle.to_owned() }
            })
            // A word that is still being typed excludes nothing yet.
            .filter(|term| !term.needle.is_empty())
            .collect();
        Self { text: text.to_owned(), terms }
    }

    /// As it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a process fits: by itself or by one of its calls.
    pub(crate) fn fits_process(&self, process: &ProcessRow) -> bool {
        self.terms.iter().all(|term| {
            let fits = term.fits_process(process) || process.calls.iter().any(|call| term.fits_call(call));
            fits != term.excludes
        })
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

    /// Whether an errno of a call fits.
    pub(crate) fn fits_errno(&self, process: &ProcessRow, call: &CallRow, errno: &ErrnoRow) -> bool {
        self.terms.iter().all(|term| {
            let fits =
                term.fits_process(process) || term.fits_name(&call.name) || term.fits_errno(errno.errno);
            fits != term.excludes
        })
    }
}

impl Term {
    fn fits_process(&self, process: &ProcessRow) -> bool {
        match self.field {
            Field::Any => self.fits_comm(process.comm) || process.id.pid.to_string().contains(&self.needle),
            Field::Pid => process.id.pid.to_string() == self.needle,
            Field::Comm => self.fits_comm(process.comm),
            Field::Call | Field::Errno => false,
        }
    }

    fn fits_comm(&self, comm: Comm) -> bool {
        comm.to_string().to_lowercase().contains(&self.needle)
    }

    fn fits_call(&self, call: &CallRow) -> bool {
        self.fits_name(&call.name) || call.errnos.iter().any(|errno| self.fits_errno(errno.errno))
    }

    fn fits_name(&self, name: &str) -> bool {
        matches!(self.field, Field::Any | Field::Call) && name.contains(&self.needle)
    }

    fn fits_errno(&self, errno: u16) -> bool {
        match self.field {
            Field::Any => errno::name(errno).to_lowercase().contains(&self.needle),
            Field::Errno => {
                errno.to_string() == self.needle || errno::name(errno).to_lowercase().contains(&self.needle)
            }
            Field::Pid | Field::Comm | Field::Call => false,
        }
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
