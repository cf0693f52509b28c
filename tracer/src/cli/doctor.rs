//! `tracer doctor` on the command line.

use clap::Args;

/// Options of `tracer doctor`, as given.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// Write one JSON object
    #[arg(long)]
    pub json: bool,
}
