//! CSV as RFC 4180 has it: a header, then one row for each (interval, process, syscall), or for each call.
//!
//! Names come from strangers. They are escaped as on a terminal (`\xNN`, `\u{N}`, `\\`), which can be undone,
//! and the first character of one that a spreadsheet would take for a formula is escaped too.

use std::io::{self, Write};

use super::{Call, Rest, Sink, args_of, ended, errno_of, errnos_text, latency_ns, ordered, ret_of};
use crate::arguments;
use crate::human::safe_text;
use crate::interval::CallKey;
use crate::process::Comm;
use crate::recording::{Kind, Mark};
use crate::run::Meta;
use crate::snapshot::CallStats;
use crate::syscalls;

/// Columns of both kinds of rows; what does not apply to a row is empty.
const HEADER: [&str; 30] = [
    "host",
    "start_unix_ns",
    "end_unix_ns",
    "pid",
    "process_start_ns",
    "comm",
    "tid",
    "abi",
    "nr",
    "syscall",
    "ended",
    "ret",
    "calls",
    "errors",
    "errnos",
    "interrupted",
    "denied",
    "no_return",
    "died",
    "total_ns",
    "min_ns",
    "max_ns",
    "p50_ns",
    "p90_ns",
    "p99_ns",
    "p999_ns",
    "args",
    "in_flight",
    "row",
    "arguments",
];

pub(super) struct Csv {
    out: ::csv::Writer<Box<dyn Write + Send>>,
    host: String,
    /// From `CLOCK_MONOTONIC` to ns since 1970.
    to_unix_ns: i128,
    has_header: bool,
}

impl Csv {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        let out = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out);
        Self { out, host: String::new(), to_unix_ns: 0, has_header: false }
    }

    fn unix(&self, ns: u64) -> String {
        (i128::from(ns) + self.to_unix_ns).to_string()
    }
}

/// Text that no spreadsheet takes for a formula; undone like every other escape.
pub(super) fn field(bytes: &[u8]) -> String {
    let text = safe_text(bytes);
    match text.bytes().next() {
        Some(first @ (b'=' | b'+' | b'-' | b'@')) => format!("\\x{first:02x}{}", &text[1..]),
        _ => text,
    }
}

fn comm_field(comm: Comm) -> String {
    field(comm.as_bytes())
}

fn name_field(call: CallKey) -> String {
    field(syscalls::name(call).as_bytes())
}

fn optional(number: Option<impl ToString>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

impl Sink for Csv {
    fn begin(&mut self, meta: &Meta, _: Kind) -> io::Result<()> {
        self.host = field(meta.host.as_bytes());
        self.to_unix_ns = i128::from(meta.start_unix_ns) - i128::from(meta.start_ns);
        if !std::mem::replace(&mut self.has_header, true) {
            self.out.write_record(HEADER)?;
        }
        Ok(())
    }

    fn call(&mut self, call: &Call<'_>) -> io::Result<()> {
        let event = call.event;
        let errno = errno_of(event);
        let latency = latency_ns(event);
        let word = ended(event);
        let is = |wanted: &str| u8::from(word == wanted).to_string();
        let latency_text = optional(latency);
        let args = args_of(event)
            .map(|args| args.iter().map(|arg| format!("{arg:#x}")).collect::<Vec<_>>().join(" "));
        self.out.write_record([
            self.host.clone(),
            self.unix(call.enter_ns),
            self.unix(call.enter_ns.saturating_add(latency.unwrap_or(0))),
            call.process.pid.to_string(),
            call.process.start_ns.to_string(),
            comm_field(call.comm),
            event.tid.to_string(),
            event.call.abi.name().to_owned(),
            event.call.nr.to_string(),
            name_field(event.call),
            word.to_owned(),
            optional(ret_of(event)),
            "1".to_owned(),
            u8::from(errno.is_some()).to_string(),
            errno.map_or_else(String::new, |errno| syscalls::errno::name(errno).into_owned()),
            is("interrupted"),
            is("denied"),
            is("no_return"),
            is("died"),
            latency.unwrap_or(0).to_string(),
            latency_text.clone(),
            latency_text,
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            args.unwrap_or_default(),
            String::new(),
            "call".to_owned(),
            event
                .args
                .as_ref()
                .map_or_else(String::new, |args| arguments::named_text(event.call, args, call.operands)),
        ])?;
        Ok(())
    }

    fn rest(&mut self, rest: &Rest<'_>) -> io::Result<()> {
        let interval = rest.interval;
        for (key, cell) in ordered(interval) {
            let stats = CallStats {
                min_ns: cell.min_ns,
                max_ns: cell.max_ns,
                latencies: cell.latencies.clone(),
                ..CallStats::default()
            };
            let completed = !cell.latencies.is_empty();
            let quantile = |at: f64| optional(stats.quantile_ns(at));
            let in_flight = interval
                .in_flight
                .iter()
                .filter(|open| open.process == key.process && open.call == key.call)
                .count();
            self.out.write_record([
                self.host.clone(),
                self.unix(interval.start_ns),
                self.unix(interval.end_ns),
                key.process.pid.to_string(),
                key.process.start_ns.to_string(),
                comm_field(rest.names.name(key.process)),
                String::new(),
                key.call.abi.name().to_owned(),
                key.call.nr.to_string(),
                name_field(key.call),
                String::new(),
                String::new(),
                cell.calls.to_string(),
                cell.error_count().to_string(),
                errnos_text(cell),
                cell.interrupted.to_string(),
                cell.denied.to_string(),
                cell.no_return.to_string(),
                cell.died.to_string(),
                cell.total_ns.to_string(),
                optional(completed.then_some(cell.min_ns)),
                optional(completed.then_some(cell.max_ns)),
                quantile(0.5),
                quantile(0.9),
                quantile(0.99),
                quantile(0.999),
                String::new(),
                in_flight.to_string(),
                "cell".to_owned(),
                String::new(),
            ])?;
        }
        Ok(())
    }

    fn mark(&mut self, _: &Mark) -> io::Result<()> {
        // A table of calls has no place for it.
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
