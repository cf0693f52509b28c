//! What is read from the kernel's own structures: registers, and the few task fields whose offsets user
//! space found in the kernel's BTF.

use core::ffi::c_void;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::generated::{
    bpf_get_current_comm as bpf_get_current_comm_raw, bpf_get_current_task_btf, bpf_get_ns_current_pid_tgid,
    bpf_probe_read_kernel as bpf_probe_read_kernel_raw, bpf_task_pt_regs,
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_task, bpf_probe_read_kernel};
use aya_ebpf::programs::{RawTracePointContext, TracePointContext};
use tracer_common::abi::{Abi, X32_SYSCALL_BIT};
use tracer_common::config::{Offsets, arch};

use crate::config::config;

/// `thread_info.status` of a task in a 32-bit call.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/asm/thread_info.h#L216>
const TS_COMPAT: u32 = 0x0002;

/// How deep PID namespaces can be nested.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/pid_namespace.h#L14>
const MAX_PID_NS_LEVEL: u32 = 32;

/// What the two program families have in common at enter.
pub trait EnterContext {
    /// Address of the current task's user registers; 0 where the context does not hold it.
    fn stack(&self) -> u64;
    /// The number; only its low 32 bits mean something.
    fn nr(&self) -> i32;
    /// The six arguments of the current task's call.
    fn args(&self, current: &Current, abi: Abi) -> [u64; 6];
}

/// What they have in common at exit.
pub trait ExitContext {
    /// The context itself, for helpers that ask for it.
    fn as_ptr(&self) -> *mut c_void;
    /// Address of the current task's user registers; 0 where the context does not hold it.
    fn stack(&self) -> u64;
    /// The return value.
    fn ret(&self) -> i64;
    /// The number, where the context holds it.
    fn nr_at_hand(&self) -> Option<i32>;
    /// The number, whatever it takes.
    fn nr(&self) -> i32;
}

/// `raw_syscalls` through `BPF_RAW_TRACEPOINT`: `sys_enter(regs, id)`, `sys_exit(regs, ret)`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/syscalls.h#L18-L66>
pub struct Raw<'a>(pub &'a RawTracePointContext);

/// `raw_syscalls` through perf: `{ common: u64, id: i64, args: [u64; 6] }` and `{ common, id, ret }`.
pub struct Classic<'a>(pub &'a TracePointContext);

impl Raw<'_> {
    fn regs(&self) -> *const u8 {
        self.0.arg::<u64>(0) as *const u8
    }
}

impl EnterContext for Raw<'_> {
    #[inline(always)]
    fn stack(&self) -> u64 {
        self.0.arg(0)
    }

    #[inline(always)]
    fn nr(&self) -> i32 {
        self.0.arg::<i64>(1) as i32
    }

    #[inline(always)]
    fn args(&self, current: &Current, abi: Abi) -> [u64; 6] {
        if config!(typed_regs) != 0 && config!(offsets.arch) == arch::X86_64 {
            return typed_args(current, abi);
        }
        let regs = self.regs();
        if config!(offsets.arch) == arch::AARCH64 {
            // SAFETY: the helper checks the address.
            return unsafe { bpf_probe_read_kernel(regs.cast::<[u64; 6]>()) }.unwrap_or_default();
        }
        // bp bx r11 r10 r9 r8 ax cx dx si di: every argument register of both ABIs, in one read.
        // https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/asm/ptrace.h#L103-L170
        // SAFETY: the helper checks the address.
        let block = unsafe { bpf_probe_read_kernel(regs.add(4 * 8).cast::<[u64; 11]>()) }.unwrap_or_default();
        let [bp, bx, _, r10, r9, r8, _, cx, dx, si, di] = block;
        match abi {
            Abi::I386 => [bx, cx, dx, si, di, bp],
            _ => [di, si, dx, r10, r8, r9],
        }
    }
}

