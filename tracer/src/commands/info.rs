//! `tracer info`: what a recording is, without its tables. The facts about a recording that reports print
//! too are made here.

use std::io::{self, Write};

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::cli::exit_status;
use crate::cli::info::InfoOptions;
use crate::commands::recordings::{Contents, Recording, Recordings};
use crate::commands::session::reader_is_there;
use crate::human::{self, safe_text};
use crate::interval::Interval;
use crate::ledger::LedgerCounts;
use crate::recording::{End, Item, Mark};
use crate::report::json::JsonLines;
use crate::run::Meta;
use crate::trust;

/// Marks that are listed as text.
const MARKS: usize = 20;

/// What became known of a recording.
pub(super) struct Facts {
    name: String,
    kind: &'static str,
    meta: Meta,
    contents: Contents,
}

/// Sums over a whole recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Sums {
    calls: u64,
    errors: u64,
    cells: u64,
    in_flight: u64,
    #[serde(skip)]
    ledger: LedgerCounts,
}

/// Tells about each file.
pub(super) fn run(options: &InfoOptions) -> Result<u8> {
    let zone = TimeZone::system();
    let mut out = io::stdout().lock();
    let mut all = Vec::new();
    // One after the other: what one says does not depend on the others.
    for file in &options.files {
        let mut recordings = Recordings::open(std::slice::from_ref(file))?;
        let recording = &mut recordings.each[0];
        let mut sums = Sums::default();
        let contents = recording.read(&mut |item| {
            if let Item::Interval(interval) = item {
                sums.add(interval);
            }
            Ok(())
        })?;
        let facts = Facts::new(recording, &contents);
        let written = if options.json {
            let mut line = RecordingLine::new(&facts);
            line.sums = Some(sums);
            line.lost = Some(sums.ledger.calls_missing());
            line.meta = Some(&facts.meta);
            JsonLines::new(&mut out).value(&line)
        } else {
            facts.write(&mut out, &sums, &zone)
        };
        if !reader_is_there(written)? {
            break;
        }
        all.push(facts);
    }
    Ok(warn_of_unclean(&all))
}

/// Names on standard error what did not end as it should; the exit status says it too.
pub(super) fn warn_of_unclean(all: &[Facts]) -> u8 {
    let mut status = exit_status::FINE;
    for facts in all {
        if let End::Unclean { why } = &facts.contents.end {
            status = exit_status::DAMAGED;
            let (name, why) = (&facts.name, safe_text(why.as_bytes()));
            let _ = writeln!(
                io::stderr(),
                "warning: {name} ended uncleanly\nwhy: {why}; the figures are of what was readable before\n\
                 next: `tracer repair FILE` saves that part as a recording that every reader takes"
            );
        }
    }
    status
}

impl Sums {
    fn add(&mut self, interval: &Interval) {
        for cell in interval.cells.values() {
            self.calls += cell.calls;
            self.errors += cell.error_count();
        }
        self.cells += interval.cells.len() as u64;
        self.in_flight = interval.in_flight.len() as u64;
        self.ledger.merge(&interval.ledger);
    }
}

impl Facts {
    /// What reading all of a recording told.
    pub(super) fn new(recording: &Recording, contents: &Contents) -> Self {
        Self {
            name: recording.name.clone(),
            kind: recording.kind.name(),
            meta: recording.meta.clone(),
            contents: contents.clone(),
        }
    }

    fn duration_ns(&self) -> u64 {
        self.contents.end_ns.saturating_sub(self.contents.start_ns)
    }

    fn start_unix_ns(&self) -> i128 {
        i128::from(self.meta.start_unix_ns)
    }

    fn end_unix_ns(&self) -> i128 {
        self.start_unix_ns() + i128::from(self.duration_ns())
    }

    /// One line: name, when, how long, how it ended.
    pub(super) fn line(&self, zone: &TimeZone) -> String {
        let mut line = format!(
            "{}  {}  {}  {} of {}  tracer {} on {} {}",
            self.name,
            from_to(self.start_unix_ns(), self.end_unix_ns(), zone),
            human::length(self.duration_ns()),
            human::plural(self.contents.intervals, "interval"),
            human::duration(self.meta.interval_ns),
            safe_text(self.meta.version.as_bytes()),
            safe_text(self.meta.kernel.as_bytes()),
            safe_text(self.meta.arch.as_bytes()),
        );
        if !self.contents.marks.is_empty() {
            line.push_str("  ");
            line.push_str(&human::plural(self.contents.marks.len() as u64, "mark"));
        }
        if let End::Unclean { why } = &self.contents.end {
            line.push_str("  ENDED UNCLEANLY: ");
            line.push_str(&safe_text(why.as_bytes()));
        }
        line
    }

