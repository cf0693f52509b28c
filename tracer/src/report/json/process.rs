//! What JSON Lines say of who a process is, of its threads, and of single calls.

use std::borrow::Cow;

use serde::Serialize;

use super::name::{Name, hex_of_no_text};
use super::{Arguments, Scope};
use crate::interval::{CallKey, SlowCall, ThreadFigures};
use crate::process::{Comm, ProcessId};
use crate::snapshot::ProcessRow;
use crate::who::Who;

/// A process whose identity is known.
#[derive(Serialize)]
pub(super) struct ProcessLine<'a> {
    scope: Scope,
    end_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    pid: u32,
    process_start_ns: u64,
    #[serde(flatten)]
    name: Name,
    ppid: u32,
    /// Its PID in the innermost PID namespace that it is in, where that is not the tracer's.
    ns_pid: Option<u32>,
    cmdline: Cow<'a, str>,
    /// Its exact bytes where it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    cmdline_hex: Option<String>,
    cgroup: &'a str,
    unit: Option<&'a str>,
    container: Option<&'a str>,
    runtime: Option<&'static str>,
    pod: Option<String>,
    /// What people call the container and its pod, as far as files of the host told.
    #[serde(skip_serializing_if = "Option::is_none")]
    container_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_namespace: Option<&'a str>,
}

impl<'a> ProcessLine<'a> {
    pub(super) fn new((scope, end_ns): (Scope, u64), id: ProcessId, comm: Comm, who: &'a Who) -> Self {
        let container = who.container();
        let names = container.as_ref().map(|container| container.names).unwrap_or_default();
        Self {
            scope,
            end_ns,
            host: None,
            pid: id.pid,
            process_start_ns: id.start_ns,
            name: Name::new(comm),
            ppid: who.ppid,
            ns_pid: (who.ns_pid > 0).then_some(who.ns_pid),
            cmdline: String::from_utf8_lossy(&who.cmdline),
            cmdline_hex: hex_of_no_text(&who.cmdline),
            cgroup: &who.cgroup,
            unit: who.unit(),
            container: container.as_ref().map(|container| container.id),
            runtime: container.as_ref().and_then(|container| container.runtime),
            pod: container.and_then(|container| container.pod),
            container_name: names.container,
            pod_name: names.pod,
            pod_namespace: names.namespace,
        }
    }

    /// The same where figures of several hosts were put together.
    pub(super) fn on(self, host: Option<&'a str>) -> Self {
        Self { host, ..self }
    }
}

/// One of the slowest calls.
#[derive(Serialize)]
pub(super) struct SlowLine<'a> {
    tid: u32,
    enter_ns: u64,
    latency_ns: u64,
    ret: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<&'a [u64; 6]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Arguments>,
}

impl<'a> SlowLine<'a> {
    pub(super) fn new(call: CallKey, slow: &'a SlowCall) -> Self {
        let arguments = |args| Arguments::of(call, args, slow.operands.as_deref());
        Self {
            tid: slow.tid,
            enter_ns: slow.enter_ns,
            latency_ns: slow.latency_ns,
            ret: slow.ret,
            args: slow.args.as_deref(),
            arguments: slow.args.as_deref().map(arguments),
        }
    }
}

/// A thread that made a call.
#[derive(Serialize)]
pub(super) struct ThreadLine {
    tid: u32,
    /// Where its name is known and not that of its process.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    name: Option<Name>,
    calls: u64,
    errors: u64,
    total_ns: u64,
    max_ns: u64,
}

impl ThreadLine {
    pub(super) fn new(thread: &ThreadFigures, process: &ProcessRow) -> Self {
        Self {
            tid: thread.tid,
            name: process.threads.get(&thread.tid).copied().map(Name::new),
            calls: thread.calls,
            errors: thread.errors,
            total_ns: thread.total_ns,
            max_ns: thread.max_ns,
        }
    }
}
