//! Counts the descriptors that processes have open, on a thread of its own: before Linux 6.2 it takes a look at each of
//! them, and the drain thread has no time for that. Both queues are bounded; who is not counted now is asked for later.

use std::fs;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::process::{Descriptors, ProcessId};
use crate::targets::Procfs;

/// Questions and answers that may be under way.
const QUEUED: usize = 64;

/// Descriptors that are looked at one by one at most.
const MOST_LOOKED_AT: usize = 1 << 20;

/// The drain thread's end. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Census {
    questions: SyncSender<ProcessId>,
    answers: Receiver<(ProcessId, Descriptors)>,
}

impl Census {
    /// Starts the thread.
    pub(super) fn start(procfs: Procfs) -> io::Result<Self> {
        let (questions, asked) = sync_channel::<ProcessId>(QUEUED);
        let (answer, answers) = sync_channel(QUEUED);
        std::thread::Builder::new().name("descriptors".to_owned()).spawn(move || {
            while let Ok(process) = asked.recv() {
                if let Some(descriptors) = count(&procfs, process)
                    && answer.send((process, descriptors)).is_err()
                {
                    return;
                }
            }
        })?;
        Ok(Self { questions, answers })
    }

    /// Asks for one, where there is room for the question.
    pub(super) fn ask(&self, process: ProcessId) {
        let _ = self.questions.try_send(process);
    }

    /// The answers that came since.
    pub(super) fn take_answers(&self) -> impl Iterator<Item = (ProcessId, Descriptors)> + '_ {
        self.answers.try_iter()
    }
}

/// What a process has and may have; `None` where it is gone, or not ours to look at.
fn count(procfs: &Procfs, process: ProcessId) -> Option<Descriptors> {
    let is_there = || procfs.process(process.pid).is_some_and(|found| found.started_at(process.start_ns));
    if !is_there() {
        return None;
    }
    let limit = limit_of(&fs::read_to_string(procfs.file(process.pid, "limits")).ok()?)?;
    let path = procfs.file(process.pid, "fd");
    // The kernel tells the number as the size of the directory, from 6.2 on.
    let open = match fs::metadata(&path).ok()?.len() {
        0 => fs::read_dir(&path).ok()?.take(MOST_LOOKED_AT).count() as u64,
        size => size,
    };
    is_there().then_some(Descriptors { open, limit })
}

/// The soft limit of open files in `/proc/PID/limits`; the largest number for none.
fn limit_of(limits: &str) -> Option<u64> {
    let rest = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        soft => soft.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, Instant};

    use super::*;

    fn answer(census: &Census, process: ProcessId) -> Descriptors {
        census.ask(process);
        let began = Instant::now();
        loop {
            if let Some((of, descriptors)) = census.take_answers().next() {
                assert_eq!(of, process);
                return descriptors;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "no answer");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn files_that_are_opened_are_counted_and_somebody_else_is_not() {
        let procfs = Procfs::default();
        let pid = std::process::id();
        let us = ProcessId { pid, start_ns: procfs.start_time(pid).expect("we run") };
        let census = Census::start(Procfs::default()).expect("a thread");
        let before = answer(&census, us);
        let files: Vec<File> = (0..300).map(|_| File::open("/dev/null").expect("a file")).collect();
        let after = answer(&census, us);
        // Other tests of this program open and close theirs meanwhile.
        assert!((after.open as i64 - before.open as i64 - 300).abs() < 200, "{before:?} {after:?}");
        let limits = fs::read_to_string("/proc/self/limits").expect("limits");
        assert_eq!(Some(after.limit), limit_of(&limits));
        drop(files);
        let another = ProcessId { start_ns: us.start_ns + 10_000_000, ..us };
        assert_eq!(count(&procfs, another), None);
    }

    #[test]
    fn limits_are_numbers_or_none() {
        let line =
            |soft: &str| format!("Max processes 7 8\nMax open files            {soft}      4096    files\n");
        assert_eq!(limit_of(&line("1024")), Some(1024));
        assert_eq!(limit_of(&line("unlimited")), Some(u64::MAX));
        assert_eq!(limit_of("nothing"), None);
    }
}
