//! A finished record on its way out: into this CPU's ring, else into a spill cell, else counted as lost.

use core::ptr;

use aya_ebpf::bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use tracer_common::abi::Abi;
use tracer_common::bucket;
use tracer_common::ledger::Counter;
use tracer_common::outcome::{Outcome, classify};
use tracer_common::record::{CALL_BYTES_WITHOUT_ARGS, CallRecord, ProcessRecord, kind};
use tracer_common::ring::Room;
use tracer_common::spill::{PROBES, SpillCell, SpillKey};

use crate::config::config;
use crate::kernel;
use crate::maps::{CONSUMERS, RINGS, SHARED_RING, SPILL, ThisCpu, this_cpu};

/// Sends `record`, which lies in a map value.
#[inline(always)]
pub fn emit(cpu: &mut ThisCpu, record: *const CallRecord) {
    if !passes_filters(record) {
        cpu.state.ledger.count(Counter::FilteredOut);
        return;
    }
    let sent = if config!(args) != 0 {
        send::<{ size_of::<CallRecord>() / 8 }>(cpu, record.cast())
    } else {
        send::<{ CALL_BYTES_WITHOUT_ARGS / 8 }>(cpu, record.cast())
    };
    if sent {
        cpu.state.ledger.count(Counter::Streamed);
    } else if spill(record, cpu.id) {
        cpu.state.ledger.count(Counter::Spilled);
    } else {
        cpu.state.ledger.count(Counter::Lost);
    }
}

/// Tells user space about the current process.
#[inline(never)]
pub fn announce(what: u8, pid_tgid: u64) {
    let tgid = (pid_tgid >> 32) as u32;
    let leader = kernel::current_leader();
    // Filled in place: copies of the names would not fit on the 512 bytes of stack of a chain of calls.
    let mut record = ProcessRecord {
        kind: what,
        reserved: [0; 3],
        tgid,
        tid: kernel::shown_tid(pid_tgid as u32),
        ns_tgid: if config!(pidns_ino) == 0 { 0 } else { kernel::visible_tgid(tgid) },
        // SAFETY: no arguments.
        time_ns: unsafe { bpf_ktime_get_ns() },
        start_ns: kernel::task_field(leader, config!(offsets.task_start)),
        comm: [0; 16],
        thread_comm: [0; 16],
    };
    kernel::read_current_comm(&mut record.thread_comm);
    if !kernel::read_comm(leader, &mut record.comm) {
        kernel::read_current_comm(&mut record.comm);
    }
    let Some(mut cpu) = this_cpu() else { return };
    if !send::<{ size_of::<ProcessRecord>() / 8 }>(&mut cpu, (&raw const record).cast()) {
        cpu.state.ledger.count(Counter::ProcessRecordsLost);
    }
}

/// Copies a record of `WORDS` words into the next cell of this CPU's ring. User space drains on a timer; only
/// a ring that fills up wakes it.
#[inline(always)]
fn send<const WORDS: usize>(cpu: &mut ThisCpu, record: *const u64) -> bool {
    if config!(preemptible) != 0 {
        // SAFETY: the record has this many words.
        let words = unsafe { &*record.cast::<[u64; WORDS]>() };
        return SHARED_RING.output_untyped::<[u64; WORDS]>(words, u64::from(BPF_RB_NO_WAKEUP)).is_ok();
    }
    if !cpu.state.ring.is_roomy(config!(high_water)) && !has_room(cpu) {
        return false;
    }
    let mask = config!(ring_mask);
    let head = cpu.state.ring.head;
    let Some(cell) = RINGS.get_ptr_mut(cpu.id * (mask + 1) + (head as u32 & mask)) else { return false };
    let cell = cell.cast::<u64>();
    for word in 0..WORDS {
        // SAFETY: a cell holds any record, and the record has this many words.
        unsafe { cell.add(word).write(record.add(word).read()) };
    }
    // Volatile, so that the compiler keeps it last. Processors that reorder stores are the reader's concern.
    // SAFETY: a field.
    unsafe { ptr::write_volatile(&raw mut cpu.state.ring.head, head + 1) };
    true
}

