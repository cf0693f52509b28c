//! What `strace -f -ttt -T` prints, for the tools that read it. Calls come in the order of their enter as far
//! as a window of them can be kept in memory; each line has the time of its enter.
//!
//! Arguments are numbers, constants by name, paths and socket addresses; what other pointers point to was not recorded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use tracer_common::outcome::Outcome;

use super::{Call, Rest, Sink};
use crate::arguments;
use crate::decode::{CallEvent, End};
use crate::human::safe_text;
use crate::interval::InFlight;
use crate::recording::{Kind, Mark};
use crate::run::Meta;
use crate::syscalls::{self, errno};

/// Lines that are kept back to be put in order.
const WINDOW: usize = 1 << 16;

pub(super) struct Strace {
    out: Box<dyn Write + Send>,
    to_unix_ns: i128,
    /// Earliest enter first; equal ones as they came.
    waiting: BinaryHeap<Reverse<(u64, u64, String)>>,
    lines: u64,
    open: Vec<InFlight>,
}

impl Strace {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, to_unix_ns: 0, waiting: BinaryHeap::new(), lines: 0, open: Vec::new() }
    }

    fn line(&mut self, tid: u32, enter_ns: u64, text: &str) -> io::Result<()> {
        let unix_us = (i128::from(enter_ns) + self.to_unix_ns).max(0) / 1000;
        let line = format!("{tid:<5} {}.{:06} {text}\n", unix_us / 1_000_000, unix_us % 1_000_000);
        self.lines += 1;
        self.waiting.push(Reverse((enter_ns, self.lines, line)));
        while self.waiting.len() > WINDOW {
            self.write_earliest()?;
        }
        Ok(())
    }

    fn write_earliest(&mut self) -> io::Result<()> {
        match self.waiting.pop() {
            Some(Reverse((_, _, line))) => self.out.write_all(line.as_bytes()),
            None => Ok(()),
        }
    }

    /// The calls that were open at the end, and everything that waits: another recording has another clock.
    fn end_recording(&mut self) -> io::Result<()> {
        for open in std::mem::take(&mut self.open) {
            let name = syscalls::plain_name(open.call);
            let operands = open.operands.as_deref();
            let args = open.args.map_or_else(String::new, |args| arguments::text(open.call, &args, operands));
            self.line(open.tid, open.enter_ns, &format!("{name}({args} <unfinished ...>"))?;
        }
        while !self.waiting.is_empty() {
            self.write_earliest()?;
        }
        Ok(())
    }
}

/// `read(3, 0x7ffd12345678, 1024)`; without arguments where none were recorded.
fn call_text(event: &CallEvent, operands: Option<&[u8]>) -> String {
    let args =
        event.args.as_ref().map_or_else(String::new, |args| arguments::text(event.call, args, operands));
    format!("{}({args})", syscalls::plain_name(event.call))
}

fn result_text(event: &CallEvent) -> String {
    let seconds = |ns: u64| format!("<{}.{:06}>", ns / 1_000_000_000, ns / 1000 % 1_000_000);
    let error = |errno: u16| {
        let meaning = errno::description(errno).map(|text| format!(" ({text})")).unwrap_or_default();
        format!("-1 {}{meaning}", errno::name(errno))
    };
    match event.end {
        End::Returned { outcome: Outcome::Error(code), latency_ns, .. } => {
            format!("= {} {}", error(code), seconds(latency_ns))
        }
        End::Returned { outcome: Outcome::Interrupted(code), latency_ns, .. } => {
            let name = errno::interrupted_name(code).unwrap_or("ERESTARTSYS");
            format!("= ? {name} (To be restarted) {}", seconds(latency_ns))
        }
        End::Returned { latency_ns, ret, .. } => {
            let ret = if i32::try_from(ret).is_ok() { ret.to_string() } else { format!("{ret:#x}") };
            format!("= {ret} {}", seconds(latency_ns))
        }
        End::Denied { errno } => format!("= {} <0.000000>", error(errno)),
        End::NeverReturns | End::Died => "= ?".to_owned(),
    }
}

impl Sink for Strace {
    fn begin(&mut self, meta: &Meta, _: Kind) -> io::Result<()> {
        self.end_recording()?;
        self.to_unix_ns = i128::from(meta.start_unix_ns) - i128::from(meta.start_ns);
        Ok(())
    }

    fn call(&mut self, call: &Call<'_>) -> io::Result<()> {
        let text = format!("{:<40} {}", call_text(call.event, call.operands), result_text(call.event));
        self.line(call.event.tid, call.enter_ns, &text)
    }

    fn rest(&mut self, rest: &Rest<'_>) -> io::Result<()> {
        self.open.clone_from(&rest.interval.in_flight);
        Ok(())
    }

    fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        // The way strace tells of anything that is no call.
        self.line(0, mark.time_ns, &format!("+++ mark: {} +++", safe_text(mark.text.as_bytes())))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.end_recording()?;
        self.out.flush()
    }
}
