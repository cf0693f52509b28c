//! The command line as clap sees it: definitions only. What the options mean together is decided in
//! [`crate::config`].

pub mod cgroup;
pub mod compare;
pub mod doctor;
pub mod export;
pub mod info;
pub mod record;
pub mod recorded;
pub mod repair;
pub mod replay;
pub mod report;
pub mod screen;
pub mod shell;
pub mod target;
pub mod top;

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{Defaults, FileError};

use record::{MarkOptions, RECORD_EXAMPLES, RECORD_USAGE, RecordOptions};
use top::TopOptions;

/// What the process exits with. With `-- CMD` a run without trouble of our own exits with CMD's status.
pub mod exit_status {
    /// Everything went well.
    pub const FINE: u8 = 0;
    /// Something went wrong while running.
    pub const RUN_TIME: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// `compare --fail-on` was met.
    pub const CONDITION_MET: u8 = 3;
    /// The programs cannot be loaded or attached: privilege, kernel, sandbox.
    pub const CANNOT_LOAD: u8 = 4;
    /// A recording is damaged or was cut; what could be read of it was.
    pub const DAMAGED: u8 = 5;
    /// CMD could not be started, for want of anything but CMD itself.
    pub const LAUNCH: u8 = 125;
    /// CMD was found and cannot be executed.
    pub const NOT_EXECUTABLE: u8 = 126;
    /// CMD was not found.
    pub const NOT_FOUND: u8 = 127;
}

const USAGE: &str = "tracer [top] [OPTIONS] [-- CMD [ARGS]...]";

const EXAMPLES: &str = "\
Examples:
  tracer                            the whole host, live
  tracer -p 1841                    one process, all its threads
  tracer -p 1841,977 -f             two processes and whatever they start
  tracer --comm nginx -x            failing calls of everything named nginx
  tracer --unit nginx --slower 10ms slow calls of a systemd unit
  tracer -e %net --slower 10ms      network calls that took 10 ms or more
  tracer -d 10s --json -p 1841      ten seconds as JSON Lines
  tracer --by peer --comm nginx     whom its sockets and pipes lead to
  tracer -d 3 -o report.txt -- make the calls of a command, as text in a file";

const EXIT_STATUS: &str = "\
Exit status:
  0    fine
  1    an error while running
  2    wrong usage
  3    compare --fail-on was met
  4    cannot load: not privileged, or the kernel or a sandbox refuses
  5    a recording is damaged or was cut: what could be read of it was
  With -- CMD, otherwise CMD's own status (128+N when signal N killed it), or
  125  CMD could not be started
  126  CMD was found and cannot be executed
  127  CMD was not found";

/// `tracer`.
#[derive(Debug, Parser)]
#[command(
    name = "tracer",
    version,
    about = "Shows which syscalls are slow, which fail and which never return",
    long_about = "Shows which syscalls of a process, a command or the whole host are slow, which fail and \
                  which never return, without stopping anything.\n\n\
                  On a terminal it opens a screen; elsewhere it prints tables each interval and the totals \
                  at the end. Without a verb it is `tracer top`.",
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_STATUS}"),
    override_usage = USAGE,
    args_conflicts_with_subcommands = true,
    infer_long_args = false,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    top: TopOptions,
}

impl Cli {
    /// Reads a command line, program name first. The error knows its exit code and where it is printed:
    /// `--help` and `--version` are such errors too.
    pub fn read<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        Self::parse(Self::command(), arguments)
    }

    /// The same with other defaults; the outer error is one of theirs.
    pub fn read_with<I, T>(arguments: I, defaults: &Defaults) -> Result<Result<Self, clap::Error>, FileError>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        Ok(Self::parse(defaults.apply(Self::command())?, arguments))
    }

    fn parse<I, T>(command: clap::Command, arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let parsed =
            command.try_get_matches_from(arguments).and_then(|matches| Self::from_arg_matches(&matches));
        parsed.map_err(|mut error| {
            // `strace ls` works and `tracer ls` does not: say what is missing.
            let bare_word = match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::String(word)) if !word.starts_with('-') => word.clone(),
                _ => return error,
            };
            if error.kind() == ErrorKind::UnknownArgument {
                let tip =
                    StyledStr::from(format!("to start and trace '{bare_word}', write '-- {bare_word}'"));
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
            }
            error
        })
    }

    /// The verb, `top` when none was given.
    pub fn into_verb(self) -> Verb {
        self.verb.unwrap_or(Verb::Top(self.top))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Watch live tables (the default)
    #[command(
        override_usage = USAGE,
        after_help = EXAMPLES,
        after_long_help = format!("{EXAMPLES}\n\n{EXIT_STATUS}")
    )]
    Top(TopOptions),
    /// Record to a file, to look at later and elsewhere
    #[command(
        override_usage = RECORD_USAGE,
        after_help = RECORD_EXAMPLES,
        after_long_help = format!("{RECORD_EXAMPLES}\n\n{EXIT_STATUS}")
    )]
    Record(RecordOptions),
    /// Leave a mark in a recording while it is being made
    Mark(MarkOptions),
    /// Show a recording on the screen, with time to move in
    #[command(after_help = replay::EXAMPLES)]
    Replay(replay::ReplayOptions),
    /// Replay a recorded incident that is built in: no privilege needed
    Demo(replay::DemoOptions),
    /// Print the tables of recordings
    #[command(after_help = report::EXAMPLES)]
    Report(report::ReportOptions),
    /// Tell what a recording is: host, time, length, losses, how it ended
    Info(info::InfoOptions),
    /// Save the good part of a recording that was cut or damaged
    Repair(repair::RepairOptions),
    /// Write recordings as Parquet, CSV, JSON Lines, strace text, a Perfetto trace or folded stacks
    #[command(after_help = export::EXAMPLES)]
    Export(export::ExportOptions),
    /// Tell what this machine can do: kernel, privilege, programs
    Doctor(doctor::DoctorOptions),
    /// Print a completion script for a shell
    Completions(shell::CompletionsOptions),
    /// Print the manual page
    Man(shell::ManOptions),
    /// Say what changed between two recordings, and how sure that is
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::CompareOptions),
}

