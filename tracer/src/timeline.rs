//! Time as an axis: what there is of it, how busy it was, where in it we are. Plain data, the same for a
//! recording, a pipe that still delivers, and the kept past of a live run.

use crate::compare::Spans;

/// A moment somebody named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// Its name; foreign text.
    pub text: String,
}

/// One end of a span that was marked, and both spans once there are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The mark: A, or B.
    pub mark: Mark,
    /// What is to be compared.
    pub spans: Option<Spans>,
}

/// How fast time passes, as a power of two: 0 is as it was, 3 eight times faster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speed(i8);

impl Speed {
    /// Slowest and fastest.
    const RANGE: (i8, i8) = (-3, 10);

    /// Faster or slower by so many doublings, as far as it goes.
    #[must_use]
    pub fn stepped(self, by: i8) -> Self {
        Self(self.0.saturating_add(by).clamp(Self::RANGE.0, Self::RANGE.1))
    }

    /// Seconds of the run in a second.
    pub fn factor(self) -> f64 {
        f64::from(self.0).exp2()
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let power = 1u32 << self.0.unsigned_abs().min(31);
        if self.0 < 0 { write!(f, "1/{power}x") } else { write!(f, "{power}x") }
    }
}

/// What can be asked of whoever moves along the axis. What depends on where that is now is left to it: the
/// next key may be pressed before its answer to the last one is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Let time pass, at the end of a complete run from its start; or stop it.
    TogglePlay,
    /// The same, but where more comes by itself: stop, or go on with the newest moment.
    TogglePause,
    /// Let time pass faster by so many doublings, or slower.
    Faster(i8),
    /// Move by so many intervals, and stop there.
    Step(i32),
    /// Move to the next mark, or to the one before when negative.
    ToMark(i8),
    /// Move to this moment on `CLOCK_MONOTONIC`, or as near as there is.
    Seek(u64),
    /// Move to the newest moment, and stay with it while more comes.
    SeekEnd,
    /// Mark the moment shown as A, or as B when A is marked: then both spans are compared.
    MarkSpan,
    /// Compare no longer.
    StopComparing,
}

/// The two clocks of a run: the one that orders it and the one that people read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// A moment on `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// The same in ns since 1970.
    pub unix_ns: u64,
}

impl Clock {
    /// In ns since 1970.
    pub fn unix_ns(self, monotonic_ns: u64) -> i128 {
        i128::from(self.unix_ns) + i128::from(monotonic_ns) - i128::from(self.monotonic_ns)
    }

    /// On `CLOCK_MONOTONIC`; the nearest moment it can tell.
    pub fn monotonic_ns(self, unix_ns: i128) -> u64 {
        let ns = unix_ns - i128::from(self.unix_ns) + i128::from(self.monotonic_ns);
        ns.clamp(0, i128::from(u64::MAX)) as u64
    }
}

/// What time does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Motion {
    /// It stands still.
    #[default]
    Paused,
    /// It passes.
    Playing,
    /// It stays with the newest moment while more comes.
    Following,
    /// The way to another moment; how much of it is done, 0 to 1.
    Seeking(f64),
}

/// Marks that are kept; later ones of a run that has more are left out.
const MAX_MARKS: usize = 1000;

/// Everything there is to show of the axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// To tell the time of day.
    pub clock: Clock,
    /// `CLOCK_MONOTONIC` where the run began.
    pub start_ns: u64,
    /// The newest moment known.
    pub end_ns: u64,
    /// The earliest moment that can be moved to.
    pub reach_ns: u64,
    /// The moment shown.
    pub position_ns: u64,
    /// How busy it was.
    pub rates: Rates,
    /// Named moments, in order.
    pub marks: Vec<Mark>,
    /// A and B, once both are marked.
    pub spans: Option<Spans>,
    /// A, until B is marked.
    pub open_ns: Option<u64>,
    /// What time does.
    pub motion: Motion,
    /// How fast it passes when it does.
    pub speed: Speed,
    /// Whether the newest moment known is the last there will be.
    pub is_complete: bool,
}

impl Timeline {
    /// Nothing known yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Takes in a slice of time with so many calls and errors.
    pub fn extend(&mut self, start_ns: u64, end_ns: u64, activity: Activity) {
        if self.end_ns == 0 {
            (self.start_ns, self.reach_ns) = (start_ns, end_ns);
            self.rates = Rates::new(start_ns);
        }
        self.end_ns = self.end_ns.max(end_ns);
        self.rates.add(start_ns, end_ns, activity);
    }

    /// Takes in a mark.
    pub fn mark(&mut self, mark: Mark) {
        if self.marks.len() < MAX_MARKS {
            let at = self.marks.partition_point(|known| known.time_ns <= mark.time_ns);
            self.marks.insert(at, mark);
        }
    }

    /// Takes back the mark of this name.
    fn unmark(&mut self, text: &str, time_ns: u64) {
        self.marks.retain(|mark| mark.time_ns != time_ns || mark.text != text);
    }

