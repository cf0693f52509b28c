//! What the descriptors of a process lead to, by the links in `/proc/PID/fd`: a call for each, so whoever goes through
//! them says how many at most.

use std::ops::ControlFlow;

use rustix::fs::{Dir, Mode, OFlags, open, readlinkat};

use crate::targets::Procfs;

/// Hands the first `most` descriptors of a process and their links to `each`, until that has enough; how many there were.
pub(super) fn each_link(
    procfs: &Procfs,
    pid: u32,
    most: usize,
    mut each: impl FnMut(i32, &[u8]) -> ControlFlow<()>,
) -> usize {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = open(procfs.file(pid, "fd"), flags, Mode::empty()) else { return 0 };
    let Ok(entries) = Dir::read_from(&directory) else { return 0 };
    let mut text = Vec::new();
    let mut looked_at = 0;
    let numbers = entries.flatten().filter_map(|entry| {
        let number = entry.file_name().to_str().ok()?.parse().ok()?;
        Some((number, entry))
    });
    for (fd, entry) in numbers.take(most) {
        looked_at += 1;
        let Ok(link) = readlinkat(&directory, entry.file_name(), std::mem::take(&mut text)) else { continue };
        let is_enough = each(fd, link.as_bytes()).is_break();
        text = link.into_bytes();
        if is_enough {
            break;
        }
    }
    looked_at
}
