//! Which process has its root on a file system: what a process of a container opened and closed is looked up through
//! another one of that container where it is gone itself. Only its number is remembered, so that nothing keeps a file system
//! mounted whose container has ended.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use rustix::fs::{Mode, OFlags, open};

use super::identity::identity;
use crate::bpf::sys;
use crate::targets::Procfs;

/// A look at all processes is not repeated before this, and not before so many times the CPU time that it took: 1 % of a CPU
/// where many ask in vain.
const LASTS: Duration = Duration::from_millis(500);
const LASTS_TIMES: u32 = 100;

/// Processes by the device of their root, the first by PID of each.
#[derive(Debug, Default)]
pub(super) struct Roots {
    by_device: FxHashMap<u32, u32>,
    /// When all processes may be looked at again.
    next: Option<Instant>,
}

impl Roots {
    /// A process whose root is on this device now, which is not ours.
    pub(super) fn process_on(&mut self, procfs: &Procfs, device: u32) -> Option<u32> {
        let is_there = |pid: &u32| root_of(procfs, *pid) == Some(device);
        if let Some(pid) = self.by_device.get(&device).copied().filter(is_there) {
            return Some(pid);
        }
        self.look(procfs);
        self.by_device.get(&device).copied().filter(is_there)
    }

    /// Looks at all processes, if it may.
    fn look(&mut self, procfs: &Procfs) {
        if self.next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let began_ns = sys::thread_cpu_ns();
        self.by_device.clear();
        let own = device_of("/");
        for process in procfs.processes().unwrap_or_default() {
            let root = root_of(procfs, process.pid).filter(|root| Some(*root) != own);
            if let Some(device) = root {
                self.by_device.entry(device).or_insert(process.pid);
            }
        }
        let cost = Duration::from_nanos(sys::thread_cpu_ns().saturating_sub(began_ns));
        self.next = Some(Instant::now() + LASTS.max(cost * LASTS_TIMES));
    }
}

/// The device of a process's root.
fn root_of(procfs: &Procfs, pid: u32) -> Option<u32> {
    device_of(procfs.file(pid, "root"))
}

fn device_of(path: impl rustix::path::Arg) -> Option<u32> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    identity(open(path, flags, Mode::empty()).ok()?).map(|(device, _)| device)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    /// A directory like `/proc` with a process of which nothing is known but its root.
    fn add(proc: &Path, pid: u32, root: &str) {
        let directory = proc.join(pid.to_string());
        fs::create_dir(&directory).expect("ours");
        let zeros = " 0".repeat(48);
        fs::write(directory.join("stat"), format!("{pid} (sh) S 1{zeros}\n")).expect("ours");
        symlink(root, directory.join("root")).expect("ours");
    }

    #[test]
    fn whoever_has_its_root_there_is_found_as_long_as_it_does() {
        let proc = tempfile::tempdir().expect("a directory");
        let procfs = Procfs::below(proc.path());
        let theirs = device_of("/proc").expect("another file system than ours");
        add(proc.path(), 5, "/");
        add(proc.path(), 7, "/proc");
        add(proc.path(), 9, "/proc/self");
        let mut roots = Roots::default();
        assert_eq!(roots.process_on(&procfs, theirs), Some(7), "the first");
        assert_eq!(roots.process_on(&procfs, device_of("/").expect("ours")), None, "our own");
        fs::remove_dir_all(proc.path().join("7")).expect("ours");
        roots.next = Some(Instant::now() + Duration::from_hours(1));
        assert_eq!(roots.process_on(&procfs, theirs), None, "not looked for again at once");
        roots.next = Some(Instant::now());
        assert_eq!(roots.process_on(&procfs, theirs), Some(9));
        fs::remove_file(proc.path().join("9/root")).expect("ours");
        symlink("/", proc.path().join("9/root")).expect("ours");
        assert_eq!(roots.process_on(&procfs, theirs), None, "its number is another's");
    }
}
