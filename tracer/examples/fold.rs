//! Measures what the drain thread does with each record that it has taken from a ring: decode and aggregate. For
//! `docs/benchmarks.md`: `cargo run --release -p tracer --example fold`, pinned to one CPU.

use std::io::{self, Write as _};
use std::time::Instant;

use tracer::fold::Fold;
use tracer::ledger::LedgerCounts;
use tracer_common::record::{CALL_BYTES_WITHOUT_ARGS, kind};

/// Records between two ends of intervals: a second of a busy host.
const RECORDS: usize = 1_000_000;
/// Intervals; the fastest counts.
const INTERVALS: u64 = 12;

fn main() -> io::Result<()> {
    for (what, threads, calls) in [
        ("1 thread, 2 syscalls in turn", 1, 2),
        ("8 threads, 20 syscalls each", 8, 20),
        ("200 threads, 20 syscalls each", 200, 20),
        ("4,000 threads, 20 syscalls each", 4_000, 20),
    ] {
        let records = records(threads, calls);
        let mut fold = Fold::new(1);
        let (mut best, mut closing) = (f64::MAX, f64::MAX);
        for interval in 0..INTERVALS {
            let start = Instant::now();
            for record in records.chunks_exact(CALL_BYTES_WITHOUT_ARGS) {
                fold.take(record);
            }
            best = best.min(start.elapsed().as_nanos() as f64 / RECORDS as f64);
            let start = Instant::now();
            fold.close(interval + 2, Vec::new(), LedgerCounts::default());
            closing = closing.min(start.elapsed().as_secs_f64() * 1e3);
        }
        writeln!(io::stdout(), "{what}: {best:.1} ns a record, {closing:.2} ms to end an interval")?;
    }
    Ok(())
}

/// Records as a ring has them: each thread makes a few calls in a row, of processes of up to 8 threads.
fn records(threads: u32, calls: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes = Vec::with_capacity(RECORDS * CALL_BYTES_WITHOUT_ARGS);
    let mut thread = 0;
    for index in 0..RECORDS {
        if index % 16 == 0 {
            thread = random.u32(0..threads);
        }
        let latency_ns = (400.0 * (2.0 * random.f64()).exp()) as u64;
        let ret: i64 = if random.u8(..) < 3 { -11 } else { random.i64(0..4096) };
        bytes.extend([kind::CALL, 0, 0, 0]);
        bytes.extend(random.u32(0..calls).to_ne_bytes());
        bytes.extend((1_000 + thread / 8 * 8).to_ne_bytes());
        bytes.extend((1_000 + thread).to_ne_bytes());
        bytes.extend((1_000_000 + index as u64).to_ne_bytes());
        bytes.extend(latency_ns.to_ne_bytes());
        bytes.extend(ret.to_ne_bytes());
    }
    bytes
}
