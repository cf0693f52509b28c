//! One file for each verb: the only code that knows both the edges and the core.

mod outlet;
mod target;
mod top;

use anyhow::Result;

use crate::bpf::loader::LoadError;
use crate::cli::{Verb, exit_status};
use crate::config::{Settings, SettingsError};
use crate::launch::LaunchError;

/// Does what the command line says; the result is the exit status.
pub fn run(verb: Verb) -> Result<u8> {
    match verb {
        Verb::Top(options) => top::run(Settings::try_from(options)?),
    }
}

/// What is printed when a run has failed.
pub fn error_text(error: &anyhow::Error) -> String {
    if let Some(failure) = error.downcast_ref::<LoadError>() {
        return format!("error: {failure}");
    }
    format!("{error:#}")
}

/// The exit status that belongs to it; `None` for a plain run-time error.
pub fn error_status(error: &anyhow::Error) -> Option<u8> {
    if error.is::<LoadError>() {
        return Some(exit_status::CANNOT_LOAD);
    }
    if error.is::<SettingsError>() {
        return Some(exit_status::USAGE);
    }
    error.downcast_ref::<LaunchError>().map(LaunchError::exit_code)
}
