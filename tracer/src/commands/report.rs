//! `tracer report`: the tables and JSON Lines of a run, from its recording.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use anyhow::Result;
use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;

use crate::aggregate::Aggregator;
use crate::by_file::OnBy;
use crate::cli::exit_status;
use crate::cli::report::ReportOptions;
use crate::commands::info::{Facts, RecordingLine};
use crate::commands::recordings::{Contents, Filter, Recording, Recordings};
use crate::commands::session::reader_is_there;
use crate::findings::Findings;
use crate::group::{self, By};
use crate::human;
use crate::interval::Interval;
use crate::recording::Item;
use crate::report::json::JsonLines;
use crate::report::{Limits, Scope, write_errnos, write_files, write_tables_within};
use crate::run::RunInfo;
use crate::sieve::Wanted;
use crate::snapshot::Snapshot;
use crate::span::{Selection, Span};

/// Prints the report; the status says whether all of every recording could be read.
pub(super) fn run(options: ReportOptions) -> Result<u8> {
    let wanted = Wanted::try_from(options.wanted)?;
    let selection = Selection::from(options.part);
    let mut recordings = Recordings::open(&options.files)?;
    let zone = TimeZone::system();
    let span = recordings.resolve(&selection, &zone)?;
    let is_part = span != Span::EVERYTHING || !wanted.is_everything();
    let mut report = Report {
        out: BufWriter::new(io::stdout().lock()),
        json: options.json,
        intervals: options.intervals,
        is_part,
        began_late: recordings.each.iter().any(|recording| recording.meta.is_part),
        by: options.by,
        limits: options.top.map(|rows| Limits::top(rows as usize)),
        info: run_info(&recordings, &wanted),
        machines: Vec::new(),
        waiting: Vec::new(),
    };
    if !reader_is_there(report.begin(&recordings))? {
        return Ok(exit_status::FINE);
    }
    let mut filters: FxHashMap<(Arc<str>, String), usize> = FxHashMap::default();
    let mut read: Vec<Contents> = Vec::new();
    for recording in &mut recordings.each {
        let (host, boot) = recording.machine();
        let machine = *filters.entry((Arc::clone(&host), boot.to_owned())).or_insert_with(|| {
            report.machines.push(Machine {
                host,
                filter: Filter::new(wanted.clone(), span),
                aggregator: Aggregator::new(),
            });
            report.machines.len() - 1
        });
        read.push(recording.read(&mut |item| match item {
            Item::Interval(interval) => report.take(machine, interval),
            Item::Mark(_) => Ok(()),
        })?);
    }
    let each: Vec<(&Recording, &Contents)> = recordings.each.iter().zip(&read).collect();
    report.info.notices.extend(Recordings::overlap(&each));
    if span != Span::EVERYTHING {
        report.info.part = Some(part_words(&each, span, &zone));
    }
    let facts: Vec<Facts> =
        each.iter().map(|(recording, contents)| Facts::new(recording, contents)).collect();
    let written = report.finish(&facts, &zone);
    reader_is_there(written)?;
    Ok(super::info::warn_of_unclean(&facts))
}

/// The figures of one host from boot to boot.
struct Machine {
    host: Arc<str>,
    filter: Filter,
    aggregator: Aggregator,
}

#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
struct Report<W: Write> {
    out: BufWriter<W>,
    json: bool,
    intervals: bool,
    is_part: bool,
    /// Whether a run was under way when its recording began: what its first interval saw the end of, it did not
    /// see begin.
    began_late: bool,
    by: By,
    limits: Option<Limits>,
    info: RunInfo,
    machines: Vec<Machine>,
    /// Tables of the last interval, until another one follows.
    waiting: Vec<u8>,
}

