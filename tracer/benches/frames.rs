//! What a frame of the screen takes: `cargo bench -p tracer --bench frames`. Two figures for each view and number of
//! rows: drawing one frame (at most ten times a second), and taking new figures, which sorts the rows (once an interval).

use std::fmt;
use std::sync::Arc;

use divan::Bencher;
use tracer::aggregate::Aggregator;
use tracer::file::{FileId, FileKind, Known, Names, Peer};
use tracer::histogram::Histogram;
use tracer::interval::{CallKey, Cell, CellKey, InFlight, Interval, OnFile};
use tracer::process::{Comm, ProcessId, ProcessInfo};
use tracer::snapshot::Snapshot;
use tracer::tui::offscreen::Offscreen;
use tracer_common::abi::Abi;

const SECOND: u64 = 1_000_000_000;

/// A view by its keys, and the number of its rows.
#[derive(Clone, Copy)]
struct Scene(&'static str, &'static str, u32);

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.1, self.2)
    }
}

/// Every view that has a number, a process's calls and one call.
fn scenes() -> impl Iterator<Item = Scene> {
    let views = [
        ("1", "processes"),
        ("2", "syscalls"),
        ("3", "errors"),
        ("4", "in flight"),
        ("5", "heat map"),
        ("6", "health"),
        ("7", "files"),
        ("7t", "peers"),
        ("1\r", "calls of a process"),
        ("1\r\r", "one call"),
        ("1?", "help"),
    ];
    [100, 1_000, 10_000].into_iter().flat_map(move |rows| views.map(|(keys, name)| Scene(keys, name, rows)))
}

/// So many processes, each with working, failing, waiting and open calls.
fn crowd(processes: u32) -> Arc<Snapshot> {
    let mut interval = Interval { start_ns: SECOND, end_ns: 2 * SECOND, ..Interval::default() };
    for pid in 1..=processes {
        let process = ProcessId { pid, start_ns: 1 };
        let comm = Comm::new(format!("worker-{}", pid % 97));
        interval.processes.insert(process, ProcessInfo { comm, as_of_ns: SECOND, ..ProcessInfo::default() });
        for (nr, errno) in [(0, None), (257, Some(2)), (74, None), (232, None)] {
            let call = CallKey { abi: Abi::X86_64, nr };
            let mut latencies = Histogram::new();
            for step in 0..40 {
                latencies.record(1_000 + u64::from(pid % 31) * 100 + step * step * 1_000);
            }
            // A file of its own, and a socket to one of 97 peers.
            let named = |kind, name: String, peer: Option<String>| {
                let peer = peer.map(|peer| Peer { address: peer.into_bytes().into(), process: None });
                let known = Known { name: name.into_bytes().into(), peer };
                let names = Names { known: Some(Arc::new(known)), has_others: false };
                let file = FileId { kind, dev: 1, ino: u64::from(pid) };
                OnFile { names, calls: 20, total_ns: 9_000_000, max_ns: 1_000_000, ..OnFile::new(file, 7) }
            };
            let on = match nr {
                74 => vec![named(FileKind::Regular, format!("/var/lib/worker/{pid}/data/segment"), None)],
                0 => {
                    let peer = format!("10.0.0.{}:5432", pid % 97);
                    vec![named(FileKind::Socket, format!("tcp 10.0.0.1:{pid}"), Some(peer))]
                }
                _ => Vec::new(),
            };
            let figures = Cell {
                on: on.into(),
                calls: 40,
                errors: errno.map(|errno| (errno, 7)).into_iter().collect(),
                total_ns: 40 * 500_000,
                min_ns: 1_000,
                max_ns: 1_524_100,
                latencies: Arc::new(latencies),
                ..Cell::default()
            };
            interval.cells.insert(CellKey { process, call }, figures);
        }
        let call = CallKey { abi: Abi::X86_64, nr: 0 };
        let enter_ns = SECOND + u64::from(pid) * 10_000;
        interval.in_flight.push(InFlight {
            process,
            tid: pid,
            call,
            enter_ns,
            args: None,
            on: None,
            operands: None,
            before_attach: false,
        });
    }
    let mut aggregator = Aggregator::new();
    aggregator.merge(&interval);
    Arc::new(aggregator.snapshot())
}

fn opened(Scene(keys, _, rows): Scene) -> (Offscreen, Arc<Snapshot>) {
    let snapshot = crowd(rows);
    let mut screen = Offscreen::new(Arc::clone(&snapshot), 200, 50);
    keys.chars().for_each(|key| screen.press(key));
    (screen, snapshot)
}

#[divan::bench(args = scenes())]
fn frame(bencher: Bencher<'_, '_>, scene: Scene) {
    let (mut screen, _) = opened(scene);
    bencher.bench_local(|| {
        screen.draw();
    });
}

#[divan::bench(args = scenes(), sample_count = 20)]
fn new_figures(bencher: Bencher<'_, '_>, scene: Scene) {
    let (mut screen, snapshot) = opened(scene);
    bencher.bench_local(|| screen.set_snapshot(Arc::clone(&snapshot)));
}

fn main() {
    divan::main();
}
