//! `tracer record`: attach and write, with one line on stderr about how it goes.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::fs::FileType;

use super::recording::{Opened, Recording, RecordingNews, conclude, describe};
use super::session::{Attached, News, host_name, runtime};
use super::target::Found;
use crate::cli::exit_status;
use crate::config::{Place, RecordSettings, Target};
use crate::human::{self, safe_text};
use crate::launch::Streams;
use crate::ledger::LedgerCounts;
use crate::recorder::{Outcome, RecordingEnd};
use crate::run::RunInfo;
use crate::source::live::Tick;
use crate::trust::{self, Severity};

/// How often a line is written where it cannot be drawn over.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Runs until the end; the result is the exit status.
pub(super) fn run(settings: &RecordSettings) -> Result<u8> {
    let runtime = runtime()?;
    let found = Found::find(&settings.tracing.target, Streams::Inherit)?;
    // Before anything is attached: a reader of a FIFO may be long in coming.
    let subject = found.label(&settings.tracing.target);
    let opened = Opened::new(&settings.recording, &subject, &host_name())?;
    let attached = match Attached::attach(&settings.tracing, found) {
        Ok(attached) => attached,
        Err(error) => {
            opened.discard();
            return Err(error);
        }
    };
    let outcome = runtime.block_on(follow(settings, attached, opened));
    // A thread that waits for a signal must not keep us.
    runtime.shutdown_background();
    outcome
}

async fn follow(settings: &RecordSettings, attached: Attached, opened: Opened) -> Result<u8> {
    let (mut recording, tap) = Recording::start(opened, attached.meta.clone(), &settings.recording)?;
    let mut session = match attached.start(&settings.tracing, Some(tap)) {
        Ok(session) => session,
        Err(error) => {
            // The command could not be executed: there is nothing in the file.
            for file in recording.finish().await.files {
                let _ = std::fs::remove_file(file);
            }
            return Err(error);
        }
    };
    let has_command = matches!(settings.tracing.target, Target::Command { .. });
    let mut status =
        StatusLine::new(has_command, settings.recording.place == Place::Stdout && is_pipe(&io::stdout()));
    for notice in &session.info.notices {
        status.say(&format!("note: {}", safe_text(notice.as_bytes())));
    }
    let mut outcome = None;
    loop {
        tokio::select! {
            biased;
            news = session.next(false) => match news {
                None => break,
                Some(News::Tick(tick)) => status.tick(&tick, &session.info, &recording),
                Some(News::MarkAsked) => session.live.mark(recording.numbered_mark()),
            },
            news = recording.next(), if outcome.is_none() => match news {
                RecordingNews::Mark(mark) => session.live.mark(mark),
                RecordingNews::Ended(ended) => {
                    session.let_go(end_words(&ended));
                    if has_command && let RecordingEnd::Failed(error) = &ended.end {
                        status.say(&format!(
                            "recording to {} has failed ({}); the command goes on untraced",
                            safe_text(recording.name().as_bytes()),
                            describe(error)
                        ));
                    }
                    outcome = Some(ended);
                }
            },
        }
    }
    let name = recording.name().to_owned();
    let outcome = match outcome {
        Some(outcome) => outcome,
        None => recording.finish().await,
    };
    let ended = session.info.ended.clone();
    let exit = session.finish().await?;
    let said = conclude(&name, &outcome)?;
    if let Some(said) = said {
        status.sum_up(ended.as_deref(), &said);
    }
    Ok(exit.unwrap_or(exit_status::FINE))
}

/// Why the run ended, when its recording ended first.
fn end_words(outcome: &Outcome) -> &'static str {
    match outcome.end {
        RecordingEnd::SizeReached => "the recording has its largest size",
        RecordingEnd::ReaderGone => "the reader of the recording has gone",
        RecordingEnd::Failed(_) => "the recording has failed",
        RecordingEnd::Complete => "the recording is complete",
    }
}

