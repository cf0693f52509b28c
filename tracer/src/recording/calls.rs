//! The columns of calls in a recording of events. Filled a few hundred calls at a time, column by column:
//! that is several times cheaper than row by row.

use tracer_common::abi::Abi;
use tracer_common::outcome::Outcome;

use super::columns::{Ends, Numbers, Short, Text};
use super::encode::Body;
use super::process::Said;
use super::rows::{Row, Rows};
use super::schema;
use crate::decode::{CallEvent, End, ProcessChange, ProcessEvent};
use crate::interval::CallKey;
use crate::process::ProcessId;
use crate::run::Meta;
use crate::syscalls::{self, arity};

/// Calls that are gathered before they are put into columns.
pub(super) const STAGED: usize = 256;

/// Rows that are being gathered.
pub(super) struct Calls {
    native: Abi,
    args: bool,
    /// See [`schema::clock_offset`].
    offset: u64,
    staged: Vec<CallEvent>,
    known: Known,
    time: Numbers<i64>,
    tgid: Numbers<u32>,
    tid: Numbers<u32>,
    abi: Text,
    nr: Numbers<i32>,
    syscall: Text,
    ret: Numbers<i64>,
    latency: Numbers<u64>,
    errno: Numbers<u16>,
    ended: Text,
    arg: [Numbers<u64>; 6],
    /// Ends of the lists of other rows: one list a row, of one other row or none.
    other: Ends,
    operands: Text,
}

impl Calls {
    pub(super) fn new(meta: &Meta) -> Self {
        Self {
            native: schema::native_abi(meta),
            args: meta.args,
            offset: schema::clock_offset(meta),
            staged: Vec::with_capacity(STAGED),
            known: Known::default(),
            time: Numbers::default(),
            tgid: Numbers::default(),
            tid: Numbers::default(),
            abi: Text::default(),
            nr: Numbers::default(),
            syscall: Text::default(),
            ret: Numbers::default(),
            latency: Numbers::default(),
            errno: Numbers::default(),
            ended: Text::default(),
            arg: Default::default(),
            other: Ends::default(),
            operands: Text::default(),
        }
    }

    /// Whether calls have their arguments.
    pub(super) fn args(&self) -> bool {
        self.args
    }

    /// Rows in columns.
    pub(super) fn rows(&self) -> usize {
        self.other.rows()
    }

    /// Gathers a call and what it operates on; true when [`Calls::append`] is due.
    #[inline]
    pub(super) fn stage(&mut self, event: &CallEvent, operands: Option<&[u8]>) -> bool {
        if self.args {
            match operands {
                Some(operands) => self.operands.push(operands),
                None => self.operands.push_null(),
            }
        }
        self.staged.push(*event);
        self.staged.len() >= STAGED
    }

    /// Puts what was gathered into columns.
    pub(super) fn append(&mut self) {
        let (native, offset) = (self.native, self.offset);
        let mut staged = std::mem::take(&mut self.staged);
        self.syscall.reserve(staged.len());
        for call in &mut staged {
            let known = self.known.get(call.call);
            self.syscall.push_short(&known.name);
            if let Some(args) = &mut call.args {
                args.iter_mut().zip(known.used).for_each(|(arg, used)| *arg &= used);
            }
        }
        let calls = || staged.iter();
        self.time.extend_options(
            calls().map(|call| (call.enter_ns != 0).then(|| call.enter_ns.wrapping_add(offset) as i64)),
        );
        self.tgid.extend(calls().map(|call| call.tgid));
        self.tid.extend(calls().map(|call| call.tid));
        self.nr.extend(calls().map(|call| call.call.nr));
        let abi = |call: &CallEvent| (call.call.abi != native).then(|| call.call.abi.name());
        extend_rare(&mut self.abi, &staged, abi);
        self.ret.extend_options(calls().map(|call| match call.end {
            End::Returned { ret, .. } => Some(ret),
            _ => None,
        }));
        self.latency.extend_options(calls().map(|call| match call.end {
            End::Returned { latency_ns, .. } => Some(latency_ns),
            _ => None,
        }));
        self.errno.extend_options(calls().map(|call| match call.end {
            End::Returned { outcome: Outcome::Error(errno), .. } | End::Denied { errno } => Some(errno),
            _ => None,
        }));
        extend_rare(&mut self.ended, &staged, |call| match call.end {
            End::Returned { .. } => None,
            End::Denied { .. } => Some("denied"),
            End::NeverReturns => Some("no_return"),
            End::Died => Some("died"),
        });
        if self.args {
            for (index, column) in self.arg.iter_mut().enumerate() {
                column.extend(calls().map(|call| call.args.map_or(0, |args| args[index])));
            }
        }
        self.other.repeat(staged.len());
        staged.clear();
        self.staged = staged;
    }

