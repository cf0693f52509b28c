//! What the drain thread hands to a recorder, and the bounded queue between the two. The drain thread never
//! waits here: while no buffer is free, single calls are left out, and the interval that follows says what
//! they were.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tracer_common::record::kind;

use crate::decode::record_bytes;
use crate::fold::Fold;
use crate::interval::Interval;
use crate::recording::{Kind, Mark};
use crate::run::Meta;

/// What may wait for a recorder, in memory and in time.
#[derive(Clone, Copy, Debug)]
struct Limits {
    chunks: usize,
    /// Bytes of records in one chunk.
    bytes: usize,
}

/// Under a second of two million calls a second without their arguments.
const EVENTS: Limits = Limits { chunks: 64, bytes: 1 << 20 };

/// An interval may be large on a large host.
const INTERVALS: Limits = Limits { chunks: 8, bytes: 0 };

/// How long records wait before they are handed over.
const HAND_OVER_NS: u64 = 200_000_000;

/// Marks that may wait for a buffer; a hand at a keyboard makes fewer.
const MARKS: usize = 1_000;

/// What the recorder writes next, in this order.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Ring records, back to back.
    pub records: Vec<u8>,
    /// Marks made since the last chunk.
    pub marks: Vec<Mark>,
    /// The interval that ends here, with the calls that have a record and those that have none.
    pub interval: Option<Interval>,
    /// Whether what follows can begin a file of its own: it tells again of every process.
    pub ends_segment: bool,
}

/// The recorder's end of the queue.
#[derive(Debug)]
pub struct Chunks {
    queue: Receiver<Chunk>,
    free: SyncSender<Vec<u8>>,
    segment_full: Arc<AtomicBool>,
}

impl Chunks {
    /// The next chunk; `None` when none came in time.
    ///
    /// # Errors
    /// The drain thread has finished.
    pub fn next(&self, timeout: Duration) -> Result<Option<Chunk>, Finished> {
        match self.queue.recv_timeout(timeout) {
            Ok(chunk) => Ok(Some(chunk)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Finished),
        }
    }

    /// Gives the buffer of a chunk back.
    pub fn give_back(&self, mut records: Vec<u8>) {
        records.clear();
        // With the drain thread gone nobody needs it.
        let _ = self.free.try_send(records);
    }

    /// Asks for the present segment to end with the present interval.
    pub fn end_segment(&self) {
        self.segment_full.store(true, Ordering::Relaxed);
    }
}

/// No more chunks will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished;

/// The drain thread's end.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct Tap {
    queue: SyncSender<Chunk>,
    free: Receiver<Vec<u8>>,
    /// Buffers that may still be made.
    unmade: usize,
    /// Bytes of one buffer.
    bytes: usize,
    wants_records: bool,
    /// Whether calls come with their arguments.
    args: bool,
    filling: Option<Vec<u8>>,
    filling_since_ns: u64,
    /// Intervals for which there was no buffer, joined.
    pending: Interval,
    marks: Vec<Mark>,
    /// Calls left out since the last interval.
    overflow: u64,
    /// Whether the next buffer begins with every known process: at the start of a file, and after records
    /// were left out.
    introduce: bool,
    segment: Option<Segment>,
    recorder_is_gone: bool,
}

#[derive(Debug)]
struct Segment {
    length_ns: u64,
    end_ns: u64,
    full: Arc<AtomicBool>,
}

/// A queue for the recording of a run, in one file or in segments of this length.
pub fn tap(kind: Kind, segment: Option<Duration>, meta: &Meta) -> (Tap, Chunks) {
    let limits = if kind == Kind::Events { EVENTS } else { INTERVALS };
    limited(kind, segment, meta, limits)
}

fn limited(kind: Kind, segment: Option<Duration>, meta: &Meta, limits: Limits) -> (Tap, Chunks) {
    // One place more than there are buffers: what is left at the end always finds room.
    let (queue, received) = sync_channel(limits.chunks + 1);
    let (free, freed) = sync_channel(limits.chunks);
    let full = Arc::new(AtomicBool::new(false));
    let segment = segment.map(|length| {
        let length_ns = length.as_nanos() as u64;
        Segment { length_ns, end_ns: meta.start_ns + length_ns, full: Arc::clone(&full) }
    });
    let tap = Tap {
        queue,
        free: freed,
        unmade: limits.chunks,
        bytes: limits.bytes,
        wants_records: kind == Kind::Events,
        args: meta.args,
        filling: None,
        filling_since_ns: 0,
        pending: Interval::default(),
        marks: Vec::new(),
        overflow: 0,
        introduce: true,
        segment,
        recorder_is_gone: false,
    };
    (tap, Chunks { queue: received, free, segment_full: full })
}

