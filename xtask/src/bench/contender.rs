//! What is measured: nobody, the floor, the tracer in each of its ways, and other tools. How each is started,
//! and how one knows that it is attached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::processes::{Background, built};
use crate::command::find;

/// What programs do in the background after they said that they are attached, and what the kernel still does
/// after they ended.
const SETTLING: Duration = Duration::from_millis(100);
/// Every latency of every syscall of every process as a histogram; the clock line tells that it is attached,
/// because bpftrace attaches probes in their order.
const HISTOGRAMS: &str = "
    tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; }
    tracepoint:raw_syscalls:sys_exit /@start[tid]/ {
        @latency[pid, args->id] = hist(nsecs - @start[tid]);
        delete(@start[tid]);
    }
    interval:ms:200 { printf(\"attached\\n\"); }
    END { clear(@start); }";

/// The call that a load makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spun {
    /// On nothing: the cheapest call there is.
    Getppid,
    /// On a descriptor.
    Lseek,
    /// On a path.
    Access,
}

impl Spun {
    pub(super) const ALL: [Self; 3] = [Self::Getppid, Self::Lseek, Self::Access];

    /// Its name, also for the oracle.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Getppid => "getppid",
            Self::Lseek => "lseek",
            Self::Access => "access",
        }
    }
}

/// Which tracepoints programs are attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Raw,
    Classic,
}

impl Family {
    /// Its name on command lines.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Classic => "classic",
        }
    }
}

/// What the tracer is told to trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Everybody, events without arguments.
    Host,
    /// Everybody, events with arguments.
    HostArguments,
    /// The load.
    Target,
    /// Another process, so that the load is turned away in the kernel.
    Bystander,
    /// The load, calls of 10 ms and more: none.
    Slow,
    /// The same, with their stacks.
    SlowStacks,
    /// The load, with the stack of every call.
    EveryStack,
}

/// Another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Syscount,
    Bpftrace,
    PerfTrace,
    Strace,
}

impl Peer {
    pub(super) const ALL: [Self; 4] = [Self::Syscount, Self::Bpftrace, Self::PerfTrace, Self::Strace];

    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Syscount => "syscount -L",
            Self::Bpftrace => "bpftrace hist",
            Self::PerfTrace => "perf trace -s",
            Self::Strace => "strace -f -c",
        }
    }

    /// Its program.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Syscount => "syscount",
            Self::Bpftrace => "bpftrace",
            Self::PerfTrace => "perf",
            Self::Strace => "strace",
        }
    }

    /// Its package on Debian.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Syscount => "libbpf-tools",
            Self::Bpftrace => "bpftrace",
            Self::PerfTrace => "linux-perf",
            Self::Strace => "strace",
        }
    }

    /// Where it is, if it is installed.
    pub(super) fn path(self) -> Option<PathBuf> {
        find(self.program())
    }
}

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    Untraced,
    /// Two empty programs.
    Floor(Family),
    Tracer(Reach, Family),
    Peer(Peer),
}

impl Contender {
    /// Everything that can be measured, in the order of the table.
    pub(super) fn all(peers: &[Peer]) -> Vec<Self> {
        let mut all = vec![Self::Untraced];
        for family in [Family::Raw, Family::Classic] {
            all.push(Self::Floor(family));
            for reach in [Reach::Host, Reach::HostArguments, Reach::Target, Reach::Bystander] {
                all.push(Self::Tracer(reach, family));
            }
        }
        all.extend(peers.iter().map(|&peer| Self::Peer(peer)));
        all
    }

    /// Its name in the table.
    pub(super) fn name(self) -> String {
        let (what, family) = match self {
            Self::Untraced => return "untraced".to_owned(),
            Self::Peer(peer) => return peer.name().to_owned(),
            Self::Floor(family) => ("two empty programs", family),
            Self::Tracer(Reach::Host, family) => ("tracer, whole host", family),
            Self::Tracer(Reach::HostArguments, family) => ("tracer, whole host, --args", family),
            Self::Tracer(Reach::Target, family) => ("tracer, target", family),
            Self::Tracer(Reach::Bystander, family) => ("tracer, bystander", family),
            Self::Tracer(Reach::Slow, family) => ("tracer, target, --slower", family),
            Self::Tracer(Reach::SlowStacks, family) => ("tracer, target, --slower --stack", family),
            Self::Tracer(Reach::EveryStack, family) => ("tracer, target, stack of every call", family),
        };
        format!("{what}, {}", family.name())
    }

    /// Which floor it stands on. Every other tool here attaches to classic tracepoints, or pays more.
    pub(super) fn floor(self) -> Self {
        match self {
            Self::Floor(family) | Self::Tracer(_, family) => Self::Floor(family),
            Self::Untraced | Self::Peer(_) => Self::Floor(Family::Classic),
        }
    }

