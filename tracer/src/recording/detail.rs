//! The columns that came after the first version of the format: who a process is, what a call was about. A file from
//! before has none of them, and reading it finds nothing there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::batch::{Column, Damage};
use super::columns::{Lists, Numbers, Text, TextLists};
use super::encode::{Body, Shape};
use super::interval::IMPOSSIBLE;
use super::on::{self, OnColumns};
use super::reader::nonsense;
use super::rows::push_as_text;
use super::schema::row;
use crate::interval::{Cell, Example, InFlight, On, OnFile, Sizes, SlowCall, examples, slowest};
use crate::operand::Kept;
use crate::process::{Comm, ProcessInfo, ThreadNames};
use crate::who::{MAX_CGROUP_BYTES, MAX_CMDLINE_BYTES, Who};

/// Calls that took less are not recorded as the slowest of a cell: a recording of intervals would grow by half.
pub const SLOW_NS: u64 = 1_000_000;

/// What a row says in these columns.
#[derive(Clone, Copy, Default)]
pub(super) enum Detail<'a> {
    /// Nothing.
    #[default]
    None,
    /// Of a process.
    Process(&'a ProcessInfo),
    /// Of a cell, and what is known of it otherwise.
    Cell(&'a Cell, &'a Cell),
    /// Of an open call.
    Open(&'a InFlight),
}

/// The columns, while they are being gathered.
#[derive(Debug, Default)]
pub(super) struct Details {
    ppid: Numbers<u32>,
    cmdline: Text,
    cmdline_bytes: Text,
    cgroup: Text,
    thread_tids: Lists<u32>,
    thread_comms: TextLists,
    args: Lists<u64>,
    slow_tid: Numbers<u32>,
    slow_since: Numbers<i64>,
    slow_ns: Numbers<u64>,
    slow_ret: Numbers<i64>,
    sized: Numbers<u64>,
    bytes: Numbers<u64>,
    small: Numbers<u64>,
    on: OnColumns,
    slow_on: Numbers<u32>,
    ns_pid: Numbers<u32>,
    operands: Text,
    example_errnos: Lists<u16>,
    examples: TextLists,
    example_calls: Lists<u64>,
    example_unsure: Lists<u64>,
}

impl Details {
    /// Bytes held by lists.
    pub(super) fn list_bytes(&self) -> usize {
        8 * self.args.items()
            + 20 * self.thread_tids.items()
            + self.on.list_bytes()
            + 220 * self.example_errnos.items()
    }

    /// The next row; `moment` tells how times are written.
    pub(super) fn push(&mut self, detail: Detail<'_>, moment: impl Fn(u64) -> i64) {
        let (mut who, mut slow, mut sizes) = (None, Slowest::Nothing, Sizes::default());
        let (mut max_ns, mut slow_on, mut operands) = (0, None, None);
        match detail {
            Detail::None => {}
            Detail::Process(info) => {
                who = info.who.as_deref();
                for (&tid, comm) in info.threads.iter() {
                    self.thread_tids.add(tid);
                    self.thread_comms.add(comm.as_bytes());
                }
            }
            Detail::Cell(cell, than) => {
                slow = slowest_to_say(cell, than);
                max_ns = cell.max_ns;
                sizes = Sizes {
                    calls: cell.sizes.calls.wrapping_sub(than.sizes.calls),
                    bytes: cell.sizes.bytes.wrapping_sub(than.sizes.bytes),
                    small: cell.sizes.small.wrapping_sub(than.sizes.small),
                };
                if let Slowest::Call(slow) = slow {
                    self.add_args(slow.args.as_deref());
                    let on = slow
                        .on
                        .as_ref()
                        .and_then(|on| cell.on.binary_search_by_key(&on.file, |row| row.file).ok());
                    slow_on = on.map(|place| place as u32);
                    operands = slow.operands.as_deref();
                }
                // What single calls tell is known from them.
                if than.examples.is_empty() {
                    self.add_examples(&cell.examples);
                }
                cell.on.iter().for_each(|row| self.on.add(row));
            }
            Detail::Open(open) => {
                self.add_args(open.args.as_ref());
                operands = open.operands.as_deref();
                if let Some(on) = &open.on {
                    self.on.add(&on::without_figures(on));
                }
            }
        }
        self.on.end_row();
        self.slow_on.push_option(slow_on);
        self.ppid.push_option(who.map(|who| who.ppid));
        push_as_text(&mut self.cmdline, &mut self.cmdline_bytes, who.map(|who| &*who.cmdline));
        match who {
            Some(who) => self.cgroup.push(&*who.cgroup),
            None => self.cgroup.push_null(),
        }
        self.thread_tids.end_row();
        self.thread_comms.end_row();
        self.args.end_row();
        let (slow_ns, slow) = match slow {
            Slowest::Nothing => (None, None),
            Slowest::None => (Some(0), None),
            Slowest::Call(slow) => (Some(slow.latency_ns).filter(|&ns| ns != max_ns), Some(slow)),
        };
        self.slow_tid.push_option(slow.map(|slow| slow.tid));
        self.slow_since.push_option(slow.map(|slow| moment(slow.enter_ns)));
        self.slow_ns.push_option(slow_ns);
        self.slow_ret.push_option(slow.map(|slow| slow.ret));
        let moved = sizes != Sizes::default();
        self.sized.push_option(moved.then_some(sizes.calls));
        self.bytes.push_option(moved.then_some(sizes.bytes));
        self.small.push_option(moved.then_some(sizes.small));
        self.ns_pid.push_option(who.map(|who| who.ns_pid).filter(|&pid| pid > 0));
        match operands {
            Some(operands) => self.operands.push(operands),
            None => self.operands.push_null(),
        }
        self.example_errnos.end_row();
        self.examples.end_row();
        self.example_calls.end_row();
        self.example_unsure.end_row();
    }

    fn add_examples(&mut self, examples: &[Example]) {
        for example in examples {
            self.example_errnos.add(example.errno);
            self.examples.add(&example.on);
            self.example_calls.add(example.calls);
            self.example_unsure.add(example.unsure);
        }
    }

    fn add_args(&mut self, args: Option<&[u64; 6]>) {
        for &arg in args.into_iter().flatten() {
            self.args.add(arg);
        }
    }

    pub(super) fn clear(&mut self) {
        for text in [&mut self.cmdline, &mut self.cmdline_bytes, &mut self.cgroup] {
            text.clear();
        }
        self.ppid.clear();
        self.ns_pid.clear();
        self.thread_tids.clear();
        self.thread_comms.clear();
        self.args.clear();
        self.slow_tid.clear();
        self.slow_since.clear();
        self.slow_ret.clear();
        for numbers in [&mut self.slow_ns, &mut self.sized, &mut self.bytes, &mut self.small] {
            numbers.clear();
        }
        self.on.clear();
        self.slow_on.clear();
        self.operands.clear();
        self.example_errnos.clear();
        self.examples.clear();
        self.example_calls.clear();
        self.example_unsure.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.ppid.encode(body);
        self.cmdline.encode(body);
        self.cmdline_bytes.encode(body);
        self.cgroup.encode(body);
        self.thread_tids.encode(body, Shape::Plain);
        self.thread_comms.encode(body);
        self.args.encode(body, Shape::Plain);
        self.slow_tid.encode(body);
        self.slow_since.encode(body);
        self.slow_ns.encode(body);
        self.slow_ret.encode(body);
        self.sized.encode(body);
        self.bytes.encode(body);
        self.small.encode(body);
        self.on.encode(body);
        self.slow_on.encode(body);
        self.ns_pid.encode(body);
        self.operands.encode(body);
        self.example_errnos.encode(body, Shape::Plain);
        self.examples.encode(body);
        self.example_calls.encode(body, Shape::Counts);
        self.example_unsure.encode(body, Shape::Counts);
    }
}

/// What there is to say of the slowest call of a cell.
enum Slowest<'a> {
    /// That it is known otherwise, or not worth its bytes.
    Nothing,
    /// That what is known otherwise is none of the cell's.
    None,
    /// That it is this one.
    Call(&'a SlowCall),
}

fn slowest_to_say<'a>(cell: &'a Cell, than: &Cell) -> Slowest<'a> {
    match (cell.slowest.first(), than.slowest.first()) {
        (None, None) => Slowest::Nothing,
        (None, Some(_)) => Slowest::None,
        (Some(slow), None) if slow.latency_ns < SLOW_NS => Slowest::Nothing,
        (Some(slow), known) if known == Some(slow) => Slowest::Nothing,
        (Some(slow), _) => Slowest::Call(slow),
    }
}

