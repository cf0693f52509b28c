//! `cargo xtask test`: every test that this machine can run, and by name those that it cannot.
//!
//! The tests against a real kernel are marked ignored, because they need root; they run here when we are
//! root, and with `--kernels` on other kernels in virtual machines. So are those that need other readers, and in an
//! unoptimised build those that measure.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;

use crate::command::{self, say};
use crate::kernel_suite;
use crate::kernels;
use crate::tally::{Counts, Ending, Tally};
use crate::tidy;
use crate::workspace;

/// Options of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Options {
    /// Run the kernel suite on these kernels in virtual machines, instead of the tests on this one:
    /// a comma list, or nothing for all that are known
    #[arg(long, value_name = "LIST", num_args = 0..=1, value_delimiter = ',', require_equals = false)]
    kernels: Option<Vec<String>>,
    /// Of the kernel suite, run on these kernels only the tests whose names hold this
    #[arg(long, value_name = "NAME", requires = "kernels")]
    only: Option<String>,
}

/// Runs the verb, and prints the table of what ran.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    let mut tally = Tally::default();
    match &options.kernels {
        None => host(&mut tally),
        Some(list) => kernels::run(list, options.only.as_deref(), &mut tally)?,
    }
    // The result of the verb, so on stdout; nobody is left to tell when that is closed.
    let _ = writeln!(std::io::stdout().lock(), "{}", tally.table());
    Ok(tally)
}

/// The step that runs some of the tests a second time.
const AGAIN_IN_NAMESPACE: &str = "kernel tests in a namespace";

/// Tests that the first run leaves out.
type Suite = fn() -> (Ending, Counts);

fn host(tally: &mut Tally) {
    let start = Instant::now();
    let (ending, counts) = match tidy::check() {
        Ok(()) => (Ending::Passed, Counts::default()),
        Err(error) => failure(&error),
    };
    tally.add("tidy", start.elapsed(), ending, counts);

    let start = Instant::now();
    let (ending, mut counts) = cargo_test(&["--workspace", "--exclude", "tracer-ebpf"], &[], None);
    let took = start.elapsed();

    let suites: [(&str, Suite); 4] = [
        ("kernel tests on this kernel", this_kernel),
        (AGAIN_IN_NAMESPACE, in_namespace),
        ("recordings in other readers", other_readers),
        ("tests of an optimised build", optimised),
    ];
    let later = suites.map(|(name, suite)| {
        let start = Instant::now();
        let (ending, counts) = suite();
        (name, start.elapsed(), ending, counts)
    });
    // The first run counted the tests of these suites as ignored; each test counts once.
    let once = later.iter().filter(|(name, ..)| *name != AGAIN_IN_NAMESPACE);
    let elsewhere: u64 = once.map(|(.., counts)| counts.ran() + counts.skipped).sum();
    counts.skipped = counts.skipped.saturating_sub(elsewhere);
    tally.add("unit, property and snapshot tests", took, ending, counts);
    for (name, took, ending, counts) in later {
        tally.add(name, took, ending, counts);
    }
}

/// Says of each test that it did not run, and why.
fn not_run(names: &[&str], why: String) -> (Ending, Counts) {
    for name in names {
        say(format!("NOT RUN ({why}): {name}"));
    }
    (Ending::Skipped(why), Counts { skipped: names.len() as u64, ..Counts::default() })
}

/// The ignored tests that `selection` has.
fn list(selection: &[&str]) -> Result<String> {
    command::read(command::cargo().arg("test").args(selection).arg("--").args(kernel_suite::LIST))
}

/// The tests that open recordings with other people's readers.
fn other_readers() -> (Ending, Counts) {
    let selection = ["--package", "tracer", "--test", "readers"];
    let listed = match list(&selection) {
        Ok(listed) => listed,
        Err(error) => return failure(&error),
    };
    let python = std::env::var_os("TRACER_PYTHON")
        .map_or_else(|| workspace::target().join("readers/bin/python3"), PathBuf::from);
    if command::ask_text(&python, &["-c", "import pyarrow, polars, duckdb"]).is_none() {
        let why = format!("no pyarrow, polars and duckdb in {}", python.display());
        return not_run(&kernel_suite::names(&listed), why);
    }
    cargo_test(&selection, &["--ignored".to_owned()], None)
}

/// The tests of the verbs that an unoptimised build ignores, because they measure.
fn optimised() -> (Ending, Counts) {
    let selection = ["--package", "tracer", "--test", "recorded", "--test", "compare"];
    let listed = match list(&selection) {
        Ok(listed) => listed,
        Err(error) => return failure(&error),
    };
    let mut harness = vec!["--exact".to_owned(), "--test-threads=1".to_owned()];
    harness.extend(kernel_suite::names(&listed).into_iter().map(str::to_owned));
    cargo_test(&[&["--release"], &selection[..]].concat(), &harness, None)
}

/// A step that could not be run to its end.
fn failure(error: &anyhow::Error) -> (Ending, Counts) {
    say(format!("error: {error:#}"));
    (Ending::Failed(error.to_string()), Counts { failed: 1, ..Counts::default() })
}