    /// Marks A, or B where A is marked; a third time starts anew. `None` for a B where A is: nothing lies between.
    pub fn mark_span(&mut self) -> Option<Marked> {
        let now_ns = self.position_ns;
        let Some(first_ns) = self.open_ns else {
            if let Some(spans) = self.spans.take() {
                self.unmark("A", spans.a_ns);
                self.unmark("B", spans.b_ns);
            }
            self.open_ns = Some(now_ns);
            let mark = Mark { time_ns: now_ns, text: "A".to_owned() };
            self.mark(mark.clone());
            return Some(Marked { mark, spans: None });
        };
        if first_ns == now_ns {
            return None;
        }
        // Whoever looks back may mark the later moment first.
        let spans = Spans { a_ns: first_ns.min(now_ns), b_ns: first_ns.max(now_ns) };
        self.unmark("A", first_ns);
        self.mark(Mark { time_ns: spans.a_ns, text: "A".to_owned() });
        self.mark(Mark { time_ns: spans.b_ns, text: "B".to_owned() });
        (self.open_ns, self.spans) = (None, Some(spans));
        Some(Marked { mark: Mark { time_ns: now_ns, text: "B".to_owned() }, spans: self.spans })
    }

    /// From beginning to end.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Whether the last moment of a complete run is shown.
    pub fn is_at_end(&self) -> bool {
        self.is_complete && self.position_ns >= self.end_ns && !matches!(self.motion, Motion::Seeking(_))
    }

    /// Whether the moment shown is not the newest while more comes by itself, or stays when more comes.
    pub fn is_looking_back(&self) -> bool {
        !self.is_complete && matches!(self.motion, Motion::Paused | Motion::Playing)
    }

    /// The moment this far along what can be moved to, 0 to 1.
    pub fn at_fraction(&self, fraction: f64) -> u64 {
        let span_ns = self.end_ns.saturating_sub(self.reach_ns);
        self.reach_ns.saturating_add((span_ns as f64 * fraction.clamp(0.0, 1.0)) as u64)
    }

    /// The first mark after the moment shown, or the last one before it.
    pub fn mark_beside(&self, forward: bool) -> Option<&Mark> {
        if forward {
            self.marks.iter().find(|mark| mark.time_ns > self.position_ns)
        } else {
            self.marks.iter().rev().find(|mark| mark.time_ns < self.position_ns)
        }
    }
}

/// What happened in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Activity {
    /// Calls that ended in it.
    pub calls: f64,
    /// Those that failed.
    pub errors: f64,
}

impl Activity {
    fn add(&mut self, other: Self, share: f64) {
        self.calls += other.calls * share;
        self.errors += other.errors * share;
    }

    fn max(self, other: Self) -> Self {
        Self { calls: self.calls.max(other.calls), errors: self.errors.max(other.errors) }
    }
}

/// Bins that a run is divided into at most.
const MAX_BINS: usize = 1024;

/// Width of a bin while the run is short, in ns.
const FIRST_BIN_NS: u64 = 250_000_000;

/// Activity over time in a bounded number of bins: a run that outgrows them gets bins twice as wide.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    start_ns: u64,
    bin_ns: u64,
    bins: Vec<Activity>,
}

impl Default for Rates {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Rates {
    /// None yet, from `start_ns` on.
    pub fn new(start_ns: u64) -> Self {
        Self { start_ns, bin_ns: FIRST_BIN_NS, bins: Vec::new() }
    }

    /// Spreads what happened in a slice of time evenly over it.
    pub fn add(&mut self, start_ns: u64, end_ns: u64, activity: Activity) {
        let from = start_ns.saturating_sub(self.start_ns);
        // A slice without length still happened somewhere.
        let to = end_ns.saturating_sub(self.start_ns).max(from.saturating_add(1));
        while ((to - 1) / self.bin_ns) as usize >= MAX_BINS {
            self.widen();
        }
        let (first, last) = ((from / self.bin_ns) as usize, ((to - 1) / self.bin_ns) as usize);
        if self.bins.len() <= last {
            self.bins.resize(last + 1, Activity::default());
        }
        let length = (to - from) as f64;
        for (index, bin) in self.bins.iter_mut().enumerate().take(last + 1).skip(first) {
            let low = (index as u64 * self.bin_ns).max(from);
            let high = ((index as u64 + 1).saturating_mul(self.bin_ns)).min(to);
            bin.add(activity, high.saturating_sub(low) as f64 / length);
        }
    }

    fn widen(&mut self) {
        self.bin_ns *= 2;
        for index in 0..self.bins.len().div_ceil(2) {
            let mut sum = self.bins[index * 2];
            sum.add(self.bins.get(index * 2 + 1).copied().unwrap_or_default(), 1.0);
            self.bins[index] = sum;
        }
        self.bins.truncate(self.bins.len().div_ceil(2));
    }

