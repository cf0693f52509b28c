//! The command line as clap sees it: definitions only. What the options mean together is decided in
//! [`crate::config`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, StyledStr, TypedValueParser as _};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, Parser, Subcommand};

use crate::config::{self, FamilyChoice};
use crate::process::Comm;

/// What the process exits with. With `-- CMD` a run without trouble of our own exits with CMD's status.
pub mod exit_status {
    /// Everything went well.
    pub const FINE: u8 = 0;
    /// Something went wrong while running.
    pub const RUN_TIME: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// The programs cannot be loaded or attached: privilege, kernel, sandbox.
    pub const CANNOT_LOAD: u8 = 4;
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
  tracer -e %net --slower 10ms      network calls that took 10 ms or more
  tracer -d 10s --json -p 1841      ten seconds as JSON Lines
  tracer -d 3 -o report.txt -- make the calls of a command, as text in a file";

const EXIT_STATUS: &str = "\
Exit status:
  0    fine
  1    an error while running
  2    wrong usage
  4    cannot load: not privileged, or the kernel or a sandbox refuses
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
        Self::try_parse_from(arguments).map_err(|mut error| {
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
}

impl Verb {
    /// Whether failures are told at length.
    pub fn is_verbose(&self) -> bool {
        let Self::Top(options) = self;
        options.verbose
    }
}

/// Options of `tracer top`, as given.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct TopOptions {
    /// Trace these processes, with all their threads
    ///
    /// Repeat it or separate PIDs by commas. Without -p, --comm and CMD the target is the whole host.
    #[arg(
        short,
        long = "pid",
        value_name = "PID",
        value_delimiter = ',',
        value_parser = config::parse_pid,
        allow_negative_numbers = true,
        help_heading = "Target"
    )]
    pub pids: Vec<u32>,

    /// Trace children of the target too, present and future
    ///
    /// A command given as CMD is always followed, and the whole host has nobody left to follow.
    #[arg(short, long, help_heading = "Target")]
    pub follow: bool,

    /// Trace every process of this name, present and future
    ///
    /// The name is what `ps -o comm` shows: the kernel keeps 15 bytes of it, longer names are cut alike.
    /// Repeat it for more names.
    #[arg(
        long = "comm",
        value_name = "NAME",
        value_parser = OsStringValueParser::new().try_map(|name| config::parse_comm(&name)),
        help_heading = "Target"
    )]
    pub comms: Vec<Comm>,

    /// After `--`: start CMD, trace it and its children from their first instruction on
    ///
    /// CMD keeps its stdin, stdout and stderr, so our tables go to stderr or to -o FILE; under the live
    /// screen its output is kept until the screen closes. tracer exits with CMD's status.
    #[arg(last = true, value_names = ["CMD", "ARGS"], num_args = 1.., help_heading = "Target")]
    pub command: Vec<OsString>,

    /// Only these syscalls
    ///
    /// Names and classes separated by commas, as strace has them: `openat,read`, `%net`, `%file,fsync`; `!`
    /// before the whole set takes the others: `!futex,%poll`.
    #[arg(short, long = "expr", value_name = "SET", help_heading = "Filter")]
    pub expressions: Vec<String>,

    /// Only calls that failed
    #[arg(short = 'x', long, help_heading = "Filter")]
    pub failed_only: bool,

    /// Only calls that took at least this long
    #[arg(long, value_name = "DURATION", value_parser = config::parse_duration, help_heading = "Filter")]
    pub slower: Option<Duration>,

    /// Stop after this long [default: when interrupted, or when the target has ended]
    ///
    /// Durations are a number and a unit: 10us, 500ms, 3s, 1.5s, 2m, 1h. A number alone is seconds.
    #[arg(short, long, value_name = "DURATION", value_parser = config::parse_run_time, help_heading = "Run")]
    pub duration: Option<Duration>,

    /// Length of an interval: how often tables are renewed
    #[arg(
        short,
        long,
        value_name = "DURATION",
        default_value = "1s",
        value_parser = config::parse_interval,
        help_heading = "Run"
    )]
    pub interval: Duration,

    /// Write JSON Lines: one object per line, `type` first, times in ns
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Write tables or JSON to FILE; `-` is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Print tables as text even on a terminal
    #[arg(long, help_heading = "Output")]
    pub plain: bool,

    /// Say more when something fails: the verifier's log
    #[arg(short, long, action = ArgAction::SetTrue, help_heading = "Output")]
    pub verbose: bool,

    /// Take the six arguments of each call even when tracing the whole host
    ///
    /// They are taken anyway when the target is a process, a name or a command. On a whole host each event
    /// grows from 40 to 88 bytes.
    #[arg(long, help_heading = "Kernel side", hide_short_help = true)]
    pub args: bool,

    /// Which tracepoint programs to use, for those who must know
    ///
    /// Raw tracepoints are cheaper; on kernels that can preempt them they lose events, and classic ones do
    /// not. `auto` decides by what the kernel reports.
    #[arg(
        long,
        value_name = "FAMILY",
        default_value = "auto",
        value_enum,
        help_heading = "Kernel side",
        hide_short_help = true
    )]
    pub program_family: FamilyChoice,

    /// Size of each CPU's ring: a power of two from 4096 on; `512K` and `4M` are understood
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = config::parse_ring_bytes,
        help_heading = "Kernel side",
        hide_short_help = true
    )]
    pub ring_bytes: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn top(line: &[&str]) -> TopOptions {
        let Verb::Top(options) = Cli::read(line).expect("a valid command line").into_verb();
        options
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
            assert_eq!(options.pids, [1]);
            assert_eq!(options.duration, Some(Duration::from_secs(3)));
            assert_eq!(options.interval, Duration::from_secs(1));
        }
        assert!(top(&["tracer"]).pids.is_empty());
    }

    #[test]
    fn everything_after_two_dashes_is_the_command() {
        let options = top(&["tracer", "-x", "--", "top", "-p", "7", "--", "-x"]);
        assert_eq!(options.command, ["top", "-p", "7", "--", "-x"]);
        assert!(options.failed_only && options.pids.is_empty());
        let error = refusal(&["tracer", "ls"]);
        assert_eq!(error.exit_code(), i32::from(exit_status::USAGE));
        assert!(error.to_string().contains("-- ls"), "{error}");
    }

    #[test]
    fn pids_come_repeated_and_in_lists() {
        assert_eq!(top(&["tracer", "-p", "1,2", "--pid", "3"]).pids, [1, 2, 3]);
        for wrong in ["0", "-1", "x", "1,,2", "", "4294967296", "1 2"] {
            let error = refusal(&["tracer", "-p", wrong]);
            assert_eq!(error.kind(), ErrorKind::ValueValidation, "{wrong}");
            assert_eq!(error.exit_code(), i32::from(exit_status::USAGE));
        }
    }

    #[test]
    fn names_are_cut_as_the_kernel_cuts_them() {
        let options = top(&["tracer", "--comm", "nginx", "--comm", "a-name-of-more-than-15-bytes"]);
        assert_eq!(options.comms, [Comm::new("nginx"), Comm::new("a-name-of-more-")]);
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
        assert_eq!(options.expressions, ["openat,%net", "!read"]);
        assert_eq!(options.slower, Some(Duration::from_millis(10)));
        assert_eq!(options.interval, Duration::from_millis(500));
        assert_eq!(options.program_family, FamilyChoice::Classic);
        assert_eq!(options.ring_bytes, Some(512 * 1024));
        assert!(options.follow && options.json && options.args && options.plain);
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
