//! A comparison of two spans of a run that is watched: worked out aside, again and again while the run goes on.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use crate::compare::{About, Compared, Spans, Split, Thresholds, Versus};
use crate::history::History;
use crate::interval::Interval;
use crate::source::tape::Fed;
use crate::timeline::Clock;

/// Shortest time between two comparisons, and the share of a CPU that they may take.
const EVERY: Duration = Duration::from_secs(1);
const SHARE: u32 = 5;

/// Draws for each row: fewer than of recordings, for it is done again every second.
const DRAWS: usize = 600;

/// One pair of spans.
pub struct Contest {
    serial: u64,
    /// `None` where nothing is added any more.
    split: Option<Split>,
    job: Option<JoinHandle<Compared>>,
    began: Instant,
    is_stale: bool,
    next: Instant,
}

fn thresholds() -> Thresholds {
    Thresholds { draws: DRAWS, ..Thresholds::default() }
}

/// The two sides of these spans, still empty.
fn split_of(spans: Spans, about: &About, clock: Clock) -> Split {
    let zone = TimeZone::system();
    let time = |ns: u64| {
        Timestamp::from_nanosecond(clock.unix_ns(ns)).map_or_else(
            |_| "unknown time".to_owned(),
            |moment| moment.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string(),
        )
    };
    let labels = [format!("A to B, from {}", time(spans.a_ns)), format!("from B, {}", time(spans.b_ns))];
    Split::new(spans, about, labels)
}

impl Contest {
    fn new(serial: u64, split: Option<Split>, job: Option<JoinHandle<Compared>>) -> Self {
        let now = Instant::now();
        Self { serial, is_stale: split.is_some(), split, job, began: now, next: now }
    }

    /// Of a run as far as it is kept, and of what will be added.
    pub fn of_history(serial: u64, spans: Spans, about: &About, clock: Clock, history: &History) -> Self {
        let mut split = split_of(spans, about, clock);
        split.name(history.names());
        for interval in history.intervals(0) {
            split.add(&interval);
        }
        Self::new(serial, Some(split), None)
    }

    /// Of a recording, read anew and once. Call within a runtime.
    pub fn of_tape(
        serial: u64,
        spans: Spans,
        about: &About,
        clock: Clock,
        mut fed: mpsc::Receiver<Fed>,
    ) -> Self {
        let mut split = split_of(spans, about, clock);
        let job = spawn_blocking(move || {
            while let Some(fed) = fed.blocking_recv() {
                match fed {
                    Fed::Interval(interval, _) => split.add(&interval),
                    Fed::Mark(_) => {}
                    Fed::End(_) => break,
                }
            }
            Compared::of(split.sides(), &thresholds())
        });
        Self::new(serial, None, Some(job))
    }

    /// Adds the next interval of the run.
    pub fn add(&mut self, interval: &Interval) {
        if let Some(split) = &mut self.split {
            split.add(interval);
            self.is_stale = true;
        }
    }

    /// Waits for the next state of the comparison. May be dropped while it waits. Call within a runtime.
    pub async fn next(&mut self) -> Versus {
        loop {
            match (&mut self.job, &mut self.split) {
                (Some(job), _) => {
                    let ended = job.await;
                    self.job = None;
                    self.next = self.began + (self.began.elapsed() * SHARE).max(EVERY);
                    match ended {
                        Ok(compared) => return Versus { serial: self.serial, compared: Arc::new(compared) },
                        Err(error) => match error.try_into_panic() {
                            Ok(panic) => std::panic::resume_unwind(panic),
                            // The runtime is about to end.
                            Err(_) => future::pending().await,
                        },
                    }
                }
                (None, Some(split)) if self.is_stale => {
                    sleep_until(self.next).await;
                    let sides = split.sides();
                    self.began = Instant::now();
                    self.is_stale = false;
                    self.job = Some(spawn_blocking(move || Compared::of(sides, &thresholds())));
                }
                _ => future::pending().await,
            }
        }
    }
}

/// The next state of a comparison; never without one.
pub async fn next_of(contest: &mut Option<Contest>) -> Versus {
    match contest {
        Some(contest) => contest.next().await,
        None => future::pending().await,
    }
}
