//! Who made a call: process identity and name. Names come from strangers and are shown escaped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::human;
use crate::who::Who;

/// A process for as long as it lives. The start time tells apart two processes that had the same PID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// Thread group id as the tracer's own PID namespace shows it; 0 for rows that stand for many.
    pub pid: u32,
    /// Start on `CLOCK_BOOTTIME` in ns; 0 when not known.
    pub start_ns: u64,
}

/// A process or thread name as the kernel has it: up to 15 bytes, any bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Comm([u8; 16]);

impl Comm {
    /// From a NUL-padded kernel buffer; bytes after the first NUL are dropped.
    pub fn from_kernel(raw: [u8; 16]) -> Self {
        let len = raw.iter().position(|&byte| byte == 0).unwrap_or(raw.len());
        let mut bytes = [0; 16];
        bytes[..len].copy_from_slice(&raw[..len]);
        Self(bytes)
    }

    /// From text, cut to the 15 bytes the kernel keeps.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        let mut bytes = [0; 16];
        let name = name.as_ref();
        let len = name.len().min(15);
        bytes[..len].copy_from_slice(&name[..len]);
        Self::from_kernel(bytes)
    }

    /// The bytes without padding.
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        &self.0[..len]
    }

    /// The kernel's form: NUL-padded.
    pub fn to_kernel(self) -> [u8; 16] {
        self.0
    }

    /// Whether no name is known.
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.pad("?");
        }
        f.pad(&human::safe_text(self.as_bytes()))
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Comm({self})")
    }
}

/// Names of threads by tid, as the tracer's PID namespace shows it.
pub type ThreadNames = Arc<BTreeMap<u32, Comm>>;

/// The descriptors of a process when they were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptors {
    /// How many it had open.
    pub open: u64,
    /// How many it may have: the soft limit `RLIMIT_NOFILE`; `u64::MAX` for any number.
    pub limit: u64,
}

impl fmt::Display for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&human::count(self.open))?;
        if self.limit < u64::MAX { write!(f, " of {}", human::count(self.limit)) } else { Ok(()) }
    }
}

/// What is known of a process beside its calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Its name now, or when it ended.
    pub comm: Comm,
    /// Whether its leader has ended.
    pub exited: bool,
    /// `CLOCK_MONOTONIC` when this was known; of two reports the later one holds.
    pub as_of_ns: u64,
    /// Who it is beyond its name; `None` while that is not known.
    pub who: Option<Arc<Who>>,
    /// Names of its threads other than the leader, as far as they were seen.
    pub threads: ThreadNames,
    /// Its descriptors when they were counted last, in a live run; recordings do not hold them.
    pub descriptors: Option<Descriptors>,
    /// Whether it had an `io_uring` when we attached, as far as was found.
    pub owns_ring: bool,
}

impl ProcessInfo {
    /// Takes over `other` where it is the later report. Whoever had a ring is not without one again: what it did with it
    /// was not seen.
    pub fn merge(&mut self, other: &Self) {
        let owns_ring = self.owns_ring || other.owns_ring;
        if other.as_of_ns >= self.as_of_ns {
            self.clone_from(other);
        }
        self.owns_ring = owns_ring;
    }

    /// Memory behind it, about, shared or not.
    pub(crate) fn heap_bytes(&self) -> usize {
        let who = self.who.as_ref().map_or(0, |who| size_of::<Who>() + who.heap_bytes());
        who + self.threads.len() * 2 * size_of::<(u32, Comm)>()
    }
}
