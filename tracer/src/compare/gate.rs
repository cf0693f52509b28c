//! Conditions on a comparison, for pipelines: `--fail-on 'p99(fsync) > +20%'`.
//!
//! ```text
//! condition = verdict | news | "refused" | figure comparison amount
//! verdict   = ("slower" | "faster") [ "(" subject ")" ]
//! news      = "new" ( "call" | "errno" [ ERRNO ] )
//! figure    = ("p50" | "p90" | "p99" | "p99.9" | "max" | "mean" | "rate" | "time" | "errors") "(" subject ")"
//! subject   = (CALL | "*") [ "," COMM ]        COMM bare, or in double quotes
//! comparison = ">" | ">=" | "<" | "<="
//! amount    = ("+" | "-") NUMBER "%"           change against before; of errors: in points of per cent
//!           | NUMBER "x"                       factor against before
//!           | NUMBER ("ns" | "us" | "ms" | "s")  latency after; of time: time in calls per second
//!           | NUMBER "%"                       of errors: share of calls that fail after
//!           | NUMBER [ "/s" ]                  of rate: calls per second after
//! ```
//!
//! A change counts only with evidence: its interval must exclude no change. Over `*`, which looks at many
//! rows, p50, p90 and p99 must have a verdict, which is corrected for their number; rows that wait by design
//! count only when they are named. A condition on what is not there, or whose evidence is refused, is not
//! met, and says so: [`State::CannotTell`].

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::human;
use crate::process::Comm;
use crate::syscalls::errno;

use super::change::{Change, Comparison, Ratio, Verdict};
use super::summary::{Names, factor, latency};
use super::{JUDGED, QUANTILE_NAMES};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    text: String,
    condition: Condition,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Verdict(Verdict, Subject),
    NewCall,
    /// An errno that no row had before.
    NewErrno(Option<u16>),
    Refused,
    Figure {
        figure: Figure,
        subject: Subject,
        comparison: Order,
        amount: Amount,
    },
}

/// Which rows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Subject {
    call: Option<String>,
    comm: Option<Comm>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    /// Index into the quantiles.
    Quantile(usize),
    Max,
    Mean,
    Rate,
    Time,
    Errors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Above,
    AtLeast,
    Below,
    AtMost,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    /// Factor against before.
    Factor(f64),
    /// Difference of shares.
    Points(f64),
    /// After, in the figure's own unit: ns, calls per second, share of calls.
    After(f64),
}

/// How it stands with a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Met,
    /// It does not.
    NotMet,
    /// There is nothing to tell it by.
    CannotTell,
}

/// What became of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The condition as it was given. Raw.
    pub condition: String,
    /// How it stands.
    pub state: State,
    /// By what: the rows that meet it, or what is missing. Escaped.
    pub because: Vec<String>,
}

/// A condition that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct GateError {
    /// The condition.
    pub condition: String,
    /// Index of the character at which it cannot be read.
    pub at: usize,
    /// What is wrong there.
    pub why: String,
    /// What to write instead.
    pub next: String,
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let safe = |text: String| human::safe_text(text.as_bytes());
        let before = safe(self.condition.chars().take(self.at).collect());
        writeln!(f, "error: this condition cannot be read")?;
        writeln!(f, "  {}", safe(self.condition.clone()))?;
        writeln!(f, "  {}^", " ".repeat(unicode_width::UnicodeWidthStr::width(before.as_str())))?;
        writeln!(f, "why: {}", self.why)?;
        write!(f, "next: {}", self.next)
    }
}

impl std::str::FromStr for Gate {
    type Err = GateError;

    fn from_str(text: &str) -> Result<Self, GateError> {
        Ok(Self { text: text.to_owned(), condition: parse::condition(text)? })
    }
}

/// What one row says to a condition.
enum Answer {
    Yes(String),
    No,
    Unknown(String),
}

