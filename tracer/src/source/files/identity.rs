//! Whether what was found is what was asked for: by inode, and by the device that the kernel has for its file system. `stat`
//! shows another where a file system numbers its parts: btrfs its subvolumes, an overlay the file systems below it. The
//! kernel's own stands in the table of mounts of whoever sees it there.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::fs::{AtFlags, Statx, StatxFlags, makedev, statx};

use crate::file::device;
use crate::targets::Procfs;

/// For how long a table of mounts is remembered. The number of a mount is given to another one when it is gone.
const LASTS: Duration = Duration::from_millis(200);

/// Bytes of a table that are read: some ten thousand mounts.
const MAX_TABLE_BYTES: u64 = 4 << 20;

/// Device and inode as `stat` shows them, without asking the server of a network file system.
pub(super) fn identity(file: impl AsFd) -> Option<(u32, u64)> {
    look_at(file).map(|stat| (device_of(&stat), stat.stx_ino))
}

fn look_at(file: impl AsFd) -> Option<Statx> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    statx(file, Path::new(""), flags, StatxFlags::INO | StatxFlags::MNT_ID).ok()
}

fn device_of(stat: &Statx) -> u32 {
    device(makedev(stat.stx_dev_major, stat.stx_dev_minor))
}

/// Devices by mount.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    devices: FxHashMap<u64, u32>,
    /// Whose tables these are, and until when.
    processes: FxHashSet<u32>,
    until: Option<Instant>,
}

impl Mounts {
    /// Whether a file that was opened through `/proc` of `pid` is the one with this device and inode.
    pub(super) fn is(&mut self, procfs: &Procfs, pid: u32, file: &OwnedFd, wanted: (u32, u64)) -> bool {
        let Some(stat) = look_at(file).filter(|stat| stat.stx_ino == wanted.1) else { return false };
        device_of(&stat) == wanted.0 || self.device(procfs, pid, stat.stx_mnt_id) == Some(wanted.0)
    }

    /// The device of a mount that `pid` sees.
    fn device(&mut self, procfs: &Procfs, pid: u32, mount: u64) -> Option<u32> {
        if self.until.is_none_or(|until| Instant::now() >= until) {
            self.devices.clear();
            self.processes.clear();
            self.until = Some(Instant::now() + LASTS);
        }
        if !self.devices.contains_key(&mount) && self.processes.insert(pid) {
            let mut table = Vec::new();
            if let Ok(file) = File::open(procfs.file(pid, "mountinfo")) {
                // What was read before an error is the beginning all the same.
                let _ = file.take(MAX_TABLE_BYTES).read_to_end(&mut table);
            }
            self.devices.extend(table.split(|&byte| byte == b'\n').filter_map(mounted));
        }
        self.devices.get(&mount).copied()
    }
}

/// Number and device of a mount, of a line `ID PARENT MAJOR:MINOR …`.
/// <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>
fn mounted(line: &[u8]) -> Option<(u64, u32)> {
    let mut words = line.split(|&byte| byte == b' ').map(|word| str::from_utf8(word).unwrap_or_default());
    let (id, (major, minor)) = (words.next()?.parse().ok()?, words.nth(1)?.split_once(':')?);
    Some((id, device(makedev(major.parse().ok()?, minor.parse().ok()?))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_device_of_its_mount_is_as_good_as_that_of_the_file() {
        let proc = tempfile::tempdir().expect("a directory");
        let procfs = Procfs::below(proc.path());
        let file = OwnedFd::from(File::open(proc.path()).expect("a directory"));
        let stat = look_at(&file).expect("it is there");
        let (own, inode) = identity(&file).expect("it is there");
        let mount = stat.stx_mnt_id;
        fs::create_dir(proc.path().join("7")).expect("ours");
        let table = format!("1 0 8:1 / /a rw - ext4 a rw\n{mount} 1 259:300 / /b rw - btrfs b rw\n");
        fs::write(proc.path().join("7/mountinfo"), table).expect("ours");
        let theirs = device(makedev(259, 300));
        let mut mounts = Mounts::default();
        assert!(mounts.is(&procfs, 9, &file, (own, inode)), "no table is asked");
        assert!(!mounts.is(&procfs, 9, &file, (theirs, inode)), "there is none");
        assert!(mounts.is(&procfs, 7, &file, (theirs, inode)));
        assert!(!mounts.is(&procfs, 7, &file, (theirs, inode + 1)), "another file");
        assert!(!mounts.is(&procfs, 7, &file, (device(makedev(8, 1)), inode)), "another file system");
        fs::remove_dir_all(proc.path().join("7")).expect("ours");
        assert!(mounts.is(&procfs, 7, &file, (theirs, inode)), "remembered");
        mounts.until = Some(Instant::now());
        assert!(!mounts.is(&procfs, 7, &file, (theirs, inode)), "but not for ever");
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_a_mount_or_none(line in "[0-9]{0,22} [0-9]{0,3} ?[0-9]{0,12}:?[0-9]{0,12}.{0,9}") {
            let _ = mounted(line.as_bytes());
        }
    }
}
