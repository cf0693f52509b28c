//! Recordings and exports opened with what data people have: pyarrow, polars and `DuckDB`, no code of ours. Needs
//! a Python with all three, named by `TRACER_PYTHON` (`target/readers/bin/python3` otherwise; `.ci/run` makes it).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tracer::aggregate::Aggregator;
use tracer::interval::CallKey;
use tracer::recording::{Item, Reader};
use tracer::syscalls;
use tracer_common::abi::Abi;

/// Calls, errors, total time; by ABI and name.
type Totals = BTreeMap<String, [u64; 3]>;

fn golden(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{kind}-2.arrows"))
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

/// What a script of this directory prints.
fn script(name: &str, arguments: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(name);
    let output = Command::new(python())
        .arg(script)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("NOT RUN: no Python at {}: {error}", python().display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("JSON")
}

/// What a verb of the tracer prints.
fn tracer(arguments: &[&str], file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tracer")).args(arguments).arg(file).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn equal_to_other_readers(kind: &str) {
    let file = golden(kind);
    let lines = script("totals.py", &[Path::new(kind), &file]);
    let expected = ours(&file);
    assert!(expected.len() > 3, "{expected:?}");
    let found: BTreeMap<String, Totals> = lines
        .lines()
        .flat_map(|line| serde_json::from_str::<BTreeMap<String, Totals>>(line).expect("JSON"))
        .collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["polars", "pyarrow"]);
    for (reader, totals) in found {
        assert_eq!(totals, expected, "{reader}");
    }
}

/// The name under which tables and exports show a call, whose ABI a line of JSON has beside it.
fn shown(abi: &str, syscall: &str) -> String {
    let abi = Abi::ALL.into_iter().find(|known| known.name() == abi).expect("a known ABI");
    let nr = syscalls::number(abi, syscall).expect("a number");
    syscalls::name(CallKey { abi, nr }).into_owned()
}

/// Sums by syscall of the Parquet export, against those of `tracer report --json`.
fn parquet_equal_to_report(kind: &str) {
    let file = golden(kind);
    let directory = tempfile::tempdir().expect("a directory");
    let parquet = directory.path().join("x.parquet");
    tracer(&["export", "--to", "parquet", "-o", parquet.to_str().expect("text")], &file);
    let found: Totals = serde_json::from_str(&script("parquet.py", &[&parquet])).expect("JSON");
    let mut expected = Totals::new();
    for line in tracer(&["report", "--json"], &file).lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let counts = ["calls", "errors", "total_ns"].map(|name| line[name].as_u64());
        if let ("cell", "total", [Some(calls), Some(errors), Some(total_ns)]) =
            (line["type"].as_str().expect("text"), line["scope"].as_str().unwrap_or_default(), counts)
        {
            let text = |name: &str| line[name].as_str().expect("text");
            let sums = expected.entry(shown(text("abi"), text("syscall"))).or_default();
            for (sum, number) in sums.iter_mut().zip([calls, errors, total_ns]) {
                *sum += number;
            }
        }
    }
    // Calls that only were in flight have a row in the report and none in the export.
    expected.retain(|_, sums| sums.iter().any(|&sum| sum > 0));
    assert!(expected.len() > 3, "{expected:?}");
    assert_eq!(found, expected);
}

#[test]
#[ignore = "needs a Python with pyarrow, polars and DuckDB"]
fn needs_python_intervals() {
    equal_to_other_readers("intervals");
}

#[test]
#[ignore = "needs a Python with pyarrow, polars and DuckDB"]
fn needs_python_events() {
    equal_to_other_readers("events");
}

#[test]
#[ignore = "needs a Python with pyarrow, polars and DuckDB"]
fn needs_python_parquet_of_intervals() {
    parquet_equal_to_report("intervals");
}

#[test]
#[ignore = "needs a Python with pyarrow, polars and DuckDB"]
fn needs_python_parquet_of_events() {
    parquet_equal_to_report("events");
}
