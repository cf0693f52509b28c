//! Which files were seen and what they are called: what the fold asks for, and what it was told. A name belongs to one
//! identity in one process; after a close it is asked for again, since the number may be another file's now, and after a
//! while, since it may have been renamed or deleted. With the question goes the path under which the file was opened, for
//! one that is closed before the question is answered.

use std::net::SocketAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Fold;
use super::opened::{From, Opened, OpenedAs, Opens};
use crate::arguments;
use crate::decode::CallEvent;
use crate::file::{FileId, FileKind, Known, Names, Peer};
use crate::interval::{Cell, CellKey, On, OnFile, on};

/// Names of one process that are kept.
const MAX_NAMES: usize = 4096;

/// Processes whose names are kept.
const MAX_PROCESSES: usize = 4096;

/// Questions that may wait to be taken.
const MAX_QUESTIONS: usize = 4096;

/// Questions with a path in one interval: each takes some ten microseconds to answer.
const MAX_PATHS: usize = 8192;

/// How often the questions of one pass are gone through for paths that begin at each other's.
const MAX_ROUNDS: usize = 8;

/// Rows of an interval that may get their name in the next.
const MAX_LATE: usize = 4096;

/// How long the name of what has a path is taken to be true.
const FRESH_NS: u64 = 10_000_000_000;

/// Names of what is inherited that are kept.
const MAX_SHARED: usize = 16_384;

/// Kinds of anonymous files that are told apart.
const MAX_KINDS: usize = 256;

/// A file that was seen and whose name is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The process, in the initial PID namespace.
    pub tgid: u32,
    /// The same as the tracer's own PID namespace shows it.
    pub pid: u32,
    /// Where it was seen.
    pub fd: i32,
    /// When the call entered that showed it, on `CLOCK_MONOTONIC`.
    pub enter_ns: u64,
    /// What was seen.
    pub file: FileId,
    /// Of what is anonymous, the address of the kernel's function that closes it.
    pub release: u64,
    /// The path that was opened last for this descriptor: perhaps, but not surely, that of the file.
    pub opened_as: Option<Arc<OpenedAs>>,
}

/// What is known of the files of every process.
#[derive(Debug, Default)]
pub(super) struct Files {
    by_process: FxHashMap<u32, FxHashMap<FileId, State>>,
    /// The functions that close anonymous files, in the order in which they were seen.
    releases: Vec<u64>,
    questions: Vec<Question>,
    opened: Opened,
    /// Names of what is inherited, by whomever they were found: who is gone too soon to be asked has it from another.
    shared: FxHashMap<FileId, Arc<Known>>,
    /// Questions with a path that were asked in this interval.
    paths: usize,
    /// Rows that had no name when their interval ended.
    late: Vec<Late>,
    /// Grows with every interval.
    now: u32,
}

/// A row of an interval that has ended, and whose name was asked for in it.
#[derive(Debug)]
struct Late {
    tgid: u32,
    cell: CellKey,
    file: FileId,
    fd: Option<i32>,
}

/// What is known of one file of one process.
#[derive(Debug)]
struct State {
    known: Option<Arc<Known>>,
    /// Whether that may be the name of another file with the same identity.
    has_others: bool,
    /// The path that was asked about, while there is no name.
    opened_as: Option<Arc<OpenedAs>>,
    /// Of a socket of which nothing is known but to where it was to be connected, that.
    connecting: Option<Box<[u8]>>,
    /// Whether another name may be right by now.
    is_stale: bool,
    /// Since when that may be, and when the call entered that the name was found for.
    doubted_ns: u64,
    known_ns: u64,
    /// In which interval it was last seen, and last asked for.
    seen: u32,
    asked: u32,
    /// Where its question is, until that is taken.
    question: usize,
}