impl Gate {
    /// The condition as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How it stands with this comparison.
    pub fn judge(&self, comparison: &Comparison) -> Outcome {
        let (state, because) = self.condition.judge(comparison);
        Outcome { condition: self.text.clone(), state, because }
    }
}

impl Condition {
    fn judge(&self, comparison: &Comparison) -> (State, Vec<String>) {
        if let Self::Refused = self {
            let because: Vec<String> = comparison
                .warnings
                .iter()
                .filter(|warning| warning.refuses())
                .map(ToString::to_string)
                .collect();
            return (if comparison.refused { State::Met } else { State::NotMet }, because);
        }
        if comparison.refused {
            return (State::CannotTell, vec!["nothing is judged here".to_owned()]);
        }
        let names = Names::of(comparison);
        let answers: Vec<Answer> = match self {
            Self::NewErrno(wanted) => new_errnos(comparison, *wanted),
            Self::NewCall => rows(comparison, &Subject::default())
                .filter(|row| row.verdict == Some(Verdict::New))
                .map(|row| Answer::Yes(format!("{} is new", names.name(row))))
                .collect(),
            Self::Verdict(verdict, subject) => {
                rows(comparison, subject).map(|row| has_verdict(row, *verdict, &names)).collect()
            }
            Self::Figure { figure, subject, comparison: order, amount } => rows(comparison, subject)
                .map(|row| figure.judge(row, subject, *order, *amount, &names))
                .collect(),
            Self::Refused => Vec::new(),
        };
        let is_missing = match self {
            Self::Verdict(_, subject) | Self::Figure { subject, .. } => {
                !subject.is_everything() && answers.is_empty()
            }
            _ => false,
        };
        if is_missing {
            return (State::CannotTell, vec!["there is no such call on either side".to_owned()]);
        }
        let (mut met, mut unknown, mut denied) = (Vec::new(), Vec::new(), false);
        for answer in answers {
            match answer {
                Answer::Yes(why) => met.push(why),
                Answer::Unknown(why) => unknown.push(why),
                Answer::No => denied = true,
            }
        }
        match (met.is_empty(), unknown.is_empty(), denied) {
            (false, ..) => (State::Met, met),
            // Of many rows some are always too rare to tell; that is news only when all are.
            (true, false, false) => (State::CannotTell, unknown),
            _ => (State::NotMet, Vec::new()),
        }
    }
}

impl Subject {
    fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// The rows a subject names. Waiting calls must be named themselves.
fn rows<'a>(comparison: &'a Comparison, subject: &'a Subject) -> impl Iterator<Item = &'a Change> {
    comparison.rows.iter().filter(move |row| {
        let call = match &subject.call {
            Some(name) => row.call_name().as_ref() == Some(name),
            None => !row.key.waits,
        };
        call && subject.comm.is_none_or(|comm| row.key.comm == Some(comm))
    })
}

fn new_errnos(comparison: &Comparison, wanted: Option<u16>) -> Vec<Answer> {
    let mut totals = std::collections::BTreeMap::<u16, (u64, u64)>::new();
    for errno in comparison.rows.iter().flat_map(|row| &row.errnos) {
        let total = totals.entry(errno.errno).or_default();
        *total = (total.0 + errno.share.before, total.1 + errno.share.after);
    }
    totals
        .into_iter()
        .filter(|&(number, (before, after))| {
            before == 0 && after > 0 && wanted.is_none_or(|wanted| wanted == number)
        })
        .map(|(number, (_, after))| {
            Answer::Yes(format!("{} is new: {} calls", errno::name(number), human::count(after)))
        })
        .collect()
}

fn has_verdict(row: &Change, verdict: Verdict, names: &Names) -> Answer {
    match row.verdict {
        Some(found) if found == verdict => Answer::Yes(format!("{} is {verdict}", names.name(row))),
        Some(Verdict::Inconclusive) | None => {
            Answer::Unknown(format!("{}: too little to tell", names.name(row)))
        }
        Some(_) => Answer::No,
    }
}

impl Figure {
    fn name(self) -> &'static str {
        match self {
            Self::Quantile(at) => QUANTILE_NAMES[at],
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Rate => "rate",
            Self::Time => "time",
            Self::Errors => "errors",
        }
    }

