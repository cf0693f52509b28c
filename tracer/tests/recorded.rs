//! The verbs that read recordings, run as a user runs them: report, info, repair, export. No root, no BPF: the
//! recordings are made here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tracer::aggregate::Aggregator;
use tracer::histogram::Histogram;
use tracer::interval::{CallKey, Cell, CellKey, Interval};
use tracer::process::{Comm, ProcessId, ProcessInfo};
use tracer::recording::{Kind, Mark, Writer};
use tracer::report::json::JsonLines;
use tracer::run::Meta;
use tracer_common::abi::Abi;
use tracer_common::outcome::Outcome;

const S: u64 = 1_000_000_000;

/// 2026-11-22 14:00:00 UTC.
const NOON: u64 = 1_795_356_000 * S;

fn tracer(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tracer"))
        .args(arguments)
        .current_dir(directory)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .expect("tracer runs")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn meta(host: &str) -> Meta {
    Meta {
        version: "0.1.0".to_owned(),
        host: host.to_owned(),
        kernel: "6.12.9".to_owned(),
        arch: "x86_64".to_owned(),
        boot_id: format!("boot of {host}"),
        cpus: 2,
        family: "raw".to_owned(),
        target: "whole host".to_owned(),
        interval_ns: S,
        // Hosts have been up for different times.
        start_ns: 100 * S + host.len() as u64 * S,
        start_unix_ns: NOON,
        ..Meta::default()
    }
}

fn cell(calls: u64, latency_ns: u64, failed: u64) -> Cell {
    let (mut cell, mut latencies) = (Cell::default(), Histogram::new());
    for index in 0..calls {
        let outcome = if index < failed { Outcome::Error(2) } else { Outcome::Success };
        cell.record(outcome, latency_ns + index, &mut latencies);
    }
    Cell { latencies: Arc::new(latencies), ..cell }
}

/// `seconds` intervals: nginx opens files that are not there, postgres syncs.
fn intervals(meta: &Meta, seconds: u64) -> Vec<Interval> {
    (0..seconds)
        .map(|second| {
            let (start_ns, end_ns) = (meta.start_ns + second * S, meta.start_ns + (second + 1) * S);
            let mut interval = Interval { start_ns, end_ns, ..Interval::default() };
            for (pid, comm, nr, cell) in [
                (977, "nginx", 257, cell(10, 2_000, 3)),
                (977, "nginx", 0, cell(5, 900, 0)),
                (1841, "postgres", 74, cell(second + 1, 20_000_000, 0)),
            ] {
                let process = ProcessId { pid, start_ns: 5 };
                interval.cells.insert(CellKey { process, call: CallKey { abi: Abi::X86_64, nr } }, cell);
                let info = ProcessInfo {
                    comm: Comm::new(comm),
                    exited: false,
                    as_of_ns: end_ns,
                    ..ProcessInfo::default()
                };
                if second == 0 {
                    interval.processes.insert(process, info);
                }
            }
            interval
        })
        .collect()
}

/// A minute, with a mark at 20 s and one at 40 s.
fn write(directory: &Path, name: &str, meta: &Meta) -> PathBuf {
    let mut writer = Writer::new(Vec::new(), meta, Kind::Intervals).expect("memory");
    for (second, interval) in intervals(meta, 60).iter().enumerate() {
        if second == 20 || second == 40 {
            let text = if second == 20 { "deployed" } else { "rolled back" };
            let mark = Mark { time_ns: interval.start_ns, text: text.to_owned() };
            writer.mark(&mark).expect("memory");
        }
        writer.interval(interval).expect("memory");
    }
    let path = directory.join(name);
    fs::write(&path, writer.finish().expect("memory")).expect("room");
    path
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn lines(output: &Output) -> Vec<Value> {
    out(output).lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

/// Calls by syscall in the totals.
fn calls(lines: &[Value], syscall: &str) -> u64 {
    lines
        .iter()
        .filter(|line| line["type"] == "cell" && line["scope"] == "total" && line["syscall"] == syscall)
        .map(|line| line["calls"].as_u64().expect("a number"))
        .sum()
}

#[test]
fn the_totals_of_a_recording_are_the_live_ones_to_the_digit() {
    let directory = directory();
    let meta = meta("db-7");
    write(directory.path(), "a.arrows", &meta);
    let mut live = Aggregator::new();
    for interval in intervals(&meta, 60) {
        live.merge(&interval);
    }
    let mut lines = JsonLines::new(Vec::new());
    lines.totals(&live.snapshot()).expect("memory");
    let live = String::from_utf8(lines.into_inner()).expect("text");
    let report = tracer(directory.path(), &["report", "--json", "a.arrows"]);
    assert!(report.status.success(), "{}", err(&report));
    let totals: String = out(&report)
        .lines()
        .filter(|line| line.contains("\"scope\":\"total\""))
        .map(|l| l.to_owned() + "\n")
        .collect();
    assert_eq!(totals, live);
    assert!(totals.contains("\"balanced\":true") || totals.contains("\"balanced\":false"), "{totals}");
    let every = tracer(directory.path(), &["report", "--json", "--intervals", "a.arrows"]);
    assert_eq!(out(&every).lines().filter(|line| line.contains("\"scope\":\"interval\"")).count(), 60 * 5);
}

/// As live, where the totals follow the last interval at once. Of a part that somebody picked, every one is shown.
#[test]
fn tables_of_the_last_interval_are_those_of_the_totals() {
    let directory = directory();
    write(directory.path(), "a.arrows", &meta("db-7"));
    let tables = |arguments: &[&str]| {
        let report = tracer(directory.path(), &[&["report", "--intervals", "a.arrows"], arguments].concat());
        assert!(report.status.success(), "{}", err(&report));
        out(&report).matches("calls of postgres 1841").count()
    };
    assert_eq!(tables(&[]), 59 + 1);
    assert_eq!(tables(&["--from", "-10s"]), 10 + 1);
}

/// Ends of calls are counted of which the beginning was not: nothing can be said of the ledger.
#[test]
fn the_ledger_of_a_recording_that_began_late_is_not_judged() {
    let directory = directory();
    write(directory.path(), "late.arrows", &Meta { is_part: true, ..meta("db-7") });
    let report = out(&tracer(directory.path(), &["report", "--json", "late.arrows"]));
    let ledger = report.lines().find(|line| line.contains("\"type\":\"ledger\"")).expect("a ledger");
    assert!(ledger.contains("\"balanced\":null"), "{ledger}");
}

#[test]
fn an_export_whose_reader_has_gone_is_no_error() {
    let directory = directory();
    write(directory.path(), "a.arrows", &meta("db-7"));
    for format in ["parquet", "csv", "jsonl", "folded"] {
        let mut export = Command::new(env!("CARGO_BIN_EXE_tracer"))
            .args(["export", "a.arrows", "--to", format])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tracer runs");
        drop(export.stdout.take());
        let export = export.wait_with_output().expect("it ends");
        assert_eq!((export.status.code(), err(&export).as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn a_part_is_what_lies_between_two_moments() {
    let directory = directory();
    write(directory.path(), "a.arrows", &meta("db-7"));
    for (part, seconds) in [
        (&["--between", "deployed", "rolled back"][..], 20..40),
        (&["--from", "14:00:20", "--to", "14:00:40"], 20..40),
        (&["--from", "2026-11-22T14:00:50Z"], 50..60),
        (&["--from", "-10s"], 50..60),
        (&["--to", "+1600ms"], 0..2),
        (&["--from", "rolled"], 40..60),
    ] {
        let report = tracer(directory.path(), &[&["report", "--json", "a.arrows"], part].concat());
        assert!(report.status.success(), "{part:?}: {}", err(&report));
        let lines = lines(&report);
        assert_eq!(calls(&lines, "openat"), 10 * (seconds.end - seconds.start), "{part:?}");
        let syncs: u64 = seconds.map(|second| second + 1).sum();
        assert_eq!(calls(&lines, "fsync"), syncs, "{part:?}");
        assert!(lines.iter().all(|line| line["type"] != "cell" || line["comm"] != ""), "names are known");
    }
    let nothing = tracer(directory.path(), &["report", "a.arrows", "--from", "15:00"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        err(&nothing).contains("runs from 2026-11-22 14:00:00.000 to 2026-11-22 14:01:00.000"),
        "{}",
        err(&nothing)
    );
    let no_mark = tracer(directory.path(), &["report", "a.arrows", "--from", "deplyed"]);
    assert!(err(&no_mark).contains("its marks are 'deployed' at +20.0 s"), "{}", err(&no_mark));
}

#[test]
fn filters_leave_the_rest_out() {
    let directory = directory();
    write(directory.path(), "a.arrows", &meta("db-7"));
    for (filter, wanted) in [
        (&["-e", "openat"][..], [600, 0, 0]),
        (&["-e", "!openat"], [0, 300, 1830]),
        (&["--comm", "postgres"], [0, 0, 1830]),
        (&["-p", "977"], [600, 300, 0]),
    ] {
        let report = tracer(directory.path(), &[&["report", "--json", "a.arrows"], filter].concat());
        let lines = lines(&report);
        let found = ["openat", "read", "fsync"].map(|syscall| calls(&lines, syscall));
        assert_eq!(found, wanted, "{filter:?}");
    }
    let text = out(&tracer(directory.path(), &["report", "a.arrows", "--comm", "postgres"]));
    assert!(text.contains("only named postgres") && !text.contains("nginx"), "{text}");
}

#[test]
fn hosts_stay_apart_and_add_up() {
    let directory = directory();
    write(directory.path(), "a.arrows", &meta("db-7"));
    write(directory.path(), "b.arrows", &meta("db-eleven"));
    let report = tracer(directory.path(), &["report", "--json", "a.arrows", "b.arrows"]);
    let both = lines(&report);
    assert_eq!(calls(&both, "fsync"), 2 * 1830);
    let rows = both.iter().filter(|line| line["type"] == "cell" && line["syscall"] == "fsync");
    let hosts: Vec<&str> = rows.filter_map(|line| line["host"].as_str()).collect();
    assert_eq!(hosts, ["db-7", "db-eleven"], "one PID on two hosts is two processes");
    let text = out(&tracer(directory.path(), &["report", "--by", "host", "a.arrows", "b.arrows"]));
    for host in ["db-7", "db-eleven"] {
        let row =
            text.lines().find(|line| line.contains(&format!("on {host} "))).expect("a row for each host");
        assert!(row.contains("2,730"), "{row}");
    }
    // The same file twice is the same host at the same time.
    let twice = out(&tracer(directory.path(), &["report", "a.arrows", "a.arrows"]));
    assert!(twice.contains("calls that both saw count twice"), "{twice}");
}

#[test]
fn groups_have_one_row_each() {
    let directory = directory();
    write(directory.path(), "a.arrows", &meta("db-7"));
    let by = |what: &str| out(&tracer(directory.path(), &["report", "--by", what, "a.arrows"]));
    assert!(
        by("syscall").lines().any(|line| line.trim_start().starts_with("fsync") && line.contains("1,830"))
    );
    assert!(by("comm").lines().any(|line| line.contains("nginx") && line.contains("900")));
    let errno = by("errno");
    assert!(
        errno.lines().any(|line| line.contains("ENOENT") && line.contains("180") && line.contains("openat")),
        "{errno}"
    );
    let top = out(&tracer(directory.path(), &["report", "--top", "1", "a.arrows"]));
    assert!(top.contains("... 1 more process"), "{top}");
}

#[test]
fn a_cut_recording_is_read_as_far_as_it_goes_and_can_be_repaired() {
    let directory = directory();
    let path = write(directory.path(), "a.arrows", &meta("db-7"));
    let whole = fs::read(&path).expect("the file");
    fs::write(&path, &whole[..whole.len() / 2]).expect("room");
    let report = tracer(directory.path(), &["report", "--json", "a.arrows"]);
    assert_eq!(report.status.code(), Some(5));
    assert!(err(&report).starts_with("warning: a.arrows ended uncleanly\nwhy: "), "{}", err(&report));
    let kept = calls(&lines(&report), "openat");
    assert!(kept > 0 && kept < 600, "{kept}");
    assert_eq!(
        lines(&report).iter().find(|line| line["type"] == "recording").map(|line| line["clean"].clone()),
        Some(false.into())
    );
    let info = tracer(directory.path(), &["info", "a.arrows"]);
    assert_eq!(info.status.code(), Some(5));
    assert!(out(&info).contains("UNCLEANLY"), "{}", out(&info));
    let export = tracer(directory.path(), &["export", "a.arrows", "--to", "csv"]);
    assert_eq!(export.status.code(), Some(5));

    let repair = tracer(directory.path(), &["repair", "a.arrows"]);
    assert!(repair.status.success(), "{}", err(&repair));
    assert!(err(&repair).contains("kept in a.repaired.arrows"), "{}", err(&repair));
    let again = tracer(directory.path(), &["report", "--json", "a.repaired.arrows"]);
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    assert_eq!(calls(&lines(&again), "openat"), kept);
    let refused = tracer(directory.path(), &["repair", "a.arrows"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("--force"), "{}", err(&refused));
    assert!(tracer(directory.path(), &["repair", "a.arrows", "--force"]).status.success());
}

#[test]
fn what_is_no_recording_is_said_in_words() {
    let directory = directory();
    fs::write(directory.path().join("x"), "hello").expect("room");
    fs::write(directory.path().join("empty"), "").expect("room");
    for (file, word) in [
        ("x", "cannot be read as a recording"),
        ("empty", "empty"),
        ("none", "cannot open"),
        (".", "directory"),
    ] {
        for verb in ["report", "info"] {
            let output = tracer(directory.path(), &[verb, file]);
            assert_eq!(output.status.code(), Some(1), "{verb} {file}");
            let text = err(&output);
            assert!(text.contains(word) && text.contains("\nwhy: ") && text.contains("\nnext: "), "{text}");
        }
    }
}

#[test]
fn info_tells_when_where_and_what() {
    let directory = directory();
    write(directory.path(), "a.arrows", &meta("db-7"));
    let info = tracer(directory.path(), &["info", "a.arrows"]);
    assert!(info.status.success());
    let text = out(&info);
    for wanted in [
        "db-7, kernel 6.12.9, x86_64, 2 CPUs",
        "2026-11-22 14:00:00.000 +00:00",
        "2026-11-22 14:01:00.000 +00:00",
        "60 intervals of 1.00 s",
        "2,730, 180 failed",
        "+20.0 s  deployed",
        "cleanly",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
    }
    let line = &lines(&tracer(directory.path(), &["info", "--json", "a.arrows"]))[0];
    assert_eq!(
        (&line["calls"], &line["clean"], &line["intervals"]),
        (&2730.into(), &true.into(), &60.into())
    );
    assert_eq!(line["meta"]["host"], "db-7");
    assert_eq!(line["marks"][0]["text"], "deployed");
}

#[test]
fn exports_need_events_where_calls_are_shown() {
    let directory = directory();
    write(directory.path(), "a.arrows", &meta("db-7"));
    for format in ["strace", "chrome"] {
        let output = tracer(directory.path(), &["export", "a.arrows", "--to", format, "-o", "x"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            err(&output).contains("next: record again with `tracer record --events`"),
            "{}",
            err(&output)
        );
        assert!(!directory.path().join("x").exists());
    }
    let output = tracer(directory.path(), &["export", "a.arrows", "--to", "parquet", "-o", "x.parquet"]);
    assert!(output.status.success(), "{}", err(&output));
    let bytes = fs::read(directory.path().join("x.parquet")).expect("the file");
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let folded = tracer(directory.path(), &["export", "a.arrows", "--to", "folded", "--weight", "calls"]);
    assert_eq!(
        out(&folded),
        "nginx;read 300\nnginx;openat 420\nnginx;openat;ENOENT 180\npostgres;fsync 1830\n"
    );
    let part = tracer(
        directory.path(),
        &[
            "export", "a.arrows", "--to", "folded", "--weight", "calls", "--from", "deployed", "--until",
            "+30s", "-e", "read",
        ],
    );
    assert_eq!(out(&part), "nginx;read 50\n");
}

#[test]
fn completions_and_manual_know_every_verb() {
    let directory = directory();
    for shell in ["bash", "zsh", "fish"] {
        let script = out(&tracer(directory.path(), &["completions", shell]));
        assert!(script.contains("report") && script.contains("between"), "{shell}");
    }
    let page = out(&tracer(directory.path(), &["man"]));
    assert!(page.contains(".TH tracer 1") && page.contains("report"), "{page}");
    assert!(out(&tracer(directory.path(), &["man", "export"])).contains("parquet"));
    assert_eq!(tracer(directory.path(), &["man", "nothing"]).status.code(), Some(1));
}

/// An hour of a busy host: 40 processes with 12 syscalls each. Only meant for a release build.
#[test]
#[cfg_attr(debug_assertions, ignore = "measures: run it with --release")]
fn an_hour_of_intervals_reports_in_two_seconds() {
    let directory = directory();
    let meta = meta("db-7");
    let path = directory.path().join("hour.arrows");
    let mut writer =
        Writer::new(fs::File::create(&path).expect("room"), &meta, Kind::Intervals).expect("room");
    for second in 0..3600 {
        let (start_ns, end_ns) = (meta.start_ns + second * S, meta.start_ns + (second + 1) * S);
        let mut interval = Interval { start_ns, end_ns, ..Interval::default() };
        for pid in 1..=20u32 {
            let process = ProcessId { pid, start_ns: 5 };
            for nr in 0..6i32 {
                let key = CellKey { process, call: CallKey { abi: Abi::X86_64, nr } };
                let calls = 1 + (second * 7 + u64::from(pid) * 13 + nr as u64) % 40;
                interval.cells.insert(
                    key,
                    cell(calls, 700 + (second * 977 + u64::from(pid) * 31) % 100_000, calls / 8),
                );
            }
            let info = ProcessInfo {
                comm: Comm::new(format!("worker-{pid}")),
                exited: false,
                as_of_ns: end_ns,
                ..ProcessInfo::default()
            };
            interval.processes.insert(process, info);
        }
        writer.interval(&interval).expect("room");
    }
    writer.finish().expect("room");
    let size = fs::metadata(&path).expect("the file").len();
    let began = Instant::now();
    let report = tracer(directory.path(), &["report", "hour.arrows"]);
    let took = began.elapsed();
    assert!(report.status.success(), "{}", err(&report));
    assert!(took < Duration::from_secs(2), "{took:?} for {size} bytes");
    assert!(size < 100 << 20, "{size} bytes");
}
