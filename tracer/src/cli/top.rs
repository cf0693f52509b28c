//! `tracer top` on the command line.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::screen::ScreenOptions;
use super::target::{KernelOptions, TargetOptions};
use crate::config::TopBy;

/// Options of `tracer top`, as given.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct TopOptions {
    /// What is traced.
    #[command(flatten)]
    pub target: TargetOptions,

    /// What makes one row: of tables (by file and by peer of everything since the start), of totals with --json,
    /// and on the screen at first
    #[arg(long, value_name = "WHAT", value_enum, default_value = "process", help_heading = "Output")]
    pub by: TopBy,

    /// Write JSON Lines: one object per line, `type` first, times in ns
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Write tables or JSON to FILE; `-` is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Record to FILE what is shown, too; `tracer replay FILE` shows it again
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub record: Option<PathBuf>,

    /// With --record: record every single call, with its arguments, up to 1 GiB
    #[arg(long, requires = "record", help_heading = "Output")]
    pub events: bool,

    /// Hold each syscall against an earlier recording: rate, median and 99th percentile as factors of those
    /// there, matched by name of the process and syscall
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub baseline: Option<PathBuf>,

    /// Print tables as text even on a terminal
    #[arg(long, help_heading = "Output")]
    pub plain: bool,

    /// Say more when something fails: the verifier's log
    #[arg(short, long, action = ArgAction::SetTrue, help_heading = "Output")]
    pub verbose: bool,

    /// How the screen looks.
    #[command(flatten)]
    pub screen: ScreenOptions,

    /// By which means.
    #[command(flatten)]
    pub kernel: KernelOptions,
}
