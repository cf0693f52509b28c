//! Threads: finding a thread's slot, giving it one, judging whether it is traced, and taking the slot back.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use tracer_common::config::MAX_CGROUPS;
use tracer_common::record::kind;
use tracer_common::slot::{Slot, open, verdict};

use crate::config::config;
use crate::emit::announce;
use crate::kernel;
use crate::maps::{CGROUPS, MOVED, OVERFLOW, OWNERS, SLOTS, TARGETS, ThisCpu, control};

/// What the fast path found.
pub enum Found {
    /// A traced thread.
    Traced(*mut Slot),
    /// A thread that is known to be none of ours.
    Ignored,
    /// Ask [`admit`].
    Unknown,
}

/// The slot of the thread whose user registers are at `stack`, if that thread is the one that was looked up
/// last on this CPU. It calls no helper, and is nearly all that a process that is no target ever pays.
#[inline(always)]
pub fn find_again(cpu: &ThisCpu, stack: u64) -> Found {
    let Some(slot) = SLOTS.get_ptr_mut(cpu.state.last_slot as u32) else { return Found::Unknown };
    // SAFETY: a map value. When the addresses agree it belongs to the current thread: a thread that ends gives
    // its slot back before another can be given its stack.
    if unsafe { (*slot).stack } != stack { Found::Unknown } else { judged(slot) }
}

/// The thread's slot if it is in its direct place, and remembers it for [`find_again`].
#[inline(always)]
pub fn find(cpu: &mut ThisCpu, tid: u32, stack: u64) -> Found {
    let index = tid & config!(slot_mask);
    let Some(slot) = SLOTS.get_ptr_mut(index) else { return Found::Unknown };
    // SAFETY: a map value; fields of a slot are written by its owner's CPU only.
    if unsafe { (*slot).owner } != tid {
        return Found::Unknown;
    }
    if stack != 0 {
        // SAFETY: as above.
        unsafe { (*slot).stack = stack };
        cpu.state.last_slot = u64::from(index);
    }
    judged(slot)
}

#[inline(always)]
fn judged(slot: *mut Slot) -> Found {
    // SAFETY: a map value; fields of a slot are written by its owner's CPU only.
    let (judged, epoch, stands) = unsafe { ((*slot).verdict, (*slot).epoch, (*slot).open) };
    let by_cgroup = config!(cgroups) != 0;
    match judged {
        verdict::TRACE if !by_cgroup || epoch == current_epoch() || stands != open::CLOSED => {
            Found::Traced(slot)
        }
        // Targets are only ever added while somebody may still fork, execute or be moved into being one.
        verdict::IGNORE
            if (config!(follow) | config!(match_comm) == 0 && !by_cgroup) || epoch == current_epoch() =>
        {
            Found::Ignored
        }
        _ => Found::Unknown,
    }
}

/// The slot of the current thread if it is traced, after doing whatever the fast path left open: the
/// overflow map, a first sight, a verdict that has to be given again. Null when it is not traced.
/// `Err` when it is traced and no slot could be had.
#[inline(always)]
pub fn admit(pid_tgid: u64) -> Result<*mut Slot, Untracked> {
    let slot = admit_slowly(pid_tgid);
    if !slot.is_null() {
        // SAFETY: a map value.
        return match unsafe { (*slot).verdict } {
            verdict::TRACE | verdict::LEAVING => Ok(slot),
            _ => Ok(core::ptr::null_mut()),
        };
    }
    if judge((pid_tgid >> 32) as u32) == verdict::TRACE { Err(Untracked) } else { Ok(core::ptr::null_mut()) }
}

/// A traced thread without a slot.
pub struct Untracked;

#[inline(never)]
fn admit_slowly(pid_tgid: u64) -> *mut Slot {
    let slot = match lookup(pid_tgid as u32) {
        Some(slot) => slot,
        None => {
            let slot = claim(pid_tgid as u32);
            if slot.is_null() {
                return slot;
            }
            // SAFETY: a map value that now is this thread's.
            unsafe { (*slot).verdict = verdict::IGNORE };
            slot
        }
    };
    // SAFETY: a map value that is this thread's.
    let slot_mut = unsafe { &mut *slot };
    let now_traced = match slot_mut.verdict {
        verdict::NEWBORN => true,
        verdict::IGNORE if slot_mut.epoch != current_epoch() => {
            slot_mut.epoch = current_epoch();
            judge((pid_tgid >> 32) as u32) == verdict::TRACE
        }
        // The thread may have been moved out of the cgroup. A call that it has entered is still ours.
        verdict::TRACE
            if config!(cgroups) != 0
                && slot_mut.open == open::CLOSED
                && slot_mut.epoch != current_epoch() =>
        {
            slot_mut.epoch = current_epoch();
            slot_mut.verdict = judge((pid_tgid >> 32) as u32);
            false
        }
        _ => false,
    };
    if now_traced {
        slot_mut.record.tgid = (pid_tgid >> 32) as u32;
        slot_mut.record.tid = kernel::shown_tid(pid_tgid as u32);
        slot_mut.open = open::FRESH;
        slot_mut.verdict = verdict::TRACE;
        announce(kind::SEEN, pid_tgid);
    }
    slot
}

