//! `tracer report` on the command line.

use std::path::PathBuf;

use clap::Args;

use super::recorded::{PartOptions, WantedOptions};
use crate::group::By;

pub(super) const EXAMPLES: &str = "\
Examples:
  tracer report before.arrows                    the tables of the whole recording
  tracer report -e %file --top 10 before.arrows  the ten busiest, calls on files only
  tracer report --from 14:02 --to 14:05 x.arrows three minutes of it
  tracer report --between deployed healthy x.arrows
  tracer report --by host db-*.arrows            one table for several hosts
  tracer report --by errno x.arrows              what fails, and where
  tracer report --by file x.arrows               on which files, sockets and pipes time is spent
  tracer report --by peer x.arrows               whom sockets and pipes lead to
  ssh db-7 sudo tracer record -o - -d 30 | tracer report -";

/// Options of `tracer report`, as given.
#[derive(Debug, Args)]
pub struct ReportOptions {
    /// Recordings, merged; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// What makes one row
    #[arg(long, value_name = "WHAT", value_enum, default_value = "process", help_heading = "Output")]
    pub by: By,

    /// Rows in each table
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Output")]
    pub top: Option<u32>,

    /// Write JSON Lines: one object per line, `type` first, times in ns
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Print each interval before the totals, as it was printed live
    #[arg(long, help_heading = "Output")]
    pub intervals: bool,

    /// Which part.
    #[command(flatten)]
    pub part: PartOptions,

    /// Which calls.
    #[command(flatten)]
    pub wanted: WantedOptions,
}