impl Fold {
    /// Files that were seen and whose names are wanted; to be called when a pass over the rings has ended. Those that are not
    /// told are asked for again in a later interval, if they are seen again.
    pub fn take_questions(&mut self) -> Vec<Question> {
        let mut questions = self.files.take_questions();
        for question in &mut questions {
            question.pid = self.present_id(question.tgid).map_or(question.pid, |id| id.pid);
        }
        questions
    }

    /// Says what a file is called.
    pub fn name_file(&mut self, question: &Question, names: Names) {
        self.files.name(question, names);
    }

    /// What an open call of process `tgid` that entered at `enter_ns` is on, if its first argument is a descriptor.
    pub fn on(&mut self, tgid: u32, enter_ns: u64, first_argument: u64, file: Option<FileId>) -> Option<On> {
        let fd = first_argument as i32;
        let file = self.files.identify(file?, fd);
        let pid = self.process_id(tgid).pid;
        self.files.seen(tgid, pid, fd, file, enter_ns);
        Some(On { fd, file, names: self.files.names(tgid, file) })
    }
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

    /// A file was opened.
    #[inline]
    pub(super) fn opened(&mut self, opens: Opens, event: &CallEvent, path: &[u8], fd: i64, latency_ns: u64) {
        self.opened.add(opens, event, path, fd as i32, event.enter_ns + latency_ns);
    }

    /// A file was seen behind a descriptor, by a call that entered at `enter_ns`; for the first time in this interval with
    /// this call.
    pub(super) fn seen(&mut self, tgid: u32, pid: u32, fd: i32, file: FileId, enter_ns: u64) {
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
        let new = State {
            known: None,
            has_others: false,
            opened_as: None,
            connecting: None,
            is_stale: true,
            doubted_ns: 0,
            known_ns: 0,
            seen: 0,
            asked: 0,
            question: 0,
        };
        let state = files.entry(file).or_insert(new);
        state.seen = self.now;
        let is_old = || has_path(file.kind) && enter_ns.saturating_sub(state.known_ns) >= FRESH_NS;
        // The first interval is number 0; nothing was asked before it.
        if (state.is_stale || is_old()) && state.asked != self.now + 1 && self.questions.len() < MAX_QUESTIONS
        {
            state.asked = self.now + 1;
            state.question = self.questions.len();
            let release = if file.kind == FileKind::Anonymous {
                self.releases.get((file.ino >> 32) as usize - 1).copied().unwrap_or(0)
            } else {
                0
            };
            self.questions.push(Question { tgid, pid, fd, enter_ns, file, release, opened_as: None });
        } else if let Some(question) = self.questions.get_mut(state.question)
            && (question.tgid, question.file) == (tgid, file)
            && enter_ns < question.enter_ns
        {
            // Records of a thread that changed its CPU come in any order, and only the first descriptor of a file is sure to be
            // the one that it was opened as: others may be copies.
            (question.fd, question.enter_ns) = (fd, enter_ns);
        }
    }

    /// The name that was found.
    pub(super) fn name(&mut self, question: &Question, names: Names) {
        let Names { known: Some(known), has_others } = names else { return };
        let state = self.by_process.get_mut(&question.tgid).and_then(|files| files.get_mut(&question.file));
        if let Some(state) = state {
            // A socket may be connected, or its peer be known, later.
            let may_be_more = question.file.kind == FileKind::Socket
                && known
                    .peer
                    .as_ref()
                    .is_none_or(|peer| peer.process.is_none() && may_be_here(&peer.address));
            // What was closed or connected since the question was asked may have had this name only until then.
            state.is_stale = may_be_more || state.doubted_ns > question.enter_ns;
            state.known_ns = question.enter_ns;
            state.opened_as = None;
            if is_shared(question.file.kind) {
                if self.shared.len() >= MAX_SHARED {
                    self.shared.clear();
                }
                // Who is at the other end of a pipe depends on whose end it is.
                let peer = known.peer.clone().filter(|_| question.file.kind == FileKind::Socket);
                self.shared
                    .insert(question.file, Arc::new(Known { peer, ..Known::named(known.name.clone()) }));
            }
            state.has_others = has_others;
            if state.known.as_ref() != Some(&known) {
                state.known = Some(known);
            }
        }
    }

