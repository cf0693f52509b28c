//! Records and spill cells into intervals. Owned by the drain thread: one hash lookup an event, no
//! allocation for a call whose cell is there already, no I/O, no clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tracer_common::abi::Abi;
use tracer_common::outcome::Outcome;
use tracer_common::record::kind;
use tracer_common::spill::SpillCell;

use crate::decode::{CallEvent, DecodeError, End, ProcessChange, ProcessEvent, Record, decode};
use crate::file::{FileId, Names};
use crate::histogram::Histogram;
use crate::interval::threads::MAX_THREADS;
use crate::interval::{
    CallKey, Cell, CellKey, InFlight, Interval, On, SlowCall, ThreadFigures, examples, on, slowest,
    stacks as where_made,
};
use crate::ledger::LedgerCounts;
use crate::operand::{self, OperandsEvent};
use crate::process::{Comm, ProcessId, ProcessInfo};
use crate::stack;
use crate::syscalls::{self, arity};

mod files;
mod known;
mod opened;
mod stacks;

pub use files::Question;
pub use opened::{From as PathFrom, OpenedAs};
pub use stacks::{NO_CODE, StackQuestion};

/// Ended processes that are still known by number, for records that come late from another CPU's ring.
const ENDED_KEPT: usize = 4096;

/// Processes that may wait for somebody to find out who they are.
const MAX_STRANGERS: usize = 4096;

/// The bit that makes a number of a process of which the kernel has said nothing: no PID has it.
const UNHEARD: u32 = 1 << 31;

/// Threads of a process whose names are kept.
const MAX_NAMED_THREADS: usize = MAX_THREADS;

/// Cells of an interval whose calls have numbers without a name; those beyond share one for each process and ABI.
const MAX_NAMELESS: usize = 4096;

/// The interval that is being filled, and what is known of the processes in it.
#[derive(Debug)]
pub struct Fold {
    start_ns: u64,
    processes: Vec<Process>,
    /// tgid to its present process in `processes`.
    present: FxHashMap<u32, usize>,
    ended: VecDeque<u32>,
    cells: Vec<Filling>,
    cell_of: FxHashMap<(u32, CallKey), usize>,
    /// Cells of numbers that no table has.
    nameless: usize,
    /// Where calls of a thread are counted.
    place_of: FxHashMap<(u32, u32, CallKey), Place>,
    /// Places found last, by [`Fold::cache_index`]: most events find theirs here.
    cache: Box<[Option<Cached>; CACHED]>,
    strangers: Vec<Stranger>,
    /// Cells of the processes whose descriptors were counted last, as a number that only grows.
    counted: usize,
    files: files::Files,
    /// Of the call that comes next.
    operands: operand::Latest,
    stack: stack::Latest,
    stacks: stacks::Stacks,
    aggregated: u64,
    decode_failed: u64,
    last_error: Option<DecodeError>,
}

/// A cell that is being filled. Its histogram is not shared with anybody yet.
#[derive(Debug)]
struct Filling {
    process: usize,
    call: CallKey,
    cell: Cell,
    latencies: Histogram,
    slowest: slowest::Filling,
    examples: examples::Filling,
    stacks: where_made::Filling,
    /// In the order in which they came.
    threads: Vec<ThreadFigures>,
    on: on::Filling,
    /// Whether return values say what was moved.
    moves_bytes: bool,
    /// Whether what its calls were on may have another name after them.
    renames: bool,
    /// Whether and how its calls give descriptors for paths.
    opens: Option<opened::Opens>,
}

/// Where a call is counted.
#[derive(Clone, Copy, Debug)]
struct Place {
    cell: usize,
    /// Beyond the end where the thread is not told apart.
    thread: usize,
}

/// A process of which it is not known who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Thread group id in the initial PID namespace.
    pub tgid: u32,
    /// As the tracer's own PID namespace shows it.
    pub id: ProcessId,
    /// How often it has replaced its program: what was found out before is of another one.
    pub programs: u32,
}

/// Entries of the cache; a power of two.
const CACHED: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Cached {
    tgid: u32,
    tid: u32,
    call: CallKey,
    place: Place,
}

