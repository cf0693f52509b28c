//! Snapshots made by hand for tests of the screen, the columns and the text tables.

mod files;

use std::sync::Arc;

use proptest::prelude::*;
use tracer_common::abi::Abi;
use tracer_common::ledger::Counter;

use crate::by_file::{FileRow, OnBy};
use crate::by_thread::ThreadRow;
use crate::columns::Row;
use crate::findings::{Evidence, Finding, Findings, Rule};
use crate::histogram::Histogram;
use crate::interval::{CallKey, Example, InFlight, SlowCall, ThreadFigures, on};
use crate::ledger::LedgerCounts;
use crate::process::{Comm, ProcessId};
use crate::run::RunInfo;
use crate::snapshot::{CallRow, CallStats, ErrnoRow, ProcessRow, Snapshot};
use crate::timeline::{Activity, Clock, Mark, Motion, Timeline};
use crate::who::Who;

pub(crate) use files::with_files;

pub(crate) const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_000 * SECOND;
const END: u64 = START + 133 * SECOND;

/// The numbers of the calls that fixtures make, so that rows have the order they have in life.
const NUMBERS: [(&str, i32); 13] = [
    ("read", 0),
    ("write", 1),
    ("pread64", 17),
    ("pwrite64", 18),
    ("nanosleep", 35),
    ("sendto", 44),
    ("execve", 59),
    ("flock", 73),
    ("fsync", 74),
    ("futex", 202),
    ("epoll_wait", 232),
    ("openat", 257),
    ("clock_nanosleep", 230),
];

/// A syscall with these latencies since the start and a hundredth of them in the last interval.
pub(crate) fn call(name: &str, latencies: &[u64]) -> CallRow {
    let mut histogram = Histogram::new();
    for &ns in latencies {
        histogram.record(ns);
    }
    let calls = latencies.len() as u64;
    let total_ns = latencies.iter().sum();
    CallRow {
        call: CallKey {
            abi: Abi::X86_64,
            nr: NUMBERS.iter().find(|known| known.0 == name).map_or(999, |known| known.1),
        },
        name: name.to_owned(),
        waits_by_design: matches!(name, "futex" | "epoll_wait" | "nanosleep" | "clock_nanosleep"),
        stats: CallStats {
            calls,
            total_ns,
            min_ns: latencies.iter().copied().min().unwrap_or(0),
            max_ns: latencies.iter().copied().max().unwrap_or(0),
            latencies: Arc::new(histogram),
            recent_calls: calls.div_ceil(100),
            recent_total_ns: total_ns / 100,
            recent_busy_ns: total_ns / 100,
            // Saw teeth that grow.
            trend: std::array::from_fn(|at| (calls as usize * (at % 5 + at / 6 + 1) / 100) as u32),
            ..CallStats::default()
        },
        errnos: Vec::new(),
        in_flight: Vec::new(),
        before: None,
        slowest: Arc::default(),
        threads: Arc::default(),
        recent_threads: Arc::default(),
        on: Arc::default(),
        recent_on: Arc::default(),
        stacks: Arc::default(),
    }
}

/// An open call of nobody in particular.
pub(crate) fn in_flight() -> InFlight {
    let process = ProcessId { pid: 7, start_ns: 1 };
    InFlight {
        process,
        tid: 7,
        call: call("read", &[]).call,
        enter_ns: 0,
        before_attach: false,
        args: None,
        on: None,
        operands: None,
    }
}

/// `count` latencies from `low` to `high`, most of them near `low`.
pub(crate) fn spread(count: u64, low: u64, high: u64) -> Vec<u64> {
    (0..count)
        .map(|at| {
            let far = (at + 1) as f64 / count as f64;
            low + ((high - low) as f64 * far.powi(12)) as u64
        })
        .collect()
}

impl CallRow {
    /// Some of its calls failed, `ago` seconds before the end for the first time.
    fn failing(mut self, errno: u16, count: u64, recent: u64, ago: u64) -> Self {
        self.stats.errors += count;
        self.stats.recent_errors += recent;
        self.errnos.push(ErrnoRow {
            errno,
            count,
            recent,
            before_per_minute: (ago > 1).then_some(count / 2),
            is_expected: errno == 11,
            first_seen_ns: END - ago * SECOND,
            last_seen_ns: if recent > 0 { END } else { END - 7 * SECOND },
            examples: Arc::default(),
        });
        self
    }