    /// A socket was to be connected to an address: what is said of it until more is known.
    pub(super) fn connecting(&mut self, tgid: u32, file: FileId, address: &[u8]) {
        let state = self.by_process.get_mut(&tgid).and_then(|files| files.get_mut(&file));
        if let Some(state) = state.filter(|_| file.kind == FileKind::Socket) {
            // By no family it is disconnected.
            let is_address = address.first_chunk().is_some_and(|&family| u16::from_ne_bytes(family) != 0);
            state.connecting = is_address.then(|| arguments::readable_address(address).into_bytes().into());
        }
    }

    /// What is known of a file may be true no longer since `time_ns`: it was closed, or connected to somebody.
    pub(super) fn doubt(&mut self, tgid: u32, file: FileId, time_ns: u64) {
        let state = self.by_process.get_mut(&tgid).and_then(|files| files.get_mut(&file));
        if let Some(state) = state
            && file.kind != FileKind::Anonymous
        {
            state.is_stale = true;
            state.doubted_ns = state.doubted_ns.max(time_ns);
        }
    }

    /// What a file is called.
    pub(super) fn names(&self, tgid: u32, file: FileId) -> Names {
        let state = self.by_process.get(&tgid).and_then(|files| files.get(&file));
        let known = state.and_then(|state| state.known.as_ref()).or_else(|| self.shared.get(&file));
        let connecting = state.and_then(|state| state.connecting.as_ref());
        let known = match (known, connecting) {
            (known, Some(address)) if known.is_none_or(|known| known.peer.is_none()) => {
                let name = known.map_or_else(|| file.label().into_bytes().into(), |known| known.name.clone());
                Some(Arc::new(Known { name, peer: Peer::new(address.clone(), None) }))
            }
            (known, _) => known.cloned(),
        };
        Names { known, has_others: state.is_some_and(|state| state.has_others) }
    }

    /// The rows of a cell whose interval ends: the answer to what is asked just before the end comes after it.
    pub(super) fn end_cell(&mut self, tgid: u32, cell: CellKey, rows: &[OnFile]) {
        let Some(files) = self.by_process.get(&tgid) else { return };
        for &OnFile { file, fd, ref names, .. } in rows {
            let is_asked = || files.get(&file).is_some_and(|state| state.asked == self.now + 1);
            if names.known.is_none() && self.late.len() < MAX_LATE && is_asked() {
                self.late.push(Late { tgid, cell, file, fd });
            }
        }
    }

    /// Rows without a call that name what had no name in the interval before.
    pub(super) fn take_late(&mut self) -> FxHashMap<CellKey, Vec<OnFile>> {
        let mut rows: FxHashMap<CellKey, Vec<OnFile>> = FxHashMap::default();
        for Late { tgid, cell, file, fd } in std::mem::take(&mut self.late) {
            let names = self.names(tgid, file);
            if names.known.is_some() {
                rows.entry(cell).or_default().push(OnFile { fd, names, ..OnFile::new(file, 0) });
            }
        }
        rows
    }

    /// A process has ended, or its number is another's.
    pub(super) fn forget(&mut self, tgid: u32) {
        self.by_process.remove(&tgid);
    }

    /// Another interval begins.
    pub(super) fn turn(&mut self) {
        self.now = self.now.wrapping_add(1);
        self.paths = 0;
    }

