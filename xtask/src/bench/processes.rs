//! The processes that a measurement starts: each is stopped when its value is dropped, so that a step that
//! fails leaves nothing attached to the kernel.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::contender::Spun;
use crate::workspace;

/// Longer than any program here takes to attach, or to write its results, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// `SIGINT`, which every tracer here takes as the end of its run.
const SIGINT: u32 = 2;

/// Where cargo put a program of the tracer's package.
pub(super) fn built(name: &str) -> PathBuf {
    workspace::target().join("release").join(name)
}

/// Polls until `is_ready` holds; `false` when it never does.
pub(super) fn wait_until(mut is_ready: impl FnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while !is_ready()? {
        if Instant::now() > deadline {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(true)
}

/// A child that does not outlive us.
#[derive(Debug)]
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing left that could be done.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program in the background, its streams in files, so that it never waits for a reader.
#[derive(Debug)]
pub(super) struct Background {
    child: Owned,
    /// Some programs run until their standard input ends.
    stdin: Option<ChildStdin>,
    name: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Background {
    /// Starts `command`; what it prints goes to files in `directory`.
    pub(super) fn start(mut command: Command, directory: &Path) -> Result<Self> {
        let name = Path::new(command.get_program())
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let create =
            |path: &Path| File::create(path).with_context(|| format!("cannot create {}", path.display()));
        let (stdout, stderr) = (directory.join("stdout"), directory.join("stderr"));
        command.stdin(Stdio::piped()).stdout(create(&stdout)?).stderr(create(&stderr)?);
        let mut child = Owned(command.spawn().with_context(|| format!("cannot run {name}"))?);
        let stdin = child.0.stdin.take();
        Ok(Self { child, stdin, name, stdout, stderr })
    }

    /// Its PID.
    pub(super) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// What it has written to stdout so far.
    pub(super) fn stdout(&self) -> String {
        fs::read(&self.stdout).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until `is_ready` holds; an error, with what the program said, when it ends before or takes too long.
    pub(super) fn wait_until_ready(&mut self, mut is_ready: impl FnMut(&Self) -> bool) -> Result<()> {
        let ready = wait_until(|| {
            if let Some(status) = self.ended()? {
                bail!("{} ended before it was attached: {status}\n{}", self.name, self.complaint());
            }
            Ok(is_ready(self))
        })?;
        if !ready {
            bail!("{} was not ready after {PATIENCE:?}\n{}", self.name, self.complaint());
        }
        Ok(())
    }

    /// Interrupts it and waits until it has ended; an error when it ended by itself before, because then it did
    /// not trace what was measured.
    pub(super) fn stop(mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} ended while it was measured: {status}\n{}", self.name, self.complaint());
        }
        // The floor waits for this end, and a script's background job starts it with SIGINT ignored.
        drop(self.stdin.take());
        let pid = self.pid().to_string();
        let sent =
            Command::new(built("examples/oracle")).args(["signal", &pid, &SIGINT.to_string()]).status();
        if !sent.context("cannot run the oracle")?.success() {
            bail!("cannot interrupt {} (PID {pid})", self.name);
        }
        if !wait_until(|| Ok(self.ended()?.is_some()))? {
            bail!("{} did not end within {PATIENCE:?} of being interrupted", self.name);
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.0.try_wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    fn complaint(&self) -> String {
        let said = fs::read(&self.stderr).unwrap_or_default();
        String::from_utf8_lossy(&said).trim_end().to_owned()
    }
}

/// The load: an oracle that waits for its start, then makes its calls at full speed.
#[derive(Debug)]
pub(super) struct Load {
    child: Owned,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Its PID, also when another program started it.
    pub(super) pid: u32,
}

/// The part of the oracle's ledger that is read here.
#[derive(Deserialize)]
struct Ledger {
    facts: Facts,
}

#[derive(Deserialize)]
struct Facts {
    ns_per_call: f64,
}

impl Load {
    /// Starts an oracle of `threads` threads that will make `calls` such calls each, as an argument of `launcher`
    /// when that is not empty, and returns when it waits.
    pub(super) fn start(launcher: &[String], call: Spun, threads: u32, calls: u64) -> Result<Self> {
        let oracle = built("examples/oracle");
        let mut command = match launcher.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&oracle);
                command
            }
            None => Command::new(&oracle),
        };
        command.args(["--wait-for-start", "spin", &threads.to_string(), &calls.to_string(), call.name()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Owned(
            command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?,
        );
        let (Some(stdin), Some(stdout)) = (child.0.stdin.take(), child.0.stdout.take()) else {
            bail!("the oracle has no streams");
        };
        let mut load = Self { child, stdin, stdout: BufReader::new(stdout), pid: 0 };
        let line = load.line()?;
        load.pid =
            line.trim().parse().with_context(|| format!("the oracle says {line:?} and not its PID"))?;
        Ok(load)
    }

    /// Lets it make its calls; gives the mean time of one in ns. It then waits again until it is dropped.
    pub(super) fn spin(&mut self) -> Result<f64> {
        self.stdin.write_all(b"\n").context("the oracle is gone")?;
        let line = self.line()?;
        let ledger: Ledger = serde_json::from_str(&line)
            .with_context(|| format!("the oracle's ledger is not one: {line:?}"))?;
        Ok(ledger.facts.ns_per_call)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).context("cannot read what the oracle prints")?;
        if line.is_empty() {
            bail!("the oracle ended early; what it or the program around it said is above");
        }
        Ok(line)
    }

    /// Lets it end, and waits until it and what launched it have ended.
    pub(super) fn finish(mut self) -> Result<()> {
        self.stdin.write_all(b"\n").context("the oracle is gone")?;
        let child = &mut self.child.0;
        if !wait_until(|| Ok(child.try_wait().context("cannot wait for the oracle")?.is_some()))? {
            bail!("the oracle did not end");
        }
        Ok(())
    }
}
