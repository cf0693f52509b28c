//! What stands between two recordings and a fair comparison, as data.

use std::fmt;

use crate::human;

use super::Thresholds;
use super::bootstrap::MIN_SLICES;
use super::drawn::spilled_share;
use super::side::{About, Side};

/// Share of missing calls that is worth a word although verdicts are given.
const NOTABLE_LOSS: f64 = 0.001;

/// How much longer one side may be before it is worth a word.
const NOTABLE_LENGTH: f64 = 4.0;

/// Shortest time that can be compared, in ns.
const SHORTEST_NS: u64 = 10_000_000;

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SideName {
    /// The first.
    Before,
    /// The second.
    After,
}

impl SideName {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }

    /// The other one.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Before => Self::After,
            Self::After => Self::Before,
        }
    }
}

/// Something to know before believing the figures.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// Calls are missing from a side.
    Lost {
        /// Which.
        side: SideName,
        /// Calls.
        missing: u64,
        /// Share of all calls.
        share: f64,
        /// Whether that is too many for verdicts.
        refuses: bool,
    },
    /// A side has no calls at all.
    Empty {
        /// Which.
        side: SideName,
    },
    /// A side covers next to no time.
    TooShort {
        /// Which.
        side: SideName,
        /// Its length in ns.
        duration_ns: u64,
    },
    /// A side holds some span of time twice.
    Overlapping {
        /// Which.
        side: SideName,
    },
    /// The recording of a side was cut off.
    Unclean {
        /// Which.
        side: SideName,
        /// Why, as the file tells it. Raw.
        why: String,
    },
    /// A side has few intervals.
    FewIntervals {
        /// Which.
        side: SideName,
        /// How many.
        intervals: usize,
    },
    /// Many calls of a side were counted in coarse buckets by the kernel.
    Spilled {
        /// Which.
        side: SideName,
        /// Share of all calls.
        share: f64,
    },
    /// A side has more names than rows are kept for.
    FoldedRows {
        /// Which.
        side: SideName,
    },
    /// One side is much longer.
    Lengths {
        /// Before, in ns.
        before_ns: u64,
        /// After, in ns.
        after_ns: u64,
    },
    /// The first side was recorded after the second.
    OutOfOrder,
    /// Something about the two sides is not the same.
    Differs {
        /// What: `kernel`, `filter`, ...
        what: &'static str,
        /// Before. Raw.
        before: String,
        /// After. Raw.
        after: String,
    },
}

impl Warning {
    /// Whether no verdict is given because of it.
    pub fn refuses(&self) -> bool {
        match self {
            Self::Lost { refuses, .. } => *refuses,
            Self::Empty { .. } | Self::TooShort { .. } | Self::Overlapping { .. } => true,
            _ => false,
        }
    }

    /// A name that does not change, for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "lost",
            Self::Empty { .. } => "empty",
            Self::TooShort { .. } => "too_short",
            Self::Overlapping { .. } => "overlapping",
            Self::Unclean { .. } => "unclean_end",
            Self::FewIntervals { .. } => "few_intervals",
            Self::Spilled { .. } => "spilled",
            Self::FoldedRows { .. } => "folded_rows",
            Self::Lengths { .. } => "lengths",
            Self::OutOfOrder => "out_of_order",
            Self::Differs { .. } => "differs",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: &f64| human::percent(*share, 1.0);
        match self {
            Self::Lost { side, missing, share, refuses } => write!(
                f,
                "{} lost {} calls ({}%): {}",
                side.name(),
                human::count(*missing),
                percent(share),
                if *refuses { "too many to judge anything by" } else { "its counts are lower bounds" }
            ),
            Self::Empty { side } => write!(f, "there are no calls in {}", side.name()),
            Self::TooShort { side, duration_ns } => {
                write!(f, "{} covers only {}", side.name(), human::duration(*duration_ns))
            }
            Self::Overlapping { side } => {
                write!(f, "{} holds the same span of time more than once", side.name())
            }
            Self::Unclean { side, why } => {
                write!(f, "{} ended uncleanly: {}", side.name(), human::safe_text(why.as_bytes()))
            }
            Self::FewIntervals { side, intervals } => write!(
                f,
                "{} has {intervals} interval{} (10 are wanted): intervals of confidence assume independent calls",
                side.name(),
                if *intervals == 1 { "" } else { "s" }
            ),
            Self::Spilled { side, share } => write!(
                f,
                "the kernel counted {}% of {} itself: those latencies are known to 12.5 %",
                percent(share),
                side.name()
            ),
            Self::FoldedRows { side } => {
                write!(
                    f,
                    "{} has more command names than are kept apart: the rest is \"(others)\"",
                    side.name()
                )
            }
            Self::Lengths { before_ns, after_ns } => write!(
                f,
                "the sides differ in length: {} and {}",
                human::duration(*before_ns),
                human::duration(*after_ns)
            ),
            Self::OutOfOrder => {
                write!(f, "\"before\" was recorded after \"after\": are the sides swapped?")
            }
            Self::Differs { what, before, after } => {
                let shown = |text: &str| {
                    if text.is_empty() { "none".to_owned() } else { human::safe_text(text.as_bytes()) }
                };
                write!(f, "{what} differs: {} before, {} after", shown(before), shown(after))
            }
        }
    }
}

