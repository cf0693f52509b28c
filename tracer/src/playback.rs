//! Somebody's place in time: the kept past, the moment of it that is shown, and what time does there. The same
//! for a recording, a pipe and a live run, whoever feeds it. Pure: it is told what time it is.

use std::sync::Arc;
use std::time::Instant;

use crate::history::{History, Limits, Playhead};
use crate::interval::Interval;
use crate::over_time::{OverTime, Wanted, Watched};
use crate::snapshot::Snapshot;
use crate::timeline::{Activity, Clock, Mark, Marked, Motion, Timeline, Transport};

/// A moment to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The newest.
    End,
    /// This one on `CLOCK_MONOTONIC`.
    Time(u64),
    /// After so many intervals.
    Count(u64),
}

/// What time does.
#[derive(Clone, Copy, Debug)]
enum Course {
    /// It stands still.
    Still,
    /// It passes since then, from this moment of the run on.
    Playing { since: Instant, from_ns: u64 },
    /// It stays with the newest moment.
    Following,
}

/// The kept past and the place in it.
#[derive(Debug)]
pub struct Playback {
    history: History,
    playhead: Playhead,
    timeline: Timeline,
    course: Course,
    /// Whether intervals come by themselves, as they do from a pipe or the kernel: then the newest moment can be
    /// followed, and what is no longer kept is gone for good.
    grows: bool,
    /// What is shown over time, if anything is.
    watched: Option<Watched>,
}

impl Playback {
    /// Nothing yet. What `grows` by itself is followed from the beginning.
    pub fn new(clock: Clock, limits: Limits, grows: bool) -> Self {
        Self {
            history: History::new(limits),
            playhead: Playhead::new(),
            timeline: Timeline::new(clock),
            course: if grows { Course::Following } else { Course::Still },
            grows,
            watched: None,
        }
    }

    /// Takes in the next interval of the run.
    pub fn take(&mut self, interval: Arc<Interval>) {
        self.learn(&interval);
        self.keep(interval);
    }

    /// Puts an interval on the axis.
    pub fn learn(&mut self, interval: &Interval) {
        if !interval.is_empty() {
            self.timeline.extend(interval.start_ns, interval.end_ns, activity_of(interval));
        }
    }

    /// Puts an interval into the kept past.
    pub fn keep(&mut self, interval: Arc<Interval>) {
        self.history.push(interval);
        if self.is_following() {
            self.playhead.seek_end(&self.history);
            self.timeline.position_ns = self.playhead.position_ns().unwrap_or_default();
        }
    }

    /// Takes in a mark.
    pub fn mark(&mut self, mark: Mark) {
        self.timeline.mark(mark);
    }

    /// Marks A or B at the moment shown: see [`Timeline::mark_span`].
    pub fn mark_span(&mut self) -> Option<Marked> {
        self.timeline.mark_span()
    }

    /// Nothing follows: whoever followed the newest moment stands at the last.
    pub fn complete(&mut self) {
        self.timeline.is_complete = true;
        if self.is_following() {
            self.course = Course::Still;
        }
    }

    /// Forgets the past, but not the axis: it is about to be read again.
    pub fn rewind(&mut self) {
        self.history.clear();
        self.playhead = Playhead::new();
    }

    /// What a request asks to be shown; `None` when what is shown stays and only time changes its course.
    pub fn ask(&mut self, transport: Transport, now: Instant) -> Option<Goal> {
        match transport {
            Transport::TogglePause if self.is_still() && self.goes_on() => {
                self.course = Course::Following;
                Some(Goal::End)
            }
            Transport::TogglePause | Transport::TogglePlay => self.toggle_play(now),
            Transport::Faster(by) => {
                self.timeline.speed = self.timeline.speed.stepped(by);
                self.restart_clock(now);
                None
            }
            Transport::Step(by) => {
                self.stop();
                Some(Goal::Count(self.playhead.count().saturating_add_signed(i64::from(by)).max(1)))
            }
            Transport::ToMark(by) => {
                let time_ns = self.timeline.mark_beside(by > 0)?.time_ns;
                Some(self.seek(time_ns))
            }
            Transport::Seek(time_ns) => Some(self.seek(time_ns)),
            Transport::MarkSpan | Transport::StopComparing => None,
            Transport::SeekEnd => {
                self.course = if self.goes_on() { Course::Following } else { Course::Still };
                Some(Goal::End)
            }
        }
    }

