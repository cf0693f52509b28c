//! The tables of names: one array for each ABI, indexed by number.

use std::borrow::Cow;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use syscalls::{aarch64, x86, x86_64};
use tracer_common::abi::Abi;

use super::{arity, moves, prefix, waits, without_x32_bit};
use crate::interval::CallKey;

/// One past the largest number that has a name (`x32:pwritev2` is 547), rounded up to a word of bits.
pub(super) const NUMBERS: usize = 576;

/// A call that has a name.
pub(super) struct Entry {
    /// The name in its own table.
    pub(super) name: &'static str,
    /// The name with the prefix of its table.
    pub(super) shown: Cow<'static, str>,
    /// See [`super::waits_by_design`].
    pub(super) waits_by_design: bool,
    /// See [`super::arity`].
    pub(super) arguments: usize,
    /// See [`super::moves_bytes`].
    pub(super) moves_bytes: bool,
}

struct Table {
    entries: Vec<Option<Entry>>,
    numbers: FxHashMap<&'static str, i32>,
}

/// By discriminant of [`Abi`].
static TABLES: LazyLock<[Table; Abi::ALL.len()]> = LazyLock::new(|| Abi::ALL.map(Table::new));

/// Calls that `x32` numbers differently from `x86_64` because their structures differ, from 512 on. Nothing
/// can be added to this range.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/entry/syscalls/syscall_64.tbl>
const X32_ONLY: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// Number of the first of [`X32_ONLY`].
const X32_ONLY_BASE: usize = 512;

/// Calls that `x86_64` has and `x32` has under no number at all.
const NOT_IN_X32: [&str; 13] = [
    "_sysctl",
    "create_module",
    "epoll_ctl_old",
    "epoll_wait_old",
    "get_kernel_syms",
    "get_thread_area",
    "nfsservctl",
    "query_module",
    "set_thread_area",
    "uprobe",
    "uretprobe",
    "uselib",
    "vserver",
];

/// The call's entry; `None` when the number has no name.
pub(super) fn entry(call: CallKey) -> Option<&'static Entry> {
    let index = usize::try_from(without_x32_bit(call)).ok()?;
    TABLES[call.abi as usize].entries.get(index)?.as_ref()
}

/// The number in the table of `abi`, for `x32` without its bit.
pub(super) fn number(abi: Abi, name: &str) -> Option<i32> {
    TABLES[abi as usize].numbers.get(name).copied()
}

/// Every call of `abi` that has a name, by number.
pub(super) fn entries(abi: Abi) -> impl Iterator<Item = (CallKey, &'static Entry)> {
    let table: &'static Table = &TABLES[abi as usize];
    let numbered = table.entries.iter().enumerate();
    numbered.filter_map(move |(nr, entry)| Some((CallKey { abi, nr: nr as i32 }, entry.as_ref()?)))
}

impl Table {
    fn new(abi: Abi) -> Self {
        let name_of: fn(usize) -> Option<&'static str> = match abi {
            Abi::X86_64 => |number| x86_64::Sysno::new(number).map(|call| call.name()),
            Abi::I386 => i386_name,
            Abi::X32 => x32_name,
            Abi::Aarch64 => aarch64_name,
        };
        let mut numbers = FxHashMap::default();
        let entries = (0..NUMBERS)
            .map(|number| {
                let name = name_of(number)?;
                numbers.insert(name, number as i32);
                let shown = match prefix(abi) {
                    "" => Cow::Borrowed(name),
                    prefix => Cow::Owned(format!("{prefix}{name}")),
                };
                Some(Entry {
                    name,
                    shown,
                    waits_by_design: waits::by_name(name),
                    arguments: arity::by_name(abi, name),
                    moves_bytes: moves::by_name(name),
                })
            })
            .collect();
        Self { entries, numbers }
    }
}

fn i386_name(number: usize) -> Option<&'static str> {
    // `break` is a keyword of Rust, so the crate's identifier for it is a raw one.
    x86::Sysno::new(number).map(|call| call.name().trim_start_matches("r#"))
}

fn x32_name(number: usize) -> Option<&'static str> {
    match number.checked_sub(X32_ONLY_BASE) {
        Some(index) => X32_ONLY.get(index).copied(),
        None => x86_64::Sysno::new(number)
            .map(|call| call.name())
            .filter(|name| !X32_ONLY.contains(name) && !NOT_IN_X32.contains(name)),
    }
}

fn aarch64_name(number: usize) -> Option<&'static str> {
    aarch64::Sysno::new(number).map(|call| match call.name() {
        // The kernel's name, which every other 64-bit table has too; the crate takes the C library's.
        // <https://github.com/torvalds/linux/blob/v6.12/scripts/syscall.tbl>
        "fstatat" => "newfstatat",
        name => name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_in_a_table() {
        for abi in Abi::ALL {
            for (call, entry) in entries(abi) {
                assert_eq!(number(abi, entry.name), Some(call.nr), "{abi:?} {}", entry.name);
            }
        }
    }

    #[test]
    fn x32_lists_name_calls_of_x86_64() {
        for name in X32_ONLY.iter().chain(&NOT_IN_X32) {
            assert!(number(Abi::X86_64, name).is_some(), "{name}");
        }
        let x86_64 = entries(Abi::X86_64).count();
        assert_eq!(entries(Abi::X32).count(), x86_64 - NOT_IN_X32.len());
    }
}