#[derive(Debug)]
struct Process {
    tgid: u32,
    id: ProcessId,
    info: ProcessInfo,
    /// Time of the latest news. Each CPU has a ring of its own: news come late when a process changes CPUs.
    as_of_ns: u64,
    /// Whether there is something to tell since the last interval.
    news: bool,
    /// See [`Stranger::programs`].
    programs: u32,
    /// When it executed the present one, as far as that was seen.
    program_ns: u64,
    /// Whether who it is was asked for since it replaced its program.
    asked: bool,
}

impl Fold {
    /// Nothing yet; the first interval begins at `start_ns`.
    pub fn new(start_ns: u64) -> Self {
        Self {
            start_ns,
            processes: Vec::new(),
            present: FxHashMap::default(),
            ended: VecDeque::new(),
            cells: Vec::new(),
            cell_of: FxHashMap::default(),
            nameless: 0,
            place_of: FxHashMap::default(),
            cache: Box::new([None; CACHED]),
            strangers: Vec::new(),
            counted: 0,
            files: files::Files::default(),
            operands: operand::Latest::default(),
            stack: stack::Latest::default(),
            stacks: stacks::Stacks::default(),
            aggregated: 0,
            decode_failed: 0,
            last_error: None,
        }
    }

    /// Takes one record from a ring.
    pub fn take(&mut self, bytes: &[u8]) {
        // By reference: a copy would wait for what was decoded to reach memory.
        match &decode(bytes) {
            Ok(Record::Call(event)) => self.take_call(event),
            Ok(Record::Process(event)) => self.take_process(event),
            Ok(Record::Operands(event)) => self.take_operands(event),
            Ok(Record::Stack(event)) => self.stack.take(event),
            Err(error) => {
                self.decode_failed += 1;
                self.last_error = Some(*error);
            }
        }
    }

    /// Takes what a spill cell gained.
    pub fn take_spilled(&mut self, spilled: &SpillCell) {
        let key = &spilled.key;
        let Some(abi) = Abi::from_u8(key.abi) else { return };
        let index = self.cell_index(key.tgid, CallKey { abi, nr: key.nr });
        let filling = &mut self.cells[index];
        let cell = &mut filling.cell;
        match key.kind {
            kind::DENIED => return cell.record_denied(key.code, spilled.calls),
            kind::NO_RETURN => cell.no_return += spilled.calls,
            kind::DIED => cell.died += spilled.calls,
            _ => {
                cell.total_ns += spilled.total_ns;
                match key.code {
                    512 | 513 | 514 | 516 => cell.interrupted += spilled.calls,
                    code => {
                        if code != 0 {
                            *cell.errors.entry(code).or_default() += spilled.calls;
                        }
                        let is_first = filling.latencies.is_empty();
                        cell.note_extremes(
                            spilled.min_ns_plus_one.saturating_sub(1),
                            spilled.max_ns,
                            is_first,
                        );
                        filling.latencies.add_spilled(&spilled.histogram);
                    }
                }
            }
        }
        cell.calls += spilled.calls;
    }

    /// Memory of the cells that are being filled, about.
    pub fn bytes(&self) -> usize {
        let cell = |filling: &Filling| {
            let threads = filling.threads.len() * size_of::<ThreadFigures>();
            size_of::<Filling>()
                + filling.on.bytes()
                + filling.latencies.bytes()
                + filling.examples.bytes()
                + filling.stacks.bytes()
                + slowest::IN_CELL * size_of::<SlowCall>()
                + threads
        };
        let places = self.place_of.len() * size_of::<((u32, u32, CallKey), Place)>();
        2 * (places + self.cells.iter().map(cell).sum::<usize>())
    }

    /// The last thing that was no record, for the log.
    pub fn take_last_error(&mut self) -> Option<DecodeError> {
        self.last_error.take()
    }

