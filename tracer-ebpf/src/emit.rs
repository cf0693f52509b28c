//! A finished record on its way out: into this CPU's ring, else into a spill cell, else counted as lost.

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{bpf_ringbuf_output, bpf_ringbuf_query};
use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use tracer_common::abi::Abi;
use tracer_common::bucket;
use tracer_common::ledger::{Counter, Ledger};
use tracer_common::outcome::{Outcome, classify};
use tracer_common::record::{CALL_BYTES_WITHOUT_ARGS, CallRecord, ProcessRecord, kind};
use tracer_common::spill::{PROBES, SpillCell, SpillKey};

use crate::config::config;
use crate::kernel;
use crate::maps::{RINGS, SPILL, ledger};

/// How many records go by between two looks at the fill of the ring. The look costs a helper call, the
/// wake-up it may lead to over a microsecond.
const FILL_CHECK_EVERY: u64 = 128;

/// Sends `record`, which lies in a map value or on the stack.
#[inline(always)]
pub fn emit(ledger: &mut Ledger, record: *const CallRecord) {
    if !passes_filters(record) {
        ledger.count(Counter::FilteredOut);
        return;
    }
    let bytes = if config!(args) != 0 { size_of::<CallRecord>() } else { CALL_BYTES_WITHOUT_ARGS };
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    if send(ledger, cpu, record.cast(), bytes as u64) {
        ledger.count(Counter::Streamed);
    } else if spill(record, cpu) {
        ledger.count(Counter::Spilled);
    } else {
        ledger.count(Counter::Lost);
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
        tid: pid_tgid as u32,
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
    let Some(ledger) = ledger() else { return };
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    if !send(ledger, cpu, (&raw const record).cast(), size_of::<ProcessRecord>() as u64) {
        ledger.count(Counter::ProcessRecordsLost);
    }
}

/// Copies `bytes` bytes into the ring of `cpu`. User space drains on a timer; only a ring that fills up
/// wakes it.
#[inline(always)]
fn send(ledger: &mut Ledger, cpu: u32, data: *const u8, bytes: u64) -> bool {
    let Some(ring) = RINGS.get(cpu) else { return false };
    let ring = core::ptr::from_ref(ring).cast_mut().cast();
    let mut flags = u64::from(BPF_RB_NO_WAKEUP);
    ledger.since_fill_check += 1;
    if ledger.since_fill_check >= FILL_CHECK_EVERY {
        ledger.since_fill_check = 0;
        // SAFETY: a ring from the map.
        if unsafe { bpf_ringbuf_query(ring, u64::from(BPF_RB_AVAIL_DATA)) }
            > u64::from(config!(high_water_bytes))
        {
            flags = u64::from(BPF_RB_FORCE_WAKEUP);
        }
    }
    // SAFETY: `data` points to at least `bytes` bytes; the verifier checks it.
    unsafe { bpf_ringbuf_output(ring, data.cast_mut().cast(), bytes, flags) == 0 }
}

/// `-x` and `--slower`.
#[inline(always)]
fn passes_filters(record: *const CallRecord) -> bool {
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
