//! `cargo xtask incidents`: stages each incident of `tracer/incidents/` on this machine, looks at the first screen, which
//! nobody touches, and writes docs/incidents.md from what was on it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::command::{self, find, say};
use crate::terminal::Terminal;
use crate::workspace;

/// In the order of the page.
const NAMES: [&str; 5] = ["slow-disk", "missing-file", "silent-peer", "full-disk", "held-lock"];

/// How long the screen may take to name the culprit.
const LIMIT: Duration = Duration::from_secs(5);

/// Seconds that an incident lasts.
const LENGTH: &str = "10";

/// What the machine is called on the page.
const HOST: &str = "db-7";

/// Options of `cargo xtask incidents`.
#[derive(Args)]
pub(crate) struct Options {
    /// The tracer; without it target/release/tracer is built
    #[arg(long, value_name = "FILE")]
    tracer: Option<PathBuf>,
}

/// What is known of an incident from the head of its script.
#[derive(Debug, PartialEq, Eq)]
struct Story {
    /// In sentences.
    text: String,
    /// The rule that finds it.
    rule: String,
    /// The culprit.
    syscall: String,
}

/// What was seen of it.
struct Sight {
    named_after: Duration,
    screen: String,
}

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !command::is_root() {
        bail!(
            "incidents need root: to trace, to mount, to slow a disk down.\nYou are not root.\nRun it again as root."
        );
    }
    for program in ["bash", "python3", "flock", "unshare", "setsid", "hostname", "losetup", "mkfs.ext4"] {
        if find(program).is_none() {
            bail!("{program} is not on PATH, and the incidents need it");
        }
    }
    let tracer = if let Some(path) = &options.tracer {
        path.clone()
    } else {
        let build = ["build", "--release", "--package", "tracer", "--bin", "tracer"];
        command::run(command::cargo().args(build))?;
        workspace::target().join("release/tracer")
    };
    let mut page = head()?;
    for name in NAMES {
        let path = workspace::root().join(format!("tracer/incidents/{name}.sh"));
        let script = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let story = story(&script).with_context(|| format!("{name}.sh does not say what names it"))?;
        say(format!("{name}: {}", story.text));
        let sight = stage(&tracer, &path, &story)?;
        say(format!("named after {:.1} s", sight.named_after.as_secs_f64()));
        write!(
            page,
            "\n## {name}\n\n{}\n\nNamed after {:.1} s, by `{}` on `{}`:\n\n```\n{}\n```\n",
            story.text,
            sight.named_after.as_secs_f64(),
            story.rule,
            story.syscall,
            sight.screen
        )?;
    }
    let file = workspace::root().join("docs/incidents.md");
    fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
    say(format!("wrote {}", file.display()));
    Ok(())
}

fn head() -> Result<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("no kernel release")?;
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    Ok(format!(
        "# Five staged incidents\n\n\
         What the first screen shows of the incidents in `tracer/incidents/`, made by `cargo xtask incidents`. For each, `tracer` is started\n\
         on the whole host in a terminal of 80 by 24, and no key is pressed. Then the script runs, real programs in real trouble, and the\n\
         screen is kept as it was when it first named the culprit. The kernel tests hold every incident to five seconds.\n\n\
         Linux {}, {cpus} CPUs, while other programs ran. Rows and findings of processes that have no part in the incident are left out of these\n\
         pictures; `...` stands for them. [findings.md](findings.md) explains the rules.\n",
        release.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap_or_default()
    ))
}

/// Reads the comment at the head of a script.
fn story(script: &str) -> Option<Story> {
    let lines: Vec<&str> = script
        .lines()
        .skip(1)
        .map_while(|line| line.strip_prefix("# ").or_else(|| line.strip_prefix('#')))
        .collect();
    let (told, facts): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| !line.starts_with("  "));
    let text = told.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let named = facts.iter().find_map(|line| line.trim().strip_prefix("named by:"))?;
    let (rule, syscall) = named.trim().split_once(", ")?;
    let text = text.strip_prefix("Incident: ").unwrap_or(&text).to_owned();
    let mut letters = text.chars();
    let text = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    Some(Story { text, rule: rule.to_owned(), syscall: syscall.to_owned() })
}

/// An incident that goes on, with all its processes in a session of its own.
struct Incident(Child);

