//! Recordings of a steady program, compared: the same again must not be told apart, a read slowed by a fifth
//! must be found, one slowed by a fiftieth must raise no alarm. What was true is what the program measured
//! itself. Needs a machine on which nothing else of weight runs.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::tool::{self, tell};

/// Bytes of a read that take some tens of microseconds.
const BYTES: f64 = 1_048_576.0;

/// Records `steady` for 40 intervals of 100 ms. The result is the median that it measured, in ns.
fn record(file: &Path, bytes: f64) -> f64 {
    let steady = tool::oracle().with_file_name("steady");
    let output = Command::new(tool::tracer())
        .args(["record", "-i", "100ms", "--force", "-o"])
        .arg(file)
        .args(["--".as_ref(), steady.as_os_str(), "4".as_ref(), format!("{bytes:.0}").as_ref()])
        .output()
        .expect("tracer runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with('{')).expect("what it measured");
    let measured: Value = serde_json::from_str(line).expect("an object");
    measured["p50_ns"].as_f64().expect("a median")
}

fn compare(before: &Path, after: &Path) -> Vec<Value> {
    let output = Command::new(tool::tracer())
        .args(["compare", "--json"])
        .args([before, after])
        .output()
        .expect("tracer runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an object"))
        .filter(|line| line["type"] == "change")
        .collect()
}

fn is_flagged(row: &Value) -> bool {
    row["verdict"] == "faster" || row["verdict"] == "slower"
}

fn of_read(rows: &[Value]) -> &Value {
    rows.iter().find(|row| row["syscall"] == "read" && row["comm"] == "steady").expect("its reads")
}

/// `TRACER_PAIRS` says how many of each; 100 take half an hour.
#[test]
#[ignore = "root"]
fn steady_programs_are_told_apart_when_they_differ_and_only_then() {
    let pairs: u32 = std::env::var("TRACER_PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let directory = TempDir::new().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let (mut rows, mut wrong, mut found, mut held, mut alarms, mut wrong_runs) = (0, 0, 0, 0, 0, 0);
    for _ in 0..pairs {
        let before = record(&path("before"), BYTES);
        record(&path("again"), BYTES);
        let slowed = record(&path("fifth"), BYTES * 1.2);
        record(&path("fiftieth"), BYTES * 1.02);
        let same = compare(&path("before"), &path("again"));
        let flagged = same.iter().filter(|row| is_flagged(row)).count();
        rows += same.iter().filter(|row| row["waits_by_design"] == false).count();
        wrong += flagged;
        wrong_runs += usize::from(flagged > 0);
        let fifth = compare(&path("before"), &path("fifth"));
        let read = of_read(&fifth);
        found += u32::from(read["verdict"] == "slower");
        let (low, high) = (&read["ratios"]["p50"]["low"], &read["ratios"]["p50"]["high"]);
        let truth = slowed / before;
        held += u32::from(
            low.as_f64().is_some_and(|low| low <= truth) && high.as_f64().is_some_and(|high| truth <= high),
        );
        let fiftieth = compare(&path("before"), &path("fiftieth"));
        alarms += u32::from(is_flagged(of_read(&fiftieth)));
    }
    tell(&format!(
        "{pairs} pairs: the same again: {wrong} of {rows} rows flagged, in {wrong_runs} runs; a fifth slower: {found} found, \
         truth inside {held} intervals; a fiftieth: {alarms} alarms"
    ));
    assert!(wrong * 20 <= rows, "the same again: {wrong} of {rows} rows flagged");
    assert!(found * 10 >= pairs * 9 && held * 10 >= pairs * 9, "{found} found, {held} held of {pairs}");
    assert_eq!(alarms, 0, "of a fiftieth");
}
