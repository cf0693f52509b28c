//! `tracer replay` and `tracer demo` on the command line.

use std::path::PathBuf;

use clap::Args;

use super::screen::ScreenOptions;

/// What `tracer replay --help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  tracer replay incident.arrows                   the whole recording, then back in time
  tracer replay ring.*.arrows                     the segments of one run
  ssh db-7 sudo tracer record -o - -p 42 | tracer replay -
                                                  another host, live";

/// Options of `tracer replay`, as given.
#[derive(Debug, Args)]
pub struct ReplayOptions {
    /// The recording, or the segments of one run; `-` is standard input
    ///
    /// It opens at its end, with the totals; Space plays it from the start. From a pipe it follows as data
    /// comes, keeps the last 15 minutes to go back to, and takes keys from the terminal.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// How the screen looks.
    #[command(flatten)]
    pub screen: ScreenOptions,
}

/// Options of `tracer demo`, as given.
#[derive(Debug, Args)]
pub struct DemoOptions {
    /// How the screen looks.
    #[command(flatten)]
    pub screen: ScreenOptions,
}
