//! Recordings for the tests: made by hand, with names that would rather be commands.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tracer::histogram::Histogram;
use tracer::interval::{CallKey, Cell, CellKey, InFlight, Interval, ThreadFigures};
use tracer::process::{Comm, ProcessId, ProcessInfo};
use tracer::recording::{Kind, Mark, Writer};
use tracer::run::Meta;
use tracer::who::Who;
use tracer_common::abi::Abi;
use tracer_common::ledger::Counter;
use tracer_common::outcome::Outcome;

const SECOND: u64 = 1_000_000_000;

/// `CLOCK_MONOTONIC` of the first interval.
const START: u64 = 5_000 * SECOND;

/// Names that a terminal must never see as they are: a title, a question about the cursor, a bell, C1 controls,
/// a line of their own.
const HOSTILE: [&[u8]; 5] =
    [b"\x1b]0;owned\x07", b"\x1b[6n", b"\x07\x08\x0b\x0c", b"\x9b5n\xff", b"a\r\nb\tc"];

/// A recording on disk, for as long as this lives.
pub(crate) struct Recorded {
    directory: TempDir,
    seconds: u64,
}

impl Recorded {
    /// So many seconds; in second `s`, `100 + s` reads by one process and one failing open by each hostile one.
    pub(crate) fn new(seconds: u64) -> Self {
        Self::of(seconds, &[10], interval)
    }

    /// The same with everything that a key could need: processes by the dozen in a tree, threads in calls, errors, two marks.
    pub(crate) fn crowded(seconds: u64) -> Self {
        Self::of(seconds, &[10, 30], crowded)
    }

    fn of(seconds: u64, marks: &[u64], interval: impl Fn(u64) -> Interval) -> Self {
        let directory = TempDir::new().expect("a directory");
        let recorded = Self { directory, seconds };
        let file = File::create(recorded.path()).expect("a file");
        let meta = Meta {
            version: "0.1.0".to_owned(),
            host: "db-7\x1b[2J".to_owned(),
            kernel: "6.18.0".to_owned(),
            arch: "x86_64".to_owned(),
            target: "whole host\x1b]0;owned\x07".to_owned(),
            interval_ns: SECOND,
            start_ns: START,
            start_unix_ns: 1_795_356_131 * SECOND,
            notices: vec!["a notice\x1b[6n".to_owned()],
            ..Meta::default()
        };
        let mut writer = Writer::new(file, &meta, Kind::Intervals).expect("a writer");
        for second in 0..seconds {
            if marks.contains(&second) {
                let text = "deployed\x1b]0;owned\x07".to_owned();
                writer.mark(&Mark { time_ns: START + second * SECOND, text }).expect("a mark is written");
            }
            writer.interval(&interval(second)).expect("an interval is written");
        }
        writer.finish().expect("a complete recording");
        recorded
    }

    /// Its file.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("incident.arrows")
    }

    /// Calls up to and with this second.
    pub(crate) fn calls(&self, seconds: u64) -> u64 {
        (0..seconds.min(self.seconds)).map(|second| 100 + second + HOSTILE.len() as u64).sum()
    }
}

fn interval(second: u64) -> Interval {
    let start_ns = START + second * SECOND;
    let mut interval = Interval { start_ns, end_ns: start_ns + SECOND, ..Interval::default() };
    add(&mut interval, 42, b"server", 0, &vec![(1_000 + second, Outcome::Success); 100 + second as usize]);
    for (pid, name) in (100..).zip(HOSTILE) {
        add(&mut interval, pid, name, 257, &[(2_000, Outcome::Error(2))]);
    }
    let calls = interval.cells.values().map(|cell| cell.calls).sum();
    interval.ledger.aggregated = calls;
    for counter in [Counter::EnterSeen, Counter::ExitSeen, Counter::Paired, Counter::Streamed] {
        interval.ledger.kernel[counter as usize] = calls;
    }
    interval
}

fn add(interval: &mut Interval, pid: u32, name: &[u8], nr: i32, calls: &[(u64, Outcome)]) {
    let (mut cell, mut latencies) = (Cell::default(), Histogram::new());
    for &(latency_ns, outcome) in calls {
        cell.record(outcome, latency_ns, &mut latencies);
    }
    cell.latencies = Arc::new(latencies);
    let process = ProcessId { pid, start_ns: 7 };
    let key = CellKey { process, call: CallKey { abi: Abi::X86_64, nr } };
    interval.cells.entry(key).or_default().merge(&cell);
    let info = ProcessInfo {
        comm: Comm::new(name),
        exited: false,
        as_of_ns: interval.end_ns,
        ..ProcessInfo::default()
    };
    interval.processes.insert(process, info);
}

/// A server with threads that are in calls, its children with hostile names, and dozens of workers of which some wait.
fn crowded(second: u64) -> Interval {
    let mut interval = interval(second);
    let calls = |count: usize, outcome| vec![(40_000 + second, outcome); count];
    add(&mut interval, 42, b"server", 1, &calls(50, Outcome::Success));
    add(&mut interval, 42, b"server", 257, &calls(30, Outcome::Error(13)));
    add(&mut interval, 42, b"server", 257, &calls(3, Outcome::Error(2)));
    add(&mut interval, 42, b"server", 202, &calls(20, Outcome::Success));
    for (worker, pid) in (500..540).enumerate() {
        let nr = if worker % 4 == 0 { 202 } else { [0, 1, 3][worker % 3] };
        add(
            &mut interval,
            pid,
            format!("server-{worker}").as_bytes(),
            nr,
            &calls(worker + 1, Outcome::Success),
        );
        add(&mut interval, pid, format!("server-{worker}").as_bytes(), 16, &calls(1, Outcome::Error(5)));
    }
    add(&mut interval, 99, "a\u{202e}re\x1b[31mverse".as_bytes(), 257, &calls(9, Outcome::Error(1)));
    let server = ProcessId { pid: 42, start_ns: 7 };
    let threads: BTreeMap<u32, Comm> =
        (43..60).map(|tid| (tid, Comm::new(HOSTILE[tid as usize % 5]))).collect();
    for (id, info) in &mut interval.processes {
        let ppid = if id.pid == 42 { 1 } else { 42 };
        info.who = Some(Arc::new(Who::new(ppid, b"server\0\x1b]0;owned\x07\0", b"0::/server.service")));
        if *id == server {
            info.threads = Arc::new(threads.clone());
        }
    }
    for (key, cell) in &mut interval.cells {
        if key.process == server {
            let of =
                |tid| ThreadFigures { tid, calls: 1, errors: 0, total_ns: 9_000 + second, max_ns: 9_000 };
            cell.threads = (42..60).map(of).collect();
        }
    }
    for (at, tid) in (42..60).enumerate() {
        let call = CallKey { abi: Abi::X86_64, nr: [0, 202, 1][at % 3] };
        let enter_ns = interval.end_ns - (at as u64 + 1) * SECOND / 2;
        let args = Some([7, 0x7f00_0000_1000, 100, 0, 0, 0]);
        interval.in_flight.push(InFlight {
            process: server,
            tid,
            call,
            enter_ns,
            before_attach: false,
            args,
            on: None,
            operands: None,
        });
    }
    interval
}
