//! Conditions: how they are read, and what they say of comparisons whose truth is known.

use super::*;
use crate::compare::synthetic::{Stream, intervals};
use crate::compare::{Thresholds, compare};

const SECOND: u64 = 1_000_000_000;

fn gate(text: &str) -> Gate {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn comparison(before: &Stream, after: &Stream) -> Comparison {
    let thresholds = Thresholds { draws: 400, ..Thresholds::default() };
    let of = |stream: &Stream, seed| intervals(std::slice::from_ref(stream), 20, SECOND, seed);
    compare(&of(before, 1), &of(after, 2), &thresholds)
}

fn state(text: &str, comparison: &Comparison) -> State {
    gate(text).judge(comparison).state
}

#[test]
fn errors_point_at_the_character() {
    for (text, at, why) in [
        ("", 0, "expected a figure"),
        ("p98(fsync) > +20%", 0, "no figure"),
        ("p99 > 20%", 4, "expected \"(\""),
        ("p99(fsynk) > +20%", 4, "no syscall"),
        ("p99(fsync > +20%", 10, "expected \")\""),
        ("p99(fsync) = +20%", 11, "expected >"),
        ("p99(fsync) >> +20%", 12, "expected an amount"),
        ("p99(fsync) > 20%", 13, "has a sign"),
        ("p99(fsync) > +20", 16, "expected %"),
        ("p99(fsync) > +20% now", 18, "ends before"),
        ("p99(fsync) > 1.2.3x", 13, "no number"),
        ("p99(fsync) > 10", 15, "a unit"),
        ("p99(fsync) < -100%", 13, "100 %"),
        ("errors(*) > 2x", 13, "by points"),
        ("rate(*) > 5ms", 11, "per second"),
        ("new thing", 4, "\"call\" or \"errno\""),
        ("new errno ENOSPACE", 10, "no errno"),
        ("p99(read, ) > 2x", 10, "name of a command"),
        ("p99(read, \"a b) > 2x", 20, "expected \"\"\""),
        ("slower(nginx)", 7, "no syscall"),
    ] {
        let error = text.parse::<Gate>().expect_err(text);
        assert_eq!((error.at, error.why.contains(why)), (at, true), "{text}: {error}");
        let shown = error.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[2].find('^'), Some(at + 2), "{shown}");
        assert!(lines[3].starts_with("why: ") && lines[4].starts_with("next: "), "{shown}");
    }
}

#[test]
fn hostile_conditions_are_shown_escaped_with_the_caret_in_place() {
    let error = "\u{1b}[2J".parse::<Gate>().expect_err("no condition");
    assert_eq!(error.to_string().lines().nth(1), Some("  \\x1b[2J"));
    let error = "rate(*) > \u{1b}".parse::<Gate>().expect_err("no condition").to_string();
    assert!(error.chars().all(|c| c == '\n' || !c.is_control()), "{error:?}");
}

#[test]
fn blanks_do_not_matter() {
    let one = gate("p99(fsync,nginx)>=+20%");
    assert_eq!(one.condition, gate(" p99 ( fsync , \"nginx\" )  >= +20 % ").condition);
    assert_eq!(gate("slower(*)").condition, gate("slower").condition);
    assert_eq!(gate("p50(read) > 1500us").condition, gate("p50(read) > 1.5ms").condition);
}

#[test]
fn a_slower_call_meets_what_it_should_and_nothing_else() {
    let before = Stream { nr: 74, ..Stream::default() };
    let after = Stream { median_ns: before.median_ns * 1.5, errors: 0.02, ..before.clone() };
    let slower = comparison(&before, &after);
    for text in [
        "slower",
        "slower(fsync)",
        "p50(fsync) > +20%",
        "p99(*) > +20%",
        "p90(fsync, app) > 1.2x",
        "mean(fsync) > +20%",
        "p50(fsync) > 5us",
        "max(fsync) > 1us",
        "errors(fsync) > 0.1%",
        "errors(fsync) > +1%",
        "new errno",
        "new errno ENOENT",
        "rate(fsync) < +50%",
        "rate(fsync) > 10/s",
        "time(fsync) > +20%",
        "p50(fsync) < +90%",
    ] {
        let outcome = gate(text).judge(&slower);
        assert_eq!(outcome.state, State::Met, "{text}");
        assert!(!outcome.because.is_empty() && outcome.because.iter().all(|line| !line.is_empty()));
    }
    for text in [
        "faster",
        "p50(fsync) > +90%",
        "p50(fsync) < -5%",
        "new errno ENOSPC",
        "new call",
        "refused",
        "errors(fsync) > 5%",
        "rate(fsync) > +30%",
        "p50(fsync) > 1s",
    ] {
        assert_eq!(state(text, &slower), State::NotMet, "{text}");
    }
    for text in ["p99(read) > +20%", "slower(fsync, other)", "p50(fsync, \"o t\") > 2x"] {
        assert_eq!(state(text, &slower), State::CannotTell, "{text}");
    }
}

#[test]
fn chance_meets_no_condition() {
    // Few calls that vary much: the median moves by far more than 1 %, and it means nothing.
    let rare = Stream { nr: 74, calls: 3.0, spread: 1.5, ..Stream::default() };
    let same = comparison(&rare, &rare);
    let moved = same.rows[0].quantiles[0].ratio.expect("on both sides").value;
    assert!((moved - 1.0).abs() > 0.01, "{moved}");
    let text = if moved > 1.0 { "p50(fsync) > +1%" } else { "p50(fsync) < -1%" };
    let outcome = gate(text).judge(&same);
    assert_eq!(outcome.state, State::CannotTell);
    assert!(outcome.because[0].contains("may be chance"), "{outcome:?}");
}

#[test]
fn nothing_is_met_where_nothing_is_judged_but_that() {
    let stream = Stream::default();
    let data = intervals(&[stream], 12, SECOND, 1);
    let refused = compare(&data, &[], &Thresholds::default());
    assert_eq!(state("slower", &refused), State::CannotTell);
    assert_eq!(state("refused", &refused), State::Met);
}
