//! What the kernel side keeps for each thread: whether it is traced, and its open call.
//!
//! Slots live in an array indexed by `tid mod SLOTS`, whose lookup the JIT compiles to a few
//! instructions; a thread whose place is taken gets an entry of the same shape in a hash. A slot belongs
//! to one thread until that thread exits, and only that thread's own CPU writes to it.

use crate::record::CallRecord;

/// One thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Slot {
    /// The thread this belongs to; 0 when free.
    pub owner: u32,
    /// One of [`verdict`], as a byte.
    pub verdict: u8,
    /// One of [`open`], as a byte.
    pub open: u8,
    /// What could not be read at enter and is to be read at exit ([`crate::operand::Reads`]); mostly 0.
    pub late: u16,
    /// The value of the epoch when the verdict was given; an `IGNORE` of an older epoch is asked again, and where
    /// the target is a cgroup, `TRACE` is too.
    pub epoch: u32,
    /// Zero.
    pub reserved2: u32,
    /// Address of the owner's user registers, which is fixed for as long as the thread lives and tells it from
    /// every other thread alive; 0 when not known.
    pub stack: u64,
    /// The open call, already in the form in which it is sent. With it a slot fills two cache lines, as it must: threads
    /// that were started one after the other have neighbouring slots, and two CPUs that write to one line cost each
    /// other 25 ns a call.
    pub record: CallRecord,
}

/// Whether a thread is traced.
pub mod verdict {
    /// Not a target.
    pub const IGNORE: u8 = 1;
    /// A target.
    pub const TRACE: u8 = 2;
    /// A target until the call it is in returns (it executed a program that is none).
    pub const LEAVING: u8 = 3;
    /// A target since its parent forked it; nothing of its own was seen yet.
    pub const NEWBORN: u8 = 4;
}

/// Where a thread stands.
pub mod open {
    /// In user space, or not seen in a call.
    pub const CLOSED: u8 = 0;
    /// Inside the call in `record`.
    pub const OPEN: u8 = 1;
    /// Inside a call that the filter does not want.
    pub const SKIPPED: u8 = 2;
    /// Just adopted: whatever call it may be in was entered before we looked.
    pub const FRESH: u8 = 3;
}

/// Default number of slots; a power of two.
pub const SLOTS: u32 = 65_536;
/// Default number of entries in the overflow hash.
pub const OVERFLOW_SLOTS: u32 = 16_384;

const _: () = assert!(size_of::<Slot>() == 128 && align_of::<Slot>() == 8);

#[cfg(feature = "user")]
#[expect(unsafe_code, reason = "plain integers without padding: any bytes are a valid value")]
// SAFETY: `repr(C)`, integers only, no padding (size asserted above).
unsafe impl aya::Pod for Slot {}
