//! Which processes are there, from `/proc`. A process that vanishes while we look is none of them and no
//! error.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::process::Comm;

/// Ticks per second in `/proc/PID/stat` (`USER_HZ`), the same on every architecture we run on.
const TICK_NS: u64 = 1_000_000_000 / 100;

/// Inode of the initial PID namespace.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h#L45>
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// A process as `/proc` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Thread group id.
    pub pid: u32,
    /// The process that started it, or that inherited it.
    pub parent: u32,
    /// Name of its leader.
    pub comm: Comm,
    /// Start on `CLOCK_BOOTTIME`, rounded down to the 10 ms that `/proc` gives.
    pub start_ns: u64,
    /// Whether its leader has ended.
    pub zombie: bool,
}

impl Process {
    /// Whether it is the one that started at this moment on `CLOCK_BOOTTIME`, as exactly as `/proc` tells.
    pub fn started_at(&self, start_ns: u64) -> bool {
        start_ns - start_ns % TICK_NS == self.start_ns
    }
}

/// A process asked for by a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The process.
    pub process: Process,
    /// The number: its PID, or the id of one of its threads.
    pub given: u32,
}

impl Resolved {
    /// What to tell whoever gave a thread's id.
    pub fn notice(&self) -> Option<String> {
        let Process { pid, comm, .. } = self.process;
        (self.given != pid)
            .then(|| format!("{} is a thread of process {pid} ({comm}); tracing all of {pid}", self.given))
    }
}

