//! Which rows a screen has, in which order. Computed when figures, order or filter change, never per frame.

mod files;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::filter::Filter;
use super::model::{Screen, Sort, Subject};
use crate::by_file::{FileKey, FileRow, FileUse, OnBy};
use crate::by_thread::{ThreadRow, threads_of};
use crate::columns::{self, Column, Context, Rank, Row, Scope, SortKey};
use crate::file::FileId;
use crate::interval::{CallKey, OnFile, examples, on, slowest, stacks};
use crate::process::{Comm, ProcessId};
use crate::snapshot::{CallRow, ProcessRow, Snapshot};
pub(crate) use tree::{Branch, Tree};

/// Which process a row is about, from one snapshot to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessKey {
    id: ProcessId,
    /// Rows of many processes share an id; the name and what is hashed of the cgroup tell them apart.
    many: Option<(Comm, u64)>,
}

impl ProcessKey {
    /// Of this row.
    pub(crate) fn of(row: &ProcessRow) -> Self {
        let cgroup = || row.who.as_ref().map_or(0, |who| FxBuildHasher.hash_one(&who.cgroup));
        Self { id: row.id, many: (row.id.pid == 0).then(|| (row.comm, cgroup())) }
    }

    /// The process, where it is one.
    pub(crate) fn process(self) -> Option<ProcessId> {
        (self.id.pid > 0).then_some(self.id)
    }

    /// PID; 0 for a row that stands for many.
    pub(crate) fn pid(self) -> u32 {
        self.id.pid
    }
}

/// Which row, from one snapshot to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowKey {
    /// A process.
    Process(ProcessKey),
    /// A syscall of the subject.
    Call(CallKey),
    /// An errno of a syscall of a process.
    Error(ProcessKey, CallKey, u16),
    /// A thread of a process, in a call that is open.
    Open(ProcessKey, u32),
    /// A thread of the process of the screen.
    Thread(u32),
    /// A file or peer.
    File(FileKey),
    /// A syscall of a process, as far as it was on the file of the screen.
    Use(ProcessKey, CallKey),
}

/// Where the row is in the snapshot it was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Process(usize),
    Call(usize),
    Error(usize, usize, usize),
    Open(usize, usize, usize),
    Thread(usize, usize),
    File(usize),
    Use(usize),
    /// A process and all below it.
    Sum(usize),
}

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its identity.
    pub(crate) key: RowKey,
    place: Place,
}

/// The calls of the subject of a screen.
#[derive(Clone, Debug, Default, PartialEq)]
enum Calls {
    /// The subject has no row.
    #[default]
    Gone,
    /// Those of the process at this index.
    Of(usize),
    /// Those of all processes, summed.
    Merged(Vec<CallRow>),
}

/// The rows of a screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    /// In order.
    pub(crate) entries: Vec<Entry>,
    /// Index of the first one that is idle or waits by design; the number of rows where there is none.
    pub(crate) waiting_from: usize,
    /// Idle or waiting rows that are not shown.
    pub(crate) waiting_hidden: usize,
    /// Of hidden errors, what they are. The most frequent first.
    pub(crate) hidden_errnos: Vec<HiddenErrno>,
    /// Rows that the filter took out.
    pub(crate) filtered_out: usize,
    /// Where each row of a tree is among its relatives; empty where rows are no tree.
    pub(crate) branches: Vec<Branch>,
    calls: Calls,
    threads: Vec<ThreadRow>,
    files: Vec<FileRow>,
    uses: Vec<FileUse>,
    /// Folded parts of a tree.
    sums: Vec<ProcessRow>,
}

/// The hidden errors of one errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HiddenErrno {
    /// The errno.
    pub(crate) errno: u16,
    /// Calls that failed with it.
    pub(crate) count: u64,
    /// The same in the last interval.
    pub(crate) recent: u64,
    /// Processes that made them.
    pub(crate) processes: usize,
    /// Syscalls that they were.
    pub(crate) calls: usize,
    /// The syscall that most of them were.
    pub(crate) most: Option<CallKey>,
}

/// What decides over rows beside the figures.
pub(crate) struct Choice<'a> {
    /// The screen.
    pub(crate) screen: Screen,
    /// Order.
    pub(crate) sort: Sort,
    /// Span.
    pub(crate) scope: Scope,
    /// Filter.
    pub(crate) filter: &'a Filter,
    /// What makes a row of the files.
    pub(crate) on_by: OnBy,
    /// Whether idle and waiting rows are wanted.
    pub(crate) show_waiting: bool,
    /// Whether processes stand under their parents, and whose descendants are folded into one row with them.
    pub(crate) tree: Option<&'a BTreeSet<ProcessKey>>,
}

