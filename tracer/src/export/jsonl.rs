//! JSON Lines: what `--json` prints live, for each interval; and each call where calls were recorded.

use std::io::{self, Write};

use serde::Serialize;

use super::{Call, Rest, Sink, args_of, ended, errno_of, latency_ns, ret_of};
use crate::recording::{Kind, Mark};
use crate::report::json::{Arguments, JsonLines, Name};
use crate::run::Meta;
use crate::syscalls;

pub(super) struct Jsonl {
    lines: JsonLines<Box<dyn Write + Send>>,
}

#[derive(Serialize)]
struct CallLine<'a> {
    r#type: &'static str,
    enter_ns: u64,
    pid: u32,
    process_start_ns: u64,
    #[serde(flatten)]
    name: Name,
    tid: u32,
    syscall: &'a str,
    abi: &'static str,
    nr: i32,
    ended: &'static str,
    ret: Option<i64>,
    errno: Option<&'a str>,
    latency_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<&'a [u64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Arguments>,
}

#[derive(Serialize)]
struct MarkLine<'a> {
    r#type: &'static str,
    time_ns: u64,
    text: &'a str,
}

impl Jsonl {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { lines: JsonLines::new(out) }
    }
}

impl Sink for Jsonl {
    fn begin(&mut self, meta: &Meta, _: Kind) -> io::Result<()> {
        self.lines.meta(meta)
    }

    fn call(&mut self, call: &Call<'_>) -> io::Result<()> {
        let event = call.event;
        let errno = errno_of(event).map(syscalls::errno::name);
        self.lines.value(&CallLine {
            r#type: "call",
            enter_ns: call.enter_ns,
            pid: call.process.pid,
            process_start_ns: call.process.start_ns,
            name: Name::new(call.comm),
            tid: event.tid,
            syscall: &syscalls::plain_name(event.call),
            abi: event.call.abi.name(),
            nr: event.call.nr,
            ended: ended(event),
            ret: ret_of(event),
            errno: errno.as_deref(),
            latency_ns: latency_ns(event),
            args: args_of(event),
            arguments: event.args.map(|args| Arguments::of(event.call, &args, call.operands)),
        })
    }

    fn rest(&mut self, rest: &Rest<'_>) -> io::Result<()> {
        self.lines.interval(rest.interval)
    }

    fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        self.lines.value(&MarkLine { r#type: "mark", time_ns: mark.time_ns, text: &mark.text })
    }

    fn finish(&mut self) -> io::Result<()> {
        self.lines.flush()
    }
}
