//! What user space tells the programs before they are loaded. Read-only to them, so the verifier knows
//! the values and drops what is switched off.

use crate::abi::Abi;
use crate::operand::{Reads, TABLE};

/// Syscall numbers per ABI that a filter can name; higher ones are "unknown" and follow
/// [`Config::unknown_wanted`].
pub const FILTERABLE: usize = 576;
/// Words of the syscall bitmap for each ABI: room for [`FILTERABLE`] bits, rounded up to a power of two.
pub const ABI_WORDS: usize = (FILTERABLE / 64).next_power_of_two();
/// Words of the syscall bitmap; a power of two, so that the kernel's verifier understands a masked index.
pub const BITMAP_WORDS: usize = ABI_WORDS * Abi::ALL.len();

/// Cgroups that can be targets at once.
pub const MAX_CGROUPS: u32 = 64;

/// The knobs, as one read-only global named `CONFIG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Config {
    /// The tracer's own process; never traced. In its own namespace when `pidns_ino` is set.
    pub self_tgid: u32,
    /// 1: every process is a target.
    pub whole_host: u32,
    /// 1: children of targets are targets.
    pub follow: u32,
    /// 1: a process whose name is in `COMMS` becomes a target at exec, and stops being one when it
    /// executes something else.
    pub match_comm: u32,
    /// 1: send the six arguments with each call.
    pub args: u32,
    /// 1: only calls in `wanted` count.
    pub filter_syscalls: u32,
    /// 1: numbers beyond [`FILTERABLE`] count although `filter_syscalls` is set.
    pub unknown_wanted: u32,
    /// 1: only failed calls are sent.
    pub failed_only: u32,
    /// Only calls at least this slow are sent; 0 for all.
    pub slower_ns: u64,
    /// Spill cells of each CPU minus one; their number is a power of two.
    pub spill_mask: u32,
    /// Slots minus one; the number of slots is a power of two.
    pub slot_mask: u32,
    /// How many entries of `CGROUPS` make their processes targets; 0: it is not by cgroup.
    pub cgroups: u32,
    /// Cells of each CPU's ring minus one; their number is a power of two.
    pub ring_mask: u32,
    /// A ring with this many cells filled wakes its reader.
    pub high_water: u32,
    /// 1: a program can be preempted by another one on its CPU, so no CPU has a ring of its own.
    pub preemptible: u32,
    /// Device and inode of the tracer's PID namespace; 0 when it is the initial one.
    pub pidns_dev: u64,
    /// See `pidns_dev`.
    pub pidns_ino: u64,
    /// 1: the kernel hands out the current task as a typed pointer (`bpf_get_current_task_btf`, 5.11) and the
    /// offsets below are known: its fields are read in one instruction instead of one helper call each.
    pub typed_task: u32,
    /// 1: the same for its registers (`bpf_task_pt_regs`, 5.15).
    pub typed_regs: u32,
    /// Chunks of operands of each CPU minus one; their number is a power of two.
    pub chunk_mask: u32,
    /// Cells of stacks of each CPU, a power of two; 0: the stacks of slow calls are not taken.
    pub stack_cells: u32,
    /// Where the kernel keeps what we read, from its BTF.
    pub offsets: Offsets,
    /// The inode that eventfds, epolls and their like share.
    pub anonymous_ino: u64,
    /// Its device, as the kernel numbers them.
    pub anonymous_dev: u32,
    /// 1: with arguments, say what the descriptor of the calls in `described` stands for. Every offset that this takes
    /// is known, and those of an inode are within [`INODE_BYTES`].
    pub files: u32,
    /// Bit `nr % 64` of word `abi * ABI_WORDS + nr / 64`.
    pub wanted: [u64; BITMAP_WORDS],
    /// The same for the calls whose first argument is a descriptor.
    pub described: [u64; BITMAP_WORDS],
    /// What is read of each call, by [`crate::operand::position`]; nothing without `args`.
    pub reads: [Reads; TABLE],
}

/// Bytes at the beginning of an inode that are read in one go.
pub const INODE_BYTES: usize = 80;