/// The columns of the table on `screen`, of a run that is held against a baseline or not.
pub(crate) fn columns_of(screen: Screen, has_baseline: bool) -> &'static [Column] {
    match screen {
        Screen::Calls(_) | Screen::Call(..) if has_baseline => &columns::CALLS_AGAINST_BASELINE_ON_SCREEN,
        Screen::Processes => &columns::PROCESSES_ON_SCREEN,
        Screen::Calls(_) | Screen::Call(..) => &columns::CALLS_ON_SCREEN,
        Screen::Threads(..) => &columns::THREADS,
        Screen::Files(Subject::All) => &columns::FILES_OF_ALL,
        Screen::Files(_) => &columns::FILES,
        Screen::OnFile(..) => &columns::USES,
        Screen::Errors => &columns::ERRNOS,
        Screen::Open => &columns::OPEN_CALLS,
        Screen::OverTime(..) | Screen::Health => &[],
    }
}

impl Rows {
    /// The rows of `snapshot` for this choice.
    pub(crate) fn compute(snapshot: &Snapshot, choice: &Choice<'_>) -> Self {
        let mut rows = Self::default();
        let entries = match choice.screen {
            Screen::Processes => rows.processes(snapshot, choice.filter),
            Screen::Calls(subject) | Screen::OverTime(subject, Some(_)) => {
                rows.calls_of(snapshot, subject, None, choice.filter)
            }
            Screen::Call(subject, call) => rows.calls_of(snapshot, subject, Some(call), choice.filter),
            Screen::Files(subject) => rows.files(snapshot, choice, subject),
            Screen::OnFile(subject, file) => rows.uses(snapshot, choice, subject, file),
            Screen::Threads(key, _) => rows.threads(snapshot, key, choice.filter),
            Screen::Errors => rows.errors(snapshot, choice.filter),
            Screen::Open => rows.open_calls(snapshot, choice.filter),
            Screen::OverTime(_, None) | Screen::Health => Vec::new(),
        };
        rows.sort(snapshot, choice, entries);
        rows
    }

