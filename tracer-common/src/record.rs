//! What travels through the rings, byte for byte. Plain integers in native byte order, no padding, no
//! Rust enums: a record is bytes until `tracer::decode` has looked at it.

/// One syscall, or the part of one that could be seen. 104 bytes, or [`CALL_BYTES_WITHOUT_ARGS`] when the
/// arguments were not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CallRecord {
    /// One of [`kind`].
    pub kind: u8,
    /// [`crate::abi::Abi`] as its discriminant.
    pub abi: u8,
    /// [`has_args`]: whether `args` and `file` are there, which they are in every call of a run or in none; else the record ends
    /// before them.
    pub has_args: u16,
    /// Syscall number as the ABI has it; −1 and unknown numbers included.
    pub nr: i32,
    /// Process (thread group) id in the initial PID namespace.
    pub tgid: u32,
    /// Thread id as the tracer's PID namespace shows it; that of the initial one for a thread of another.
    pub tid: u32,
    /// `CLOCK_MONOTONIC` at enter; 0 where no enter was seen ([`kind::DENIED`]).
    pub enter_ns: u64,
    /// Exit minus enter; 0 where there is no pair.
    pub latency_ns: u64,
    /// Return value as the exit tracepoint shows it; 0 where the call never returned.
    pub ret: i64,
    /// The six arguments as the ABI passes them.
    pub args: [u64; 6],
    /// What the descriptor in the first argument stood for at enter; of calls that take none, nothing.
    pub file: FileRecord,
}

/// The open file behind a descriptor, as the kernel identifies it. All zero where there is none, or it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FileRecord {
    /// Inode number. Of [`file_kind::ANONYMOUS`], which share one inode, the address of the kernel's function that
    /// closes it, which tells an eventfd from an epoll; 0 where it has none.
    pub ino: u64,
    /// Device of its file system, as the kernel numbers them: major in the upper 12 bits, minor in the lower 20.
    pub dev: u32,
    /// One of [`file_kind`], or the file type of `st_mode` shifted to the right by [`file_kind::SHIFT`].
    pub kind: u32,
}

/// What kind of file [`FileRecord::kind`] says.
pub mod file_kind {
    /// None, or not known.
    pub const NONE: u32 = 0;
    /// An eventfd, an epoll, or whatever else has no inode of its own.
    pub const ANONYMOUS: u32 = 15;
    /// From `st_mode` to a kind.
    pub const SHIFT: u32 = 12;
}

/// Bytes of a [`CallRecord`] that ends before its arguments.
pub const CALL_BYTES_WITHOUT_ARGS: usize = core::mem::offset_of!(CallRecord, args);

/// Values of [`CallRecord::has_args`].
pub mod has_args {
    /// There are none.
    pub const NONE: u16 = 0;
    /// There are.
    pub const REGISTERS: u16 = 1;
    /// There are, and a [`crate::operand::OperandRecord`] says what some of them point to.
    pub const OPERANDS: u16 = 3;
    /// One more bit: a [`crate::stack::StackRecord`] says where the call was made.
    pub const STACK: u16 = 4;
}

/// The first byte of every record.
pub mod kind {
    /// A paired enter and exit.
    pub const CALL: u8 = 1;
    /// `exit` or `exit_group`: entered, never returns.
    pub const NO_RETURN: u8 = 2;
    /// An exit without an enter on a thread we watch: refused before the tracepoint (seccomp).
    pub const DENIED: u8 = 3;
    /// The thread died inside the call.
    pub const DIED: u8 = 4;
    /// A thread was seen for the first time; a [`super::ProcessRecord`].
    pub const SEEN: u8 = 16;
    /// A process replaced its program; a [`super::ProcessRecord`].
    pub const EXEC: u8 = 17;
    /// The leader of a process ended; a [`super::ProcessRecord`].
    pub const EXIT: u8 = 18;
    /// What the call of a thread is about; a [`crate::operand::OperandRecord`]. In rings there are none.
    pub const OPERAND: u8 = 19;
    /// Where the call of a thread was made; a [`crate::stack::StackRecord`]. In rings there are none.
    pub const STACK: u8 = 20;
}

/// News of a process. 64 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ProcessRecord {
    /// One of [`kind`].
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Process id in the initial PID namespace.
    pub tgid: u32,
    /// Thread id as the tracer's PID namespace shows it; that of the initial one for a thread of another.
    pub tid: u32,
    /// Process id in the tracer's own PID namespace; 0 when that is the initial one or the process is
    /// not visible there.
    pub ns_tgid: u32,
    /// `CLOCK_MONOTONIC` now.
    pub time_ns: u64,
    /// Start of the process on `CLOCK_BOOTTIME`; 0 where the kernel's types are not known (no BTF).
    pub start_ns: u64,
    /// Name of the process (its leader's), NUL-padded.
    pub comm: [u8; 16],
    /// Name of this thread, NUL-padded.
    pub thread_comm: [u8; 16],
}

const _: () = assert!(size_of::<CallRecord>() == 104 && align_of::<CallRecord>() == 8);
const _: () = assert!(CALL_BYTES_WITHOUT_ARGS == 40 && size_of::<FileRecord>() == 16);
const _: () = assert!(size_of::<ProcessRecord>() == 64 && align_of::<ProcessRecord>() == 8);