    /// Ends the interval at `end_ns` and begins the next. `ledger` is what the kernel counted in it.
    pub fn close(&mut self, end_ns: u64, in_flight: Vec<InFlight>, mut ledger: LedgerCounts) -> Interval {
        ledger.aggregated = std::mem::take(&mut self.aggregated);
        ledger.decode_failed = std::mem::take(&mut self.decode_failed);
        let mut interval =
            Interval { start_ns: self.start_ns, end_ns, in_flight, ledger, ..Interval::default() };
        let late = self.files.take_late();
        let late_stacks = self.stacks.take_late(end_ns);
        for filling in self.cells.drain(..) {
            let Filling {
                process,
                call,
                mut cell,
                latencies,
                slowest,
                examples,
                stacks,
                mut threads,
                on,
                ..
            } = filling;
            let Process { tgid, id, program_ns, .. } = self.processes[process];
            let names = |file: FileId| self.files.names(tgid, file);
            cell.latencies = Arc::new(latencies);
            cell.slowest = slowest.finish(names);
            cell.on = on.finish(names);
            cell.examples = examples.finish();
            threads.sort_unstable_by_key(|thread| thread.tid);
            cell.threads = threads.into();
            let key = CellKey { process: id, call };
            let owner = stacks::Owner { tgid, id, program_ns };
            cell.stacks = self.stacks.finish(owner, key, stacks, end_ns);
            self.files.end_cell(tgid, key, &cell.on);
            let known = interval.cells.entry(key).or_default();
            known.merge(&cell);
            on::limit(&mut known.on);
        }
        files::name_late(late, &mut interval.cells);
        for (key, stacks) in late_stacks {
            where_made::merge(&mut interval.cells.entry(key).or_default().stacks, &stacks);
        }
        self.forget_cells();
        self.files.turn();
        self.nameless = 0;
        for process in &mut self.processes {
            if std::mem::take(&mut process.news) {
                process.info.as_of_ns = end_ns;
                interval.processes.insert(process.id, process.info.clone());
            }
        }
        self.forget_ended();
        self.start_ns = end_ns;
        interval
    }

    /// Drops all but the latest ended processes, and what is no longer anybody's present process.
    fn forget_ended(&mut self) {
        while self.ended.len() > ENDED_KEPT {
            if let Some(tgid) = self.ended.pop_front()
                && self.present.get(&tgid).is_some_and(|&index| self.processes[index].info.exited)
            {
                self.present.remove(&tgid);
                self.files.forget(tgid);
                self.stacks.forget(tgid);
            }
        }
        if self.processes.len() > 2 * self.present.len() + 64 {
            let mut kept = Vec::with_capacity(self.present.len());
            for (index, process) in std::mem::take(&mut self.processes).into_iter().enumerate() {
                if self.present.get(&process.tgid) == Some(&index) {
                    self.present.insert(process.tgid, kept.len());
                    kept.push(process);
                }
            }
            self.processes = kept;
        }
    }

