//! The column of who a process is: its command line, its group, the names of its threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::batch::{Column, Damage, Structures};
use super::columns::{Ends, Flags, Numbers, Text};
use super::encode::Body;
use super::reader::{comm, nonsense};
use super::rows::{RowShape, push_as_text};
use super::schema::{process, row, thread};
use crate::process::{Comm, ProcessInfo, ThreadNames};
use crate::who::{MAX_CGROUP_BYTES, MAX_CMDLINE_BYTES, MAX_NAMES_BYTES, Who};

/// What a row says of its process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said<'a> {
    /// All that is known.
    Info(&'a ProcessInfo),
    /// Its name, which is no UTF-8, and since when.
    Name(Comm, i64),
}

/// The column, while it is being gathered.
#[derive(Debug, Default)]
pub(super) struct Processes {
    ends: Ends,
    since: Numbers<i64>,
    exited: Flags,
    comm_bytes: Text,
    ppid: Numbers<u32>,
    ns_pid: Numbers<u32>,
    cmdline: Text,
    cmdline_bytes: Text,
    cgroup: Text,
    threads: Ends,
    thread_tids: Numbers<u32>,
    thread_comms: Text,
    container: Text,
    ring: Flags,
}

impl Processes {
    /// Bytes held by lists of threads.
    pub(super) fn list_bytes(&self) -> usize {
        20 * self.thread_tids.items()
    }

    /// The next row.
    pub(super) fn push(&mut self, said: Option<Said<'_>>, shape: RowShape) {
        if let Some(said) = said {
            let (since, exited, name, info) = match said {
                Said::Info(info) => (shape.moment(info.as_of_ns), info.exited, info.comm, Some(info)),
                Said::Name(name, since) => (since, false, name, None),
            };
            self.since.push(since);
            self.exited.push(Some(exited));
            match str::from_utf8(name.as_bytes()) {
                Ok(_) => self.comm_bytes.push_null(),
                Err(_) => self.comm_bytes.push(name.as_bytes()),
            }
            let who = info.and_then(|info| info.who.as_deref());
            self.ppid.push_option(who.map(|who| who.ppid));
            self.ns_pid.push_option(who.map(|who| who.ns_pid).filter(|&pid| pid > 0));
            push_as_text(&mut self.cmdline, &mut self.cmdline_bytes, who.map(|who| &*who.cmdline));
            match who {
                Some(who) => self.cgroup.push(&*who.cgroup),
                None => self.cgroup.push_null(),
            }
            match who.map(|who| &*who.names).filter(|names| !names.is_empty()) {
                Some(names) => self.container.push(names),
                None => self.container.push_null(),
            }
            self.ring.push(info.is_some_and(|info| info.owns_ring).then_some(true));
            for (&tid, comm) in info.into_iter().flat_map(|info| info.threads.iter()) {
                self.thread_tids.push(tid);
                self.thread_comms.push(comm.as_bytes());
            }
            self.threads.push(self.thread_tids.items());
        }
        self.ends.push(self.since.items());
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.since.clear();
        self.exited.clear();
        self.ppid.clear();
        self.ns_pid.clear();
        let texts = [&mut self.comm_bytes, &mut self.cmdline, &mut self.cmdline_bytes];
        texts.into_iter().chain([&mut self.cgroup, &mut self.container]).for_each(Text::clear);
        self.threads.clear();
        self.thread_tids.clear();
        self.thread_comms.clear();
        self.ring.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.ends.encode_structures(body);
        self.since.encode(body);
        self.exited.encode(body);
        self.comm_bytes.encode(body);
        self.ppid.encode(body);
        self.ns_pid.encode(body);
        self.cmdline.encode(body);
        self.cmdline_bytes.encode(body);
        self.cgroup.encode(body);
        self.threads.encode_structures(body);
        self.thread_tids.encode(body);
        self.thread_comms.encode(body);
        self.container.encode(body);
        self.ring.encode(body);
    }
}

