//! Taking the user stack of a slow call, when it has returned and its latency is known. The kernel walks frame pointers:
//! nothing may sleep here, and what was paged out ends the walk.

use core::ffi::c_void;

use aya_ebpf::bindings::{BPF_F_USER_STACK, BPF_RB_FORCE_WAKEUP};
use aya_ebpf::helpers::generated::bpf_get_stack;
use tracer_common::ledger::Counter;
use tracer_common::record::{CallRecord, kind};
use tracer_common::ring::Room;
use tracer_common::stack::FRAME_BYTES;

use crate::config::config;
use crate::maps::{CONSUMERS, SHARED_RING, STACKS, ThisCpu};

/// How long the reader is left alone after it was woken for a stack. Whose stack it is may end at once, and what its
/// addresses mean is known only while it lives; waking takes a microsecond.
const WAKE_EVERY_NS: u64 = 1_000_000;

/// Takes the stack of the call in `record`, which has returned; false where there is none. The record has to be sent next.
#[inline(never)]
pub fn take(cpu: &mut ThisCpu, record: *const CallRecord, context: *mut c_void) -> bool {
    let cells = config!(stack_cells);
    if !cpu.state.stacks.is_roomy(cells / 2) && !has_room(cpu) {
        cpu.state.ledger.count(Counter::StacksLost);
        return false;
    }
    let head = cpu.state.stacks.head;
    let Some(cell) = STACKS.get_ptr_mut(cpu.id * cells + (head as u32 & (cells - 1))) else {
        cpu.state.ledger.count(Counter::StacksLost);
        return false;
    };
    // SAFETY: the frames of a cell have this many bytes.
    let bytes = unsafe {
        let addresses = (&raw mut (*cell).addresses).cast::<c_void>();
        bpf_get_stack(context, addresses, FRAME_BYTES as u32, u64::from(BPF_F_USER_STACK))
    };
    if bytes <= 0 {
        cpu.state.ledger.count(Counter::StacksUnreadable);
        return false;
    }
    // SAFETY: only this CPU writes the cell; the record is a valid one.
    unsafe {
        (*cell).kind = kind::STACK;
        (*cell).reserved = 0;
        (*cell).frames = (bytes / 8) as u16;
        (*cell).tid = (*record).tid;
        (*cell).exit_ns = (*record).enter_ns + (*record).latency_ns;
    }
    cpu.state.ledger.count(Counter::StacksTaken);
    // Volatile, so that the compiler keeps it last. Processors that reorder stores are the reader's concern.
    // SAFETY: a field.
    unsafe { core::ptr::write_volatile(&raw mut cpu.state.stacks.head, head + 1) };
    true
}

/// Wakes the reader, when a stack and its call are there to be read.
#[inline(never)]
pub fn hurry(cpu: &mut ThisCpu, now_ns: u64) {
    if now_ns - cpu.state.stacks_woken_ns >= WAKE_EVERY_NS {
        cpu.state.stacks_woken_ns = now_ns;
        wake();
    }
}

#[inline(always)]
fn wake() {
    // No room in it means that it wakes already.
    let _ = SHARED_RING.output(&0, u64::from(BPF_RB_FORCE_WAKEUP));
}

/// Whether there is room after all; wakes the reader when there is little.
#[inline(always)]
fn has_room(cpu: &mut ThisCpu) -> bool {
    let cells = config!(stack_cells);
    let Some(consumer) = CONSUMERS.get_ptr(cpu.id) else { return false };
    // SAFETY: a map value that user space writes.
    let tail = unsafe { core::ptr::read_volatile(&raw const (*consumer).stacks_tail) };
    match cpu.state.stacks.look(tail, cells, cells / 2) {
        Room::Free => true,
        Room::Wake => {
            wake();
            true
        }
        Room::Full => false,
    }
}
