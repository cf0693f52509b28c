//! What stands out, by rule and with its evidence: plain data for whoever shows it.
//!
//! Each rule is a pure function of one step of time and of what was usual before it. [`Watch`] feeds the rules,
//! lets a finding appear only once it held, and takes it back when it holds no longer. docs/findings.md has
//! a section for each rule with its thresholds; a test keeps the two in step.

mod before;
mod errnos;
mod failed_on;
mod nature;
mod rank;
mod resources;
mod sizes;
mod slow;
mod standing;
mod standstill;
mod step;
mod storms;
mod stuck;
#[cfg(test)]
mod tests;
mod watch;
mod words;

use crate::interval::{CallKey, Cell, CellKey, Example};
use crate::process::{Comm, Descriptors, ProcessId, ProcessInfo};

pub use nature::{asks_again, is_expected, is_prompt};
pub use watch::Watch;

/// Findings that are shown at most. More would be a table, and there are tables below them.
pub const MOST_SHOWN: usize = 3;

const SECOND: u64 = 1_000_000_000;

/// What was looked for. The order is the order of the strip: what is certain and stops a program comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Calls fail because no descriptor is left.
    DescriptorExhaustion,
    /// Calls fail because no space is left.
    DiskFull,
    /// A call does not return.
    StuckCall,
    /// All threads of a process that was at work wait for each other.
    Standstill,
    /// A program spends its time making data durable.
    SyncInHotPath,
    /// A call takes a program's time, most of it in few calls.
    SlowCall,
    /// Calls fail in a way in which they did not before.
    NewErrno,
    /// The same call fails over and over.
    RetryStorm,
    /// Files that do not exist are looked for all the time.
    SearchStorm,
    /// Reads or writes move next to nothing, by the thousand.
    TinyIo,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Self; 10] = [
        Self::DescriptorExhaustion,
        Self::DiskFull,
        Self::StuckCall,
        Self::Standstill,
        Self::SyncInHotPath,
        Self::SlowCall,
        Self::NewErrno,
        Self::RetryStorm,
        Self::SearchStorm,
        Self::TinyIo,
    ];

    /// Its name in JSON and its section in docs/findings.md.
    pub const fn id(self) -> &'static str {
        match self {
            Self::DescriptorExhaustion => "descriptor-exhaustion",
            Self::DiskFull => "disk-full",
            Self::StuckCall => "stuck-call",
            Self::Standstill => "standstill",
            Self::SyncInHotPath => "sync-in-hot-path",
            Self::SlowCall => "slow-call",
            Self::NewErrno => "new-errno",
            Self::RetryStorm => "retry-storm",
            Self::SearchStorm => "search-storm",
            Self::TinyIo => "tiny-io",
        }
    }
}

/// One thing that stands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Why it stands out.
    pub rule: Rule,
    /// Of which process it holds: where there are more, of the one where it weighs most.
    pub process: ProcessId,
    /// That process's name.
    pub comm: Comm,
    /// Processes of the same name of which it holds too.
    pub more: u64,
    /// The syscall.
    pub call: CallKey,
    /// `CLOCK_MONOTONIC` when it began, as far as was seen.
    pub since_ns: u64,
    /// Whether it held when watching began, so that it may have begun earlier.
    pub from_start: bool,
    /// `CLOCK_MONOTONIC` when it last held; `None` while it does.
    pub until_ns: Option<u64>,
    /// The figures it rests on.
    pub evidence: Evidence,
    /// How many descriptors the process has and may have, where that is what it is about and they were counted.
    pub descriptors: Option<Descriptors>,
    /// Of calls that failed, what they failed on most often: a path or an address; of lookups that are spread over many
    /// paths the directory of most of them, with a slash at its end. `None` where nothing is known.
    pub on: Option<Example>,
}

/// The figures that a finding rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Calls that failed.
    Errors {
        /// How.
        errno: u16,
        /// How many.
        count: u64,
        /// Of so many calls.
        of: u64,
        /// Counted over this long, in ns.
        over_ns: u64,
    },
    /// Calls that are open.
    Open {
        /// Threads that are in it for long.
        threads: u64,
        /// Age of the oldest, in ns.
        age_ns: u64,
        /// 99 in 100 calls like it took less, in ns; `None` where there were too few to say.
        p99_ns: Option<u64>,
    },
    /// Time spent.
    Time {
        /// Calls that ended.
        calls: u64,
        /// Time in them and in open ones, threads added up, in ns.
        busy_ns: u64,
        /// Counted over this long, in ns.
        over_ns: u64,
        /// Half of the calls took less, in ns.
        p50_ns: u64,
        /// 99 in 100 took less, in ns.
        p99_ns: u64,
    },
    /// What was moved.
    Sizes {
        /// Calls that moved something.
        calls: u64,
        /// How many of them moved fewer than 64 bytes.
        small: u64,
        /// What they moved together.
        bytes: u64,
        /// Counted over this long, in ns.
        over_ns: u64,
    },
}

/// What stands out, the most important first; at most [`MOST_SHOWN`] each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// At this moment.
    pub now: Vec<Finding>,
    /// In the whole run, what is over by now included.
    pub run: Vec<Finding>,
}

/// What rules may ask about the past: whoever aggregates knows it already.
pub trait Known {
    /// Everything since the start of one syscall of one process.
    fn cell(&self, key: CellKey) -> Option<&Cell>;
    /// Name and state of a process.
    fn process(&self, id: ProcessId) -> Option<&ProcessInfo>;
}

/// What a rule saw in one step.
#[derive(Clone, Debug)]
struct Hit {
    finding: Finding,
    /// Whether once is enough: nothing needs to hold for a while to be certain.
    is_certain: bool,
}
