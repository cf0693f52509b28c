//! Golden lines, and sums of intervals against totals.

use super::*;
use crate::aggregate::Aggregator;
use crate::interval::tests::any_interval;
use crate::interval::tests::cell_of;
use crate::process::ProcessInfo;
use crate::who::Who;
use proptest::prelude::*;
use serde_json::Value;
use tracer_common::abi::Abi;
use tracer_common::ledger::Counter;
use tracer_common::outcome::Outcome;

fn written(write: impl FnOnce(&mut JsonLines<Vec<u8>>) -> io::Result<()>) -> Vec<String> {
    let mut lines = JsonLines::new(Vec::new());
    write(&mut lines).expect("a Vec takes everything");
    let text = String::from_utf8(lines.into_inner()).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

/// Three calls that ended (one failed, one was cut short) and one of another table that is open.
fn small_interval() -> Interval {
    let process = ProcessId { pid: 977, start_ns: 5 };
    let mut interval = Interval { start_ns: 1_000, end_ns: 3_000, ..Interval::default() };
    let cell = cell_of(&[(10, Outcome::Success), (30, Outcome::Error(2)), (500, Outcome::Interrupted(512))]);
    interval.cells.insert(CellKey { process, call: CallKey { abi: Abi::X86_64, nr: 100_257 } }, cell);
    interval.processes.insert(process, ProcessInfo { comm: Comm::new("nginx"), ..ProcessInfo::default() });
    interval.in_flight.push(InFlight {
        before_attach: false,
        process,
        tid: 978,
        call: CallKey { abi: Abi::I386, nr: 100_003 },
        enter_ns: 1_500,
        args: None,
        on: None,
        operands: None,
    });
    interval.ledger.kernel[Counter::EnterSeen as usize] = 4;
    interval.ledger.kernel[Counter::Paired as usize] = 3;
    interval
}

/// The golden lines of both scopes but for their ledger.
fn golden(scope: &str) -> [String; 4] {
    let head = |kind: &str| {
        format!(
            r#"{{"type":"{kind}","scope":"{scope}","end_ns":3000,"pid":977,"process_start_ns":5,"comm":"nginx","#
        )
    };
    let syscall = |abi: Abi, nr: i32| {
        let name = syscalls::name(CallKey { abi, nr });
        let name = plain_name(&name, CallKey { abi, nr });
        format!(r#""syscall":"{name}","abi":"{}","nr":{nr}"#, abi.name())
    };
    let (ended, open) = (syscall(Abi::X86_64, 100_257), syscall(Abi::I386, 100_003));
    [
        format!(
            "{}{ended}{}",
            head("cell"),
            r#","calls":3,"errors":1,"interrupted":1,"denied":0,"no_return":0,"in_flight":0,"total_ns":540,"min_ns":10,"max_ns":30,"p50_ns":10,"p90_ns":30,"p99_ns":30,"p999_ns":30}"#
        ),
        format!(r#"{}{ended},"errno":"ENOENT","count":1}}"#, head("errno")),
        format!(
            "{}{open}{}",
            head("cell"),
            r#","calls":0,"errors":0,"interrupted":0,"denied":0,"no_return":0,"in_flight":1,"total_ns":0,"min_ns":null,"max_ns":null,"p50_ns":null,"p90_ns":null,"p99_ns":null,"p999_ns":null}"#
        ),
        format!(r#"{}{open},"tid":978,"elapsed_ns":1500}}"#, head("in_flight")),
    ]
}

#[test]
fn an_interval_is_its_cells_errnos_open_calls_and_ledger() {
    let lines = written(|out| out.interval(&small_interval()));
    assert_eq!(lines[..4], golden("interval"));
    assert_eq!(
        lines[4],
        r#"{"type":"ledger","scope":"interval","start_ns":1000,"end_ns":3000,"enter_seen":4,"exit_seen":0,"paired":3,"no_return":0,"died_in_flight":0,"start_insert_failed":0,"overwritten":0,"nr_mismatch":0,"fork_child":0,"denied_before_enter":0,"in_flight_at_attach":0,"untracked_exit":0,"unexplained":0,"streamed":0,"spilled":0,"lost":0,"filtered_out":0,"process_records_lost":0,"operands_read":0,"operands_unreadable":0,"operands_lost":0,"stacks_taken":0,"stacks_unreadable":0,"stacks_lost":0,"missed_enter":0,"missed_exit":0,"aggregated":0,"decode_failed":0,"user_queue_dropped":0,"recorder_overflow":0,"in_flight_now":1,"balanced":null}"#
    );
    assert_eq!(lines.len(), 5);
}

#[test]
fn totals_of_one_interval_are_that_interval() {
    let mut aggregator = Aggregator::new();
    aggregator.merge(&small_interval());
    let lines = written(|out| out.totals(&aggregator.snapshot()));
    assert_eq!(lines[..4], golden("total"));
}

#[test]
fn totals_say_whether_the_ledger_is_balanced() {
    let mut aggregator = Aggregator::new();
    let mut interval = small_interval();
    interval.ledger.kernel[Counter::ExitSeen as usize] = 3;
    interval.ledger.kernel[Counter::Streamed as usize] = 3;
    interval.ledger.aggregated = 3;
    aggregator.merge(&interval);
    let ledger = parsed(&written(|out| out.totals(&aggregator.snapshot()))).pop().expect("a ledger");
    assert_eq!((&ledger["balanced"], &ledger["imbalances"]), (&Value::Bool(true), &Value::Null));
    interval.ledger.aggregated = 2;
    aggregator.merge(&interval);
    let ledger = parsed(&written(|out| out.totals(&aggregator.snapshot()))).pop().expect("a ledger");
    assert_eq!(ledger["balanced"], Value::Bool(false));
    let named = ledger["imbalances"].as_array().expect("a list").iter();
    assert!(named.clone().any(|text| text.as_str().is_some_and(|text| text.ends_with("6 is not 5"))));
}

#[test]
fn the_first_line_says_what_the_run_is() {
    let meta = Meta {
        version: "0.1.0".to_owned(),
        host: "db-7".to_owned(),
        target: "nginx \u{1b}[2J".to_owned(),
        interval_ns: 1_000_000_000,
        notices: vec!["raw programs lose events on this kernel".to_owned()],
        ..Meta::default()
    };
    let lines = written(|out| out.meta(&meta));
    assert!(lines[0].starts_with(r#"{"type":"meta","version":"0.1.0","host":"db-7","#), "{}", lines[0]);
    assert_eq!(serde_json::from_str::<Meta>(&lines[0]).expect("a meta line"), meta);
}

#[test]
fn folded_processes_say_how_many_they_are() {
    let snapshot = Snapshot {
        processes: vec![ProcessRow {
            comm: Comm::new("sh"),
            folded: 12,
            calls: vec![CallRow {
                call: CallKey { abi: Abi::I386, nr: 3 },
                name: "i386:read".to_owned(),
                waits_by_design: false,
                stats: CallStats::default(),
                errnos: Vec::new(),
                in_flight: Vec::new(),
                before: None,
                slowest: Arc::default(),
                recent_threads: Arc::default(),
                threads: Arc::default(),
                on: Arc::default(),
                recent_on: Arc::default(),
                stacks: Arc::default(),
            }],
            ..ProcessRow::default()
        }],
        ..Snapshot::default()
    };
    let cell = &parsed(&written(|out| out.totals(&snapshot)))[0];
    assert_eq!((&cell["folded"], &cell["pid"]), (&Value::from(12), &Value::from(0)));
    assert_eq!((&cell["syscall"], &cell["abi"]), (&Value::from("read"), &Value::from("i386")));
}

/// Figures per (pid, start, abi, nr) that add up over intervals.
type Sums = BTreeMap<(u64, u64, String, i64), [u64; 5]>;

fn sums(lines: &[Value], scope: &str) -> Sums {
    let mut sums = Sums::new();
    for line in lines.iter().filter(|line| line["type"] == "cell" && line["scope"] == scope) {
        let number = |name: &str| line[name].as_u64().expect("a number");
        let abi = line["abi"].as_str().expect("a string").to_owned();
        let key = (number("pid"), number("process_start_ns"), abi, line["nr"].as_i64().expect("a number"));
        let figures = ["calls", "errors", "interrupted", "denied", "total_ns"].map(number);
        for (sum, figure) in sums.entry(key).or_default().iter_mut().zip(figures) {
            *sum += figure;
        }
    }
    sums
}

fn errno_count(lines: &[Value], scope: &str) -> u64 {
    lines
        .iter()
        .filter(|line| line["type"] == "errno" && line["scope"] == scope)
        .map(|line| line["count"].as_u64().expect("a number"))
        .sum()
}

proptest! {
    #[test]
    fn interval_cells_add_up_to_the_totals(
        a in any_interval(1), b in any_interval(2), c in any_interval(3),
    ) {
        let mut aggregator = Aggregator::new();
        let lines = parsed(&written(|out| {
            for interval in [&a, &b, &c] {
                aggregator.merge(interval);
                out.interval(interval)?;
            }
            out.totals(&aggregator.snapshot())
        }));
        let mut by_interval = sums(&lines, "interval");
        let total = sums(&lines, "total");
        // A call that was open in one interval only has a row of zeros there and none in the totals.
        by_interval.retain(|key, sums| total.contains_key(key) || sums.iter().any(|&sum| sum > 0));
        prop_assert_eq!(by_interval, total);
        prop_assert_eq!(errno_count(&lines, "interval"), errno_count(&lines, "total"));
    }

    #[test]
    fn rows_come_in_one_order_whatever_the_map_does(interval in any_interval(1)) {
        let keys: Vec<_> = rows_of_interval(&interval).map(|row| (row.process, row.call)).collect();
        prop_assert!(keys.is_sorted());
        let mut aggregator = Aggregator::new();
        aggregator.merge(&interval);
        let of_snapshot: Vec<_> =
            rows_of_snapshot(&aggregator.snapshot()).map(|row| (row.process, row.call)).collect();
        prop_assert_eq!(keys, of_snapshot);
    }

    #[test]
    fn any_name_is_ascii_on_the_line_and_itself_after_parsing(name in any::<[u8; 15]>()) {
        let comm = Comm::new(name);
        let mut interval = small_interval();
        for info in interval.processes.values_mut() {
            info.comm = comm;
        }
        let lines = written(|out| out.interval(&interval));
        prop_assert!(lines.iter().all(|line| line.bytes().all(|byte| matches!(byte, b' '..=b'~'))));
        let cell = &parsed(&lines)[0];
        let bytes = match cell["comm_hex"].as_str() {
            Some(hex) => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
                .collect(),
            None => cell["comm"].as_str().expect("a string").as_bytes().to_vec(),
        };
        prop_assert_eq!(bytes, comm.as_bytes());
    }

    #[test]
    fn any_text_survives(text in any::<String>()) {
        let meta = Meta { target: text, ..Meta::default() };
        let lines = written(|out| out.meta(&meta));
        prop_assert_eq!(lines.len(), 1);
        prop_assert!(lines[0].bytes().all(|byte| matches!(byte, b' '..=b'~')));
        prop_assert_eq!(&serde_json::from_str::<Meta>(&lines[0]).expect("a meta line"), &meta);
    }
}

#[test]
fn a_container_has_its_names_where_they_are_known() {
    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let line = |names: &str| {
        let mut interval = small_interval();
        for info in interval.processes.values_mut() {
            let cgroup: Box<str> = format!("/docker/{ID}").into();
            info.who = Some(Arc::new(Who { cgroup, names: names.into(), ..Who::default() }));
        }
        parsed(&written(|lines| lines.interval(&interval))).remove(0)
    };
    let pod = line("kube-system/dns\u{1b}[2J\u{202e}/coredns");
    assert_eq!(pod["type"], "process");
    assert_eq!((&pod["container"], &pod["container_name"]), (&ID.into(), &"coredns".into()));
    assert_eq!(pod["pod_namespace"], "kube-system");
    assert_eq!(pod["pod_name"], "dns\u{1b}[2J\u{202e}", "and the line is ASCII, as all are");
    let plain = line("web");
    assert_eq!(plain["container_name"], "web");
    assert!(plain.get("pod_name").is_none() && plain.get("pod_namespace").is_none());
    let none = line("");
    assert!(none.get("container_name").is_none(), "{none}");
}
