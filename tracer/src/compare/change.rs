//! What a comparison says: plain data for tables, JSON, Markdown and the screen. Every figure of the form
//! "after against before" is mirrored by swapping the sides.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::histogram::Histogram;
use crate::human;
use crate::syscalls;

use super::effect::Effect;
use super::side::{About, By, InFlightAtEnd, Key, Side};
use super::warnings::Warning;
use super::{JUDGED, MIN_RECORDINGS, QUANTILE_COUNT, Thresholds};

/// The whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What the rows are.
    pub by: By,
    /// What counted as a change.
    pub thresholds: Thresholds,
    /// The first side.
    pub before: SideFigures,
    /// The second side.
    pub after: SideFigures,
    /// What changed, by impact; rows that wait by design at the end.
    pub rows: Vec<Change>,
    /// What stands in the way, worst first.
    pub warnings: Vec<Warning>,
    /// Whether the warnings are such that nothing is judged.
    pub refused: bool,
    /// The answer in a few plain sentences. Names in them are escaped.
    pub summary: Vec<String>,
}

impl Comparison {
    /// Whether intervals and verdicts allow for how much one recording differs from the next.
    pub fn knows_recordings(&self) -> bool {
        self.before.recordings + self.after.recordings >= MIN_RECORDINGS
    }
}

/// A side as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct SideFigures {
    /// What is known of it.
    pub about: About,
    /// Time covered, in ns.
    pub duration_ns: u64,
    /// Intervals in it.
    pub intervals: u64,
    /// Slices of time that they were joined into.
    pub slices: usize,
    /// Recordings that they are from.
    pub recordings: usize,
    /// Calls in the figures.
    pub calls: u64,
    /// Calls that are in no figure.
    pub missing: u64,
    /// Share of calls that are in no figure.
    pub loss: f64,
}

impl SideFigures {
    pub(super) fn of(side: &Side) -> Self {
        Self {
            about: side.about.clone(),
            duration_ns: side.duration_ns(),
            intervals: side.intervals(),
            slices: side.slices().len(),
            recordings: side.recordings(),
            calls: side.calls(),
            missing: side.ledger().calls_missing(),
            loss: side.loss(),
        }
    }

    /// Calls per second.
    pub fn rate(&self) -> f64 {
        if self.duration_ns == 0 { 0.0 } else { self.calls as f64 * 1e9 / self.duration_ns as f64 }
    }
}

/// What is said of a row's latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Takes less time.
    Faster,
    /// Takes more time.
    Slower,
    /// Differs by less than the threshold.
    Same,
    /// Cannot be told.
    Inconclusive,
    /// Not called before.
    New,
    /// Not called after.
    Gone,
}

impl Verdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Same => "same",
            Self::Inconclusive => "inconclusive",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }

    /// What it is with the sides swapped.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Faster => Self::Slower,
            Self::Slower => Self::Faster,
            Self::New => Self::Gone,
            Self::Gone => Self::New,
            Self::Same | Self::Inconclusive => self,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a row has no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It waits by design: its time says how long there was nothing to do.
    Waits,
    /// A warning refuses all verdicts.
    Refused,
}

/// How a row's intervals were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Block bootstrap, with this many slices in a block before and after.
    Blocks {
        /// Before.
        before: usize,
        /// After.
        after: usize,
    },
    /// A side has few intervals: the bootstrap draws them singly, for how they hang together cannot be told.
    FewIntervals,
    /// A side has hardly any intervals: order statistics, which assume independent calls.
    Independent,
}

impl Method {
    /// Whether the intervals lean on calls being independent, which they seldom are.
    pub fn assumes_independent_calls(self) -> bool {
        !matches!(self, Self::Blocks { .. })
    }
}

/// A figure after as a multiple of the figure before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// After over before.
    pub value: f64,
    /// 95 % interval; `None` where there is too little to tell.
    pub interval: Option<(f64, f64)>,
}

/// A quantile on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QuantileChange {
    /// In ns, interpolated inside its bucket.
    pub before: Option<f64>,
    /// In ns, interpolated inside its bucket.
    pub after: Option<f64>,
    /// After over before.
    pub ratio: Option<Ratio>,
    /// What it says alone; `None` when it is not judged.
    pub verdict: Option<Verdict>,
}

/// What is said of a share of failing calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShareVerdict {
    /// A larger share fails.
    More,
    /// A smaller share fails.
    Fewer,
    /// The difference is below the threshold.
    Same,
    /// Cannot be told.
    Inconclusive,
    /// None failed before.
    New,
    /// None fails after.
    Gone,
}

