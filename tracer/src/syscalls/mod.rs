//! What syscalls are called, what kind they are, and which of them a filter wants: everything that depends
//! on what a number means and on nothing else.

pub mod arity;
pub mod classes;
pub mod errno;
pub mod filter;
mod moves;
mod names;
mod waits;

use std::borrow::Cow;

use tracer_common::abi::{Abi, X32_SYSCALL_BIT};

use crate::interval::CallKey;

pub use classes::Class;
pub use filter::{FilterError, SyscallSet};

/// The ABI whose calls are shown without a prefix: that of 64-bit programs on the machine we are built for.
pub const HOST_ABI: Abi = if cfg!(target_arch = "aarch64") { Abi::Aarch64 } else { Abi::X86_64 };

/// A number that no call has: it stands for all calls of an ABI for whose numbers there was no room.
pub const OTHERS: i32 = i32::MIN;

/// What a call is shown as: `openat`, `i386:getpid`, `x32:readv`, and `syscall_470` or `i386:syscall_-1`
/// where the table has no name.
///
/// Called for every row of every snapshot: known names are borrowed from a table that is built once.
pub fn name(call: CallKey) -> Cow<'static, str> {
    match names::entry(call) {
        Some(entry) => Cow::Borrowed(&entry.shown),
        None if call.nr == OTHERS => Cow::Owned(format!("{}(others)", prefix(call.abi))),
        None => Cow::Owned(format!("{}syscall_{}", prefix(call.abi), without_x32_bit(call))),
    }
}

/// The name in the call's own table, without the prefix that [`name`] gives foreign ones.
pub fn plain_name(call: CallKey) -> Cow<'static, str> {
    match names::entry(call) {
        Some(entry) => Cow::Borrowed(entry.name),
        None if call.nr == OTHERS => Cow::Borrowed("(others)"),
        None => Cow::Owned(format!("syscall_{}", without_x32_bit(call))),
    }
}

/// Whether its table has a name for it.
pub fn is_named(call: CallKey) -> bool {
    names::entry(call).is_some()
}

/// The number of the call that `abi` has under this name, given without prefix; the inverse of [`name`]
/// (`syscall_470` is number 470). `x32` numbers have their bit 30 set, as programs pass them.
pub fn number(abi: Abi, name: &str) -> Option<i32> {
    if name == "(others)" {
        return Some(OTHERS);
    }
    let number = match name.strip_prefix("syscall_") {
        Some(digits) => digits.parse().ok()?,
        None => names::number(abi, name)?,
    };
    Some(if abi == Abi::X32 && number >= 0 { number | X32_SYSCALL_BIT } else { number })
}

/// Whether the call sits and waits because the program asked it to, so that its latency says how long the
/// program had nothing to do and not how slow something was.
pub fn waits_by_design(call: CallKey) -> bool {
    names::entry(call).is_some_and(|entry| entry.waits_by_design)
}

/// Whether the call returns how many bytes it moved.
pub fn moves_bytes(call: CallKey) -> bool {
    names::entry(call).is_some_and(|entry| entry.moves_bytes)
}

/// What stands before a name to say which table it is from.
const fn prefix(abi: Abi) -> &'static str {
    match abi {
        _ if abi as u8 == HOST_ABI as u8 => "",
        Abi::X86_64 => "x86_64:",
        Abi::I386 => "i386:",
        Abi::X32 => "x32:",
        Abi::Aarch64 => "aarch64:",
    }
}

