//! Recordings opened with what data people have: pyarrow and polars, no code of ours. Needs a Python with both,
//! named by `TRACER_PYTHON` (`target/readers/bin/python3` otherwise; `.ci/run` makes it).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use tracer::aggregate::Aggregator;
use tracer::recording::{Item, Reader};
use tracer::syscalls;

/// Calls, errors, total time; by ABI and name.
type Totals = BTreeMap<String, [u64; 3]>;

fn golden(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{kind}-1.arrows"))
}

/// What our own report says.
fn ours(file: &Path) -> Totals {
    let mut reader = Reader::open(File::open(file).expect("opened")).expect("a recording");
    let mut aggregator = Aggregator::new();
    while let Some(item) = reader.next().expect("read") {
        if let Item::Interval(interval) = item {
            aggregator.merge(&interval);
        }
    }
    let mut totals = Totals::new();
    for row in aggregator.snapshot().processes.iter().flat_map(|process| &process.calls) {
        let name = format!("{} {}", row.call.abi.name(), syscalls::plain_name(row.call));
        let sums = totals.entry(name).or_default();
        let stats = &row.stats;
        for (sum, number) in sums.iter_mut().zip([stats.calls, stats.errors, stats.total_ns]) {
            *sum += number;
        }
    }
    totals.retain(|_, sums| sums.iter().any(|&sum| sum > 0));
    totals
}

fn python() -> PathBuf {
    let named = std::env::var_os("TRACER_PYTHON").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/readers/bin/python3"))
}

fn equal_to_other_readers(kind: &str) {
    let file = golden(kind);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/totals.py");
    let output = Command::new(python())
        .arg(script)
        .arg(kind)
        .arg(&file)
        .output()
        .unwrap_or_else(|error| panic!("NOT RUN: no Python at {}: {error}", python().display()));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let expected = ours(&file);
    assert!(expected.len() > 3, "{expected:?}");
    let lines = String::from_utf8(output.stdout).expect("JSON");
    let found: BTreeMap<String, Totals> = lines
        .lines()
        .flat_map(|line| serde_json::from_str::<BTreeMap<String, Totals>>(line).expect("JSON"))
        .collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["polars", "pyarrow"]);
    for (reader, totals) in found {
        assert_eq!(totals, expected, "{reader}");
    }
}

#[test]
#[ignore = "needs a Python with pyarrow and polars"]
fn needs_pyarrow_intervals() {
    equal_to_other_readers("intervals");
}

#[test]
#[ignore = "needs a Python with pyarrow and polars"]
fn needs_pyarrow_events() {
    equal_to_other_readers("events");
}