/// The arguments through the kernel's typed pointers: six loads instead of a helper call that copies.
#[inline(always)]
fn typed_args(current: &Current, abi: Abi) -> [u64; 6] {
    // SAFETY: the verifier knows both types and checks every offset; a fault reads as zero.
    unsafe {
        let regs = bpf_task_pt_regs(current.typed_task) as *const u64;
        let word = |index: usize| core::ptr::read_volatile(regs.add(index));
        match abi {
            Abi::I386 => [word(5), word(11), word(12), word(13), word(14), word(4)],
            _ => [word(14), word(13), word(12), word(7), word(9), word(8)],
        }
    }
}

impl ExitContext for Raw<'_> {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn stack(&self) -> u64 {
        self.0.arg(0)
    }

    #[inline(always)]
    fn ret(&self) -> i64 {
        self.0.arg::<i64>(1)
    }

    #[inline(always)]
    fn nr_at_hand(&self) -> Option<i32> {
        None
    }

    #[inline(always)]
    fn nr(&self) -> i32 {
        // `orig_ax`, or `syscallno` after `user_pt_regs` and `orig_x0`.
        let offset = if config!(offsets.arch) == arch::AARCH64 { 35 * 8 } else { 15 * 8 };
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_kernel(self.regs().add(offset).cast::<i32>()) }.unwrap_or(-1)
    }
}

impl Classic<'_> {
    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        // SAFETY: constant offsets inside the record, checked by the verifier.
        unsafe { *self.0.as_ptr().cast::<u64>().add(index) }
    }
}

impl EnterContext for Classic<'_> {
    #[inline(always)]
    fn stack(&self) -> u64 {
        0
    }

    #[inline(always)]
    fn nr(&self) -> i32 {
        self.word(1) as i32
    }

    #[inline(always)]
    fn args(&self, _current: &Current, _abi: Abi) -> [u64; 6] {
        [self.word(2), self.word(3), self.word(4), self.word(5), self.word(6), self.word(7)]
    }
}

impl ExitContext for Classic<'_> {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn stack(&self) -> u64 {
        0
    }

    #[inline(always)]
    fn ret(&self) -> i64 {
        self.word(2) as i64
    }

    #[inline(always)]
    fn nr_at_hand(&self) -> Option<i32> {
        Some(self.word(1) as i32)
    }

    #[inline(always)]
    fn nr(&self) -> i32 {
        self.word(1) as i32
    }
}

/// The task that runs.
pub struct Current {
    /// Process id in the upper half, thread id in the lower, both of the initial PID namespace.
    pub pid_tgid: u64,
    /// The task as a pointer whose fields can be read directly; null where the kernel has no such pointer.
    pub typed_task: *mut task_struct,
}

impl Current {
    /// Asks for it. With a typed pointer this is the only helper call that ids and ABI need; on processors
    /// that guard every return of a call, one call less is several ns less.
    #[inline(always)]
    pub fn get() -> Self {
        if config!(typed_task) == 0 {
            return Self { pid_tgid: bpf_get_current_pid_tgid(), typed_task: core::ptr::null_mut() };
        }
        // SAFETY: no arguments.
        let typed_task = unsafe { bpf_get_current_task_btf() };
        let mut current = Self { pid_tgid: 0, typed_task };
        let tgid = current.typed_field(config!(offsets.task_tgid));
        let pid = current.typed_field(config!(offsets.task_pid));
        current.pid_tgid = u64::from(tgid) << 32 | u64::from(pid);
        current
    }

    #[inline(always)]
    fn typed_field(&self, offset: u32) -> u32 {
        // SAFETY: the verifier knows the type and checks the offset.
        unsafe { core::ptr::read_volatile(self.typed_task.cast::<u8>().add(offset as usize).cast::<u32>()) }
    }

    /// The thread.
    #[inline(always)]
    pub fn tid(&self) -> u32 {
        self.pid_tgid as u32
    }

    /// The ABI of the call it is in.
    #[inline(always)]
    pub fn abi_of(&self, nr: i32) -> Abi {
        if config!(offsets.arch) == arch::AARCH64 {
            return Abi::Aarch64;
        }
        let offset = config!(offsets.task_status);
        let status = if config!(typed_task) != 0 {
            self.typed_field(offset)
        } else {
            // SAFETY: no arguments.
            let task = unsafe { bpf_get_current_task() } as *const u8;
            task_field(task, offset)
        };
        if status & TS_COMPAT != 0 {
            return Abi::I386;
        }
        if nr >= 0 && nr & X32_SYSCALL_BIT != 0 { Abi::X32 } else { Abi::X86_64 }
    }
}