    /// What its last errno was met on: path, calls, how many of them may be of another.
    fn failing_on(mut self, paths: &[(&str, u64, u64)]) -> Self {
        if let Some(errno) = self.errnos.last_mut() {
            let code = errno.errno;
            let example = |&(path, calls, unsure): &(&str, u64, u64)| Example {
                errno: code,
                on: path.as_bytes().into(),
                calls,
                unsure,
            };
            errno.examples = paths.iter().map(example).collect();
        }
        self
    }

    /// These were its slowest: latency in ms, seconds before the end, first argument, result.
    fn slowest(mut self, calls: &[(u64, u64, u64, i64)]) -> Self {
        let slow = |&(latency_ms, ago, argument, ret): &(u64, u64, u64, i64)| SlowCall {
            latency_ns: latency_ms * 1_000_000,
            enter_ns: END - ago * SECOND,
            tid: 1841,
            ret,
            args: Some(Arc::new([argument, 0x7f00_1234_5000, 8192, 0, 0, 0])),
            on: None,
            operands: None,
        };
        self.slowest = calls.iter().map(slow).collect();
        self
    }

    /// These threads make it, each half as often as the one before.
    fn by_threads(mut self, tids: std::ops::Range<u32>) -> Self {
        let share = |(at, tid): (usize, u32)| ThreadFigures {
            tid,
            calls: self.stats.calls >> (at + 1),
            errors: 0,
            total_ns: self.stats.total_ns >> (at + 1),
            max_ns: self.stats.max_ns >> at,
        };
        self.threads = tids.enumerate().map(share).collect();
        let recent = |(at, thread): (usize, &ThreadFigures)| ThreadFigures {
            calls: self.stats.recent_calls >> (at + 1),
            total_ns: self.stats.recent_total_ns >> (at + 1),
            ..*thread
        };
        self.recent_threads = self.threads.iter().enumerate().map(recent).collect();
        self
    }

    /// These threads are in it, for so many seconds.
    fn open(mut self, pid: u32, ages: &[u64]) -> Self {
        for (tid, age) in (pid + 7..).zip(ages) {
            self.in_flight.push(InFlight {
                before_attach: false,
                process: ProcessId { pid, start_ns: 1 },
                tid,
                call: self.call,
                enter_ns: END - age * SECOND,
                args: Some([17, 0x7f00_1234_5000, 8192, 0, 0, 0]),
                on: None,
                operands: None,
            });
        }
        self.stats.in_flight = ages.len() as u64;
        self.stats.oldest_in_flight_ns = ages.first().map_or(0, |age| age * SECOND);
        self
    }
}

/// A process that made these calls.
pub(crate) fn process(pid: u32, comm: &str, mut calls: Vec<CallRow>) -> ProcessRow {
    calls.sort_by_key(|call| call.call);
    let mut row = ProcessRow {
        id: ProcessId { pid, start_ns: u64::from(pid > 0) },
        comm: Comm::new(comm),
        ..ProcessRow::default()
    };
    for call in &calls {
        row.all.merge(&call.stats);
        if !call.waits_by_design {
            row.work.merge(&call.stats);
        }
    }
    row.calls = calls;
    row
}

/// A snapshot of these processes after 133 s.
pub(crate) fn snapshot(processes: Vec<ProcessRow>) -> Snapshot {
    let mut snapshot =
        Snapshot { generation: 133, start_ns: START, end_ns: END, recent_ns: SECOND, ..Snapshot::default() };
    for row in &processes {
        snapshot.all.merge(&row.all);
    }
    snapshot.ledger.kernel[Counter::Streamed as usize] = snapshot.all.calls;
    snapshot.ledger.kernel[Counter::Paired as usize] = snapshot.all.calls;
    snapshot.ledger.kernel[Counter::ExitSeen as usize] = snapshot.all.calls;
    snapshot.ledger.kernel[Counter::EnterSeen as usize] = snapshot.all.calls + snapshot.all.in_flight;
    snapshot.ledger.aggregated = snapshot.all.calls;
    snapshot.processes = processes;
    snapshot
}