/// A target that cannot be traced.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Nothing has this number.
    #[error(
        "error: no such process: {pid}\n\
         why: no process or thread has this number now; it may have ended\n\
         next: `pgrep NAME` lists PIDs by name; `tracer --comm NAME` also finds what starts later"
    )]
    NoSuchProcess {
        /// As given.
        pid: u32,
    },
    /// Nothing has this number in our PID namespace, which is not the host's.
    #[error(
        "error: no such process: {pid}\n\
         why: no process has this number in here: tracer runs in a PID namespace (a container), which has \
         numbers of its own\n\
         next: `ps -e` in here lists them; the NSpid line of /proc/{pid}/status on the host translates\n\
         next: run tracer on the host to use the host's PIDs"
    )]
    NotInThisNamespace {
        /// As given.
        pid: u32,
    },
    /// It has ended and its parent has not collected it.
    #[error(
        "error: process {pid} ({comm}) has ended\n\
         why: it is a zombie: it makes no more calls and waits to be collected by its parent, {parent}\n\
         next: trace the parent: tracer -p {parent}"
    )]
    HasEnded {
        /// As given.
        pid: u32,
        /// Its name.
        comm: Comm,
        /// Its parent.
        parent: u32,
    },
    /// `/proc` itself cannot be read.
    #[error(
        "error: cannot read {}\nwhy: {source}\nnext: mount it: mount -t proc proc /proc", .path.display()
    )]
    Unreadable {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where processes are looked up.
#[derive(Clone, Debug)]
pub struct Procfs {
    root: PathBuf,
}

impl Default for Procfs {
    fn default() -> Self {
        Self { root: PathBuf::from("/proc") }
    }
}

impl Procfs {
    /// An imitation in this directory.
    #[cfg(test)]
    pub(crate) fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The processes with these numbers, each once, in the order given. The id of a thread stands for its
    /// process.
    pub fn resolve_pids(&self, numbers: &[u32]) -> Result<Vec<Resolved>, TargetError> {
        let mut resolved: Vec<Resolved> = Vec::with_capacity(numbers.len());
        for &given in numbers {
            let process = self.resolve(given)?;
            if resolved.iter().all(|other| other.process.pid != process.pid) {
                resolved.push(Resolved { process, given });
            }
        }
        Ok(resolved)
    }

    fn resolve(&self, given: u32) -> Result<Process, TargetError> {
        self.check()?;
        // A thread's directory is there although no listing has it.
        let process = self.thread_group_of(given).and_then(|pid| self.process(pid));
        match process {
            None if self.in_pid_namespace() => Err(TargetError::NotInThisNamespace { pid: given }),
            None => Err(TargetError::NoSuchProcess { pid: given }),
            Some(Process { pid, comm, parent, zombie: true, .. }) if !self.has_live_thread(pid) => {
                Err(TargetError::HasEnded { pid, comm, parent })
            }
            Some(process) => Ok(process),
        }
    }

    /// Every process that descends from `pid` now, by PID, without itself.
    pub fn descendants(&self, pid: u32) -> Result<Vec<u32>, TargetError> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for process in self.processes()? {
            children.entry(process.parent).or_default().push(process.pid);
        }
        let mut found = Vec::new();
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            // Removing makes an end of any circle that a reused PID may have drawn during the scan.
            let born = children.remove(&parent).unwrap_or_default();
            found.extend(&born);
            parents.extend(born);
        }
        found.retain(|&descendant| descendant != pid);
        found.sort_unstable();
        Ok(found)
    }

    /// Every process with one of these names now, by PID. Those that have ended are left out.
    pub fn processes_named(&self, names: &[Comm]) -> Result<Vec<Process>, TargetError> {
        let mut processes = self.processes()?;
        processes.retain(|process| names.contains(&process.comm) && !process.zombie);
        Ok(processes)
    }

    /// Every process now, by PID.
    pub fn processes(&self) -> Result<Vec<Process>, TargetError> {
        let unreadable = |source| TargetError::Unreadable { path: self.root.clone(), source };
        let mut processes = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok());
            processes.extend(pid.and_then(|pid| self.process(pid)));
        }
        processes.sort_unstable_by_key(|process| process.pid);
        Ok(processes)
    }

    /// The process with this PID; `None` when there is none (any more).
    pub fn process(&self, pid: u32) -> Option<Process> {
        parse_stat(&fs::read(self.root.join(format!("{pid}/stat"))).ok()?)
    }

    /// Our own PID as `/proc` shows it.
    pub fn own_pid(&self) -> Option<u32> {
        fs::read_link(self.root.join("self")).ok()?.to_str()?.parse().ok()
    }

    /// Path of a file of this process.
    pub fn file(&self, pid: u32, name: &str) -> PathBuf {
        self.root.join(format!("{pid}/{name}"))
    }

    /// Name of a process; `None` when there is none.
    pub fn comm_of(&self, pid: u32) -> Option<Comm> {
        self.process(pid).map(|process| process.comm)
    }

    /// Start of a process on `CLOCK_BOOTTIME`, rounded down to 10 ms; `None` when there is none.
    pub fn start_time(&self, pid: u32) -> Option<u64> {
        self.process(pid).map(|process| process.start_ns)
    }

    /// Whether PIDs in here are those of a namespace other than the host's.
    pub fn in_pid_namespace(&self) -> bool {
        fs::read_link(self.root.join("self/ns/pid"))
            .is_ok_and(|namespace| namespace != Path::new(INITIAL_PID_NAMESPACE))
    }

    /// A missing process and a missing `/proc` are different errors.
    fn check(&self) -> Result<(), TargetError> {
        let path = self.root.join("self");
        match path.symlink_metadata() {
            Ok(_) => Ok(()),
            Err(source) => Err(TargetError::Unreadable { path, source }),
        }
    }

    fn thread_group_of(&self, tid: u32) -> Option<u32> {
        let status = fs::read(self.root.join(format!("{tid}/status"))).ok()?;
        status
            .split(|&byte| byte == b'\n')
            .find_map(|line| str::from_utf8(line.strip_prefix(b"Tgid:")?).ok()?.trim().parse().ok())
    }

    /// A leader may end before its other threads; the process lives on.
    fn has_live_thread(&self, pid: u32) -> bool {
        let Ok(threads) = fs::read_dir(self.root.join(format!("{pid}/task"))) else { return false };
        threads
            .filter_map(|thread| fs::read(thread.ok()?.path().join("stat")).ok())
            .filter_map(|stat| parse_stat(&stat))
            .any(|thread| !thread.zombie)
    }
}

