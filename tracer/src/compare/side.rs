//! One side of a comparison: intervals folded into rows by (comm, syscall) and, within each row, into slices
//! of time. The slices are what the bootstrap draws from. Memory is bounded: past [`MAX_SLICES`] neighbouring
//! slices join, past [`MAX_ROWS`] rows of further names share one.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tracer_common::ledger::Counter;

use crate::histogram::Histogram;
use crate::interval::{CallKey, Cell, CellKey, Interval};
use crate::ledger::LedgerCounts;
use crate::process::{Comm, ProcessId};
use crate::run::Meta;
use crate::syscalls;

use super::row::Row;

/// Slices kept at most; an hour at 1 s then has slices of 16 s.
const MAX_SLICES: usize = 256;

/// Rows kept at most under names of their own.
const MAX_ROWS: usize = 16_384;

/// (process, syscall) pairs whose rows are remembered.
const MAX_CELLS: usize = 65_536;

/// Ended processes whose names are still known, for calls that are read late.
const ENDED_KEPT: usize = 4096;

/// What the rows are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// One row for each syscall of each command name.
    #[default]
    CommCall,
    /// One row for each command name, its waiting calls apart.
    Comm,
    /// One row for each syscall, whoever made it.
    Call,
    /// One row for each cgroup, its waiting calls apart.
    Cgroup,
}

/// Stands for the path of a cgroup: the same one for the same path in every side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CgroupKey(u64);

impl CgroupKey {
    fn of(path: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What is known of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Named {
    comm: Comm,
    cgroup: CgroupKey,
}

/// What a row is matched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Command name; `None` for everybody.
    pub comm: Option<Comm>,
    /// Cgroup; `None` where rows are not by cgroup.
    pub cgroup: Option<CgroupKey>,
    /// Syscall; `None` for all of them.
    pub call: Option<CallKey>,
    /// Whether these calls wait by design.
    pub waits: bool,
}

impl Key {
    /// The row of `call` made by `comm`.
    pub fn new(by: By, comm: Comm, call: CallKey) -> Self {
        Self::of(by, Named { comm, cgroup: CgroupKey::default() }, call)
    }

    fn of(by: By, Named { comm, cgroup }: Named, call: CallKey) -> Self {
        let waits = syscalls::waits_by_design(call);
        let none = Self { comm: None, cgroup: None, call: None, waits };
        match by {
            By::CommCall => Self { comm: Some(comm), call: Some(call), ..none },
            By::Comm => Self { comm: Some(comm), ..none },
            By::Call => Self { call: Some(call), ..none },
            By::Cgroup => Self { cgroup: Some(cgroup), ..none },
        }
    }
}

/// What is known of a side beside its calls. Text is raw: whoever shows it escapes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What the user calls it: a file's name, a span.
    pub label: String,
    /// Host name.
    pub host: String,
    /// Boot of that host; empty when not known.
    pub boot_id: String,
    /// When the (first) recording began, on `CLOCK_MONOTONIC` of that boot.
    pub start_ns: u64,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture.
    pub arch: String,
    /// CPUs online; 0 when not known.
    pub cpus: u32,
    /// Program family.
    pub family: String,
    /// Which calls count, in words; empty for all.
    pub filter: String,
    /// What was traced, in words.
    pub target: String,
    /// Why the recording ended uncleanly, where it did.
    pub unclean: Option<String>,
}

impl About {
    /// What is known from the beginning of a recording, or of a run.
    pub fn of(meta: &Meta, label: String) -> Self {
        Self {
            label,
            host: meta.host.clone(),
            boot_id: meta.boot_id.clone(),
            start_ns: meta.start_ns,
            kernel: meta.kernel.clone(),
            arch: meta.arch.clone(),
            cpus: meta.cpus,
            family: meta.family.clone(),
            filter: meta.filter.clone(),
            target: meta.target.clone(),
            unclean: None,
        }
    }
}

/// One side, filled by [`Side::add`].
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// What is known of it.
    pub about: About,
    by: By,
    pub(super) slices: Vec<Slice>,
    rows: Vec<(Key, Row)>,
    by_key: FxHashMap<Key, usize>,
    /// Row of each (process, syscall), so that names are looked up once. Emptied when a name changes.
    by_cell: FxHashMap<CellKey, usize>,
    open_slice: Slice,
    open_intervals: u32,
    intervals_per_slice: u32,
    intervals: u64,
    /// The recording that is being read.
    recording: u32,
    names: FxHashMap<ProcessId, Named>,
    /// Paths, where rows are by cgroup.
    cgroups: FxHashMap<CgroupKey, Arc<str>>,
    ended: VecDeque<ProcessId>,
    in_flight: FxHashMap<Key, InFlightAtEnd>,
    ledger: LedgerCounts,
    end_ns: u64,
    overlapping: bool,
    folded_rows: bool,
}