    /// Whether a call takes tens of microseconds, so that far fewer are enough.
    pub(super) fn is_slow(self) -> bool {
        matches!(self, Self::Peer(Peer::PerfTrace | Peer::Strace))
    }

    /// The words before the load's own command line, for tools that start what they trace.
    pub(super) fn launcher(self) -> Vec<String> {
        let Self::Peer(peer) = self else { return Vec::new() };
        let arguments: &[&str] = match peer {
            Peer::PerfTrace => &["trace", "-s", "-o", "/dev/null", "--"],
            Peer::Strace => &["-f", "-c", "-o", "/dev/null", "--"],
            Peer::Syscount | Peer::Bpftrace => return Vec::new(),
        };
        let program = peer.path().unwrap_or_else(|| peer.program().into());
        std::iter::once(program.to_string_lossy().into_owned())
            .chain(arguments.iter().map(|&word| word.to_owned()))
            .collect()
    }

    /// Starts it and returns once it is attached; nothing for who is not there or starts the load itself.
    /// `targets` are the load's processes, `directory` is for what it writes.
    pub(super) fn attach(self, targets: &[u32], directory: &Path) -> Result<Option<Attached>> {
        let results = directory.join("results.json");
        let (mut program, expects) = match self {
            Self::Untraced | Self::Peer(Peer::PerfTrace | Peer::Strace) => return Ok(None),
            Self::Floor(family) => {
                let mut command = Command::new(built("examples/floor"));
                command.arg(family.name());
                let mut program = Background::start(command, directory)?;
                program.wait_until_ready(|program| program.stdout().contains("attached"))?;
                (program, None)
            }
            Self::Tracer(reach, family) => {
                // The last tracer's results would look like those of one that is attached.
                if results.exists() {
                    fs::remove_file(&results)
                        .with_context(|| format!("cannot remove {}", results.display()))?;
                }
                let command = tracer(reach, family, targets, &results);
                let mut program = Background::start(command, directory)?;
                program.wait_until_ready(|_| meta(&results).is_some())?;
                (program, Some((results, reach)))
            }
            Self::Peer(peer @ Peer::Syscount) => {
                let mut command = Command::new(peer.path().context("syscount is not installed")?);
                command.arg("-L");
                let mut program = Background::start(command, directory)?;
                // It says nothing that a file would get at once.
                program.wait_until_ready(|program| attachments(program.pid()) >= 2)?;
                (program, None)
            }
            Self::Peer(peer @ Peer::Bpftrace) => {
                let mut command = Command::new(peer.path().context("bpftrace is not installed")?);
                command.args(["-B", "line", "-e", HISTOGRAMS]);
                let mut program = Background::start(command, directory)?;
                program.wait_until_ready(|program| program.stdout().matches("attached\n").count() >= 2)?;
                (program, None)
            }
        };
        thread::sleep(SETTLING);
        // Whoever died of what it attached must not be taken for cheap.
        program.wait_until_ready(|_| true)?;
        Ok(Some(Attached { program, expects, targets: targets.to_vec() }))
    }
}

/// The tracer's command line; it writes to `results`.
fn tracer(reach: Reach, family: Family, targets: &[u32], results: &Path) -> Command {
    let mut command = Command::new(built("tracer"));
    command.args(["--json", "--program-family", family.name(), "-o"]).arg(results);
    match reach {
        Reach::Host => {}
        Reach::HostArguments => {
            command.arg("--args");
        }
        Reach::Target | Reach::Slow | Reach::SlowStacks | Reach::EveryStack => {
            let targets: Vec<String> = targets.iter().map(u32::to_string).collect();
            command.args(["-p", &targets.join(",")]);
        }
        Reach::Bystander => {
            command.args(["-p", "1"]);
        }
    }
    match reach {
        Reach::Slow => command.args(["--slower", "10ms"]),
        Reach::SlowStacks => command.args(["--slower", "10ms", "--stack"]),
        // No call takes less.
        Reach::EveryStack => command.args(["--slower", "1ns", "--stack"]),
        Reach::Host | Reach::HostArguments | Reach::Target | Reach::Bystander => &mut command,
    };
    command
}

/// The first line of the tracer's JSON, which it writes when it is attached.
fn meta(results: &Path) -> Option<Value> {
    let text = fs::read_to_string(results).ok()?;
    let (line, _) = text.split_once('\n')?;
    let line: Value = serde_json::from_str(line).ok()?;
    (line["type"] == "meta").then_some(line)
}

/// How many perf events and BPF links a process holds: descriptors through which it is attached.
fn attachments(pid: u32) -> usize {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    descriptors
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter(|link| {
            ["anon_inode:[perf_event]", "anon_inode:bpf_link"].iter().any(|kind| link == Path::new(kind))
        })
        .count()
}

