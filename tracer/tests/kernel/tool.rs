//! Starting and stopping the programs under test, and reading what they wrote.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::oracle::OracleLedger;
use crate::report::Report;

/// Longer than any run here takes, on an emulated machine too.
const PATIENCE: Duration = Duration::from_mins(10);

/// Signals by number, as the oracle sends them.
pub(crate) const SIGINT: i32 = 2;
pub(crate) const SIGCONT: i32 = 18;
pub(crate) const SIGSTOP: i32 = 19;

/// Which tracepoint programs the tracer is told to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Raw,
    Classic,
}

impl Family {
    /// What `--program-family` calls it.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Classic => "classic",
        }
    }

    /// Whether this family sees every call on this kernel. From 7.0 on raw programs can be preempted, and the
    /// kernel skips those that would nest.
    pub(crate) fn is_exact_here(self) -> bool {
        static NEW_KERNEL: OnceLock<bool> = OnceLock::new();
        self == Self::Classic
            || !*NEW_KERNEL.get_or_init(|| {
                let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
                let major = release.split('.').next().and_then(|word| word.parse::<u32>().ok());
                let new = major.expect("a release begins with its major number") >= 7;
                if new {
                    tell(&format!(
                        "raw programs may be skipped on {}: counts of that family are checked against \
                         the kernel's skips and not for equality",
                        release.trim()
                    ));
                }
                new
            })
    }
}

/// Says something past the capture of test output: it must be seen when the test passes, too.
pub(crate) fn tell(text: &str) {
    // A closed stderr loses the remark and nothing else.
    let _ = writeln!(io::stderr(), "{text}");
}

/// The tracer under test: `TRACER_BIN`, or the one that cargo built with these tests.
pub(crate) fn tracer() -> PathBuf {
    std::env::var_os("TRACER_BIN").map_or_else(|| env!("CARGO_BIN_EXE_tracer").into(), PathBuf::from)
}

/// The oracle: `ORACLE_BIN`, or the example that cargo built beside these tests.
pub(crate) fn oracle() -> PathBuf {
    if let Some(path) = std::env::var_os("ORACLE_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().expect("our own path");
    let built = own.parent().and_then(Path::parent).expect("target/PROFILE/deps").join("examples/oracle");
    assert!(built.exists(), "{} is missing: cargo build -p tracer --example oracle", built.display());
    built
}

/// The whole command line of an oracle in `mode`.
pub(crate) fn oracle_command(mode: &[&str]) -> Vec<String> {
    let path = oracle().to_str().expect("a path of text").to_owned();
    std::iter::once(path).chain(mode.iter().map(|&word| word.to_owned())).collect()
}

/// Sends a signal to another process.
pub(crate) fn signal(pid: u32, number: i32) {
    let sent = Command::new(oracle()).args(["signal", &pid.to_string(), &number.to_string()]).status();
    assert!(sent.expect("the oracle starts").success(), "signal {number} to {pid}");
}

/// Polls `ready` until it gives a value; panics with `what` when it never does.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    json: String,
}

impl Finished {
    /// The JSON Lines; the run must have gone well.
    pub(crate) fn report(&self) -> Report {
        assert!(self.status.success(), "the tracer ended with {}:\n{}", self.status, self.stderr);
        let report = Report::parse(&self.json);
        assert!(!report.meta.is_empty(), "no meta line; stderr:\n{}", self.stderr);
        report
    }

