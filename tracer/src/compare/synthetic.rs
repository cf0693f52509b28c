//! Invented recordings for tests: calls whose latencies have a known distribution, whose slices resemble
//! their neighbours as those of real programs do, and whose true change is known.

use std::sync::Arc;

use tracer_common::abi::Abi;
use tracer_common::outcome::Outcome;

use crate::histogram::Histogram;
use crate::interval::{CallKey, Cell, CellKey, Interval};
use crate::process::{Comm, ProcessId, ProcessInfo};

/// One syscall of one program.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Command name.
    pub comm: &'static str,
    /// Number on x86-64.
    pub nr: i32,
    /// Calls in a slice, on average.
    pub calls: f64,
    /// Typical latency in ns.
    pub median_ns: f64,
    /// Standard deviation of the logarithm of a latency.
    pub spread: f64,
    /// Standard deviation of the logarithm by which whole slices are slower or faster.
    pub wander: f64,
    /// How much a slice resembles the one before, 0 to 1.
    pub memory: f64,
    /// Share of calls that fail with ENOENT.
    pub errors: f64,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            comm: "app",
            nr: 0,
            calls: 400.0,
            median_ns: 5_000.0,
            spread: 0.6,
            wander: 0.02,
            memory: 0.5,
            errors: 0.0,
        }
    }
}

/// Intervals of `slice_ns` in which these streams run.
pub(crate) fn intervals(streams: &[Stream], count: usize, slice_ns: u64, seed: u64) -> Vec<Interval> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut levels: Vec<f64> = streams.iter().map(|_| normal(&mut rng)).collect();
    (0..count as u64)
        .map(|at| {
            let start_ns = 1_000 + at * slice_ns;
            let mut interval = Interval { start_ns, end_ns: start_ns + slice_ns, ..Interval::default() };
            for (stream, level) in streams.iter().zip(&mut levels) {
                *level = stream.memory * *level + (1.0 - stream.memory.powi(2)).sqrt() * normal(&mut rng);
                let process = ProcessId { pid: stream.comm.bytes().map(u32::from).sum(), start_ns: 1 };
                let info = ProcessInfo {
                    comm: Comm::new(stream.comm),
                    exited: false,
                    as_of_ns: start_ns,
                    ..ProcessInfo::default()
                };
                interval.processes.insert(process, info);
                let key = CellKey { process, call: CallKey { abi: Abi::X86_64, nr: stream.nr } };
                let cell = cell(stream, *level, &mut rng);
                if cell.calls > 0 {
                    interval.cells.insert(key, cell);
                }
            }
            interval
        })
        .collect()
}

fn cell(stream: &Stream, level: f64, rng: &mut fastrand::Rng) -> Cell {
    let (mut cell, mut latencies) = (Cell::default(), Histogram::new());
    let load = stream.calls * (0.1 * normal(rng)).exp();
    let calls = load.floor() as usize + usize::from(rng.f64() < load.fract());
    for _ in 0..calls {
        let latency = stream.median_ns * (stream.wander * level + stream.spread * normal(rng)).exp();
        let outcome = if rng.f64() < stream.errors { Outcome::Error(2) } else { Outcome::Success };
        cell.record(outcome, latency.round() as u64, &mut latencies);
    }
    cell.latencies = Arc::new(latencies);
    cell
}

/// A normally distributed number (Box and Muller).
pub(crate) fn normal(rng: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}