/// A column that may not be there.
fn column(columns: &[Column], index: usize) -> Option<&Column> {
    columns.get(index)
}

fn list<T: arrow_buffer::ArrowNativeType>(columns: &[Column], index: usize, at: usize) -> &[T] {
    column(columns, index).map_or(&[], |column| column.list(at))
}

/// What row `at` says of a process beside its name.
pub(super) fn take_info(columns: &[Column], at: usize, info: &mut ProcessInfo) -> Result<(), Damage> {
    if let Some(ppid) = column(columns, row::PPID).and_then(|column| column.number(at)) {
        let text = |index: usize| column(columns, index).and_then(|column| column.text(at));
        let bytes = column(columns, row::CMDLINE_BYTES).and_then(|column| column.bytes(at));
        let cmdline = match bytes {
            Some(bytes) => bytes,
            None => text(row::CMDLINE).ok_or_else(nonsense)?.as_bytes(),
        };
        let cgroup = text(row::CGROUP).ok_or_else(nonsense)?;
        if cmdline.len() > MAX_CMDLINE_BYTES || cgroup.len() > MAX_CGROUP_BYTES {
            return Err(nonsense());
        }
        let ns_pid = column(columns, row::NS_PID).and_then(|column| column.number(at)).unwrap_or(0);
        info.who = Some(Arc::new(Who { ppid, ns_pid, cmdline: cmdline.into(), cgroup: cgroup.into() }));
    }
    info.threads = thread_names(columns, at)?;
    Ok(())
}

