//! The reading end of the rings: cells that the programs fill, read on a timer. Only a ring that fills up
//! wakes us earlier.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use tracer_common::cpu::Cpu;
use tracer_common::record::{CALL_BYTES_WITHOUT_ARGS, CallRecord, ProcessRecord, has_args, kind};
use tracer_common::ring::{Consumer, RingCell};

use super::operands::Operands;
use super::stacks::Stacks;
use super::sys::{SharedArray, bytes_of, monotonic_ns, order_stores};

/// Ring bytes over all CPUs when nothing else is asked for.
const TOTAL_BYTES: u64 = 256 << 20;
/// Bounds of one ring: below, a burst of a few ms would spill; above, nothing is gained.
const LEAST_CELLS: u32 = 4096;
const MOST_CELLS: u32 = 65_536;
/// How many cells are read before the kernel side may use them again.
const RELEASE_EVERY: u64 = 1024;

/// How many records of the shared ring are taken before the clock is looked at again.
const SHARED_AT_ONCE: usize = 100_000;

/// Cells of one ring for this many CPUs; a power of two.
pub fn default_cells(cpus: usize) -> u32 {
    cells_in(TOTAL_BYTES / cpus.max(1) as u64).clamp(LEAST_CELLS, MOST_CELLS)
}

/// Bytes of one ring for this many CPUs.
pub fn default_bytes(cpus: usize) -> u64 {
    u64::from(default_cells(cpus)) * size_of::<RingCell>() as u64
}

/// The largest power of two of cells that these bytes hold, at least 2.
pub fn cells_in(bytes: u64) -> u32 {
    let cells = u32::try_from(bytes / size_of::<RingCell>() as u64).unwrap_or(u32::MAX);
    1 << cells.max(2).ilog2()
}

/// Every CPU's ring.
pub struct Rings {
    cells: SharedArray<RingCell>,
    cpus: SharedArray<Cpu>,
    consumers: SharedArray<Consumer>,
    shared: RingBuf<MapData>,
    operands: Operands,
    stacks: Stacks,
    /// How far each ring is written in this pass.
    heads: Vec<u64>,
    /// Next cell to read of each ring.
    tails: Vec<u64>,
    /// What each CPU was told that it may write over.
    told: Vec<Consumer>,
    /// Cells of one ring.
    per_ring: u32,
    /// Largest number of cells that were waiting in one ring since [`Rings::take_peak_fill`].
    peak: u64,
}

impl Rings {
    /// Around the mapped arrays; `cells` holds a ring of `per_ring` cells for each of `consumers`.
    pub fn new(
        cells: SharedArray<RingCell>,
        cpus: SharedArray<Cpu>,
        consumers: SharedArray<Consumer>,
        shared: RingBuf<MapData>,
        operands: Operands,
        stacks: Stacks,
        per_ring: u32,
    ) -> Self {
        let rings = consumers.len();
        Self {
            cells,
            cpus,
            consumers,
            shared,
            operands,
            stacks,
            heads: vec![0; rings],
            tails: vec![0; rings],
            told: vec![Consumer::default(); rings],
            per_ring,
            peak: 0,
        }
    }

    /// Hands every record that was waiting at the call to `take`: a flood on one CPU cannot keep us from the
    /// others or from the clock. What a call operates on and where it was made come right before it. Returns the number of records.
    pub fn drain(&mut self, mut take: impl FnMut(&[u8])) -> usize {
        let began_ns = monotonic_ns();
        for (ring, head) in self.heads.iter_mut().enumerate() {
            *head = self.cpus.read_word(ring, offset_of!(Cpu, ring.head));
        }
        // What lies before the heads was written before them.
        compiler_fence(Ordering::Acquire);
        order_stores();
        self.operands.begin(began_ns, &self.cpus);
        self.stacks.begin(&self.cpus);
        let mut total = 0;
        for ring in 0..self.tails.len() {
            if self.heads[ring] != self.tails[ring] {
                total += self.drain_ring(ring, &mut take);
            }
        }
        self.operands.settle();
        self.stacks.settle();
        for ring in 0..self.tails.len() {
            let (operands_tail, stacks_tail) = (self.operands.tail(ring), self.stacks.tail(ring));
            let tail = self.tails[ring];
            self.release(ring, Consumer { tail, operands_tail, stacks_tail, ..Consumer::default() });
        }
        total + self.drain_shared(&mut take)
    }

    /// What calls operate on.
    pub fn operands(&mut self) -> &mut Operands {
        &mut self.operands
    }

    /// What only wakes is a single word; what is longer is a record.
    fn drain_shared(&mut self, take: &mut impl FnMut(&[u8])) -> usize {
        let mut records = 0;
        while let Some(item) = self.shared.next() {
            if let Ok(cell) = <&[u8; size_of::<RingCell>()]>::try_from(&item[..]) {
                take(record_in(cell));
                records += 1;
            } else if item.len() > size_of::<u64>() {
                take(&item);
                records += 1;
            }
            if records == SHARED_AT_ONCE {
                break;
            }
        }
        records
    }

