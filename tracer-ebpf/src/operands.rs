//! Reading what a call is about: the paths or the address that it takes, out of the program's memory into this CPU's
//! chunks. Nothing may sleep here, so that memory which has to be fetched first cannot be read at enter; the call
//! itself fetches it, and then it is read at exit.

use core::mem::offset_of;

use aya_ebpf::bindings::BPF_RB_FORCE_WAKEUP;
use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str};
use tracer_common::abi::Abi;
use tracer_common::ledger::Counter;
use tracer_common::operand::{
    ADDRESS_BYTES, CHUNK_BITS, CHUNK_BYTES, HEAD_BYTES, LENGTH_MASK, MOST_BYTES, OperandRecord, Read, Reads,
    TEXT_BYTES, padded, record_bytes, taken_apart,
};
use tracer_common::outcome::replaces_memory;
use tracer_common::record::{CallRecord, has_args, kind};
use tracer_common::ring::Room;
use tracer_common::slot::Slot;

use crate::config::config;
use crate::maps::{CONSUMERS, OPERANDS, SHARED_RING, ThisCpu};
use crate::pair::now_ns;

/// Reads at enter, and takes the time of it.
#[inline(never)]
pub fn read_at_enter(cpu: &mut ThisCpu, slot: &mut Slot, reads: Reads) {
    let found = read(cpu, slot, reads);
    // Last, so that our own work is not in the latency.
    slot.record.enter_ns = now_ns();
    match found {
        Found::Nothing => {}
        Found::Lost => cpu.state.ledger.count(Counter::OperandsLost),
        Found::Read { is_whole: false, .. } => slot.late = u16::from(reads),
        Found::Read { lengths, is_whole: true } => publish(cpu, slot, lengths),
    }
}

/// Reads at exit what could not be read at enter.
#[inline(never)]
pub fn read_at_exit(cpu: &mut ThisCpu, slot: &mut Slot) {
    let reads = slot.late as Reads;
    let CallRecord { abi, nr, ret, .. } = slot.record;
    slot.late = 0;
    if ret == 0 && Abi::from_u8(abi).is_some_and(|abi| replaces_memory(abi, nr)) {
        // The pointers are those of a program that is gone.
        return cpu.state.ledger.count(Counter::OperandsUnreadable);
    }
    match read(cpu, slot, reads) {
        Found::Nothing => {}
        Found::Lost => cpu.state.ledger.count(Counter::OperandsLost),
        Found::Read { lengths, is_whole } => {
            if !is_whole {
                cpu.state.ledger.count(Counter::OperandsUnreadable);
            }
            if lengths != [0; 2] {
                publish(cpu, slot, lengths);
            }
        }
    }
}

/// What reading came to.
enum Found {
    /// The call was given none.
    Nothing,
    /// There is no room.
    Lost,
    /// Something lies behind the head of the next record, which is still to be written.
    Read { lengths: [u16; 2], is_whole: bool },
}

#[inline(always)]
fn read(cpu: &mut ThisCpu, slot: &Slot, reads: Reads) -> Found {
    let (first, second) = (Place::of(slot, reads & 15), Place::of(slot, reads >> 4));
    if !first.is_given && !second.is_given {
        return Found::Nothing;
    }
    if !cpu.state.operands.is_roomy(capacity() / 2) && !has_room(cpu) {
        return Found::Lost;
    }
    let Some(record) = next_record(cpu) else { return Found::Lost };
    // SAFETY: a chunk has room behind any place where a record can begin.
    let behind = unsafe { record.add(HEAD_BYTES) };
    let length = first.read_into(behind);
    // SAFETY: the same, for a length that is masked.
    let second_length = second.read_into(unsafe { behind.add(padded(length)) });
    let is_whole = (length != 0) == first.is_given && (second_length != 0) == second.is_given;
    Found::Read { lengths: [length as u16, second_length as u16], is_whole }
}

/// Where an argument points to.
struct Place {
    /// Whether there is something to be read.
    is_given: bool,
    is_address: bool,
    pointer: u64,
    /// Of an address.
    bytes: u64,
}

impl Place {
    #[inline(always)]
    fn of(slot: &Slot, read: Read) -> Self {
        let Some((is_address, register)) = taken_apart(read) else {
            return Self { is_given: false, is_address: false, pointer: 0, bytes: 0 };
        };
        let (pointer, bytes) = (argument(slot, register), argument(slot, register + 1));
        Self { is_given: pointer != 0 && (!is_address || bytes as u32 != 0), is_address, pointer, bytes }
    }