/// A host with a slow disk, a missing file, a lock that is never released and some that are well.
pub(crate) fn incident() -> Snapshot {
    let mut sh = process(0, "sh", vec![call("execve", &spread(300, 200_000, 900_000))]);
    (sh.folded, sh.exited) = (976, true);
    for stats in [&mut sh.all, &mut sh.work, &mut sh.calls[0].stats] {
        (stats.recent_calls, stats.recent_total_ns, stats.recent_busy_ns) = (0, 0, 0);
    }
    snapshot(vec![
        sh,
        process(
            612,
            "systemd-journald",
            vec![
                call("write", &spread(900, 3_000, 9_400_000)),
                call("epoll_wait", &spread(100, 1_000_000, 200_000_000)).open(612, &[3]),
            ],
        ),
        process(
            977,
            "nginx",
            vec![
                call("openat", &spread(5_000, 1_900, 4_000_000)).failing(2, 2_310, 23, 12).failing_on(&[
                    ("/etc/nginx/conf.d/missing.conf", 2_290, 0),
                    ("/srv/www/favicon.ico", 20, 3),
                ]),
                call("sendto", &spread(3_000, 2_400, 310_000)).failing(11, 40, 0, 132),
                call("epoll_wait", &spread(800, 10_000, 101_000_000)).open(977, &[1]),
            ],
        ),
        process(
            1120,
            "redis-server",
            vec![
                call("read", &spread(6_000, 1_100, 310_000)),
                call("epoll_wait", &spread(300, 1_000, 90_000)),
            ],
        ),
        process(
            1841,
            "postgres",
            vec![
                call("fsync", &spread(1_000, 1_200_000, 212_000_000))
                    .slowest(&[(212, 12, 7, 0), (190, 14, 7, 0), (96, 30, 9, -5), (80, 31, 7, 0)])
                    .by_threads(1841..1844),
                call("pwrite64", &spread(2_000, 6_000, 3_100_000)).failing(28, 31, 3, 12),
                call("pread64", &spread(1_200, 2_100, 1_000_000)),
                call("epoll_wait", &spread(90, 11_000_000, 201_000_000)).open(1841, &[0]),
            ],
        ),
        process(
            2210,
            "java",
            vec![
                call("flock", &spread(400, 2_200, 12_000_000)).open(2210, &[41, 39]),
                call("futex", &spread(700, 9_000, 101_000_000)).open(2210, &[41, 30, 2]),
                call("write", &spread(1_500, 1_700, 88_000)).failing(32, 4, 0, 100),
            ],
        ),
        process(2400, "sshd", vec![call("epoll_wait", &[]).open(2400, &[120])]),
        process(2666, "x\x1b[2Jy\u{202e}", vec![call("read", &spread(20, 5_000, 9_000))]),
    ])
}

/// What stands out of [`incident`]: by the first name hostile, by the last over.
pub(crate) fn findings() -> Findings {
    let finding = |rule, pid: u32, comm: &str, name: &str, ago: u64, evidence| Finding {
        rule,
        process: ProcessId { pid, start_ns: 1 },
        comm: Comm::new(comm),
        more: 0,
        call: call(name, &[]).call,
        since_ns: END - ago * SECOND,
        from_start: false,
        until_ns: None,
        descriptors: None,
        on: None,
        evidence,
    };
    let open = Evidence::Open { threads: 2, age_ns: 41 * SECOND, p99_ns: Some(12_000_000) };
    let errors = |errno, count| Evidence::Errors { errno, count, of: count + 40, over_ns: SECOND };
    let time = Evidence::Time {
        calls: 31,
        busy_ns: SECOND / 100 * 31,
        over_ns: SECOND,
        p50_ns: 1_280_000,
        p99_ns: 48_000_000,
    };
    let now = vec![
        finding(Rule::StuckCall, 2666, "x\x1b[2Jy\u{202e}", "flock", 41, open),
        finding(Rule::SyncInHotPath, 1841, "postgres", "fsync", 12, time),
        finding(Rule::SearchStorm, 977, "nginx", "openat", 12, errors(2, 2_310)),
    ];
    let mut run = now.clone();
    run[2] = finding(Rule::NewErrno, 2210, "java", "write", 100, errors(32, 4));
    run[2].until_ns = Some(END - 60 * SECOND);
    Findings { now, run }
}

