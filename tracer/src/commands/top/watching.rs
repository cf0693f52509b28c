//! A live run on the screen: its newest figures, or those of a moment of its past while collection goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::baseline::Baseline;
use crate::bpf::sys;
use crate::compare::{About, Versus};
use crate::history::Limits;
use crate::interval::Interval;
use crate::over_time::{OverTime, Wanted};
use crate::playback::Playback;
use crate::run::{Meta, RunInfo};
use crate::snapshot::Snapshot;
use crate::source::contest::{Contest, next_of};
use crate::timeline::{Clock, Mark, Timeline, Transport};
use crate::tui::{Control, Feed};

/// Time between two looks at the clock while the past plays.
const TICK: Duration = Duration::from_millis(100);

/// Time between two looks at what the allocator holds back: intervals come from one thread and go from another, and every
/// second tables of rows are made anew, which leaves a fifth of the memory in holes.
const TIDY: Duration = Duration::from_secs(10);

/// What the screen is shown of a run.
pub(super) struct Watching {
    playback: Playback,
    snapshots: watch::Sender<Arc<Snapshot>>,
    timelines: watch::Sender<Arc<Timeline>>,
    over_times: watch::Sender<Arc<OverTime>>,
    versus: watch::Sender<Option<Versus>>,
    contest: Option<Contest>,
    /// Pairs of spans that were compared.
    serial: u64,
    about: About,
    baseline: Option<Arc<Baseline>>,
    next_tick: Instant,
    next_tidy: Instant,
}

impl Watching {
    /// A run that begins.
    pub(super) fn new(meta: &Meta, baseline: Option<Arc<Baseline>>) -> Self {
        let clock = Clock { monotonic_ns: meta.start_ns, unix_ns: meta.start_unix_ns };
        Self {
            playback: Playback::new(clock, Limits::default(), true),
            snapshots: watch::Sender::new(Arc::default()),
            timelines: watch::Sender::new(Arc::new(Timeline::new(clock))),
            over_times: watch::Sender::new(Arc::default()),
            versus: watch::Sender::new(None),
            contest: None,
            serial: 0,
            about: About::of(meta, String::new()),
            baseline,
            next_tick: Instant::now(),
            next_tidy: Instant::now() + TIDY,
        }
    }

    /// What the screen shows of it, beside the run's status and with a way to ask.
    pub(super) fn feed(&self, status: watch::Receiver<RunInfo>, controls: mpsc::Sender<Control>) -> Feed {
        Feed {
            snapshots: self.snapshots.subscribe(),
            status,
            timelines: self.timelines.subscribe(),
            over_times: self.over_times.subscribe(),
            versus: self.versus.subscribe(),
            controls,
        }
    }

    /// Takes in the newest interval.
    pub(super) fn take(&mut self, interval: Interval, is_last: bool) {
        if let Some(contest) = &mut self.contest {
            contest.add(&interval);
        }
        self.playback.take(Arc::new(interval));
        if is_last {
            self.playback.complete();
        }
        self.publish();
        if self.next_tidy <= Instant::now() {
            sys::release_free_memory();
            self.next_tidy = Instant::now() + TIDY;
        }
    }

    /// Does what the user asked for. The result is a mark that was made by it.
    pub(super) fn obey(&mut self, transport: Transport) -> Option<Mark> {
        let now = Instant::now().into_std();
        let mark = match transport {
            Transport::MarkSpan => self.mark_span(),
            Transport::StopComparing => {
                self.contest = None;
                None
            }
            _ => {
                if let Some(goal) = self.playback.ask(transport, now) {
                    self.playback.go(goal, now);
                }
                None
            }
        };
        self.publish();
        mark
    }

    /// Puts a mark on the axis that somebody left elsewhere.
    pub(super) fn mark(&mut self, mark: Mark) {
        self.playback.mark(mark);
        self.publish();
    }

    /// Shows a selection over time from now on, or none.
    pub(super) fn watch(&mut self, wanted: Option<Wanted>) {
        self.playback.watch(wanted);
        self.publish();
    }

    fn mark_span(&mut self) -> Option<Mark> {
        let marked = self.playback.mark_span()?;
        if let Some(spans) = marked.spans {
            self.serial += 1;
            let (clock, history) = (self.playback.axis().clock, self.playback.history());
            self.contest = Some(Contest::of_history(self.serial, spans, &self.about, clock, history));
        }
        Some(marked.mark)
    }

    /// Waits until there is something new to see although no interval came: the past has played on, or two spans
    /// are compared. May be dropped while it waits.
    pub(super) async fn passed(&mut self) {
        let is_playing = self.playback.is_playing();
        tokio::select! {
            () = sleep_until(self.next_tick), if is_playing => {
                self.playback.tick(Instant::now().into_std(), true);
                self.publish();
            }
            versus = next_of(&mut self.contest) => drop(self.versus.send_replace(Some(versus))),
        }
    }

    fn publish(&mut self) {
        self.next_tick = Instant::now() + TICK;
        if self.snapshots.borrow().generation != self.playback.count() {
            let mut snapshot = self.playback.snapshot();
            if let Some(baseline) = &self.baseline {
                baseline.attach(&mut snapshot);
            }
            self.snapshots.send_replace(Arc::new(snapshot));
        }
        self.timelines.send_replace(Arc::new(self.playback.timeline(None)));
        if let Some(over_time) = self.playback.over_time() {
            self.over_times.send_replace(Arc::new(over_time));
        }
    }
}
