//! Calls in flight against what `/proc` says of the same threads: those that were blocked before we attached and
//! those that blocked after, to the thread, the call, its arguments and the time since when.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tracer::bpf::sys::monotonic_ns;

use crate::oracle::Reach;
use crate::report::Scope;
use crate::tool::{Family, Tracing, Waiting, signal, tell, wait_for};

const SIGUSR1: i32 = 10;
/// 64 in each of three calls.
const THREADS: usize = 3 * 64;
/// `futex`, `readv`, `connect`; `rt_sigtimedwait` in the leader.
const BLOCKING: [i64; 4] = [202, 19, 42, 128];

/// Number and registers of the call that each thread is in.
type Calls = BTreeMap<u64, (i64, Vec<u64>)>;

/// What `/proc` says; `None` while a thread is elsewhere than in a call that blocks.
fn calls_in_proc(pid: u32) -> Option<Calls> {
    let mut calls = Calls::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let tid = task.ok()?.file_name().to_str()?.parse().ok()?;
        let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
        let mut words = text.split_whitespace();
        let nr: i64 = words.next()?.parse().ok()?;
        if !BLOCKING.contains(&nr) {
            return None;
        }
        let registers = words.map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16));
        calls.insert(tid, (nr, registers.take(6).collect::<Result<_, _>>().ok()?));
    }
    (calls.len() == THREADS + 1).then_some(calls)
}

/// Lets the threads go, and returns when the oracle knows: a signal that is pending would swallow the next.
fn let_go(pid: u32) {
    signal(pid, SIGUSR1);
    wait_for("the signal to be taken", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.contains("ShdPnd:\t0000000000000000").then_some(())
    });
}

/// The open calls of the last whole interval.
fn open_calls(json: &str) -> Vec<Value> {
    let lines: Vec<Value> = json.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let is_end = |line: &&Value| line["type"] == "ledger" && line["scope"] == "interval";
    let Some(end) = lines.iter().rev().find(is_end) else { return Vec::new() };
    let is_open = |line: &&Value| line["type"] == "in_flight" && line["end_ns"] == end["end_ns"];
    lines.iter().filter(is_open).cloned().collect()
}

/// The same as `/proc` has it, whose registers stand where the call takes no argument.
fn as_in_proc(open: &[Value], proc: &Calls) -> Calls {
    let mut calls = Calls::new();
    for line in open {
        let tid = line["tid"].as_u64().expect("a thread");
        let args = line["args"].as_array().expect("arguments").iter().filter_map(Value::as_u64);
        // The others are no arguments of this call, and 0 here.
        let args: Vec<u64> =
            args.take(line["arguments"].as_object().map_or(0, serde_json::Map::len)).collect();
        assert!(args.len() > 2, "{line}");
        let mut registers = proc.get(&tid).map(|(_, registers)| registers.clone()).unwrap_or_default();
        registers.splice(..args.len().min(registers.len()), args);
        calls.insert(tid, (line["nr"].as_i64().expect("a number"), registers));
    }
    calls
}

/// When each call began: its age taken off the end of the interval that shows it.
fn begins(open: &[Value]) -> BTreeMap<u64, u64> {
    let number = |line: &Value, field: &str| line[field].as_u64().expect("a number");
    open.iter()
        .map(|line| (number(line, "tid"), number(line, "end_ns") - number(line, "elapsed_ns")))
        .collect()
}

both_families! {
    before_attach_and_after(family) {
        let mut oracle = Waiting::start(&["blocked", &THREADS.to_string()]);
        let pid = oracle.pid;
        oracle.go();
        // The first thread may still be in a lock on its way.
        let before = wait_for("all threads to block", || {
            let calls = calls_in_proc(pid)?;
            thread::sleep(Duration::from_millis(200));
            (calls_in_proc(pid)? == calls).then_some(calls)
        });
        let mut tracing = Tracing::attach(family, &["-p", &pid.to_string()]);
        // Who was there before is looked up beside the first interval.
        let found = wait_for("the threads to be found", || {
            let open = open_calls(&tracing.json());
            (open.len() > THREADS).then_some(open)
        });
        assert!(found.iter().all(|line| line["before_attach"] == true), "{found:?}");
        assert_eq!(as_in_proc(&found, &before), before);
        // They stay, and are as old as our looking at them.
        let since = begins(&found);
        let attached_ns = *since.values().next().expect("a call");
        assert!(since.values().all(|&begin| begin == attached_ns), "{since:?}");
        tracing.wait_for_intervals(3);
        let later = open_calls(&tracing.json());
        assert_eq!(as_in_proc(&later, &before), before);
        assert_eq!(begins(&later), since);

        let let_go_ns = monotonic_ns();
        let_go(pid);
        if !family.is_exact_here() {
            tell("NOT COMPARED after attach: raw programs are skipped by this kernel");
            let_go(pid);
            oracle.ledger();
            oracle.end();
            tracing.finish();
            return;
        }
        wait_for("the threads to move", || {
            let open = open_calls(&tracing.json());
            (open.len() == THREADS + 1 && open.iter().all(|line| line["before_attach"].is_null())).then_some(())
        });
        let after = wait_for("all threads to block", || calls_in_proc(pid));
        let blocked_ns = monotonic_ns();
        // An interval that ended before the last of them had come so far shows it in a call on its way.
        let shown = wait_for("an interval that shows what /proc does", || {
            let open = open_calls(&tracing.json());
            let is_there = |line: &Value| line["nr"].as_i64().is_some_and(|nr| BLOCKING.contains(&nr));
            (open.iter().all(is_there) && as_in_proc(&open, &after) == after).then_some(open)
        });
        // Each since its own moment, which does not change, between our signal and our seeing it blocked.
        let since = begins(&shown);
        for (tid, begin) in &since {
            assert!((let_go_ns..blocked_ns).contains(begin), "{tid}: {let_go_ns} {begin} {blocked_ns}");
        }
        tracing.wait_for_intervals(3);
        assert_eq!(begins(&open_calls(&tracing.json())), since);

        let_go(pid);
        let ledger = oracle.ledger();
        oracle.end();
        let report = tracing.finish().report();
        ledger.assert_equals(&report, family, Reach::Attached);
        assert_eq!(report.ledger().get("in_flight_at_attach"), THREADS as u64 + 1, "{:?}", report.ledger());
        assert_eq!(report.in_flight.iter().filter(|open| open.scope == Scope::Total).count(), 0);
    }

    /// A call that never came back is no call that the ledger saw.
    still_there_at_the_end(family) {
        let mut oracle = Waiting::start(&["blocked", &THREADS.to_string()]);
        let pid = oracle.pid;
        oracle.go();
        let before = wait_for("all threads to block", || calls_in_proc(pid));
        let mut tracing = Tracing::attach(family, &["-p", &pid.to_string()]);
        tracing.wait_for_intervals(3);
        let finished = tracing.stop();
        let report = finished.report();
        report.assert_laws();
        assert_eq!(report.ledger().get("in_flight_now"), 0, "{:?}", report.ledger());
        let total: Vec<Value> = finished
            .total_lines()
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["type"] == "in_flight")
            .collect();
        assert_eq!(as_in_proc(&total, &before), before);
        let_go(pid);
        let_go(pid);
        oracle.ledger();
        oracle.end();
    }
}
