//! Tables, JSON and Markdown of comparisons whose truth is known.

use std::collections::BTreeSet;

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::compare::gate::Gate;
use crate::compare::synthetic::{Stream, intervals};
use crate::compare::words::latencies;
use crate::compare::{About, By, Side, Thresholds, Verdict, compare_sides};

const SECOND: u64 = 1_000_000_000;

fn side(label: &str, streams: &[Stream], seed: u64) -> Side {
    let about = About {
        label: label.to_owned(),
        host: "db-7".to_owned(),
        kernel: if label.starts_with('b') { "6.12.1" } else { "6.12.4" }.to_owned(),
        ..About::default()
    };
    Side::of(By::default(), about, &intervals(streams, 30, SECOND, seed))
}

/// fsync became four times faster, reads stayed, ENOENT is gone, an `ftruncate` is new, `epoll_wait` waits.
fn fixed() -> Comparison {
    let fsync =
        Stream { comm: "postgres", nr: 74, calls: 80.0, median_ns: 2e6, spread: 0.7, ..Stream::default() };
    let read = Stream { comm: "postgres", nr: 17, calls: 500.0, ..Stream::default() };
    let open =
        Stream { comm: "nginx", nr: 257, calls: 200.0, median_ns: 1900.0, errors: 0.3, ..Stream::default() };
    let wait = Stream { comm: "nginx", nr: 232, calls: 50.0, median_ns: 2e7, ..Stream::default() };
    let before = [fsync.clone(), read.clone(), open.clone(), wait.clone()];
    let after = [
        Stream { median_ns: 5e5, calls: 100.0, ..fsync },
        read,
        Stream { errors: 0.0, ..open },
        Stream { median_ns: 6e7, ..wait },
        Stream { comm: "postgres", nr: 77, calls: 2.0, median_ns: 4e4, ..Stream::default() },
    ];
    let thresholds = Thresholds { draws: 300, ..Thresholds::default() };
    compare_sides(
        &side("before.arrows", &before, 1),
        &side("after.arrows", &after, 2),
        &thresholds,
        1,
        &|_, _| {},
    )
}

fn conditions(comparison: &Comparison) -> Vec<Outcome> {
    ["p99(fsync) > +20%", "new call", "slower(getpid)"]
        .iter()
        .map(|text| text.parse::<Gate>().expect("a condition").judge(comparison))
        .collect()
}

fn shown<'a>(comparison: &'a Comparison, conditions: &'a [Outcome]) -> Shown<'a> {
    Shown { comparison, conditions, errnos_only: false, all: false }
}

fn table(comparison: &Comparison, layout: Layout) -> String {
    let conditions = conditions(comparison);
    let mut out = Vec::new();
    write_tables(&mut out, &shown(comparison, &conditions), layout).expect("a vector takes everything");
    String::from_utf8(out).expect("text")
}

#[test]
fn tables_of_80_and_120_columns() {
    let comparison = fixed();
    for width in [80, 120] {
        let text = table(&comparison, Layout { width, colour: false });
        assert!(text.lines().all(|line| line.width() <= width), "{text}");
        insta::assert_snapshot!(format!("table_{width}"), text);
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let comparison = fixed();
    let plain = table(&comparison, Layout { width: 120, colour: false });
    let coloured = table(&comparison, Layout { width: 120, colour: true });
    assert!(!plain.contains('\x1b') && coloured.contains('\x1b'));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((text, code)) = rest.split_once("\x1b[") {
        stripped.push_str(text);
        rest = code.split_once('m').expect("a code ends").1;
    }
    stripped.push_str(rest);
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&stripped), lines(&plain));
}

#[test]
fn markdown() {
    let comparison = fixed();
    let conditions = conditions(&comparison);
    let mut out = Vec::new();
    write_markdown(&mut out, &shown(&comparison, &conditions)).expect("a vector takes everything");
    insta::assert_snapshot!(String::from_utf8(out).expect("text"));
}

#[test]
fn json_has_every_row_and_the_same_figures() {
    let comparison = fixed();
    let conditions = conditions(&comparison);
    let out = write_json(Vec::new(), &shown(&comparison, &conditions)).expect("a vector takes everything");
    assert!(out.is_ascii());
    let lines: Vec<Value> = String::from_utf8(out)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object on each line"))
        .collect();
    let types: BTreeSet<&str> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(types, BTreeSet::from(["comparison", "warning", "change", "condition"]));
    let changes: Vec<&Value> = lines.iter().filter(|line| line["type"] == "change").collect();
    assert_eq!(changes.len(), comparison.rows.len());
    for (line, row) in changes.iter().zip(&comparison.rows) {
        assert_eq!(line["verdict"].as_str(), row.verdict.map(Verdict::name));
        assert_eq!(line["before"]["calls"].as_u64(), Some(row.before.calls));
        // Reading JSON may lose the last bit of a number.
        let near = |found: &Value, wanted: Option<f64>| match (found.as_f64(), wanted) {
            (Some(found), Some(wanted)) => (found / wanted - 1.0).abs() < 1e-12,
            (found, wanted) => found.is_none() && wanted.is_none(),
        };
        assert!(near(
            &line["ratios"]["p99"]["low"],
            row.quantiles[2].ratio.and_then(|r| r.interval).map(|i| i.0)
        ));
        assert!(near(&line["after"]["p50_ns"], row.quantiles[0].after));
    }
    let new = changes.iter().find(|line| line["syscall"] == "ftruncate").expect("the new call");
    assert!(new["verdict"] == "new" && new["before"]["p50_ns"].is_null() && new["ratios"]["rate"].is_null());
    assert_eq!(lines.last().map(|line| line["state"].clone()), Some(Value::from("cannot tell")));
}

#[test]
fn no_byte_of_a_hostile_name_reaches_a_terminal() {
    let mut comparison = fixed();
    let evil = crate::process::Comm::new("\x1b[2J|<b>`*");
    comparison.before.about.label = "\x1b]0;owned\x07".to_owned();
    comparison.before.about.host = "\x1b[6n".to_owned();
    for row in &mut comparison.rows {
        row.key.comm = row.key.comm.filter(|comm| comm.as_bytes() == b"nginx").map(|_| evil);
    }
    let text = table(&comparison, Layout { width: 120, colour: false });
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    let mut out = Vec::new();
    write_markdown(&mut out, &shown(&comparison, &[])).expect("a vector takes everything");
    let text = String::from_utf8(out).expect("text");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(!text.contains("<b>") && text.contains("&#60;b&#62;&#96;&#42;"), "{text}");
    let columns = |line: &str| line.matches('|').count();
    for rows in text.split("\n\n").filter(|part| part.starts_with("| command")) {
        assert!(
            rows.lines().all(|line| columns(line) == columns("| a | b | c | d | e | f | g | h |")),
            "{rows}"
        );
    }
}

#[test]
fn pairs_of_latencies_say_the_unit_once() {
    for (before, after, text) in [
        (Some(48e6), Some(3.1e6), "48 -> 3.1 ms"),
        (Some(900e3), Some(1.2e6), "900µs -> 1.2ms"),
        (None, Some(41_000.0), "- -> 41µs"),
        (Some(0.0), Some(999.6), "0ns -> 1.0µs"),
        (Some(5e9), Some(700e9), "5.0 -> 700 s"),
    ] {
        assert_eq!(latencies(before, after), text);
    }
}