impl Tap {
    /// Whether single records are wanted.
    pub fn wants_records(&self) -> bool {
        self.wants_records
    }

    /// Whether the recorder has ended by itself: disk full, size reached.
    pub fn recorder_is_gone(&self) -> bool {
        self.recorder_is_gone
    }

    /// Takes one record from a ring, after `fold` has.
    #[inline]
    pub fn take(&mut self, record: &[u8], fold: &mut Fold, now_ns: u64) {
        if record_bytes(record, self.args) != Some(record.len()) {
            // The ledger has it as undecodable; or it is a stack, which the interval tells by name.
            return;
        }
        match &mut self.filling {
            Some(filling) if filling.len() + record.len() <= self.bytes => filling.extend_from_slice(record),
            _ => self.turn(record, fold, now_ns),
        }
    }

    /// Goes on in another buffer, or without one.
    #[cold]
    fn turn(&mut self, record: &[u8], fold: &mut Fold, now_ns: u64) {
        self.hand_over(fold);
        if self.refill(fold, now_ns)
            && let Some(filling) = &mut self.filling
        {
            filling.extend_from_slice(record);
        } else {
            self.introduce = true;
            self.overflow += u64::from(record.first().is_some_and(|&first| first < kind::SEEN));
        }
    }

    /// Takes a mark; what came before it goes out at once.
    pub fn mark(&mut self, mark: Mark, fold: &mut Fold, now_ns: u64) {
        if self.marks.len() < MARKS {
            self.marks.push(mark);
        }
        if self.refill(fold, now_ns) {
            self.hand_over(fold);
        }
    }

    /// Hands over what has waited long enough.
    pub fn tick(&mut self, fold: &mut Fold, now_ns: u64) {
        let is_due = now_ns.saturating_sub(self.filling_since_ns) >= HAND_OVER_NS;
        let waits = self.filling.is_some() || !self.marks.is_empty() || !self.pending.is_empty();
        if is_due && waits && self.refill(fold, now_ns) {
            self.hand_over(fold);
        }
    }

    /// How many calls had no record since the last interval; part of that interval's ledger.
    pub fn take_overflow(&mut self) -> u64 {
        std::mem::take(&mut self.overflow)
    }

    /// Takes the interval that `fold` has just closed.
    pub fn interval(&mut self, interval: Interval, fold: &mut Fold) {
        let has_buffer = self.refill(fold, interval.end_ns);
        if self.pending.is_empty() {
            self.pending = interval;
        } else {
            self.pending.merge(&interval);
        }
        if has_buffer {
            self.hand_over(fold);
        }
    }

    /// Hands over all that is left.
    pub fn finish(mut self) {
        if self.filling.is_some() || !self.pending.is_empty() || !self.marks.is_empty() {
            self.send(false);
        }
    }

    /// Sees to it that there is a buffer; false when none is free. One that is taken after records were left
    /// out begins with every known process, and an interval that waited for it goes out with it.
    fn refill(&mut self, fold: &mut Fold, now_ns: u64) -> bool {
        while self.filling.is_none() {
            let Some(mut buffer) = self.acquire() else { return false };
            if std::mem::take(&mut self.introduce) && self.wants_records {
                buffer.extend(fold.known_processes(now_ns));
            }
            self.filling = Some(buffer);
            self.filling_since_ns = now_ns;
            if !self.pending.is_empty() {
                self.hand_over(fold);
            }
        }
        true
    }

    fn acquire(&mut self) -> Option<Vec<u8>> {
        if let Ok(buffer) = self.free.try_recv() {
            return Some(buffer);
        }
        self.unmade = self.unmade.checked_sub(1)?;
        Some(Vec::with_capacity(self.bytes))
    }

    /// Sends the buffer that is being filled, with the interval that ends here if one does.
    fn hand_over(&mut self, fold: &mut Fold) {
        if self.filling.is_none() {
            return;
        }
        let mut ends_segment = false;
        if !self.pending.is_empty()
            && let Some(segment) = &mut self.segment
        {
            let end_ns = self.pending.end_ns;
            ends_segment = segment.full.swap(false, Ordering::Relaxed) || end_ns >= segment.end_ns;
            if ends_segment {
                segment.end_ns = end_ns + segment.length_ns;
                self.introduce = true;
                fold.tell_again();
            }
        }
        self.send(ends_segment);
    }

