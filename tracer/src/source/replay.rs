//! A player: reads a recording, folds it up to the moment that was asked for, and shows that. Runs on a thread
//! of its own, so that no fold, however long, holds up the screen.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::history::{History, Limits, Playhead};
use crate::interval::Interval;
use crate::run::{Meta, Origin, RunInfo};
use crate::snapshot::Snapshot;
use crate::source::tape::{Fed, Tape};
use crate::timeline::{Activity, Clock, Motion, Timeline, Transport};

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
}

/// What the reading is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Everything.
    End,
    /// A moment.
    Time(u64),
    /// So many intervals.
    Count(u64),
}

/// Plays one recording.
pub struct Player {
    tape: Tape,
    fed: mpsc::Receiver<Fed>,
    out: Outputs,
    history: History,
    playhead: Playhead,
    timeline: Timeline,
    status: RunInfo,
    /// Intervals and marks of this reading, and of the furthest one: those before are on the axis already.
    read: Count,
    learned: Count,
    /// Whether this reading has come to the end.
    is_read: bool,
    bytes: Option<u64>,
    bytes_read: u64,
    goal: Option<Goal>,
    /// When time began to pass, and from which moment.
    playing: Option<(Instant, u64)>,
    follows: bool,
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
        let follows = !tape.is_rewindable();
        Ok(Self {
            bytes: tape.bytes(),
            tape,
            fed,
            out,
            history: History::new(limits),
            playhead: Playhead::new(),
            timeline: Timeline::new(clock),
            status,
            read: Count::default(),
            learned: Count::default(),
            is_read: false,
            bytes_read: 0,
            goal: (!follows).then_some(Goal::End),
            playing: None,
            follows,
            is_stale: false,
            next_tick: Instant::now(),
        })
    }

    /// Plays until nobody asks for anything any more.
    pub async fn run(mut self, mut asked: mpsc::Receiver<Transport>) {
        self.publish();
        loop {
            tokio::select! {
                // Requests first: a recording of any size must not delay an answer.
                biased;
                transport = asked.recv() => match transport {
                    Some(transport) => self.obey(transport),
                    None => return,
                },
                () = sleep_until(self.next_tick), if self.is_ticking() => self.tick(),
                fed = self.fed.recv(), if self.wants_more() => self.take(fed),
            }
        }
    }

    fn is_pipe(&self) -> bool {
        !self.tape.is_rewindable()
    }

    /// Whether to read on. A pipe is always emptied: whoever writes into it must not wait for our reader.
    fn wants_more(&self) -> bool {
        let runs_ahead = self.playing.is_some() && self.history.end_ns() <= Some(self.timeline.position_ns);
        !self.is_read && (self.is_pipe() || self.goal.is_some() || runs_ahead)
    }

    fn is_ticking(&self) -> bool {
        self.playing.is_some() || self.goal.is_some() || self.is_stale
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
                    self.timeline.mark(mark);
                    self.is_stale = true;
                }
            }
            // A reader that went without a word has panicked, and the screen has been told.
            Some(Fed::End(None)) | None => self.end(None),
            Some(Fed::End(Some(why))) => self.end(Some(&why)),
        }
        if self.follows {
            self.playhead.seek_end(&self.history);
            self.go_to_playhead();
        }
        self.reach_goal();
    }

    fn take_interval(&mut self, interval: Arc<Interval>) {
        if interval.is_empty() {
            return;
        }
        self.read.intervals += 1;
        if self.read.intervals > self.learned.intervals {
            self.learned.intervals = self.read.intervals;
            self.timeline.extend(interval.start_ns, interval.end_ns, activity_of(&interval));
        }
        self.history.push(interval);
        self.is_stale = true;
    }

    fn end(&mut self, why: Option<&str>) {
        self.is_read = true;
        self.is_stale = true;
        if self.timeline.is_complete {
            return;
        }
        self.timeline.is_complete = true;
        self.follows = false;
        if let Some(why) = why {
            // Before all others: it says how much of the run there is.
            self.status.notices.insert(0, unclean_notice(why));
        }
    }

    /// Shows what was read for, once it is there.
    fn reach_goal(&mut self) {
        let Some(goal) = self.goal else { return };
        let is_reached = self.is_read
            || match goal {
                Goal::End => false,
                // Another interval may end at the same moment.
                Goal::Time(time_ns) => self.history.end_ns() > Some(time_ns),
                Goal::Count(count) => self.history.len() >= count,
            };
        if !is_reached {
            return;
        }
        self.goal = None;
        match goal {
            Goal::End => self.show_end(),
            Goal::Time(time_ns) => self.show(time_ns),
            Goal::Count(count) => {
                let by = count as i64 - self.playhead.count() as i64;
                self.playhead.step(&self.history, by);
                self.go_to_playhead();
            }
        }
        self.publish();
    }

    fn obey(&mut self, transport: Transport) {
        let was_following = std::mem::take(&mut self.follows);
        match transport {
            Transport::TogglePlay if was_following => {}
            Transport::TogglePlay => self.toggle_play(),
            Transport::Faster(by) => {
                self.follows = was_following;
                self.timeline.speed = self.timeline.speed.stepped(by);
                self.restart_clock();
            }
            Transport::ToMark(by) => match self.timeline.mark_beside(by > 0) {
                Some(mark) => self.seek(mark.time_ns),
                None => self.follows = was_following,
            },
            Transport::Step(by) => {
                self.playing = None;
                self.step(i64::from(by));
            }
            Transport::Seek(time_ns) => self.seek(time_ns),
            Transport::SeekEnd => self.seek_end(),
        }
        self.publish();
    }

    fn toggle_play(&mut self) {
        let was_playing = self.playing.take().is_some();
        if self.goal.take().is_some() {
            self.show_end();
            return;
        }
        if was_playing {
            return;
        }
        if self.is_pipe() && !self.is_read && self.playhead.is_at_end(&self.history) {
            self.follows = true;
            return;
        }
        if self.timeline.is_at_end() {
            self.seek(self.timeline.start_ns);
        }
        self.playing = Some((Instant::now(), self.timeline.position_ns));
    }

    /// Time passes from here on, if it does.
    fn restart_clock(&mut self) {
        if let Some(playing) = &mut self.playing {
            *playing = (Instant::now(), self.timeline.position_ns);
        }
    }

    fn step(&mut self, by: i64) {
        let wanted = self.playhead.count().saturating_add_signed(by).max(1);
        let is_gone = wanted <= self.history.first() && self.tape.is_rewindable();
        let is_ahead = wanted > self.history.len() && !self.is_read && !self.is_pipe();
        if is_gone {
            self.rewind(Goal::Count(wanted));
        } else if is_ahead {
            self.goal = Some(Goal::Count(wanted));
        } else {
            self.goal = None;
            self.playhead.step(&self.history, by);
            self.go_to_playhead();
        }
    }

    fn seek(&mut self, time_ns: u64) {
        let is_gone = self.history.first() > 0
            && self.history.reach_ns().is_some_and(|reach_ns| time_ns < reach_ns)
            && self.tape.is_rewindable();
        let is_ahead = self.history.end_ns() <= Some(time_ns) && !self.is_read && !self.is_pipe();
        if is_gone {
            self.rewind(Goal::Time(time_ns));
        } else if is_ahead {
            self.goal = Some(Goal::Time(time_ns));
        } else {
            self.goal = None;
            self.show(time_ns);
        }
    }

    fn seek_end(&mut self) {
        self.playing = None;
        if self.is_read {
            self.goal = None;
            self.show_end();
        } else if self.is_pipe() {
            self.follows = true;
            self.show_end();
        } else {
            self.goal = Some(Goal::End);
        }
    }

    /// Reads from the beginning again; what is shown stays until the goal is reached.
    fn rewind(&mut self, goal: Goal) {
        match self.tape.play() {
            Ok(fed) => {
                self.fed = fed;
                self.history.clear();
                self.playhead = Playhead::new();
                (self.read, self.bytes_read, self.is_read) = (Count::default(), 0, false);
                self.goal = Some(goal);
            }
            Err(error) => self.status.notices.push(format!("cannot read from the beginning: {error}")),
        }
    }

    /// Shows a moment that the history has.
    fn show(&mut self, time_ns: u64) {
        self.playhead.seek(&self.history, time_ns);
        let at = self.playhead.position_ns().unwrap_or_default();
        self.timeline.position_ns = time_ns.clamp(at, self.timeline.end_ns.max(at));
        self.is_stale = true;
        self.restart_clock();
    }

    fn show_end(&mut self) {
        self.playhead.seek_end(&self.history);
        self.go_to_playhead();
    }

    fn go_to_playhead(&mut self) {
        self.timeline.position_ns = self.playhead.position_ns().unwrap_or_default();
        self.is_stale = true;
        self.restart_clock();
    }

    /// Time has passed.
    fn tick(&mut self) {
        if let Some((since, from_ns)) = self.playing
            && self.goal.is_none()
        {
            let passed_ns = since.elapsed().as_nanos() as f64 * self.timeline.speed.factor();
            let wanted_ns = from_ns.saturating_add(passed_ns as u64);
            let end_ns = self.history.end_ns().unwrap_or_default();
            self.playhead.seek(&self.history, wanted_ns);
            self.timeline.position_ns = wanted_ns.min(end_ns);
            self.is_stale = true;
            if wanted_ns >= end_ns && (self.is_read || self.is_pipe()) {
                self.playing = None;
                self.follows = !self.is_read;
            }
        }
        self.publish();
    }

    /// Says what there is to see now.
    fn publish(&mut self) {
        self.next_tick = Instant::now() + TICK;
        self.is_stale = false;
        self.timeline.motion = match self.goal {
            Some(goal) => Motion::Seeking(self.done(goal)),
            None if self.playing.is_some() => Motion::Playing,
            None if self.follows => Motion::Following,
            None => Motion::Paused,
        };
        self.timeline.reach_ns = if self.tape.is_rewindable() {
            self.timeline.start_ns
        } else {
            self.history.reach_ns().unwrap_or_default()
        };
        self.out.status.send_if_modified(|status| {
            let is_news = *status != self.status;
            status.clone_from(&self.status);
            is_news
        });
        if self.goal.is_none() && self.out.snapshots.borrow().generation != self.playhead.count() {
            self.out.snapshots.send_replace(Arc::new(self.playhead.snapshot()));
        }
        self.out.timelines.send_replace(Arc::new(self.timeline.clone()));
    }

    /// How much of the way to a goal is done, 0 to 1.
    fn done(&self, goal: Goal) -> f64 {
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        match goal {
            Goal::End => self.bytes.map_or(0.0, |bytes| share(self.bytes_read, bytes)),
            Goal::Count(count) => share(self.history.len(), count),
            Goal::Time(time_ns) => {
                let start_ns = self.timeline.start_ns;
                let read_ns = self.history.end_ns().unwrap_or(start_ns).saturating_sub(start_ns);
                share(read_ns, time_ns.saturating_sub(start_ns))
            }
        }
    }
}

fn activity_of(interval: &Interval) -> Activity {
    let mut activity = Activity::default();
    for cell in interval.cells.values() {
        activity.calls += cell.calls as f64;
        activity.errors += cell.error_count() as f64;
    }
    activity
}

#[cfg(test)]
mod tests;
