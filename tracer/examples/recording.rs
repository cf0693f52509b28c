//! Measures writing and reading of recordings. For `cargo xtask bench recording`.
//!
//! `recording events FILE`: FILE holds records as they come from the rings. `recording intervals`: an hour of
//! a busy host. `KEEP=FILE` keeps the recording.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracer::aggregate::Aggregator;
use tracer::decode::{Record, decode, record_bytes};
use tracer::fold::Fold;
use tracer::histogram::Histogram;
use tracer::interval::{CallKey, Cell, CellKey, Interval, Sizes, SlowCall};
use tracer::ledger::LedgerCounts;
use tracer::process::ProcessId;
use tracer::recording::{Item, Kind, Reader, Writer};
use tracer::run::Meta;
use tracer_common::abi::Abi;
use tracer_common::outcome::Outcome;

/// Records that the drain thread hands over at once, about.
const CHUNK: usize = 4096;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("events"), Some(path)) => events(&std::fs::read(path)?),
        (Some("intervals"), None) => intervals(),
        _ => Err("usage: recording events FILE | recording intervals".into()),
    }
}

fn events(raw: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let args = has_args(raw);
    let (chunks, calls) = chunks(raw, args);
    // Memory that the file goes to is there before the clock runs.
    let mut file = vec![0; 20 * calls];
    for round in 0..3 {
        file.clear();
        let mut live = Fold::new(1);
        let mut shown = Vec::new();
        let mut spent = Duration::ZERO;
        let meta = Meta { args, start_ns: 1, arch: std::env::consts::ARCH.to_owned(), ..Meta::default() };
        let start = Instant::now();
        let mut writer = Writer::new(std::mem::take(&mut file), &meta, Kind::Events)?;
        spent += start.elapsed();
        for (index, chunk) in chunks.iter().enumerate() {
            for record in records(chunk, args) {
                live.take(record);
            }
            let interval = (index % 64 == 63 || index + 1 == chunks.len())
                .then(|| live.close(index as u64 + 2, Vec::new(), LedgerCounts::default()));
            let start = Instant::now();
            writer.events(chunk)?;
            if let Some(interval) = &interval {
                writer.interval(interval)?;
            }
            spent += start.elapsed();
            shown.extend(interval);
        }
        let start = Instant::now();
        file = writer.finish()?;
        spent += start.elapsed();
        let start = Instant::now();
        let read = read(&file)?;
        let reading = start.elapsed();
        if read != shown {
            return Err("what was read is not what was written".into());
        }
        writeln!(
            io::stdout(),
            "round {round}: {calls} calls; write {:.1} ns, {:.2} bytes; read {:.1} ns a call ({:.1} M/s)",
            spent.as_nanos() as f64 / calls as f64,
            file.len() as f64 / calls as f64,
            reading.as_nanos() as f64 / calls as f64,
            calls as f64 / reading.as_secs_f64() / 1e6,
        )?;
        if round == 0 {
            keep(&file)?;
        }
    }
    Ok(())
}

/// Whether the first call says so.
fn has_args(raw: &[u8]) -> bool {
    let whole = |args| records(raw, args).take(1000).all(|record| decode(record).is_ok());
    whole(true)
}

fn records(chunk: &[u8], args: bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        let bytes = record_bytes(*rest.first()?, args)?;
        let (record, behind) = rest.split_at_checked(bytes)?;
        rest = behind;
        Some(record)
    })
}

/// Chunks of whole records, and the number of calls in them.
fn chunks(raw: &[u8], args: bool) -> (Vec<Vec<u8>>, usize) {
    let (mut chunks, mut chunk, mut calls) = (Vec::new(), Vec::new(), 0);
    for (index, record) in records(raw, args).enumerate() {
        chunk.extend_from_slice(record);
        calls += usize::from(matches!(decode(record), Ok(Record::Call(_))));
        if index % CHUNK == CHUNK - 1 {
            chunks.push(std::mem::take(&mut chunk));
        }
    }
    chunks.push(chunk);
    (chunks, calls)
}

