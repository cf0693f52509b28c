//! `cargo xtask soak`: the screen on a busy host for an hour, with what it takes of memory and CPU.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::command::{self, find, say};
use crate::terminal::Terminal;
use crate::workspace;

/// Memory may grow by this much between the second quarter of a run and the last one: what the allocator
/// keeps for itself comes and goes.
const MOST_GROWTH: f64 = 1.05;
const MOST_GROWTH_KIB: u64 = 1024;

/// Seconds between two looks.
const STEP: u64 = 10;

/// Port of the redis that a soak starts for itself.
const PORT: &str = "16379";

/// Options of `cargo xtask soak`.
#[derive(Args)]
pub(crate) struct Options {
    /// How long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// The tracer; without it target/release/tracer is built
    #[arg(long, value_name = "FILE")]
    tracer: Option<PathBuf>,
    /// Time between two looks of the tracer; 100ms fills its 15 minutes of history with ten times as many intervals
    #[arg(short, long, value_name = "TIME", default_value = "1s")]
    interval: String,
    /// Make no load: the host is busy enough
    #[arg(long)]
    no_load: bool,
}

/// One look at the tracer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    seconds: u64,
    /// All that is in memory, files of the program included.
    rss_kib: u64,
    /// What it allocated.
    anonymous_kib: u64,
    /// CPU time since the start, in ticks of 10 ms.
    cpu_ticks: u64,
}

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !command::is_root() {
        bail!(
            "soak attaches programs to the kernel, which needs root.\nYou are not root.\nRun it again as root."
        );
    }
    let tracer = if let Some(path) = &options.tracer {
        path.clone()
    } else {
        let build = ["build", "--release", "--package", "tracer", "--bin", "tracer"];
        command::run(command::cargo().args(build))?;
        workspace::target().join("release/tracer")
    };
    let load = if options.no_load { Vec::new() } else { load()? };
    let tracer = tracer.to_str().context("the path of the tracer is no text")?;
    let mut terminal = Terminal::run(&[tracer, "-i", &options.interval], 120, 40)?;
    terminal.wait_for("figures", Duration::from_secs(30), |screen| screen.contains("calls/s"))?;
    let samples = watch(&mut terminal, options.minutes * 60)?;
    let last_screen = terminal.contents();
    terminal.quit()?;
    drop(load);
    let file = workspace::target().join("soak.csv");
    fs::write(&file, csv(&samples)).with_context(|| format!("cannot write {}", file.display()))?;
    say(format!("\nthe screen at the end:\n{last_screen}\n\nevery sample: {}", file.display()));
    match verdict(&samples) {
        Ok(words) => {
            say(words);
            Ok(())
        }
        Err(words) => bail!(words),
    }
}

/// Looks every few seconds and walks through the views as a person does.
fn watch(terminal: &mut Terminal, seconds: u64) -> Result<Vec<Sample>> {
    let pid = terminal.pid()?;
    let begun = Instant::now();
    let mut samples = Vec::new();
    say("minute   RSS MiB   allocated MiB   CPU %");
    for step in 0..=seconds / STEP {
        let due = Duration::from_secs(step * STEP);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        let sample = look(pid, due.as_secs())?;
        samples.push(sample);
        if due.as_secs().is_multiple_of(60) {
            let before = samples.iter().rev().nth(60 / STEP as usize);
            let ticks = sample.cpu_ticks - before.map_or(sample.cpu_ticks, |before| before.cpu_ticks);
            say(format!(
                "{:6} {:9.1} {:15.1} {:7.1}",
                due.as_secs() / 60,
                mebi(sample.rss_kib),
                mebi(sample.anonymous_kib),
                ticks as f64 / 60.0
            ));
        }
        terminal.press(["1", "2", "\r", "\x1b", "3", "1"][step as usize % 6])?;
    }
    Ok(samples)
}

fn look(pid: u32, seconds: u64) -> Result<Sample> {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/{pid}/{name}"))
            .with_context(|| format!("the tracer ended after {seconds} s"))
    };
    let status = read("status")?;
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let stat = read("stat")?;
    // Fields after the name, which may hold anything: user and system time are the 12th and 13th.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok());
    Ok(Sample {
        seconds,
        rss_kib: kib("VmRSS:").context("no VmRSS in /proc/PID/status")?,
        anonymous_kib: kib("RssAnon:").context("no RssAnon in /proc/PID/status")?,
        cpu_ticks: ticks.sum(),
    })
}