    fn processes(&mut self, snapshot: &Snapshot, filter: &Filter) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(snapshot.processes.len());
        for (index, process) in snapshot.processes.iter().enumerate() {
            if filter.fits_process(process) {
                let key = RowKey::Process(ProcessKey::of(process));
                entries.push(Entry { key, place: Place::Process(index) });
            } else {
                self.filtered_out += 1;
            }
        }
        entries
    }

    /// `detailed` is the call of which everything is to be seen.
    fn calls_of(
        &mut self,
        snapshot: &Snapshot,
        subject: Subject,
        detailed: Option<CallKey>,
        filter: &Filter,
    ) -> Vec<Entry> {
        self.calls = calls_of(snapshot, subject, detailed, filter);
        let process = match self.calls {
            Calls::Of(index) => snapshot.processes.get(index),
            _ => None,
        };
        let calls = self.calls(snapshot);
        let fitting = calls.iter().enumerate().filter(|(_, call)| filter.fits_call(process, call));
        let entries: Vec<Entry> = fitting
            .map(|(index, call)| Entry { key: RowKey::Call(call.call), place: Place::Call(index) })
            .collect();
        self.filtered_out = calls.len() - entries.len();
        entries
    }

    fn threads(&mut self, snapshot: &Snapshot, key: ProcessKey, filter: &Filter) -> Vec<Entry> {
        let found = snapshot.processes.iter().enumerate().find(|(_, row)| ProcessKey::of(row) == key);
        let Some((at, process)) = found else { return Vec::new() };
        self.threads = threads_of(process, snapshot.end_ns, snapshot.recent_ns);
        let fits = |thread: &ThreadRow| {
            let now = thread.now.as_ref().and_then(|(call, _)| process.calls.get(*call));
            filter.fits_thread(process, thread.tid, thread.name, now)
        };
        let all = self.threads.iter().enumerate();
        let entries: Vec<Entry> = all
            .filter(|(_, thread)| fits(thread))
            .map(|(index, thread)| Entry { key: RowKey::Thread(thread.tid), place: Place::Thread(at, index) })
            .collect();
        self.filtered_out = self.threads.len() - entries.len();
        entries
    }

    fn errors(&mut self, snapshot: &Snapshot, filter: &Filter) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (p, process) in snapshot.processes.iter().enumerate() {
            for (c, call) in process.calls.iter().enumerate() {
                for (e, errno) in call.errnos.iter().enumerate() {
                    if filter.fits_errno(process, call, errno) {
                        let key = RowKey::Error(ProcessKey::of(process), call.call, errno.errno);
                        entries.push(Entry { key, place: Place::Error(p, c, e) });
                    } else {
                        self.filtered_out += 1;
                    }
                }
            }
        }
        entries
    }

    fn open_calls(&mut self, snapshot: &Snapshot, filter: &Filter) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (p, process) in snapshot.processes.iter().enumerate() {
            for (c, call) in process.calls.iter().enumerate().filter(|(_, call)| !call.in_flight.is_empty()) {
                if !filter.fits_call(Some(process), call) {
                    self.filtered_out += call.in_flight.len();
                    continue;
                }
                let key = |tid| RowKey::Open(ProcessKey::of(process), tid);
                entries.extend(
                    call.in_flight
                        .iter()
                        .enumerate()
                        .map(|(o, open)| Entry { key: key(open.tid), place: Place::Open(p, c, o) }),
                );
            }
        }
        entries
    }

    fn sort(&mut self, snapshot: &Snapshot, choice: &Choice<'_>, entries: Vec<Entry>) {
        let at = Context::new(snapshot, choice.scope);
        let columns = columns_of(choice.screen, snapshot.baseline.is_some());
        let column = columns.get(choice.sort.column);
        let descending = column.is_some_and(|column| column.descending) != choice.sort.inverted;
        let mut keyed: Vec<(Rank, SortKey, Entry)> = entries
            .into_iter()
            .filter_map(|entry| {
                let row = self.row(snapshot, entry)?;
                let key = column.map_or(SortKey::Number(0.0), |column| (column.key)(row, &at));
                Some((columns::rank(row, &at), key, entry))
            })
            .collect();
        keyed.sort_unstable_by(|(rank_a, key_a, a), (rank_b, key_b, b)| {
            let by_key = if descending { key_b.cmp(key_a) } else { key_a.cmp(key_b) };
            rank_a.cmp(rank_b).then(by_key).then_with(|| a.key.cmp(&b.key))
        });
        self.waiting_from = keyed.partition_point(|(rank, ..)| *rank < Rank::Waiting);
        if let Some(folded) = choice.tree {
            let sorted: Vec<Entry> = keyed.into_iter().map(|(_, _, entry)| entry).collect();
            self.grow(snapshot, &sorted, folded, choice.show_waiting);
            return;
        }
        if !choice.show_waiting {
            self.waiting_hidden = keyed.len() - self.waiting_from;
            let hidden = keyed[self.waiting_from..].iter().map(|(_, _, entry)| entry.place);
            self.hidden_errnos = errnos_of(snapshot, hidden);
            keyed.truncate(self.waiting_from);
        }
        self.entries = keyed.into_iter().map(|(_, _, entry)| entry).collect();
    }

    /// The calls of the screen's subject.
    pub(crate) fn calls<'a>(&'a self, snapshot: &'a Snapshot) -> &'a [CallRow] {
        match &self.calls {
            Calls::Gone => &[],
            Calls::Of(index) => snapshot.processes.get(*index).map_or(&[], |process| &process.calls),
            Calls::Merged(calls) => calls,
        }
    }

    /// The figures of a row.
    pub(crate) fn row<'a>(&'a self, snapshot: &'a Snapshot, entry: Entry) -> Option<Row<'a>> {
        match entry.place {
            Place::Process(index) => snapshot.processes.get(index).map(Row::Process),
            Place::Sum(index) => self.sums.get(index).map(Row::Process),
            Place::Thread(process, thread) => {
                Some(Row::Thread(snapshot.processes.get(process)?, self.threads.get(thread)?))
            }
            Place::File(index) => self.files.get(index).map(Row::File),
            Place::Use(index) => {
                let by = self.uses.get(index)?;
                let process = snapshot.processes.get(by.place.0)?;
                Some(Row::Use(process, process.calls.get(by.place.1)?, &by.figures))
            }
            Place::Call(index) => self.calls(snapshot).get(index).map(Row::Call),
            Place::Error(process, call, errno) => {
                let process = snapshot.processes.get(process)?;
                let call = process.calls.get(call)?;
                Some(Row::Error(process, call, call.errnos.get(errno)?))
            }
            Place::Open(process, call, open) => {
                let process = snapshot.processes.get(process)?;
                let call = process.calls.get(call)?;
                Some(Row::Open(process, call, call.in_flight.get(open)?))
            }
        }
    }
}

