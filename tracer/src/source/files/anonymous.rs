//! What anonymous files are, by the kernel's function that closes them: its name stands in `/proc/kallsyms`. They share
//! one inode, so that a look at a descriptor could not tell whether it still is the file that was seen.

use std::fs::File;
use std::io::{BufRead as _, BufReader};

use rustc_hash::FxHashMap;

/// Functions whose files have a name that says more than the function's.
const NAMES: [(&str, &str); 14] = [
    ("bpf_link_release", "BPF link"),
    ("bpf_map_release", "BPF map"),
    ("bpf_prog_release", "BPF program"),
    ("ep_eventpoll_release", "epoll"),
    ("eventfd_release", "eventfd"),
    ("fanotify_release", "fanotify"),
    ("inotify_release", "inotify"),
    ("io_uring_release", "io_uring"),
    ("perf_release", "perf event"),
    ("pidfd_release", "pidfd"),
    ("seccomp_notify_release", "seccomp listener"),
    ("signalfd_release", "signalfd"),
    ("timerfd_release", "timerfd"),
    ("userfaultfd_release", "userfaultfd"),
];

/// Functions whose names end so are looked at.
const ENDING: &str = "_release";

/// The functions of this kernel; read when first asked for.
#[derive(Debug, Default)]
pub(super) struct Anonymous {
    functions: Option<FxHashMap<u64, Box<str>>>,
}

impl Anonymous {
    /// What the file is that this function closes; `None` where the kernel does not say.
    pub(super) fn name(&mut self, function: u64) -> Option<Box<[u8]>> {
        let functions = self.functions.get_or_insert_with(read);
        let symbol = functions.get(&function)?;
        let known = NAMES.iter().find(|(function, _)| *function == &**symbol).map(|(_, name)| *name);
        let name = known.or_else(|| symbol.strip_suffix(ENDING))?;
        Some(name.as_bytes().into())
    }
}

/// Functions by address. Where addresses are hidden all are 0, and none is known.
fn read() -> FxHashMap<u64, Box<str>> {
    let Ok(file) = File::open("/proc/kallsyms") else { return FxHashMap::default() };
    let mut functions = FxHashMap::default();
    let mut lines = BufReader::with_capacity(1 << 16, file);
    let mut line = String::new();
    while matches!(lines.read_line(&mut line), Ok(1..)) {
        let mut fields = line.split_ascii_whitespace();
        if let (Some(address), Some("t" | "T"), Some(name)) = (fields.next(), fields.next(), fields.next())
            && name.ends_with(ENDING)
            && let Ok(address @ 1..) = u64::from_str_radix(address, 16)
        {
            functions.insert(address, name.into());
        }
        line.clear();
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_no_function_has_no_name() {
        let mut anonymous = Anonymous::default();
        assert_eq!(anonymous.name(0), None);
        assert_eq!(anonymous.name(12345), None);
    }

    #[test]
    fn the_list_is_sorted_and_every_function_ends_alike() {
        assert!(NAMES.is_sorted());
        assert!(NAMES.iter().all(|(function, _)| function.ends_with(ENDING)));
    }
}
