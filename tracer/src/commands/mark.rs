//! `tracer mark`: a mark in a recording that somebody else is making.

use anyhow::Result;

use crate::cli::exit_status;
use crate::cli::record::MarkOptions;
use crate::recorder::mark;

/// Leaves the mark; the result is the exit status.
pub(super) fn run(options: &MarkOptions) -> Result<u8> {
    mark::send(&mark::resolve(&options.file), &options.text)?;
    Ok(exit_status::FINE)
}
