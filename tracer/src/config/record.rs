//! What `tracer record` is asked for.

use std::path::PathBuf;
use std::time::Duration;

use super::{SettingsError, Tracing};
use crate::cli::record::RecordOptions;
use crate::recording::Kind;

/// Largest recording of events when nothing is said: a forgotten one must not fill a disk.
const EVENTS_MAX_BYTES: u64 = 1 << 30;

/// Where a recording goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard output.
    Stdout,
    /// This file.
    File(PathBuf),
    /// A file in the current directory with a name that says what, where and when.
    Named,
}

/// A recording, whichever verb makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingSettings {
    /// Where it goes.
    pub place: Place,
    /// Intervals or events.
    pub kind: Kind,
    /// Most bytes; `u64::MAX` for no limit.
    pub max_bytes: u64,
    /// Keep only this much time, in segments.
    pub ring: Option<Duration>,
    /// Replace what is there.
    pub force: bool,
}

impl RecordingSettings {
    /// A recording in one new file, with the limit that its kind has when nothing is said.
    pub fn new(place: Place, kind: Kind) -> Self {
        // What leaves by a pipe fills no disk of ours.
        let limited = kind == Kind::Events && place != Place::Stdout;
        let max_bytes = if limited { EVENTS_MAX_BYTES } else { u64::MAX };
        Self { place, kind, max_bytes, ring: None, force: false }
    }
}

/// One run of `tracer record`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// What is traced.
    pub tracing: Tracing,
    /// What is recorded of it.
    pub recording: RecordingSettings,
}

impl TryFrom<RecordOptions> for RecordSettings {
    type Error = SettingsError;

    fn try_from(options: RecordOptions) -> Result<Self, SettingsError> {
        let place = match options.output {
            Some(path) if path.as_os_str() == "-" => Place::Stdout,
            Some(path) => Place::File(path),
            None => Place::Named,
        };
        if options.ring.is_some() && place == Place::Stdout {
            return Err(SettingsError::RingToStdout);
        }
        let mut tracing = Tracing::try_from((options.target, options.kernel))?;
        // Single calls are wanted with all there is.
        tracing.args |= options.events;
        let kind = if options.events { Kind::Events } else { Kind::Intervals };
        let mut recording = RecordingSettings::new(place, kind);
        recording.max_bytes = options.max_size.unwrap_or(recording.max_bytes);
        recording.ring = options.ring;
        recording.force = options.force;
        Ok(Self { tracing, recording })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Verb};
    use crate::config::Target;

    fn settings(line: &[&str]) -> Result<RecordSettings, SettingsError> {
        let cli = Cli::read([&["tracer", "record"], line].concat()).expect("clap accepts it");
        let Verb::Record(options) = cli.into_verb() else { panic!("it is record") };
        RecordSettings::try_from(options)
    }

    #[test]
    fn without_options_it_is_intervals_of_the_whole_host_to_a_named_file() {
        let run = settings(&[]).expect("valid");
        assert_eq!(run.recording, RecordingSettings::new(Place::Named, Kind::Intervals));
        assert_eq!((run.tracing.target, run.tracing.args), (Target::WholeHost, false));
    }

    #[test]
    fn events_bring_arguments_and_a_limit_that_can_be_changed() {
        let run = settings(&["--events", "-o", "x"]).expect("valid");
        assert_eq!((run.recording.kind, run.recording.max_bytes), (Kind::Events, 1 << 30));
        assert!(run.tracing.args);
        assert_eq!(settings(&["--events", "-o", "-"]).expect("valid").recording.max_bytes, u64::MAX);
        let run = settings(&["--events", "--max-size", "2G"]).expect("valid");
        assert_eq!(run.recording.max_bytes, 2 << 30);
    }

    #[test]
    fn a_ring_needs_files() {
        let run = settings(&["--ring", "10m", "-o", "x"]).expect("valid");
        assert_eq!(run.recording.ring, Some(Duration::from_mins(10)));
        assert_eq!(settings(&["--ring", "10m", "-o", "-"]), Err(SettingsError::RingToStdout));
    }
}
