//! `cargo xtask bench overhead`: what tracing adds to a syscall, beside other tools, in one interleaved run.

mod contender;
mod machine;
mod price;
mod processes;
mod report;
mod throughput;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use crate::command::{self, say};
use crate::workspace;
use contender::{Contender, Peer, Spun, family_in_use};
use processes::Load;
use report::{Figure, Report};

/// Spins of one contender in one round; the fastest counts, because a disturbance only ever adds.
const SPINS: usize = 3;
/// Calls of a contender that takes tens of microseconds for each.
const SLOW_CALLS: u64 = 20_000;
const THREADS: [u32; 2] = [1, 2];

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Added ns per syscall: the floor, the tracer, other tools. Writes docs/benchmarks.md
    Overhead(Overhead),
    /// What knowing the arguments, files and paths of calls costs, each alone. Writes docs/benchmarks.md
    Price(Price),
}

#[derive(Args)]
struct Overhead {
    /// Install the other tools that are missing (Debian)
    #[arg(long)]
    install: bool,
    /// How often each contender has its turn; a figure is the median over the rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Calls that each thread makes in each of its three spins
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    calls: u64,
    /// Leave the other tools out, and docs/benchmarks.md as it is
    #[arg(long, value_enum)]
    only: Option<Only>,
}

#[derive(Args)]
struct Price {
    /// How often each has its turn; a figure is the median over the rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Calls in each of its three spins
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    calls: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Only {
    /// Untraced, the floor and the tracer
    Us,
}

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !command::is_root() {
        bail!(
            "bench attaches programs to the kernel, which needs root.\nYou are not root.\n\
             Run it again as root: sudo env PATH=\"$PATH\" cargo xtask bench …"
        );
    }
    // Before our own building disturbs it.
    let head: Vec<String> = machine::disturbance().map(not_quiet).into_iter().collect();
    let programs = ["build", "--release", "--package", "tracer", "--bins", "--examples"];
    command::run(command::cargo().args(programs))?;
    match &options.what {
        What::Overhead(options) => overhead(options, head),
        What::Price(options) => price(options, head),
    }
}

fn not_quiet(load: impl std::fmt::Display) -> String {
    format!(
        "**Warning: the machine was not quiet (load average {load} at the start). Do not trust these figures.**"
    )
}

/// What each thing that is known of a call costs, over the family that the tracer takes on this kernel.
fn price(options: &Price, mut head: Vec<String>) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot create a directory for results")?;
    let family = family_in_use(directory.path())?;
    let mut figures = price::figures(family);
    take_turns(&mut figures, options.rounds, options.calls, directory.path())?;
    head.push(format!(
        "Median of {} rounds, each the fastest of {SPINS} spins of {} calls by one thread; {} programs.",
        options.rounds,
        options.calls,
        family.name(),
    ));
    publish("price", &price::markdown(&figures, family, &head), true)
}

fn overhead(options: &Overhead, mut head: Vec<String>) -> Result<()> {
    if options.install {
        install()?;
    }
    let with_peers = options.only.is_none();
    let (peers, missing): (Vec<Peer>, Vec<Peer>) =
        Peer::ALL.into_iter().filter(|_| with_peers).partition(|peer| peer.path().is_some());

    let directory = tempfile::tempdir().context("cannot create a directory for results")?;
    let family = family_in_use(directory.path())?;
    let mut figures: Vec<Figure> = Contender::all(&peers)
        .into_iter()
        .flat_map(|contender| THREADS.map(|threads| Figure::new(contender, Spun::Getppid, threads)))
        .collect();
    take_turns(&mut figures, options.rounds, options.calls, directory.path())?;
    let throughput = throughput::measure(family, directory.path())?;

    head.push(format!(
        "Median of {} rounds, each the fastest of {SPINS} spins of {} `getppid` a thread ({} under strace and perf).",
        options.rounds,
        options.calls,
        options.calls.min(SLOW_CALLS),
    ));
    let report = Report { figures, missing, family, throughput, head, facts: machine::facts() };
    publish("overhead", &report.markdown(), with_peers)
}

/// Every figure has its turn in every round, so that what drifts hits all alike.
fn take_turns(figures: &mut [Figure], rounds: u16, calls: u64, directory: &Path) -> Result<()> {
    for round in 1..=rounds {
        for figure in &mut *figures {
            let (name, call, threads) = (figure.contender.name(), figure.call.name(), figure.threads);
            measure(figure, calls, directory)
                .with_context(|| format!("measuring {name} with {threads} threads of {call}"))?;
            let latest = figure.rounds.last().copied().unwrap_or_default();
            say(format!("round {round}/{rounds}: {name}, {call}, {threads} threads: {latest:.0} ns/call"));
        }
    }
    Ok(())
}

/// Prints a report, and keeps it in its place of the page unless half of it is missing on purpose.
fn publish(what: &str, text: &str, is_whole: bool) -> Result<()> {
    // Nobody is left to tell when stdout is closed, and the page must be written all the same.
    let _ = write!(std::io::stdout().lock(), "{text}");
    if !is_whole {
        say("docs/benchmarks.md is left as it is: it holds whole runs only");
        return Ok(());
    }
    let path = workspace::root().join("docs/benchmarks.md");
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let page = report::insert(&page, what, text).with_context(|| path.display().to_string())?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    say(format!("written to {}", path.display()));
    Ok(())
}

/// One turn of one contender: the fastest of its spins is added to its rounds.
fn measure(figure: &mut Figure, calls: u64, directory: &Path) -> Result<()> {
    let (contender, call, threads) = (figure.contender, figure.call, figure.threads);
    let calls = if contender.is_slow() { calls.min(SLOW_CALLS) } else { calls };
    let launcher = contender.launcher();
    let mut fastest = f64::INFINITY;
    if launcher.is_empty() {
        // All loads wait before anybody attaches, so that one attachment serves them all.
        let mut loads =
            (0..SPINS).map(|_| Load::start(&launcher, call, threads, calls)).collect::<Result<Vec<_>>>()?;
        let targets: Vec<u32> = loads.iter().map(|load| load.pid).collect();
        let attached = contender.attach(&targets, directory)?;
        for load in &mut loads {
            fastest = fastest.min(load.spin()?);
        }
        // While the loads still live: a tracer ends with its targets.
        if let Some(attached) = attached {
            let made = SPINS as u64 * u64::from(threads) * calls;
            figure.remarks.extend(attached.stop(made, call)?);
        }
        loads.into_iter().try_for_each(Load::finish)?;
    } else {
        for _ in 0..SPINS {
            let mut load = Load::start(&launcher, call, threads, calls)?;
            fastest = fastest.min(load.spin()?);
            load.finish()?;
        }
    }
    figure.rounds.push(fastest);
    Ok(())
}

fn install() -> Result<()> {
    let missing: Vec<&str> =
        Peer::ALL.into_iter().filter(|peer| peer.path().is_none()).map(Peer::package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if command::find("apt-get").is_none() {
        bail!(
            "--install knows only Debian's packages, and this machine has no apt-get.\n\
             Install {} by other means, or leave --install out.",
            missing.join(", ")
        );
    }
    command::run(Command::new("apt-get").args(["update", "--quiet"]))?;
    command::run(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "--yes", "--quiet", "--no-install-recommends", "--no-remove"])
            .args(&missing),
    )
}

/// The middle value; of an even number the mean of the middle two. NaN of nothing.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.get(values.len().wrapping_sub(1) / 2), values.get(values.len() / 2)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!((median(&mut [7.0]) - 7.0).abs() < 1e-9);
        assert!(median(&mut []).is_nan());
    }
}
