//! From the command line as given to settings that make sense. Pure: no file is read, no process looked
//! at.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::cli::TopOptions;
use crate::human;
use crate::process::Comm;
use crate::syscalls::filter::{FilterError, SyscallSet};

/// Shortest interval; below it, publishing costs more than collecting.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Smallest ring: a page.
pub const MIN_RING_BYTES: u32 = 4096;

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
pub struct Settings {
    /// What is traced.
    pub target: Target,
    /// Which of its calls count.
    pub filter: Filter,
    /// When to stop; `None`: when interrupted or when the target has ended.
    pub duration: Option<Duration>,
    /// Length of an interval, at least [`MIN_INTERVAL`].
    pub interval: Duration,
    /// How and where results are written.
    pub output: Output,
    /// Which programs are loaded.
    pub family: FamilyChoice,
    /// Bytes of each CPU's ring, a power of two; `None` for the default.
    pub ring_bytes: Option<u32>,
    /// Send the six arguments with each call.
    pub args: bool,
    /// Show the verifier's log when loading fails.
    pub verbose: bool,
}

impl Settings {
    /// Where results go when no screen shows them.
    pub fn destination(&self) -> Destination {
        match &self.output.file {
            Some(path) if path.as_os_str() == "-" => Destination::Stdout,
            Some(path) => Destination::File(path.clone()),
            None if matches!(self.target, Target::Command { .. }) => Destination::Stderr,
            None => Destination::Stdout,
        }
    }
}

/// Options that are each fine and make no sense together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// More than one of `-p`, `--comm` and `-- CMD`.
    #[error(
        "error: {0} and {1} both choose the target\n\
         why: one run traces processes by PID, or by name, or a command that it starts\n\
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
    /// `-- ''`.
    #[error(
        "error: the command after -- is empty\n\
         why: its first word names the program to start\n\
         next: tracer -- CMD [ARGS]..."
    )]
    EmptyCommand,
    /// `-e` with something that is no syscall.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

impl TryFrom<TopOptions> for Settings {
    type Error = SettingsError;

