//! `tracer top`: attach, fold, show, until the target has ended or somebody says stop.

mod watching;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::baseline;
use super::outlet::Outlet;
use super::recording::{Opened, Recording, RecordingNews, conclude};
use super::session::{Attached, News, Session, host_name, reader_is_there, runtime, unix_ns};
use super::target::Found;
use crate::aggregate::Aggregator;
use crate::baseline::Baseline;
use crate::bpf::sys;
use crate::cli::exit_status;
use crate::config::{Place, RecordingSettings, TopSettings};
use crate::launch::Streams;
use crate::ledger::LedgerCounts;
use crate::over_time::Wanted;
use crate::recorder::Outcome;
use crate::recording::{self, Kind};
use crate::run::Meta;
use crate::source::live::Tick;
use crate::tap::Tap;
use crate::timeline::{Mark, Transport};
use crate::tui;
use watching::Watching;

/// What is said to who asks for a recording too late.
const NOTHING_TO_RECORD: &str = "the run has ended: nothing is left to record";

/// Requests of the screen's user that may wait for us.
const CONTROLS: usize = 16;

/// Runs until the end; the result is the exit status.
pub(super) fn run(settings: &TopSettings) -> Result<u8> {
    let screen = !settings.output.json
        && !settings.output.plain
        && settings.output.file.is_none()
        && io::stdout().is_terminal()
        && io::stdin().is_terminal();
    let runtime = runtime()?;
    let loaded = settings.baseline.as_deref().map(baseline::load).transpose()?;
    // Before anything of ours could write to it: a bad path is an error now and not after the run.
    let outlet = if screen {
        None
    } else {
        Some(Outlet::open(settings, loaded.as_ref().map(|loaded| &loaded.baseline))?)
    };
    let streams = if screen { Streams::Capture } else { Streams::Inherit };
    let found = Found::find(&settings.tracing.target, streams)?;
    let subject = found.label(&settings.tracing.target);
    let opened = settings
        .recording
        .as_ref()
        .map(|recording| Opened::new(recording, &subject, &host_name()))
        .transpose()?;
    let mut attached = match Attached::attach(&settings.tracing, found) {
        Ok(attached) => attached,
        Err(error) => {
            opened.inspect(Opened::discard);
            return Err(error);
        }
    };
    let baseline = loaded.map(|loaded| {
        attached.info.notices.push(loaded.notice);
        loaded.baseline
    });
    let outcome = runtime.block_on(follow(settings, attached, opened, outlet, baseline));
    // A thread that waits for a signal or a key must not keep us.
    runtime.shutdown_background();
    outcome
}

