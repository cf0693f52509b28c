//! Intervals from the running kernel. One thread drains the rings every 10 ms, folds records and closes an
//! interval every tick; it waits for nobody. A recorder is handed the same records and intervals.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tracer_common::abi::Abi;
use tracer_common::record::{CallRecord, has_args, kind};

use crate::bpf::loader::Kernel;
use crate::bpf::operands::Operands;
use crate::bpf::sys::{self, monotonic_ns};
use crate::decode::{Record, decode};
use crate::file::FileId;
use crate::fold::Fold;
use crate::interval::{CallKey, InFlight, Interval};
use crate::ledger::LedgerCounts;
use crate::operand;
use crate::process::Comm;
use crate::recording::Mark;
use crate::syscalls::SyscallSet;
use crate::syscalls::arity::arguments_only;
use crate::tap::Tap;
use crate::targets::Procfs;

use super::descriptors::Census;
use super::files::{self, Names};
use super::rings::{Among, Rings};
use super::stacks::{self, Functions};
use super::standing::Standings;
use super::who::{self, Strangers};

/// How long records may lie in a ring. A ring that fills up wakes us earlier.
const DRAIN_EVERY: Duration = Duration::from_millis(10);

/// How long the end waits to learn who the last processes were, and what the last files.
const LAST_WORD: Duration = Duration::from_millis(50);
const LAST_NAMES: Duration = Duration::from_millis(200);

/// The same of functions: the tables of a large program take a while to read.
const LAST_FUNCTIONS: Duration = Duration::from_secs(2);

/// One interval and what is to be said of the tracer itself at its end.
#[derive(Clone, Debug, Default)]
pub struct Tick {
    /// The interval.
    pub interval: Interval,
    /// Highest fill of any ring in it, 0 to 1.
    pub ring_fill: f64,
    /// Records that were taken out of the rings in it, and the CPU time that took.
    pub drained: Drained,
    /// Lines of the programs' log.
    pub log: Vec<String>,
    /// Whether this is the last one: the programs are detached and the ledger is exact.
    pub last: bool,
}

/// Work of the drain thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drained {
    /// Records.
    pub records: u64,
    /// CPU time, in ns.
    pub cpu_ns: u64,
}

impl Drained {
    /// CPU time of one record, in ns; `None` without any.
    pub fn ns_per_record(self) -> Option<f64> {
        (self.records > 0).then(|| self.cpu_ns as f64 / self.records as f64)
    }
}

/// What was there when we attached.
#[derive(Debug, Default)]
pub struct Present {
    /// The processes whose threads may be in a call already; none where that is not to be looked for.
    pub pids: Vec<u32>,
    /// Whether everybody is meant, which `pids` does not list.
    pub is_everybody: bool,
    /// The calls that are wanted; `None` for all.
    pub filter: Option<SyscallSet>,
}

/// What the drain thread is asked while it runs.
enum Request {
    Record(Box<Tap>),
    StopRecording,
    Mark(Mark),
    /// This place among the target cgroups is another one's now.
    Cgroup(usize, OwnedFd),
}

/// The drain thread.
pub struct Live {
    stop: Arc<AtomicBool>,
    requests: mpsc::Sender<Request>,
    thread: JoinHandle<()>,
}