/// When there is something to say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Voice {
    /// All the time, drawn over itself.
    Drawn,
    /// Now and then, in lines.
    Lines,
    /// At the end: nobody wants it between the output of a command on the same terminal.
    AtEnd,
    /// Never: whoever reads the stream draws a screen, on this terminal or on one at the other end of an ssh,
    /// and has all of it there.
    Silent,
}

/// The one line on stderr.
struct StatusLine {
    voice: Voice,
    drawn: bool,
    written: Instant,
    calls: u64,
    ledger: LedgerCounts,
    start_ns: Option<u64>,
    elapsed_ns: u64,
}

impl StatusLine {
    fn new(has_command: bool, is_followed: bool) -> Self {
        let voice = match (io::stderr().is_terminal(), has_command) {
            _ if is_followed => Voice::Silent,
            (true, true) => Voice::AtEnd,
            (true, false) => Voice::Drawn,
            (false, _) => Voice::Lines,
        };
        Self {
            voice,
            drawn: false,
            written: Instant::now(),
            calls: 0,
            ledger: LedgerCounts::default(),
            start_ns: None,
            elapsed_ns: 0,
        }
    }

    fn tick(&mut self, tick: &Tick, info: &RunInfo, recording: &Recording) {
        let interval = &tick.interval;
        let calls: u64 = interval.cells.values().map(|cell| cell.calls).sum();
        self.calls += calls;
        self.ledger.merge(&interval.ledger);
        let start_ns = *self.start_ns.get_or_insert(interval.start_ns);
        self.elapsed_ns = interval.end_ns.saturating_sub(start_ns);
        let is_due = match self.voice {
            Voice::Drawn => true,
            Voice::Lines => self.written.elapsed() >= LINE_EVERY,
            Voice::AtEnd | Voice::Silent => false,
        };
        if tick.last || !is_due {
            return;
        }
        self.written = Instant::now();
        let rate = calls as f64 * 1e9 / interval.duration_ns().max(1) as f64;
        let words: Vec<String> = trust::words(&self.ledger).into_iter().map(|word| word.short).collect();
        let line = format!(
            "recording {}  {}  {}{} calls/s  {}  {}",
            safe_text(info.target.as_bytes()),
            human::clock(self.elapsed_ns),
            trust::at_least(&self.ledger),
            human::short_count(rate),
            words.join("  "),
            human::bytes(recording.info().bytes),
        );
        if self.voice == Voice::Drawn {
            let width = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
            let line: String = line.chars().take(width.saturating_sub(1)).collect();
            write(&format!("\r{line}\x1b[K"));
            self.drawn = true;
        } else {
            self.say(&line);
        }
    }

    /// A line of its own.
    fn say(&mut self, line: &str) {
        if self.voice == Voice::Silent {
            return;
        }
        let start = if std::mem::take(&mut self.drawn) { "\r\x1b[K" } else { "" };
        write(&format!("{start}{line}\n"));
    }

    /// What there is to say at the end.
    fn sum_up(&mut self, ended: Option<&str>, said: &str) {
        let pace = format!("{}{} calls", trust::at_least(&self.ledger), human::count(self.calls));
        let why = ended.map_or(String::new(), |why| format!(" ({})", safe_text(why.as_bytes())));
        let words = trust::words(&self.ledger);
        self.say(&format!("{pace} in {}{why}, {}", human::clock(self.elapsed_ns), words[0].short));
        for word in words.iter().filter(|word| word.severity != Severity::Fine) {
            self.say(&format!("! {}", word.sentence));
        }
        self.say(said);
    }
}

/// Whether somebody reads it while it is written.
fn is_pipe(out: &impl AsFd) -> bool {
    rustix::fs::fstat(out)
        .is_ok_and(|stat| matches!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo | FileType::Socket))
}

fn write(text: &str) {
    // A closed stderr loses the line and nothing else.
    let _ = io::stderr().write_all(text.as_bytes());
}
