//! Checksums that any tool can compute: FNV-1a with 64 bits.

use crate::interval::{Cell, CellKey, Interval};

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Of bytes.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// Of everything that was counted in an interval: the sum over its cells, so that their order does not
/// matter. It finds what the checksum of a buffer cannot: a cell that is missing, or events that a later
/// version would fold differently.
pub(super) fn check(interval: &Interval) -> u64 {
    interval.cells.iter().fold(0, |sum, (key, cell)| sum.wrapping_add(check_cell(key, cell)))
}

/// The part of one cell: FNV-1a over 64-bit words instead of bytes.
pub(super) fn check_cell(key: &CellKey, cell: &Cell) -> u64 {
    let mut hash = BASIS;
    let mut word = |word: u64| hash = (hash ^ word).wrapping_mul(PRIME);
    word(u64::from(key.process.pid));
    word(key.process.start_ns);
    word(key.call.abi as u64);
    word(u64::from(key.call.nr as u32));
    word(cell.calls);
    word(cell.interrupted);
    word(cell.denied);
    word(cell.no_return);
    word(cell.died);
    word(cell.total_ns);
    word(cell.min_ns);
    word(cell.max_ns);
    for (&errno, &calls) in &cell.errors {
        word(u64::from(errno));
        word(calls);
    }
    for (bucket, calls) in cell.latencies.indexed() {
        word(bucket as u64);
        word(calls);
    }
    hash
}