/// Reads `PID (comm) STATE PPID …`. The name is whatever bytes the process chose, brackets and newlines
/// included; what follows it has none, so the last bracket ends it.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let pid = str::from_utf8(&stat[..open]).ok()?.trim().parse().ok()?;
    let comm = Comm::new(stat.get(open + 1..close)?);
    let mut rest = str::from_utf8(&stat[close + 1..]).ok()?.split_ascii_whitespace();
    let state = rest.next()?;
    let parent = rest.next()?.parse().ok()?;
    // Field 22 of the line; `rest` has given the 4th last.
    let start_ticks: u64 = rest.nth(22 - 5)?.parse().ok()?;
    let start_ns = start_ticks.checked_mul(TICK_NS)?;
    Some(Process { pid, parent, comm, start_ns, zombie: matches!(state, "Z" | "X" | "x") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc;
    use std::thread;

    use proptest::prelude::*;

    /// A process of ours that is ended and collected whatever the test does.
    struct Victim(Child);

    impl Victim {
        fn start(command: &mut Command) -> Self {
            Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts"))
        }

        /// The first line that it prints.
        fn line(&mut self) -> String {
            let mut line = String::new();
            let out = self.0.stdout.as_mut().expect("piped");
            io::BufRead::read_line(&mut io::BufReader::new(out), &mut line).expect("it prints");
            line.trim().to_owned()
        }
    }

    impl Drop for Victim {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn stat(name: &[u8]) -> Vec<u8> {
        let tail =
            b" S 41 42 42 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 123456 1000 5 18446744073709551615 1";
        [b"42 (", name, b")", &tail[..], b"\n"].concat()
    }

    #[test]
    fn a_name_cannot_disguise_the_fields_behind_it() {
        for name in [&b"nginx"[..], b"a b", b") Z 1 (", b"((", b"", b"x\ny", b"\xff\xfe"] {
            let process = parse_stat(&stat(name)).expect("a valid line");
            let expected = Process {
                pid: 42,
                parent: 41,
                comm: Comm::new(name),
                start_ns: 1_234_560_000_000,
                zombie: false,
            };
            assert_eq!(process, expected);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in any::<Vec<u8>>(), cut in 0usize..100) {
            let _ = parse_stat(&bytes);
            let whole = stat(&bytes);
            let _ = parse_stat(&whole[..cut.min(whole.len())]);
            prop_assert_eq!(parse_stat(&whole).map(|process| process.parent), Some(41));
        }
    }

    #[test]
    fn we_are_found_by_pid_and_by_name() {
        let procfs = Procfs::default();
        let me = std::process::id();
        let found = procfs.resolve_pids(&[me, me]).expect("we run");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].process.pid, found[0].notice()), (me, None));
        let comm = procfs.comm_of(me).expect("we run");
        let named = procfs.processes_named(&[comm]).expect("/proc");
        assert!(named.contains(&found[0].process));
        assert_eq!(procfs.start_time(me), Some(found[0].process.start_ns));
        assert!(procfs.processes_named(&[Comm::new("no-such-name")]).expect("/proc").is_empty());
    }

    #[test]
    fn a_thread_stands_for_its_process() {
        let (send_tid, tid) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let link = fs::read_link("/proc/thread-self").expect("/proc");
            let name = link.file_name().expect("a tid").to_str().expect("digits").to_owned();
            send_tid.send(name.parse::<u32>().expect("a tid")).expect("the test listens");
            let _ = held.recv();
        });
        let tid = tid.recv().expect("the thread tells");
        let me = std::process::id();
        let found = Procfs::default().resolve_pids(&[tid]).expect("it lives");
        assert_eq!((found[0].process.pid, found[0].given), (me, tid));
        let notice = found[0].notice().expect("worth telling");
        assert!(notice.starts_with(&format!("{tid} is a thread of process {me} (")), "{notice}");
        drop(release);
        thread.join().expect("no panic");
    }

    #[test]
    fn a_pid_that_nobody_has_is_named_with_a_way_on() {
        let error = Procfs::default().resolve_pids(&[0x7FFF_FFFF]).expect_err("beyond any pid_max");
        let text = error.to_string();
        assert!(text.starts_with("error: no such process: 2147483647\nwhy: no process"), "{text}");
        assert!(text.contains("\nnext: `p"), "{text}");
        assert_eq!(
            TargetError::NoSuchProcess { pid: 7 }.to_string(),
            "error: no such process: 7\n\
             why: no process or thread has this number now; it may have ended\n\
             next: `pgrep NAME` lists PIDs by name; `tracer --comm NAME` also finds what starts later"
        );
    }

    #[test]
    fn a_zombie_has_ended() {
        let victim = Victim::start(&mut Command::new("true"));
        let pid = victim.0.id();
        let procfs = Procfs::default();
        while !procfs.process(pid).expect("not yet collected").zombie {
            thread::yield_now();
        }
        let error = procfs.resolve_pids(&[pid]).expect_err("it has ended");
        let me = std::process::id();
        assert!(matches!(error, TargetError::HasEnded { parent, .. } if parent == me), "{error}");
        assert!(!procfs.processes_named(&[Comm::new("true")]).expect("/proc").iter().any(|p| p.pid == pid));
    }

    #[test]
    fn descendants_are_found_over_generations_whatever_their_name() {
        let script = "printf ') S 1 (' > /proc/$$/comm; sh -c 'sleep 60 & echo $!; wait; :'; :";
        let mut victim = Victim::start(Command::new("sh").args(["-c", script]));
        let grandchild: u32 = victim.line().parse().expect("a PID");
        let procfs = Procfs::default();
        assert_eq!(procfs.comm_of(victim.0.id()), Some(Comm::new(") S 1 (")));
        let found = procfs.descendants(victim.0.id()).expect("/proc");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.contains(&grandchild) && !found.contains(&victim.0.id()));
        assert!(procfs.descendants(std::process::id()).expect("/proc").contains(&grandchild));
        assert!(procfs.descendants(grandchild).expect("/proc").is_empty());
        let kill = Command::new("sh").args(["-c", &format!("kill {grandchild}")]).status();
        assert!(kill.expect("sh").success());
    }

    /// A tree like `/proc` of a container.
    fn imitation(files: &[(&str, &[u8])], namespace: &str) -> (tempfile::TempDir, Procfs) {
        let directory = tempfile::tempdir().expect("a directory");
        let procfs = Procfs { root: directory.path().to_owned() };
        fs::create_dir_all(directory.path().join("self/ns")).expect("our directory");
        std::os::unix::fs::symlink(namespace, directory.path().join("self/ns/pid")).expect("our directory");
        for (path, content) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().expect("inside")).expect("our directory");
            fs::write(path, content).expect("our directory");
        }
        (directory, procfs)
    }

    #[test]
    fn in_a_container_a_missing_pid_may_be_the_hosts() {
        let (_directory, procfs) = imitation(&[], "pid:[4026532000]");
        let error = procfs.resolve_pids(&[1841]).expect_err("not there");
        assert_eq!(
            error.to_string(),
            "error: no such process: 1841\n\
             why: no process has this number in here: tracer runs in a PID namespace (a container), which has \
             numbers of its own\n\
             next: `ps -e` in here lists them; the NSpid line of /proc/1841/status on the host translates\n\
             next: run tracer on the host to use the host's PIDs"
        );
        let (_directory, procfs) = imitation(&[], INITIAL_PID_NAMESPACE);
        let error = procfs.resolve_pids(&[1841]).expect_err("not there");
        assert!(matches!(error, TargetError::NoSuchProcess { pid: 1841 }));
    }

    #[test]
    fn a_process_whose_leader_has_ended_lives_while_a_thread_does() {
        let zombie: &[u8] =
            &stat(b"java").iter().map(|&b| if b == b'S' { b'Z' } else { b }).collect::<Vec<_>>();
        let live: &[u8] = &stat(b"worker");
        let status: &[u8] = b"Name:\tjava\nTgid:\t42\n";
        let files = [("42/stat", zombie), ("42/status", status), ("42/task/42/stat", zombie)];
        let (_directory, procfs) = imitation(&files, INITIAL_PID_NAMESPACE);
        assert!(matches!(procfs.resolve_pids(&[42]), Err(TargetError::HasEnded { pid: 42, .. })));
        let with_thread = [&files[..], &[("42/task/43/stat", live)]].concat();
        let (_directory, procfs) = imitation(&with_thread, INITIAL_PID_NAMESPACE);
        assert_eq!(procfs.resolve_pids(&[42]).expect("it lives")[0].process.pid, 42);
    }

    #[test]
    fn a_parent_circle_ends_and_what_vanished_is_skipped() {
        let line = |pid: u32, parent: u32| {
            String::from_utf8(stat(b"x"))
                .expect("ASCII")
                .replace("42 (", &format!("{pid} ("))
                .replace("S 41 ", &format!("S {parent} "))
        };
        let (one, two) = (line(1, 2), line(2, 1));
        let files: [(&str, &[u8]); 4] =
            [("1/stat", one.as_bytes()), ("2/stat", two.as_bytes()), ("3/stat", b""), ("uptime", b"1")];
        let (_directory, procfs) = imitation(&files, INITIAL_PID_NAMESPACE);
        assert_eq!(procfs.descendants(1).expect("readable"), [2]);
        assert_eq!(procfs.processes().expect("readable").len(), 2);
    }

    #[test]
    fn without_proc_that_is_the_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let procfs = Procfs { root: directory.path().join("gone") };
        assert!(matches!(procfs.resolve_pids(&[1]), Err(TargetError::Unreadable { .. })));
        assert!(matches!(procfs.descendants(1), Err(TargetError::Unreadable { .. })));
    }
}
