//! Which files were seen and what they are called: what the fold asks for, and what it was told. A name belongs to one
//! identity in one process; after a close it is asked for again, since the number may be another file's now.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::file::{FileId, FileKind, Known, Names};

/// Names of one process that are kept.
const MAX_NAMES: usize = 4096;

/// Processes whose names are kept.
const MAX_PROCESSES: usize = 4096;

/// Questions that may wait to be taken.
const MAX_QUESTIONS: usize = 4096;

/// Kinds of anonymous files that are told apart.
const MAX_KINDS: usize = 256;

/// A file that was seen and whose name is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The process, in the initial PID namespace.
    pub tgid: u32,
    /// The same as the tracer's own PID namespace shows it.
    pub pid: u32,
    /// Where it was seen.
    pub fd: i32,
    /// What was seen.
    pub file: FileId,
    /// Of what is anonymous, the address of the kernel's function that closes it.
    pub release: u64,
}

/// What is known of the files of every process.
#[derive(Debug, Default)]
pub(super) struct Files {
    by_process: FxHashMap<u32, FxHashMap<FileId, State>>,
    /// The functions that close anonymous files, in the order in which they were seen.
    releases: Vec<u64>,
    questions: Vec<Question>,
    /// Grows with every interval.
    now: u32,
}

/// What is known of one file of one process.
#[derive(Debug)]
struct State {
    known: Option<Arc<Known>>,
    /// Whether another name may be right by now.
    is_stale: bool,
    /// In which interval it was last seen, and last asked for.
    seen: u32,
    asked: u32,
}

impl Files {
    /// The identity under which a file that the kernel side tells of is counted.
    #[inline]
    pub(super) fn identify(&mut self, file: FileId, fd: i32) -> FileId {
        if file.kind == FileKind::Anonymous { self.identify_anonymous(file, fd) } else { file }
    }

    fn identify_anonymous(&mut self, file: FileId, fd: i32) -> FileId {
        let place = self.releases.iter().position(|&known| known == file.ino).unwrap_or_else(|| {
            if self.releases.len() < MAX_KINDS {
                self.releases.push(file.ino);
            }
            self.releases.len() - 1
        });
        FileId { ino: (place as u64 + 1) << 32 | u64::from(fd as u32), ..file }
    }

    /// A file was seen, for the first time in this interval with this call.
    pub(super) fn seen(&mut self, tgid: u32, pid: u32, fd: i32, file: FileId) {
        if self.by_process.len() >= MAX_PROCESSES && !self.by_process.contains_key(&tgid) {
            self.by_process.clear();
        }
        let files = self.by_process.entry(tgid).or_default();
        if files.len() >= MAX_NAMES && !files.contains_key(&file) {
            let now = self.now;
            files.retain(|_, state| state.seen == now);
            if files.len() >= MAX_NAMES {
                return;
            }
        }
        let state = files.entry(file).or_insert(State { known: None, is_stale: true, seen: 0, asked: 0 });
        state.seen = self.now;
        // The first interval is number 0; nothing was asked before it.
        if state.is_stale && state.asked != self.now + 1 && self.questions.len() < MAX_QUESTIONS {
            state.asked = self.now + 1;
            let release = if file.kind == FileKind::Anonymous {
                self.releases.get((file.ino >> 32) as usize - 1).copied().unwrap_or(0)
            } else {
                0
            };
            self.questions.push(Question { tgid, pid, fd, file, release });
        }
    }

    /// The name that was found.
    pub(super) fn name(&mut self, question: &Question, known: Arc<Known>) {
        let state = self.by_process.get_mut(&question.tgid).and_then(|files| files.get_mut(&question.file));
        if let Some(state) = state {
            // A socket may be connected, or its peer be known, later.
            state.is_stale = question.file.kind == FileKind::Socket
                && known.peer.as_ref().is_none_or(|peer| peer.process.is_none() && peer.address.is_empty());
            if state.known.as_ref() != Some(&known) {
                state.known = Some(known);
            }
        }
    }

    /// What is known of a file may be true no longer: it was closed, or connected to somebody.
    pub(super) fn doubt(&mut self, tgid: u32, file: FileId) {
        let state = self.by_process.get_mut(&tgid).and_then(|files| files.get_mut(&file));
        if let Some(state) = state
            && file.kind != FileKind::Anonymous
        {
            state.is_stale = true;
        }
    }

    /// What a file is called.
    pub(super) fn names(&self, tgid: u32, file: FileId) -> Names {
        let known = self.by_process.get(&tgid).and_then(|files| files.get(&file)?.known.clone());
        Names { known, has_others: false }
    }

    /// A process has ended, or its number is another's.
    pub(super) fn forget(&mut self, tgid: u32) {
        self.by_process.remove(&tgid);
    }

    /// Another interval begins.
    pub(super) fn turn(&mut self) {
        self.now = self.now.wrapping_add(1);
    }

    /// What is wanted since the last time.
    pub(super) fn take_questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.questions)
    }
}
