//! Files that earlier versions wrote: every version reads them to the same totals.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value};

use super::fixture::{Step, any_steps, meta, read, record};
use crate::aggregate::Aggregator;
use crate::findings::Findings;
use crate::interval::tests::any_interval;
use crate::recording::{End, FORMAT_VERSION, Item, Kind, Mark, Writer};
use crate::report::json::JsonLines;
use crate::snapshot::Snapshot;

/// Where they lie.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

fn totals(file: &[u8]) -> (String, usize) {
    let (items, end) = read(file).expect("a recording");
    assert_eq!(end, End::Clean);
    let (mut aggregator, mut marks) = (Aggregator::new(), 0);
    for item in items {
        match item {
            Item::Interval(interval) => aggregator.merge(&interval),
            Item::Mark(_) => marks += 1,
        }
    }
    let mut lines = JsonLines::new(Vec::new());
    // Figures are promised; what stands out of them is an opinion, and rules may change.
    let figures = Snapshot { findings: Findings::default(), ..aggregator.snapshot() };
    lines.totals(&figures).expect("written");
    (String::from_utf8(lines.into_inner()).expect("ASCII"), marks)
}

#[test]
fn files_of_all_formats_have_the_totals_they_had() {
    for name in ["intervals-1", "events-1", "full-1", "intervals-2", "events-2", "full-2"] {
        let file = std::fs::read(format!("{DIRECTORY}/{name}.arrows")).expect("in the repository");
        let expected =
            std::fs::read_to_string(format!("{DIRECTORY}/{name}.jsonl")).expect("in the repository");
        let (found, marks) = totals(&file);
        assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
        for (now, then) in found.lines().zip(expected.lines()) {
            assert_is_kept(&object(then), &object(now));
        }
        assert!(marks > 0);
    }
}

/// It should be recorded anew when the format changes: `tracer/demo/stage.sh`.
#[test]
fn the_incident_that_is_built_in_is_whole() {
    let (items, end) = read(include_bytes!("../../../demo/incident.arrows")).expect("a recording");
    assert_eq!(end, End::Clean);
    assert!(items.len() > 20 && items.iter().any(|item| matches!(item, Item::Mark(_))));
}

/// A later version may say more; what was said then it still says.
fn assert_is_kept(then: &Map<String, Value>, now: &Map<String, Value>) {
    for (field, value) in then {
        assert_eq!(now.get(field), Some(value), "{field}");
    }
}

fn object(line: &str) -> Map<String, Value> {
    serde_json::from_str(line).expect("an object")
}

/// `cargo test -p tracer --lib write_golden -- --ignored`
#[test]
#[ignore = "writes the golden files of a new format version"]
fn write_golden() {
    let mut runner = TestRunner::deterministic();
    let mut steps = Vec::new();
    while steps.len() < 120 {
        steps.extend(any_steps(true).new_tree(&mut runner).expect("a run").current());
    }
    steps.push(Step::Closed(Box::default()));
    let written = |name: &str, file: &[u8]| {
        let name = format!("{DIRECTORY}/{name}-{FORMAT_VERSION}");
        std::fs::write(format!("{name}.jsonl"), totals(file).0).expect("written");
        std::fs::write(format!("{name}.arrows"), file).expect("written");
    };
    for kind in [Kind::Intervals, Kind::Events] {
        written(kind.name(), &record(&steps, kind, true).1);
    }
    // Everything that a cell can hold, whether a run would make it or not.
    let mut writer = Writer::new(Vec::new(), &meta(true), Kind::Intervals).expect("written");
    for second in 6..40 {
        let interval =
            any_interval(second * 1_000_000_000).new_tree(&mut runner).expect("an interval").current();
        writer.interval(&interval).expect("written");
    }
    writer.mark(&Mark { time_ns: 7_000_000_000, text: "done".to_owned() }).expect("written");
    written("full", &writer.finish().expect("written"));
}
