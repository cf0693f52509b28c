//! What the drain thread hands to a recorder, and the bounded queue between the two. The drain thread never
//! waits here: while no buffer is free, single calls are left out, and the interval that follows says what
//! they were.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tracer_common::record::kind;

use crate::fold::Fold;
use crate::interval::Interval;
use crate::recording::{Kind, Mark};
use crate::run::Meta;

/// Bytes of records in one buffer.
const CHUNK_BYTES: usize = 1 << 20;

/// Buffers of records: the most that waits for a recorder, in memory and in time.
const EVENT_CHUNKS: usize = 64;

/// The same where only intervals are recorded, each of which may be large on a large host.
const INTERVAL_CHUNKS: usize = 8;

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
pub struct Tap {
    queue: SyncSender<Chunk>,
    free: Receiver<Vec<u8>>,
    /// Buffers that may still be made.
    unmade: usize,
    /// Whether single records are wanted.
    records: bool,
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
    let (chunks, records) = match kind {
        Kind::Events => (EVENT_CHUNKS, true),
        Kind::Intervals => (INTERVAL_CHUNKS, false),
    };
    let (queue, received) = sync_channel(chunks + 1);
    let (free, freed) = sync_channel(chunks);
    let full = Arc::new(AtomicBool::new(false));
    let segment = segment.map(|length| {
        let length_ns = length.as_nanos() as u64;
        Segment { length_ns, end_ns: meta.start_ns + length_ns, full: Arc::clone(&full) }
    });
    let tap = Tap {
        queue,
        free: freed,
        unmade: chunks,
        records,
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
        self.records
    }

    /// Whether the recorder has ended by itself: disk full, size reached.
    pub fn recorder_is_gone(&self) -> bool {
        self.recorder_is_gone
    }

    /// Takes one record from a ring, after `fold` has.
    #[inline]
    pub fn take(&mut self, record: &[u8], fold: &mut Fold, now_ns: u64) {
        match &mut self.filling {
            Some(filling) if filling.len() + record.len() <= CHUNK_BYTES => filling.extend_from_slice(record),
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
            if std::mem::take(&mut self.introduce) && self.wants_records() {
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
        Some(Vec::with_capacity(if self.wants_records() { CHUNK_BYTES } else { 0 }))
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