/// Whether there is room after all; wakes the reader when there is little.
#[inline(always)]
fn has_room(cpu: &mut ThisCpu) -> bool {
    let Some(consumer) = CONSUMERS.get_ptr(cpu.id) else { return false };
    // SAFETY: a map value that user space writes.
    let tail = unsafe { ptr::read_volatile(&raw const (*consumer).tail) };
    match cpu.state.ring.look(tail, config!(ring_mask) + 1, config!(high_water)) {
        Room::Free => true,
        Room::Wake => {
            // No room in it means that it wakes already.
            let _ = SHARED_RING.output(&0, u64::from(BPF_RB_FORCE_WAKEUP));
            true
        }
        Room::Full => false,
    }
}

/// `-x` and `--slower`.
#[inline(always)]
pub fn passes_filters(record: *const CallRecord) -> bool {
    let slower_ns = config!(slower_ns);
    // SAFETY: a valid record, see `emit`.
    let (what, latency_ns) = unsafe { ((*record).kind, (*record).latency_ns) };
    if slower_ns != 0 && (what != kind::CALL || latency_ns < slower_ns) {
        return false;
    }
    if config!(failed_only) == 0 || what == kind::DENIED {
        return true;
    }
    what == kind::CALL && matches!(outcome(record), Outcome::Error(_))
}

#[inline(always)]
fn outcome(record: *const CallRecord) -> Outcome {
    // SAFETY: a valid record, see `emit`.
    let (abi, nr, ret) = unsafe { ((*record).abi, (*record).nr, (*record).ret) };
    match abi {
        1 => classify(Abi::I386, nr, ret),
        2 => classify(Abi::X32, nr, ret),
        3 => classify(Abi::Aarch64, nr, ret),
        _ => classify(Abi::X86_64, nr, ret),
    }
}

/// Folds a call into its in-kernel cell; false when there is no room for the cell.
#[inline(never)]
fn spill(record: *const CallRecord, cpu: u32) -> bool {
    // SAFETY: a valid record, see `emit`.
    let call = unsafe { &*record };
    let code = match call.kind {
        kind::NO_RETURN | kind::DIED => 0,
        kind::DENIED => (-call.ret) as u16,
        _ => match outcome(record) {
            Outcome::Success => 0,
            Outcome::Error(code) | Outcome::Interrupted(code) => code,
        },
    };
    let key = SpillKey { tgid: call.tgid, nr: call.nr, code, abi: call.abi, kind: call.kind, reserved: 0 };
    let mask = config!(spill_mask);
    let table = cpu * (mask + 1);
    let home = key.hash();
    for probe in 0..PROBES {
        let Some(cell) = SPILL.get_ptr_mut(table + (home.wrapping_add(probe) & mask)) else { return false };
        // SAFETY: this CPU is the only writer of its table.
        let cell = unsafe { &mut *cell };
        if cell.key.kind == 0 {
            cell.key = key;
        }
        if cell.key == key {
            add_to_cell(cell, call.latency_ns);
            return true;
        }
    }
    false
}

#[inline(always)]
fn add_to_cell(cell: &mut SpillCell, latency_ns: u64) {
    cell.calls += 1;
    cell.total_ns += latency_ns;
    if cell.min_ns_plus_one == 0 || latency_ns < cell.min_ns_plus_one - 1 {
        cell.min_ns_plus_one = latency_ns + 1;
    }
    if latency_ns > cell.max_ns {
        cell.max_ns = latency_ns;
    }
    let index = bucket::index(latency_ns, bucket::SPILL_GROUPING_POWER);
    if index < bucket::SPILL_BUCKETS {
        // SAFETY: just checked.
        unsafe { *cell.histogram.as_mut_ptr().add(index) += 1 };
    }
}
