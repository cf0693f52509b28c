//! Which files and peers fit a filter, and which calls on them.

use std::cell::OnceCell;

use super::{Field, Filter, Term};
use crate::by_file::{Figures, FileRow};
use crate::snapshot::{CallRow, ProcessRow, Snapshot};

impl Filter {
    /// Whether a file fits: by its name, by the calls on it, or by those who make them. Words about processes have
    /// decided before whose calls are counted.
    pub(crate) fn fits_file(&self, snapshot: &Snapshot, file: &FileRow) -> bool {
        let name = OnceCell::new();
        self.terms.iter().filter(|term| !matches!(term.field, Field::Pid | Field::Comm)).all(|term| {
            let by_name = matches!(term.field, Field::Any | Field::On)
                && term.has(|value| value.is_in(name.get_or_init(|| file.label().to_lowercase())));
            let by_use = |&((p, c), _): &((usize, usize), u64)| {
                let process = &snapshot.processes[p];
                term.fits_use(process, &process.calls[c], &file.figures)
            };
            let fits = by_name || term.fits_figures(&file.figures) || file.uses.iter().any(by_use);
            fits != term.excludes
        })
    }

    /// Whether the calls of one process on a file fit, the name of which fits.
    pub(crate) fn fits_use(&self, process: &ProcessRow, call: &CallRow, figures: &Figures) -> bool {
        self.terms.iter().filter(|term| term.field != Field::On).all(|term| {
            let fits = term.fits_use(process, call, figures) || term.fits_figures(figures);
            fits != term.excludes
        })
    }
}

impl Term {
    /// Which calls of a cell failed in which way is known, and which of its files failed; not which file in which way.
    fn fits_use(&self, process: &ProcessRow, call: &CallRow, figures: &Figures) -> bool {
        let by_errno = || call.errnos.iter().any(|errno| self.fits_errno(errno.errno));
        self.fits_process(process) || self.fits_name(call) || (figures.all.errors > 0 && by_errno())
    }

    fn fits_figures(&self, figures: &Figures) -> bool {
        let open_ns = (figures.work.in_flight > 0).then_some(figures.work.oldest_in_flight_ns);
        self.field == Field::Latency && self.fits_ns(figures.work_quantile_ns(0.99).max(open_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::by_file::{OnBy, files};
    use crate::tui::fixture;

    fn found(text: &str) -> Vec<String> {
        let (filter, snapshot) = (Filter::parse(text), fixture::with_files());
        assert_eq!(filter.problems(), []);
        let all = files(&snapshot, OnBy::File, |process| filter.fits_member(process));
        let fitting = all.iter().filter(|row| row.is_known() && filter.fits_file(&snapshot, row));
        let mut labels: Vec<String> = fitting.map(FileRow::label).collect();
        labels.sort();
        labels
    }

    #[test]
    fn words_find_files_by_name_call_user_and_latency() {
        assert_eq!(found("on:pg_wal"), ["/var/lib/postgresql/16/main/pg_wal/000000010000000000000001"]);
        assert_eq!(found("PG_WAL"), found("sys:fsync"));
        let sockets = ["epoll", "socket:[502]", "tcp 10.0.0.1:80 -> 10.0.0.9:40112"];
        assert_eq!(found("!on:/ comm:nginx"), sockets);
        assert!(found("java").contains(&"/srv/app/lock".to_owned()));
        assert!(found("lat:>10s").contains(&"/srv/app/lock".to_owned()), "a call on it is open for so long");
        assert!(!found("lat:>10s").contains(&"/srv/app/out.log".to_owned()));
        assert_eq!(found("err:EPIPE"), ["/srv/app/out.log"]);
    }

    #[test]
    fn processes_are_found_by_what_they_are_on() {
        let (filter, snapshot) = (Filter::parse("on:pg_wal"), fixture::with_files());
        let fitting = snapshot.processes.iter().filter(|row| filter.fits_process(row));
        assert_eq!(fitting.map(|row| row.id.pid).collect::<Vec<_>>(), [1841]);
    }
}