impl ShareVerdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Fewer => "fewer",
            Self::Same => "same",
            Self::Inconclusive => "inconclusive",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }

    /// What it is with the sides swapped.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::More => Self::Fewer,
            Self::Fewer => Self::More,
            Self::New => Self::Gone,
            Self::Gone => Self::New,
            Self::Same | Self::Inconclusive => self,
        }
    }
}

/// Failing calls on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ShareChange {
    /// Failed before.
    pub before: u64,
    /// Failed after.
    pub after: u64,
    /// Share of calls before.
    pub share_before: f64,
    /// Share of calls after.
    pub share_after: f64,
    /// 95 % interval of the share after less the share before; `None` unless there are calls on both sides.
    pub difference: Option<(f64, f64)>,
    /// What it says; `None` when nothing failed, or all verdicts are refused.
    pub verdict: Option<ShareVerdict>,
    /// Whether so few failed that their coming or going may be chance.
    pub may_be_chance: bool,
}

/// One errno on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrnoChange {
    /// The errno.
    pub errno: u16,
    /// The calls that failed with it.
    pub share: ShareChange,
}

/// The calls of a row on one side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Calls.
    pub calls: u64,
    /// Calls per second.
    pub rate: f64,
    /// Failed calls.
    pub errors: u64,
    /// Calls cut short by a signal.
    pub interrupted: u64,
    /// Time in calls, ns per second.
    pub time_per_s: f64,
    /// Mean latency in ns.
    pub mean_ns: Option<f64>,
    /// Shortest completed call.
    pub min_ns: Option<u64>,
    /// Longest completed call.
    pub max_ns: Option<u64>,
    /// Completed calls by latency.
    pub latencies: Arc<Histogram>,
    /// Failed calls by errno.
    pub errnos: BTreeMap<u16, u64>,
    /// Calls that had not returned at the end: their latency is in no figure.
    pub in_flight: InFlightAtEnd,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What it is matched by.
    pub key: Key,
    /// The path of its cgroup, where rows are by cgroup and it is known.
    pub cgroup: Option<Arc<str>>,
    /// Before.
    pub before: Figures,
    /// After.
    pub after: Figures,
    /// Calls per second.
    pub rate: Option<Ratio>,
    /// Time in calls per second.
    pub time: Option<Ratio>,
    /// Mean latency.
    pub mean: Option<Ratio>,
    /// Quantiles of the latency.
    pub quantiles: [QuantileChange; QUANTILE_COUNT],
    /// Longest call after over longest call before. It has no interval: a maximum grows with the number of calls.
    pub max_ratio: Option<f64>,
    /// Factor by which calls are shifted: the median ratio of all pairs.
    pub shift: Option<f64>,
    /// Cliff's delta, -1 (all faster) to 1 (all slower).
    pub delta: Option<f64>,
    /// All errors.
    pub errors: ShareChange,
    /// Errors by errno.
    pub errnos: Vec<ErrnoChange>,
    /// How its intervals were found.
    pub method: Method,
    /// What is said of it.
    pub verdict: Option<Verdict>,
    /// Why nothing is.
    pub withheld: Option<Withheld>,
    /// Whether so few calls came or went that it may be chance.
    pub may_be_chance: bool,
    /// Time in calls per second after less before, in ns: positive where it costs more.
    pub impact: f64,
}

impl Change {
    /// The effect size in a word.
    pub fn effect(&self) -> Option<Effect> {
        self.delta.map(Effect::of)
    }

    /// Index of the quantile that tells the row's verdict: the highest one that has the same.
    pub fn telling(&self) -> Option<usize> {
        (0..JUDGED).rev().find(|&at| self.verdict.is_some() && self.quantiles[at].verdict == self.verdict)
    }

    /// Whose calls they are, as it can be shown: a command name or the path of a cgroup; `None` when everybody's.
    pub fn owner(&self) -> Option<String> {
        match (self.key.cgroup, &self.cgroup) {
            (Some(_), Some(path)) => Some(human::safe_text(path.as_bytes())),
            (Some(_), None) => Some("(unknown cgroup)".to_owned()),
            (None, _) => self.key.comm.map(|comm| comm.to_string()),
        }
    }

    /// What its call is shown as; `None` when it is of all calls.
    pub fn call_name(&self) -> Option<String> {
        self.key.call.map(|call| syscalls::name(call).into_owned())
    }
}
