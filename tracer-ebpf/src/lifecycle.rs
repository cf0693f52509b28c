//! Fork, exec and exit of tasks: who becomes a target, who stops being one, and whose slot is free again.

use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_log_ebpf::warn;
use tracer_common::pairing;
use tracer_common::record::{has_args, kind};
use tracer_common::slot::{open, verdict};

use crate::config::config;
use crate::emit::{announce, emit};
use crate::kernel;
use crate::maps::{COMMS, TARGETS, this_cpu};
use crate::slots::{admit, claim, lookup, note_move, release};

/// A target made a task: it is one too. Runs in the parent, before the child.
#[inline(always)]
pub fn fork(context: &impl aya_ebpf::EbpfContext, child_tid: u32) {
    match admit(bpf_get_current_pid_tgid()) {
        Ok(parent) if parent.is_null() => return,
        _ => {}
    }
    if child_tid == 0 {
        return;
    }
    let slot = claim(child_tid);
    if slot.is_null() {
        warn!(context, "no room for thread {}: its calls are counted as start_insert_failed", child_tid);
        return;
    }
    // SAFETY: a map value that is the child's, which does not run yet.
    unsafe { (*slot).verdict = verdict::NEWBORN };
}

/// A task replaced its program. When it was not its process's leader it took the leader's id, and leaves
/// `execve` under it.
/// <https://github.com/torvalds/linux/blob/v6.12/fs/exec.c#L1050-L1140>
#[inline(always)]
pub fn exec(old_tid: u32) {
    let pid_tgid = bpf_get_current_pid_tgid();
    let tid = pid_tgid as u32;
    if old_tid != tid && old_tid != 0 {
        rename_thread(old_tid, tid);
    }
    if config!(match_comm) != 0 {
        judge_by_name(pid_tgid);
    }
    if let Some(slot) = lookup(tid) {
        // SAFETY: a map value that is this thread's.
        if unsafe { (*slot).verdict } == verdict::TRACE {
            announce(kind::EXEC, pid_tgid);
        }
    }
}

/// A task ended. Its slot goes back whatever it was doing.
#[inline(always)]
pub fn exit() {
    let pid_tgid = bpf_get_current_pid_tgid();
    let tid = pid_tgid as u32;
    let Some(slot) = lookup(tid) else { return };
    // SAFETY: a map value that is this thread's.
    let slot = unsafe { &mut *slot };
    if let Some(mut cpu) = this_cpu()
        && pairing::end(slot, &mut cpu.state.ledger)
    {
        emit(&mut cpu, &slot.record);
    }
    if tid == (pid_tgid >> 32) as u32 && matches!(slot.verdict, verdict::TRACE | verdict::LEAVING) {
        announce(kind::EXIT, pid_tgid);
    }
    release(tid);
}

/// A task, or a whole process, was moved to another cgroup. Runs in whoever moved it, before the move has been
/// reported to them, so that each call made after it is judged by where it is made.
#[inline(always)]
pub fn moved() {
    note_move();
}

/// Moves the open call of `old_tid` to `tid`, whose former owner has ended.
#[inline(never)]
fn rename_thread(old_tid: u32, tid: u32) {
    let Some(old) = lookup(old_tid) else { return };
    if lookup(tid).is_some() {
        release(tid);
    }
    let new = claim(tid);
    if !new.is_null() {
        // SAFETY: two map values, both this thread's.
        unsafe {
            (*new).verdict = (*old).verdict;
            (*new).open = (*old).open;
            (*new).epoch = (*old).epoch;
            (*new).record = (*old).record;
            (*new).record.tid = kernel::shown_tid(tid);
            // They were sent under the former id.
            (*new).record.has_args &= has_args::REGISTERS;
        }
    }
    release(old_tid);
}

/// `--comm`: the new program's name decides. The `execve` under way belongs to nobody's figures when the
/// process just became a target, and still to ours when it just stopped being one.
#[inline(never)]
fn judge_by_name(pid_tgid: u64) {
    let tgid = (pid_tgid >> 32) as u32;
    let visible = kernel::visible_tgid(tgid);
    let mut comm = [0; 16];
    kernel::read_current_comm(&mut comm);
    // SAFETY: only whether there is an entry is looked at.
    let wanted = unsafe { COMMS.get(&comm) }.is_some() && visible != 0 && visible != config!(self_tgid);
    let slot = match lookup(pid_tgid as u32) {
        Some(slot) => slot,
        None => claim(pid_tgid as u32),
    };
    if slot.is_null() {
        return;
    }
    // SAFETY: a map value that is this thread's.
    let slot = unsafe { &mut *slot };
    let traced = slot.verdict == verdict::TRACE;
    if wanted {
        let _ = TARGETS.insert(&visible, &1, u64::from(BPF_ANY));
        if !traced {
            slot.verdict = verdict::TRACE;
            slot.open = open::SKIPPED;
            slot.record.tgid = tgid;
            slot.record.tid = kernel::shown_tid(pid_tgid as u32);
        }
    } else if traced && config!(follow) == 0 {
        let _ = TARGETS.remove(&visible);
        slot.verdict = verdict::LEAVING;
    } else if !traced {
        slot.verdict = verdict::IGNORE;
    }
}
