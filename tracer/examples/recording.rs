//! Measures writing and reading of recordings. For `cargo xtask bench recording`.
//!
//! `recording events FILE`: FILE is a recording of events, whose calls are written once more. `recording hour FILE N`:
//! FILE is a recording of intervals, which is played again and again until an hour is over, with one in N of its
//! processes, and without those of the names in `WITHOUT=NAME,NAME`. `KEEP=FILE` keeps what is written.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use tracer::aggregate::Aggregator;
use tracer::decode::{CallEvent, End, Record, decode, record_bytes};
use tracer::fold::Fold;
use tracer::interval::{CellKey, InFlight, Interval};
use tracer::ledger::LedgerCounts;

use tracer::operand;
use tracer::process::{Comm, ProcessId, ProcessInfo};
use tracer::recording::{Item, Kind, Reader, Writer};
use tracer::run::Meta;
use tracer_common::record::kind;

/// Records that the drain thread hands over at once, about.
const CHUNK: usize = 4096;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("events"), Some(path), None) => events(&std::fs::read(path)?),
        (Some("hour"), Some(path), share) => hour(&std::fs::read(path)?, share.map_or(Ok(1), |n| n.parse())?),
        _ => Err("usage: recording events FILE | recording hour FILE [SHARE]".into()),
    }
}

fn events(recorded: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let args = Reader::open(recorded)?.meta().args;
    let (chunks, calls) = chunks(&records_in(recorded)?, args);
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

/// The records of a recording as they came from the rings.
fn records_in(recorded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let (mut reader, mut raw) = (Reader::open(recorded)?, Vec::new());
    let mut take = |record: &Record<'_>| match record {
        Record::Operands(event) => {
            if let Some(operands) = event.operands {
                operand::encode(event.tid, event.enter_ns, operands, &mut raw);
            }
        }
        Record::Call(event) => raw.extend(call_record(event)),
        Record::Process(event) => raw.extend(event.to_record()),
        // A file holds none.
        Record::Stack(_) => {}
    };
    while reader.next_with_events(&mut take)?.is_some() {}
    Ok(raw)
}

/// The record that `decode` reads as this call.
fn call_record(event: &CallEvent) -> Vec<u8> {
    let (kind, latency_ns, ret) = match event.end {
        End::Returned { latency_ns, ret, .. } => (kind::CALL, latency_ns, ret),
        End::Denied { errno } => (kind::DENIED, 0, -i64::from(errno)),
        End::NeverReturns => (kind::NO_RETURN, 0, 0),
        End::Died => (kind::DIED, 0, 0),
    };
    let mut bytes = vec![kind, event.call.abi as u8];
    bytes.extend(u16::from(event.args.is_some()).to_ne_bytes());
    bytes.extend(event.call.nr.to_ne_bytes());
    bytes.extend(event.tgid.to_ne_bytes());
    bytes.extend(event.tid.to_ne_bytes());
    bytes.extend(event.enter_ns.to_ne_bytes());
    bytes.extend(latency_ns.to_ne_bytes());
    bytes.extend(ret.to_ne_bytes());
    bytes.extend(event.args.iter().flatten().flat_map(|arg| arg.to_ne_bytes()));
    // No file: what a call was on is not told by events.
    let length = record_bytes(&bytes, event.args.is_some()).unwrap_or(bytes.len());
    bytes.resize(length, 0);
    bytes
}