impl Live {
    /// Starts draining. `kernel` is attached already, to the processes `present` among others; intervals go to
    /// `ticks` every `interval`, and all of the run to `tap`.
    pub fn start(
        kernel: Kernel,
        present: Present,
        interval: Duration,
        start_ns: u64,
        ticks: Sender<Tick>,
        tap: Option<Tap>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (requests, asked) = mpsc::channel();
        let among = if present.is_everybody { Among::Everybody } else { Among::Pids(present.pids.clone()) };
        let functions = if kernel.takes_stacks() { Some(stacks::start(Procfs::default())?) } else { None };
        let drain = Drain {
            kernel,
            fold: Fold::new(start_ns),
            census: Census::start(Procfs::default())?,
            strangers: who::start(Procfs::default())?,
            files: files::start(Procfs::default())?,
            rings: Rings::find(Procfs::default(), among)?,
            functions,
            standings: Standings::find(Procfs::default(), present.pids, present.filter)?,
            attached_ns: start_ns,
            last_counts: LedgerCounts::default(),
            tap,
            asked,
            ticks,
            pending: Tick::default(),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new()
            .name("drain".to_owned())
            .spawn(move || drain.run(interval, start_ns))?;
        Ok(Self { stop, requests, thread })
    }

    /// Records from now on, instead of what was recorded before. After the end it does nothing, as do the two
    /// below.
    pub fn record(&self, tap: Tap) {
        let _ = self.requests.send(Request::Record(Box::new(tap)));
    }

    /// Hands over the rest and records no more.
    pub fn stop_recording(&self) {
        let _ = self.requests.send(Request::StopRecording);
    }

    /// Puts a mark into the recording, if there is one.
    pub fn mark(&self, mark: Mark) {
        let _ = self.requests.send(Request::Mark(mark));
    }

    /// What to call when another cgroup has taken the place of one of the target's: its place, and the directory. False
    /// when the run is over.
    pub fn cgroup_setter(&self) -> impl Fn(usize, OwnedFd) -> bool + Send + use<> {
        let requests = self.requests.clone();
        move |place, directory| requests.send(Request::Cgroup(place, directory)).is_ok()
    }

    /// Asks for the end: programs detached, rings emptied, a last tick. It comes through the channel.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Waits for the thread; call after its last tick was taken.
    pub fn join(self) -> std::thread::Result<()> {
        self.thread.join()
    }
}

struct Drain {
    kernel: Kernel,
    fold: Fold,
    census: Census,
    strangers: Strangers,
    files: Names,
    /// Processes that had an `io_uring` when we attached.
    rings: Rings,
    /// Where stacks are taken.
    functions: Option<Functions>,
    /// Threads that are in calls from before we attached.
    standings: Standings,
    attached_ns: u64,
    last_counts: LedgerCounts,
    tap: Option<Tap>,
    asked: mpsc::Receiver<Request>,
    ticks: Sender<Tick>,
    /// What the receiver had no time for; grows instead of being dropped.
    pending: Tick,
    stop: Arc<AtomicBool>,
}

impl Drain {
    fn run(mut self, interval: Duration, start_ns: u64) {
        // On a host whose CPUs are all busy, which is when one traces, the rings must not wait their turn.
        sys::raise_priority();
        let mut logger = self.kernel.take_log();
        let interval_ns = interval.as_nanos() as u64;
        let mut next_ns = start_ns + interval_ns;
        while !self.stop.load(Ordering::Acquire) {
            let until_tick = Duration::from_nanos(next_ns.saturating_sub(monotonic_ns()));
            // A ring that cannot be polled is still drained on the timer.
            if self.kernel.rings.wait(until_tick.min(DRAIN_EVERY)).is_err() {
                std::thread::sleep(until_tick.min(DRAIN_EVERY));
            }
            self.drain();
            let now_ns = monotonic_ns();
            self.serve(now_ns);
            if now_ns >= next_ns {
                next_ns += interval_ns * ((now_ns - next_ns) / interval_ns + 1);
                self.close(now_ns);
                if let Some(logger) = &mut logger {
                    self.pending.log.extend(logger.take_lines());
                }
                if !self.send() {
                    return;
                }
            }
        }
        self.kernel.detach();
        // A program may still be running on another CPU for a moment: nothing left twice in a row, with a
        // pause longer than any program runs, means that the rings are empty for good.
        let mut empty = 0;
        while empty < 2 {
            empty = if self.drain() == 0 { empty + 1 } else { 0 };
            std::thread::sleep(Duration::from_millis(2));
        }
        for (stranger, who) in self.strangers.finish(LAST_WORD) {
            self.fold.introduce_as(&stranger, who);
        }
        for (question, known) in self.files.finish(LAST_NAMES) {
            self.fold.name_file(&question, known);
        }
        self.rings.finish(LAST_WORD);
        if let Some(functions) = &mut self.functions {
            for (question, names) in functions.finish(LAST_FUNCTIONS) {
                self.fold.name_frames(&question, &names);
            }
        }
        let now_ns = monotonic_ns();
        self.serve(now_ns);
        self.fold.end_of_names();
        self.close(now_ns);
        self.pending.last = true;
        if let Some(tap) = self.tap.take() {
            tap.finish();
        }
        let _ = self.ticks.blocking_send(self.pending);
    }