/// Everything to be warned of, what refuses verdicts first.
pub(super) fn find(before: &Side, after: &Side, thresholds: &Thresholds) -> Vec<Warning> {
    let mut found = Vec::new();
    for (side, name) in [(before, SideName::Before), (after, SideName::After)] {
        of_side(side, name, thresholds, &mut found);
    }
    let (before_ns, after_ns) = (before.duration_ns(), after.duration_ns());
    let (short, long) = (before_ns.min(after_ns), before_ns.max(after_ns));
    if short > 0 && long as f64 > short as f64 * NOTABLE_LENGTH {
        found.push(Warning::Lengths { before_ns, after_ns });
    }
    between(&before.about, &after.about, &mut found);
    let same_boot = !before.about.boot_id.is_empty() && before.about.boot_id == after.about.boot_id;
    let start = |side: &Side| side.slices().iter().map(|slice| slice.start_ns).min();
    if same_boot && start(before) > start(after) {
        found.push(Warning::OutOfOrder);
    }
    found.sort_by_key(|warning| !warning.refuses());
    found
}

fn of_side(side: &Side, name: SideName, thresholds: &Thresholds, found: &mut Vec<Warning>) {
    let (loss, duration_ns) = (side.loss(), side.duration_ns());
    if loss > NOTABLE_LOSS.min(thresholds.loss) {
        found.push(Warning::Lost {
            side: name,
            missing: side.ledger().calls_missing(),
            share: loss,
            refuses: loss > thresholds.loss,
        });
    }
    if side.calls() == 0 {
        found.push(Warning::Empty { side: name });
    }
    if duration_ns < SHORTEST_NS {
        found.push(Warning::TooShort { side: name, duration_ns });
    } else if side.slices().len() < MIN_SLICES {
        found.push(Warning::FewIntervals { side: name, intervals: side.slices().len() });
    }
    if side.is_overlapping() {
        found.push(Warning::Overlapping { side: name });
    }
    if let Some(why) = &side.about.unclean {
        found.push(Warning::Unclean { side: name, why: why.clone() });
    }
    let share = spilled_share(side);
    if share > 0.01 {
        found.push(Warning::Spilled { side: name, share });
    }
    if side.has_folded_rows() {
        found.push(Warning::FoldedRows { side: name });
    }
}

fn between(before: &About, after: &About, found: &mut Vec<Warning>) {
    let cpus = |about: &About| if about.cpus == 0 { String::new() } else { about.cpus.to_string() };
    let (cpus_before, cpus_after) = (cpus(before), cpus(after));
    for (what, before, after) in [
        ("the filter", &before.filter, &after.filter),
        ("the kernel", &before.kernel, &after.kernel),
        ("the number of CPUs", &cpus_before, &cpus_after),
        ("the architecture", &before.arch, &after.arch),
        ("the host", &before.host, &after.host),
        ("the program family", &before.family, &after.family),
    ] {
        // What is not known cannot differ; but no filter is a filter.
        let known = what == "the filter" || !(before.is_empty() || after.is_empty());
        if known && before != after {
            found.push(Warning::Differs { what, before: before.clone(), after: after.clone() });
        }
    }
}