    /// What is wanted since the last time. A pass over the rings has ended.
    pub(super) fn take_questions(&mut self) -> Vec<Question> {
        let mut questions = std::mem::take(&mut self.questions);
        // A directory before what is opened in it, as far as that can be told: those of a thread that changed its CPU come in any
        // order.
        questions.sort_by_key(|question| question.enter_ns);
        let mut left: Vec<&mut Question> =
            questions.iter_mut().filter(|question| has_path(question.file.kind)).collect();
        for round in 1..=MAX_ROUNDS {
            let (before, mut unsure) = (left.len(), Vec::new());
            for question in left {
                let found = self.opened_as(question);
                if found.as_ref().is_some_and(|found| matches!(found.from, From::Descriptor(_))) {
                    unsure.push((question, found));
                } else {
                    self.note_path(question, found);
                }
            }
            if unsure.len() == before || round == MAX_ROUNDS {
                // No path of their directories will be known: by the descriptors, if these are still theirs.
                for (question, found) in unsure {
                    self.note_path(question, found);
                }
                break;
            }
            left = unsure.into_iter().map(|(question, _)| question).collect();
        }
        self.opened.turn();
        questions
    }

    /// As what the file of a question was opened.
    fn opened_as(&mut self, question: &Question) -> Option<OpenedAs> {
        let files = self.by_process.get(&question.tgid)?;
        let place = (question.tgid, question.fd);
        self.opened.before(place, question.enter_ns, |directory| files.get(&directory)?.path())
    }

    /// Asks by this path too.
    fn note_path(&mut self, question: &mut Question, found: Option<OpenedAs>) {
        let Some(found) = found.filter(|_| self.paths < MAX_PATHS) else { return };
        self.paths += 1;
        question.opened_as = Some(Arc::new(found));
        let state = self.by_process.get_mut(&question.tgid).and_then(|files| files.get_mut(&question.file));
        if let Some(state) = state {
            state.opened_as.clone_from(&question.opened_as);
        }
    }
}

/// Adds rows that only name files to the cells of an interval that has ended.
pub(super) fn name_late(late: FxHashMap<CellKey, Vec<OnFile>>, cells: &mut FxHashMap<CellKey, Cell>) {
    for (key, rows) in late {
        on::name(&mut cells.entry(key).or_default().on, rows);
    }
}

impl State {
    /// Under which path a directory can be looked up.
    fn path(&self) -> Option<Arc<OpenedAs>> {
        let known = self.known.as_ref().filter(|known| known.name.starts_with(b"/"));
        let known = known.map(|known| Arc::new(OpenedAs { from: From::Root, path: known.name.clone() }));
        known.or_else(|| self.opened_as.clone())
    }
}

/// Whether the process at the other end of a connection to this address is on this host: it may have accepted it since.
fn may_be_here(address: &[u8]) -> bool {
    let parsed = str::from_utf8(address).ok().and_then(|text| text.parse::<SocketAddr>().ok());
    let is_unix = address.first().is_none_or(|first| b"/@".contains(first));
    is_unix || parsed.is_some_and(|address| address.ip().is_loopback())
}

/// Whether a file of this kind is the same whoever has it: no other is given its identity soon, as a new file on a disk is
/// given that of one that was deleted.
fn is_shared(kind: FileKind) -> bool {
    matches!(kind, FileKind::Socket | FileKind::Pipe | FileKind::CharacterDevice)
}

/// Whether a path can lead to a file of this kind.
fn has_path(kind: FileKind) -> bool {
    !matches!(kind, FileKind::Socket | FileKind::Anonymous)
}

#[cfg(test)]
mod tests {
    use tracer_common::abi::Abi;
    use tracer_common::outcome::Outcome;

    use super::*;
    use crate::decode::End;
    use crate::interval::CallKey;

    const DIRECTORY: FileId = FileId { kind: FileKind::Directory, dev: 1, ino: 2 };
    const BELOW: FileId = FileId { ino: 3, ..DIRECTORY };

