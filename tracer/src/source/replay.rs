//! A player: reads a recording, folds it up to the moment that was asked for, and shows that. Runs on a thread
//! of its own, so that no fold, however long, holds up the screen.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::compare::{About, Versus};
use crate::history::Limits;
use crate::interval::Interval;
use crate::over_time::{OverTime, Wanted};
use crate::playback::{Goal, Playback};
use crate::run::{Meta, Origin, RunInfo};
use crate::snapshot::Snapshot;
use crate::source::contest::{Contest, next_of};
use crate::source::tape::{Fed, Tape};
use crate::timeline::{Clock, Timeline, Transport};

/// Shortest time between two publications while time passes.
const TICK: Duration = Duration::from_millis(100);

/// Where a player publishes what is to be seen.
#[derive(Debug)]
pub struct Outputs {
    /// Figures at the moment shown.
    pub snapshots: watch::Sender<Arc<Snapshot>>,
    /// The run.
    pub status: watch::Sender<RunInfo>,
    /// The axis.
    pub timelines: watch::Sender<Arc<Timeline>>,
    /// The selection over time that was asked for.
    pub over_times: watch::Sender<Arc<OverTime>>,
    /// Spans that are compared.
    pub versus: watch::Sender<Option<Versus>>,
}

/// What a player can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To move in time.
    Move(Transport),
    /// To show a selection over time, or none.
    Watch(Option<Wanted>),
}

/// Plays one recording.
pub struct Player {
    tape: Tape,
    fed: mpsc::Receiver<Fed>,
    out: Outputs,
    playback: Playback,
    status: RunInfo,
    /// Intervals and marks of this reading, and of the furthest one: those before are on the axis already.
    read: Count,
    learned: Count,
    /// Whether this reading has come to the end.
    is_read: bool,
    bytes: Option<u64>,
    bytes_read: u64,
    /// What the reading is for.
    goal: Option<Goal>,
    contest: Option<Contest>,
    /// Pairs of spans that were compared.
    serial: u64,
    is_stale: bool,
    next_tick: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    intervals: u64,
    marks: u64,
}

/// How the header of a replay describes the recorded run.
pub fn status_of(meta: &Meta) -> RunInfo {
    RunInfo {
        target: meta.target.clone(),
        host: meta.host.clone(),
        filter: (!meta.filter.is_empty()).then(|| meta.filter.clone()),
        args: meta.args,
        family: meta.family.clone(),
        machine: meta.machine(),
        origin: Origin::Replay,
        notices: meta.notices.clone(),
        ..RunInfo::default()
    }
}

/// What to say of a recording that has no proper end.
pub fn unclean_notice(why: &str) -> String {
    format!("ENDED UNCLEANLY ({why}): everything before that is shown")
}

impl Player {
    /// Starts to read. A recording is opened at its end, a pipe is followed.
    pub fn new(mut tape: Tape, limits: Limits, out: Outputs) -> io::Result<Self> {
        let meta = tape.meta();
        let status = status_of(meta);
        let clock = Clock { monotonic_ns: meta.start_ns, unix_ns: meta.start_unix_ns };
        let fed = tape.play()?;
        let is_pipe = !tape.is_rewindable();
        Ok(Self {
            bytes: tape.bytes(),
            tape,
            fed,
            out,
            playback: Playback::new(clock, limits, is_pipe),
            status,
            read: Count::default(),
            learned: Count::default(),
            is_read: false,
            bytes_read: 0,
            goal: (!is_pipe).then_some(Goal::End),
            contest: None,
            serial: 0,
            is_stale: false,
            next_tick: Instant::now(),
        })
    }

    /// Plays until nobody asks for anything any more.
    pub async fn run(mut self, mut asked: mpsc::Receiver<Request>) {
        self.publish();
        loop {
            let wants_more = self.wants_more();
            tokio::select! {
                // Requests first: a recording of any size must not delay an answer.
                biased;
                request = asked.recv() => match request {
                    Some(Request::Move(transport)) => self.obey(transport),
                    Some(Request::Watch(wanted)) => {
                        self.playback.watch(wanted);
                        self.publish();
                    }
                    None => return,
                },
                () = sleep_until(self.next_tick), if self.is_ticking() => self.tick(),
                versus = next_of(&mut self.contest) => drop(self.out.versus.send_replace(Some(versus))),
                fed = self.fed.recv(), if wants_more => self.take(fed),
            }
        }
    }

    fn is_pipe(&self) -> bool {
        !self.tape.is_rewindable()
    }

    /// Whether to read on. A pipe is always emptied: whoever writes into it must not wait for our reader.
    fn wants_more(&self) -> bool {
        let runs_ahead = self.playback.is_playing()
            && self.playback.history().end_ns() <= Some(self.playback.position_ns());
        !self.is_read && (self.is_pipe() || self.goal.is_some() || runs_ahead)
    }

    fn is_ticking(&self) -> bool {
        self.playback.is_playing() || self.goal.is_some() || self.is_stale
    }

    fn take(&mut self, fed: Option<Fed>) {
        match fed {
            Some(Fed::Interval(interval, bytes)) => {
                self.bytes_read = bytes;
                self.take_interval(interval);
            }
            Some(Fed::Mark(mark)) => {
                self.read.marks += 1;
                if self.read.marks > self.learned.marks {
                    self.learned.marks = self.read.marks;
                    self.playback.mark(mark);
                    self.is_stale = true;
                }
            }
            // A reader that went without a word has panicked, and the screen has been told.
            Some(Fed::End(None)) | None => self.end(None),
            Some(Fed::End(Some(why))) => self.end(Some(&why)),
        }
        self.reach_goal();
    }

