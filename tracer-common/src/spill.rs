//! In-kernel cells for calls whose ring was full. Counts, errors and totals stay exact; only the single
//! call is lost, and that is counted.
//!
//! Each CPU has a table of its own inside one array, with linear probing. So a cell has one writer and
//! needs no atomic operation (5.10 has no compare-and-swap for a maximum), and user space reads all of it
//! through a mapping: a `bpf(2)` lookup would keep classic programs from running on its CPU for as long as
//! it lasts, which is long when the reader is preempted in it.

use crate::bucket::SPILL_BUCKETS;

/// Which calls a [`SpillCell`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct SpillKey {
    /// Process id.
    pub tgid: u32,
    /// Syscall number.
    pub nr: i32,
    /// errno, or the restart code of an interrupted call; 0 for success.
    pub code: u16,
    /// [`crate::abi::Abi`] as its discriminant.
    pub abi: u8,
    /// One of [`crate::record::kind`]; 0 in a cell that is free.
    pub kind: u8,
    /// Zero.
    pub reserved: u32,
}

impl SpillKey {
    /// Where probing begins.
    #[inline(always)]
    pub const fn hash(&self) -> u32 {
        let what =
            (self.nr as u32) << 8 ^ (self.code as u32) << 20 ^ (self.abi as u32) << 4 ^ self.kind as u32;
        let mixed = (self.tgid ^ what.wrapping_mul(0x9e37_79b1)).wrapping_mul(0x85eb_ca6b);
        mixed ^ mixed >> 15
    }
}

/// What was counted. Only ever grows; read by difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SpillCell {
    /// Which calls.
    pub key: SpillKey,
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

/// Places that are tried for a cell before its call is given up as lost.
pub const PROBES: u32 = 16;
/// Bytes of all cells of all CPUs, about.
const TOTAL_BYTES: usize = 16 << 20;

/// Cells for each CPU on a machine with this many; a power of two.
pub const fn cells_per_cpu(cpus: usize) -> u32 {
    let share = TOTAL_BYTES / size_of::<SpillCell>() / if cpus == 0 { 1 } else { cpus };
    if share < 64 {
        64
    } else if share > 4096 {
        4096
    } else {
        1 << share.ilog2()
    }
}

impl SpillCell {
    /// A cell in which nothing was counted.
    pub const EMPTY: Self = Self {
        key: SpillKey { tgid: 0, nr: 0, code: 0, abi: 0, kind: 0, reserved: 0 },
        calls: 0,
        total_ns: 0,
        min_ns_plus_one: 0,
        max_ns: 0,
        histogram: [0; SPILL_BUCKETS],
    };
}

const _: () = assert!(size_of::<SpillKey>() == 16);
const _: () = assert!(size_of::<SpillCell>() == 48 + 4 * SPILL_BUCKETS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_powers_of_two_within_their_bounds() {
        for (cpus, cells) in [(0, 4096), (1, 4096), (2, 4096), (3, 4096), (4, 2048), (64, 128), (1024, 64)] {
            assert_eq!(cells_per_cpu(cpus), cells, "{cpus} CPUs");
        }
    }

    #[test]
    fn the_calls_of_a_busy_process_spread_over_the_table() {
        let mut used = [0u8; 4096];
        let mut longest = 0;
        for tgid in 1000..1020 {
            for nr in 0..40 {
                let key = SpillKey { tgid, nr, kind: 1, ..SpillKey::default() };
                let home = key.hash() as usize;
                let probes = (0..4096).find(|i| used[(home + i) & 4095] == 0).expect("there is room");
                used[(home + probes) & 4095] = 1;
                longest = longest.max(probes);
            }
        }
        assert!(longest < PROBES as usize, "{longest}");
    }
}