impl Incident {
    fn begin(script: &Path) -> Result<Self> {
        let mut command = Command::new("setsid");
        command.args(["--wait", "bash"]).arg(script).arg(LENGTH).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot run setsid")?;
        let mut said = String::new();
        let stdout = child.stdout.take().context("a pipe was asked for")?;
        BufReader::new(stdout).read_line(&mut said).context("cannot read what the script says")?;
        let incident = Self(child);
        if said.trim() != "begun" {
            bail!("{} could not be staged here; it says why above", script.display());
        }
        Ok(incident)
    }

    /// PIDs of everything that takes part.
    fn members(&self) -> BTreeSet<u32> {
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid: u32| Some((pid, parent_of(pid)?)))
            .collect();
        let mut members = BTreeSet::from([self.0.id()]);
        loop {
            let before = members.len();
            members.extend(
                parents
                    .iter()
                    .filter(|(_, parent)| members.contains(parent))
                    .map(|(pid, _)| *pid)
                    .collect::<Vec<_>>(),
            );
            if members.len() == before {
                return members;
            }
        }
    }

    fn end(mut self) -> Result<()> {
        let status = self.0.wait().context("cannot wait for the script")?;
        if !status.success() {
            bail!("the script ended with {status}");
        }
        Ok(())
    }
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn stage(tracer: &Path, script: &Path, story: &Story) -> Result<Sight> {
    let tracer = tracer.canonicalize().context("no such tracer")?;
    let tracer = tracer.to_str().context("the path of the tracer is no text")?;
    let line = format!("hostname {HOST} && exec '{tracer}'");
    let mut terminal = Terminal::run(&["unshare", "--uts", "sh", "-c", &line], 80, 24)?;
    terminal.wait_for("figures", Duration::from_secs(30), |screen| screen.contains("calls/s  lost 0"))?;
    let incident = Incident::begin(script)?;
    let begun = Instant::now();
    let is_named = |screen: &str| {
        let mut findings = screen.lines().filter(|line| line.starts_with("! "));
        findings.any(|line| line.contains("python3") && line.contains(&story.syscall))
    };
    terminal.wait_for("the culprit's name", LIMIT, is_named)?;
    let (named_after, screen) = (begun.elapsed(), terminal.contents());
    let members = incident.members();
    terminal.quit()?;
    incident.end()?;
    Ok(Sight { named_after, screen: only_of(&screen, &members) })
}

/// The screen without the rows and findings of processes that are none of these; a run of them becomes one `...`.
fn only_of(screen: &str, members: &BTreeSet<u32>) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_below_head = false;
    for line in screen.lines() {
        let is_other = if line.starts_with("! ") && !is_below_head {
            !line.split_whitespace().any(|word| word.parse().is_ok_and(|pid| members.contains(&pid)))
        } else {
            let pid = line.trim_start_matches(['>', '!', ' ']).split(' ').next().unwrap_or_default();
            is_below_head && (pid == "-" || pid.parse().is_ok_and(|pid: u32| !members.contains(&pid)))
        };
        is_below_head |= line.contains("PID") && line.contains("COMM");
        if !is_other {
            kept.push(line.trim_end());
        } else if kept.last() != Some(&"...") {
            kept.push("...");
        }
    }
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_says_what_names_it() {
        for name in NAMES {
            let path = workspace::root().join(format!("tracer/incidents/{name}.sh"));
            let script = fs::read_to_string(&path).expect("a script");
            let story = story(&script).unwrap_or_else(|| panic!("{name}"));
            assert!(
                story.text.len() > 30 && !story.rule.is_empty() && !story.syscall.contains(' '),
                "{story:?}"
            );
        }
    }

    #[test]
    fn other_processes_are_left_out() {
        let screen = "tracer  db-7\n! python3 7  fsync slow\n! other 9  read slow\n[1 processes]\n  PID COMM\n>  7 python3 1\n  \
                      9 other\n 10 other\n  - sh (3 ended)\n ---- idle ----\n\nEnter open";
        let expected = "tracer  db-7\n! python3 7  fsync slow\n...\n[1 processes]\n  PID COMM\n>  7 python3 1\n...\n ---- idle ----\n\nEnter open";
        assert_eq!(only_of(screen, &BTreeSet::from([7])), expected);
    }
}