/// The number as the tables have it. A negative `x32` number is no table index and stays what it was.
const fn without_x32_bit(call: CallKey) -> i32 {
    match call.abi {
        Abi::X32 if call.nr >= 0 => call.nr & !X32_SYSCALL_BIT,
        _ => call.nr,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(abi: Abi, nr: i32) -> String {
        name(CallKey { abi, nr }).into_owned()
    }

    /// What x86 tables look like from an x86 machine.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn foreign_tables_are_marked() {
        assert_eq!(shown(Abi::X86_64, 257), "openat");
        assert_eq!(shown(Abi::I386, 20), "i386:getpid");
        assert_eq!(shown(Abi::I386, 17), "i386:break");
        assert_eq!(shown(Abi::X32, X32_SYSCALL_BIT + 39), "x32:getpid");
        assert_eq!(shown(Abi::X32, X32_SYSCALL_BIT + 515), "x32:readv");
        assert_eq!(shown(Abi::X32, 547), "x32:pwritev2");
        assert_eq!(shown(Abi::Aarch64, 172), "aarch64:getpid");
        assert_eq!(shown(Abi::Aarch64, 79), "aarch64:newfstatat");
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn calls_without_a_name_are_shown_by_number() {
        assert_eq!(shown(Abi::X86_64, 470), "syscall_470");
        assert_eq!(shown(Abi::X86_64, -1), "syscall_-1");
        assert_eq!(shown(Abi::X86_64, i32::MAX), "syscall_2147483647");
        assert_eq!(shown(Abi::I386, 222), "i386:syscall_222");
        assert_eq!(shown(Abi::X32, -1), "x32:syscall_-1");
        // The 64-bit readv is not in the x32 table; giving it the name would make two numbers look alike.
        assert_eq!(shown(Abi::X32, X32_SYSCALL_BIT + 19), "x32:syscall_19");
        assert_eq!(shown(Abi::X86_64, 515), "syscall_515");
    }

    #[test]
    fn known_names_are_borrowed() {
        for abi in Abi::ALL {
            let nr = number(abi, "getpid").expect("getpid is in every table");
            assert!(matches!(name(CallKey { abi, nr }), Cow::Borrowed(_)), "{abi:?}");
        }
    }

    #[test]
    fn every_table_has_its_first_and_last_call() {
        for (abi, first, last) in [
            (Abi::X86_64, "read", 469),
            (Abi::I386, "restart_syscall", 469),
            (Abi::X32, "read", 547),
            (Abi::Aarch64, "io_setup", 469),
        ] {
            assert_eq!(number(abi, first).map(|nr| nr & !X32_SYSCALL_BIT), Some(0));
            assert!(names::entry(CallKey { abi, nr: last }).is_some(), "{abi:?}");
            assert!(names::entry(CallKey { abi, nr: last + 1 }).is_none(), "{abi:?}");
        }
    }

    #[test]
    fn names_of_other_tables_have_no_number() {
        assert_eq!(number(Abi::X86_64, "socketcall"), None);
        assert_eq!(number(Abi::Aarch64, "open"), None);
        assert_eq!(number(Abi::I386, "i386:getpid"), None);
        assert_eq!(number(Abi::X86_64, "syscall_"), None);
    }

    #[test]
    fn waiting_calls_wait_in_every_table() {
        for abi in Abi::ALL {
            for (name, waits) in [("epoll_pwait", true), ("futex", true), ("wait4", true), ("read", false)] {
                let nr = number(abi, name).expect("in every table");
                assert_eq!(waits_by_design(CallKey { abi, nr }), waits, "{abi:?} {name}");
            }
        }
        assert!(!waits_by_design(CallKey { abi: HOST_ABI, nr: -1 }));
    }

    proptest! {
        #[test]
        fn names_and_numbers_are_inverse(abi_index in 0..Abi::ALL.len(), nr in prop_oneof![-3..600_i32, any::<i32>()]) {
            let abi = Abi::ALL[abi_index];
            let nr = if abi == Abi::X32 && nr >= 0 { nr | X32_SYSCALL_BIT } else { nr };
            let shown = shown(abi, nr);
            let bare = shown.strip_prefix(prefix(abi)).expect("every name has its prefix");
            prop_assert_eq!(number(abi, bare), Some(nr));
        }
    }
}