fn records(chunk: &[u8], args: bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        let bytes = record_bytes(rest, args)?;
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

/// An hour as the recording in `file` goes, faster than it went. Processes that began in it are others each time.
fn hour(file: &[u8], share: u32) -> Result<(), Box<dyn std::error::Error>> {
    const HOUR_NS: u64 = 3_600_000_000_000;
    let meta = Reader::open(file)?.meta().clone();
    let mut intervals = read(file)?;
    let unwanted = of_names(&intervals, &std::env::var("WITHOUT").unwrap_or_default());
    let wanted = |id: &ProcessId| id.pid.is_multiple_of(share) && !unwanted.contains(id);
    for interval in &mut intervals {
        interval.cells.retain(|key, _| wanted(&key.process));
        interval.processes.retain(|id, _| wanted(id));
        interval.in_flight.retain(|open| wanted(&open.process));
    }
    let (first_ns, last_ns) = match (intervals.first(), intervals.last()) {
        (Some(first), Some(last)) => (first.start_ns, last.end_ns),
        _ => return Err("nothing is in it".into()),
    };
    let mut writer = Writer::new(Vec::new(), &meta, Kind::Intervals)?;
    let (mut cells, mut writing) = (0, Duration::ZERO);
    for round in 0..HOUR_NS.div_ceil(last_ns - first_ns) {
        let later = round * (last_ns - first_ns);
        let again = |id: ProcessId| match id.start_ns {
            // The clocks that these are on differ by the time that the host has slept.
            start_ns if start_ns >= first_ns => ProcessId { start_ns: start_ns + later, ..id },
            _ => id,
        };
        for interval in intervals.iter().take_while(|interval| interval.end_ns + later - first_ns <= HOUR_NS)
        {
            let key = |key: &CellKey| CellKey { process: again(key.process), ..*key };
            let open = |open: &InFlight| InFlight {
                process: again(open.process),
                enter_ns: open.enter_ns + later,
                ..open.clone()
            };
            let info = |info: &ProcessInfo| ProcessInfo { as_of_ns: info.as_of_ns + later, ..info.clone() };
            let shifted = Interval {
                start_ns: interval.start_ns + later,
                end_ns: interval.end_ns + later,
                cells: interval.cells.iter().map(|(at, cell)| (key(at), cell.clone())).collect(),
                processes: interval.processes.iter().map(|(id, known)| (again(*id), info(known))).collect(),
                in_flight: interval.in_flight.iter().map(open).collect(),
                ledger: interval.ledger,
            };
            cells += shifted.cells.len();
            let start = Instant::now();
            writer.interval(&shifted)?;
            writing += start.elapsed();
        }
    }
    let file = writer.finish()?;
    let start = Instant::now();
    let mut reader = Reader::open(file.as_slice())?;
    let mut found = 0;
    while let Some(item) = reader.next()? {
        found += usize::from(matches!(item, Item::Interval(_)));
    }
    let reading = start.elapsed();
    let start = Instant::now();
    let mut reader = Reader::open(file.as_slice())?;
    let mut aggregator = Aggregator::new();
    while let Some(item) = reader.next()? {
        if let Item::Interval(interval) = item {
            aggregator.merge(&interval);
        }
    }
    let (both, total) = (start.elapsed(), aggregator.snapshot().all.calls);
    writeln!(
        io::stdout(),
        "{found} intervals, {:.0} cells a second, {total} calls, {:.1} MiB, {:.1} bytes a cell; \
         written in {:.2} s, read in {:.2} s, read and merged by one thread in {:.2} s",
        cells as f64 / 3600.0,
        file.len() as f64 / f64::from(1 << 20),
        file.len() as f64 / cells as f64,
        writing.as_secs_f64(),
        reading.as_secs_f64(),
        both.as_secs_f64(),
    )?;
    keep(&file)
}

/// The processes whose last name is one of these, with commas between them.
fn of_names(intervals: &[Interval], names: &str) -> HashSet<ProcessId> {
    let mut last = HashMap::new();
    for (id, info) in intervals.iter().flat_map(|interval| &interval.processes) {
        last.insert(*id, info.comm);
    }
    let is_one = |comm: &Comm| names.split(',').any(|name| name.as_bytes() == comm.as_bytes());
    last.into_iter().filter(|(_, comm)| is_one(comm)).map(|(id, _)| id).collect()
}

/// Leaves the file where it is asked for.
fn keep(file: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    if let Ok(path) = std::env::var("KEEP") {
        std::fs::write(path, file)?;
    }
    Ok(())
}
