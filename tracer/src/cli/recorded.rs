//! Options of every verb that reads recordings: which files, which part of them, which calls.

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::config::values;
use crate::process::Comm;
use crate::span::Moment;

/// Which part of the recordings.
///
/// A moment is a time of day (`14:02:11`), a date and time (`2026-11-22T14:02:11Z`), an offset from the
/// beginning (`+30s`) or from the end (`-1m`), or the text of a mark.
#[derive(Debug, Default, Args)]
pub struct PartOptions {
    /// Only from this moment on: 14:02:11, 2026-11-22T14:02:11Z, +30s, -1m or a mark
    ///
    /// Times without a zone are those of your clock. -1m is a minute before the end. A mark is named by its
    /// text or a part of it; `mark:TEXT` where the text looks like a time. Intervals are never cut: one counts
    /// where its middle lies.
    #[arg(long, value_name = "MOMENT", value_parser = Moment::parse, allow_hyphen_values = true, help_heading = "Part")]
    pub from: Option<Moment>,

    /// Only up to this moment, in the same words
    #[arg(long, visible_alias = "until", value_name = "MOMENT", value_parser = Moment::parse, allow_hyphen_values = true, help_heading = "Part")]
    pub to: Option<Moment>,

    /// Short for --from MARK --to MARK
    #[arg(
        long,
        num_args = 2,
        value_names = ["MARK", "MARK"],
        value_parser = Moment::parse,
        allow_hyphen_values = true,
        conflicts_with_all = ["from", "to"],
        help_heading = "Part"
    )]
    pub between: Vec<Moment>,
}

/// Which of the recorded calls.
#[derive(Debug, Default, Args)]
pub struct WantedOptions {
    /// Only these processes
    #[arg(
        short,
        long = "pid",
        value_name = "PID",
        value_delimiter = ',',
        value_parser = values::parse_pid,
        allow_negative_numbers = true,
        help_heading = "Filter"
    )]
    pub pids: Vec<u32>,

    /// Only processes of this name; repeat it for more names
    #[arg(
        long = "comm",
        value_name = "NAME",
        value_parser = OsStringValueParser::new().try_map(|name| values::parse_comm(&name)),
        help_heading = "Filter"
    )]
    pub comms: Vec<Comm>,

    /// Only these syscalls
    ///
    /// Names and classes separated by commas, as strace has them: `openat,read`, `%net`, `%file,fsync`; `!`
    /// before the whole set takes the others: `!futex,%poll`.
    #[arg(short, long = "expr", value_name = "SET", help_heading = "Filter")]
    pub expressions: Vec<String>,
}
