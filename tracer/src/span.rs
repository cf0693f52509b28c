//! Which part of a recording is meant: from a moment to a moment, each given as a time of day, a date and
//! time, an offset or the name of a mark. Pure: clock and time zone come from the caller.
//!
//! Intervals are never cut. One belongs to a part when its middle does, so parts that touch share no call
//! and leave none out.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::config::values::parse_duration;
use crate::human::{self, safe_text};
use crate::interval::Interval;
use crate::recording::Mark;

/// Marks that an error lists.
const LISTED: usize = 8;

/// A point in a recording, as a person names it.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// `+30s`: so many ns after the beginning.
    AfterStart(u64),
    /// `-1m`: so many ns before the end.
    BeforeEnd(u64),
    /// `14:02:11`: the time of day, on the day that fits the recording.
    TimeOfDay(Time),
    /// `2026-11-22 14:02:11`: in the reader's time zone.
    Local(DateTime),
    /// `2026-11-22T14:02:11Z`.
    Exact(Timestamp),
    /// Anything else: the text of a mark, or `mark:TEXT` where it looks like one of the above.
    Mark(String),
}

/// What is asked for; nothing given is everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Where it begins.
    pub from: Option<Moment>,
    /// Where it ends.
    pub to: Option<Moment>,
}

/// What is known of the recording that a selection is made from.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// `CLOCK_MONOTONIC` of its beginning.
    pub start_ns: u64,
    /// `CLOCK_MONOTONIC` of its end; `None` when it is still being read.
    pub end_ns: Option<u64>,
    /// The beginning in ns since 1970.
    pub start_unix_ns: u64,
    /// Its marks, by time.
    pub marks: &'a [Mark],
}

/// A part of a recording: `from_ns` inclusive, `to_ns` exclusive, on the recording's `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub from_ns: u64,
    /// Where it ends.
    pub to_ns: u64,
}