    /// News of a process: a row here, and what it says in `rows`.
    pub(super) fn process(&mut self, event: &ProcessEvent, rows: &mut Rows) {
        self.append();
        let time = event.time_ns.wrapping_add(self.offset) as i64;
        let kind = match event.what {
            ProcessChange::Seen => "seen",
            ProcessChange::Exec => "exec",
            ProcessChange::Exit => "exit",
        };
        let is_text = str::from_utf8(event.comm.as_bytes()).is_ok();
        rows.push(&Row {
            kind: Some(kind),
            time,
            process: Some(ProcessId { pid: event.ns_tgid, start_ns: event.start_ns }),
            comm: Some(event.comm),
            said: (!is_text).then_some(Said::Name(event.comm, time)),
            ..Row::default()
        });
        self.time.push(time);
        self.tgid.push(event.tgid);
        self.tid.push(event.tid);
        self.no_call(rows);
    }

    /// The row here for the one that was just added to `rows`.
    pub(super) fn other(&mut self, rows: &Rows) {
        self.append();
        self.time.push_null();
        self.tgid.push_null();
        self.tid.push_null();
        self.no_call(rows);
    }

    fn no_call(&mut self, rows: &Rows) {
        self.abi.push_null();
        self.nr.push_null();
        self.syscall.push_null();
        self.ret.push_null();
        self.latency.push_null();
        self.errno.push_null();
        self.ended.push_null();
        if self.args {
            self.arg.iter_mut().for_each(Numbers::push_null);
            self.operands.push_null();
        }
        self.other.push(rows.len());
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.time.encode(body);
        self.tgid.encode(body);
        self.tid.encode(body);
        self.abi.encode(body);
        self.nr.encode(body);
        self.syscall.encode(body);
        self.ret.encode(body);
        self.latency.encode(body);
        self.errno.encode(body);
        self.ended.encode(body);
        if self.args {
            self.arg.iter().for_each(|column| column.encode(body));
        }
        self.other.encode(body);
    }

    /// The columns behind that of the other rows.
    pub(super) fn encode_later(&self, body: &mut Body) {
        if self.args {
            self.operands.encode(body);
        }
    }

    pub(super) fn clear(&mut self) {
        self.time.clear();
        self.tgid.clear();
        self.tid.clear();
        self.abi.clear();
        self.nr.clear();
        self.syscall.clear();
        self.ret.clear();
        self.latency.clear();
        self.errno.clear();
        self.ended.clear();
        self.arg.iter_mut().for_each(Numbers::clear);
        self.other.clear();
        self.operands.clear();
    }
}

/// A text that hardly any call has.
fn extend_rare<'a>(column: &mut Text, calls: &[CallEvent], text: impl Fn(&CallEvent) -> Option<&'a str>) {
    if calls.iter().all(|call| text(call).is_none()) {
        return column.extend_nulls(calls.len());
    }
    for call in calls {
        match text(call) {
            None => column.push_null(),
            Some(text) => column.push(text),
        }
    }
}

/// What the columns need to know of a syscall.
#[derive(Clone, Copy, Default)]
struct Syscall {
    name: Short,
    /// All bits of registers that are arguments, none of the others: those hold what the program happened to
    /// have in them, which nobody can use and which does not compress.
    used: [u64; 6],
}

impl Syscall {
    fn new(call: CallKey) -> Self {
        let mut used = [0; 6];
        used[..arity::arguments(call)].fill(u64::MAX);
        Self { name: Short::new(&syscalls::plain_name(call)), used }
    }
}

/// The syscalls that were met last, ready to be used.
struct Known(Vec<(Option<CallKey>, Syscall)>);

/// Places for syscalls; a power of two.
const PLACES: usize = 1024;

impl Default for Known {
    fn default() -> Self {
        Self(vec![(None, Syscall::default()); PLACES])
    }
}

impl Known {
    #[inline]
    fn get(&mut self, call: CallKey) -> &Syscall {
        let place = (call.nr as usize ^ (call.abi as usize) << 8) % PLACES;
        let (key, syscall) = &mut self.0[place];
        if *key != Some(call) {
            *key = Some(call);
            *syscall = Syscall::new(call);
        }
        syscall
    }
}
