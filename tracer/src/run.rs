//! What a screen or report says about the run itself, beside its figures. Plain data, filled in by the
//! commands.

use serde::{Deserialize, Serialize};

use crate::ledger::LedgerCounts;

/// The run as its header shows it. Text is raw: the views escape it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunInfo {
    /// What is traced: `redis-server 1120`, `whole host`, a file's name in a replay.
    pub target: String,
    /// Name of the host the figures come from.
    pub host: String,
    /// Filters that the kernel applies, as the user gave them: calls they exclude are in no figure.
    pub filter: Option<String>,
    /// Whether calls have their arguments.
    pub args: bool,
    /// Which part of a recording the figures are of, in words; `None` for all of it, and live.
    pub part: Option<String>,
    /// Program family: `raw` or `classic`.
    pub family: String,
    /// Why it is that one; empty where that is not known.
    pub family_why: String,
    /// Kernel, machine and version of the tool in words, `kernel 6.12.30, x86_64, 8 CPUs, tracer 0.1.0`.
    pub machine: String,
    /// Fill of the fullest ring, 0 to 1.
    pub ring_fill: f64,
    /// The highest fill of any ring since the start, 0 to 1.
    pub ring_peak: f64,
    /// CPU time of the tracer itself over the last interval, in percent of one CPU.
    pub own_cpu_percent: f64,
    /// Resident memory of the tracer itself; `None` where that is not known.
    pub own_rss_bytes: Option<u64>,
    /// CPU time to take one record out of a ring and fold it, over the last interval, in ns; `None` without any.
    pub drain_ns_per_record: Option<f64>,
    /// Time our programs add to one call, in ns; `None` where the kernel does not measure it.
    pub ns_per_call: Option<f64>,
    /// Where the figures come from.
    pub origin: Origin,
    /// The recording that is being written; `None` while none is.
    pub recording: Option<Recording>,
    /// The ledger at the newest moment, where the figures shown may be of an older one: trouble is told even to
    /// who looks back. `None` where they never are.
    pub ledger_now: Option<LedgerCounts>,
    /// Why the run ended; `None` while it goes on.
    pub ended: Option<String>,
    /// Limits of this run that change how its figures are to be read, one sentence each.
    pub notices: Vec<String>,
}

/// What a run was, for whoever reads its figures later: the first line of JSON Lines and the metadata of a
/// recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Version of the tool.
    pub version: String,
    /// Host name.
    pub host: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture.
    pub arch: String,
    /// The kernel's id of the boot: `start_ns` of two files can be compared only where it is the same.
    pub boot_id: String,
    /// CPUs that were online.
    pub cpus: u32,
    /// Program family in use.
    pub family: String,
    /// SHA-256 of the programs' object file.
    pub object: String,
    /// What is traced, in words.
    pub target: String,
    /// Which calls count, in words; empty for all.
    pub filter: String,
    /// The command line of the tool.
    pub command: Vec<String>,
    /// Whether the six arguments of each call were taken.
    pub args: bool,
    /// Whether the user stacks of slow calls were taken.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stacks: bool,
    /// Intended length of an interval.
    pub interval_ns: u64,
    /// Start on `CLOCK_MONOTONIC`, the clock of `start_ns` and `end_ns` in all other lines.
    pub start_ns: u64,
    /// The same moment in ns since 1970.
    pub start_unix_ns: u64,
    /// Whether the run was under way already: a recording begun later, or a later segment of one. Its ledger
    /// counts ends of calls of which it did not count the beginning.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_part: bool,
    /// What the reader must know about these figures.
    pub notices: Vec<String>,
}

impl Meta {
    /// Kernel, machine and version of the tool, in words.
    pub fn machine(&self) -> String {
        let mut words = vec![format!("kernel {}", self.kernel), self.arch.clone()];
        if self.cpus > 0 {
            words.push(crate::human::plural(u64::from(self.cpus), "CPU"));
        }
        words.push(format!("tracer {}", self.version));
        words.join(", ")
    }
}

/// Where figures come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The running kernel.
    #[default]
    Live,
    /// A recording.
    Replay,
}

/// A recording while it is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Its file, as the user would name it.
    pub file: String,
    /// Bytes written so far.
    pub bytes: u64,
}
