//! Trace Event JSON, which Perfetto and `chrome://tracing` open: a track for each thread, a slice for each
//! call, names of processes as metadata, marks as instants. Times are in µs since the recording began.

use std::io::{self, Write};

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Call, Rest, Sink, ended, errno_of, latency_ns, ret_of};
use crate::arguments::{self, Argument};
use crate::human::safe_text;
use crate::interval::InFlight;
use crate::process::{Comm, ProcessId};
use crate::recording::{Kind, Mark};
use crate::run::Meta;
use crate::syscalls::{self, errno};

pub(super) struct Chrome {
    out: Box<dyn Write + Send>,
    start_ns: u64,
    start_unix_ns: u64,
    host: String,
    written: bool,
    named: FxHashMap<u32, (ProcessId, Comm)>,
    threads: FxHashSet<(u32, u32)>,
    open: Vec<InFlight>,
}

/// µs with the ns as decimals: a fraction in binary would not hold them.
struct Micros(u64);

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        serde_json::value::RawValue::from_string(text)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

#[derive(Serialize)]
struct Event<'a> {
    ph: &'static str,
    name: &'a str,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<Micros>,
    /// Scope of an instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    args: Args<'a>,
}

/// What is shown of an event when it is chosen.
#[derive(Default)]
struct Args<'a> {
    name: Option<String>,
    ended: Option<&'static str>,
    ret: Option<i64>,
    errno: Option<&'a str>,
    arguments: Vec<Argument>,
}

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let Args { name, ended, ret, errno, arguments } = self;
        name.as_ref().map_or(Ok(()), |name| map.serialize_entry("name", name))?;
        ended.map_or(Ok(()), |ended| map.serialize_entry("ended", ended))?;
        ret.map_or(Ok(()), |ret| map.serialize_entry("ret", &ret))?;
        errno.map_or(Ok(()), |errno| map.serialize_entry("errno", errno))?;
        for argument in arguments {
            // As text: JSON readers cut numbers beyond 2^53.
            map.serialize_entry(argument.name, &argument.meaning.to_string())?;
        }
        map.end()
    }
}

impl Chrome {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self {
            out,
            start_ns: 0,
            start_unix_ns: 0,
            host: String::new(),
            written: false,
            named: FxHashMap::default(),
            threads: FxHashSet::default(),
            open: Vec::new(),
        }
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.out.write_all(if std::mem::replace(&mut self.written, true) {
            b",\n"
        } else {
            b"{\"traceEvents\":[\n"
        })?;
        serde_json::to_writer(&mut self.out, event)?;
        Ok(())
    }

    fn since_start(&self, ns: u64) -> Micros {
        Micros(ns.saturating_sub(self.start_ns))
    }

    /// Names a process and its thread when they first show up, or have another name now.
    fn name(&mut self, process: ProcessId, tid: u32, comm: Comm) -> io::Result<()> {
        let pid = process.pid;
        if self.named.get(&pid) != Some(&(process, comm)) {
            self.named.insert(pid, (process, comm));
            self.metadata("process_name", pid, pid, format!("{comm}"))?;
        }
        if self.threads.insert((pid, tid)) {
            self.metadata("thread_name", pid, tid, format!("{comm} {tid}"))?;
        }
        Ok(())
    }

    fn metadata(&mut self, what: &'static str, pid: u32, tid: u32, name: String) -> io::Result<()> {
        let args = Args { name: Some(name), ..Args::default() };
        self.event(&Event { ph: "M", name: what, pid, tid, cat: None, ts: None, dur: None, s: None, args })
    }

    /// Calls that never returned have a beginning and no end.
    fn end_recording(&mut self) -> io::Result<()> {
        for open in std::mem::take(&mut self.open) {
            let name = syscalls::name(open.call);
            let ts = Some(self.since_start(open.enter_ns));
            let args = Args { ended: Some("in flight"), ..Args::default() };
            let (pid, tid) = (open.process.pid, open.tid);
            self.event(&Event {
                ph: "B",
                name: &name,
                pid,
                tid,
                cat: Some("syscall"),
                ts,
                dur: None,
                s: None,
                args,
            })?;
        }
        Ok(())
    }
}

impl Sink for Chrome {
    fn begin(&mut self, meta: &Meta, _: Kind) -> io::Result<()> {
        self.end_recording()?;
        if self.start_unix_ns == 0 {
            self.start_unix_ns = meta.start_unix_ns;
            self.host = safe_text(meta.host.as_bytes());
        }
        // One axis for all of them: it begins where the first one does.
        let later_ns = i128::from(meta.start_unix_ns) - i128::from(self.start_unix_ns);
        self.start_ns = u64::try_from((i128::from(meta.start_ns) - later_ns).max(0)).unwrap_or(u64::MAX);
        Ok(())
    }

    fn call(&mut self, call: &Call<'_>) -> io::Result<()> {
        let event = call.event;
        self.name(call.process, event.tid, call.comm)?;
        let name = syscalls::name(event.call);
        let errno = errno_of(event).map(errno::name);
        let args = Args {
            name: None,
            ended: Some(ended(event)),
            ret: ret_of(event),
            errno: errno.as_deref(),
            arguments: event
                .args
                .map_or_else(Vec::new, |args| arguments::decode(event.call, &args, call.operands)),
        };
        let (ts, dur) = (Some(self.since_start(call.enter_ns)), Some(Micros(latency_ns(event).unwrap_or(0))));
        let (pid, tid) = (call.process.pid, event.tid);
        self.event(&Event { ph: "X", name: &name, pid, tid, cat: Some("syscall"), ts, dur, s: None, args })
    }

    fn rest(&mut self, rest: &Rest<'_>) -> io::Result<()> {
        for open in &rest.interval.in_flight {
            self.name(open.process, open.tid, rest.names.name(open.process))?;
        }
        self.open.clone_from(&rest.interval.in_flight);
        Ok(())
    }

    fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        let name = safe_text(mark.text.as_bytes());
        let ts = Some(self.since_start(mark.time_ns));
        let args = Args::default();
        self.event(&Event {
            ph: "i",
            name: &name,
            pid: 0,
            tid: 0,
            cat: Some("mark"),
            ts,
            dur: None,
            s: Some("g"),
            args,
        })
    }

    fn finish(&mut self) -> io::Result<()> {
        self.end_recording()?;
        if !self.written {
            self.out.write_all(b"{\"traceEvents\":[")?;
        }
        let other = serde_json::json!({ "host": self.host, "start_unix_ns": self.start_unix_ns.to_string() });
        write!(self.out, "\n],\"displayTimeUnit\":\"ns\",\"otherData\":{other}}}\n")?;
        self.out.flush()
    }
}
