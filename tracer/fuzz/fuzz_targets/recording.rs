//! Any bytes as a recording: read, aggregated and shown; repaired, and then read to a proper end.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tracer::aggregate::Aggregator;
use tracer::recording::{End, Item, Reader, repair};
use tracer::report::json::JsonLines;
use tracer::snapshot::Snapshot;

fuzz_target!(|bytes: &[u8]| {
    let Some((read, _)) = read(bytes) else { return };
    JsonLines::new(std::io::sink()).totals(&read).expect("a sink takes everything");
    let rows = read.processes.iter().map(|row| row.all.calls);
    assert_eq!(rows.sum::<u64>(), read.all.calls, "rows have what all have");
    let mut repaired = Vec::new();
    repair(Cursor::new(bytes), &mut repaired).expect("what was read can be repaired");
    let (kept, end) = self::read(&repaired).expect("what was repaired can be read");
    assert_eq!(end, End::Clean);
    assert!(kept.all.calls <= read.all.calls, "nothing is added");
});

/// The figures, and how it ended; `None` where it is no recording.
fn read(bytes: &[u8]) -> Option<(Snapshot, End)> {
    let mut reader = Reader::open(Cursor::new(bytes)).ok()?;
    let mut aggregator = Aggregator::new();
    while let Some(item) = reader.next().expect("memory can be read") {
        if let Item::Interval(interval) = item {
            aggregator.merge(&interval);
        }
    }
    let end = reader.end().cloned().expect("it has ended");
    Some((aggregator.snapshot(), end))
}