    fn toggle_play(&mut self, now: Instant) -> Option<Goal> {
        if !self.is_still() {
            self.stop();
            return None;
        }
        if self.goes_on() && self.playhead.is_at_end(&self.history) {
            self.course = Course::Following;
            return None;
        }
        let starts_over = self.timeline.is_at_end();
        self.course = Course::Playing { since: now, from_ns: self.timeline.position_ns };
        starts_over.then_some(Goal::Time(self.timeline.start_ns))
    }

    /// Who moves no longer follows; time that passes goes on from there.
    fn seek(&mut self, time_ns: u64) -> Goal {
        if self.is_following() {
            self.course = Course::Still;
        }
        Goal::Time(time_ns)
    }

    /// Time stands still.
    pub fn stop(&mut self) {
        self.course = Course::Still;
    }

    /// Shows a moment, or the nearest that is kept.
    pub fn go(&mut self, goal: Goal, now: Instant) {
        match goal {
            Goal::End => self.playhead.seek_end(&self.history),
            Goal::Count(count) => {
                let by = count as i64 - self.playhead.count() as i64;
                self.playhead.step(&self.history, by);
            }
            Goal::Time(time_ns) => self.playhead.seek(&self.history, time_ns),
        }
        let at = self.playhead.position_ns().unwrap_or_default();
        self.timeline.position_ns = match goal {
            Goal::Time(time_ns) => time_ns.clamp(at, self.timeline.end_ns.max(at)),
            Goal::End | Goal::Count(_) => at,
        };
        self.restart_clock(now);
    }

    /// Time has passed; `is_all` says that nothing has to be fetched first to go on from the newest interval.
    pub fn tick(&mut self, now: Instant, is_all: bool) {
        let Course::Playing { since, from_ns } = self.course else { return };
        let passed_ns = now.saturating_duration_since(since).as_nanos() as f64 * self.timeline.speed.factor();
        let wanted_ns = from_ns.saturating_add(passed_ns as u64);
        let end_ns = self.history.end_ns().unwrap_or_default();
        self.playhead.seek(&self.history, wanted_ns);
        self.timeline.position_ns = wanted_ns.min(end_ns);
        if wanted_ns >= end_ns && is_all {
            self.course = if self.timeline.is_complete { Course::Still } else { Course::Following };
        }
    }

    /// Time that passes goes on from here.
    fn restart_clock(&mut self, now: Instant) {
        if let Course::Playing { since, from_ns } = &mut self.course {
            (*since, *from_ns) = (now, self.timeline.position_ns);
        }
    }

    /// Whether more comes by itself.
    fn goes_on(&self) -> bool {
        self.grows && !self.timeline.is_complete
    }

    fn is_still(&self) -> bool {
        matches!(self.course, Course::Still)
    }

    fn is_following(&self) -> bool {
        matches!(self.course, Course::Following)
    }

    /// Whether time passes.
    pub fn is_playing(&self) -> bool {
        matches!(self.course, Course::Playing { .. })
    }

    /// The kept past.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How many intervals are in the figures shown: the generation of their snapshot.
    pub fn count(&self) -> u64 {
        self.playhead.count()
    }

    /// The moment shown, on `CLOCK_MONOTONIC`.
    pub fn position_ns(&self) -> u64 {
        self.timeline.position_ns
    }

    /// The figures at the moment shown.
    pub fn snapshot(&self) -> Snapshot {
        self.playhead.snapshot()
    }

    /// Shows a selection over time from now on, or none.
    pub fn watch(&mut self, wanted: Option<Wanted>) {
        match (&mut self.watched, wanted) {
            (Some(watched), Some(wanted)) => watched.want(wanted),
            (watched, wanted) => *watched = wanted.map(Watched::new),
        }
    }

