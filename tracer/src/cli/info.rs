//! `tracer info` on the command line.

use std::path::PathBuf;

use clap::Args;

/// Options of `tracer info`, as given.
#[derive(Debug, Args)]
pub struct InfoOptions {
    /// Recordings; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Write JSON Lines: one object for each recording
    #[arg(long)]
    pub json: bool,
}
