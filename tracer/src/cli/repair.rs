//! `tracer repair` on the command line.

use std::path::PathBuf;

use clap::Args;

/// Options of `tracer repair`, as given.
#[derive(Debug, Args)]
pub struct RepairOptions {
    /// The recording; it is only read
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Where the good part goes [default: FILE with .repaired before its ending]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace the output if it is there already
    #[arg(long)]
    pub force: bool,
}