/// The family that the tracer takes on this kernel when nobody says.
pub(super) fn family_in_use(directory: &Path) -> Result<Family> {
    let results = directory.join("family.json");
    let mut command = Command::new(built("tracer"));
    command.args(["--json", "-p", "1", "-o"]).arg(&results);
    let mut program = Background::start(command, directory)?;
    program.wait_until_ready(|_| meta(&results).is_some())?;
    program.stop()?;
    let meta = meta(&results).context("the tracer's first line is gone")?;
    match meta["family"].as_str() {
        Some("raw") => Ok(Family::Raw),
        Some("classic") => Ok(Family::Classic),
        other => bail!("the tracer names the program family {other:?}; bench knows raw and classic"),
    }
}

/// A contender that is attached.
#[derive(Debug)]
pub(super) struct Attached {
    program: Background,
    /// The tracer's results, and what they must hold.
    expects: Option<(PathBuf, Reach)>,
    targets: Vec<u32>,
}

impl Attached {
    /// Stops it, whatever it counted.
    pub(super) fn discard(self) -> Result<()> {
        self.program.stop()
    }

    /// Stops it and returns when it is gone. A tracer must have counted exactly the `made` calls of the load,
    /// none where it traced somebody else: a cheap tracer that misses calls is no contender. What it counted
    /// instead is the remark that comes back.
    pub(super) fn stop(self, made: u64, call: Spun) -> Result<Option<String>> {
        self.program.stop()?;
        thread::sleep(SETTLING);
        let Some((results, reach)) = self.expects else { return Ok(None) };
        let text =
            fs::read_to_string(&results).with_context(|| format!("cannot read {}", results.display()))?;
        let counted = counted(&text, &self.targets, call)?;
        // None of the calls takes 10 ms but by chance.
        if matches!(reach, Reach::Slow | Reach::SlowStacks) {
            return Ok((counted > made / 1000).then(|| format!("{counted} of {made} calls were slow")));
        }
        let expected = if reach == Reach::Bystander { 0 } else { made };
        if counted != expected {
            return Ok(Some(format!("counted {counted} of {expected} calls")));
        }
        // Some stacks find no room at such a rate, and cost less; so few that it does not show.
        let lost = stacks_lost(&text)?;
        Ok((lost > made / 50).then(|| format!("{lost} of {made} stacks found no room: those cost less")))
    }
}

/// The load's calls in the totals of the tracer's JSON Lines.
fn counted(text: &str, targets: &[u32], call: Spun) -> Result<u64> {
    let mut sum = 0;
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line:?}"))?;
        let is_ours =
            line["pid"].as_u64().is_some_and(|pid| targets.iter().any(|&target| u64::from(target) == pid));
        if is_ours && line["type"] == "cell" && line["scope"] == "total" && line["syscall"] == call.name() {
            sum += line["calls"].as_u64().context("a cell without calls")?;
        }
    }
    Ok(sum)
}

/// Stacks that were not taken, by the ledger of the run.
fn stacks_lost(text: &str) -> Result<u64> {
    let total = text.lines().rev().find(|line| line.contains(r#""type":"ledger""#)).context("no ledger")?;
    let total: Value = serde_json::from_str(total).with_context(|| format!("not JSON: {total:?}"))?;
    total["stacks_lost"].as_u64().context("a ledger without stacks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_totals_of_the_load_count() {
        let cell = |scope: &str, pid: u32, name: &str, calls: u64| {
            format!(r#"{{"type":"cell","scope":"{scope}","pid":{pid},"syscall":"{name}","calls":{calls}}}"#)
        };
        let text = [
            r#"{"type":"meta","family":"raw"}"#.to_owned(),
            cell("interval", 7, "getppid", 1),
            cell("total", 7, "getppid", 10),
            cell("total", 8, "getppid", 100),
            cell("total", 9, "getppid", 1000),
            cell("total", 7, "read", 10_000),
        ];
        assert_eq!(counted(&text.join("\n"), &[7, 9], Spun::Getppid).expect("JSON"), 1010);
        assert!(counted("nonsense", &[7], Spun::Getppid).is_err());
    }

    #[test]
    fn every_contender_has_a_name_and_a_floor_of_its_own_family() {
        let all = Contender::all(&Peer::ALL);
        let mut names: Vec<String> = all.iter().map(|contender| contender.name()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
        let classic = Contender::Tracer(Reach::Target, Family::Classic);
        assert_eq!(classic.floor(), Contender::Floor(Family::Classic));
        assert!(all.iter().all(|contender| all.contains(&contender.floor())));
    }
}
