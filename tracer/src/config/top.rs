//! What `tracer top` is asked for.

use std::path::PathBuf;

use super::{Place, RecordingSettings, ScreenSettings, SettingsError, Target, Tracing};
use crate::by_file::OnBy;
use crate::cli::top::TopOptions;
use crate::recording::Kind;

/// What makes one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TopBy {
    /// A process.
    #[default]
    Process,
    /// A file, socket or pipe, of whatever process and syscall; implies --args.
    File,
    /// Whom sockets and pipes lead to, of whatever process and syscall; implies --args.
    Peer,
}

impl TopBy {
    /// What calls are taken together by, where rows are what they were on.
    fn on_by(self) -> Option<OnBy> {
        match self {
            Self::Process => None,
            Self::File => Some(OnBy::File),
            Self::Peer => Some(OnBy::Peer),
        }
    }
}

/// How and where results are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// JSON Lines instead of tables.
    pub json: bool,
    /// As given with `-o`; see [`Settings::destination`].
    pub file: Option<PathBuf>,
    /// Tables as text even on a terminal.
    pub plain: bool,
    /// Rows are what calls were on, taken together by this; `None` for rows of processes.
    pub on_by: Option<OnBy>,
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
        let on_by = options.by.on_by();
        if on_by.is_some() && options.baseline.is_some() {
            return Err(SettingsError::BaselineOfFiles);
        }
        let mut tracing = Tracing::try_from((options.target, options.kernel))?;
        // Single calls are wanted with all there is, and files are known by arguments.
        tracing.args |= options.events || on_by.is_some();
        let kind = if options.events { Kind::Events } else { Kind::Intervals };
        let recording = match options.record {
            Some(path) if path.as_os_str() == "-" => return Err(SettingsError::RecordingToStdout),
            Some(path) => Some(RecordingSettings::new(Place::File(path), kind)),
            None => None,
        };
        Ok(Self {
            tracing,
            output: Output { json: options.json, file: options.output, plain: options.plain, on_by },
            recording,
            baseline: options.baseline,
            screen: ScreenSettings { on_by, ..options.screen.into() },
        })
    }
}
