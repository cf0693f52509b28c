//! A live run on the screen: its newest figures, or those of a moment of its past while collection goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::history::Limits;
use crate::interval::Interval;
use crate::over_time::{OverTime, Wanted};
use crate::playback::Playback;
use crate::run::{Meta, RunInfo};
use crate::snapshot::Snapshot;
use crate::timeline::{Clock, Timeline, Transport};
use crate::tui::{Control, Feed};

/// Time between two looks at the clock while the past plays.
const TICK: Duration = Duration::from_millis(100);

/// What the screen is shown of a run.
pub(super) struct Watching {
    playback: Playback,
    snapshots: watch::Sender<Arc<Snapshot>>,
    timelines: watch::Sender<Arc<Timeline>>,
    over_times: watch::Sender<Arc<OverTime>>,
    next_tick: Instant,
}

impl Watching {
    /// A run that begins.
    pub(super) fn new(meta: &Meta) -> Self {
        let clock = Clock { monotonic_ns: meta.start_ns, unix_ns: meta.start_unix_ns };
        Self {
            playback: Playback::new(clock, Limits::default(), true),
            snapshots: watch::Sender::new(Arc::default()),
            timelines: watch::Sender::new(Arc::new(Timeline::new(clock))),
            over_times: watch::Sender::new(Arc::default()),
            next_tick: Instant::now(),
        }
    }

    /// For the screen.
    pub(super) fn feed(&self, status: watch::Receiver<RunInfo>, controls: mpsc::Sender<Control>) -> Feed {
        Feed {
            snapshots: self.snapshots.subscribe(),
            status,
            timelines: self.timelines.subscribe(),
            over_times: self.over_times.subscribe(),
            controls,
        }
    }

    /// Takes in the newest interval.
    pub(super) fn take(&mut self, interval: Interval, is_last: bool) {
        self.playback.take(Arc::new(interval));
        if is_last {
            self.playback.complete();
        }
        self.publish();
    }

    /// Does what the user asked for.
    pub(super) fn obey(&mut self, transport: Transport) {
        let now = Instant::now().into_std();
        if let Some(goal) = self.playback.ask(transport, now) {
            self.playback.go(goal, now);
        }
        self.publish();
    }

    /// Shows a selection over time from now on, or none.
    pub(super) fn watch(&mut self, wanted: Option<Wanted>) {
        self.playback.watch(wanted);
        self.publish();
    }

    /// Waits until the past that plays has gone on; for ever while none does. May be dropped while it waits.
    pub(super) async fn passed(&mut self) {
        if !self.playback.is_playing() {
            return std::future::pending().await;
        }
        sleep_until(self.next_tick).await;
        self.playback.tick(Instant::now().into_std(), true);
        self.publish();
    }

    fn publish(&mut self) {
        self.next_tick = Instant::now() + TICK;
        if self.snapshots.borrow().generation != self.playback.count() {
            self.snapshots.send_replace(Arc::new(self.playback.snapshot()));
        }
        self.timelines.send_replace(Arc::new(self.playback.timeline(None)));
        if let Some(over_time) = self.playback.over_time() {
            self.over_times.send_replace(Arc::new(over_time));
        }
    }
}