fn thread_names(columns: &[Column], at: usize) -> Result<ThreadNames, Damage> {
    let tids: &[u32] = list(columns, row::THREAD_TIDS, at);
    let Some(comms) = column(columns, row::THREAD_COMMS) else { return Ok(ThreadNames::default()) };
    let (start, end) = comms.range(at);
    if end - start != tids.len() || tids.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(nonsense());
    }
    let mut names = BTreeMap::new();
    for (&tid, place) in tids.iter().zip(start..end) {
        let name = comms.item_bytes(place).filter(|name| name.len() <= 16).ok_or_else(nonsense)?;
        let mut padded = [0; 16];
        padded[..name.len()].copy_from_slice(name);
        names.insert(tid, Comm::from_kernel(padded));
    }
    Ok(Arc::new(names))
}

/// The arguments in row `at`, if there are any.
pub(super) fn args(columns: &[Column], at: usize) -> Result<Option<[u64; 6]>, Damage> {
    match list(columns, row::ARGS, at) {
        [] => Ok(None),
        args => <[u64; 6]>::try_from(args).map(Some).map_err(|_| nonsense()),
    }
}

/// What the call in row `at` operates on, if that is there.
pub(super) fn operands(columns: &[Column], at: usize) -> Result<Option<Kept>, Damage> {
    match column(columns, row::OPERANDS).and_then(|column| column.bytes(at)) {
        Some(bytes) if bytes.len() > MAX_OPERANDS_BYTES => Err(nonsense()),
        bytes => Ok(bytes.map(Into::into)),
    }
}

/// The longest that two paths and what is between them can be.
pub(super) const MAX_OPERANDS_BYTES: usize = 2 * 4096 + 1;