/// What is said of a process: columns, and the place in them.
#[derive(Clone, Copy)]
struct Place<'a> {
    parts: &'a [Column],
    at: usize,
}

impl<'a> Place<'a> {
    /// In row `at`, if anything is.
    fn of(columns: &'a [Column], at: usize) -> Result<Option<Self>, Damage> {
        let list = columns.get(row::PROCESS).ok_or_else(nonsense)?.structures(at);
        if list.len() > 1 {
            return Err(nonsense());
        }
        Ok(list.first().map(|(parts, at)| Self { parts, at }))
    }

    fn part(self, part: usize) -> Result<&'a Column, Damage> {
        self.parts.get(part).ok_or_else(nonsense)
    }
}

/// The bytes of the name in row `at`, where they are no UTF-8.
pub(super) fn comm_bytes(columns: &[Column], at: usize) -> Result<Option<&[u8]>, Damage> {
    let Some(place) = Place::of(columns, at)? else { return Ok(None) };
    Ok(place.part(process::COMM_BYTES)?.bytes(place.at))
}

/// The process in row `at`; `monotonic` tells how times were written.
pub(super) fn take(
    columns: &[Column],
    at: usize,
    monotonic: impl Fn(i64) -> u64,
) -> Result<ProcessInfo, Damage> {
    let place = Place::of(columns, at)?.ok_or_else(nonsense)?;
    let since = place.part(process::SINCE)?.number(place.at).ok_or_else(nonsense)?;
    Ok(ProcessInfo {
        comm: comm(columns, at)?,
        exited: place.part(process::EXITED)?.flag(place.at).ok_or_else(nonsense)?,
        as_of_ns: monotonic(since),
        who: who(place)?,
        threads: thread_names(place.part(process::THREADS)?.structures(place.at))?,
        // It came later than the others.
        owns_ring: place.parts.get(process::RING).and_then(|ring| ring.flag(place.at)).unwrap_or(false),
        ..ProcessInfo::default()
    })
}

fn who(place: Place<'_>) -> Result<Option<Arc<Who>>, Damage> {
    let Some(ppid) = place.part(process::PPID)?.number(place.at) else { return Ok(None) };
    let cmdline = match place.part(process::CMDLINE_BYTES)?.bytes(place.at) {
        Some(bytes) => bytes,
        None => place.part(process::CMDLINE)?.text(place.at).ok_or_else(nonsense)?.as_bytes(),
    };
    let cgroup = place.part(process::CGROUP)?.text(place.at).ok_or_else(nonsense)?;
    // It came later than the others.
    let names =
        place.parts.get(process::CONTAINER).and_then(|names| names.text(place.at)).unwrap_or_default();
    if cmdline.len() > MAX_CMDLINE_BYTES || cgroup.len() > MAX_CGROUP_BYTES || names.len() > MAX_NAMES_BYTES {
        return Err(nonsense());
    }
    let ns_pid = place.part(process::NS_PID)?.number(place.at).unwrap_or(0);
    Ok(Some(Arc::new(Who {
        ppid,
        ns_pid,
        cmdline: cmdline.into(),
        cgroup: cgroup.into(),
        names: names.into(),
    })))
}

fn thread_names(list: Structures<'_>) -> Result<ThreadNames, Damage> {
    let tids: &[u32] = list.numbers(thread::TID).ok_or_else(nonsense)?;
    if tids.is_empty() {
        return Ok(ThreadNames::default());
    }
    let (comms, start) = list.part(thread::COMM).ok_or_else(nonsense)?;
    if tids.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(nonsense());
    }
    let mut names = BTreeMap::new();
    for (index, &tid) in tids.iter().enumerate() {
        let name = comms.bytes(start + index).filter(|name| name.len() <= 16).ok_or_else(nonsense)?;
        let mut padded = [0; 16];
        padded[..name.len()].copy_from_slice(name);
        names.insert(tid, Comm::from_kernel(padded));
    }
    Ok(Arc::new(names))
}