/// Shows what comes until the end.
async fn follow(
    settings: &TopSettings,
    attached: Attached,
    opened: Option<Opened>,
    outlet: Option<Outlet>,
    baseline: Option<Arc<Baseline>>,
) -> Result<u8> {
    let mut recordings = Recordings::new(attached.meta.clone());
    let tap = match (opened, &settings.recording) {
        (Some(opened), Some(recording)) => {
            Some(recordings.start(opened, attached.meta.clone(), recording)?)
        }
        _ => None,
    };
    let meta = attached.meta.clone();
    let mut session = attached.start(&settings.tracing, tap)?;
    let (infos, info_shown) = watch::channel(session.info.clone());
    let (controls, mut asked) = mpsc::channel(CONTROLS);
    let mut shows = if let Some(outlet) = outlet {
        Shows::Text { outlet: Some(outlet), aggregator: Box::default(), baseline }
    } else {
        session.info.ledger_now = Some(LedgerCounts::default());
        Shows::Screen(Box::new(Watching::new(&meta, baseline)))
    };
    let mut screen = match &mut shows {
        Shows::Text { outlet, .. } => {
            if let Some(outlet) = outlet
                && !reader_is_there(outlet.begin(&meta))?
            {
                session.live.stop();
            }
            None
        }
        // Closed by its user, or by a signal; when the run ends by itself it stays, to be read.
        Shows::Screen(watching) => {
            Some(tokio::spawn(tui::run(watching.feed(info_shown, controls), settings.screen)))
        }
    };
    let mut closed = None;
    loop {
        tokio::select! {
            biased;
            news = session.next(screen.is_some()) => match news {
                None => break,
                Some(News::MarkAsked) => {
                    if let Some(mark) = recordings.mark(&session) {
                        shows.mark(&mark);
                    }
                }
                Some(News::Tick(tick)) => {
                    session.info.recording = recordings.now.as_ref().map(Recording::info);
                    shows.take(*tick, &mut session)?;
                    infos.send_replace(session.info.clone());
                }
            },
            news = recordings.next() => {
                match news {
                    RecordingNews::Mark(mark) => {
                        shows.mark(&mark);
                        session.live.mark(mark);
                    }
                    RecordingNews::Ended(outcome) => {
                        session.info.notices.extend(recordings.ended(&outcome));
                    }
                }
                session.info.recording = recordings.now.as_ref().map(Recording::info);
                infos.send_replace(session.info.clone());
            }
            Some(control) = asked.recv() => match control {
                tui::Control::ToggleRecording => {
                    if !recordings.is_stopping {
                        recordings.toggle(&mut session);
                    }
                    session.info.recording = recordings.now.as_ref().map(Recording::info);
                    infos.send_replace(session.info.clone());
                }
                tui::Control::Watch(wanted) => shows.watch(wanted),
                tui::Control::Transport(transport) => {
                    let mark = shows.obey(transport);
                    if let Some(Mark { time_ns, text }) = mark.filter(|_| recordings.now.is_some()) {
                        session.live.mark(recording::Mark { time_ns, text });
                    }
                }
            },
            () = shows.passed() => {}
            exit = end_of_screen(&mut screen) => {
                closed = Some(exit?);
                screen = None;
                session.stop("quit", libc::SIGTERM);
            }
        }
    }
    recordings.finish().await;
    if screen.is_some() {
        session.info.recording = None;
        infos.send_replace(session.info.clone());
    }
    // What is kept of the run can be looked at for as long as the screen is open.
    while screen.is_some() {
        tokio::select! {
            exit = end_of_screen(&mut screen) => {
                closed = Some(exit?);
                screen = None;
            }
            Some(control) = asked.recv() => match control {
                tui::Control::ToggleRecording => {
                    session.info.notices.push(NOTHING_TO_RECORD.to_owned());
                    infos.send_replace(session.info.clone());
                }
                tui::Control::Transport(transport) => drop(shows.obey(transport)),
                tui::Control::Watch(wanted) => shows.watch(wanted),
            },
            () = shows.passed() => {}
        }
    }
    let status = session.finish().await?;
    recordings.report()?;
    Ok(match (status, closed) {
        (Some(status), _) => status,
        (None, Some(tui::Exit::Signal(number))) => 128 + number as u8,
        (None, _) => exit_status::FINE,
    })
}

/// Where a run is shown.
enum Shows {
    /// On the screen.
    Screen(Box<Watching>),
    /// As text, with everything since the start; nowhere any more once whoever read it has gone.
    Text { outlet: Option<Outlet>, aggregator: Box<Aggregator>, baseline: Option<Arc<Baseline>> },
}

impl Shows {
    /// Shows one interval. The run ends when there is nobody left to show it to.
    fn take(&mut self, tick: Tick, session: &mut Session) -> Result<()> {
        match self {
            Self::Screen(watching) => {
                if let Some(ledger) = &mut session.info.ledger_now {
                    ledger.merge(&tick.interval.ledger);
                }
                watching.take(tick.interval, tick.last);
            }
            Self::Text { outlet, aggregator, baseline } => {
                aggregator.merge(&tick.interval);
                let mut snapshot = aggregator.snapshot();
                if let Some(baseline) = baseline {
                    baseline.attach(&mut snapshot);
                }
                if let Some(writer) = outlet
                    && !reader_is_there(writer.tick(&tick, &snapshot, &session.info))?
                {
                    session.live.stop();
                    *outlet = None;
                }
            }
        }
        Ok(())
    }

    /// Moves in time, or marks a moment, where there is a screen to see it on. The result is the mark.
    fn obey(&mut self, transport: Transport) -> Option<Mark> {
        match self {
            Self::Screen(watching) => watching.obey(transport),
            Self::Text { .. } => None,
        }
    }

    /// Shows a selection over time, where there is a screen to see it on.
    fn watch(&mut self, wanted: Option<Wanted>) {
        if let Self::Screen(watching) = self {
            watching.watch(wanted);
        }
    }