/// Figures at the edge of what columns have to hold.
pub(crate) struct Extreme {
    process: ProcessRow,
    thread: ThreadRow,
    file: FileRow,
}

/// A thousand threads, eleven days, a million million calls.
pub(crate) fn extreme() -> Extreme {
    let mut call = call("futex", &[1, 1 << 50]);
    call.waits_by_design = false;
    call.stats = CallStats {
        calls: 1_000_000_000_000,
        errors: 999_999_999_999,
        interrupted: 123_456_789_012,
        in_flight: 12_345,
        oldest_in_flight_ns: 1_000_000 * SECOND,
        total_ns: 1 << 60,
        recent_calls: 999_999_999,
        recent_errors: 999_999_999,
        recent_total_ns: 1 << 50,
        recent_busy_ns: 1 << 50,
        ..call.stats
    };
    call.errnos.push(ErrnoRow {
        errno: 4095,
        count: 999_999_999_999,
        recent: 999_999_999,
        before_per_minute: Some(999_999_999),
        is_expected: false,
        first_seen_ns: 2_000 * SECOND,
        last_seen_ns: 3_000 * SECOND,
        examples: Arc::default(),
    });
    let mut process = process(4_194_304, "\x1b\x1b\x1b\x1b\x1b\x1b\x1b", vec![call]);
    process.exited = true;
    let stats = process.calls[0].stats.clone();
    let thread = ThreadRow {
        tid: 4_194_304,
        name: process.comm,
        all: stats.clone(),
        work: stats.clone(),
        is_counted: true,
        now: None,
    };
    let mut files = crate::by_file::files(&with_files(), OnBy::File, |_| true);
    let mut file = files.swap_remove(0);
    (file.figures.all, file.figures.work) = (stats.clone(), stats);
    Extreme { process, thread, file }
}

impl Extreme {
    /// The same figures as each kind of row.
    pub(crate) fn rows(&self) -> [Row<'_>; 7] {
        let call = &self.process.calls[0];
        [
            Row::Process(&self.process),
            Row::Call(call),
            Row::Error(&self.process, call, &call.errnos[0]),
            Row::Thread(&self.process, &self.thread),
            Row::File(&self.file),
            Row::Use(&self.process, call, &self.file.figures),
            Row::Sum {
                all: &self.process.all,
                busy_ns: 1 << 60,
                in_flight: 12_345,
                oldest_ns: 1_000_000 * SECOND,
            },
        ]
    }
}

/// A host with `count` processes of a few calls each.
pub(crate) fn crowd(count: u32) -> Snapshot {
    let latencies = spread(40, 1_000, 50_000_000);
    snapshot(
        (1..=count)
            .map(|pid| {
                let calls = vec![
                    call("read", &latencies[..10 + pid as usize % 30]),
                    call("openat", &latencies[..5]).failing(2, 3, 1, 10),
                    call("epoll_wait", &latencies),
                ];
                process(pid, &format!("worker{}", pid % 97), calls)
            })
            .collect(),
    )
}

/// How a run describes itself when all is well.
pub(crate) fn run() -> RunInfo {
    RunInfo {
        target: "whole host".to_owned(),
        host: "db-7".to_owned(),
        family: "raw".to_owned(),
        ring_fill: 0.03,
        own_cpu_percent: 0.8,
        ns_per_call: Some(311.0),
        ..RunInfo::default()
    }
}

/// A minute and forty seconds of a run that got a deployment and got worse, at this moment of it.
pub(crate) fn timeline(position_s: u64, motion: Motion) -> Timeline {
    let clock = Clock { monotonic_ns: START, unix_ns: 1_795_356_131_250_000_000 };
    let mut timeline = Timeline::new(clock);
    for second in 0..100u64 {
        let start_ns = START + second * SECOND;
        let busy = 400.0 + 300.0 * (second as f64 / 9.0).sin();
        let calls = if (60..75).contains(&second) { busy * 3.0 } else { busy };
        let errors = if (58..70).contains(&second) { 90.0 } else { 2.0 };
        timeline.extend(start_ns, start_ns + SECOND, Activity { calls, errors });
    }
    for (at, text) in [(57, "deployed"), (59, "x\x1b[2Jy"), (75, "rolled back to 2.4.1")] {
        timeline.mark(Mark { time_ns: START + at * SECOND, text: text.to_owned() });
    }
    timeline.is_complete = true;
    timeline.reach_ns = timeline.start_ns;
    timeline.motion = motion;
    timeline.position_ns = START + position_s * SECOND;
    timeline
}

