//! The map that a JIT compiler writes for `perf`: `/tmp/perf-PID.map`, where each line is `START SIZE NAME` with numbers in
//! hexadecimal. Anybody can write such a file; its names are shown as such and nothing else is made of it.
//! <https://github.com/torvalds/linux/blob/v6.12/tools/perf/Documentation/jit-interface.txt>

use std::io::Read as _;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

use crate::targets::Procfs;

/// Bytes that are read.
const MAX_BYTES: u64 = 64 << 20;

/// Functions by address.
#[derive(Debug, Default)]
pub(super) struct PerfMap {
    /// Start, end and name.
    functions: Vec<(u64, u64, Box<str>)>,
}

impl PerfMap {
    /// That of a process; empty where it has none.
    pub(super) fn read(procfs: &Procfs, pid: u32) -> Self {
        let inner = std::fs::read(procfs.file(pid, "status")).ok().and_then(|status| innermost_pid(&status));
        let path = procfs.file(pid, &format!("root/tmp/perf-{}.map", inner.unwrap_or(pid)));
        // What is no file could keep us waiting.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Ok(file) = open(&path, flags, Mode::empty()) else { return Self::default() };
        if !fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile) {
            return Self::default();
        }
        let mut bytes = Vec::new();
        let _ = std::fs::File::from(file).take(MAX_BYTES).read_to_end(&mut bytes);
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut functions: Vec<_> = bytes
            .split(|&byte| byte == b'\n')
            .filter_map(|line| parse_line(&String::from_utf8_lossy(line)))
            .collect();
        // Of code that was written over, the later line is right.
        functions.reverse();
        functions.sort_by_key(|&(start, ..)| start);
        functions.dedup_by_key(|&mut (start, ..)| start);
        Self { functions }
    }

    /// The function that holds an address.
    pub(super) fn find(&self, address: u64) -> Option<&str> {
        let after = self.functions.partition_point(|&(start, ..)| start <= address);
        let (_, end, name) = self.functions[..after].last()?;
        (address < *end).then_some(name)
    }
}

fn parse_line(line: &str) -> Option<(u64, u64, Box<str>)> {
    let mut words = line.trim_end().splitn(3, ' ');
    let mut hex = || u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok();
    let (start, size) = (hex()?, hex()?);
    let name = words.next().filter(|name| !name.is_empty())?;
    Some((start, start.checked_add(size)?, name.into()))
}

/// The number under which a process knows itself.
fn innermost_pid(status: &[u8]) -> Option<u32> {
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"))?;
    str::from_utf8(line).ok()?.split_ascii_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_address_and_the_later_line_is_right() {
        let text = b"1000 20 py::old:/a.py\n0x2000 10 LazyCompile:~f b.js:1\n1000 40 py::new:/a.py\nrubbish\n3000 zz x\nffffffffffffffff 9 y\n\xff\xff 1 z";
        let map = PerfMap::parse(text);
        assert_eq!(map.find(0x1030), Some("py::new:/a.py"));
        assert_eq!(map.find(0x2000), Some("LazyCompile:~f b.js:1"));
        assert_eq!((map.find(0x2010), map.find(0xfff)), (None, None));
        assert_eq!(innermost_pid(b"Name:\tx\nNSpid:\t712\t7\n"), Some(7));
    }

    #[test]
    fn there_is_none_where_there_is_none() {
        assert_eq!(PerfMap::read(&Procfs::default(), std::process::id()).find(1), None);
    }
}
