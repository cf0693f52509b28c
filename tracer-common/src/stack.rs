//! The user stacks of slow calls. The programs take one when such a call returns and put it into cells of this CPU's
//! own, just before the call goes into its ring: the order of both is one.

/// Most frames of a stack; what lies further out is cut off.
pub const FRAMES: usize = 64;

/// One stack, innermost frame first. 528 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct StackRecord {
    /// [`crate::record::kind::STACK`].
    pub kind: u8,
    /// Zero.
    pub reserved: u8,
    /// Frames that are there.
    pub frames: u16,
    /// The thread that made the call, as [`crate::record::CallRecord::tid`] has it.
    pub tid: u32,
    /// When the call returned (enter and latency of its record together), which with the thread names it. It grows from
    /// cell to cell.
    pub exit_ns: u64,
    /// Where each frame goes on: the first in the function that made the call, the others behind a call in theirs.
    pub addresses: [u64; FRAMES],
}

/// Bytes of a [`StackRecord`] before its frames.
pub const HEAD_BYTES: usize = core::mem::offset_of!(StackRecord, addresses);

/// Bytes of all its frames.
pub const FRAME_BYTES: usize = FRAMES * 8;

/// Cells of each CPU on a machine with this many; a power of two. About 16 MiB over all, while that is enough for a
/// burst of slow calls between two looks of the reader.
pub const fn cells_per_cpu(cpus: usize) -> u32 {
    let share = (16 << 20) / size_of::<StackRecord>() / if cpus == 0 { 1 } else { cpus };
    match share {
        1024.. => 1024,
        0..128 => 64,
        _ => 1 << share.ilog2(),
    }
}

const _: () = assert!(size_of::<StackRecord>() == 528 && HEAD_BYTES == 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_bounded() {
        for (cpus, cells) in [(0, 1024), (2, 1024), (31, 1024), (64, 256), (128, 128), (1000, 64)] {
            assert_eq!(cells_per_cpu(cpus), cells, "{cpus}");
        }
    }
}
