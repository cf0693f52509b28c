//! `tracer export` on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::recorded::WantedOptions;
use crate::span::Moment;

pub(super) const EXAMPLES: &str = "\
Examples:
  tracer export x.arrows --to parquet -o x.parquet
  tracer export x.arrows --to csv | head
  tracer export x.arrows --to chrome -o x.json     open it in https://ui.perfetto.dev
  tracer export x.arrows --to folded | flamegraph.pl > x.svg
  tracer export x.arrows --to strace -p 1841 --from -10s";

/// What recordings can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Apache Parquet: one row for each (interval, process, syscall), or for each call
    Parquet,
    /// Comma-separated values with a header, the same rows
    Csv,
    /// JSON Lines as `--json` writes them live; each call where calls were recorded
    Jsonl,
    /// What `strace -f -ttt -T` prints; needs a recording with --events
    Strace,
    /// Trace Event JSON for Perfetto and Chrome's own viewer; needs a recording with --events
    Chrome,
    /// Folded stacks for flame graphs: `comm;syscall value`
    Folded,
}

/// What the values of folded stacks are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Weight {
    /// Time in calls, in ns
    #[default]
    Time,
    /// Calls, with the errno of those that failed as a frame of its own
    Calls,
}

/// Options of `tracer export`, as given.
#[derive(Debug, Args)]
pub struct ExportOptions {
    /// Recordings, one after the other; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// What to write
    #[arg(long = "to", value_name = "FORMAT", value_enum, help_heading = "Output")]
    pub format: Format,

    /// Write to FILE; `-` is standard output [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Replace the output if it is there already
    #[arg(long, help_heading = "Output")]
    pub force: bool,

    /// Values of folded stacks
    #[arg(long, value_name = "WHAT", value_enum, default_value = "time", help_heading = "Output")]
    pub weight: Weight,

    /// Only from this moment on: 14:02:11, 2026-11-22T14:02:11Z, +30s, -1m or a mark
    ///
    /// As in `tracer report`, where the end of the part is called --to.
    #[arg(long, value_name = "MOMENT", value_parser = Moment::parse, allow_hyphen_values = true, help_heading = "Part")]
    pub from: Option<Moment>,

    /// Only up to this moment, in the same words
    #[arg(long, value_name = "MOMENT", value_parser = Moment::parse, allow_hyphen_values = true, help_heading = "Part")]
    pub until: Option<Moment>,

    /// Short for --from MARK --until MARK
    #[arg(
        long,
        num_args = 2,
        value_names = ["MARK", "MARK"],
        value_parser = Moment::parse,
        allow_hyphen_values = true,
        conflicts_with_all = ["from", "until"],
        help_heading = "Part"
    )]
    pub between: Vec<Moment>,

    /// Which calls.
    #[command(flatten)]
    pub wanted: WantedOptions,
}