    fn send(&mut self, ends_segment: bool) {
        let interval = std::mem::take(&mut self.pending);
        let chunk = Chunk {
            records: self.filling.take().unwrap_or_default(),
            marks: std::mem::take(&mut self.marks),
            interval: (!interval.is_empty()).then_some(interval),
            ends_segment,
        };
        // There is a place for every buffer, so that only a missing reader can refuse it.
        self.recorder_is_gone |= self.queue.try_send(chunk).is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::{call_bytes, process_bytes};
    use crate::ledger::LedgerCounts;
    use crate::recording::tests::fixture::interval_as_recorded;
    use crate::recording::{Item, Reader, Writer};
    use proptest::prelude::*;
    use tracer_common::record::{CallRecord, ProcessRecord};

    fn call(tgid: u32, nr: i32, latency_ns: u64) -> Vec<u8> {
        let record = CallRecord {
            kind: kind::CALL,
            nr,
            tgid,
            tid: tgid,
            enter_ns: 5,
            latency_ns,
            ..CallRecord::default()
        };
        call_bytes(&record, false)
    }

    fn seen(tgid: u32, start_ns: u64) -> Vec<u8> {
        let comm = *b"oracle\0\0\0\0\0\0\0\0\0\0";
        let record =
            ProcessRecord { kind: kind::SEEN, tgid, tid: tgid, start_ns, comm, ..ProcessRecord::default() };
        process_bytes(&record)
    }

    fn meta() -> Meta {
        Meta { start_ns: 1, start_unix_ns: 1_000_000_001, arch: "x86_64".to_owned(), ..Meta::default() }
    }

    /// A drain thread and a recorder in one.
    struct Bench {
        fold: Fold,
        tap: Tap,
        chunks: Chunks,
        writer: Writer<Vec<u8>>,
        live: Interval,
        now_ns: u64,
    }

    impl Bench {
        fn new(kind: Kind, limits: Limits) -> Self {
            let (tap, chunks) = limited(kind, None, &meta(), limits);
            let writer = Writer::new(Vec::new(), &meta(), kind).expect("a Vec takes everything");
            Self { fold: Fold::new(1), tap, chunks, writer, live: Interval::default(), now_ns: 1 }
        }

        fn record(&mut self, bytes: &[u8]) {
            self.fold.take(bytes);
            if self.tap.wants_records() {
                self.tap.take(bytes, &mut self.fold, self.now_ns);
            }
        }

        fn close(&mut self) {
            self.now_ns += 1_000;
            let ledger =
                LedgerCounts { recorder_overflow: self.tap.take_overflow(), ..LedgerCounts::default() };
            let interval = self.fold.close(self.now_ns, Vec::new(), ledger);
            self.live.merge(&interval);
            self.tap.interval(interval, &mut self.fold);
        }

        /// The recorder writes at most one chunk.
        fn write(&mut self) -> bool {
            let Ok(Some(chunk)) = self.chunks.next(Duration::ZERO) else { return false };
            self.writer.events(&chunk.records).expect("a Vec takes everything");
            self.chunks.give_back(chunk.records);
            for mark in &chunk.marks {
                self.writer.mark(mark).expect("a Vec takes everything");
            }
            if let Some(interval) = &chunk.interval {
                self.writer.interval(interval).expect("a Vec takes everything");
            }
            true
        }

        /// What was live, and what a reader finds.
        fn finish(mut self) -> (Interval, Vec<Item>) {
            self.close();
            let (spare, _) = limited(Kind::Intervals, None, &meta(), INTERVALS);
            std::mem::replace(&mut self.tap, spare).finish();
            while self.write() {}
            let bytes = self.writer.finish().expect("a Vec takes everything");
            let mut reader = Reader::open(&bytes[..]).expect("a recording");
            let mut items = Vec::new();
            while let Some(item) = reader.next().expect("it is whole") {
                items.push(item);
            }
            (self.live, items)
        }
    }

    fn total(items: &[Item]) -> Interval {
        let mut total = Interval::default();
        for item in items {
            if let Item::Interval(interval) = item {
                total.merge(interval);
            }
        }
        total
    }

    proptest! {
        /// However slow the recorder is, nothing is missing from what it writes.
        #[test]
        fn a_slow_recorder_costs_detail_and_nothing_else(
            steps in proptest::collection::vec((0u32..12, 1u32..5, 0i32..3, 1u64..1 << 40), 1..400),
            chunks in 1usize..4,
            events in any::<bool>(),
        ) {
            let kind = if events { Kind::Events } else { Kind::Intervals };
            let mut bench = Bench::new(kind, Limits { chunks, bytes: 200 });
            for (what, tgid, nr, number) in steps {
                match what {
                    0 => bench.close(),
                    1 => drop(bench.write()),
                    2 => bench.record(&seen(tgid, number)),
                    _ => bench.record(&call(tgid, nr, number)),
                }
            }
            let (live, items) = bench.finish();
            let read = total(&items);
            let (read, live) = (interval_as_recorded(read, false), interval_as_recorded(live, false));
            prop_assert_eq!(&read.cells, &live.cells);
            prop_assert_eq!(read.ledger, live.ledger);
            prop_assert_eq!(read.processes, live.processes);
            prop_assert_eq!((read.start_ns, read.end_ns), (live.start_ns, live.end_ns));
        }
    }

    #[test]
    fn what_finds_no_buffer_is_counted() {
        let mut bench = Bench::new(Kind::Events, Limits { chunks: 2, bytes: 80 });
        for _ in 0..10 {
            bench.record(&call(7, 1, 100));
        }
        let (live, items) = bench.finish();
        assert_eq!(live.ledger.recorder_overflow, 6, "two chunks of two records were free");
        let read = interval_as_recorded(total(&items), false);
        assert_eq!(read.cells, interval_as_recorded(live, false).cells);
    }

    #[test]
    fn a_recording_that_begins_late_knows_who_was_there() {
        let mut bench = Bench::new(Kind::Events, EVENTS);
        bench.fold.take(&seen(7, 99));
        bench.fold.close(bench.now_ns, Vec::new(), LedgerCounts::default());
        bench.fold.tell_again();
        bench.record(&call(7, 1, 100));
        let (live, items) = bench.finish();
        let read = total(&items);
        assert_eq!((&read.cells, &read.processes), (&live.cells, &live.processes));
        assert!(read.cells.keys().all(|key| key.process.start_ns == 99));
        let comm = read.processes.values().next().map(|info| info.comm.to_string());
        assert_eq!(comm.as_deref(), Some("oracle"));
    }

    #[test]
    fn marks_go_out_at_once_and_in_their_place() {
        let mut bench = Bench::new(Kind::Intervals, INTERVALS);
        bench.close();
        let mark = Mark { time_ns: 1_500, text: "deployed".to_owned() };
        bench.tap.mark(mark.clone(), &mut bench.fold, 1_500);
        assert!(bench.write() && bench.write() && !bench.write(), "the interval, then the mark");
        let (_, items) = bench.finish();
        assert!(matches!(&items[1], Item::Mark(found) if *found == mark), "{items:?}");
        assert_eq!(items.len(), 3);
    }

    #[test]
    fn a_segment_ends_with_an_interval_and_the_next_tells_of_everybody() {
        let (mut tap, chunks) = tap(Kind::Events, Some(Duration::from_nanos(1_500)), &meta());
        let mut fold = Fold::new(1);
        fold.take(&seen(7, 99));
        tap.take(&seen(7, 99), &mut fold, 1);
        let mut ends = Vec::new();
        for end_ns in [1_000, 2_000, 3_000] {
            fold.take(&call(7, 1, 1));
            tap.take(&call(7, 1, 1), &mut fold, end_ns);
            let interval = fold.close(end_ns, Vec::new(), LedgerCounts::default());
            tap.interval(interval, &mut fold);
            let chunk = chunks.next(Duration::ZERO).expect("it runs").expect("a chunk");
            let told = chunk.interval.expect("an interval").processes.len();
            ends.push((chunk.ends_segment, told, chunk.records.len()));
        }
        // The first chunk begins with what was known when its buffer was taken.
        assert_eq!(ends, [(false, 1, 168), (true, 0, 40), (false, 1, 104)]);
    }

    #[test]
    fn a_recorder_that_is_gone_is_noticed() {
        let (mut tap, chunks) = tap(Kind::Intervals, None, &meta());
        drop(chunks);
        let mut fold = Fold::new(1);
        let interval = fold.close(1_000, Vec::new(), LedgerCounts::default());
        tap.interval(interval, &mut fold);
        assert!(tap.recorder_is_gone());
    }
}