fn mebi(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn csv(samples: &[Sample]) -> String {
    let mut text = "seconds,rss_kib,anonymous_kib,cpu_ticks\n".to_owned();
    for sample in samples {
        let _ = writeln!(
            text,
            "{},{},{},{}",
            sample.seconds, sample.rss_kib, sample.anonymous_kib, sample.cpu_ticks
        );
    }
    text
}

/// Whether memory is flat: the median of the last quarter against that of the second. The first is left out,
/// for tables, histograms and the last 15 minutes fill in it.
fn verdict(samples: &[Sample]) -> Result<String, String> {
    let quarter = samples.len() / 4;
    if quarter == 0 {
        return Err("too short to tell".to_owned());
    }
    let median = |part: &[Sample]| {
        let mut sizes: Vec<u64> = part.iter().map(|sample| sample.rss_kib).collect();
        sizes.sort_unstable();
        sizes[sizes.len() / 2]
    };
    let (early, late) = (median(&samples[quarter..2 * quarter]), median(&samples[samples.len() - quarter..]));
    let most = (early as f64 * MOST_GROWTH) as u64 + MOST_GROWTH_KIB;
    let words =
        format!("RSS {:.1} MiB in the second quarter, {:.1} MiB in the last", mebi(early), mebi(late));
    if late <= most { Ok(format!("flat: {words}")) } else { Err(format!("it grows: {words}")) }
}

/// A part of the load, a process group of its own, ended with all it started when its value is dropped.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        // A load that has ended by itself needs nothing.
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// What makes the host busy: a redis that answers a few thousand calls a second, and short processes without
/// end. All of it nice, and with pauses: a fifth of a CPU in all.
fn load() -> Result<Vec<Load>> {
    if find("redis-server").is_none() || find("redis-benchmark").is_none() {
        bail!(
            "no redis-server on PATH (Debian: apt-get install redis-server); --no-load takes the host as it is"
        );
    }
    // Whoever ends this with Ctrl-C wants no load to stay behind.
    let goes_on = format!("kill -0 {} 2>/dev/null", std::process::id());
    let server = format!(
        "redis-server --port {PORT} --save '' --appendonly no & while {goes_on}; do sleep 1; done; kill $!"
    );
    // A redis-benchmark of 7.0 whose write fails tries again for ever, without a call.
    let client = format!(
        "while {goes_on}; do timeout 10 redis-benchmark -p {PORT} -n 400 -c 4 -q -t set,get; sleep 0.4; done"
    );
    let processes = format!("while {goes_on}; do /bin/true; /bin/cat /etc/hostname; sleep 0.05; done");
    [server.as_str(), &client, &processes].map(start).into_iter().collect()
}

fn start(script: &str) -> Result<Load> {
    let mut command = Command::new("nice");
    command.args(["sh", "-c", script]).current_dir(Path::new("/")).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command::announce(&command);
    Ok(Load(command.spawn().context("cannot start the load")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(sizes: impl Iterator<Item = u64>) -> Vec<Sample> {
        let sample = |(at, rss_kib)| Sample { seconds: at, rss_kib, anonymous_kib: 0, cpu_ticks: 0 };
        (0..).zip(sizes).map(sample).collect()
    }

    #[test]
    fn what_fills_and_stays_is_flat_and_what_goes_on_growing_is_not() {
        let fills = samples((0..400).map(|at| 20_000 + at.min(100) * 100));
        assert!(verdict(&fills).expect("flat").starts_with("flat: RSS 29.3 MiB"), "{:?}", verdict(&fills));
        let leaks = samples((0..400).map(|at| 20_000 + at * 20));
        assert!(verdict(&leaks).expect_err("a leak").starts_with("it grows"));
        assert!(verdict(&samples(0..3)).is_err());
    }

    #[test]
    fn a_process_is_looked_at() {
        let sample = look(std::process::id(), 7).expect("our own");
        assert!(sample.rss_kib > sample.anonymous_kib && sample.anonymous_kib > 0);
        assert_eq!(csv(&[sample]).lines().count(), 2);
    }
}
