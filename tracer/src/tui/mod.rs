//! The screen: `update(&mut Model, Message) -> Vec<Effect>` and `view(&Model, &mut Frame)`, and the loop that
//! feeds the one and draws the other. Collection goes on whatever the screen does.

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub mod compare;
mod copy;
pub mod filter;
mod heat;
mod keys;
mod layout;
pub mod manual;
mod message;
mod model;
mod mouse;
pub mod offscreen;
mod remote;
mod rows;
mod save;
mod terminal;
mod theme;
mod travel;
mod update;
mod view;

use std::future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};
use futures_util::StreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::compare::Versus;
use crate::config::ScreenSettings;
use crate::over_time::OverTime;
use crate::run::RunInfo;
use crate::snapshot::Snapshot;
use crate::timeline::Timeline;
pub use message::{Control, Exit};
use message::{Effect, Message};
use model::Model;
use terminal::Terminal;
pub use terminal::takes_output;
use theme::Theme;

/// Shortest time between two frames.
const FRAME_TIME: Duration = Duration::from_millis(100);

/// What the screen shows, and to whom it says what its user wants.
#[derive(Debug)]
pub struct Feed {
    /// Figures.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The run.
    pub status: watch::Receiver<RunInfo>,
    /// The axis of time, along which the user can move.
    pub timelines: watch::Receiver<Arc<Timeline>>,
    /// What was asked for with [`Control::Watch`].
    pub over_times: watch::Receiver<Arc<OverTime>>,
    /// Spans that are compared.
    pub versus: watch::Receiver<Option<Versus>>,
    /// Takes what the user asks for. The screen never waits for it: while it is full, requests are dropped.
    pub controls: mpsc::Sender<Control>,
}

/// Shows snapshots on the terminal until the user quits or a signal comes. A target that
/// ended (`RunInfo::ended`) does not close the screen: its last figures stay to be read.
///
/// Closed channels only mean that no more news will come. The terminal is restored before this returns.
///
/// # Errors
/// What the terminal reports: no terminal, or one that is gone.
pub async fn run(feed: Feed, settings: ScreenSettings) -> io::Result<Exit> {
    let Feed { mut snapshots, mut status, mut timelines, mut over_times, mut versus, controls } = feed;
    let mut signals = Signals::new()?;
    let is_mouse_ours = mouse::is_wanted(settings.mouse, remote::is_over_ssh());
    let mut continued = signal(SignalKind::from_raw(libc::SIGCONT))?;
    let mut terminal = Terminal::take(is_mouse_ours)?;
    let mut events = EventStream::new().fuse();
    let theme = Theme::detect(settings, |name| std::env::var(name).ok());
    let first = Arc::clone(&snapshots.borrow_and_update());
    let mut model = Model::new(first, status.borrow_and_update().clone(), theme, terminal.size()?);
    model.zone = TimeZone::system();
    model.has_mouse = is_mouse_ours;
    if let Some(by) = settings.on_by {
        model.show_files(by);
    }
    model.set_timeline(Arc::clone(&timelines.borrow_and_update()));
    let mut dirty = true;
    let mut next_frame = Instant::now();
    loop {
        let message = tokio::select! {
            // Keys first: a flood of figures must not delay an answer.
            biased;
            event = events.next() => match event {
                Some(Ok(event)) => message_of(&model, &event),
                Some(Err(error)) => return Err(error),
                None => return Ok(Exit::Asked),
            },
            number = signals.next() => return Ok(Exit::Signal(number)),
            () = terminal::lost() => {
                return Err(io::Error::other("a part of tracer panicked; its report is above, please file it"));
            }
            Some(()) = continued.recv() => {
                // Whoever had the terminal meanwhile left it as it liked.
                terminal.retake()?;
                let (width, height) = terminal.size()?;
                Some(Message::Resize(width, height))
            }
            ready = next_page(&terminal, next_frame), if dirty => {
                ready?;
                terminal.draw(|frame| view::view(&model, frame))?;
                dirty = false;
                next_frame = Instant::now() + FRAME_TIME;
                continue;
            }
            run = changed(&mut status) => Some(Message::Run(run)),
            versus = changed(&mut versus) => Some(Message::Versus(versus)),
            timeline = changed(&mut timelines) => Some(Message::Timeline(timeline)),
            over_time = changed(&mut over_times) => Some(Message::OverTime(over_time)),
            snapshot = changed(&mut snapshots) => Some(Message::Snapshot(snapshot)),
        };
        let Some(message) = message else { continue };
        dirty = true;
        for effect in update::update(&mut model, message) {
            match effect {
                Effect::Exit(exit) => return Ok(exit),
                Effect::Control(control) => drop(controls.try_send(control)),
                Effect::Copy(text) => terminal.copy(&text)?,
                Effect::Mouse(is_ours) => terminal.set_mouse(is_ours)?,
                Effect::Suspend => terminal.suspend()?,
                Effect::Save(format) => {
                    let told = save::save(&model, format, Timestamp::now(), Path::new("."));
                    update::update(&mut model, Message::Told(told));
                }
            }
        }
    }
}

/// Ready when the next frame may be drawn: not too soon after the last one, which must be out.
async fn next_page(terminal: &Terminal, not_before: Instant) -> io::Result<()> {
    sleep_until(not_before).await;
    terminal.ready().await
}

fn message_of(model: &Model, event: &Event) -> Option<Message> {
    match event {
        // Ctrl-C is a signal wherever it is pressed.
        Event::Key(key)
            if key.kind != KeyEventKind::Release
                && model.comparison.is_some()
                && !key.modifiers.contains(KeyModifiers::CONTROL) =>
        {
            compare::command(*key).map(Message::Compare)
        }
        Event::Key(key) if key.kind != KeyEventKind::Release => {
            keys::message(model.mode(), model.run.origin, *key)
        }
        Event::Mouse(mouse) if model.comparison.is_none() => match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Message::Click(mouse.column, mouse.row)),
            MouseEventKind::ScrollDown => Some(Message::Wheel(1)),
            MouseEventKind::ScrollUp => Some(Message::Wheel(-1)),
            _ => None,
        },
        Event::Resize(width, height) => Some(Message::Resize(*width, *height)),
        _ => None,
    }
}

/// The next value of a channel; never, once it is closed.
async fn changed<T: Clone>(channel: &mut watch::Receiver<T>) -> T {
    if channel.changed().await.is_err() {
        future::pending::<()>().await;
    }
    channel.borrow_and_update().clone()
}

/// The signals that ask a program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hang_up.recv() => SignalKind::hangup(),
        };
        kind.as_raw_value()
    }
}
