//! The rings that records travel through: for each CPU a run of cells in one array map, written by the
//! programs on that CPU and read by user space through a mapping.
//!
//! One writer and one reader need no lock. The kernel's own ring buffer allows many writers and pays for it
//! with a helper call, a lock and a header for each record: a third of what a traced call cost
//! (`docs/benchmarks.md`). A program that is not preempted is the only writer of its CPU, and a CPU that runs
//! raw programs preemptibly is given the classic ones.

use crate::record::CallRecord;

/// Where a record lies. All records fit; each tells by its kind how much of it is there.
pub type RingCell = [u64; CELL_WORDS];

/// Words of a [`RingCell`].
pub const CELL_WORDS: usize = size_of::<CallRecord>() / 8;

/// The writing end. Positions only grow; a cell's place is its position modulo the number of cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Producer {
    /// Cells written since the start: what user space reads.
    pub head: u64,
    /// How far user space had read when we last looked. The truth is the same or more.
    pub tail_seen: u64,
    /// Position at which the reader was last woken.
    pub woken_at: u64,
}

/// The reading end, alone in its cache line: what the reader writes must not slow the writer down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Consumer {
    /// Cells read since the start.
    pub tail: u64,
    /// Bytes of operands read since the start.
    pub operands_tail: u64,
    /// Stacks read since the start.
    pub stacks_tail: u64,
    /// Zero.
    pub padding: [u64; 5],
}

/// What a producer that has looked at the tail has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is room.
    Free,
    /// There is room, but the reader should hurry.
    Wake,
    /// There is none.
    Full,
}

impl Producer {
    /// Whether the next record may be written without looking at the tail: nearly always.
    #[inline(always)]
    pub fn is_roomy(&self, high_water: u32) -> bool {
        self.head.wrapping_sub(self.tail_seen) < u64::from(high_water)
    }

    /// Looks at the tail. The reader is woken when the ring is filled to its high-water mark, and again
    /// only after as many records more: waking takes over a microsecond.
    #[inline(always)]
    pub fn look(&mut self, tail: u64, cells: u32, high_water: u32) -> Room {
        self.tail_seen = tail;
        let filled = self.head.wrapping_sub(tail);
        if filled >= u64::from(cells) {
            Room::Full
        } else if filled >= u64::from(high_water)
            && self.head.wrapping_sub(self.woken_at) >= u64::from(high_water)
        {
            self.woken_at = self.head;
            Room::Wake
        } else {
            Room::Free
        }
    }
}

const _: () = assert!(size_of::<CallRecord>().is_multiple_of(8));
const _: () = assert!(size_of::<Consumer>() == 64);

#[cfg(feature = "user")]
#[expect(unsafe_code, reason = "plain integers without padding: any bytes are a valid value")]
// SAFETY: `repr(C)`, integers only, no padding (size asserted above).
unsafe impl aya::Pod for Consumer {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        /// Whatever the reader does, no cell is written again before it was read, and none is missed.
        #[test]
        fn a_ring_is_a_queue_of_bounded_length(
            log_cells in 2u32..6, steps in proptest::collection::vec((any::<bool>(), 0u64..40), 0..200),
        ) {
            let cells = 1 << log_cells;
            let high_water = cells / 2;
            let (mut producer, mut tail, mut queue) = (Producer::default(), 0, VecDeque::new());
            for (write, count) in steps {
                for _ in 0..count {
                    if !write {
                        if queue.pop_front().is_some() {
                            tail += 1;
                        }
                        continue;
                    }
                    let room = if producer.is_roomy(high_water) {
                        Room::Free
                    } else {
                        producer.look(tail, cells, high_water)
                    };
                    if room == Room::Full {
                        prop_assert_eq!(queue.len(), cells as usize);
                    } else {
                        queue.push_back(producer.head);
                        producer.head += 1;
                        prop_assert!(queue.len() <= cells as usize);
                    }
                    prop_assert_eq!(producer.head - tail, queue.len() as u64);
                    prop_assert_eq!(queue.front().copied().unwrap_or(tail), tail);
                }
            }
        }

        /// A reader that never comes is told before the ring is full.
        #[test]
        fn a_sleeping_reader_is_woken(log_cells in 2u32..10) {
            let cells = 1u32 << log_cells;
            let mut producer = Producer::default();
            let mut wakes = 0;
            loop {
                let room = if producer.is_roomy(cells / 2) { Room::Free } else { producer.look(0, cells, cells / 2) };
                match room {
                    Room::Full => break,
                    Room::Wake => wakes += 1,
                    Room::Free => {}
                }
                producer.head += 1;
            }
            prop_assert_eq!(wakes, 1);
            prop_assert_eq!(producer.head, u64::from(cells));
        }
    }
}