    /// Shows a mark that somebody left.
    fn mark(&mut self, mark: &recording::Mark) {
        if let Self::Screen(watching) = self {
            watching.mark(Mark { time_ns: mark.time_ns, text: mark.text.clone() });
        }
    }

    /// Waits until something is to be seen although no interval came.
    async fn passed(&mut self) {
        match self {
            Self::Screen(watching) => watching.passed().await,
            Self::Text { .. } => std::future::pending().await,
        }
    }
}

/// Pending for ever when there is no screen.
async fn end_of_screen(screen: &mut Option<JoinHandle<io::Result<tui::Exit>>>) -> Result<tui::Exit> {
    match screen {
        Some(task) => task.await.context("the screen has failed")?.context("cannot draw the screen"),
        None => std::future::pending().await,
    }
}

/// The recordings of a run that is being watched, one at a time.
struct Recordings {
    meta: Meta,
    /// The one that is being written.
    now: Option<Recording>,
    is_stopping: bool,
    /// What to say of those that ended, once the screen is closed.
    said: Vec<String>,
    failed: Option<anyhow::Error>,
}

impl Recordings {
    fn new(meta: Meta) -> Self {
        Self { meta, now: None, is_stopping: false, said: Vec::new(), failed: None }
    }

    /// Starts one; the tap is for the drain thread.
    fn start(&mut self, opened: Opened, meta: Meta, settings: &RecordingSettings) -> Result<Tap> {
        let (recording, tap) = Recording::start(opened, meta, settings)?;
        (self.now, self.is_stopping) = (Some(recording), false);
        Ok(tap)
    }

    /// Starts one with a name of its own, or stops the one that is being written.
    fn toggle(&mut self, session: &mut Session) {
        if self.now.is_some() {
            self.is_stopping = true;
            session.live.stop_recording();
            return;
        }
        if session.info.ended.is_some() {
            session.info.notices.push(NOTHING_TO_RECORD.to_owned());
            return;
        }
        let settings = RecordingSettings::new(Place::Named, Kind::Intervals);
        let meta = Meta {
            start_ns: sys::monotonic_ns(),
            start_unix_ns: unix_ns(),
            is_part: true,
            ..self.meta.clone()
        };
        let started = Opened::new(&settings, &self.meta.target, &self.meta.host)
            .and_then(|opened| self.start(opened, meta, &settings));
        match started {
            Ok(tap) => session.live.record(tap),
            Err(error) => session.info.notices.push(one_line(&error)),
        }
    }

    /// What happens to the one that is being written; never without one.
    async fn next(&mut self) -> RecordingNews {
        match &mut self.now {
            Some(recording) => recording.next().await,
            None => std::future::pending().await,
        }
    }

    /// Leaves a mark with the next number, where something is being recorded.
    fn mark(&mut self, session: &Session) -> Option<recording::Mark> {
        let mark = self.now.as_mut()?.numbered_mark();
        session.live.mark(mark.clone());
        Some(mark)
    }

    /// Takes note of its end; the result is for the screen.
    fn ended(&mut self, outcome: &Outcome) -> Option<String> {
        let recording = self.now.take()?;
        self.is_stopping = false;
        match conclude(recording.name(), outcome) {
            Ok(said) => {
                let said = said?;
                let line = said.lines().next().map(str::to_owned);
                self.said.push(said);
                line
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                let line = one_line(&error);
                self.failed.get_or_insert(error);
                Some(line)
            }
        }
    }

    /// Waits until everything is written.
    async fn finish(&mut self) -> Option<String> {
        let outcome = self.now.as_mut()?.finish().await;
        self.ended(&outcome)
    }

    /// Says where the recordings are, and fails if one could not be written.
    fn report(self) -> Result<()> {
        for said in self.said {
            // With stderr gone, or a terminal that reads nothing, there is nobody to tell.
            if tui::takes_output(&io::stderr()) {
                let _ = writeln!(io::stderr(), "{said}");
            }
        }
        self.failed.map_or(Ok(()), Err)
    }
}

/// The lines of an error as one, for a screen.
fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.strip_prefix("error: ").unwrap_or(&text).lines().take(2).collect::<Vec<_>>().join("; ")
}
