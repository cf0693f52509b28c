//! Ways to another moment: what the keys and the prompt ask for.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::message::Command;
use super::model::Model;
use crate::config::values;
use crate::human;
use crate::timeline::{Timeline, Transport};

/// What a command asks of whoever moves along the axis; `None` when it is not about time.
pub(crate) fn asked_by(model: &Model, command: Command) -> Option<Transport> {
    let timeline = model.timeline.as_deref()?;
    Some(match command {
        Command::TogglePause => Transport::TogglePause,
        Command::TogglePlay => Transport::TogglePlay,
        Command::Step(by) => Transport::Step(i32::from(by)),
        Command::Faster(by) => Transport::Faster(by),
        Command::ToStart => Transport::Seek(timeline.start_ns),
        Command::ToEnd => Transport::SeekEnd,
        Command::ToMark(by) => Transport::ToMark(by),
        Command::MarkSpan => Transport::MarkSpan,
        _ => return None,
    })
}

/// Reads a moment: `14:02:11`, `2026-11-22 14:02`, `+30s`, `-10s`, `90s` (since the start), `50%`, `start`,
/// `end`, or the beginning of a mark's name. The error is a sentence.
pub(crate) fn read(text: &str, timeline: &Timeline, zone: &TimeZone) -> Result<Transport, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a time, a span, a share or a mark".to_owned());
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.trim().parse().map_err(|_| format!("no share: {}", shown(text)))?;
        return Ok(Transport::Seek(timeline.at_fraction(percent / 100.0)));
    }
    for (sign, forward) in [('+', true), ('-', false)] {
        if let Some(span) = text.strip_prefix(sign) {
            let ns = span_ns(span).ok_or_else(|| format!("no span of time: {}", shown(text)))?;
            let at = timeline.position_ns;
            return Ok(Transport::Seek(if forward { at.saturating_add(ns) } else { at.saturating_sub(ns) }));
        }
    }
    // A mark named like a time is reached by n and N.
    if let Ok(time) = text.parse::<Time>()
        && text.contains(':')
    {
        return moment_of(time, timeline, zone);
    }
    if let Ok(moment) = text.parse::<DateTime>()
        && text.contains(':')
    {
        let moment = moment.to_zoned(zone.clone()).map_err(|_| format!("no such time: {}", shown(text)))?;
        let ns = timeline.clock.monotonic_ns(moment.timestamp().as_nanosecond());
        return within(ns, timeline, zone);
    }
    if let Some(mark) = mark_named(text, timeline) {
        return Ok(Transport::Seek(mark));
    }
    match text.to_lowercase().as_str() {
        "start" => Ok(Transport::Seek(timeline.start_ns)),
        "end" => Ok(Transport::SeekEnd),
        text => match span_ns(text) {
            Some(ns) => Ok(Transport::Seek(timeline.start_ns.saturating_add(ns))),
            None => Err(format!("no time and no mark: {}", shown(text))),
        },
    }
}

fn shown(text: &str) -> String {
    human::safe_text(text.as_bytes())
}

fn span_ns(text: &str) -> Option<u64> {
    let span = values::parse_duration(text.trim()).ok()?;
    u64::try_from(span.as_nanos()).ok()
}

/// The moment with this time of day that is nearest to the one shown.
fn moment_of(time: Time, timeline: &Timeline, zone: &TimeZone) -> Result<Transport, String> {
    let day = |ns: u64| {
        let moment = Timestamp::from_nanosecond(timeline.clock.unix_ns(ns)).ok()?;
        Some(moment.to_zoned(zone.clone()).date())
    };
    let unknown = || "the time of day of this run is not known".to_owned();
    let here = day(timeline.position_ns).ok_or_else(unknown)?;
    let around = [here.checked_sub(1.day()), Ok(here), here.checked_add(1.day())];
    let mut moments: Vec<u64> = around
        .into_iter()
        .flatten()
        .filter_map(|date| date.to_datetime(time).to_zoned(zone.clone()).ok())
        .map(|moment| timeline.clock.monotonic_ns(moment.timestamp().as_nanosecond()))
        .collect();
    let outside = |ns: &u64| *ns < whole_second(timeline, timeline.start_ns) || *ns > timeline.end_ns;
    moments.sort_by_key(|ns| (outside(ns), ns.abs_diff(timeline.position_ns)));
    within(*moments.first().ok_or_else(unknown)?, timeline, zone)
}

