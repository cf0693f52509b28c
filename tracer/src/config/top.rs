//! What `tracer top` is asked for.

use std::path::PathBuf;

use super::{Place, RecordingSettings, ScreenSettings, SettingsError, Target, Tracing};
use crate::cli::top::TopOptions;
use crate::recording::Kind;

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
    /// Recorded as well.
    pub recording: Option<RecordingSettings>,
    /// The recording that figures are held against.
    pub baseline: Option<PathBuf>,
    /// How the screen looks, where there is one.
    pub screen: ScreenSettings,
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
        let mut tracing = Tracing::try_from((options.target, options.kernel))?;
        // Single calls are wanted with all there is.
        tracing.args |= options.events;
        let kind = if options.events { Kind::Events } else { Kind::Intervals };
        let recording = match options.record {
            Some(path) if path.as_os_str() == "-" => return Err(SettingsError::RecordingToStdout),
            Some(path) => Some(RecordingSettings::new(Place::File(path), kind)),
            None => None,
        };
        Ok(Self {
            tracing,
            output: Output { json: options.json, file: options.output, plain: options.plain },
            recording,
            baseline: options.baseline,
            screen: options.screen.into(),
        })
    }
}