/// Why there is no such part.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpanError {
    /// Nothing after a sign, or no duration.
    #[error("'{0}' is no offset; write +30s after the beginning or -1m before the end")]
    Offset(String),
    /// No text at all.
    #[error("a moment is 14:02:11, 2026-11-22T14:02:11Z, +30s, -1m or the name of a mark")]
    Empty,
    /// No mark of this name, and no time either.
    #[error("error: '{text}' is no time and no mark of this recording\nwhy: {marks}\nnext: {next}")]
    NoSuchMark {
        /// As given, safe to show.
        text: String,
        /// Which marks there are.
        marks: String,
        /// What to write instead.
        next: &'static str,
    },
    /// The end of the recording, or its marks, are not known yet.
    #[error(
        "error: '{text}' cannot be found in a recording that comes through a pipe\n\
         why: offsets from the end and marks are known only when all of it has been read\n\
         next: save it to a file first, or give a time or +OFFSET"
    )]
    NotYetKnown {
        /// As given, safe to show.
        text: String,
    },
    /// Not a moment that a clock can show.
    #[error(
        "error: '{0}' cannot be placed in time\nwhy: the clock of that day skips it, or it is out of range"
    )]
    OutOfRange(String),
    /// The part would be empty.
    #[error(
        "error: nothing is recorded from {from} to {to}\nwhy: {why}\n\
         next: `tracer info FILE` tells its beginning, its end and its marks"
    )]
    Nothing {
        /// Its beginning, for people.
        from: String,
        /// Its end, for people.
        to: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Moment {
    /// Reads one; the error follows clap's "invalid value".
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let text = text.trim();
        let offset = |digits: &str| {
            parse_duration(digits)
                .map(|duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
                .map_err(|_| SpanError::Offset(safe_text(text.as_bytes())))
        };
        if text.is_empty() {
            return Err(SpanError::Empty);
        }
        if let Some(mark) = text.strip_prefix("mark:") {
            return Ok(Self::Mark(mark.to_owned()));
        }
        if let Some(after) = text.strip_prefix('+') {
            return offset(after).map(Self::AfterStart);
        }
        if let Some(before) = text.strip_prefix('-') {
            return offset(before).map(Self::BeforeEnd);
        }
        if let Some(time) = time_of_day(text) {
            return Ok(Self::TimeOfDay(time));
        }
        if let Ok(exact) = text.parse::<Timestamp>() {
            return Ok(Self::Exact(exact));
        }
        // A date alone would be midnight, which nobody means by naming a mark `2026`.
        if text.contains(':')
            && text.starts_with(|c: char| c.is_ascii_digit())
            && let Ok(local) = text.parse::<DateTime>()
        {
            return Ok(Self::Local(local));
        }
        Ok(Self::Mark(text.to_owned()))
    }

    /// Whether it can be found only when the whole recording has been read.
    fn needs_whole(&self) -> bool {
        matches!(self, Self::BeforeEnd(_) | Self::Mark(_))
    }

    /// Where it lies on the recording's clock. Marks are looked for from `after_ns` on.
    fn resolve(&self, bounds: &Bounds<'_>, zone: &TimeZone, after_ns: u64) -> Result<u64, SpanError> {
        let out_of_range = || SpanError::OutOfRange(self.to_string());
        let local = |at: DateTime| {
            zone.to_timestamp(at).map(|at| bounds.monotonic_ns(at)).map_err(|_| out_of_range())
        };
        match self {
            Self::AfterStart(ns) => Ok(bounds.start_ns.saturating_add(*ns)),
            Self::BeforeEnd(ns) => {
                let end_ns = bounds.end_ns.ok_or_else(|| self.not_yet_known())?;
                Ok(end_ns.saturating_sub(*ns))
            }
            Self::Exact(at) => Ok(bounds.monotonic_ns(*at)),
            Self::Local(at) => local(*at),
            Self::TimeOfDay(time) => {
                let start = bounds.unix(bounds.start_ns).ok_or_else(out_of_range)?;
                let first = zone.to_datetime(start).date();
                let start_ns = i128::from(bounds.start_ns);
                let end_ns = i128::from(bounds.end_ns.unwrap_or(bounds.start_ns));
                let days = bounds.duration_ns() / 86_400_000_000_000 + 3;
                let mut day = first.yesterday().map_err(|_| out_of_range())?;
                let mut best: Option<(i128, Timestamp)> = None;
                for _ in 0..days {
                    // The clock may skip this time on one day and not on the others.
                    if let Ok(at) = zone.to_timestamp(day.to_datetime(*time)) {
                        let at_ns = bounds.since_boot_ns(at);
                        let outside = (start_ns - at_ns).max(0) + (at_ns - end_ns).max(0);
                        if best.is_none_or(|(least, _)| outside < least) {
                            best = Some((outside, at));
                        }
                    }
                    let Ok(next) = day.tomorrow() else { break };
                    day = next;
                }
                best.map(|(_, at)| bounds.monotonic_ns(at)).ok_or_else(out_of_range)
            }
            Self::Mark(text) => {
                if bounds.end_ns.is_none() {
                    return Err(self.not_yet_known());
                }
                find_mark(bounds, text, after_ns).ok_or_else(|| SpanError::NoSuchMark {
                    text: safe_text(text.as_bytes()),
                    marks: list_marks(bounds),
                    next: "write 14:02:11, 2026-11-22T14:02:11Z, +30s, -1m or the text of one of its marks",
                })
            }
        }
    }

    fn not_yet_known(&self) -> SpanError {
        SpanError::NotYetKnown { text: self.to_string() }
    }
}

/// As it would be written, safe to show.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AfterStart(ns) => write!(f, "+{}", human::duration(*ns)),
            Self::BeforeEnd(ns) => write!(f, "-{}", human::duration(*ns)),
            Self::TimeOfDay(time) => write!(f, "{time}"),
            Self::Local(at) => write!(f, "{at}"),
            Self::Exact(at) => write!(f, "{at}"),
            Self::Mark(text) => f.write_str(&safe_text(text.as_bytes())),
        }
    }
}

impl Selection {
    /// Whether it asks for everything.
    pub fn is_everything(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether [`Selection::resolve`] needs the end and the marks, for which all of it must be read.
    pub fn needs_whole(&self) -> bool {
        self.from.iter().chain(&self.to).any(Moment::needs_whole)
    }

    /// The part of a recording that is meant. `zone` is where the reader's clock hangs.
    pub fn resolve(&self, bounds: &Bounds<'_>, zone: &TimeZone) -> Result<Span, SpanError> {
        let from_ns = self.from.as_ref().map(|at| at.resolve(bounds, zone, 0)).transpose()?;
        // The second of two equal marks ends what the first one begins.
        let after_ns = from_ns.map_or(0, |ns| ns.saturating_add(1));
        let to_ns = self.to.as_ref().map(|at| at.resolve(bounds, zone, after_ns)).transpose()?;
        let span = Span { from_ns: from_ns.unwrap_or(0), to_ns: to_ns.unwrap_or(u64::MAX) };
        let why = if span.from_ns >= span.to_ns {
            "it would end before it begins".to_owned()
        } else if span.to_ns <= bounds.start_ns || bounds.end_ns.is_some_and(|end| span.from_ns >= end) {
            let end = bounds.end_ns.unwrap_or(u64::MAX);
            format!(
                "the recording runs from {} to {}",
                bounds.clock_text(bounds.start_ns, zone),
                bounds.clock_text(end, zone)
            )
        } else {
            return Ok(span);
        };
        Err(SpanError::Nothing {
            from: bounds.clock_text(span.from_ns.max(1), zone),
            to: bounds.clock_text(span.to_ns, zone),
            why,
        })
    }
}

impl Span {
    /// All of it.
    pub const EVERYTHING: Self = Self { from_ns: 0, to_ns: u64::MAX };

