//! Syscalls issued by hand, past libc: the numbers, arguments and entry paths are exactly those asked for.
//!
//! The wrappers are safe to call with the arguments that this program passes: addresses of live buffers,
//! descriptors it owns, or values that the kernel refuses. They are not meant for anything else.
#![expect(unsafe_code, reason = "issuing raw syscalls is what this test program is for")]

use std::arch::asm;
use std::ffi::{CStr, CString};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Signals that the handler of [`on_signal`] has seen.
static HANDLED: AtomicU64 = AtomicU64::new(0);

/// A 64-bit `syscall`; the kernel's own return value, `-errno` on failure.
#[inline]
pub(crate) fn syscall(nr: i64, args: [usize; 6]) -> i64 {
    let ret: i64;
    // SAFETY: the `syscall` instruction clobbers rcx and r11 only; what the call does to memory is the
    // contract in the module's first sentence.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr => ret,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    ret
}

/// A 32-bit call by `int 0x80`. The low half of the result, sign extended, as a 32-bit program reads it.
/// Where the kernel has no 32-bit entry the process dies of SIGSEGV here.
#[inline]
pub(crate) fn int80(nr: i32, args: [u32; 3]) -> i64 {
    let ret: i64;
    // SAFETY: rbx is reserved by the compiler and therefore swapped in and out; older kernels clobber r8 to
    // r11 on this path.
    unsafe {
        asm!(
            "xchg {first}, rbx",
            "int 0x80",
            "xchg {first}, rbx",
            first = inout(reg) u64::from(args[0]) => _,
            inlateout("rax") i64::from(nr) => ret,
            in("rcx") u64::from(args[1]), in("rdx") u64::from(args[2]),
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    i64::from(ret as i32)
}

/// `vfork` whose child makes one `nanosleep` and then `exit_group(0)`; returns the child's PID, or `-errno`.
///
/// Parent and child share the stack until the child is gone, so no compiled code may run in between: the
/// child's whole life is these instructions.
pub(crate) fn vfork_child_sleeps(pause: &libc::timespec) -> i64 {
    let ret: i64;
    // SAFETY: the child touches registers only, and the kernel gives the parent its own copy of them.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov eax, 35",
            "xor esi, esi",
            "syscall",
            "mov eax, 231",
            "xor edi, edi",
            "syscall",
            "2:",
            inlateout("rax") libc::SYS_vfork => ret,
            in("rdi") std::ptr::from_ref(pause), lateout("rsi") _,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    ret
}

extern "C" fn count_signal(_signal: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Counts `signal` from now on; `restart` asks the kernel to restart the calls it cuts short.
pub(crate) fn on_signal(signal: i32, restart: bool) -> io::Result<()> {
    // SAFETY: all-zero is a valid `sigaction`, and the handler does one atomic addition.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count_signal as *const () as usize;
        action.sa_flags = if restart { libc::SA_RESTART } else { 0 };
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Signals handled so far.
pub(crate) fn signals_handled() -> u64 {
    HANDLED.load(Ordering::SeqCst)
}

/// Has seccomp refuse `nr` of the 64-bit table with `errno` from now on, for this process and its children.
pub(crate) fn deny(nr: i64, errno: i32) -> io::Result<()> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: nr as u32,
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    checked(syscall(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0, 0]))?;
    let set_filter = libc::SECCOMP_SET_MODE_FILTER as usize;
    checked(syscall(libc::SYS_seccomp, [set_filter, 0, (&raw const program) as usize, 0, 0, 0]))?;
    Ok(())
}

/// `execve` with an empty environment; returns only to say why not.
pub(crate) fn execve(path: &CStr, args: &[CString]) -> io::Error {
    let mut words: Vec<*const libc::c_char> = args.iter().map(|arg| arg.as_ptr()).collect();
    words.push(std::ptr::null());
    let environment: [*const libc::c_char; 1] = [std::ptr::null()];
    let ret = syscall(
        libc::SYS_execve,
        [path.as_ptr() as usize, words.as_ptr() as usize, environment.as_ptr() as usize, 0, 0, 0],
    );
    io::Error::from_raw_os_error(-ret as i32)
}

/// The errors of a raw return value as `io::Error`.
pub(crate) fn checked(ret: i64) -> io::Result<i64> {
    if (-4095..0).contains(&ret) { Err(io::Error::from_raw_os_error(-ret as i32)) } else { Ok(ret) }
}
