//! One file for each verb: the only code that knows both the edges and the core.

mod baseline;
mod compare;
mod demo;
mod doctor;
mod export;
mod info;
mod mark;
mod outlet;
mod record;
mod recording;
mod recordings;
mod repair;
mod replay;
mod report;
mod session;
pub mod settings_file;
mod shell;
mod target;
mod top;

use anyhow::Result;

use crate::bpf::loader::LoadError;
use crate::bpf::{facts, preflight};
use crate::cli::{Verb, exit_status};
use crate::compare::gate::GateError;
use crate::config::{RecordSettings, SettingsError, TopSettings};
use crate::launch::LaunchError;

/// Does what the command line says; the result is the exit status.
pub fn run(verb: Verb) -> Result<u8> {
    match verb {
        Verb::Top(options) => top::run(&TopSettings::try_from(options)?),
        Verb::Record(options) => record::run(&RecordSettings::try_from(options)?),
        Verb::Mark(options) => mark::run(&options),
        Verb::Report(options) => report::run(options),
        Verb::Info(options) => info::run(&options),
        Verb::Repair(options) => repair::run(&options),
        Verb::Export(options) => export::run(options),
        Verb::Doctor(options) => doctor::run(&options),
        Verb::Completions(options) => shell::completions(&options),
        Verb::Man(options) => shell::man(&options),
        Verb::Replay(options) => replay::run(&options),
        Verb::Demo(options) => demo::run(&options),
        Verb::Compare(options) => compare::run(&options),
    }
}

/// What anybody can do who cannot trace.
const DEMO: &str = "tracer demo   # a recorded incident to look around in, without any privilege";

/// What is printed when a run has failed.
pub fn error_text(error: &anyhow::Error, verbose: bool) -> String {
    if let Some(error) = error.downcast_ref::<LoadError>() {
        let facts = facts::gather(error.errno);
        let mut failure = preflight::explain(&facts, error.step, &error.message);
        failure.next.push(DEMO.to_owned());
        return if verbose { format!("{failure:#}") } else { failure.to_string() };
    }
    let text = format!("{error:#}");
    // Errors of the edges explain themselves in lines of their own.
    if text.starts_with("error: ") { text } else { format!("error: {text}") }
}

/// The exit status that belongs to it; `None` for a plain run-time error.
pub fn error_status(error: &anyhow::Error) -> Option<u8> {
    if error.is::<LoadError>() {
        return Some(exit_status::CANNOT_LOAD);
    }
    if error.is::<SettingsError>() || error.is::<GateError>() || error.is::<compare::UsageError>() {
        return Some(exit_status::USAGE);
    }
    error.downcast_ref::<LaunchError>().map(LaunchError::exit_code)
}
