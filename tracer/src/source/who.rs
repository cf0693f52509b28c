//! Finds out who processes are. Who was gone before we looked is not known, and never taken for somebody else.

use std::fs::File;
use std::io::{self, Read};

use super::inquiry::Inquiry;
use crate::containers::Containers;
use crate::fold::Stranger;
use crate::targets::Procfs;
use crate::who::{MAX_CMDLINE_BYTES, Who};

/// Bytes of `/proc/PID/cgroup` that are read: a line of version 1 for each of a dozen controllers.
const MAX_CGROUPS_BYTES: usize = 16 << 10;

/// Bytes of `/proc/PID/status` that are read: its PIDs stand behind its supplementary groups, of which few have many.
const MAX_STATUS_BYTES: usize = 16 << 10;

/// Who strangers are.
pub(super) type Strangers = Inquiry<Stranger, Who>;

/// Starts a thread that finds out.
pub(super) fn start(procfs: Procfs) -> io::Result<Strangers> {
    let mut containers = Containers::default();
    Inquiry::start("who", move |stranger| look_at(&procfs, stranger).map(|who| containers.name(who)))
}

/// Who it is, if it is there before and after.
fn look_at(procfs: &Procfs, stranger: &Stranger) -> Option<Who> {
    let pid = stranger.id.pid;
    let found = || procfs.process(pid).filter(|found| !found.zombie);
    let before =
        found().filter(|found| stranger.id.start_ns == 0 || found.started_at(stranger.id.start_ns))?;
    let cgroups = read(procfs, pid, "cgroup", MAX_CGROUPS_BYTES);
    let status = read(procfs, pid, "status", MAX_STATUS_BYTES);
    let cmdline = read(procfs, pid, "cmdline", MAX_CMDLINE_BYTES);
    // A process that is ending, and no zombie yet, gives up its arguments first and its cgroup then, and shows `/` for
    // it. So whoever still has arguments had its cgroup before.
    if cmdline.is_empty() {
        return None;
    }
    let after = found().filter(|after| after.start_ns == before.start_ns)?;
    Some(Who::new(after.parent, &cmdline, &cgroups).with_status(&status))
}

/// The beginning of a file of a process; empty where it cannot be read.
fn read(procfs: &Procfs, pid: u32, name: &str, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(procfs.file(pid, name)) {
        // What was read before an error is the beginning all the same.
        let _ = file.take(most as u64).read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use super::*;
    use crate::process::ProcessId;

    fn stranger(pid: u32, start_ns: u64) -> Stranger {
        Stranger { tgid: pid, id: ProcessId { pid, start_ns }, programs: 0 }
    }

    /// A process of ours that is ended whatever the test does.
    struct Victim(Child);

    impl Drop for Victim {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn victim(name: &str) -> Victim {
        let mut command = Command::new("cat");
        let child =
            command.arg0(name).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        // Its arguments appear a moment after it has become another program.
        while read(&Procfs::default(), child.id(), "cmdline", 1).is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Victim(child)
    }

    #[test]
    fn a_process_is_who_it_says_and_nobody_else() {
        let procfs = Procfs::default();
        let victim = victim("some name\u{1b}[31m");
        let pid = victim.0.id();
        let start_ns = procfs.start_time(pid).expect("it runs");
        let who = look_at(&procfs, &stranger(pid, start_ns + 9_999_999)).expect("it is there");
        assert_eq!((who.ppid, &*who.cmdline), (std::process::id(), "some name\u{1b}[31m".as_bytes()));
        assert!(who.cgroup.starts_with('/'), "{who:?}");
        assert_eq!(
            look_at(&procfs, &stranger(pid, 0)).as_ref(),
            Some(&who),
            "a start that is not known fits"
        );
        assert_eq!(look_at(&procfs, &stranger(pid, start_ns + 10_000_000)), None, "another had this number");
        assert_eq!(look_at(&procfs, &stranger(pid, start_ns.saturating_sub(1))), None);
    }

    #[test]
    fn one_that_has_ended_is_unknown() {
        let procfs = Procfs::default();
        let mut victim = victim("cat");
        let pid = victim.0.id();
        let start_ns = procfs.start_time(pid).expect("it runs");
        victim.0.kill().expect("it runs");
        while procfs.process(pid).is_some_and(|process| !process.zombie) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(look_at(&procfs, &stranger(pid, start_ns)), None, "a zombie has no command line");
        victim.0.wait().expect("it ended");
        assert_eq!(look_at(&procfs, &stranger(pid, start_ns)), None);
    }
}
