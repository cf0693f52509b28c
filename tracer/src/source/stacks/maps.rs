//! What a process has mapped where it can execute, from `/proc/PID/maps`.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use crate::human::safe_text;
use crate::targets::Procfs;

/// Bytes of `maps` that are read: some 300,000 mappings.
const MAX_BYTES: u64 = 32 << 20;

/// Executable mappings of a process, by address.
#[derive(Debug, Default)]
pub(super) struct Maps {
    each: Vec<Mapping>,
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    start: u64,
    end: u64,
    /// Where it begins in its file.
    offset: u64,
    /// Which file, as `maps` says it: device and inode; inode 0 for none.
    pub(super) file: (Vec<u8>, u64),
    /// Its path, `[vdso]` and the like, or nothing.
    path: Vec<u8>,
    /// Where the file itself can be opened while the process lives, whatever its path says.
    pub(super) opened_by: PathBuf,
}

impl Mapping {
    /// Whether a file is mapped there.
    pub(super) fn is_file(&self) -> bool {
        self.file.1 != 0
    }

    /// Where this address lies in the file.
    pub(super) fn offset(&self, address: u64) -> u64 {
        self.offset.wrapping_add(address.wrapping_sub(self.start))
    }

    /// The last part of its path; `None` where there is none.
    pub(super) fn module(&self) -> Option<String> {
        let path = self.path.strip_suffix(b" (deleted)").unwrap_or(&self.path);
        let name = path.rsplit(|&byte| byte == b'/').next().filter(|name| !name.is_empty())?;
        Some(safe_text(name))
    }
}

impl Maps {
    /// Those of a process; empty where they cannot be read.
    pub(super) fn read(procfs: &Procfs, pid: u32) -> Self {
        let mut bytes = Vec::new();
        if let Ok(file) = File::open(procfs.file(pid, "maps")) {
            // What was read before an error is the beginning all the same.
            let _ = file.take(MAX_BYTES).read_to_end(&mut bytes);
        }
        let each = bytes.split(|&byte| byte == b'\n').filter_map(|line| parse(procfs, pid, line));
        Self { each: each.collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// The one that holds an address.
    pub(super) fn find(&self, address: u64) -> Option<&Mapping> {
        let after = self.each.partition_point(|mapping| mapping.start <= address);
        self.each[..after].last().filter(|mapping| address < mapping.end)
    }
}

/// `START-END PERMISSIONS OFFSET DEVICE INODE      PATH`.
/// <https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html>
fn parse(procfs: &Procfs, pid: u32, line: &[u8]) -> Option<Mapping> {
    let mut words = line.splitn(6, |&byte| byte == b' ');
    let range = str::from_utf8(words.next()?).ok()?;
    let permissions = words.next()?;
    let hex = |word: &str| u64::from_str_radix(word, 16).ok();
    let offset = hex(str::from_utf8(words.next()?).ok()?)?;
    let device = words.next()?.to_vec();
    let inode = str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let path = words.next().unwrap_or_default().trim_ascii_start().to_vec();
    let (start, end) = range.split_once('-')?;
    if permissions.get(2) != Some(&b'x') {
        return None;
    }
    let opened_by = procfs.file(pid, &format!("map_files/{range}"));
    Some(Mapping { start: hex(start)?, end: hex(end)?, offset, file: (device, inode), path, opened_by })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(line: &[u8]) -> Option<Mapping> {
        parse(&Procfs::default(), 7, line)
    }

    #[test]
    fn lines_are_taken_apart() {
        let found =
            mapping(b"7f00-7f80 r-xp 0001a000 fe:01 1234      /usr/lib/a b\x1b.so (deleted)").expect("one");
        assert_eq!((found.start, found.end, found.offset), (0x7f00, 0x7f80, 0x1a000));
        assert_eq!(found.module().as_deref(), Some("a b\\x1b.so"));
        assert_eq!(found.offset(0x7f10), 0x1a010);
        assert!(found.is_file());
        assert_eq!(found.opened_by, PathBuf::from("/proc/7/map_files/7f00-7f80"));
        let vdso = mapping(b"7ff0-7ff8 r-xp 00000000 00:00 0      [vdso]").expect("one");
        assert_eq!((vdso.module().as_deref(), vdso.is_file()), (Some("[vdso]"), false));
        let jit = mapping(b"10-20 rwxp 00000000 00:00 0 ").expect("one");
        assert_eq!((jit.module(), jit.is_file()), (None, false));
        for line in [&b"7f00-7f80 rw-p 0 fe:01 1 /x"[..], b"", b"x-y r-xp 0 0 0", b"1-2 r-xp", b"\xff"] {
            assert_eq!(mapping(line), None);
        }
    }

    #[test]
    fn an_address_is_found_in_its_mapping_and_nowhere_else() {
        let maps = Maps::read(&Procfs::default(), std::process::id());
        let own = mapping as *const () as u64;
        assert!(maps.find(own).is_some_and(Mapping::is_file));
        assert_eq!(maps.find(0), None);
        assert_eq!(maps.find(u64::MAX - 1), None);
        assert!(Maps::read(&Procfs::default(), 0).is_empty());
    }
}