    /// The figure after, in its own unit.
    fn after(self, row: &Change) -> Option<f64> {
        let after = &row.after;
        match self {
            Self::Quantile(at) => row.quantiles[at].after,
            Self::Max => after.max_ns.map(|ns| ns as f64),
            Self::Mean => after.mean_ns,
            Self::Rate => Some(after.rate),
            Self::Time => Some(after.time_per_s),
            Self::Errors => (after.calls > 0).then_some(row.errors.share_after),
        }
    }

    fn ratio(self, row: &Change) -> Option<Ratio> {
        match self {
            Self::Quantile(at) => row.quantiles[at].ratio,
            Self::Mean => row.mean,
            Self::Rate => row.rate,
            Self::Time => row.time,
            // The longest call has no interval; asking for it is taking it as it is.
            Self::Max => row.max_ratio.map(|value| Ratio { value, interval: Some((value, value)) }),
            Self::Errors => None,
        }
    }

    fn shown(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{}/s", human::short_count(value)),
            Self::Errors => format!("{} %", human::percent(value, 1.0)),
            Self::Time => format!("{} a second", latency(value)),
            _ => latency(value),
        }
    }

    fn judge(self, row: &Change, subject: &Subject, order: Order, amount: Amount, names: &Names) -> Answer {
        let name = names.name(row);
        let unknown = |why: &str| Answer::Unknown(format!("{name}: {why}"));
        let (value, limit, interval, neutral, shown) = match amount {
            Amount::After(limit) => {
                let Some(after) = self.after(row) else { return unknown("no such calls after") };
                (after, limit, None, 0.0, self.shown(after))
            }
            Amount::Factor(limit) => {
                let Some(ratio) = self.ratio(row) else { return unknown("not on both sides") };
                (ratio.value, limit, Some(ratio.interval), 1.0, factor(ratio.value))
            }
            Amount::Points(limit) => {
                let Some(interval) = row.errors.difference.or_else(|| self.no_errors(row)) else {
                    return unknown("not on both sides");
                };
                let value = row.errors.share_after - row.errors.share_before;
                (value, limit, Some(Some(interval)), 0.0, format!("{:+.2} points", value * 100.0))
            }
        };
        if !order.holds(value, limit) {
            return Answer::No;
        }
        let upwards = matches!(order, Order::Above | Order::AtLeast);
        // `< +20%` is no claim of a change; `> +20%` and `< -20%` are.
        let claims_change = if upwards { limit > neutral } else { limit < neutral };
        match interval {
            Some(None) => return unknown("too little to tell"),
            Some(Some((low, high))) if claims_change => {
                let is_sure = if upwards { low > neutral } else { high < neutral };
                let is_judged = subject.call.is_some() || self.has_verdict(row, upwards);
                if !(is_sure && is_judged) {
                    return unknown(&format!("{} {shown}, which may be chance", self.name()));
                }
            }
            _ => {}
        }
        Answer::Yes(format!("{name}: {} {shown}", self.name()))
    }

    /// The interval of a row on both sides in which nothing failed.
    fn no_errors(self, row: &Change) -> Option<(f64, f64)> {
        (self == Self::Errors && row.before.calls > 0 && row.after.calls > 0).then_some((0.0, 0.0))
    }

    /// Whether the quantile has a verdict of its own in this direction; what is never judged passes.
    fn has_verdict(self, row: &Change, upwards: bool) -> bool {
        match self {
            Self::Quantile(at) if at < JUDGED => {
                row.quantiles[at].verdict == Some(if upwards { Verdict::Slower } else { Verdict::Faster })
            }
            _ => true,
        }
    }
}

impl Order {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
        }
    }
}