    /// Takes a call that was decoded already.
    #[inline]
    pub fn take_call(&mut self, event: &CallEvent) {
        self.aggregated += 1;
        let place = self.place(event);
        let Filling {
            process,
            cell,
            latencies,
            slowest,
            examples,
            stacks: made_in,
            threads,
            on,
            moves_bytes,
            renames,
            opens,
            ..
        } = &mut self.cells[place.cell];
        let mut unnamed = ThreadFigures::default();
        let thread = threads.get_mut(place.thread).unwrap_or(&mut unnamed);
        match event.end {
            End::Returned { outcome, latency_ns, ret } => {
                cell.record(outcome, latency_ns, latencies);
                thread.record(outcome, latency_ns);
                if *moves_bytes {
                    cell.sizes.record(ret);
                }
                let operands = self.operands.of(event);
                if let (Outcome::Error(errno), Some(on)) = (outcome, operands) {
                    examples.add(errno, on);
                }
                if let Some(addresses) = self.stack.of(event) {
                    let &Process { tgid, id, program_ns, .. } = &self.processes[*process];
                    let exit_ns = event.enter_ns + latency_ns;
                    if exit_ns < program_ns {
                        stacks::add_of_past(made_in, addresses, latency_ns);
                    } else if made_in.add(addresses, latency_ns, exit_ns) {
                        self.stacks.seen(stacks::Owner { tgid, id, program_ns }, addresses);
                    }
                }
                if let (Some(opens), Outcome::Success, Some(path)) = (*opens, outcome, operands) {
                    self.files.opened(opens, event, path, ret, latency_ns);
                }
                if latency_ns >= slowest.enough_ns && !matches!(outcome, Outcome::Interrupted(_)) {
                    let CallEvent { tid, enter_ns, args, .. } = *event;
                    let args = args.map(|args| Arc::new(arity::arguments_only(event.call, args)));
                    let on = described(event).map(|(fd, file)| {
                        let file = self.files.identify(file, fd);
                        Arc::new(On { fd, file, names: Names::default() })
                    });
                    let operands = operands.map(Into::into);
                    slowest.add(SlowCall { latency_ns, enter_ns, tid, ret, args, on, operands });
                }
                if let Some((fd, file)) = described(event) {
                    let file = self.files.identify(file, fd);
                    let (files, id) = (&mut self.files, self.processes[*process].id);
                    let first = || files.seen(event.tgid, id.pid, fd, file, event.enter_ns);
                    if let Some(row) = on.row(file, fd, first) {
                        let moved = if *moves_bytes && ret > 0 { ret as u64 } else { 0 };
                        row.returned(outcome, latency_ns, moved);
                    }
                    if *renames {
                        self.files.doubt(event.tgid, file, event.enter_ns + latency_ns);
                        if let Some(address) = operands {
                            self.files.connecting(event.tgid, file, address);
                        }
                    }
                }
                return;
            }
            End::NeverReturns => {
                cell.calls += 1;
                cell.no_return += 1;
            }
            End::Denied { errno } => {
                cell.record_denied(errno, 1);
                thread.errors += 1;
            }
            End::Died => {
                cell.calls += 1;
                cell.died += 1;
                if let Some((fd, file)) = described(event) {
                    let file = self.files.identify(file, fd);
                    if let Some(row) = on.row(file, fd, || ()) {
                        row.died();
                    }
                }
            }
        }
        thread.calls += 1;
    }

    /// Takes what the call that comes next operates on.
    #[inline]
    pub fn take_operands(&mut self, event: &OperandsEvent<'_>) {
        self.operands.take(event);
    }

    /// Takes news of a process that was decoded already.
    pub fn take_process(&mut self, event: &ProcessEvent) {
        let mut index = self.process(event.tgid);
        let known = &self.processes[index];
        if known.id.start_ns != 0 && event.start_ns != 0 && known.id.start_ns != event.start_ns {
            // The number was given to another process.
            self.present.remove(&event.tgid);
            self.forget_cells();
            self.files.forget(event.tgid);
            self.stacks.forget(event.tgid);
            index = self.process(event.tgid);
        }
        let process = &mut self.processes[index];
        process.news = true;
        if process.id.start_ns == 0 {
            process.id.start_ns = event.start_ns;
        }
        if event.ns_tgid != 0 {
            process.id.pid = event.ns_tgid;
        }
        if event.time_ns < process.as_of_ns {
            return;
        }
        process.as_of_ns = event.time_ns;
        if !event.comm.is_empty() {
            process.info.comm = event.comm;
        }
        if event.what == ProcessChange::Exec {
            // One thread and one program are left, and who it was it is no more.
            process.info.threads = Arc::default();
            process.info.who = None;
            process.info.descriptors = None;
            process.programs += 1;
            process.program_ns = event.time_ns;
            if self.stacks.knows(event.tgid) {
                for filling in self.cells.iter_mut().filter(|filling| filling.process == index) {
                    self.stacks.end_program(event.tgid, &mut filling.stacks);
                }
            }
            self.stacks.executed(event.tgid, event.time_ns);
            process.asked = false;
        }
        if !process.asked && event.what != ProcessChange::Exit && self.strangers.len() < MAX_STRANGERS {
            process.asked = true;
            let Process { tgid, id, programs, .. } = *process;
            self.strangers.push(Stranger { tgid, id, programs });
        }
        let leader = if event.ns_tgid == 0 { event.tgid } else { event.ns_tgid };
        let is_named = event.tid != leader && !event.thread_comm.is_empty();
        if is_named && process.info.threads.get(&event.tid) != Some(&event.thread_comm) {
            name_thread(&mut process.info.threads, event.tid, event.thread_comm);
        }
        let exited = event.what == ProcessChange::Exit;
        if exited && !process.info.exited {
            self.ended.push_back(event.tgid);
        }
        process.info.exited = exited;
    }