    fn take_interval(&mut self, interval: Arc<Interval>) {
        if interval.is_empty() {
            return;
        }
        if let Some(contest) = &mut self.contest {
            contest.add(&interval);
        }
        self.read.intervals += 1;
        if self.read.intervals > self.learned.intervals {
            self.learned.intervals = self.read.intervals;
            self.playback.learn(&interval);
        }
        self.playback.keep(interval);
        self.is_stale = true;
    }

    fn end(&mut self, why: Option<&str>) {
        self.is_read = true;
        self.is_stale = true;
        if self.playback.axis().is_complete {
            return;
        }
        self.playback.complete();
        if let Some(why) = why {
            // Before all others: it says how much of the run there is.
            self.status.notices.insert(0, unclean_notice(why));
        }
    }

    /// Shows what was read for, once it is there.
    fn reach_goal(&mut self) {
        let Some(goal) = self.goal else { return };
        let history = self.playback.history();
        let is_reached = self.is_read
            || match goal {
                Goal::End => false,
                // Another interval may end at the same moment.
                Goal::Time(time_ns) => history.end_ns() > Some(time_ns),
                Goal::Count(count) => history.len() >= count,
            };
        if is_reached {
            self.goal = None;
            self.playback.go(goal, Instant::now().into_std());
            self.publish();
        }
    }

    fn obey(&mut self, transport: Transport) {
        let now = Instant::now().into_std();
        match transport {
            Transport::MarkSpan => self.mark_span(),
            Transport::StopComparing => self.contest = None,
            _ => {}
        }
        let is_toggle = matches!(transport, Transport::TogglePlay | Transport::TogglePause);
        if is_toggle && self.goal.take().is_some() {
            self.playback.stop();
            self.playback.go(Goal::End, now);
        } else if let Some(goal) = self.playback.ask(transport, now) {
            self.go(goal, now);
        }
        self.publish();
    }

    fn mark_span(&mut self) {
        let Some(spans) = self.playback.mark_span().and_then(|marked| marked.spans) else { return };
        self.serial += 1;
        let (about, clock) = (About::of(self.tape.meta(), String::new()), self.playback.axis().clock);
        self.contest = if self.is_pipe() {
            Some(Contest::of_history(self.serial, spans, &about, clock, self.playback.history()))
        } else {
            // The whole recording, whatever part of it is kept here.
            match self.tape.play() {
                Ok(fed) => Some(Contest::of_tape(self.serial, spans, &about, clock, fed)),
                Err(error) => {
                    self.status.notices.push(format!("cannot read the recording again: {error}"));
                    None
                }
            }
        };
    }

    /// Shows a moment, or reads as far as that takes.
    fn go(&mut self, goal: Goal, now: std::time::Instant) {
        let history = self.playback.history();
        let is_gone = history.first() > 0
            && self.tape.is_rewindable()
            && match goal {
                Goal::End => false,
                Goal::Time(time_ns) => history.reach_ns().is_some_and(|reach_ns| time_ns < reach_ns),
                Goal::Count(count) => count <= history.first(),
            };
        let is_ahead = !self.is_read
            && !self.is_pipe()
            && match goal {
                Goal::End => true,
                Goal::Time(time_ns) => history.end_ns() <= Some(time_ns),
                Goal::Count(count) => count > history.len(),
            };
        if is_gone {
            self.rewind(goal);
        } else if is_ahead {
            self.goal = Some(goal);
        } else {
            self.goal = None;
            self.playback.go(goal, now);
        }
    }

    /// Reads from the beginning again; what is shown stays until the goal is reached.
    fn rewind(&mut self, goal: Goal) {
        match self.tape.play() {
            Ok(fed) => {
                self.fed = fed;
                self.playback.rewind();
                (self.read, self.bytes_read, self.is_read) = (Count::default(), 0, false);
                self.goal = Some(goal);
            }
            Err(error) => self.status.notices.push(format!("cannot read from the beginning: {error}")),
        }
    }

    /// Time has passed.
    fn tick(&mut self) {
        if self.goal.is_none() {
            self.playback.tick(Instant::now().into_std(), self.is_read || self.is_pipe());
        }
        self.publish();
    }

    /// Says what there is to see now.
    fn publish(&mut self) {
        self.next_tick = Instant::now() + TICK;
        self.is_stale = false;
        self.out.status.send_if_modified(|status| {
            let is_news = *status != self.status;
            status.clone_from(&self.status);
            is_news
        });
        if self.goal.is_none() && self.out.snapshots.borrow().generation != self.playback.count() {
            self.out.snapshots.send_replace(Arc::new(self.playback.snapshot()));
        }
        let seeking = self.goal.map(|goal| self.done(goal));
        self.out.timelines.send_replace(Arc::new(self.playback.timeline(seeking)));
        if self.goal.is_none()
            && let Some(over_time) = self.playback.over_time()
        {
            self.out.over_times.send_replace(Arc::new(over_time));
        }
    }

    /// How much of the way to a goal is done, 0 to 1.
    fn done(&self, goal: Goal) -> f64 {
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        match goal {
            Goal::End => self.bytes.map_or(0.0, |bytes| share(self.bytes_read, bytes)),
            Goal::Count(count) => share(self.playback.history().len(), count),
            Goal::Time(time_ns) => {
                let start_ns = self.playback.axis().start_ns;
                let read_ns = self.playback.history().end_ns().unwrap_or(start_ns).saturating_sub(start_ns);
                share(read_ns, time_ns.saturating_sub(start_ns))
            }
        }
    }
}

#[cfg(test)]
mod tests;
