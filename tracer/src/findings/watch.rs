//! The one with a memory: takes intervals as they come, and says at any time what stands out.

use tracer_common::ledger::Counter;

use super::before::Before;
use super::standing::Standing;
use super::step::Step;
use super::{Findings, Hit, Known, SECOND, errnos, rank, resources, sizes, slow, standstill, storms, stuck};
use crate::interval::Interval;

/// Shorter intervals are joined until they are as long: rates of a tenth of a second are noise. A little less
/// than a second, because ticks are not exact.
const STEP_NS: u64 = SECOND * 9 / 10;

/// Watches intervals go by. Its memory is bounded whatever they hold.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    start_ns: u64,
    end_ns: u64,
    /// Intervals that do not make a step yet.
    pending: Interval,
    before: Before,
    standing: Standing,
    /// Calls are left out by how they ended (`-x`, `--slower`): shares and rates mean nothing.
    is_sifted: bool,
    /// Intervals did not come in the order of time, so nothing can be said of before and after.
    is_disordered: bool,
}

impl Watch {
    /// Takes the next interval. `known` has what was aggregated up to its end.
    pub fn observe(&mut self, interval: &Interval, known: &dyn Known) {
        if interval.is_empty() || self.is_disordered {
            return;
        }
        if self.end_ns == 0 {
            self.start_ns = interval.start_ns;
        }
        if interval.end_ns < self.end_ns {
            *self = Self { is_disordered: true, ..Self::default() };
            return;
        }
        self.end_ns = interval.end_ns;
        if self.pending.is_empty() && interval.duration_ns() >= STEP_NS {
            return self.step(interval, known);
        }
        self.pending.merge(interval);
        if self.pending.duration_ns() >= STEP_NS {
            let pending = std::mem::take(&mut self.pending);
            self.step(&pending, known);
        }
    }

    fn step(&mut self, interval: &Interval, known: &dyn Known) {
        self.is_sifted |= interval.ledger.get(Counter::FilteredOut) > 0;
        let step = Step::new(interval, known);
        let mut hits = Vec::new();
        resources::find(&step, &mut hits);
        if !self.is_sifted {
            stuck::find(&step, &self.before, &mut hits);
            standstill::find(&step, &self.before, &mut hits);
            slow::find_syncs(&step, &self.before, &mut hits);
            slow::find_slow(&step, &self.before, &mut hits);
            storms::find_retries(&step, &mut hits);
            storms::find_searches(&step, &mut hits);
            sizes::find(&step, &mut hits);
            errnos::find(&step, &mut self.before, &mut hits);
        }
        self.before.learn(&step);
        self.standing.take(&step, hits, self.start_ns);
    }

    /// What stands out. `known` has what was aggregated up to the last interval.
    pub fn findings(&self, known: &dyn Known) -> Findings {
        let mut last = Vec::new();
        if !self.pending.is_empty() {
            // A run may end, or be over, before there is a whole step; what needs no history is known anyway.
            resources::find(&Step::new(&self.pending, known), &mut last);
        }
        let last: Vec<_> =
            last.into_iter().filter(|hit| hit.is_certain).map(|Hit { finding, .. }| finding).collect();
        Findings { now: rank::shown(self.standing.now()), run: rank::shown(self.standing.run().chain(&last)) }
    }
}
