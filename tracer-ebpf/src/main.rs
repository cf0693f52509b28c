//! The BPF programs. Each entry point takes its context apart and calls the code that both program
//! families share.
#![no_std]
#![no_main]

mod config;
mod emit;
mod files;
mod kernel;
mod lifecycle;
mod maps;
mod operands;
mod pair;
mod slots;
mod stacks;

use core::ffi::c_void;

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::{RawTracePointContext, TracePointContext};
use tracer_common::config::Offsets;

use crate::config::config;
use crate::kernel::{Classic, Raw};

/// A classic program that returns 1. aya's own attribute makes it return 0, with which the kernel hides the
/// event from every other user of the tracepoint: `perf stat` beside us would count nothing.
/// <https://github.com/torvalds/linux/blob/v6.12/include/trace/perf.h#L51-L58>
macro_rules! classic_program {
    ($section:literal, $name:ident, |$context:ident| $body:expr) => {
        #[unsafe(no_mangle)]
        #[unsafe(link_section = $section)]
        pub fn $name(context: *mut c_void) -> u32 {
            let $context = TracePointContext::new(context);
            $body;
            1
        }
    };
}

#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn raw_enter(context: RawTracePointContext) -> i32 {
    pair::enter(&Raw(&context));
    0
}

#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn raw_exit(context: RawTracePointContext) -> i32 {
    pair::exit(&Raw(&context));
    0
}

/// `sched_process_fork(parent, child)`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/sched.h#L355-L359>
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn raw_fork(context: RawTracePointContext) -> i32 {
    let child = context.arg::<u64>(1) as *const u8;
    lifecycle::fork(&context, kernel::task_field(child, config!(offsets.task_pid)));
    0
}

/// `sched_process_exec(task, old_pid, bprm)`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/sched.h#L386-L391>
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn raw_exec(context: RawTracePointContext) -> i32 {
    lifecycle::exec(context.arg(1));
    0
}

#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn raw_task_exit(_context: RawTracePointContext) -> i32 {
    lifecycle::exit();
    0
}

/// `cgroup_attach_task(dst_cgrp, path, task, threadgroup)`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/cgroup.h#L121-L159>
#[raw_tracepoint(tracepoint = "cgroup_attach_task")]
pub fn raw_moved(_context: RawTracePointContext) -> i32 {
    lifecycle::moved();
    0
}

classic_program!("tracepoint/raw_syscalls/sys_enter", classic_enter, |context| {
    pair::enter(&Classic(&context));
});

classic_program!("tracepoint/raw_syscalls/sys_exit", classic_exit, |context| {
    pair::exit(&Classic(&context));
});

classic_program!("tracepoint/sched/sched_process_fork", classic_fork, |context| {
    lifecycle::fork(&context, field(&context, config!(offsets.fork_child_pid)));
});

classic_program!("tracepoint/sched/sched_process_exec", classic_exec, |context| {
    lifecycle::exec(field(&context, config!(offsets.exec_old_pid)));
});

classic_program!("tracepoint/sched/sched_process_exit", classic_task_exit, |_context| {
    lifecycle::exit();
});

classic_program!("tracepoint/cgroup/cgroup_attach_task", classic_moved, |_context| {
    lifecycle::moved();
});

/// The floor of any tracer that has a program at enter and one at exit; for `cargo xtask bench`.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn floor_raw_enter(_context: RawTracePointContext) -> i32 {
    0
}

#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn floor_raw_exit(_context: RawTracePointContext) -> i32 {
    0
}

classic_program!("tracepoint/raw_syscalls/sys_enter", floor_classic_enter, |_context| {});

classic_program!("tracepoint/raw_syscalls/sys_exit", floor_classic_exit, |_context| {});

/// A 32-bit field of a classic record whose place differs between kernels.
fn field(context: &TracePointContext, offset: u32) -> u32 {
    if offset == Offsets::UNKNOWN {
        return 0;
    }
    // SAFETY: the helper checks the address.
    unsafe { context.read_at(offset as usize) }.unwrap_or(0)
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
pub static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Nothing here can panic: the verifier would refuse the endless loop if it were reachable.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
