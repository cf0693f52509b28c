//! One file for each verb: the only code that knows both the edges and the core.

mod outlet;
mod target;
mod top;

use anyhow::Result;

use crate::cli::Verb;
use crate::config::Settings;

/// Does what the command line says; the result is the exit status.
pub fn run(verb: Verb) -> Result<u8> {
    match verb {
        Verb::Top(options) => top::run(Settings::try_from(options)?),
    }
}