/// A slice of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slice {
    /// `CLOCK_MONOTONIC` at its start.
    pub start_ns: u64,
    /// Time it covers; gaps between intervals are not in it.
    pub duration_ns: u64,
    /// Which recording of the side it is from, counted from 0.
    pub recording: u32,
}

/// The calls of a row that had not returned at the end of a side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlightAtEnd {
    /// How many.
    pub calls: u64,
    /// Age of the oldest.
    pub oldest_ns: u64,
}

impl Side {
    /// An empty side.
    pub fn new(by: By, about: About) -> Self {
        Self { by, about, intervals_per_slice: 1, ..Self::default() }
    }

    /// A side of these intervals.
    pub fn of<'a>(by: By, about: About, intervals: impl IntoIterator<Item = &'a Interval>) -> Self {
        let mut side = Self::new(by, about);
        for interval in intervals {
            side.add(interval);
        }
        side.finish();
        side
    }

    /// Adds the next interval. Intervals come in the order of time within a recording.
    pub fn add(&mut self, interval: &Interval) {
        if interval.is_empty() {
            return;
        }
        self.learn_names(interval);
        self.ledger.merge(&interval.ledger);
        self.overlapping |= interval.start_ns < self.end_ns;
        self.end_ns = interval.end_ns;
        self.intervals += 1;
        if self.open_intervals == 0 {
            self.open_slice =
                Slice { start_ns: interval.start_ns, duration_ns: 0, recording: self.recording };
        }
        self.open_slice.duration_ns += interval.duration_ns();
        self.open_intervals += 1;
        for (&key, cell) in &interval.cells {
            let at = self.row_of(key);
            self.rows[at].1.add(cell);
        }
        self.in_flight.clear();
        for call in &interval.in_flight {
            let key = self.key(call.process, call.call);
            let open = self.in_flight.entry(key).or_default();
            open.calls += 1;
            open.oldest_ns = open.oldest_ns.max(interval.end_ns.saturating_sub(call.enter_ns));
        }
        if self.open_intervals == self.intervals_per_slice {
            self.close_slice();
        }
    }

    /// Says that the next interval is from another recording, of which nothing is known to hang together with
    /// the one before.
    pub fn next_recording(&mut self) {
        self.next_segment();
        self.recording = self.slices.last().map_or(0, |slice| slice.recording + 1);
    }

    /// Says that the next interval is from another file of the same recording: clocks start anew.
    pub fn next_segment(&mut self) {
        self.close_slice();
        self.names.clear();
        self.by_cell.clear();
        self.ended.clear();
        self.end_ns = 0;
    }

    /// Ends the last slice. Call it after the last interval.
    pub fn finish(&mut self) {
        self.close_slice();
        for (_, row) in &mut self.rows {
            let mut latencies = Histogram::new();
            for &(bucket, count) in &row.buckets {
                latencies.add(usize::from(bucket), u64::from(count));
            }
            row.total.latencies = Arc::new(latencies);
        }
    }

    /// Notes that time is in this side twice.
    pub fn note_overlap(&mut self) {
        self.overlapping = true;
    }

    /// Names a process.
    pub fn name(&mut self, id: ProcessId, comm: Comm) {
        if !comm.is_empty() {
            self.names.entry(id).or_default().comm = comm;
        }
    }

    /// Learns the names of an interval whose calls are no part of this side.
    pub fn learn_names(&mut self, interval: &Interval) {
        for (&id, info) in &interval.processes {
            let known = self.names.entry(id).or_default();
            let mut named = *known;
            if !info.comm.is_empty() {
                named.comm = info.comm;
            }
            if self.by == By::Cgroup
                && let Some(who) = &info.who
            {
                named.cgroup = CgroupKey::of(&who.cgroup);
                if self.cgroups.len() < MAX_ROWS {
                    self.cgroups.entry(named.cgroup).or_insert_with(|| Arc::from(&*who.cgroup));
                }
            }
            if *known != named {
                *known = named;
                self.by_cell.clear();
            }
            if info.exited {
                self.ended.push_back(id);
            }
        }
        while self.ended.len() > ENDED_KEPT {
            if let Some(id) = self.ended.pop_front() {
                self.names.remove(&id);
            }
        }
    }

    fn key(&self, process: ProcessId, call: CallKey) -> Key {
        Key::of(self.by, self.names.get(&process).copied().unwrap_or_default(), call)
    }

    /// The row of a cell: its own while there is room.
    fn row_of(&mut self, cell: CellKey) -> usize {
        if let Some(&at) = self.by_cell.get(&cell) {
            return at;
        }
        let mut key = self.key(cell.process, cell.call);
        let full = self.rows.len() >= MAX_ROWS;
        if full && (key.comm.is_some() || key.cgroup.is_some()) && !self.by_key.contains_key(&key) {
            key.comm = key.comm.map(|_| Comm::new("(others)"));
            key.cgroup = key.cgroup.map(|_| CgroupKey::default());
            self.folded_rows = true;
        }
        let at = *self.by_key.entry(key).or_insert(self.rows.len());
        if at == self.rows.len() {
            self.rows.push((key, Row::default()));
        }
        if self.by_cell.len() >= MAX_CELLS {
            self.by_cell.clear();
        }
        self.by_cell.insert(cell, at);
        at
    }

    fn close_slice(&mut self) {
        if self.open_intervals == 0 {
            return;
        }
        let slice = self.slices.len() as u32;
        self.slices.push(self.open_slice);
        self.open_intervals = 0;
        for (_, row) in &mut self.rows {
            row.close(slice);
        }
        if self.slices.len() >= MAX_SLICES {
            self.join_neighbours();
        }
    }

    /// Halves the number of slices; those of different recordings stay apart.
    fn join_neighbours(&mut self) {
        let (mut joined, mut places) = (Vec::<Slice>::new(), Vec::new());
        for recording in self.slices.chunk_by(|a, b| a.recording == b.recording) {
            for pair in recording.chunks(2) {
                places.resize(places.len() + pair.len(), joined.len() as u32);
                joined
                    .push(Slice { duration_ns: pair.iter().map(|slice| slice.duration_ns).sum(), ..pair[0] });
            }
        }
        if joined.len() == self.slices.len() {
            return;
        }
        self.slices = joined;
        for (_, row) in &mut self.rows {
            row.join_neighbours(&places);
        }
        self.intervals_per_slice *= 2;
    }

    /// How rows are formed.
    pub fn by(&self) -> By {
        self.by
    }

    /// Time covered.
    pub fn duration_ns(&self) -> u64 {
        self.slices.iter().map(|slice| slice.duration_ns).sum()
    }

    /// Intervals added.
    pub fn intervals(&self) -> u64 {
        self.intervals
    }

    /// Recordings in it.
    pub fn recordings(&self) -> usize {
        self.slices.last().map_or(0, |slice| slice.recording as usize + 1)
    }

    /// The slices.
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// What the ledger counted.
    pub fn ledger(&self) -> &LedgerCounts {
        &self.ledger
    }

    /// Calls in the figures.
    pub fn calls(&self) -> u64 {
        self.rows.iter().map(|(_, row)| row.total.calls).sum()
    }

    /// Share of all calls that are in no figure.
    pub fn loss(&self) -> f64 {
        let missing = self.ledger.calls_missing() as f64;
        // The ledger tells of everything, the figures perhaps only of the calls somebody asked for.
        let seen = self.calls().max(self.ledger.aggregated + self.ledger.get(Counter::Spilled)) as f64;
        if missing == 0.0 { 0.0 } else { missing / (missing + seen) }
    }

    /// Whether some span of time is in it twice.
    pub fn is_overlapping(&self) -> bool {
        self.overlapping
    }

    /// Whether names beyond the limit share rows.
    pub fn has_folded_rows(&self) -> bool {
        self.folded_rows
    }

    /// The rows' keys.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.rows.iter().map(|(key, _)| *key)
    }

    /// The rows' keys and all their calls, once the side is finished.
    pub fn totals(&self) -> impl Iterator<Item = (Key, &Cell)> + '_ {
        self.rows.iter().map(|(key, row)| (*key, &row.total))
    }

    /// The path of a row's cgroup; `None` where it is not known.
    pub fn cgroup(&self, key: Key) -> Option<&Arc<str>> {
        self.cgroups.get(&key.cgroup?)
    }

    /// Open calls of a row at the end.
    pub fn in_flight(&self, key: Key) -> InFlightAtEnd {
        self.in_flight.get(&key).copied().unwrap_or_default()
    }

    pub(super) fn row(&self, key: Key) -> Option<&Row> {
        self.by_key.get(&key).map(|&at| &self.rows[at].1)
    }

    /// Latencies of a row over time: (slice, (bucket, calls) of that slice), for the heat map.
    pub fn latencies_over_time(&self, key: Key) -> impl Iterator<Item = (usize, &[(u16, u32)])> {
        self.row(key)
            .into_iter()
            .flat_map(|row| row.parts().map(|(part, buckets)| (part.slice as usize, buckets)))
    }
}