    fn drain(&mut self) -> usize {
        let since_ns = sys::thread_cpu_ns();
        let (fold, standings) = (&mut self.fold, &mut self.standings);
        let is_watching = standings.is_watching();
        let in_pid_namespace = standings.in_pid_namespace;
        let mut watch = |record: &[u8]| {
            if is_watching && let Some(tid) = thread_seen(record, in_pid_namespace) {
                standings.has_moved(tid);
            }
        };
        let records = match self.tap.as_mut().filter(|tap| tap.wants_records()) {
            None => self.kernel.rings.drain(|record| {
                fold.take(record);
                watch(record);
            }),
            Some(tap) => {
                let now_ns = monotonic_ns();
                self.kernel.rings.drain(|record| {
                    fold.take(record);
                    watch(record);
                    tap.take(record, fold, now_ns);
                })
            }
        };
        self.pending.drained.records += records as u64;
        self.pending.drained.cpu_ns += sys::thread_cpu_ns() - since_ns;
        self.strangers.ask(self.fold.take_strangers());
        for (question, known) in self.files.take_answers() {
            self.fold.name_file(&question, known);
        }
        self.files.ask(self.fold.take_questions());
        if let Some(functions) = &mut self.functions {
            for (question, names) in functions.take_answers() {
                self.fold.name_frames(&question, &names);
            }
            functions.ask(self.fold.take_stack_questions());
        }
        records
    }

    /// Does what was asked. A recording begins and ends with an interval, so that what it holds
    /// is neither more nor less than its time.
    fn serve(&mut self, now_ns: u64) {
        while let Ok(request) = self.asked.try_recv() {
            match request {
                Request::Record(tap) => {
                    self.stop_recording(now_ns);
                    self.fold.tell_again();
                    self.tap = Some(*tap);
                }
                Request::StopRecording => self.stop_recording(now_ns),
                Request::Cgroup(place, directory) => {
                    if let Err(error) = self.kernel.set_cgroup(place, &directory) {
                        self.pending.log.push(format!("a cgroup that was made anew is not traced: {error}"));
                    }
                }
                Request::Mark(mark) => {
                    if let Some(tap) = &mut self.tap {
                        tap.mark(mark, &mut self.fold, now_ns);
                    }
                }
            }
        }
        if let Some(tap) = &mut self.tap {
            tap.tick(&mut self.fold, now_ns);
            if tap.recorder_is_gone() {
                self.tap = None;
            }
        }
    }

    fn stop_recording(&mut self, now_ns: u64) {
        self.close(now_ns);
        if let Some(tap) = self.tap.take() {
            tap.finish();
        }
    }