    fn write(&self, out: &mut impl Write, sums: &Sums, zone: &TimeZone) -> io::Result<()> {
        let (meta, contents) = (&self.meta, &self.contents);
        let text = |text: &str| safe_text(text.as_bytes());
        writeln!(out, "{}", self.name)?;
        let mut row = |name: &str, value: &str| writeln!(out, "  {name:<10} {value}");
        row(
            "holds",
            &match self.kind {
                "events" if meta.args => "events: every call, with its arguments".to_owned(),
                "events" => "events: every call, without arguments".to_owned(),
                _ => format!("intervals of {}", human::duration(meta.interval_ns)),
            },
        )?;
        row("target", &text(&meta.target))?;
        if !meta.filter.is_empty() {
            row("filter", &text(&meta.filter))?;
        }
        row(
            "host",
            &format!(
                "{}, kernel {}, {}, {} CPUs",
                text(&meta.host),
                text(&meta.kernel),
                text(&meta.arch),
                meta.cpus
            ),
        )?;
        row("boot", &text(&meta.boot_id))?;
        row("from", &clock_with_zone(self.start_unix_ns(), zone))?;
        row("to", &clock_with_zone(self.end_unix_ns(), zone))?;
        row(
            "length",
            &format!(
                "{}, {} of {}",
                human::length(self.duration_ns()),
                human::plural(contents.intervals, "interval"),
                human::duration(meta.interval_ns)
            ),
        )?;
        row("calls", &format!("{}, {} failed", human::count(sums.calls), human::count(sums.errors)))?;
        row("size", &self.size(sums))?;
        for word in trust::words(&sums.ledger) {
            row("ledger", &word.sentence)?;
        }
        for notice in &meta.notices {
            row("notice", &text(notice))?;
        }
        row(
            "made by",
            &format!("tracer {}, {} tracepoints: {}", text(&meta.version), text(&meta.family), command(meta)),
        )?;
        for mark in contents.marks.iter().take(MARKS) {
            row("mark", &self.mark(mark, zone))?;
        }
        if let Some(more) = contents.marks.len().checked_sub(MARKS).filter(|more| *more > 0) {
            row("", &format!("... {} more marks; --json lists them all", human::count(more as u64)))?;
        }
        row(
            "ended",
            &match &contents.end {
                End::Clean => "cleanly".to_owned(),
                End::Unclean { why } => format!("UNCLEANLY: {}", text(why)),
            },
        )
    }

    fn size(&self, sums: &Sums) -> String {
        let bytes = self.contents.bytes;
        let per = |many: u64, what: &str| match bytes.checked_div(many) {
            Some(_) => format!(", {:.1} bytes {what}", bytes as f64 / many as f64),
            None => String::new(),
        };
        let each = if self.kind == "events" {
            per(sums.calls, "a call")
        } else {
            per(sums.cells, "for each syscall of a process in an interval")
        };
        format!("{}{each}", human::bytes(bytes))
    }

    fn mark(&self, mark: &Mark, zone: &TimeZone) -> String {
        let after_ns = mark.time_ns.saturating_sub(self.contents.start_ns);
        format!(
            "{}  +{}  {}",
            clock(self.start_unix_ns() + i128::from(after_ns), zone),
            human::duration(after_ns),
            safe_text(mark.text.as_bytes())
        )
    }
}

fn command(meta: &Meta) -> String {
    let words: Vec<String> = meta.command.iter().map(|word| safe_text(word.as_bytes())).collect();
    words.join(" ")
}

/// A moment for people, on their own clock.
fn clock(unix_ns: i128, zone: &TimeZone) -> String {
    Timestamp::from_nanosecond(unix_ns)
        .map_or_else(|_| "?".to_owned(), |at| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Two moments, the day once where it is the same.
pub(super) fn from_to(from_unix_ns: i128, to_unix_ns: i128, zone: &TimeZone) -> String {
    let (from, to) = (clock(from_unix_ns, zone), clock(to_unix_ns, zone));
    match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((other, time))) if day == other => format!("{from} to {time}"),
        _ => format!("{from} to {to}"),
    }
}

/// The same to the millisecond and with the zone.
fn clock_with_zone(unix_ns: i128, zone: &TimeZone) -> String {
    Timestamp::from_nanosecond(unix_ns).map_or_else(
        |_| "?".to_owned(),
        |at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f %:z").to_string(),
    )
}

/// The JSON line about a recording.
#[derive(Serialize)]
pub(super) struct RecordingLine<'a> {
    r#type: &'static str,
    file: &'a str,
    kind: &'static str,
    start_ns: u64,
    end_ns: u64,
    start_unix_ns: i128,
    end_unix_ns: i128,
    intervals: u64,
    bytes: u64,
    clean: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    marks: Vec<MarkLine<'a>>,
    #[serde(flatten)]
    sums: Option<Sums>,
    /// Calls that are in no figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a Meta>,
}

#[derive(Serialize)]
struct MarkLine<'a> {
    time_ns: u64,
    text: &'a str,
}

impl<'a> RecordingLine<'a> {
    /// What there is to say without its figures.
    pub(super) fn new(facts: &'a Facts) -> Self {
        let contents = &facts.contents;
        Self {
            r#type: "recording",
            file: &facts.name,
            kind: facts.kind,
            start_ns: contents.start_ns,
            end_ns: contents.end_ns,
            start_unix_ns: facts.start_unix_ns(),
            end_unix_ns: facts.end_unix_ns(),
            intervals: contents.intervals,
            bytes: contents.bytes,
            clean: contents.end == End::Clean,
            why: match &contents.end {
                End::Clean => None,
                End::Unclean { why } => Some(why),
            },
            marks: contents
                .marks
                .iter()
                .map(|mark| MarkLine { time_ns: mark.time_ns, text: &mark.text })
                .collect(),
            sums: None,
            lost: None,
            meta: None,
        }
    }
}
