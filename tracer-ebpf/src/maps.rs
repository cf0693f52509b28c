//! Every map of the programs.

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, HashMap, PerCpuArray, RingBuf};
use aya_ebpf::macros::btf_map;
use tracer_common::ledger::Ledger;
use tracer_common::record::CallRecord;
use tracer_common::slot::{OVERFLOW_SLOTS, SLOTS as SLOT_COUNT, Slot};
use tracer_common::spill::{SPILL_CELLS, SpillCell, SpillKey};

/// One ring for each CPU; user space makes them and sets the number of entries.
#[btf_map]
pub static RINGS: ArrayOfMaps<RingBuf<CallRecord, 4096>, 1> = ArrayOfMaps::new();

/// Threads by `tid & slot_mask`. Mapped by user space to see the calls in flight.
#[btf_map]
pub static SLOTS: Array<Slot, { SLOT_COUNT as usize }, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Which thread owns a slot. An insert that must not overwrite is the one atomic claim that 5.10 has.
#[btf_map]
pub static OWNERS: HashMap<u32, u32, { SLOT_COUNT as usize }> = HashMap::new();

/// Threads whose place in `SLOTS` was taken, by tid.
#[btf_map]
pub static OVERFLOW: HashMap<u32, Slot, { OVERFLOW_SLOTS as usize }> = HashMap::new();

/// Target processes by tgid (in the tracer's namespace when `pidns_ino` is set).
#[btf_map]
pub static TARGETS: HashMap<u32, u8, 65_536> = HashMap::new();

/// Names that make a process a target.
#[btf_map]
pub static COMMS: HashMap<[u8; 16], u8, 64> = HashMap::new();

/// The epoch: user space adds one after it changed `TARGETS`, so that earlier `IGNORE` verdicts are asked
/// again.
#[btf_map]
pub static EPOCH: Array<u32, 1> = Array::new();

/// 1 once user space has attached both enter and exit.
#[btf_map]
pub static ARMED: Array<u32, 1> = Array::new();

/// The counters.
#[btf_map]
pub static LEDGER: PerCpuArray<Ledger, 1> = PerCpuArray::new();

/// Calls whose ring was full.
#[btf_map]
pub static SPILL: HashMap<SpillKey, SpillCell, { SPILL_CELLS as usize }> = HashMap::new();

/// Zeros to make a spill cell from: too large for the stack.
#[btf_map]
pub static EMPTY_SPILL_CELL: Array<SpillCell, 1> = Array::new();

/// This CPU's counters.
#[inline(always)]
pub fn ledger() -> Option<&'static mut Ledger> {
    // SAFETY: per-CPU, and nothing runs on this CPU between two lines of a program that could write it.
    LEDGER.get_ptr_mut(0).map(|ledger| unsafe { &mut *ledger })
}
