//! Everything done to this repository beside `cargo build`: `cargo xtask VERB`, one file per verb.
//! Every command that a verb runs is printed first, so that it can be repeated by hand.

mod bench;
mod build_ebpf;
mod command;
mod incidents;
mod kernel_suite;
mod kernels;
mod provenance;
mod run;
mod setup_ebpf;
mod signatures;
mod soak;
mod tally;
mod terminal;
mod test;
mod tidy;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything done to this repository beside `cargo build`.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the BPF programs and put the object where the tracer embeds it
    BuildEbpf(build_ebpf::Options),
    /// Install what building the BPF programs needs (Debian)
    SetupEbpf,
    /// Build the tracer and run it, as root: `cargo xtask run -- -p PID`
    Run(run::Options),
    /// Run every test that this machine can run, and name those it cannot
    Test(test::Options),
    /// Check the rules that no compiler checks
    Tidy,
    /// Write the table of what syscalls take, from what the running kernel publishes, as root
    Signatures(signatures::Options),
    /// Measure what tracing costs, beside other tools
    Bench(bench::Options),
    /// Stage the five incidents and keep what the first screen shows in docs/incidents.md, as root
    Incidents(incidents::Options),
    /// Run the screen on a busy host for an hour and say whether its memory is flat, as root
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::BuildEbpf(options) => build_ebpf::run(&options),
        Verb::SetupEbpf => setup_ebpf::run(),
        Verb::Run(options) => run::run(&options),
        Verb::Test(options) => match test::run(&options) {
            // Its last line, the sum, has said so; nothing may follow it.
            Ok(tally) if tally.has_failed() => return ExitCode::FAILURE,
            tested => tested.map(drop),
        },
        Verb::Tidy => tidy::check(),
        Verb::Signatures(options) => signatures::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Incidents(options) => incidents::run(&options),
        Verb::Soak(options) => soak::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace that `fn main() -> Result` adds: the chain of contexts says where.
            command::say(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