/// The slot of any thread, in whichever map.
#[inline(always)]
pub fn lookup(tid: u32) -> Option<*mut Slot> {
    if let Some(slot) = SLOTS.get_ptr_mut(tid & config!(slot_mask)) {
        // SAFETY: a map value.
        if unsafe { (*slot).owner } == tid {
            return Some(slot);
        }
    }
    OVERFLOW.get_ptr_mut(&tid)
}

/// Gives thread `tid`, which has none, a slot; null when there is no room. Its epoch is one that never
/// comes, so that its verdict is asked for.
#[inline(never)]
pub fn claim(tid: u32) -> *mut Slot {
    let index = tid & config!(slot_mask);
    let epoch = u32::MAX;
    if let Some(slot) = SLOTS.get_ptr_mut(index)
        && OWNERS.insert(&index, &tid, u64::from(BPF_NOEXIST)).is_ok()
    {
        // SAFETY: a map value; the insert made it this thread's.
        let slot_mut = unsafe { &mut *slot };
        slot_mut.open = open::CLOSED;
        slot_mut.epoch = epoch;
        slot_mut.stack = 0;
        slot_mut.owner = tid;
        return slot;
    }
    let fresh = Slot { owner: tid, epoch, ..EMPTY };
    if OVERFLOW.insert(&tid, &fresh, u64::from(BPF_NOEXIST)).is_err() {
        return core::ptr::null_mut();
    }
    OVERFLOW.get_ptr_mut(&tid).unwrap_or(core::ptr::null_mut())
}

/// Takes the slot of `tid` back.
#[inline(always)]
pub fn release(tid: u32) {
    let index = tid & config!(slot_mask);
    if let Some(slot) = SLOTS.get_ptr_mut(index) {
        // SAFETY: a map value.
        let slot = unsafe { &mut *slot };
        if slot.owner == tid {
            slot.owner = 0;
            slot.stack = 0;
            slot.open = open::CLOSED;
            let _ = OWNERS.remove(&index);
            return;
        }
    }
    let _ = OVERFLOW.remove(&tid);
}

/// Whether the current process is a target.
#[inline(always)]
pub fn judge(tgid: u32) -> u8 {
    let visible = kernel::visible_tgid(tgid);
    if visible == config!(self_tgid) {
        return verdict::IGNORE;
    }
    if config!(whole_host) != 0 {
        return verdict::TRACE;
    }
    if config!(cgroups) != 0 {
        return if is_in_target_cgroup() { verdict::TRACE } else { verdict::IGNORE };
    }
    // SAFETY: only whether there is an entry is looked at.
    if visible != 0 && unsafe { TARGETS.get(&visible) }.is_some() { verdict::TRACE } else { verdict::IGNORE }
}

/// Whether the current task is in one of the target cgroups or below one.
#[inline(never)]
fn is_in_target_cgroup() -> bool {
    for index in 0..MAX_CGROUPS {
        if index >= config!(cgroups) {
            return false;
        }
        if let Ok(true) = CGROUPS.current_task_under_cgroup(index) {
            return true;
        }
    }
    false
}

/// What a verdict was given under. Where the target is a cgroup, every move of a task begins another one.
#[inline(always)]
pub fn current_epoch() -> u32 {
    let epoch = control().epoch;
    if config!(cgroups) == 0 {
        return epoch;
    }
    let Some(moved) = MOVED.get_ptr(0) else { return epoch };
    // SAFETY: a map value; the word is read whole.
    let moved_ns = unsafe { core::ptr::read_volatile(moved) };
    // Without the highest bit, so that it never is the one that never comes.
    epoch.wrapping_add(moved_ns as u32) & (u32::MAX >> 1)
}

/// Lets every verdict be given again. The time tells moves apart without an atomic sum, which this compiler does not
/// make: whichever of two stores comes last, it is not what a verdict before it was given under.
#[inline(always)]
pub fn note_move() {
    let Some(moved) = MOVED.get_ptr_mut(0) else { return };
    // SAFETY: a map value; the word is written whole. The helper has no arguments.
    unsafe { core::ptr::write_volatile(moved, bpf_ktime_get_ns()) };
}

const EMPTY: Slot = Slot {
    owner: 0,
    verdict: verdict::IGNORE,
    open: open::CLOSED,
    late: 0,
    epoch: 0,
    reserved2: 0,
    stack: 0,
    record: tracer_common::record::CallRecord {
        kind: 0,
        abi: 0,
        has_args: 0,
        nr: 0,
        tgid: 0,
        tid: 0,
        enter_ns: 0,
        latency_ns: 0,
        ret: 0,
        args: [0; 6],
        file: tracer_common::record::FileRecord { ino: 0, dev: 0, kind: 0 },
    },
};
