//! What a call is about: the paths, or the socket address, that its arguments point to. The programs read them
//! when the call is entered and hand them to user space through chunks of bytes of their own, so that a long
//! path takes no room from calls. User space says which arguments of which calls are read.

use crate::abi::Abi;
use crate::config::{ABI_WORDS, bitmap_position};

/// The head of a record, which the bytes follow: [`OperandRecord::lengths`] of them, each run padded to whole words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OperandRecord {
    /// [`crate::record::kind::OPERAND`].
    pub kind: u8,
    /// Zero.
    pub reserved: u8,
    /// Bytes of the first and of the second operand plus one; 0 for one that is not there or could not be read. After
    /// a path stands a NUL, after an address anything.
    pub lengths: [u16; 2],
    /// Zero.
    pub reserved2: u16,
    /// The thread that makes the call.
    pub tid: u32,
    /// Zero.
    pub reserved3: u32,
    /// When it entered, which with the thread names the call.
    pub enter_ns: u64,
}

/// Bytes of a [`OperandRecord`].
pub const HEAD_BYTES: usize = size_of::<OperandRecord>();

/// Most bytes of a path that are read, the NUL included: one word more than the kernel itself takes, so that a path
/// that is too long can be told.
pub const TEXT_BYTES: usize = 4096 + 8;

/// Most bytes of an address; the longest that any program uses has 110.
pub const ADDRESS_BYTES: usize = 127;

/// Bits of what a helper says of a length, for the kernel's verifier, which does not know how long a text can be.
pub const LENGTH_MASK: usize = 0x1fff;

/// Most bytes of a record as the verifier sees it.
pub const MOST_BYTES: usize = HEAD_BYTES + LENGTH_MASK + 1 + TEXT_BYTES;

/// Where records begin lies in one of these runs of a CPU, which are used in turn; the last record of a run may
/// reach beyond it.
pub const CHUNK_BYTES: usize = 1 << CHUNK_BITS;

/// The logarithm of [`CHUNK_BYTES`].
pub const CHUNK_BITS: u32 = 16;

/// One run. Records lie back to back and begin at whole words.
pub type Chunk = [u64; (CHUNK_BYTES + MOST_BYTES) / 8];

/// Bytes of a record whose operands have these lengths.
#[inline(always)]
pub const fn record_bytes(lengths: [u16; 2]) -> usize {
    HEAD_BYTES + padded(lengths[0] as usize) + padded(lengths[1] as usize)
}

/// Length of a operand in a record.
#[inline(always)]
pub const fn padded(length: usize) -> usize {
    (length + 7) & !7
}

/// Which arguments of a call are read: one [`Read`] in the lower half, a second one in the upper.
pub type Reads = u8;

/// One argument to be read, in four bits: 0 for none.
pub type Read = u8;

/// The text that register `register` (below 6) points to.
pub const fn text(register: usize) -> Read {
    register as u8 + 1
}

/// The address that register `register` (below 5) points to, whose length is in the next.
pub const fn address(register: usize) -> Read {
    register as u8 + 7
}

/// Two arguments.
pub const fn both(first: Read, second: Read) -> Reads {
    first | second << 4
}

/// Whether a [`Read`] is of an address, and the register that points to it.
#[inline(always)]
pub const fn taken_apart(read: Read) -> Option<(bool, usize)> {
    match read {
        0 => None,
        1..=6 => Some((false, read as usize - 1)),
        _ => Some((true, read as usize - 7)),
    }
}

/// Numbers of calls, over all ABIs, for which it can be said what is read; a power of two.
pub const TABLE: usize = ABI_WORDS * 64 * Abi::ALL.len();

/// Where in the table call `nr` stands; `None` for numbers without a place.
#[inline(always)]
pub const fn position(abi: Abi, nr: i32) -> Option<usize> {
    match bitmap_position(abi, nr) {
        None => None,
        Some((word, _)) => Some(word * 64 + nr as usize % 64),
    }
}

/// Chunks of each CPU on a machine with this many; a power of two. About 32 MiB over all.
pub const fn chunks_per_cpu(cpus: usize) -> u32 {
    let share = (32 << 20) / size_of::<Chunk>() / if cpus == 0 { 1 } else { cpus };
    match share {
        0 => 1,
        16.. => 16,
        _ => 1 << share.ilog2(),
    }
}

const _: () = assert!(HEAD_BYTES == 24 && MOST_BYTES.is_multiple_of(8) && TABLE.is_power_of_two());
const _: () = assert!(TEXT_BYTES <= LENGTH_MASK && ADDRESS_BYTES < TEXT_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_a_place_of_its_own() {
        let mut used = [false; TABLE];
        for abi in Abi::ALL {
            let bit = if abi == Abi::X32 { crate::abi::X32_SYSCALL_BIT } else { 0 };
            for nr in 0..crate::config::FILTERABLE as i32 {
                let place = position(abi, nr | bit).expect("it has a place");
                assert!(!core::mem::replace(&mut used[place], true), "{abi:?} {nr}");
            }
        }
        assert_eq!(position(Abi::X86_64, -1), None);
        assert_eq!(position(Abi::X86_64, 576), None);
    }

    #[test]
    fn what_is_read_can_be_taken_apart() {
        for register in 0..6 {
            assert_eq!(taken_apart(text(register)), Some((false, register)));
        }
        for register in 0..5 {
            assert_eq!(taken_apart(address(register)), Some((true, register)));
        }
        let reads = both(text(1), text(3));
        assert_eq!((taken_apart(reads & 15), taken_apart(reads >> 4)), (Some((false, 1)), Some((false, 3))));
        assert_eq!(taken_apart(0), None);
    }

    #[test]
    fn chunks_are_bounded() {
        for (cpus, chunks) in [(0, 16), (2, 16), (26, 16), (64, 4), (1000, 1)] {
            assert_eq!(chunks_per_cpu(cpus), chunks, "{cpus}");
        }
    }
}