    /// Activity per second in each of `cells` equal parts of the span: the highest in each, for a spike is
    /// what one looks for.
    pub fn over(&self, start_ns: u64, end_ns: u64, cells: usize) -> Vec<Activity> {
        let span = end_ns.saturating_sub(start_ns).max(1) as f64;
        let offset = start_ns as f64 - self.start_ns as f64;
        let index_at = |cell: usize| {
            let ns = offset + span * cell as f64 / cells as f64;
            (ns / self.bin_ns as f64).max(0.0)
        };
        let per_second = 1e9 / self.bin_ns as f64;
        (0..cells)
            .map(|cell| {
                let (first, end) = (index_at(cell) as usize, index_at(cell + 1).ceil() as usize);
                let bins = self.bins.get(first..end.min(self.bins.len())).unwrap_or_default();
                let peak = bins.iter().fold(Activity::default(), |peak, bin| peak.max(*bin));
                Activity { calls: peak.calls * per_second, errors: peak.errors * per_second }
            })
            .collect()
    }

    /// Everything that happened.
    pub fn sum(&self) -> Activity {
        let mut sum = Activity::default();
        for bin in &self.bins {
            sum.add(*bin, 1.0);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn speeds_double_and_stop_at_their_ends() {
        assert_eq!(Speed::default().stepped(2).to_string(), "4x");
        assert_eq!(Speed::default().stepped(-2).to_string(), "1/4x");
        assert!((Speed::default().stepped(-3).factor() - 0.125).abs() < 1e-9);
        assert_eq!(Speed::default().stepped(127).stepped(1), Speed::default().stepped(10));
        assert_eq!(Speed::default().stepped(-128), Speed::default().stepped(-3));
    }

    #[test]
    fn a_short_spike_is_seen_however_long_the_run() {
        let mut timeline = Timeline::new(Clock::default());
        for second in 0..36_000u64 {
            let calls = if second == 20_000 { 50_000.0 } else { 10.0 };
            let start_ns = (second + 5) * 1_000_000_000;
            timeline.extend(start_ns, start_ns + 1_000_000_000, Activity { calls, errors: 0.0 });
        }
        let cells = timeline.rates.over(timeline.start_ns, timeline.end_ns, 80);
        let highest = cells.iter().map(|cell| cell.calls).fold(0.0, f64::max);
        assert_eq!(cells.iter().position(|cell| cell.calls >= highest), Some(80 * 20_000 / 36_000));
        assert!(highest > 50.0 * cells[0].calls, "{highest} against {}", cells[0].calls);
    }

    #[test]
    fn clocks_agree_both_ways() {
        let clock = Clock { monotonic_ns: 5_000, unix_ns: 1_700_000_000_000_000_000 };
        assert_eq!(clock.monotonic_ns(clock.unix_ns(17)), 17);
        assert_eq!(clock.monotonic_ns(0), 0);
        assert_eq!(clock.monotonic_ns(i128::MAX / 2), u64::MAX);
    }

    #[test]
    fn marks_are_found_from_between_them() {
        let mut timeline = Timeline::default();
        for (time_ns, text) in [(30, "c"), (10, "a"), (20, "b")] {
            timeline.mark(Mark { time_ns, text: text.to_owned() });
        }
        timeline.position_ns = 20;
        let beside = |forward| timeline.mark_beside(forward).map(|mark| mark.text.as_str());
        assert_eq!((beside(false), beside(true)), (Some("a"), Some("c")));
    }

    #[test]
    fn spans_are_marked_in_either_order_and_a_third_mark_starts_anew() {
        let mut timeline = Timeline::default();
        let mut mark_at = |time_ns| {
            timeline.position_ns = time_ns;
            let marked = timeline.mark_span();
            let names: Vec<_> = timeline.marks.iter().map(|mark| (mark.time_ns, mark.text.clone())).collect();
            (marked.and_then(|marked| marked.spans), names)
        };
        let names =
            |all: &[(u64, &str)]| all.iter().map(|(at, text)| (*at, (*text).to_owned())).collect::<Vec<_>>();
        assert_eq!(mark_at(50), (None, names(&[(50, "A")])));
        assert_eq!(mark_at(50), (None, names(&[(50, "A")])), "nothing lies between");
        let spans = Some(Spans { a_ns: 20, b_ns: 50 });
        assert_eq!(mark_at(20), (spans, names(&[(20, "A"), (50, "B")])));
        assert_eq!(mark_at(70), (None, names(&[(70, "A")])));
        assert_eq!(mark_at(90), (Some(Spans { a_ns: 70, b_ns: 90 }), names(&[(70, "A"), (90, "B")])));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_bins_stay_few(
            slices in proptest::collection::vec((any::<u64>(), any::<u64>(), 0u32..1_000_000), 1..40),
        ) {
            let mut timeline = Timeline::new(Clock::default());
            let mut calls = 0.0;
            for (start_ns, end_ns, count) in slices {
                timeline.extend(start_ns, end_ns.max(start_ns), Activity { calls: f64::from(count), errors: 0.0 });
                calls += f64::from(count);
                prop_assert!(timeline.rates.bins.len() <= MAX_BINS);
            }
            prop_assert!((timeline.rates.sum().calls - calls).abs() <= calls * 1e-6 + 1e-6);
            for cells in [0, 1, 80] {
                prop_assert_eq!(timeline.rates.over(timeline.start_ns, timeline.end_ns, cells).len(), cells);
            }
        }
    }
}