/// Reads a field of a task; zero where the offset is not known.
#[inline(always)]
pub fn task_field<T: Default>(task: *const u8, offset: u32) -> T {
    if offset == Offsets::UNKNOWN || task.is_null() {
        return T::default();
    }
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel(task.add(offset as usize).cast::<T>()) }.unwrap_or_default()
}

/// The leader of the current thread's process.
#[inline(always)]
pub fn current_leader() -> *const u8 {
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() } as *const u8;
    task_field::<u64>(task, config!(offsets.task_group_leader)) as *const u8
}

/// Reads a task's name; false where its place is not known.
#[inline(always)]
pub fn read_comm(task: *const u8, comm: &mut [u8; 16]) -> bool {
    let offset = config!(offsets.task_comm);
    if offset == Offsets::UNKNOWN || task.is_null() {
        return false;
    }
    // SAFETY: the buffer has the size that is passed; the helper checks the address.
    unsafe { bpf_probe_read_kernel_raw(comm.as_mut_ptr().cast(), 16, task.add(offset as usize).cast()) == 0 }
}

/// Reads the current thread's name.
#[inline(always)]
pub fn read_current_comm(comm: &mut [u8; 16]) {
    // SAFETY: the buffer has the size that is passed.
    unsafe { bpf_get_current_comm_raw(comm.as_mut_ptr().cast(), 16) };
}

/// Process id of the current task as the tracer's PID namespace shows it; 0 when it does not show it. The initial
/// namespace's id when the tracer lives there.
#[inline(always)]
pub fn visible_tgid(tgid: u32) -> u32 {
    if config!(pidns_ino) == 0 { tgid } else { ids_in_namespace()[1] }
}

/// Thread id of the current task as the tracer's PID namespace shows it, or that of the initial one when it does not.
#[inline(always)]
pub fn shown_tid(tid: u32) -> u32 {
    if config!(pidns_ino) == 0 {
        return tid;
    }
    let [shown, _] = ids_in_namespace();
    if shown == 0 { tid } else { shown }
}

/// Thread and process id of the current task in the tracer's own PID namespace; zeros when it is neither in that nor in
/// one below.
#[inline(always)]
fn ids_in_namespace() -> [u32; 2] {
    let (dev, ino) = (config!(pidns_dev), config!(pidns_ino));
    let mut ids = [0u32; 2]; // struct bpf_pidns_info { pid, tgid }
    // SAFETY: the buffer has the size that is passed.
    let result = unsafe { bpf_get_ns_current_pid_tgid(dev, ino, (&raw mut ids).cast(), 8) };
    if result == 0 {
        return ids;
    }
    // The helper knows only tasks of exactly that namespace.
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() };
    [number_in_namespace(task), number_in_namespace(current_leader() as u64)]
}

/// The number of a task in the tracer's PID namespace; 0 where it has none. A task has one in each namespace from the
/// initial one down to its own.
#[inline(never)]
fn number_in_namespace(task: u64) -> u32 {
    let numbers = config!(offsets.pid_numbers);
    if numbers == Offsets::UNKNOWN {
        return 0;
    }
    let pid = task_field::<u64>(task as *const u8, config!(offsets.task_thread_pid)) as *const u8;
    let level: u32 = task_field(pid, config!(offsets.pid_level));
    for depth in 0..=MAX_PID_NS_LEVEL {
        if depth > level {
            break;
        }
        let Upid { number, namespace, .. } = task_field(pid, numbers + depth * size_of::<Upid>() as u32);
        let inode: u32 = task_field(namespace as *const u8, config!(offsets.pid_namespace_number));
        if u64::from(inode) == config!(pidns_ino) {
            return number;
        }
    }
    0
}

/// A task's number in one namespace, `struct upid`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/pid.h#L44>
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Upid {
    number: u32,
    padding: u32,
    namespace: u64,
}