    /// All JSON Lines as they are, but those of a report about the recordings that it is made from.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = if self.json.is_empty() { &self.stdout } else { &self.json };
        text.lines().filter(|line| !line.starts_with(r#"{"type":"recording""#)).map(str::to_owned).collect()
    }

    /// The lines about the whole run, as they are.
    pub(crate) fn total_lines(&self) -> Vec<String> {
        self.json.lines().filter(|line| line.contains(r#""scope":"total""#)).map(str::to_owned).collect()
    }

    /// The oracle's ledger, from the command's own stdout.
    pub(crate) fn oracle(&self) -> OracleLedger {
        OracleLedger::parse(&self.stdout)
    }
}

/// A tracer that runs. Its streams and its JSON go to files, so that it never waits for a reader.
#[derive(Debug)]
pub(crate) struct Tracing {
    child: Child,
    /// The tracer itself: the child, or who was started by that.
    pid: u32,
    files: TempDir,
}

impl Tracing {
    /// Starts `program ARGS`, a tracer or something that becomes one.
    fn spawn(program: &Path, arguments: &[String], files: TempDir, user: Option<u32>) -> Self {
        use std::os::unix::process::CommandExt;
        let create = |name: &str| File::create(files.path().join(name)).expect("a file in a new directory");
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(create("stdout")).stderr(create("stderr"));
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { pid: child.id(), child, files }
    }

    /// Starts `tracer --json OPTIONS [-- COMMAND]`.
    pub(crate) fn start(family: Family, options: &[&str], command: &[String]) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let mut arguments: Vec<String> =
            ["--json", "--program-family", family.argument(), "-o"].map(str::to_owned).into();
        arguments.push(files.path().join("json").to_str().expect("a path of text").to_owned());
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        if !command.is_empty() {
            arguments.push("--".to_owned());
            arguments.extend_from_slice(command);
        }
        Self::spawn(&tracer(), &arguments, files, None)
    }

    /// Starts `tracer record OPTIONS` with short intervals.
    pub(crate) fn record(family: Family, options: &[&str]) -> Self {
        let first = ["record", "-i", "100ms", "--program-family", family.argument()];
        let arguments: Vec<String> = [&first, options].concat().into_iter().map(str::to_owned).collect();
        Self::spawn(&tracer(), &arguments, tempfile::tempdir().expect("a directory"), None)
    }

    /// Starts a tracer and returns once it has written an interval, so once it is attached. The options must
    /// not name an interval.
    pub(crate) fn attach(family: Family, options: &[&str]) -> Self {
        let options = [&["-i", "100ms"], options].concat();
        let mut tracing = Self::start(family, &options, &[]);
        tracing.wait_for_intervals(1);
        tracing
    }

    /// The same, run by `launcher`, which waits for it and ends as it does.
    pub(crate) fn attach_by(launcher: &[String], family: Family, options: &[&str]) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let json = files.path().join("json").to_str().expect("a path of text").to_owned();
        let tracer = tracer().to_str().expect("a path of text").to_owned();
        let first = [&*tracer, "--json", "-i", "100ms", "--program-family", family.argument(), "-o", &json];
        let options = [&first, options].concat().into_iter().map(str::to_owned);
        let (program, arguments) = launcher.split_first().expect("a program");
        let arguments: Vec<String> = arguments.iter().cloned().chain(options).collect();
        let mut tracing = Self::spawn(program.as_ref(), &arguments, files, None);
        tracing.wait_for_intervals(1);
        tracing.pid = only_child(tracing.pid);
        tracing
    }

    /// Returns once `count` more intervals have been written.
    pub(crate) fn wait_for_intervals(&mut self, count: usize) {
        let written = |json: &str| {
            json.lines()
                .filter(|line| line.contains(r#""type":"ledger""#) && line.contains(r#""interval""#))
                .count()
        };
        let wanted = written(&self.read("json")) + count;
        wait_for("an interval", || {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the tracer ended early with {status}:\n{}", self.read("stderr"));
            }
            (written(&self.read("json")) >= wanted).then_some(())
        });
    }

    /// Returns once a call of this name is shown in flight.
    pub(crate) fn wait_for_in_flight(&self, syscall: &str) {
        let is_it = |line: &str| {
            line.contains(r#""type":"in_flight""#) && line.contains(&format!(r#""syscall":"{syscall}""#))
        };
        wait_for("a call in flight", || self.read("json").lines().any(is_it).then_some(()));
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.files.path().join(name)).unwrap_or_default()
    }

    /// The lines written so far; the last may not be whole.
    pub(crate) fn json(&self) -> String {
        self.read("json")
    }

    /// The tracer's PID.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills the tracer without giving it a chance to clean up.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a child that runs");
        self.child.wait().expect("a child");
    }

    /// Interrupts the tracer and waits for its totals.
    pub(crate) fn stop(self) -> Finished {
        signal(self.pid(), SIGINT);
        self.finish()
    }

    /// Waits until the tracer ends by itself.
    pub(crate) fn finish(mut self) -> Finished {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().expect("a child that runs");
                panic!("the tracer did not end:\n{}", self.read("stderr"));
            }
            thread::sleep(Duration::from_millis(5));
        };
        Finished { status, stdout: self.read("stdout"), stderr: self.read("stderr"), json: self.read("json") }
    }
}

/// Returns once this process sleeps in `read`: what it says comes before that, by as long as others have its CPU.
pub(crate) fn wait_for_read(pid: u32) {
    wait_for("a process to sleep in read", || {
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
        call.starts_with(&format!("{} ", libc::SYS_read)).then_some(())
    });
}