prop_compose! {
    /// Any axis, nonsense included.
    pub(crate) fn any_timeline()(
        slices in proptest::collection::vec((any::<u64>(), any::<u64>(), 0u32..1000, 0u32..1000), 0..9),
        position_ns in any::<u64>(), marks in proptest::collection::vec((any::<u64>(), any::<String>()), 0..5),
        unix_ns in any::<u64>(), is_complete in any::<bool>(), done in any::<f64>(),
        motion in 0..4,
    ) -> Timeline {
        let mut timeline = Timeline::new(Clock { monotonic_ns: position_ns / 2, unix_ns });
        for (start_ns, end_ns, calls, errors) in slices {
            timeline.extend(start_ns, end_ns, Activity { calls: calls.into(), errors: errors.into() });
        }
        for (time_ns, text) in marks {
            timeline.mark(Mark { time_ns, text });
        }
        (timeline.is_complete, timeline.position_ns) = (is_complete, position_ns);
        let motions = [Motion::Paused, Motion::Playing, Motion::Following, Motion::Seeking(done)];
        timeline.motion = motions[motion as usize];
        timeline
    }
}

prop_compose! {
    fn any_call()(
        latencies in proptest::collection::vec(0u64..1 << 42, 0..20),
        name in prop_oneof![Just("read"), Just("futex"), Just("openat"), Just("fsync"), Just("io_\u{202e}日本")],
        errnos in proptest::collection::vec((1u16..4096, 1u64..1 << 40, 0u64..9, 0u64..133), 0..4),
        ages in proptest::collection::vec(0u64..900, 0..4),
        on in on::tests::any_rows(),
    ) -> CallRow {
        let mut row = call(name, &latencies).open(1, &ages).by_threads(5..5 + ages.len() as u32);
        for (errno, count, recent, ago) in errnos {
            row = row.failing(errno, count, recent, ago);
        }
        (row.recent_on, row.on) = (Arc::clone(&on), on);
        row
    }
}

prop_compose! {
    fn any_process()(
        pid in 0u32..9, comm in any::<[u8; 16]>(), exited in any::<bool>(), folded in 0u64..3, ppid in proptest::option::of(0u32..9),
        calls in proptest::collection::vec(any_call(), 0..6),
    ) -> ProcessRow {
        let mut calls = calls;
        calls.sort_by_key(|call| call.call);
        calls.dedup_by_key(|call| call.call);
        let mut row = process(pid, "", calls);
        row.comm = Comm::from_kernel(comm);
        row.exited = exited;
        row.who = ppid.map(|ppid| Arc::new(Who { ppid, ..Who::default() }));
        row.folded = if pid == 0 { folded } else { 0 };
        row
    }
}

prop_compose! {
    /// Any snapshot: duplicate processes, strange names, no calls, a ledger full of trouble.
    pub(crate) fn any_snapshot()(
        processes in proptest::collection::vec(any_process(), 0..8),
        kernel in any::<[u32; 18]>(),
        missed_enter in 0u64..100,
        recent_ns in prop_oneof![Just(0), Just(SECOND)],
        generation in 0u64..3,
        found in 0usize..4,
    ) -> Snapshot {
        let mut snapshot = snapshot(processes);
        let mut ledger = LedgerCounts { missed_enter, ..LedgerCounts::default() };
        for (counter, value) in ledger.kernel.iter_mut().zip(kernel) {
            *counter = u64::from(value);
        }
        snapshot.ledger = ledger;
        snapshot.findings = findings();
        snapshot.findings.now.truncate(found);
        snapshot.findings.run.truncate(found);
        snapshot.recent_ns = recent_ns;
        snapshot.generation = generation;
        snapshot
    }
}