    /// The selection over time, as far as it is kept, up to the moment shown.
    pub fn over_time(&mut self) -> Option<OverTime> {
        let watched = self.watched.as_mut()?;
        watched.follow(&self.history);
        Some(watched.over_time(self.timeline.position_ns))
    }

    /// The axis as it is known; its motion and reach are those of [`Playback::timeline`].
    pub fn axis(&self) -> &Timeline {
        &self.timeline
    }

    /// The axis to be shown. `seeking` is how much of the way to another moment is done, where one is under way.
    pub fn timeline(&mut self, seeking: Option<f64>) -> Timeline {
        self.timeline.motion = match (seeking, self.course) {
            (Some(done), _) => Motion::Seeking(done),
            (None, Course::Playing { .. }) => Motion::Playing,
            (None, Course::Following) => Motion::Following,
            (None, Course::Still) => Motion::Paused,
        };
        self.timeline.reach_ns =
            if self.grows { self.history.reach_ns().unwrap_or_default() } else { self.timeline.start_ns };
        self.timeline.clone()
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
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    fn second(at: u64) -> Arc<Interval> {
        Arc::new(Interval { start_ns: at * SECOND + 1, end_ns: (at + 1) * SECOND, ..Interval::default() })
    }

    /// A live run of so many seconds.
    fn live(seconds: u64, now: Instant) -> Playback {
        let mut playback = Playback::new(Clock::default(), Limits::default(), true);
        for at in 0..seconds {
            playback.take(second(at));
            playback.tick(now, true);
        }
        playback
    }

    fn ask(playback: &mut Playback, transport: Transport, now: Instant) -> (u64, Motion) {
        if let Some(goal) = playback.ask(transport, now) {
            playback.go(goal, now);
        }
        (playback.count(), playback.timeline(None).motion)
    }

    #[test]
    fn one_looks_back_while_more_comes_and_returns_to_now() {
        let now = Instant::now();
        let mut playback = live(10, now);
        assert_eq!((playback.count(), playback.timeline(None).motion), (10, Motion::Following));
        assert_eq!(ask(&mut playback, Transport::Step(-4), now), (6, Motion::Paused));
        playback.take(second(10));
        assert_eq!((playback.count(), playback.axis().end_ns), (6, 11 * SECOND), "news move nobody");
        assert_eq!(playback.snapshot().end_ns, 6 * SECOND);
        assert_eq!(ask(&mut playback, Transport::TogglePause, now), (11, Motion::Following));
        assert_eq!(ask(&mut playback, Transport::TogglePause, now), (11, Motion::Paused));
        playback.take(second(11));
        assert_eq!(playback.count(), 11);
        assert_eq!(ask(&mut playback, Transport::Seek(3 * SECOND), now), (3, Motion::Paused));
        assert_eq!(ask(&mut playback, Transport::SeekEnd, now), (12, Motion::Following));
    }

    #[test]
    fn the_past_of_a_run_that_goes_on_plays_until_it_is_now() {
        let now = Instant::now();
        let mut playback = live(10, now);
        ask(&mut playback, Transport::Step(-4), now);
        assert_eq!(ask(&mut playback, Transport::TogglePlay, now), (6, Motion::Playing));
        playback.tick(now + Duration::from_secs(2), true);
        assert_eq!(playback.count(), 8);
        playback.tick(now + Duration::from_secs(5), true);
        assert_eq!((playback.count(), playback.timeline(None).motion), (10, Motion::Following));
    }

    #[test]
    fn when_the_run_is_over_its_kept_past_is_played_from_its_start() {
        let now = Instant::now();
        let mut playback = live(10, now);
        playback.complete();
        let timeline = playback.timeline(None);
        assert!(timeline.is_at_end() && timeline.motion == Motion::Paused);
        assert_eq!(ask(&mut playback, Transport::TogglePause, now), (1, Motion::Playing));
        playback.tick(now + Duration::from_secs(100), true);
        assert!(playback.timeline(None).is_at_end());
    }
}
