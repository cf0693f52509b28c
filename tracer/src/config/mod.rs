//! From the command line as given to settings that make sense. Pure: no file is read, no process looked
//! at.

mod cgroup;
mod file;
mod record;
mod screen;
mod top;
pub mod values;

use std::ffi::OsString;
use std::time::Duration;

use thiserror::Error;

use crate::cli::cgroup::CgroupOptions;
use crate::cli::target::{KernelOptions, TargetOptions};
use crate::process::Comm;
use crate::syscalls::filter::{FilterError, SyscallSet};
pub use cgroup::CgroupName;
pub use file::{Defaults, FileError, KEYS};
pub use record::{Place, RecordSettings, RecordingSettings};
pub use screen::{MouseChoice, ScreenSettings, ThemeChoice};
pub use top::{Destination, Output, TopBy, TopSettings};
use values::nanoseconds;

/// What is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every process but our own.
    WholeHost,
    /// These processes.
    Pids {
        /// As given, each once; whether they exist is not known here.
        pids: Vec<u32>,
        /// Their children too.
        follow: bool,
    },
    /// Every process with one of these names.
    Comms {
        /// As given, each once.
        names: Vec<Comm>,
        /// Their children too, whatever their name.
        follow: bool,
    },
    /// Every process in one of these cgroups or below one.
    Cgroups {
        /// As given, each once; whether they exist is not known here.
        names: Vec<CgroupName>,
    },
    /// A command that we start, and its children.
    Command {
        /// Program and arguments; never empty.
        argv: Vec<OsString>,
    },
}

/// Which calls of the target count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The set of `-e`; `None` for every syscall.
    pub syscalls: Option<SyscallSet>,
    /// Only calls that failed.
    pub failed_only: bool,
    /// Only calls at least this slow; 0 for all.
    pub slower_ns: u64,
}

/// Which programs are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FamilyChoice {
    /// Whichever loses nothing on this kernel, the cheaper one first.
    #[default]
    Auto,
    /// Raw tracepoints.
    Raw,
    /// Classic tracepoints.
    Classic,
}

/// What is traced, for how long and by which means: all that a run is before anybody looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// What is traced.
    pub target: Target,
    /// Which of its calls count.
    pub filter: Filter,
    /// When to stop; `None`: when interrupted or when the target has ended.
    pub duration: Option<Duration>,
    /// Length of an interval, at least [`values::MIN_INTERVAL`].
    pub interval: Duration,
    /// Which programs are loaded.
    pub family: FamilyChoice,
    /// Bytes of each CPU's ring, a power of two; `None` for the default.
    pub ring_bytes: Option<u32>,
    /// Send the six arguments with each call.
    pub args: bool,
    /// Take the user stacks of calls that are slow enough for [`Filter::slower_ns`].
    pub stacks: bool,
}

/// Options that are each fine and make no sense together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// More than one of `-p`, `--comm`, a cgroup and `-- CMD`.
    #[error(
        "error: {0} and {1} both choose the target\n\
         why: one run traces processes by PID, by name or by cgroup, or a command that it starts\n\
         next: keep one of them; a second tracer may run beside this one"
    )]
    TwoTargets(&'static str, &'static str),
    /// `--json` with `--plain`.
    #[error(
        "error: --json and --plain both choose the format\n\
         why: --plain prints tables as text, --json prints objects\n\
         next: keep one of them"
    )]
    TwoFormats,
    /// `top --by file --baseline FILE`.
    #[error(
        "error: --baseline does not go with --by file and --by peer\n\
         why: a baseline holds each syscall of a process against an earlier one, not files\n\
         next: leave one of them out; on the screen, 7 shows files whatever --by is"
    )]
    BaselineOfFiles,
    /// `-- ''`.
    #[error(
        "error: the command after -- is empty\n\
         why: its first word names the program to start\n\
         next: tracer -- CMD [ARGS]..."
    )]
    EmptyCommand,
    /// `top --record -`.
    #[error(
        "error: --record - is standard output, where tables go\n\
         why: a recording is not text\n\
         next: tracer record -o - writes to a pipe; --record FILE records beside the tables"
    )]
    RecordingToStdout,
    /// `--ring` with `-o -`.
    #[error(
        "error: --ring needs files and -o - is standard output\n\
         why: what is older than --ring says is deleted file by file\n\
         next: tracer record --ring DURATION -o FILE"
    )]
    RingToStdout,
    /// `--stack` without `--slower`.
    #[error(
        "error: --stack needs --slower\n\
         why: the stack is taken of calls that are slow, and --slower says which are; of every call it would cost more \
         than most calls\n\
         next: tracer --slower 10ms --stack"
    )]
    StackOfEveryCall,
    /// `-e` with something that is no syscall.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