    /// Whether an interval belongs to it.
    pub fn holds(&self, interval: &Interval) -> bool {
        self.holds_time(interval.start_ns + interval.duration_ns() / 2)
    }

    /// Whether a moment on `CLOCK_MONOTONIC` lies in it.
    pub fn holds_time(&self, ns: u64) -> bool {
        (self.from_ns..self.to_ns).contains(&ns)
    }
}

impl Bounds<'_> {
    fn duration_ns(&self) -> u64 {
        self.end_ns.map_or(0, |end| end.saturating_sub(self.start_ns))
    }

    /// A moment on `CLOCK_MONOTONIC` as one of the calendar; `None` beyond the year 9999.
    pub fn unix(&self, at_ns: u64) -> Option<Timestamp> {
        let unix_ns = i128::from(self.start_unix_ns) + i128::from(at_ns) - i128::from(self.start_ns);
        Timestamp::from_nanosecond(unix_ns).ok()
    }

    /// A moment of the calendar on `CLOCK_MONOTONIC`; before the boot it is 0.
    fn monotonic_ns(&self, at: Timestamp) -> u64 {
        u64::try_from(self.since_boot_ns(at).max(0)).unwrap_or(u64::MAX)
    }

    /// The same, negative before the boot.
    fn since_boot_ns(&self, at: Timestamp) -> i128 {
        at.as_nanosecond() - i128::from(self.start_unix_ns) + i128::from(self.start_ns)
    }

    /// A moment for people: `2026-11-22 14:02:11`. `the beginning` and `the end` where there is no other.
    fn clock_text(&self, at_ns: u64, zone: &TimeZone) -> String {
        match at_ns {
            0 | 1 => "the beginning".to_owned(),
            u64::MAX => "the end".to_owned(),
            _ => self.unix(at_ns).map_or_else(
                || "?".to_owned(),
                |at| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            ),
        }
    }
}

/// `14:02`, `14:02:11`, `14:02:11.5`.
fn time_of_day(text: &str) -> Option<Time> {
    let is_time = text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte));
    if !is_time || !text.contains(':') {
        return None;
    }
    let padded = if text.as_bytes()[1] == b':' { format!("0{text}") } else { text.to_owned() };
    padded.parse().ok()
}

/// The first mark from `after_ns` on whose text this is; where there is none, the only one that contains it.
fn find_mark(bounds: &Bounds<'_>, text: &str, after_ns: u64) -> Option<u64> {
    let mut later = bounds.marks.iter().filter(|mark| mark.time_ns >= after_ns);
    if let Some(mark) = later.clone().find(|mark| mark.text == text) {
        return Some(mark.time_ns);
    }
    let wanted = text.to_lowercase();
    let mut alike = later.by_ref().filter(|mark| mark.text.to_lowercase().contains(&wanted));
    match (alike.next(), alike.next()) {
        (Some(mark), None) => Some(mark.time_ns),
        _ => None,
    }
}