    /// Where this call is counted. Found in the cache for nearly every event: a thread makes few different
    /// calls in a row.
    #[inline]
    fn place(&mut self, event: &CallEvent) -> Place {
        let CallEvent { tgid, tid, call, .. } = *event;
        let index = Self::cache_index(tid, call);
        match self.cache[index] {
            Some(entry) if entry.tid == tid && entry.call == call && entry.tgid == tgid => entry.place,
            _ => {
                let place = self.look_up(event);
                self.cache[index] = Some(Cached { tgid, tid, call, place });
                place
            }
        }
    }

    fn cache_index(tid: u32, call: CallKey) -> usize {
        (tid.wrapping_mul(31) ^ call.nr as u32) as usize % CACHED
    }

    #[inline(never)]
    fn look_up(&mut self, event: &CallEvent) -> Place {
        let CallEvent { tgid, tid, call, .. } = *event;
        if let Some(&place) = self.place_of.get(&(tgid, tid, call)) {
            return place;
        }
        let call = self.counted_as(tgid, call);
        if let Some(&place) = self.place_of.get(&(tgid, tid, call)) {
            return place;
        }
        let index = self.cell_index(tgid, call);
        let threads = &mut self.cells[index].threads;
        let thread = threads.len();
        if thread < MAX_THREADS {
            threads.push(ThreadFigures { tid, ..ThreadFigures::default() });
        }
        let place = Place { cell: index, thread };
        self.place_of.insert((tgid, tid, call), place);
        place
    }

    /// Under what a call is counted. A program can make up four billion numbers in one interval; those that have a
    /// name are few.
    fn counted_as(&self, tgid: u32, call: CallKey) -> CallKey {
        let is_bounded = self.nameless < MAX_NAMELESS || syscalls::is_named(call);
        if is_bounded || self.cell_of.contains_key(&(tgid, call)) {
            call
        } else {
            CallKey { nr: syscalls::OTHERS, ..call }
        }
    }

    fn cell_index(&mut self, tgid: u32, call: CallKey) -> usize {
        let call = self.counted_as(tgid, call);
        if let Some(&cell) = self.cell_of.get(&(tgid, call)) {
            return cell;
        }
        self.nameless += usize::from(!syscalls::is_named(call));
        let process = self.process(tgid);
        self.cells.push(Filling {
            process,
            call,
            cell: Cell::default(),
            latencies: Histogram::new(),
            slowest: slowest::Filling::default(),
            examples: examples::Filling::default(),
            stacks: where_made::Filling::default(),
            threads: Vec::new(),
            on: on::Filling::default(),
            moves_bytes: syscalls::moves_bytes(call),
            renames: matches!(&*syscalls::plain_name(call), "close" | "connect"),
            opens: opened::Opens::of(call),
        });
        self.cell_of.insert((tgid, call), self.cells.len() - 1);
        self.cells.len() - 1
    }

    /// Cells that are filled from here on are other ones.
    fn forget_cells(&mut self) {
        self.cell_of.clear();
        self.place_of.clear();
        self.cache.fill(None);
    }

    fn process(&mut self, tgid: u32) -> usize {
        *self.present.entry(tgid).or_insert_with(|| {
            self.processes.push(Process {
                tgid,
                id: ProcessId { pid: tgid, start_ns: 0 },
                info: ProcessInfo::default(),
                as_of_ns: 0,
                news: true,
                programs: 0,
                program_ns: 0,
                asked: false,
            });
            self.processes.len() - 1
        })
    }
}

/// The descriptor and the file of a call that takes one.
#[inline]
fn described(event: &CallEvent) -> Option<(i32, FileId)> {
    Some((event.args.as_ref()?[0] as i32, event.file?))
}

/// Of very many threads those that were seen first have names.
fn name_thread(threads: &mut Arc<BTreeMap<u32, Comm>>, tid: u32, comm: Comm) {
    if threads.len() < MAX_NAMED_THREADS || threads.contains_key(&tid) {
        Arc::make_mut(threads).insert(tid, comm);
    }
}

#[cfg(test)]
mod tests;
