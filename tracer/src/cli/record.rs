//! `tracer record` and `tracer mark` on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::target::{KernelOptions, TargetOptions};
use crate::config::values;

pub(super) const RECORD_USAGE: &str = "tracer record [OPTIONS] [-- CMD [ARGS]...]";

pub(super) const RECORD_EXAMPLES: &str = "\
Examples:
  tracer record -p 1841                       until interrupted, to a file with a name of its own
  tracer record -d 5m -o slow.arrows          five minutes of the whole host
  tracer record --events -p 1841 -o all.arrows    every call, with its arguments
  tracer record --ring 10m -o last.arrows     always the last ten minutes, in segments
  tracer record -o build.arrows -- make       a command, from its first instruction on
  ssh db-7 sudo tracer record -o - -p 1841 | tracer replay -    watch from another host
  tracer mark slow.arrows 'deployed'          while it records";

/// Options of `tracer record`, as given.
#[derive(Debug, Args)]
pub struct RecordOptions {
    /// What is traced.
    #[command(flatten)]
    pub target: TargetOptions,

    /// Write to FILE; `-` is standard output [default: a name made of target, host and time]
    ///
    /// A file is new, readable by its owner only, and belongs to whoever called sudo. A FIFO that is there
    /// already is written to once somebody reads it.
    #[arg(short, long, value_name = "FILE", help_heading = "Recording")]
    pub output: Option<PathBuf>,

    /// Record every single call, with its arguments, beside the figures
    ///
    /// About 14 bytes a call. Without it a recording holds figures by process and syscall for each interval,
    /// and its size does not depend on the number of calls.
    #[arg(long, help_heading = "Recording")]
    pub events: bool,

    /// Stop when the file has this size: `500M`, `2G` [default: 1G with --events, else no limit]
    #[arg(long, value_name = "SIZE", value_parser = values::parse_size, help_heading = "Recording")]
    pub max_size: Option<u64>,

    /// Keep only the last part, this long: FILE.0001, FILE.0002, … are complete recordings each
    ///
    /// The oldest are deleted, also when all together would be larger than --max-size.
    #[arg(long, value_name = "DURATION", value_parser = values::parse_ring, help_heading = "Recording")]
    pub ring: Option<Duration>,

    /// Replace FILE if it exists
    #[arg(long, help_heading = "Recording")]
    pub force: bool,

    /// Say more when something fails: the verifier's log
    #[arg(short, long, action = ArgAction::SetTrue, help_heading = "Recording")]
    pub verbose: bool,

    /// By which means.
    #[command(flatten)]
    pub kernel: KernelOptions,
}

/// Options of `tracer mark`, as given.
#[derive(Debug, Args)]
pub struct MarkOptions {
    /// The file that is being recorded; with --ring, the name that was given there
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// What to find again later
    #[arg(value_name = "TEXT", value_parser = values::parse_mark)]
    pub text: String,
}