/// What row `at` says that calls failed on.
fn read_examples(columns: &[Column], at: usize) -> Result<Arc<[Example]>, Damage> {
    let errnos: &[u16] = list(columns, row::EXAMPLE_ERRNOS, at);
    if errnos.is_empty() {
        return Ok(Arc::from([]));
    }
    let calls: &[u64] = list(columns, row::EXAMPLE_CALLS, at);
    let unsure: &[u64] = list(columns, row::EXAMPLE_UNSURE, at);
    let texts = column(columns, row::EXAMPLES).ok_or_else(nonsense)?;
    let (start, end) = texts.range(at);
    if [calls.len(), unsure.len(), end - start] != [errnos.len(); 3] {
        return Err(nonsense());
    }
    let mut read = Vec::with_capacity(errnos.len());
    for (index, &errno) in errnos.iter().enumerate() {
        let on = texts.item_bytes(start + index).filter(|on| on.len() <= examples::MOST_BYTES + 1);
        let on: Kept = on.ok_or_else(nonsense)?.into();
        let (calls, unsure) = (calls[index], unsure[index]);
        if unsure > calls || calls >= IMPOSSIBLE {
            return Err(nonsense());
        }
        read.push(Example { errno, on, calls, unsure });
    }
    if examples::are_in_order(&read) { Ok(read.into()) } else { Err(nonsense()) }
}

/// Adds what row `at` says of a cell; `monotonic` tells how times were written.
pub(super) fn take_cell(
    columns: &[Column],
    at: usize,
    cell: &mut Cell,
    monotonic: impl Fn(i64) -> u64,
) -> Result<(), Damage> {
    let rows = on::take(columns, at)?;
    if !rows.is_empty() {
        let mut calls = 0u64;
        for row in &rows {
            calls = calls.checked_add(row.calls).ok_or_else(nonsense)?;
        }
        if calls > cell.calls {
            return Err(nonsense());
        }
        cell.on = rows.into();
    }
    let latency_ns: Option<u64> = column(columns, row::SLOW_NS).and_then(|column| column.number(at));
    let tid: Option<u32> = column(columns, row::SLOW_TID).and_then(|column| column.number(at));
    if latency_ns.is_some() || tid.is_some() {
        let latency_ns = latency_ns.unwrap_or(cell.max_ns);
        if latency_ns > cell.max_ns {
            return Err(nonsense());
        }
        let said: Option<SlowCall> = match tid {
            None => None,
            Some(tid) => Some(SlowCall {
                latency_ns,
                enter_ns: number(columns, row::SLOW_SINCE, at).map(monotonic)?,
                tid,
                ret: number(columns, row::SLOW_RET, at)?,
                args: args(columns, at)?.map(Arc::new),
                on: slow_on(columns, at, &cell.on)?,
                operands: operands(columns, at)?,
            }),
        };
        // Calls that are said to be slower are another cell's.
        let known =
            cell.slowest.iter().filter(|known| said.as_ref().is_some_and(|slow| slow.is_before(known)));
        let slowest: Vec<SlowCall> = said.iter().chain(known).take(slowest::IN_CELL).cloned().collect();
        cell.slowest = slowest.into();
    }
    let said = read_examples(columns, at)?;
    if !said.is_empty() {
        cell.examples = said;
    }
    let more = |known: u64, index: usize| {
        let said = column(columns, index).and_then(|column| column.number(at)).unwrap_or(0);
        known.wrapping_add(said)
    };
    cell.sizes = Sizes {
        calls: more(cell.sizes.calls, row::SIZED),
        bytes: more(cell.sizes.bytes, row::BYTES),
        small: more(cell.sizes.small, row::SMALL),
    };
    let possible = cell.sizes.small <= cell.sizes.calls && cell.sizes.calls <= cell.calls;
    if possible { Ok(()) } else { Err(nonsense()) }
}

/// What the slowest call in row `at` was on: one of the files that are listed. Its descriptor is its first argument.
fn slow_on(columns: &[Column], at: usize, files: &[OnFile]) -> Result<Option<Arc<On>>, Damage> {
    let place: Option<u32> = column(columns, row::SLOW_ON).and_then(|column| column.number(at));
    let Some(place) = place else { return Ok(None) };
    let row = files.get(place as usize).ok_or_else(nonsense)?;
    let fd = args(columns, at)?.ok_or_else(nonsense)?[0] as i32;
    Ok(Some(Arc::new(On { fd, file: row.file, names: row.names.clone() })))
}

fn number<T: arrow_buffer::ArrowNativeType>(
    columns: &[Column],
    index: usize,
    at: usize,
) -> Result<T, Damage> {
    column(columns, index).and_then(|column| column.number(at)).ok_or_else(nonsense)
}
