//! Every map of the programs.

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::btf_maps::{Array, CgroupArray, HashMap, RingBuf};
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::macros::btf_map;
use tracer_common::config::{Control, MAX_CGROUPS};
use tracer_common::cpu::Cpu;
use tracer_common::operand::Chunk;
use tracer_common::ring::{Consumer, RingCell};
use tracer_common::slot::{OVERFLOW_SLOTS, SLOTS as SLOT_COUNT, Slot};
use tracer_common::spill::SpillCell;
use tracer_common::stack::StackRecord;

/// A run of cells for each CPU; user space sets the number of entries. A CPU that has none (it came later)
/// spills.
#[btf_map]
pub static RINGS: Array<RingCell, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// How far user space has read each ring; it sets the number of entries.
#[btf_map]
pub static CONSUMERS: Array<Consumer, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Wakes the reader, which sleeps on this one. Where a program can be preempted by another one on its CPU it
/// also carries the records: it allows many writers. User space sets the size.
#[btf_map]
pub static SHARED_RING: RingBuf<u64, 4096> = RingBuf::new();

/// The counters and the writing end of each CPU; user space sets the number of entries.
#[btf_map]
pub static CPUS: Array<Cpu, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

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

/// Cgroups whose tasks are targets, those of their descendants too; user space fills as many entries as
/// `CONFIG.cgroups` says.
#[btf_map]
pub static CGROUPS: CgroupArray<{ MAX_CGROUPS as usize }> = CgroupArray::new();

/// When a task was last moved from one cgroup to another, by `CLOCK_MONOTONIC`; 0: not since the programs were attached.
#[btf_map]
pub static MOVED: Array<u64, 1> = Array::new();

/// What user space changes while the programs run.
#[btf_map]
pub static CONTROL: Array<Control, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Calls whose ring was full: a table for each CPU; user space sets the number of entries.
#[btf_map]
pub static SPILL: Array<SpillCell, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// What calls are about: chunks for each CPU; user space sets the number of entries.
#[btf_map]
pub static OPERANDS: Array<Chunk, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Where slow calls were made: cells for each CPU; user space sets the number of entries.
#[btf_map]
pub static STACKS: Array<StackRecord, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// The CPU we run on, until the program ends.
pub struct ThisCpu {
    /// Its number.
    pub id: u32,
    /// What is kept for it.
    pub state: &'static mut Cpu,
}

/// The CPU we run on.
#[inline(always)]
pub fn this_cpu() -> Option<ThisCpu> {
    // SAFETY: no arguments.
    let id = unsafe { bpf_get_smp_processor_id() };
    // SAFETY: only this CPU writes it, and nothing runs here between two lines of a program that could.
    CPUS.get_ptr_mut(id).map(|state| ThisCpu { id, state: unsafe { &mut *state } })
}

/// What user space says now.
#[inline(always)]
pub fn control() -> Control {
    let Some(control) = CONTROL.get_ptr(0) else { return Control { epoch: 0, armed: 0 } };
    // SAFETY: a map value; each word is read whole.
    unsafe { core::ptr::read_volatile(control) }
}
