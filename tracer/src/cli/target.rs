//! What is traced, which of its calls, for how long, and by which means: options of every verb that traces.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::cgroup::CgroupOptions;
use crate::config::{FamilyChoice, values};
use crate::process::Comm;

/// What is traced and for how long.
#[derive(Debug, Args)]
pub struct TargetOptions {
    /// Trace these processes, with all their threads
    ///
    /// Repeat it or separate PIDs by commas. Without a target it is the whole host.
    #[arg(
        short,
        long = "pid",
        value_name = "PID",
        value_delimiter = ',',
        value_parser = values::parse_pid,
        allow_negative_numbers = true,
        help_heading = "Target"
    )]
    pub pids: Vec<u32>,

    /// Trace children of the target too, present and future
    ///
    /// A command given as CMD is always followed, the children of processes in a cgroup are in it, and the whole
    /// host has nobody left to follow.
    #[arg(short, long, help_heading = "Target")]
    pub follow: bool,

    /// Trace every process of this name, present and future
    ///
    /// The name is what `ps -o comm` shows: the kernel keeps 15 bytes of it, longer names are cut alike.
    /// Repeat it for more names.
    #[arg(
        long = "comm",
        value_name = "NAME",
        value_parser = OsStringValueParser::new().try_map(|name| values::parse_comm(&name)),
        help_heading = "Target"
    )]
    pub comms: Vec<Comm>,

    /// Every process of a cgroup.
    #[command(flatten)]
    pub cgroups: CgroupOptions,

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
    #[arg(long, value_name = "DURATION", value_parser = values::parse_duration, help_heading = "Filter")]
    pub slower: Option<Duration>,

    /// With --slower: take the user stack of each of these calls
    ///
    /// The kernel walks frame pointers; code that was compiled without them is left out of the stack, and with it
    /// whoever called it. Names come from symbol tables, and from /tmp/perf-PID.map for JIT compilers.
    #[arg(long, help_heading = "Filter")]
    pub stack: bool,

    /// Stop after this long [default: when interrupted, or when the target has ended]
    ///
    /// Durations are a number and a unit: 10us, 500ms, 3s, 1.5s, 2m, 1h. A number alone is seconds.
    #[arg(short, long, value_name = "DURATION", value_parser = values::parse_run_time, help_heading = "Run")]
    pub duration: Option<Duration>,

    /// Length of an interval: how often tables are renewed
    #[arg(
        short,
        long,
        value_name = "DURATION",
        default_value = "1s",
        env = "TRACER_INTERVAL",
        hide_env_values = true,
        value_parser = values::parse_interval,
        help_heading = "Run"
    )]
    pub interval: Duration,
}

/// By which means it is traced.
#[derive(Debug, Args)]
pub struct KernelOptions {
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
        env = "TRACER_PROGRAM_FAMILY",
        hide_env_values = true,
        value_enum,
        help_heading = "Kernel side",
        hide_short_help = true
    )]
    pub program_family: FamilyChoice,

    /// Size of each CPU's ring: a power of two from 4096 on; `512K` and `4M` are understood
    #[arg(
        long,
        value_name = "BYTES",
        env = "TRACER_RING_BYTES",
        hide_env_values = true,
        value_parser = values::parse_ring_bytes,
        help_heading = "Kernel side",
        hide_short_help = true
    )]
    pub ring_bytes: Option<u32>,
}