impl<W: Write> Report<W> {
    fn begin(&mut self, recordings: &Recordings) -> io::Result<()> {
        if self.json {
            let mut lines = JsonLines::new(&mut self.out);
            for recording in &recordings.each {
                lines.meta(&recording.meta)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, machine: usize, interval: &mut Interval) -> Result<()> {
        let machine = &mut self.machines[machine];
        if !machine.filter.pass(interval) {
            return Ok(());
        }
        machine.aggregator.merge(interval);
        if self.intervals {
            if self.json {
                JsonLines::new(&mut self.out).interval(interval)?;
            } else {
                let snapshot = group::regroup(machine_snapshot(machine, self.is_part), self.by);
                let limits = self.limits.unwrap_or(Limits::of(Scope::Interval));
                let mut tables = Vec::new();
                match on_by(self.by) {
                    Some(by) => {
                        let rows = self.limits.map(|limits| limits.processes);
                        write_files(&mut tables, &snapshot, &self.info, by, rows)?;
                        writeln!(tables)?;
                    }
                    None => {
                        write_tables_within(&mut tables, &snapshot, &self.info, Scope::Interval, &limits)?;
                    }
                }
                // Of the last one nothing was shown live either: the totals follow it at once.
                self.out.write_all(&std::mem::replace(&mut self.waiting, tables))?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, facts: &[Facts], zone: &TimeZone) -> io::Result<()> {
        let snapshot = self.snapshot();
        if self.json {
            let mut lines = JsonLines::new(&mut self.out);
            for fact in facts {
                lines.value(&RecordingLine::new(fact))?;
            }
            if self.by == By::Errno {
                lines.errnos(&group::errnos(&snapshot), snapshot.end_ns)?;
            } else if let Some(by) = on_by(self.by) {
                lines.files(&snapshot, by)?;
            } else if self.is_part || self.began_late {
                lines.totals_of_part(&snapshot)?;
            } else {
                lines.totals(&snapshot)?;
            }
        } else {
            if self.is_part {
                // Somebody asked for this one as for the others.
                self.out.write_all(&self.waiting)?;
            }
            for fact in facts {
                writeln!(self.out, "{}", fact.line(zone))?;
            }
            writeln!(self.out)?;
            let limits = self.limits.unwrap_or(Limits::of(Scope::Total));
            let rows = self.limits.map(|limits| limits.processes);
            match (self.by, on_by(self.by)) {
                (By::Errno, _) => write_errnos(&mut self.out, &snapshot, &self.info, rows)?,
                (_, Some(by)) => write_files(&mut self.out, &snapshot, &self.info, by, rows)?,
                _ => write_tables_within(&mut self.out, &snapshot, &self.info, Scope::Total, &limits)?,
            }
        }
        self.out.flush()
    }

    fn snapshot(&mut self) -> Snapshot {
        let is_part = self.is_part;
        let snapshot = match &mut self.machines[..] {
            [machine] if self.by != By::Host => machine_snapshot(machine, is_part),
            machines => group::join(
                machines
                    .iter()
                    .map(|machine| (Arc::clone(&machine.host), machine_snapshot(machine, is_part)))
                    .collect(),
            ),
        };
        group::regroup(snapshot, self.by)
    }
}

/// Where rows are what calls were on: by what.
fn on_by(by: By) -> Option<OnBy> {
    match by {
        By::File => Some(OnBy::File),
        By::Peer => Some(OnBy::Peer),
        _ => None,
    }
}

/// In a part of a recording a process without calls is one that nobody asked for.
fn machine_snapshot(machine: &Machine, is_part: bool) -> Snapshot {
    let mut snapshot = machine.aggregator.snapshot();
    if is_part {
        snapshot.processes.retain(|process| !process.calls.is_empty());
        // Of calls that were picked, shares and rates say nothing about the program.
        snapshot.findings = Findings::default();
    }
    snapshot
}

/// What the header says of the recordings.
fn run_info(recordings: &Recordings, wanted: &Wanted) -> RunInfo {
    let each = &recordings.each;
    let one_or = |of: fn(&Recording) -> &str, many: &str| {
        let first = of(&each[0]);
        if each.iter().all(|recording| of(recording) == first) { first.to_owned() } else { many.to_owned() }
    };
    let mut filters: Vec<String> = Vec::new();
    for recording in each {
        if !recording.meta.filter.is_empty() && !filters.contains(&recording.meta.filter) {
            filters.push(recording.meta.filter.clone());
        }
    }
    filters.extend(wanted.words());
    let mut notices: Vec<String> = Vec::new();
    for notice in each.iter().flat_map(|recording| &recording.meta.notices) {
        if !notices.contains(notice) {
            notices.push(notice.clone());
        }
    }
    let mut hosts: Vec<&str> = each.iter().map(|recording| recording.meta.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    RunInfo {
        target: one_or(|recording| &recording.meta.target, &format!("{} recordings", each.len())),
        host: if let [host] = hosts[..] { host.to_owned() } else { format!("{} hosts", hosts.len()) },
        family: one_or(|recording| &recording.meta.family, "raw and classic"),
        filter: (!filters.is_empty()).then(|| filters.join(" and ")),
        args: each.iter().any(|recording| recording.meta.args),
        notices,
        ..RunInfo::default()
    }
}

/// The part in words: `14:02:11 to 14:05:00`.
fn part_words(each: &[(&Recording, &Contents)], span: Span, zone: &TimeZone) -> String {
    let (first, _) = each[0];
    let start_ns = each.iter().map(|(_, contents)| contents.start_ns).min().unwrap_or(0);
    let end_ns = each.iter().map(|(_, contents)| contents.end_ns).max().unwrap_or(0);
    let at =
        |ns: u64| i128::from(first.meta.start_unix_ns) + i128::from(ns) - i128::from(first.meta.start_ns);
    let (from_ns, to_ns) = (span.from_ns.max(start_ns), span.to_ns.min(end_ns));
    let words = super::info::from_to(at(from_ns), at(to_ns), zone);
    format!("{words}, {}", human::length(to_ns.saturating_sub(from_ns)))
}
