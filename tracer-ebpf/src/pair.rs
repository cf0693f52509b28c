//! Enter and exit of a syscall: the current thread's slot, the clock and the context around the state
//! machine of [`tracer_common::pairing`].

use aya_ebpf::helpers::bpf_ktime_get_ns;
use tracer_common::ledger::{Counter, Ledger};
use tracer_common::pairing::{self, Entered, Exited, LoneExit};
use tracer_common::record::{FileRecord, has_args};
use tracer_common::slot::{Slot, verdict};

use crate::config::{config, is_described, reads, wants};
use crate::emit::{emit, passes_filters};
use crate::files;
use crate::kernel::{Current, EnterContext, ExitContext};
use crate::maps::{ThisCpu, control, this_cpu};
use crate::operands;
use crate::slots::{Found, Untracked, admit, find, find_again};
use crate::stacks;

/// A task enters a syscall.
#[inline(always)]
pub fn enter(context: &impl EnterContext) {
    let Some(mut cpu) = this_cpu() else { return };
    let Some(slot) = traced_slot(&mut cpu, context.stack(), |ledger| {
        let nr = context.nr();
        if wants(Current::get().abi_of(nr), nr) {
            ledger.count(Counter::EnterSeen);
            ledger.count(Counter::StartInsertFailed);
        }
    }) else {
        return;
    };
    let current = Current::get();
    let nr = context.nr();
    let abi = current.abi_of(nr);
    let entered = pairing::enter(slot, &mut cpu.state.ledger, abi, nr, wants(abi, nr));
    if entered == Entered::Unwanted {
        return;
    }
    if config!(args) != 0 {
        slot.record.args = context.args(&current, abi);
        slot.record.has_args = has_args::REGISTERS;
        slot.late = 0;
        if config!(files) != 0 {
            slot.record.file = if is_described(abi, nr) {
                files::behind(&mut cpu, &current, slot.record.args[0] as u32)
            } else {
                FileRecord::default()
            };
        }
        let reads = reads(abi, nr);
        if reads != 0 {
            // None of these never returns.
            return operands::read_at_enter(&mut cpu, slot, reads);
        }
    }
    // Last, so that our own work is not in the latency.
    slot.record.enter_ns = now_ns();
    if entered == Entered::NeverReturns {
        emit(&mut cpu, &slot.record);
    }
}

/// A task leaves a syscall.
#[inline(always)]
pub fn exit(context: &impl ExitContext) {
    let Some(mut cpu) = this_cpu() else { return };
    let Some(slot) = traced_slot(&mut cpu, context.stack(), |ledger| {
        let nr = context.nr();
        if wants(Current::get().abi_of(nr), nr) {
            ledger.count(Counter::ExitSeen);
            ledger.count(Counter::UntrackedExit);
        }
    }) else {
        return;
    };
    // As early as possible, for the same reason; not before a process that is no target has left.
    let now_ns = now_ns();
    match pairing::exit(slot, &mut cpu.state.ledger, context.nr_at_hand(), context.ret(), now_ns) {
        Exited::Paired => {
            if config!(args) != 0 && slot.late != 0 {
                operands::read_at_exit(&mut cpu, slot);
            }
            let has_stack = config!(stack_cells) != 0
                && passes_filters(&slot.record)
                && stacks::take(&mut cpu, &slot.record, context.as_ptr());
            if has_stack {
                slot.record.has_args |= has_args::STACK;
            }
            emit(&mut cpu, &slot.record);
            if has_stack {
                slot.record.has_args &= !has_args::STACK;
                stacks::hurry(&mut cpu, now_ns);
            }
        }
        Exited::Alone => exit_alone(&mut cpu, slot, context.nr(), context.ret()),
        Exited::Nothing => {}
    }
    if slot.verdict == verdict::LEAVING {
        slot.verdict = verdict::IGNORE;
    }
}

/// The current thread's slot when it is traced. `untracked` runs when it is and no slot could be had.
#[inline(always)]
fn traced_slot(
    cpu: &mut ThisCpu,
    stack: u64,
    untracked: impl FnOnce(&mut Ledger),
) -> Option<&'static mut Slot> {
    let again = if stack == 0 { Found::Unknown } else { find_again(cpu, stack) };
    let slot = match again {
        Found::Traced(slot) => slot,
        Found::Ignored => return None,
        Found::Unknown => find_anew(cpu, stack, untracked)?,
    };
    // SAFETY: null, or a slot that belongs to the current thread, which runs nothing else meanwhile.
    unsafe { slot.as_mut() }
}

/// The same for a thread that was not the last one on this CPU.
#[inline(always)]
fn find_anew(cpu: &mut ThisCpu, stack: u64, untracked: impl FnOnce(&mut Ledger)) -> Option<*mut Slot> {
    let current = Current::get();
    match find(cpu, current.tid(), stack) {
        Found::Traced(slot) => Some(slot),
        Found::Ignored => None,
        Found::Unknown => admit(current.pid_tgid).map_err(|Untracked| untracked(&mut cpu.state.ledger)).ok(),
    }
}

#[inline(never)]
fn exit_alone(cpu: &mut ThisCpu, slot: &mut Slot, nr: i32, ret: i64) {
    let abi = Current::get().abi_of(nr);
    let armed = control().armed != 0;
    let exit = LoneExit { abi, nr, ret, wanted: wants(abi, nr), armed };
    // Every call of a run has the same length, whether or not there is anything in it.
    slot.record.has_args = config!(args) as u16;
    if pairing::exit_alone(slot, &mut cpu.state.ledger, exit) {
        emit(cpu, &slot.record);
    }
}

#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: no arguments.
    unsafe { bpf_ktime_get_ns() }
}