/// What errors there are at these places.
fn errnos_of(snapshot: &Snapshot, places: impl Iterator<Item = Place>) -> Vec<HiddenErrno> {
    #[derive(Default)]
    struct Sum {
        count: u64,
        recent: u64,
        processes: BTreeSet<usize>,
        calls: BTreeMap<CallKey, (u64, u64)>,
    }
    let mut by_errno: BTreeMap<u16, Sum> = BTreeMap::new();
    for place in places {
        let Place::Error(process, call, errno) = place else { continue };
        let call = &snapshot.processes[process].calls[call];
        let row = &call.errnos[errno];
        let sum = by_errno.entry(row.errno).or_default();
        sum.count += row.count;
        sum.recent += row.recent;
        sum.processes.insert(process);
        let of_call = sum.calls.entry(call.call).or_default();
        *of_call = (of_call.0 + row.recent, of_call.1 + row.count);
    }
    let mut sums: Vec<HiddenErrno> = by_errno
        .into_iter()
        .map(|(errno, sum)| HiddenErrno {
            errno,
            count: sum.count,
            recent: sum.recent,
            processes: sum.processes.len(),
            calls: sum.calls.len(),
            most: sum.calls.into_iter().max_by_key(|&(_, often)| often).map(|(call, _)| call),
        })
        .collect();
    sums.sort_by_key(|sum| (std::cmp::Reverse((sum.recent, sum.count)), sum.errno));
    sums
}

fn calls_of(snapshot: &Snapshot, subject: Subject, detailed: Option<CallKey>, filter: &Filter) -> Calls {
    match subject {
        Subject::One(key, _) => snapshot
            .processes
            .iter()
            .position(|process| ProcessKey::of(process) == key)
            .map_or(Calls::Gone, Calls::Of),
        Subject::All => {
            let mut merged: BTreeMap<CallKey, CallRow> = BTreeMap::new();
            let members = || snapshot.processes.iter().filter(|process| filter.fits_member(process));
            for process in members() {
                for call in &process.calls {
                    merged
                        .entry(call.call)
                        .and_modify(|sum| add_call(sum, call))
                        .or_insert_with(|| call.clone());
                }
            }
            let mut merged: Vec<CallRow> = merged.into_values().collect();
            // Of only some processes there is no telling what they were then.
            let baseline = snapshot.baseline.as_ref().filter(|_| filter.text().is_empty());
            for call in &mut merged {
                call.before = baseline.and_then(|baseline| baseline.call_of_all(call.call).cloned());
                call.errnos.sort_by_key(|errno| (std::cmp::Reverse(errno.count), errno.errno));
                // A call of many processes is made by too many threads to say which.
                call.threads = Arc::default();
                call.recent_threads = Arc::default();
                call.on = match detailed {
                    Some(key) if key == call.call => on_of(members(), key),
                    _ => Arc::default(),
                };
                call.recent_on = Arc::default();
                call.in_flight.sort_by_key(|open| (open.enter_ns, open.tid));
            }
            Calls::Merged(merged)
        }
    }
}

/// What calls of one kind were on, whosever they are.
fn on_of<'a>(processes: impl Iterator<Item = &'a ProcessRow>, key: CallKey) -> Arc<[OnFile]> {
    let mut sums: BTreeMap<FileId, OnFile> = BTreeMap::new();
    for row in
        processes.flat_map(|row| &row.calls).filter(|call| call.call == key).flat_map(|call| call.on.iter())
    {
        sums.entry(row.file).and_modify(|sum| sum.merge(row)).or_insert_with(|| row.clone());
    }
    let mut rows: Arc<[OnFile]> = sums.into_values().collect();
    on::limit(&mut rows);
    rows
}

fn add_call(sum: &mut CallRow, call: &CallRow) {
    sum.stats.merge(&call.stats);
    sum.in_flight.extend_from_slice(&call.in_flight);
    slowest::merge(&mut sum.slowest, &call.slowest, slowest::IN_RUN);
    stacks::merge(&mut sum.stacks, &call.stacks);
    for theirs in &call.errnos {
        match sum.errnos.iter_mut().find(|mine| mine.errno == theirs.errno) {
            Some(mine) => {
                mine.count += theirs.count;
                mine.recent += theirs.recent;
                mine.before_per_minute = match (mine.before_per_minute, theirs.before_per_minute) {
                    (Some(mine), Some(theirs)) => Some(mine + theirs),
                    (one, other) => one.or(other),
                };
                mine.first_seen_ns = mine.first_seen_ns.min(theirs.first_seen_ns);
                mine.last_seen_ns = mine.last_seen_ns.max(theirs.last_seen_ns);
                examples::merge(&mut mine.examples, &theirs.examples);
            }
            None => sum.errnos.push(theirs.clone()),
        }
    }
}