/// Byte offsets in kernel structures and tracepoint records, found at run time. [`Offsets::UNKNOWN`]
/// switches off what needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Offsets {
    /// `task_struct.thread_info.status`: bit 1 marks a 32-bit call (`TS_COMPAT`).
    pub task_status: u32,
    /// `task_struct.group_leader`.
    pub task_group_leader: u32,
    /// `task_struct.comm`.
    pub task_comm: u32,
    /// `task_struct.start_boottime` (`real_start_time` before 5.5).
    pub task_start: u32,
    /// `task_struct.pid`.
    pub task_pid: u32,
    /// `task_struct.tgid`.
    pub task_tgid: u32,
    /// `child_pid` in the classic fork record.
    pub fork_child_pid: u32,
    /// `old_pid` in the classic exec record.
    pub exec_old_pid: u32,
    /// `task_struct.files`.
    pub task_files: u32,
    /// `task_struct.thread_pid`.
    pub task_thread_pid: u32,
    /// `pid.level`.
    pub pid_level: u32,
    /// `pid.numbers`.
    pub pid_numbers: u32,
    /// `pid_namespace.ns.inum`.
    pub pid_namespace_number: u32,
    /// `files_struct.fdt`.
    pub files_table: u32,
    /// `fdtable.max_fds`.
    pub table_len: u32,
    /// `fdtable.fd`.
    pub table_files: u32,
    /// `file.f_inode`.
    pub file_inode: u32,
    /// `file.f_op`.
    pub file_operations: u32,
    /// `file_operations.release`.
    pub operations_release: u32,
    /// `inode.i_mode`.
    pub inode_mode: u32,
    /// `inode.i_ino`.
    pub inode_number: u32,
    /// `inode.i_sb`.
    pub inode_super_block: u32,
    /// `super_block.s_dev`.
    pub super_block_device: u32,
    /// Register layout of the machine: one of [`arch`].
    pub arch: u32,
}

/// Whose `pt_regs` the programs read.
pub mod arch {
    /// `x86_64`.
    pub const X86_64: u32 = 0;
    /// aarch64.
    pub const AARCH64: u32 = 1;
}

impl Offsets {
    /// An offset that could not be found.
    pub const UNKNOWN: u32 = u32::MAX;
    /// Nothing is known.
    pub const NONE: Self = Self {
        task_status: Self::UNKNOWN,
        task_group_leader: Self::UNKNOWN,
        task_comm: Self::UNKNOWN,
        task_start: Self::UNKNOWN,
        task_pid: Self::UNKNOWN,
        task_tgid: Self::UNKNOWN,
        fork_child_pid: Self::UNKNOWN,
        exec_old_pid: Self::UNKNOWN,
        task_files: Self::UNKNOWN,
        task_thread_pid: Self::UNKNOWN,
        pid_level: Self::UNKNOWN,
        pid_numbers: Self::UNKNOWN,
        pid_namespace_number: Self::UNKNOWN,
        files_table: Self::UNKNOWN,
        table_len: Self::UNKNOWN,
        table_files: Self::UNKNOWN,
        file_inode: Self::UNKNOWN,
        file_operations: Self::UNKNOWN,
        operations_release: Self::UNKNOWN,
        inode_mode: Self::UNKNOWN,
        inode_number: Self::UNKNOWN,
        inode_super_block: Self::UNKNOWN,
        super_block_device: Self::UNKNOWN,
        arch: arch::X86_64,
    };
}

impl Config {
    /// The whole host, unfiltered, with default sizes.
    pub const DEFAULT: Self = Self {
        self_tgid: 0,
        whole_host: 1,
        follow: 0,
        match_comm: 0,
        args: 0,
        filter_syscalls: 0,
        unknown_wanted: 0,
        failed_only: 0,
        slower_ns: 0,
        spill_mask: 0,
        slot_mask: crate::slot::SLOTS - 1,
        cgroups: 0,
        ring_mask: 0,
        high_water: 1,
        preemptible: 0,
        pidns_dev: 0,
        pidns_ino: 0,
        typed_task: 0,
        typed_regs: 0,
        chunk_mask: 0,
        stack_cells: 0,
        offsets: Offsets::NONE,
        anonymous_ino: 0,
        anonymous_dev: 0,
        files: 0,
        wanted: [0; BITMAP_WORDS],
        described: [0; BITMAP_WORDS],
        reads: [0; TABLE],
    };
}

/// Word and bit of `nr` in [`Config::wanted`]; `None` for numbers that no filter can name.
#[inline(always)]
pub const fn bitmap_position(abi: Abi, nr: i32) -> Option<(usize, u64)> {
    let number = match abi {
        Abi::X32 => nr & !crate::abi::X32_SYSCALL_BIT,
        _ => nr,
    };
    if number < 0 || number as usize >= FILTERABLE {
        return None;
    }
    Some((abi as usize * ABI_WORDS + number as usize / 64, 1 << (number as usize % 64)))
}

const _: () = assert!(BITMAP_WORDS.is_power_of_two());
const _: () =
    assert!(size_of::<Config>() == 96 + 96 + 16 + 2 * BITMAP_WORDS * 8 + TABLE && align_of::<Config>() == 8);

/// Words that user space changes while the programs run, through a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Control {
    /// Grows after targets were added, so that earlier `IGNORE` verdicts are asked again.
    pub epoch: u32,
    /// 1 while both enter and exit are attached.
    pub armed: u32,
}

#[cfg(feature = "user")]
#[expect(unsafe_code, reason = "plain integers without padding: any bytes are a valid value")]
// SAFETY: `repr(C)`, integers only, no padding (size asserted above).
unsafe impl aya::Pod for Config {}
