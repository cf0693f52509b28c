//! In-kernel cells for calls whose ring was full. Counts, errors and totals stay exact; only the single
//! call is lost, and that is counted.

use crate::bucket::SPILL_BUCKETS;

/// Which calls a [`SpillCell`] holds. The CPU is part of the key, so that each cell has one writer and
/// needs no atomic operation (5.10 has no compare-and-swap for a maximum).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct SpillKey {
    /// Process id.
    pub tgid: u32,
    /// Syscall number.
    pub nr: i32,
    /// CPU that counted.
    pub cpu: u16,
    /// errno, or the restart code of an interrupted call; 0 for success.
    pub code: u16,
    /// [`crate::abi::Abi`] as its discriminant.
    pub abi: u8,
    /// One of [`crate::record::kind`].
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// What was counted. Only ever grows; read by difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SpillCell {
    /// Calls.
    pub calls: u64,
    /// Sum of latencies.
    pub total_ns: u64,
    /// Smallest latency plus one, so that zero means none yet.
    pub min_ns_plus_one: u64,
    /// Largest latency.
    pub max_ns: u64,
    /// Calls by bucket of latency, with [`crate::bucket::SPILL_GROUPING_POWER`].
    pub histogram: [u32; SPILL_BUCKETS],
}

/// Default number of spill cells.
pub const SPILL_CELLS: u32 = 4096;

impl SpillCell {
    /// A cell in which nothing was counted.
    pub const EMPTY: Self =
        Self { calls: 0, total_ns: 0, min_ns_plus_one: 0, max_ns: 0, histogram: [0; SPILL_BUCKETS] };
}

const _: () = assert!(size_of::<SpillKey>() == 16);
const _: () = assert!(size_of::<SpillCell>() == 32 + 4 * SPILL_BUCKETS);

#[cfg(feature = "user")]
#[expect(unsafe_code, reason = "plain integers without padding: any bytes are a valid value")]
mod pod {
    // SAFETY: `repr(C)`, integers only, no padding (sizes asserted above).
    unsafe impl aya::Pod for super::SpillKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::SpillCell {}
}
