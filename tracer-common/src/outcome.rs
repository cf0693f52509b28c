//! What a return value means. One rule for the kernel side (failed-only filter, spill keys) and for user
//! space, so that no path can class the same call differently.

use crate::abi::Abi;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The call did its work.
    Success,
    /// The call returned this errno (1..=4095).
    Error(u16),
    /// A signal cut the call short and the kernel will restart it or turn this into `EINTR` after the
    /// tracepoint: neither success nor error. Holds the kernel's code (512, 513, 514 or 516).
    /// <https://github.com/torvalds/linux/blob/v6.12/include/linux/errno.h#L14-L20>
    Interrupted(u16),
}

/// Largest value the kernel returns as an error.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/err.h#L18>
pub const MAX_ERRNO: i64 = 4095;

/// Classes the return value `ret` of call `nr`.
#[inline(always)]
pub const fn classify(abi: Abi, nr: i32, ret: i64) -> Outcome {
    if ret >= 0 || ret < -MAX_ERRNO || never_fails(abi, nr) {
        return Outcome::Success;
    }
    let code = (-ret) as u16;
    if is_restart(-ret) { Outcome::Interrupted(code) } else { Outcome::Error(code) }
}

/// Whether this is one of the kernel's own codes for a call that a signal cut short.
#[inline(always)]
pub const fn is_restart(code: i64) -> bool {
    matches!(code, 512 | 513 | 514 | 516)
}

/// Whether `nr` has no way to fail, so that a return in `-4095..=-1` is a value and not an error:
/// identity getters, and `rt_sigreturn`, whose "return" is the interrupted program's own register.
///
/// Filesystem-id setters and `personality` return the old value; so does 32-bit `umask`.
#[inline(always)]
pub const fn never_fails(abi: Abi, nr: i32) -> bool {
    match abi {
        Abi::X86_64 => matches!(
            nr,
            15 // rt_sigreturn
            | 39 | 110 | 186 // getpid, getppid, gettid
            | 102 | 104 | 107 | 108 // getuid, getgid, geteuid, getegid
            | 95 // umask
            | 111 // getpgrp
            | 122 | 123 // setfsuid, setfsgid
            | 135 // personality
        ),
        // Where the kernel has no x32, every other call of it fails with ENOSYS.
        Abi::X32 => nr & !crate::abi::X32_SYSCALL_BIT == 513, // rt_sigreturn
        Abi::I386 => matches!(
            nr,
            119 | 173 // sigreturn, rt_sigreturn
            | 20 | 64 | 224 // getpid, getppid, gettid
            | 24 | 47 | 49 | 50 | 199 | 200 | 201 | 202 // get*id, get*id32
            | 60 | 65 | 136 // umask, getpgrp, personality
            | 138 | 139 | 215 | 216 // setfsuid, setfsgid and their 32-bit-id forms
        ),
        Abi::Aarch64 => matches!(nr, 139 | 92 | 151 | 152 | 166 | 172 | 173 | 174 | 175 | 176 | 177 | 178),
    }
}

/// Whether `nr` enters and never exits: `exit` and `exit_group`.
#[inline(always)]
pub const fn never_returns(abi: Abi, nr: i32) -> bool {
    match abi {
        Abi::X86_64 | Abi::X32 => matches!(nr & !crate::abi::X32_SYSCALL_BIT, 60 | 231),
        Abi::I386 => matches!(nr, 1 | 252),
        Abi::Aarch64 => matches!(nr, 93 | 94),
    }
}

/// Whether `nr`, when it succeeds, leaves another program's memory: `execve` and `execveat`.
#[inline(always)]
pub const fn replaces_memory(abi: Abi, nr: i32) -> bool {
    match abi {
        Abi::X86_64 => matches!(nr, 59 | 322),
        Abi::X32 => matches!(nr & !crate::abi::X32_SYSCALL_BIT, 520 | 545),
        Abi::I386 => matches!(nr, 11 | 358),
        Abi::Aarch64 => matches!(nr, 221 | 281),
    }
}

/// Whether `nr` makes a new task, which then leaves the kernel with return value 0 and no enter.
#[inline(always)]
pub const fn makes_task(abi: Abi, nr: i32) -> bool {
    match abi {
        Abi::X86_64 | Abi::X32 => {
            matches!(nr & !crate::abi::X32_SYSCALL_BIT, 56 | 57 | 58 | 435) // clone fork vfork clone3
        }
        Abi::I386 => matches!(nr, 2 | 120 | 190 | 435),
        Abi::Aarch64 => matches!(nr, 220 | 435),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_minus_4095_to_minus_1_is_an_error() {
        assert_eq!(classify(Abi::X86_64, 8, -10_485_760), Outcome::Success, "lseek to a high offset");
        assert_eq!(classify(Abi::X86_64, 8, -4096), Outcome::Success);
        assert_eq!(classify(Abi::X86_64, 8, -4095), Outcome::Error(4095));
        assert_eq!(classify(Abi::X86_64, 0, -1), Outcome::Error(1));
        assert_eq!(classify(Abi::X86_64, 0, 0), Outcome::Success);
        assert_eq!(classify(Abi::X86_64, 0, i64::MIN), Outcome::Success);
    }

    #[test]
    fn restart_codes_are_neither_success_nor_error() {
        for code in [512u16, 513, 514, 516] {
            assert_eq!(classify(Abi::X86_64, 35, -i64::from(code)), Outcome::Interrupted(code));
        }
        assert_eq!(classify(Abi::X86_64, 35, -515), Outcome::Error(515), "ENOIOCTLCMD is no restart");
    }

    #[test]
    fn sigreturn_hands_back_a_register_not_a_result() {
        assert_eq!(classify(Abi::X86_64, 15, -4), Outcome::Success);
        assert_eq!(classify(Abi::I386, 173, -4), Outcome::Success);
        assert_eq!(classify(Abi::X86_64, 173, -4), Outcome::Error(4), "173 is ioperm to a 64-bit caller");
        assert_eq!(classify(Abi::X32, 0x4000_0000 + 513, -4), Outcome::Success, "x32 has its own number");
        assert_eq!(classify(Abi::X32, 0x4000_0000 + 39, -38), Outcome::Error(38), "a kernel without x32");
    }

    #[test]
    fn numbers_belong_to_their_table() {
        assert!(never_returns(Abi::I386, 1) && !never_returns(Abi::X86_64, 1));
        assert!(makes_task(Abi::I386, 2) && !makes_task(Abi::X86_64, 2));
        assert!(!never_returns(Abi::X86_64, -1) && !never_fails(Abi::I386, -1));
    }
}
