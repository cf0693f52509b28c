//! What the programs keep for each CPU: its counters and the writing end of its ring. Only that CPU writes
//! it, and user space reads it through a mapping.

use crate::ledger::{COUNTERS, Ledger};
use crate::ring::Producer;

/// One CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Cpu {
    /// Its ring.
    pub ring: Producer,
    /// Where the thread that was looked up last has its slot: most often it is the same one again.
    pub last_slot: u64,
    /// The file system of the file that was looked at last: most often it is the same one again.
    pub last_super_block: u64,
    /// Its device.
    pub last_device: u64,
    /// The tick of the kernel's clock in which that was read.
    pub last_device_tick: u64,
    /// The writing end of its chunks of operands; positions are bytes.
    pub operands: Producer,
    /// The writing end of its cells of stacks.
    pub stacks: Producer,
    /// When the reader was last woken for one.
    pub stacks_woken_ns: u64,
    /// Its counters.
    pub ledger: Ledger,
    /// Keeps two CPUs in different cache lines.
    pub padding: [u64; PADDING],
}

/// Words that fill a [`Cpu`] up to whole cache lines of 64 bytes, with one line between CPUs for processors
/// that fetch lines in pairs.
const PADDING: usize = WORDS.next_multiple_of(8) + 8 - WORDS;
const WORDS: usize = COUNTERS + 5 + 3 * size_of::<Producer>() / 8;

const _: () = assert!(size_of::<Cpu>().is_multiple_of(64));