    /// `openat(directory, path)` of process 7 returned `fd` at `at_ns`.
    fn open(files: &mut Files, directory: Option<(i32, FileId)>, path: &[u8], fd: i64, at_ns: u64) {
        let event = CallEvent {
            call: CallKey { abi: Abi::X86_64, nr: 257 },
            tgid: 7,
            tid: 7,
            enter_ns: at_ns - 1,
            end: End::Returned { outcome: Outcome::Success, latency_ns: 1, ret: fd },
            args: Some([directory.map_or(libc::AT_FDCWD, |(fd, _)| fd) as u64, 0, 0, 0, 0, 0]),
            file: directory.map(|(_, file)| file),
        };
        files.opened(Opens::At, &event, path, fd, 1);
    }

    #[test]
    fn a_file_is_asked_for_by_its_first_descriptor_and_after_its_directory_in_whatever_order_records_come() {
        let mut files = Files::default();
        open(&mut files, Some((4, DIRECTORY)), b"below", 5, 20);
        open(&mut files, None, b"/etc", 3, 10);
        // What another CPU saw comes first: the copies that the thread made of both descriptors, and what is below.
        files.seen(7, 7, 6, BELOW, 31);
        files.seen(7, 7, 5, BELOW, 21);
        files.seen(7, 7, 4, DIRECTORY, 32);
        files.seen(7, 7, 3, DIRECTORY, 25);
        let questions = files.take_questions();
        let asked = |file: FileId| {
            let question = questions.iter().find(|question| question.file == file).expect("it was seen");
            (question.fd, question.opened_as.as_deref().map(|opened_as| opened_as.path.to_vec()))
        };
        assert_eq!(asked(DIRECTORY), (3, Some(b"/etc".to_vec())));
        assert_eq!(asked(BELOW), (5, Some(b"/etc/below".to_vec())));
        assert_eq!(questions.len(), 2);
    }

    fn known(name: &str) -> Arc<Known> {
        Arc::new(Known { name: name.as_bytes().into(), peer: None })
    }

    /// Whether the file is asked for when it is seen in the next interval, by a call at `enter_ns`.
    fn is_asked_for(files: &mut Files, enter_ns: u64) -> Option<Question> {
        files.turn();
        files.seen(7, 7, 5, BELOW, enter_ns);
        files.take_questions().pop()
    }

    #[test]
    fn a_name_is_asked_for_again_after_a_close_that_its_question_did_not_know_of() {
        let mut files = Files::default();
        let question = is_asked_for(&mut files, 10).expect("nothing is known yet");
        files.doubt(7, BELOW, 15);
        files.name(&question, known("/gone").into());
        assert_eq!(files.names(7, BELOW).known, Some(known("/gone")));
        let question = is_asked_for(&mut files, 20).expect("it was closed after the question");
        files.name(&question, known("/gone (deleted)").into());
        assert_eq!(is_asked_for(&mut files, 30), None);
        files.doubt(7, BELOW, 35);
        assert!(is_asked_for(&mut files, 40).is_some());
    }

    #[test]
    fn the_name_of_what_has_a_path_is_asked_for_again_after_a_while() {
        let mut files = Files::default();
        let question = is_asked_for(&mut files, 10).expect("nothing is known yet");
        files.name(&question, known("/log").into());
        assert_eq!(is_asked_for(&mut files, FRESH_NS), None);
        let question = is_asked_for(&mut files, FRESH_NS + 10).expect("it may have been renamed");
        files.name(&question, known("/log.1").into());
        assert_eq!(is_asked_for(&mut files, FRESH_NS + 20), None);
    }

    #[test]
    fn the_other_end_may_be_here_where_the_address_is_this_hosts_own() {
        for address in ["", "127.0.0.1:80", "127.1.2.3:9", "[::1]:5432", "/run/socket", "@abstract"] {
            assert!(may_be_here(address.as_bytes()), "{address}");
        }
        for address in ["10.0.0.5:5432", "[2001:db8::1]:80", "127.0.0.1", "\u{fffd}"] {
            assert!(!may_be_here(address.as_bytes()), "{address}");
        }
    }
}