    fn drain_ring(&mut self, ring: usize, take: &mut impl FnMut(&[u8])) -> usize {
        let (head, tail) = (self.heads[ring], self.tails[ring]);
        let waiting = head.wrapping_sub(tail);
        self.peak = self.peak.max(waiting);
        let (first, mask) = (ring * self.per_ring as usize, u64::from(self.per_ring) - 1);
        for position in tail..head {
            let record = record_in(bytes_of(self.cells.get(first + (position & mask) as usize)));
            if let Some((tid, enter_ns)) = name_of_operands(record)
                && let Some(operands) = self.operands.of_call(ring, tid, enter_ns)
            {
                take(operands);
            }
            if let Some((tid, exit_ns)) = name_of_stack(record)
                && let Some(stack) = self.stacks.of_call(ring, tid, exit_ns)
            {
                take(stack);
            }
            take(record);
            if (position + 1).is_multiple_of(RELEASE_EVERY) {
                self.release(ring, Consumer { tail: position + 1, ..self.told[ring] });
            }
        }
        self.tails[ring] = head;
        waiting as usize
    }

    fn release(&mut self, ring: usize, read: Consumer) {
        if self.told[ring] == read {
            return;
        }
        self.told[ring] = read;
        // The cells were read before this is seen.
        compiler_fence(Ordering::Release);
        order_stores();
        self.consumers.write(ring, read);
    }

    /// Sleeps until a ring is filling up or `timeout` is over.
    pub fn wait(&self, timeout: Duration) -> io::Result<()> {
        let fd = self.shared.as_fd().as_raw_fd();
        super::sys::poll(&mut [libc::pollfd { fd, events: libc::POLLIN, revents: 0 }], timeout)
    }

    /// Highest fill of any ring since the last call, as a share of its size.
    pub fn take_peak_fill(&mut self) -> f64 {
        (std::mem::take(&mut self.peak) as f64 / f64::from(self.per_ring)).min(1.0)
    }
}

/// The part of a cell that is record.
#[inline]
fn record_in(bytes: &[u8; size_of::<RingCell>()]) -> &[u8] {
    const _: () = assert!(size_of::<CallRecord>() == size_of::<RingCell>());
    let kind = bytes[offset_of!(CallRecord, kind)];
    if kind >= kind::SEEN {
        &bytes[..size_of::<ProcessRecord>()]
    } else if u16::from(bytes[offset_of!(CallRecord, has_args)]) & has_args::REGISTERS == 0 {
        &bytes[..CALL_BYTES_WITHOUT_ARGS]
    } else {
        bytes
    }
}

/// The thread and the moment of a call of which it was read what it operates on.
#[inline]
fn name_of_operands(record: &[u8]) -> Option<(u32, u64)> {
    let record: &[u8; size_of::<CallRecord>()] = record.try_into().ok()?;
    if u16::from(record[offset_of!(CallRecord, has_args)]) & has_args::OPERANDS != has_args::OPERANDS {
        return None;
    }
    let tid = record[offset_of!(CallRecord, tid)..].first_chunk()?;
    let enter_ns = record[offset_of!(CallRecord, enter_ns)..].first_chunk()?;
    Some((u32::from_ne_bytes(*tid), u64::from_ne_bytes(*enter_ns)))
}

/// The thread and the end of a call of which it was taken where it was made.
#[inline]
fn name_of_stack(record: &[u8]) -> Option<(u32, u64)> {
    if u16::from(*record.get(offset_of!(CallRecord, has_args))?) & has_args::STACK == 0
        || record[0] != kind::CALL
    {
        return None;
    }
    let word = |at: usize| record.get(at..)?.first_chunk().map(|word| u64::from_ne_bytes(*word));
    let tid = record.get(offset_of!(CallRecord, tid)..)?.first_chunk()?;
    let (enter_ns, latency_ns) =
        (word(offset_of!(CallRecord, enter_ns))?, word(offset_of!(CallRecord, latency_ns))?);
    Some((u32::from_ne_bytes(*tid), enter_ns.wrapping_add(latency_ns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_powers_of_two_between_their_bounds() {
        for (cpus, cells) in
            [(1, MOST_CELLS), (32, MOST_CELLS), (64, 32_768), (256, 8192), (4096, LEAST_CELLS)]
        {
            assert_eq!(default_cells(cpus), cells, "{cpus} CPUs");
        }
        assert!(default_cells(0).is_power_of_two());
        assert_eq!((cells_in(4096), cells_in(0), cells_in(u64::MAX)), (32, 2, 1 << 31));
    }
}
