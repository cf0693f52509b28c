//! Files that earlier versions wrote: every version reads them to the same totals.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use super::fixture::{Step, any_steps, read, record};
use crate::aggregate::Aggregator;
use crate::findings::Findings;
use crate::recording::{End, Item, Kind};
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
fn files_of_format_1_have_the_totals_they_had() {
    for name in ["intervals-1", "events-1"] {
        let file = std::fs::read(format!("{DIRECTORY}/{name}.arrows")).expect("in the repository");
        let expected =
            std::fs::read_to_string(format!("{DIRECTORY}/{name}.jsonl")).expect("in the repository");
        let (found, marks) = totals(&file);
        assert_eq!(found, expected);
        assert!(marks > 0);
    }
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
    steps.push(Step::Closed(crate::ledger::LedgerCounts::default()));
    for kind in [Kind::Intervals, Kind::Events] {
        let (_, file) = record(&steps, kind, true);
        let name = format!("{DIRECTORY}/{}-{}", kind.name(), crate::recording::FORMAT_VERSION);
        std::fs::write(format!("{name}.jsonl"), totals(&file).0).expect("written");
        std::fs::write(format!("{name}.arrows"), file).expect("written");
    }
}