impl Verb {
    /// Whether failures are told at length.
    pub fn is_verbose(&self) -> bool {
        match self {
            Self::Top(options) => options.verbose,
            Self::Record(options) => options.verbose,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FamilyChoice;
    use crate::process::Comm;
    use std::path::PathBuf;
    use std::time::Duration;

    fn top(line: &[&str]) -> TopOptions {
        match Cli::read(line).expect("a valid command line").into_verb() {
            Verb::Top(options) => options,
            other => panic!("{line:?} is {other:?}"),
        }
    }

    fn refusal(line: &[&str]) -> clap::Error {
        Cli::read(line).expect_err("an invalid command line")
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_verb_may_be_left_out() {
        for line in [&["tracer", "-p", "1", "-d", "3"][..], &["tracer", "top", "-p", "1", "-d", "3"]] {
            let options = top(line);
            assert_eq!(options.target.pids, [1]);
            assert_eq!(options.target.duration, Some(Duration::from_secs(3)));
            assert_eq!(options.target.interval, Duration::from_secs(1));
        }
        assert!(top(&["tracer"]).target.pids.is_empty());
    }

    #[test]
    fn everything_after_two_dashes_is_the_command() {
        let options = top(&["tracer", "-x", "--", "top", "-p", "7", "--", "-x"]);
        assert_eq!(options.target.command, ["top", "-p", "7", "--", "-x"]);
        assert!(options.target.failed_only && options.target.pids.is_empty());
        let error = refusal(&["tracer", "ls"]);
        assert_eq!(error.exit_code(), i32::from(exit_status::USAGE));
        assert!(error.to_string().contains("-- ls"), "{error}");
    }

    #[test]
    fn pids_come_repeated_and_in_lists() {
        assert_eq!(top(&["tracer", "-p", "1,2", "--pid", "3"]).target.pids, [1, 2, 3]);
        for wrong in ["0", "-1", "x", "1,,2", "", "4294967296", "1 2"] {
            let error = refusal(&["tracer", "-p", wrong]);
            assert_eq!(error.kind(), ErrorKind::ValueValidation, "{wrong}");
            assert_eq!(error.exit_code(), i32::from(exit_status::USAGE));
        }
    }

    #[test]
    fn names_are_cut_as_the_kernel_cuts_them() {
        let options = top(&["tracer", "--comm", "nginx", "--comm", "a-name-of-more-than-15-bytes"]);
        assert_eq!(options.target.comms, [Comm::new("nginx"), Comm::new("a-name-of-more-")]);
        assert_eq!(refusal(&["tracer", "--comm", ""]).kind(), ErrorKind::ValueValidation);
    }

    #[test]
    fn the_rest_is_taken_as_given() {
        let options = top(&[
            "tracer",
            "-f",
            "-e",
            "openat,%net",
            "-e",
            "!read",
            "--slower",
            "10ms",
            "-i",
            "500ms",
            "--json",
            "-o",
            "x.json",
            "--program-family",
            "classic",
            "--ring-bytes",
            "512K",
            "--args",
            "--plain",
        ]);
        assert_eq!(options.target.expressions, ["openat,%net", "!read"]);
        assert_eq!(options.target.slower, Some(Duration::from_millis(10)));
        assert_eq!(options.target.interval, Duration::from_millis(500));
        assert_eq!(options.kernel.program_family, FamilyChoice::Classic);
        assert_eq!(options.kernel.ring_bytes, Some(512 * 1024));
        assert!(options.target.follow && options.json && options.kernel.args && options.plain);
        assert_eq!(options.output, Some(PathBuf::from("x.json")));
    }

    #[test]
    fn long_help_has_examples_and_exit_status_and_short_help_hides_the_kernel_side() {
        let long = Cli::command().render_long_help().to_string();
        for wanted in
            ["Examples:", "Exit status:", "--program-family", "--ring-bytes", "127  CMD was not found"]
        {
            assert!(long.contains(wanted), "{wanted} is missing in\n{long}");
        }
        let short = Cli::command().render_help().to_string();
        assert!(short.contains("Examples:") && short.contains(USAGE), "{short}");
        assert!(!short.contains("--ring-bytes") && !short.contains("Exit status"), "{short}");
    }
}