    fn try_from(options: TopOptions) -> Result<Self, SettingsError> {
        if options.json && options.plain {
            return Err(SettingsError::TwoFormats);
        }
        let target = target(options.pids, options.comms, options.command, options.follow)?;
        let args = options.args || target != Target::WholeHost;
        Ok(Self {
            target,
            filter: Filter {
                syscalls: syscalls(&options.expressions)?,
                failed_only: options.failed_only,
                slower_ns: options.slower.map_or(0, nanoseconds),
            },
            duration: options.duration,
            interval: options.interval,
            output: Output { json: options.json, file: options.output, plain: options.plain },
            family: options.program_family,
            ring_bytes: options.ring_bytes,
            args,
            verbose: options.verbose,
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
    argv: Vec<OsString>,
    follow: bool,
) -> Result<Target, SettingsError> {
    let chosen: Vec<&str> =
        [(!pids.is_empty(), "-p"), (!names.is_empty(), "--comm"), (!argv.is_empty(), "-- CMD")]
            .into_iter()
            .filter_map(|(given, option)| given.then_some(option))
            .collect();
    if let [first, second, ..] = chosen[..] {
        return Err(SettingsError::TwoTargets(first, second));
    }
    Ok(if !pids.is_empty() {
        Target::Pids { pids: each_once(pids), follow }
    } else if !names.is_empty() {
        Target::Comms { names: each_once(names), follow }
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

/// Whole nanoseconds; 584 years are the end of time.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A value on the command line that is none. The text follows clap's "invalid value 'X' for '--option'".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Not `NUMBER[UNIT]`.
    #[error(
        "not a duration; write a number and a unit, as in 10us, 500ms, 3s, 1.5s, 2m or 1h (a number alone is \
         seconds)"
    )]
    Duration,
    /// More nanoseconds than fit in 64 bits.
    #[error("longer than 584 years")]
    DurationTooLong,
    /// A run of no time.
    #[error("a run of no time shows nothing; leave -d out to run until interrupted")]
    NoRunTime,
    /// An interval below [`MIN_INTERVAL`].
    #[error("an interval is at least {}", human::duration(nanoseconds(MIN_INTERVAL)))]
    IntervalTooShort,
    /// Not a process id.
    #[error("not a process id; write a whole number from 1 on, as `pgrep NAME` prints it")]
    Pid,
    /// An empty name.
    #[error("a process name has at least one byte; `ps -eo comm` lists the names there are")]
    Comm,
    /// Not a ring size.
    #[error("a ring is a power of two from 4096 bytes to 1G, as in 65536, 512K or 4M")]
    RingBytes,
}

/// `10us`, `500ms`, `3s`, `3`, `1.5s`, `2m`, `1h`.
pub fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    const UNITS: [(&str, u64); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("", 1_000_000_000),
    ];
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit_ns = UNITS.iter().find(|(name, _)| *name == unit).ok_or(ValueError::Duration)?.1;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(ValueError::Duration);
    }
    // What is left of a fraction after 15 digits is below a nanosecond in any unit.
    let fraction = &fraction[..fraction.len().min(15)];
    let whole: u64 = whole.parse().map_err(|_| ValueError::DurationTooLong)?;
    let part: u128 = fraction.parse().map_err(|_| ValueError::Duration)?;
    let part_ns = part * u128::from(unit_ns) / 10u128.pow(fraction.len() as u32);
    let ns = u128::from(whole) * u128::from(unit_ns) + part_ns;
    u64::try_from(ns).map(Duration::from_nanos).map_err(|_| ValueError::DurationTooLong)
}

/// A duration that is not zero.
pub fn parse_run_time(text: &str) -> Result<Duration, ValueError> {
    let duration = parse_duration(text)?;
    if duration.is_zero() { Err(ValueError::NoRunTime) } else { Ok(duration) }
}

/// A duration of at least [`MIN_INTERVAL`].
pub fn parse_interval(text: &str) -> Result<Duration, ValueError> {
    let duration = parse_duration(text)?;
    if duration < MIN_INTERVAL { Err(ValueError::IntervalTooShort) } else { Ok(duration) }
}

/// A process id: 1 to 2³¹−1.
pub fn parse_pid(text: &str) -> Result<u32, ValueError> {
    match text.trim().parse() {
        Ok(pid @ 1..=0x7FFF_FFFF) => Ok(pid),
        _ => Err(ValueError::Pid),
    }
}

/// A process name; any bytes but none.
pub fn parse_comm(name: &OsStr) -> Result<Comm, ValueError> {
    let comm = Comm::new(name.as_bytes());
    if comm.is_empty() { Err(ValueError::Comm) } else { Ok(comm) }
}

/// A power of two from [`MIN_RING_BYTES`] to 1 GiB, with `K` for 2¹⁰ and `M` for 2²⁰ if wanted.
pub fn parse_ring_bytes(text: &str) -> Result<u32, ValueError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale: u32 = match unit {
        "" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "m" | "MiB" => 1 << 20,
        "G" | "g" | "GiB" => 1 << 30,
        _ => return Err(ValueError::RingBytes),
    };
    let bytes = number.parse::<u32>().ok().and_then(|number| number.checked_mul(scale));
    match bytes {
        Some(bytes) if bytes.is_power_of_two() && (MIN_RING_BYTES..=1 << 30).contains(&bytes) => Ok(bytes),
        _ => Err(ValueError::RingBytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Verb};
    use proptest::prelude::*;

    fn settings(line: &[&str]) -> Result<Settings, SettingsError> {
        let Verb::Top(options) =
            Cli::read([&["tracer"], line].concat()).expect("clap accepts it").into_verb();
        options.try_into()
    }

    #[test]
    fn without_options_it_is_the_whole_host_until_interrupted() {
        assert_eq!(
            settings(&[]).expect("valid"),
            Settings {
                target: Target::WholeHost,
                filter: Filter::default(),
                duration: None,
                interval: Duration::from_secs(1),
                output: Output::default(),
                family: FamilyChoice::Auto,
                ring_bytes: None,
                args: false,
                verbose: false,
            }
        );
    }

    #[test]
    fn targets_exclude_each_other_and_the_error_names_both() {
        for (line, first, second) in [
            (&["-p", "1", "--comm", "a"][..], "-p", "--comm"),
            (&["-p", "1", "--", "ls"], "-p", "-- CMD"),
            (&["--comm", "a", "--", "ls"], "--comm", "-- CMD"),
            (&["-p", "1", "--comm", "a", "--", "ls"], "-p", "--comm"),
        ] {
            assert_eq!(settings(line), Err(SettingsError::TwoTargets(first, second)));
        }
        assert_eq!(
            SettingsError::TwoTargets("-p", "--comm").to_string(),
            "error: -p and --comm both choose the target\n\
             why: one run traces processes by PID, or by name, or a command that it starts\n\
             next: keep one of them; a second tracer may run beside this one"
        );
        assert_eq!(settings(&["--", ""]), Err(SettingsError::EmptyCommand));
        assert_eq!(settings(&["--json", "--plain"]), Err(SettingsError::TwoFormats));
    }

    #[test]
    fn each_target_is_named_once_and_brings_the_arguments_of_its_calls() {
        let run = settings(&["-p", "3,1,3", "-f"]).expect("valid");
        assert_eq!(run.target, Target::Pids { pids: vec![3, 1], follow: true });
        assert!(run.args);
        let run = settings(&["--comm", "a", "--comm", "a"]).expect("valid");
        assert_eq!(run.target, Target::Comms { names: vec![Comm::new("a")], follow: false });
        assert!(run.args);
        let run = settings(&["--", "ls", "-l"]).expect("valid");
        assert_eq!(run.target, Target::Command { argv: vec!["ls".into(), "-l".into()] });
        assert!(run.args);
        assert!(settings(&["--args"]).expect("valid").args);
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
        let run = settings(&["-e", "%net", "-x", "--slower", "10ms", "-d", "2m"]).expect("valid");
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
    fn durations_have_a_number_and_perhaps_a_unit() {
        for (text, ns) in [
            ("500ms", 500_000_000),
            ("3s", 3_000_000_000),
            ("3", 3_000_000_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("10us", 10_000),
            ("10µs", 10_000),
            ("1.5s", 1_500_000_000),
            ("0.1", 100_000_000),
            ("0.1ns", 0),
            ("1.00000000000000000001s", 1_000_000_000),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(ns)), "{text}");
        }
        for text in
            ["", "s", "-1s", "1.s", ".5s", "1..2s", "1.2.3", "3 s", "3S", "3d", "1h30m", "1e3", "+1s", "٣s"]
        {
            assert_eq!(parse_duration(text), Err(ValueError::Duration), "{text}");
        }
        for text in ["99999999999999999999s", "18446744073709551615", "6000000000m"] {
            assert_eq!(parse_duration(text), Err(ValueError::DurationTooLong), "{text}");
        }
        assert_eq!(parse_run_time("0ms"), Err(ValueError::NoRunTime));
        assert_eq!(parse_interval("99ms"), Err(ValueError::IntervalTooShort));
        assert_eq!(parse_interval("100ms"), Ok(MIN_INTERVAL));
        assert_eq!(ValueError::IntervalTooShort.to_string(), "an interval is at least 100 ms");
    }

    #[test]
    fn rings_are_powers_of_two_of_at_least_a_page() {
        for (text, bytes) in [("4096", 4096), ("64K", 65_536), ("4M", 4 << 20), ("1G", 1 << 30)] {
            assert_eq!(parse_ring_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["0", "", "2048", "5000", "3M", "2G", "4T", "-4096", "4096.0", "M", "4294967296"] {
            assert_eq!(parse_ring_bytes(text), Err(ValueError::RingBytes), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in any::<String>()) {
            let _ = parse_duration(&text);
            let _ = parse_ring_bytes(&text);
            if let Ok(pid) = parse_pid(&text) {
                prop_assert!(pid > 0);
            }
        }

        #[test]
        fn a_number_of_milliseconds_is_read_exactly(ms in 0u64..1 << 40) {
            let exact = Ok(Duration::from_millis(ms));
            prop_assert_eq!(parse_duration(&format!("{ms}ms")), exact.clone());
            prop_assert_eq!(parse_duration(&format!("{}.{:03}s", ms / 1000, ms % 1000)), exact);
        }
    }
}
