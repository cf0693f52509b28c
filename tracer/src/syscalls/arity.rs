//! How many arguments a syscall has: the registers beyond them hold whatever was there before.

use tracer_common::abi::Abi;

use super::names;
use crate::interval::CallKey;

/// How many of the six registers are arguments of `call`. Six where it is not known.
pub fn arguments(call: CallKey) -> usize {
    names::entry(call).map_or(6, |entry| entry.arguments)
}

/// The registers of a call, those that are no arguments of it zeroed: whatever was left in them is nobody's business.
pub fn arguments_only(call: CallKey, mut registers: [u64; 6]) -> [u64; 6] {
    registers[arguments(call)..].fill(0);
    registers
}

/// Of the call that `abi` has under this name.
pub(super) fn by_name(abi: Abi, name: &str) -> usize {
    crate::arguments::count(abi, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::{HOST_ABI, number};

    #[test]
    fn calls_have_the_arguments_of_their_manual_page() {
        if HOST_ABI == Abi::X86_64 {
            for (name, count) in
                [("getpid", 0), ("close", 1), ("stat", 2), ("read", 3), ("openat", 4), ("mmap", 6)]
            {
                let nr = number(HOST_ABI, name).expect("a name");
                assert_eq!(arguments(CallKey { abi: HOST_ABI, nr }), count, "{name}");
            }
        }
        assert_eq!(arguments(CallKey { abi: Abi::I386, nr: 20 }), 0);
        // One pointer to six arguments: a table of its own would be needed.
        assert_eq!(arguments(CallKey { abi: Abi::I386, nr: 90 }), 6);
        assert_eq!(arguments(CallKey { abi: HOST_ABI, nr: 99_999 }), 6);
    }
}