    /// Ends the interval and puts it with what is pending.
    fn close(&mut self, now_ns: u64) {
        let counts = self.kernel.counts();
        let mut ledger = counts.since(&self.last_counts);
        if let Some(tap) = &mut self.tap {
            ledger.recorder_overflow = tap.take_overflow();
        }
        if ledger.get(tracer_common::ledger::Counter::Spilled) > 0 {
            let fold = &mut self.fold;
            self.kernel.spill.read(|cell| fold.take_spilled(cell));
        }
        self.last_counts = counts;
        let in_pid_namespace = self.standings.in_pid_namespace;
        for (tgid, pid) in self.fold.unnamed() {
            // What it is called in here came with the record that is missing.
            if in_pid_namespace && tgid == pid {
                continue;
            }
            if let Ok(name) = std::fs::read(format!("/proc/{pid}/comm")) {
                self.fold.name(tgid, Comm::new(name.strip_suffix(b"\n").unwrap_or(&name)));
            }
        }
        for (stranger, who) in self.strangers.take_answers() {
            self.fold.introduce_as(&stranger, who);
        }
        for (process, descriptors) in self.census.take_answers() {
            self.fold.count_descriptors(process, descriptors);
        }
        for process in self.fold.take_uncounted() {
            self.census.ask(process);
        }
        let fold = &mut self.fold;
        self.rings.tell(|owner| {
            let pid = owner.pid;
            let id = if in_pid_namespace { fold.id_of_shown(pid) } else { fold.process_id(pid) };
            let is_known = id.start_ns != 0;
            fold.name_thread(id, owner.comm, pid, Comm::default());
            fold.note_ring(id, !is_known || owner.started_at(id.start_ns));
            is_known
        });
        let mut in_flight = Vec::new();
        let kernel = &self.kernel;
        let mut ids = FxHashMap::default();
        for thread in self.standings.still(|tid| kernel.has_called(tid)) {
            let process = *ids.entry(thread.tgid).or_insert_with(|| {
                if in_pid_namespace { fold.id_of_shown(thread.tgid) } else { fold.process_id(thread.tgid) }
            });
            fold.name_thread(process, thread.comm, thread.tid, thread.thread_comm);
            in_flight.push(InFlight {
                process,
                tid: thread.tid,
                call: thread.call,
                enter_ns: self.attached_ns,
                before_attach: true,
                args: Some(arguments_only(thread.call, thread.args)),
                on: None,
                operands: None,
            });
        }
        self.kernel.open_calls(|slot| {
            let Some(abi) = Abi::from_u8(slot.record.abi) else { return };
            let call = CallKey { abi, nr: slot.record.nr };
            let has_args = slot.record.has_args & has_args::REGISTERS != 0;
            in_flight.push(InFlight {
                process: fold.process_id(slot.record.tgid),
                tid: slot.record.tid,
                call,
                enter_ns: slot.record.enter_ns,
                before_attach: false,
                args: has_args.then(|| arguments_only(call, slot.record.args)),
                on: has_args.then(|| FileId::from_record(slot.record.file)).and_then(|file| {
                    let CallRecord { tgid, enter_ns, args, .. } = slot.record;
                    fold.on(tgid, enter_ns, args[0], file)
                }),
                operands: None,
            });
        });
        add_operands(self.kernel.rings.operands(), &mut in_flight);
        if let Some(error) = self.fold.take_last_error() {
            self.pending.log.push(format!("a record could not be decoded: {error}"));
        }
        let interval = self.fold.close(now_ns, in_flight, ledger);
        self.pending.interval.merge(&interval);
        if let Some(tap) = &mut self.tap {
            tap.interval(interval, &mut self.fold);
        }
        self.pending.ring_fill = self.pending.ring_fill.max(self.kernel.rings.take_peak_fill());
    }

    /// Hands over what is pending if the receiver has room; else it stays and the next interval joins it.
    /// False when nobody listens any more.
    fn send(&mut self) -> bool {
        match self.ticks.try_send(std::mem::take(&mut self.pending)) {
            Ok(()) => true,
            Err(TrySendError::Full(tick)) => {
                self.pending = tick;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

/// Says of open calls what they operate on.
fn add_operands(operands: &mut Operands, in_flight: &mut [InFlight]) {
    for open in in_flight.iter_mut().filter(|open| !open.before_attach) {
        let record = operands.of_open(open.tid, open.enter_ns);
        open.operands = record.and_then(|record| operand::decode(record).ok()?.operands).map(|found| {
            let mut kept = Vec::new();
            found.keep(&mut kept);
            kept.into()
        });
    }
    let open: FxHashSet<(u32, u64)> = in_flight.iter().map(|open| (open.tid, open.enter_ns)).collect();
    operands.forget_all_but(|tid, enter_ns| open.contains(&(tid, enter_ns)));
}

/// The thread of a record that tells of a thread seen for the first time; of a thread in the tracer's own namespace, when
/// that is one.
fn thread_seen(record: &[u8], in_pid_namespace: bool) -> Option<u32> {
    if record.first() != Some(&kind::SEEN) {
        return None;
    }
    match decode(record) {
        Ok(Record::Process(event)) if !in_pid_namespace || event.ns_tgid != 0 => Some(event.tid),
        _ => None,
    }
}
