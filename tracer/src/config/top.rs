//! What `tracer top` is asked for.

use std::path::PathBuf;

use super::{SettingsError, Target, Tracing};
use crate::cli::top::TopOptions;

/// How and where results are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// JSON Lines instead of tables.
    pub json: bool,
    /// As given with `-o`; see [`Settings::destination`].
    pub file: Option<PathBuf>,
    /// Tables as text even on a terminal.
    pub plain: bool,
}

/// Where results go when no screen shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// Standard error, because standard output belongs to CMD.
    Stderr,
    /// A file.
    File(PathBuf),
}

/// One run of `tracer top`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopSettings {
    /// What is traced.
    pub tracing: Tracing,
    /// How and where results are written.
    pub output: Output,
    /// Recorded as well, to this file.
    pub record: Option<PathBuf>,
}

impl TopSettings {
    /// Where results go when no screen shows them.
    pub fn destination(&self) -> Destination {
        match &self.output.file {
            Some(path) if path.as_os_str() == "-" => Destination::Stdout,
            Some(path) => Destination::File(path.clone()),
            None if matches!(self.tracing.target, Target::Command { .. }) => Destination::Stderr,
            None => Destination::Stdout,
        }
    }
}

impl TryFrom<TopOptions> for TopSettings {
    type Error = SettingsError;

    fn try_from(options: TopOptions) -> Result<Self, SettingsError> {
        if options.json && options.plain {
            return Err(SettingsError::TwoFormats);
        }
        Ok(Self {
            tracing: Tracing::try_from((options.target, options.kernel))?,
            output: Output { json: options.json, file: options.output, plain: options.plain },
            record: options.record,
        })
    }
}