impl TryFrom<(TargetOptions, KernelOptions)> for Tracing {
    type Error = SettingsError;

    fn try_from((options, kernel): (TargetOptions, KernelOptions)) -> Result<Self, SettingsError> {
        let target = target(options.pids, options.comms, options.cgroups, options.command, options.follow)?;
        if options.stack && options.slower.is_none_or(|slower| slower.is_zero()) {
            return Err(SettingsError::StackOfEveryCall);
        }
        let args = kernel.args || target != Target::WholeHost;
        Ok(Self {
            target,
            filter: Filter {
                syscalls: syscalls(&options.expressions)?,
                failed_only: options.failed_only,
                slower_ns: options.slower.map_or(0, nanoseconds),
            },
            duration: options.duration,
            interval: options.interval,
            family: kernel.program_family,
            ring_bytes: kernel.ring_bytes,
            args,
            stacks: options.stack,
        })
    }
}

fn syscalls(expressions: &[String]) -> Result<Option<SyscallSet>, FilterError> {
    let set = SyscallSet::parse(expressions)?;
    Ok((!set.is_all()).then_some(set))
}

fn target(
    pids: Vec<u32>,
    names: Vec<Comm>,
    cgroups: CgroupOptions,
    argv: Vec<OsString>,
    follow: bool,
) -> Result<Target, SettingsError> {
    let given = |given: bool, option: &'static str| given.then_some(option);
    let chosen: Vec<&str> = [
        given(!pids.is_empty(), "-p"),
        given(!names.is_empty(), "--comm"),
        cgroups.option(),
        given(!argv.is_empty(), "-- CMD"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let [first, second, ..] = chosen[..] {
        return Err(SettingsError::TwoTargets(first, second));
    }
    Ok(if !pids.is_empty() {
        Target::Pids { pids: each_once(pids), follow }
    } else if !names.is_empty() {
        Target::Comms { names: each_once(names), follow }
    } else if cgroups.option().is_some() {
        Target::Cgroups { names: each_once(cgroups.into_names()) }
    } else if let Some(program) = argv.first() {
        if program.is_empty() {
            return Err(SettingsError::EmptyCommand);
        }
        Target::Command { argv }
    } else {
        Target::WholeHost
    })
}

fn each_once<T: PartialEq>(given: Vec<T>) -> Vec<T> {
    let mut once = Vec::with_capacity(given.len());
    for value in given {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::by_file::OnBy;
    use crate::cli::{Cli, Verb};

    fn settings(line: &[&str]) -> Result<TopSettings, SettingsError> {
        match Cli::read([&["tracer"], line].concat()).expect("clap accepts it").into_verb() {
            Verb::Top(options) => options.try_into(),
            other => panic!("{line:?} is {other:?}"),
        }
    }

    #[test]
    fn without_options_it_is_the_whole_host_until_interrupted() {
        assert_eq!(
            settings(&[]).expect("valid"),
            TopSettings {
                tracing: Tracing {
                    target: Target::WholeHost,
                    filter: Filter::default(),
                    duration: None,
                    interval: Duration::from_secs(1),
                    family: FamilyChoice::Auto,
                    ring_bytes: None,
                    args: false,
                    stacks: false,
                },
                output: Output::default(),
                recording: None,
                baseline: None,
                screen: ScreenSettings::default(),
            }
        );
    }

    #[test]
    fn targets_exclude_each_other_and_the_error_names_both() {
        for (line, first, second) in [
            (&["-p", "1", "--comm", "a"][..], "-p", "--comm"),
            (&["-p", "1", "--", "ls"], "-p", "-- CMD"),
            (&["--comm", "a", "--", "ls"], "--comm", "-- CMD"),
            (&["--unit", "a", "--", "ls"], "--unit", "-- CMD"),
            (&["--container", "a", "--comm", "ls"], "--comm", "--container"),
            (&["-p", "1", "--cgroup", "/a"], "-p", "--cgroup"),
            (&["-p", "1", "--comm", "a", "--", "ls"], "-p", "--comm"),
        ] {
            assert_eq!(settings(line), Err(SettingsError::TwoTargets(first, second)));
        }
        assert_eq!(
            SettingsError::TwoTargets("-p", "--comm").to_string(),
            "error: -p and --comm both choose the target\n\
             why: one run traces processes by PID, by name or by cgroup, or a command that it starts\n\
             next: keep one of them; a second tracer may run beside this one"
        );
        assert_eq!(settings(&["--", ""]), Err(SettingsError::EmptyCommand));
        assert_eq!(settings(&["--json", "--plain"]), Err(SettingsError::TwoFormats));
    }

    #[test]
    fn each_target_is_named_once_and_brings_the_arguments_of_its_calls() {
        let run = settings(&["-p", "3,1,3", "-f"]).expect("valid").tracing;
        assert_eq!(run.target, Target::Pids { pids: vec![3, 1], follow: true });
        assert!(run.args);
        let run = settings(&["--comm", "a", "--comm", "a"]).expect("valid").tracing;
        assert_eq!(run.target, Target::Comms { names: vec![Comm::new("a")], follow: false });
        assert!(run.args);
        let line = ["--unit", "a", "--cgroup", "/x", "--container", "0a", "--unit", "a.service"];
        let run = settings(&line).expect("valid").tracing;
        let names = [
            CgroupName::Path("/x".into()),
            CgroupName::Unit("a.service".to_owned()),
            CgroupName::Container("0a".to_owned()),
        ];
        assert_eq!(run.target, Target::Cgroups { names: names.into() });
        assert!(run.args);
        let run = settings(&["--", "ls", "-l"]).expect("valid").tracing;
        assert_eq!(run.target, Target::Command { argv: vec!["ls".into(), "-l".into()] });
        assert!(run.args);
        assert!(settings(&["--args"]).expect("valid").tracing.args);
    }

    #[test]
    fn rows_of_files_bring_the_arguments_that_tell_them() {
        let run = |line: &[&str]| settings(line).expect("valid");
        for (by, on_by) in [("file", OnBy::File), ("peer", OnBy::Peer)] {
            let run = run(&["--by", by]);
            assert!(run.tracing.args, "for the whole host too");
            assert_eq!((run.output.on_by, run.screen.on_by), (Some(on_by), Some(on_by)));
            let both = settings(&["--by", by, "--baseline", "x"]);
            assert_eq!(both, Err(SettingsError::BaselineOfFiles));
        }
        assert_eq!(run(&["--by", "process"]), run(&[]));
    }

    #[test]
    fn results_leave_stdout_to_the_command() {
        let destination = |line: &[&str]| settings(line).expect("valid").destination();
        assert_eq!(destination(&[]), Destination::Stdout);
        assert_eq!(destination(&["--", "ls"]), Destination::Stderr);
        assert_eq!(destination(&["-o", "x", "--", "ls"]), Destination::File("x".into()));
        assert_eq!(destination(&["-o", "-", "--", "ls"]), Destination::Stdout);
    }

    #[test]
    fn filters_are_taken_over() {
        let run = settings(&["-e", "%net", "-x", "--slower", "10ms", "-d", "2m"]).expect("valid").tracing;
        assert_eq!(
            run.filter,
            Filter {
                syscalls: Some(SyscallSet::parse(&["%net".to_owned()]).expect("a class")),
                failed_only: true,
                slower_ns: 10_000_000
            }
        );
        assert_eq!(run.duration, Some(Duration::from_mins(2)));
    }

    #[test]
    fn stacks_are_those_of_slow_calls() {
        let run = settings(&["--slower", "10ms", "--stack"]).expect("valid").tracing;
        assert!(run.stacks && !run.args);
        assert!(!settings(&["--slower", "10ms"]).expect("valid").tracing.stacks);
        for line in [&["--stack"][..], &["--stack", "--slower", "0s"]] {
            assert_eq!(settings(line), Err(SettingsError::StackOfEveryCall));
        }
        let words = SettingsError::StackOfEveryCall.to_string();
        assert_eq!(
            words.lines().map(|line| line.split(':').next()).collect::<Vec<_>>(),
            [Some("error"), Some("why"), Some("next")]
        );
    }
}
