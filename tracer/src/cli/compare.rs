//! `tracer compare` on the command line.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{ArgAction, Args};

use super::screen::ScreenOptions;
use crate::config::values::parse_comm;
use crate::process::Comm;
use crate::span::{Moment, Selection, SpanError};

/// What `tracer compare --help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  tracer compare before.arrows after.arrows       did the fix help?
  tracer compare day.arrows --at deployed         before and after a mark (`tracer mark`)
  tracer compare day.arrows --before-span 14:00..14:05 --after-span 14:20..14:25
  tracer compare --before a1 a2 a3 --after b1 b2 b3   several runs of each, recorded in turn
  tracer compare a b --fail-on 'p99(fsync) > +20%' --fail-on 'new errno ENOSPC'
  tracer compare a b --markdown > change.md

Conditions of --fail-on (exit status 3 when one is met):
  slower  slower(fsync)  faster(fsync)            a verdict, of any call or of one
  new call  new errno  new errno ENOSPC           what was not there before
  p50 p90 p99 p99.9 max mean rate time errors     a figure of (CALL), (CALL, COMM), (*) or (*, COMM),
                                                  then > >= < <= and an amount:
    +20%  -20%  1.5x                              a change; errors(read) > +1% is in points
    10ms  100/s  0.1%                             a latency, a rate, a share of errors after
  refused                                         nothing could be judged
A change counts only where its interval excludes chance.

Exit status: 0 fine, 1 error, 2 wrong usage, 3 a condition is met, 5 a recording was cut short.";

/// Options of `tracer compare`, as given.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct CompareOptions {
    /// How the screen looks.
    #[command(flatten)]
    pub screen: ScreenOptions,

    /// The two recordings, BEFORE and AFTER; or one, with --at or two spans
    #[arg(value_name = "FILE", num_args = 1..=2, required_unless_present_all = ["before", "after"])]
    pub files: Vec<PathBuf>,

    /// Recordings that make up the side before
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        requires = "after",
        conflicts_with = "files",
        help_heading = "Sides"
    )]
    pub before: Vec<PathBuf>,

    /// Recordings that make up the side after
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        requires = "before",
        conflicts_with = "files",
        help_heading = "Sides"
    )]
    pub after: Vec<PathBuf>,

    /// Cut one recording in two here
    ///
    /// The text of a mark, a time of day, +30s after the beginning or -1m before the end.
    #[arg(
        long,
        value_name = "MOMENT",
        value_parser = Moment::parse,
        allow_hyphen_values = true,
        conflicts_with_all = ["before_span", "after_span", "before", "after"],
        help_heading = "Sides"
    )]
    pub at: Option<Moment>,

    /// Of the side before only FROM..TO; either may be left out
    #[arg(long, value_name = "FROM..TO", value_parser = parse_span, allow_hyphen_values = true, help_heading = "Sides")]
    pub before_span: Option<Selection>,

    /// Of the side after only FROM..TO
    #[arg(long, value_name = "FROM..TO", value_parser = parse_span, allow_hyphen_values = true, help_heading = "Sides")]
    pub after_span: Option<Selection>,

    /// What a row is
    #[arg(long, value_enum, default_value_t, help_heading = "Rows")]
    pub by: ByChoice,

    /// Only these syscalls: names and classes separated by commas, as in `openat,%net`
    #[arg(short, long = "expr", value_name = "SET", help_heading = "Rows")]
    pub expressions: Vec<String>,

    /// Only processes of this name; repeat it for more
    #[arg(
        long = "comm",
        value_name = "NAME",
        value_parser = OsStringValueParser::new().try_map(|name| parse_comm(&name)),
        help_heading = "Rows"
    )]
    pub comms: Vec<Comm>,

    /// Print every row, not only the ones with the largest impact
    #[arg(long, help_heading = "Rows")]
    pub all: bool,

    /// Smallest change of latency that gets a verdict
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = parse_percent, help_heading = "Judging")]
    pub threshold: f64,

    /// Seed of the bootstrap: the same recordings and seed give the same figures
    #[arg(long, value_name = "NUMBER", default_value_t = 0, help_heading = "Judging")]
    pub seed: u64,

    /// Exit with status 3 when this holds; repeat it for more (see below)
    #[arg(long, value_name = "CONDITION", action = ArgAction::Append, help_heading = "Judging")]
    pub fail_on: Vec<String>,

    /// Write JSON Lines: `comparison`, `warning`, `change` and `condition` objects
    #[arg(long, conflicts_with = "markdown", help_heading = "Output")]
    pub json: bool,

    /// Write Markdown, for a pull request or an incident report
    #[arg(long, help_heading = "Output")]
    pub markdown: bool,

    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Print tables as text even on a terminal
    #[arg(long, help_heading = "Output")]
    pub plain: bool,
}

/// What a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ByChoice {
    /// A syscall of a command name
    #[default]
    Call,
    /// All calls of a command name
    Comm,
    /// All calls of a cgroup: of a service, of a container
    Cgroup,
    /// A syscall, whoever makes it
    Syscall,
    /// An errno of a syscall of a command name: how often, not how slow
    Errno,
}

/// `FROM..TO`.
fn parse_span(text: &str) -> Result<Selection, SpanError> {
    let Some((from, to)) = text.split_once("..") else {
        return Ok(Selection { from: Some(Moment::parse(text)?), to: None });
    };
    let moment = |text: &str| if text.trim().is_empty() { Ok(None) } else { Moment::parse(text).map(Some) };
    Ok(Selection { from: moment(from)?, to: moment(to)? })
}

/// `5%`, `5`, `2.5%` as a share.
fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if (0.1..=1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write a percentage from 0.1% to 1000%, as in 5%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Verb};

    fn read(line: &[&str]) -> Result<CompareOptions, clap::Error> {
        let line = ["tracer", "compare"].iter().chain(line);
        match Cli::read(line)?.into_verb() {
            Verb::Compare(options) => Ok(options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sides_are_given_in_four_ways() {
        assert_eq!(read(&["a", "b"]).expect("two files").files.len(), 2);
        let many = read(&["--before", "a", "b", "--after", "c", "d"]).expect("several files");
        assert_eq!((many.before.len(), many.after.len(), many.files.len()), (2, 2, 0));
        let cut = read(&["a", "--at", "-30s"]).expect("a cut");
        assert_eq!(cut.at, Some(Moment::BeforeEnd(30_000_000_000)));
        let spans =
            read(&["a", "--before-span", "+0s..+10s", "--after-span", "mark:x.."]).expect("two spans");
        let after = spans.after_span.expect("given");
        assert_eq!((after.from, after.to), (Some(Moment::Mark("x".to_owned())), None));
        assert_eq!(spans.before_span.expect("given").to, Some(Moment::AfterStart(10_000_000_000)));
        for wrong in
            [&[][..], &["--before", "a"], &["a", "b", "c"], &["a", "b", "--before", "c", "--after", "d"]]
        {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn thresholds_are_percentages() {
        assert!((read(&["a", "b"]).expect("defaults").threshold - 0.05).abs() < 1e-12);
        assert!((read(&["a", "b", "--threshold", "2.5"]).expect("valid").threshold - 0.025).abs() < 1e-12);
        for wrong in ["0", "-5%", "x", "", "nan"] {
            assert!(read(&["a", "b", "--threshold", wrong]).is_err(), "{wrong}");
        }
    }
}
