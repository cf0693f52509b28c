//! `tracer completions` and `tracer man` on the command line.

use clap::Args;
use clap_complete::Shell;

/// Options of `tracer completions`, as given.
#[derive(Debug, Args)]
pub struct CompletionsOptions {
    /// The shell that completes
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// Options of `tracer man`, as given.
#[derive(Debug, Args)]
pub struct ManOptions {
    /// The page of this verb instead of the one about all
    #[arg(value_name = "VERB")]
    pub verb: Option<String>,
}