/// A moment of the run, or what the run spans.
fn within(ns: u64, timeline: &Timeline, zone: &TimeZone) -> Result<Transport, String> {
    // Whoever types whole seconds means the second in which the run began, too.
    if (whole_second(timeline, timeline.start_ns)..=timeline.end_ns).contains(&ns) {
        return Ok(Transport::Seek(ns));
    }
    let clock = |ns: u64| {
        let moment = Timestamp::from_nanosecond(timeline.clock.unix_ns(ns)).unwrap_or_default();
        moment.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
    };
    Err(format!("outside: from {} to {}", clock(timeline.start_ns), clock(timeline.end_ns)))
}

/// The beginning of the second in which a moment lies.
fn whole_second(timeline: &Timeline, ns: u64) -> u64 {
    ns.saturating_sub(timeline.clock.unix_ns(ns).rem_euclid(1_000_000_000) as u64)
}

/// The mark of this name, or the first whose name begins with it, or has it in it.
fn mark_named(text: &str, timeline: &Timeline) -> Option<u64> {
    let wanted = text.to_lowercase();
    let names: Vec<(String, u64)> =
        timeline.marks.iter().map(|mark| (mark.text.to_lowercase(), mark.time_ns)).collect();
    let fits: [&dyn Fn(&str) -> bool; 3] =
        [&|name| name == wanted, &|name| name.starts_with(&wanted), &|name| name.contains(&wanted)];
    fits.iter().find_map(|fits| names.iter().find(|(name, _)| fits(name)).map(|(_, time_ns)| *time_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Activity, Clock, Mark};

    const SECOND: u64 = 1_000_000_000;

    /// From 23:55:00.5 to 00:05:00.5 UTC; 23:58:20.5 is shown.
    fn night() -> Timeline {
        let start: Timestamp = "2026-11-22T23:55:00.5Z".parse().expect("a time");
        let clock = Clock { monotonic_ns: 7 * SECOND, unix_ns: start.as_nanosecond() as u64 };
        let mut timeline = Timeline::new(clock);
        timeline.extend(7 * SECOND, 607 * SECOND, Activity::default());
        (timeline.reach_ns, timeline.position_ns) = (7 * SECOND, 207 * SECOND);
        for (time_ns, text) in [(300 * SECOND, "Deployed v2"), (400 * SECOND, "rolled back")] {
            timeline.mark(Mark { time_ns, text: text.to_owned() });
        }
        timeline
    }

    fn seconds(text: &str) -> Result<f64, String> {
        match read(text, &night(), &TimeZone::UTC)? {
            Transport::Seek(ns) => Ok((ns as f64 - 7e9) / 1e9),
            Transport::SeekEnd => Ok(600.0),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        for (text, wanted) in [
            ("+30s", 230.0),
            ("-10s", 190.0),
            ("+1m", 260.0),
            ("90s", 90.0),
            ("50%", 300.0),
            ("start", 0.0),
            ("End", 600.0),
            ("23:56:00.5", 60.0),
            ("23:57", 119.5),
            ("23:55:00", -0.5),
            ("00:01:00", 359.5),
            ("2026-11-23 00:02:00", 419.5),
            ("deploy", 293.0),
            ("back", 393.0),
            (" +0.5s ", 200.5),
        ] {
            let got = seconds(text).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
            assert!((got - wanted).abs() < 1e-6, "{text}: {got} and not {wanted}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused_in_words() {
        assert_eq!(seconds("14:02:11"), Err("outside: from 23:55:00 to 00:05:00".to_owned()));
        for text in ["", "x", "+", "-x", "x%", "25:00", "2026-02-30 10:00", "\u{1b}[2J"] {
            let refusal = seconds(text).expect_err(text);
            assert!(refusal.chars().all(|c| !c.is_control()), "{refusal:?}");
        }
    }
}