/// Runs `tracer --json OPTIONS -- COMMAND` to its end.
pub(crate) fn trace(family: Family, options: &[&str], command: &[String]) -> Finished {
    Tracing::start(family, options, command).finish()
}

/// Runs any program to its end; `user` is whom it runs as.
pub(crate) fn run(program: &Path, arguments: &[&str], user: Option<u32>) -> Finished {
    let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
    Tracing::spawn(program, &arguments, tempfile::tempdir().expect("a directory"), user).finish()
}

/// An oracle that waits for its start.
#[derive(Debug)]
pub(crate) struct Waiting {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Its number in our own PID namespace.
    pub(crate) pid: u32,
}

impl Waiting {
    /// Starts an oracle in `mode` and returns when it waits.
    pub(crate) fn start(mode: &[&str]) -> Self {
        Self::start_as(&oracle(), mode)
    }

    /// The same with the oracle under another path, so with another name.
    pub(crate) fn start_as(program: &Path, mode: &[&str]) -> Self {
        let mut waiting = Self::spawn(Command::new(program).arg("--wait-for-start").args(mode));
        let said = waiting.line();
        assert_eq!(said.trim(), waiting.pid.to_string(), "the oracle says who it is");
        waiting
    }

    /// The same as the first process of a PID namespace so many below ours, each of which is run by an oracle.
    pub(crate) fn start_below(depth: usize, mode: &[&str]) -> Self {
        let oracle = oracle();
        let namespaces = ["in-pid-namespace", "--", oracle.to_str().expect("a path of text")].repeat(depth);
        let mut waiting =
            Self::spawn(Command::new(&oracle).args(namespaces).arg("--wait-for-start").args(mode));
        assert_eq!(waiting.line(), "1\n", "the first of its namespace");
        for _ in 0..depth {
            waiting.pid = only_child(waiting.pid);
        }
        waiting
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle starts");
        let stdin = child.stdin.take().expect("a pipe was asked for");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        Self { pid: child.id(), child, stdin, stdout }
    }

    /// Its number in each PID namespace that it is in, from ours on.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        numbers_in_status(self.pid, "NSpid:")
    }

    /// Who ran it: itself, or the first of the oracles that made namespaces for it.
    pub(crate) fn launcher(&self) -> u32 {
        self.child.id()
    }

    /// What it says next.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the oracle's stdout");
        line
    }

    /// Lets it make its calls, without waiting for it.
    pub(crate) fn go(&mut self) {
        self.stdin.write_all(b"go\n").expect("the oracle reads");
    }

    /// Makes one round of the calls of mode `rounds`.
    pub(crate) fn round(&mut self) {
        self.go();
        assert_eq!(self.line(), "done\n");
    }

    /// Its ledger, once all calls are made. It lives on.
    pub(crate) fn ledger(&mut self) -> OracleLedger {
        OracleLedger::parse(&self.line())
    }

    /// Ends it whatever it does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a child that runs");
        self.child.wait().expect("a child");
    }

    /// Lets it end.
    pub(crate) fn end(mut self) {
        self.stdin.write_all(b"end\n").expect("the oracle reads");
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "the oracle ended with {status}");
    }

    /// Makes its calls and ends; its ledger.
    pub(crate) fn run(mut self) -> OracleLedger {
        self.go();
        let ledger = self.ledger();
        self.end();
        ledger
    }
}

/// The one child of a process that has one.
fn only_child(pid: u32) -> u32 {
    let is_child = |other: &u32| numbers_in_status(*other, "PPid:") == [pid];
    let there = fs::read_dir("/proc").expect("/proc").flatten();
    let mut children = there.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child);
    let child = children.next().expect("a child");
    assert_eq!(children.next(), None, "one child");
    child
}

/// Numbers in a line of `/proc/PID/status`; none of a process that is gone.
fn numbers_in_status(pid: u32, line: &str) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|text| text.strip_prefix(line)).unwrap_or_default();
    numbers.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

/// Where `program` is in `PATH`.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Where `program` is; fails the test when it is nowhere, for a test that did not run has not passed.
pub(crate) fn require_program(program: &str) -> PathBuf {
    find_program(program).unwrap_or_else(|| {
        panic!("NOT RUN: {program} is not installed; leave these tests out with --skip needs_{program}")
    })
}
