//! A live run on the screen: its newest figures, or those of a moment of its past while collection goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::history::Limits;
use crate::interval::Interval;
use crate::playback::Playback;
use crate::run::Meta;
use crate::snapshot::Snapshot;
use crate::timeline::{Clock, Timeline, Transport};

/// Time between two looks at the clock while the past plays.
const TICK: Duration = Duration::from_millis(100);

/// What the screen is shown of a run.
pub(super) struct Watching {
    playback: Playback,
    snapshots: watch::Sender<Arc<Snapshot>>,
    timelines: watch::Sender<Arc<Timeline>>,
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
            next_tick: Instant::now(),
        }
    }

    /// For the screen.
    pub(super) fn shown(&self) -> (watch::Receiver<Arc<Snapshot>>, watch::Receiver<Arc<Timeline>>) {
        (self.snapshots.subscribe(), self.timelines.subscribe())
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
    }
}