fn list_marks(bounds: &Bounds<'_>) -> String {
    if bounds.marks.is_empty() {
        return "it has no marks".to_owned();
    }
    let listed: Vec<String> = bounds
        .marks
        .iter()
        .take(LISTED)
        .map(|mark| {
            let offset = human::duration(mark.time_ns.saturating_sub(bounds.start_ns));
            format!("'{}' at +{offset}", safe_text(mark.text.as_bytes()))
        })
        .collect();
    let more = match bounds.marks.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("its marks are {}{more}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    fn marks() -> Vec<Mark> {
        [(110, "deployed"), (130, "rolled back"), (150, "deployed"), (160, "+5s")]
            .map(|(s, text)| Mark { time_ns: s * S, text: text.to_owned() })
            .to_vec()
    }

    /// 100 s of uptime at 2026-11-22 23:59:00 UTC, two minutes long.
    fn resolve(from: Option<&str>, to: Option<&str>) -> Result<(u64, u64), SpanError> {
        let start: Timestamp = "2026-11-22T23:59:00Z".parse().expect("a time");
        let marks = marks();
        let bounds = Bounds {
            start_ns: 100 * S,
            end_ns: Some(220 * S),
            start_unix_ns: start.as_nanosecond() as u64,
            marks: &marks,
        };
        let moment = |text: Option<&str>| text.map(|text| Moment::parse(text).expect("a moment"));
        let selection = Selection { from: moment(from), to: moment(to) };
        selection.resolve(&bounds, &TimeZone::UTC).map(|span| (span.from_ns / S, span.to_ns / S))
    }

    #[test]
    fn every_way_to_name_a_moment_finds_it() {
        for (text, second) in [
            ("+30s", 130),
            ("-1m", 160),
            ("-1.5", 218),
            ("23:59:10", 110),
            ("0:00:30", 190),
            ("00:00", 160),
            ("2026-11-23T00:00:01Z", 161),
            ("2026-11-23T01:00:01+01:00", 161),
            ("2026-11-22 23:59:42", 142),
            ("rolled back", 130),
            ("ROLLED", 130),
            ("deployed", 110),
            ("mark:+5s", 160),
        ] {
            assert_eq!(resolve(Some(text), None).map(|span| span.0), Ok(second), "{text}");
        }
        assert_eq!(resolve(Some("deployed"), Some("deployed")), Ok((110, 150)));
        // Before the boot there is nothing, so there is nothing earlier to begin with.
        assert_eq!(resolve(Some("23:00"), Some("00:00:10")), Ok((0, 170)));
    }

    #[test]
    fn a_time_before_the_recording_clamps_instead_of_moving_to_the_next_day() {
        let (from, to) = resolve(Some("23:58"), Some("23:59:30")).expect("a part");
        assert_eq!((from, to), (40, 130));
    }

    #[test]
    fn a_time_after_the_recording_is_not_one_of_the_day_before_it() {
        // Yesterday's is before the boot, which is no reason to take it for near.
        assert!(matches!(resolve(Some("01:00"), None), Err(SpanError::Nothing { .. })));
    }

    #[test]
    fn what_holds_nothing_is_refused_in_words() {
        let text = |from, to| resolve(from, to).expect_err("nothing").to_string();
        assert!(
            text(Some("+2m"), None).contains("runs from 2026-11-22 23:59:00.000 to 2026-11-23 00:01:00.000")
        );
        assert!(text(Some("+30s"), Some("+20s")).contains("end before it begins"));
        let wrong = text(Some("deplyed"), None);
        assert!(wrong.contains("its marks are 'deployed' at +10.0 s, 'rolled back'"), "{wrong}");
        assert_eq!(Moment::parse("+x"), Err(SpanError::Offset("+x".to_owned())));
        assert_eq!(Moment::parse(" "), Err(SpanError::Empty));
    }

    #[test]
    fn a_pipe_knows_neither_its_end_nor_its_marks() {
        let bounds = Bounds { start_ns: 100 * S, end_ns: None, start_unix_ns: 0, marks: &[] };
        for (text, known) in [("-1m", false), ("deployed", false), ("+5s", true), ("00:00:07", true)] {
            let selection = Selection { from: Some(Moment::parse(text).expect("a moment")), to: None };
            assert_eq!(selection.needs_whole(), !known, "{text}");
            assert_eq!(selection.resolve(&bounds, &TimeZone::UTC).is_ok(), known, "{text}");
        }
    }

    #[test]
    fn the_reader_s_zone_counts_for_times_without_one() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let bounds = Bounds { start_ns: S, end_ns: Some(100 * S), start_unix_ns: 0, marks: &[] };
        let selection = Selection { from: Some(Moment::parse("02:00:09").expect("a moment")), to: None };
        assert_eq!(selection.resolve(&bounds, &zone).expect("a part").from_ns, 10 * S);
    }

    proptest! {
        #[test]
        fn touching_parts_hold_each_interval_once(start in 0u64..1000, length in 1u64..1000, cut in 0u64..3000) {
            let interval = Interval { start_ns: start, end_ns: start + length, ..Interval::default() };
            let before = Span { from_ns: 0, to_ns: cut };
            let after = Span { from_ns: cut, to_ns: u64::MAX };
            prop_assert!(before.holds(&interval) != after.holds(&interval));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), start in any::<u64>(), end in any::<u64>(), unix in any::<u64>()) {
            if let Ok(moment) = Moment::parse(&text) {
                let marks = marks();
                let bounds = Bounds { start_ns: start, end_ns: Some(end), start_unix_ns: unix, marks: &marks };
                let selection = Selection { from: Some(moment.clone()), to: Some(moment) };
                let _ = selection.resolve(&bounds, &TimeZone::UTC);
            }
        }
    }
}