fn read(file: &[u8]) -> Result<Vec<Interval>, Box<dyn std::error::Error>> {
    let mut reader = Reader::open(file)?;
    let mut found = Vec::new();
    while let Some(item) = reader.next()? {
        if let Item::Interval(interval) = item {
            found.push(interval);
        }
    }
    Ok(found)
}

/// 200 cells a second for an hour, each with some forty filled buckets.
fn intervals() -> Result<(), Box<dyn std::error::Error>> {
    const SECOND: u64 = 1_000_000_000;
    let mut random = fastrand::Rng::with_seed(1);
    let meta = Meta { start_ns: SECOND, arch: std::env::consts::ARCH.to_owned(), ..Meta::default() };
    let mut writer = Writer::new(Vec::new(), &meta, Kind::Intervals)?;
    for second in 1..=3600 {
        let mut interval =
            Interval { start_ns: second * SECOND, end_ns: (second + 1) * SECOND, ..Interval::default() };
        for index in 0..200u32 {
            let process = ProcessId { pid: 1000 + index / 20, start_ns: 77 };
            let made = CallKey { abi: Abi::X86_64, nr: (index % 20) as i32 };
            let (mut cell, mut histogram) = (Cell::default(), Histogram::new());
            for _ in 0..random.u32(50..400) {
                let scale = 200.0 * f64::from(1 + index % 20);
                let latency_ns = (scale * (1.0 + 3.0 * random.f64()) * (1.5 * random.f64()).exp()) as u64;
                let outcome = if random.u8(..) < 5 { Outcome::Error(11) } else { Outcome::Success };
                cell.record(outcome, latency_ns, &mut histogram);
            }
            cell.latencies = Arc::new(histogram);
            let enter_ns = second * SECOND + random.u64(..SECOND);
            detail(&mut cell, index, enter_ns, &mut random);
            interval.ledger.aggregated += cell.calls;
            interval.cells.insert(CellKey { process, call: made }, cell);
        }
        writer.interval(&interval)?;
    }
    let file = writer.finish()?;
    let start = Instant::now();
    let mut reader = Reader::open(file.as_slice())?;
    let (mut aggregator, mut found) = (Aggregator::new(), 0);
    // As every reader does: an hour in memory would be more than memory.
    while let Some(item) = reader.next()? {
        if let Item::Interval(interval) = item {
            aggregator.merge(&interval);
            found += 1;
        }
    }
    writeln!(
        io::stdout(),
        "{found} intervals, {} calls, {:.1} MiB; read in {:.2} s",
        aggregator.snapshot().all.calls,
        file.len() as f64 / f64::from(1 << 20),
        start.elapsed().as_secs_f64(),
    )?;
    keep(&file)
}

/// What is told of single calls: a third of the syscalls move bytes, and a quarter now and then take a millisecond.
fn detail(cell: &mut Cell, index: u32, enter_ns: u64, random: &mut fastrand::Rng) {
    let ret = random.i64(1..65_536);
    if index.is_multiple_of(3) {
        let bytes = cell.calls * random.u64(20..8_000);
        cell.sizes = Sizes { calls: cell.calls, bytes, small: cell.calls / random.u64(1..9) };
    }
    if index.is_multiple_of(4) && random.bool() {
        let latency_ns = random.u64(1_000_000..900_000_000);
        cell.max_ns = cell.max_ns.max(latency_ns);
        let tid = 1000 + index / 20 + random.u32(0..4);
        cell.slowest = Arc::from([SlowCall { latency_ns, enter_ns, tid, ret, args: None }]);
    }
}

/// Leaves the file where it is asked for.
fn keep(file: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    if let Ok(path) = std::env::var("KEEP") {
        std::fs::write(path, file)?;
    }
    Ok(())
}