/// Runs `cargo test`, under `runner` where one is given, and counts what it reports.
fn cargo_test(selection: &[&str], harness: &[String], runner: Option<&Runner>) -> (Ending, Counts) {
    let mut command = command::cargo();
    command.arg("test").args(selection).args(["--no-fail-fast", "--"]).args(harness);
    if let Some(runner) = runner {
        command.env(&runner.variable, &runner.command);
    }
    match command::run_and_keep(&mut command) {
        Ok((true, output)) => (Ending::Passed, Counts::of(&output)),
        Ok((false, output)) => {
            let mut counts = Counts::of(&output);
            // What does not compile, or dies, prints no result of its own.
            counts.failed = counts.failed.max(1);
            (Ending::Failed("see above".to_owned()), counts)
        }
        Err(error) => failure(&error),
    }
}

/// Makes cargo start test programs through another program.
struct Runner {
    variable: String,
    command: String,
}

fn this_kernel() -> (Ending, Counts) {
    if let Err(error) = command::run(command::cargo().arg("build").args(kernel_suite::PROGRAMS)) {
        return failure(&error);
    }
    let listed = match list(&kernel_suite::SELECTION) {
        Ok(listed) => listed,
        Err(error) => return failure(&error),
    };
    let names = kernel_suite::names(&listed);
    let runner = match privilege() {
        Privilege::Ours => None,
        Privilege::Through(runner) => Some(runner),
        Privilege::Missing(why) => return not_run(&names, why),
    };
    let missing = kernel_suite::missing_here(&workspace::target().join("release/examples/oracle"));
    let left_out = kernel_suite::left_out(&names, &missing);
    for (name, why) in &left_out {
        say(format!("NOT RUN ({why}): {name}"));
    }
    let mut harness = kernel_suite::HARNESS.map(str::to_owned).to_vec();
    harness.extend(kernel_suite::skip_arguments(&missing));
    let (ending, mut counts) = cargo_test(&kernel_suite::SELECTION, &harness, runner.as_ref());
    counts.skipped += left_out.len() as u64;
    (ending, counts)
}

/// A part of the suite inside a PID namespace, whose numbers are not the kernel's own.
fn in_namespace() -> (Ending, Counts) {
    let mut harness = kernel_suite::HARNESS.map(str::to_owned).to_vec();
    harness.extend(kernel_suite::OF_NAMESPACE.map(str::to_owned));
    let names = kernel_suite::OF_NAMESPACE;
    let become_root = match privilege() {
        Privilege::Ours => String::new(),
        Privilege::Through(runner) => format!("{} ", runner.command),
        Privilege::Missing(why) => return not_run(&names, why),
    };
    let (Some(_), Some(variable)) = (command::find("unshare"), runner_variable()) else {
        return not_run(&names, "not installed: unshare".to_owned());
    };
    let runner = Runner { variable, command: format!("{become_root}{}", kernel_suite::IN_NAMESPACE) };
    cargo_test(&kernel_suite::SELECTION, &harness, Some(&runner))
}

enum Privilege {
    Ours,
    Through(Runner),
    Missing(String),
}

/// How this machine lets us load BPF programs.
fn privilege() -> Privilege {
    if !command::is_root() {
        // -n: a test run must never stop at a password prompt.
        if command::ask_text("sudo", &["-n", "true"]).is_some()
            && let Some(variable) = runner_variable()
        {
            return Privilege::Through(Runner { variable, command: "sudo -n".to_owned() });
        }
        return Privilege::Missing("needs root".to_owned());
    }
    // Root of a container often has the name without the rights.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match effective_capabilities(&status) {
        Some(held) if may_load(held) => Privilege::Ours,
        Some(_) => Privilege::Missing("root without CAP_BPF and CAP_PERFMON, as in a container".to_owned()),
        None => Privilege::Missing("cannot read our capabilities from /proc/self/status".to_owned()),
    }
}

/// The variable that sets cargo's runner for this machine's own target.
fn runner_variable() -> Option<String> {
    let verbose = command::ask_text("rustc", &["-vV"])?;
    let host = verbose.lines().find_map(|line| line.strip_prefix("host: "))?;
    Some(format!("CARGO_TARGET_{}_RUNNER", host.replace('-', "_").to_uppercase()))
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

fn may_load(capabilities: u64) -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    const PERFMON: u64 = 1 << 38;
    const BPF: u64 = 1 << 39;
    capabilities & SYS_ADMIN != 0 || capabilities & (PERFMON | BPF) == PERFMON | BPF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_without_capabilities_is_told_apart() {
        let status = |set: &str| format!("Name:\tx\nCapEff:\t{set}\nCapBnd:\t000001ffffffffff\n");
        let held = |set| effective_capabilities(&status(set)).expect("a set");
        assert!(may_load(held("000001ffffffffff")));
        assert!(may_load(held("000000c000000000")));
        assert!(!may_load(held("00000000a80425fb")), "a container's usual set");
        assert!(!may_load(held("0000008000000000")), "CAP_BPF alone");
        assert_eq!(effective_capabilities("CapEff:\tnonsense"), None);
    }
}
