//! Finds out who processes are, on a thread of its own: reading `/proc` can take any time, and the drain thread has none.
//! Both queues are bounded. Who was gone before we looked is not known, and never taken for somebody else.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::fold::Stranger;
use crate::targets::Procfs;
use crate::who::{MAX_CMDLINE_BYTES, Who};

/// Questions and answers that may be under way.
const QUEUED: usize = 1024;

/// Questions that may wait for room in the queue; beyond it, processes stay unknown.
const WAITING: usize = 8192;

/// Bytes of `/proc/PID/cgroup` that are read: a line of version 1 for each of a dozen controllers.
const MAX_CGROUPS_BYTES: usize = 16 << 10;

/// Whoever was asked for, and who it is.
type Answer = (Stranger, Option<Arc<Who>>);

/// The drain thread's end. Dropping it ends the thread, which is not waited for: it may be reading.
#[derive(Debug)]
pub(super) struct Resolver {
    questions: Option<SyncSender<Stranger>>,
    waiting: VecDeque<Stranger>,
    answers: Receiver<Answer>,
    /// Questions that were handed over and have no answer.
    open: usize,
}

impl Resolver {
    /// Starts the thread.
    pub(super) fn start(procfs: Procfs) -> io::Result<Self> {
        let (questions, asked) = sync_channel::<Stranger>(QUEUED);
        let (answer, answers) = sync_channel(QUEUED);
        std::thread::Builder::new().name("who".to_owned()).spawn(move || {
            while let Ok(stranger) = asked.recv() {
                let who = look_at(&procfs, &stranger).map(Arc::new);
                if answer.send((stranger, who)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions: Some(questions), waiting: VecDeque::new(), answers, open: 0 })
    }

    /// Asks for these, and those that waited.
    pub(super) fn ask(&mut self, strangers: Vec<Stranger>) {
        let room = WAITING - self.waiting.len();
        self.waiting.extend(strangers.into_iter().take(room));
        let Some(questions) = &self.questions else { return };
        while let Some(stranger) = self.waiting.pop_front() {
            match questions.try_send(stranger) {
                Ok(()) => self.open += 1,
                Err(TrySendError::Full(stranger)) => return self.waiting.push_front(stranger),
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }

    /// The answers that came since.
    pub(super) fn take_answers(&mut self) -> Vec<(Stranger, Arc<Who>)> {
        let mut known = Vec::new();
        loop {
            match self.answers.try_recv() {
                Ok(answer) => known.extend(self.note(answer)),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return known,
            }
        }
    }

    /// The last answers, for which it waits, but not for long.
    pub(super) fn finish(&mut self, longest: Duration) -> Vec<(Stranger, Arc<Who>)> {
        let until = Instant::now() + longest;
        let mut known = self.take_answers();
        self.ask(Vec::new());
        self.questions = None;
        while self.open > 0 {
            match self.answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(answer) => known.extend(self.note(answer)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        known
    }

    fn note(&mut self, (stranger, who): Answer) -> Option<(Stranger, Arc<Who>)> {
        self.open -= 1;
        who.map(|who| (stranger, who))
    }
}

/// Who it is, if it is there before and after.
fn look_at(procfs: &Procfs, stranger: &Stranger) -> Option<Who> {
    let pid = stranger.id.pid;
    let found = || procfs.process(pid).filter(|found| !found.zombie);
    let before =
        found().filter(|found| stranger.id.start_ns == 0 || found.started_at(stranger.id.start_ns))?;
    let cgroups = read(procfs, pid, "cgroup", MAX_CGROUPS_BYTES);
    let cmdline = read(procfs, pid, "cmdline", MAX_CMDLINE_BYTES);
    // A process that is ending, and no zombie yet, gives up its arguments first and its cgroup then, and shows `/` for
    // it. So whoever still has arguments had its cgroup before.
    if cmdline.is_empty() {
        return None;
    }
    let after = found().filter(|after| after.start_ns == before.start_ns)?;
    Some(Who::new(after.parent, &cmdline, &cgroups))
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

    #[test]
    fn more_questions_than_fit_wait_and_are_answered() {
        let procfs = Procfs::default();
        let me = std::process::id();
        let start_ns = procfs.start_time(me).expect("we run");
        let mut resolver = Resolver::start(procfs).expect("a thread");
        let began = Instant::now();
        resolver.ask(vec![stranger(me, start_ns); 3 * QUEUED]);
        assert!(began.elapsed() < Duration::from_secs(1), "asking does not wait");
        let mut answers = 0;
        while answers < 3 * QUEUED && began.elapsed() < Duration::from_mins(1) {
            answers += resolver.take_answers().len();
            resolver.ask(Vec::new());
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(answers, 3 * QUEUED);
        resolver.ask(vec![stranger(me, start_ns), stranger(u32::MAX, 1)]);
        assert_eq!(resolver.finish(Duration::from_mins(1)).len(), 1, "the second is unknown");
    }
}