    /// Reads it; the length is that of [`OperandRecord::lengths`].
    #[inline(always)]
    fn read_into(&self, into: *mut u8) -> usize {
        if !self.is_given {
            return 0;
        }
        if !self.is_address {
            // SAFETY: a chunk has room for as many bytes here; the helper checks the address.
            let length =
                unsafe { bpf_probe_read_user_str(into.cast(), TEXT_BYTES as u32, self.pointer as *const _) };
            return if length < 0 { 0 } else { length as usize & LENGTH_MASK };
        }
        let wanted = self.bytes as u32;
        let bytes = if wanted > ADDRESS_BYTES as u32 { ADDRESS_BYTES as u32 } else { wanted };
        // Through memory and a mask, for the verifier.
        // SAFETY: a local.
        let bytes = unsafe { core::ptr::read_volatile(&raw const bytes) } & ADDRESS_BYTES as u32;
        // SAFETY: as above.
        let result = unsafe { bpf_probe_read_user(into.cast(), bytes, self.pointer as *const _) };
        if result == 0 { bytes as usize + 1 } else { 0 }
    }
}

/// An argument of the open call. A slot goes on behind the six: the verifier sees that any of eight lies in it.
#[inline(always)]
fn argument(slot: &Slot, register: usize) -> u64 {
    const ARGS: usize = offset_of!(Slot, record) + offset_of!(CallRecord, args);
    const _: () = assert!(ARGS + 8 * 8 <= size_of::<Slot>());
    // SAFETY: a local.
    let register = unsafe { core::ptr::read_volatile(&raw const register) } & 7;
    let address = (&raw const *slot).cast::<u8>();
    // SAFETY: inside the slot.
    let value = unsafe { core::ptr::read_volatile(address.add(ARGS).cast::<u64>().add(register)) };
    if slot.record.abi == Abi::I386 as u8 { value & 0xffff_ffff } else { value }
}

/// Bytes that may wait for the reader.
#[inline(always)]
fn capacity() -> u32 {
    (config!(chunk_mask) + 1) * CHUNK_BYTES as u32 - MOST_BYTES as u32
}

/// Where the next record of this CPU begins.
#[inline(always)]
fn next_record(cpu: &ThisCpu) -> Option<*mut u8> {
    let (mask, head) = (config!(chunk_mask), cpu.state.operands.head);
    let chunk = OPERANDS.get_ptr_mut(cpu.id * (mask + 1) + ((head >> CHUNK_BITS) as u32 & mask))?;
    // SAFETY: inside the chunk.
    Some(unsafe { chunk.cast::<u8>().add(head as usize & (CHUNK_BYTES - 1)) })
}

/// Whether there is room after all; wakes the reader when there is little.
#[inline(always)]
fn has_room(cpu: &mut ThisCpu) -> bool {
    let Some(consumer) = CONSUMERS.get_ptr(cpu.id) else { return false };
    // SAFETY: a map value that user space writes.
    let tail = unsafe { core::ptr::read_volatile(&raw const (*consumer).operands_tail) };
    match cpu.state.operands.look(tail, capacity(), capacity() / 2) {
        Room::Free => true,
        Room::Wake => {
            // No room in it means that it wakes already.
            let _ = SHARED_RING.output(&0, u64::from(BPF_RB_FORCE_WAKEUP));
            true
        }
        Room::Full => false,
    }
}

/// Puts the head before what was read, and lets user space see it.
#[inline(always)]
fn publish(cpu: &mut ThisCpu, slot: &mut Slot, lengths: [u16; 2]) {
    let Some(record) = next_record(cpu) else { return };
    let head = OperandRecord {
        kind: kind::OPERAND,
        lengths,
        tid: slot.record.tid,
        enter_ns: slot.record.enter_ns,
        ..OperandRecord::default()
    };
    // SAFETY: inside the chunk, at a whole word.
    unsafe { record.cast::<OperandRecord>().write(head) };
    slot.record.has_args = has_args::OPERANDS;
    cpu.state.ledger.count(Counter::OperandsRead);
    let next = cpu.state.operands.head + record_bytes(lengths) as u64;
    // Volatile, so that the compiler keeps it last. Processors that reorder stores are the reader's concern.
    // SAFETY: a field.
    unsafe { core::ptr::write_volatile(&raw mut cpu.state.operands.head, next) };
}
