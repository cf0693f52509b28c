//! Starts a command and holds it just before its `execve`, so that the programs can be attached while it
//! exists and has not done anything yet.
//!
//! ```text
//! parent  spawn ──── pid ◄──┐        attach …        release ── "go" ──┐
//! child          fork ──────┴─ read(gate) …………………………………………………………………┴─► execve(CMD)
//! ```
//!
//! Spawn before loading anything: until its `execve` the child has copies of all our open files.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use rustix::fs::Access;
use thiserror::Error;

use crate::cli::exit_status;
use crate::human::safe_text;

/// Where programs are looked for when `PATH` is not set; as the C library does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What the child reads from the gate when it may go. Anything else, and the end of the pipe, is no.
const GO: u8 = b'g';
const STOP: u8 = b's';

/// What becomes of the command's standard streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// It has ours.
    Inherit,
    /// Its output is kept for later and it reads nothing: the terminal belongs to our screen.
    Capture,
}

/// A command could not be started.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// No such program.
    #[error("error: command not found: {program}\nwhy: {why}\nnext: {next}")]
    NotFound {
        /// The program as asked for, safe to show.
        program: String,
        /// What was looked at.
        why: &'static str,
        /// What to try.
        next: String,
    },
    /// The program is there and the kernel will not execute it.
    #[error("error: cannot execute {path}\nwhy: {why}\nnext: {next}")]
    NotExecutable {
        /// The file, safe to show.
        path: String,
        /// The kernel's reason.
        why: String,
        /// What to try.
        next: String,
    },
    /// Something else went wrong before the program had its turn.
    #[error("error: cannot start {program}\nwhy: {step}: {source}\nnext: {next}")]
    Other {
        /// The program as asked for, safe to show.
        program: String,
        /// What was being done.
        step: &'static str,
        /// What the system said.
        source: io::Error,
        /// What to try.
        next: &'static str,
    },
}

impl LaunchError {
    /// What the process should exit with, as `env`, `timeout` and shells do.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => exit_status::NOT_FOUND,
            Self::NotExecutable { .. } => exit_status::NOT_EXECUTABLE,
            Self::Other { .. } => exit_status::LAUNCH,
        }
    }

    fn not_found(program: &OsStr) -> Self {
        let name = safe_text(program.as_bytes());
        if program.as_bytes().contains(&b'/') {
            let next = "give the path of an existing program, or its name alone to search PATH".to_owned();
            return Self::NotFound { program: name, why: "there is no such file", next };
        }
        let here = Path::new(".").join(program).exists();
        let next = if here {
            format!("tracer -- ./{name} starts the file of that name in this directory")
        } else {
            "check the spelling, or give its path; under sudo the search uses sudo's own PATH".to_owned()
        };
        Self::NotFound { program: name, why: "no directory in PATH has an executable of that name", next }
    }

    fn not_executable(path: &Path, why: impl Into<String>) -> Self {
        let path = safe_text(path.as_os_str().as_bytes());
        let next = format!("ls -l {path}; a script is started as `tracer -- sh {path}`");
        Self::NotExecutable { path, why: why.into(), next }
    }

    fn other(program: &OsStr, step: &'static str, source: io::Error) -> Self {
        let next = match source.raw_os_error() {
            Some(libc::EAGAIN) => "raise the limit on processes (`ulimit -u`, or pids.max of the cgroup)",
            Some(libc::EMFILE | libc::ENFILE) => "raise the limit on open files (`ulimit -n`)",
            Some(libc::ENOMEM) => "free memory, or raise memory.max of the cgroup",
            Some(libc::ENOSPC | libc::EROFS | libc::ENOENT) => {
                "set TMPDIR to a directory that can be written"
            }
            _ => "start the command by itself and attach with -p",
        };
        Self::Other { program: safe_text(program.as_bytes()), step, source, next }
    }

    /// From what `execve` said.
    fn from_exec(path: &Path, error: &io::Error) -> Self {
        let why = match error.raw_os_error() {
            Some(libc::ENOENT) => {
                return Self::NotFound {
                    program: safe_text(path.as_os_str().as_bytes()),
                    why: "the file exists, but the interpreter or loader that it names does not",
                    next: "`head -n 1` shows the interpreter of a script, `file` the loader of a program"
                        .to_owned(),
                };
            }
            Some(libc::EACCES) => "permission denied, or its file system is mounted noexec".to_owned(),
            Some(libc::E2BIG) => "its arguments and environment are longer than the kernel takes".to_owned(),
            Some(libc::ETXTBSY) => "the file is open for writing".to_owned(),
            _ => error.to_string(),
        };
        Self::not_executable(path, why)
    }
}

/// A child that waits before its `execve`. Dropped without [`Held::release`], it ends without executing
/// anything.
#[derive(Debug)]
pub struct Held {
    pid: u32,
    path: PathBuf,
    gate: PipeWriter,
    /// Runs `Command::spawn`, which returns when the child has executed or failed to; `None` once asked.
    spawning: Option<JoinHandle<io::Result<Child>>>,
    output: Option<CapturedOutput>,
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    /// To wait for.
    pub child: Child,
    /// What it writes, with [`Streams::Capture`].
    pub output: Option<CapturedOutput>,
}

/// Standard output and standard error of a command, in the order in which they were written, in a file
/// without a name.
#[derive(Debug)]
pub struct CapturedOutput {
    file: File,
}

impl CapturedOutput {
    /// Copies everything written so far.
    pub fn copy_to(&self, out: &mut impl Write) -> io::Result<u64> {
        let mut buffer = vec![0; 64 * 1024];
        let mut offset = 0;
        loop {
            // Reading at offsets leaves alone the position at which the command's children still write.
            let read = match self.file.read_at(&mut buffer, offset) {
                Ok(0) => return Ok(offset),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            out.write_all(&buffer[..read])?;
            offset += read as u64;
        }
    }
}

impl Held {
    /// Forks a child that waits to become `argv`. It blocks no signal and ignores none that was not ignored
    /// when we started (as under `nohup`), `SIGPIPE` included; of our files it keeps none.
    pub fn spawn(argv: &[OsString], streams: Streams) -> Result<Self, LaunchError> {
        let program = argv.first().map_or(OsStr::new(""), OsString::as_os_str);
        let path = find_program(program, env::var_os("PATH").as_deref())?;
        let fail = |step| move |source| LaunchError::other(program, step, source);
        let (mut pid_reader, pid_writer) = io::pipe().map_err(fail("making a pipe"))?;
        let (gate_reader, gate) = io::pipe().map_err(fail("making a pipe"))?;

        // A path with a slash is executed as it is, without a search: exactly one execve, but for a script
        // without a first line that names its interpreter, which the C library then gives to `sh`.
        let mut command = Command::new(&path);
        command.arg0(program).args(&argv[1..]);
        let output = match streams {
            Streams::Inherit => None,
            Streams::Capture => {
                let output = capture(&mut command).map_err(fail("making a temporary file for its output"))?;
                Some(output)
            }
        };
        hold_before_exec(&mut command, pid_writer, gate_reader, &gate);
        let spawning = thread::Builder::new()
            .name("launch".to_owned())
            .spawn(move || command.spawn())
            .map_err(fail("starting a thread"))?;

        let mut pid = [0; 4];
        let told = pid_reader.read_exact(&mut pid);
        let mut held = Self { pid: u32::from_ne_bytes(pid), path, gate, spawning: Some(spawning), output };
        match told {
            Ok(()) => Ok(held),
            // The child never ran: the thread has the reason.
            Err(end_of_pipe) => {
                let source = held.join().and_then(reap).err().unwrap_or(end_of_pipe);
                Err(LaunchError::other(program, "fork", source))
            }
        }
    }

    /// The child's PID, which CMD will have.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets the child execute CMD; returns once it has. What its execution then does is CMD's business.
    pub fn release(mut self) -> Result<Running, LaunchError> {
        // If the child was killed while it waited, nobody reads: its exit status tells.
        let _ = self.gate.write_all(&[GO]);
        match self.join() {
            Ok(child) => Ok(Running { child, output: self.output.take() }),
            Err(error) => Err(LaunchError::from_exec(&self.path, &error)),
        }
    }

    /// What `Command::spawn` returned. Only once.
    fn join(&mut self) -> io::Result<Child> {
        let lost = || io::Error::other("the launching thread has failed");
        self.spawning.take().ok_or_else(lost)?.join().map_err(|_| lost())?
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.spawning.is_none() {
            return;
        }
        // A word and not just the end of the pipe: any other child forked meanwhile has a copy of our end
        // until it executes something.
        let _ = self.gate.write_all(&[STOP]);
        let _ = self.join().and_then(reap);
    }
}

/// Collects a child that was killed while it waited at the gate.
fn reap(mut child: Child) -> io::Result<()> {
    child.wait().map(drop)
}

/// Makes the child tell its PID and wait for [`GO`] as the last thing before `execve`.
#[expect(unsafe_code, reason = "running code between fork and exec is unsafe to ask for")]
fn hold_before_exec(
    command: &mut Command,
    mut pid_writer: PipeWriter,
    mut gate_reader: PipeReader,
    gate: &PipeWriter,
) {
    let gate_writer = gate.as_raw_fd();
    // SAFETY: the child of a process with threads may only do what is async-signal-safe, as another thread
    // may have held any lock at the fork. The closure makes only calls of that kind (close, sigemptyset,
    // sigprocmask, getpid, write, read, _exit) and neither allocates nor locks; its errors carry a code and
    // no text. The set of signals is written before it is read. The descriptor closed is the child's own
    // copy, whose owner lives on in the parent only: the child executes or exits and drops nothing. All
    // other descriptors are close-on-exec, as std opens them.
    unsafe {
        command.pre_exec(move || {
            // With its own copy of the writing end open, the child would not notice our death.
            libc::close(gate_writer);
            // std resets SIGPIPE; signals that we block for our own handling would stay blocked.
            let mut none = MaybeUninit::uninit();
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
            pid_writer.write_all(&std::process::id().to_ne_bytes())?;
            let mut answer = [0];
            loop {
                match gate_reader.read(&mut answer) {
                    Ok(1) if answer[0] == GO => return Ok(()),
                    // We are gone, and with us whoever would read why.
                    Ok(0) => libc::_exit(i32::from(exit_status::LAUNCH)),
                    Ok(_) => return Err(io::Error::from_raw_os_error(libc::ECANCELED)),
                    Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                    Err(error) => return Err(error),
                }
            }
        });
    }
}

/// Sends both output streams to one file without a name, sharing one position.
fn capture(command: &mut Command) -> io::Result<CapturedOutput> {
    let file = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?);
    Ok(CapturedOutput { file })
}

/// The file to execute for `program`, found as shells do: as it is when it has a slash, else the first
/// executable file of that name in the directories of `path`, of which an empty one is the current.
fn find_program(program: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, LaunchError> {
    if program.is_empty() {
        return Err(LaunchError::not_found(program));
    }
    if program.as_bytes().contains(&b'/') {
        let file = PathBuf::from(program);
        return match why_not_executable(&file) {
            None => Ok(file),
            Some(Unusable::Missing) => Err(LaunchError::not_found(program)),
            Some(Unusable::Refused(why)) => Err(LaunchError::not_executable(&file, why)),
        };
    }
    let mut refused = None;
    for directory in env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
        let file = directory.join(program);
        match why_not_executable(&file) {
            None => return Ok(file),
            Some(Unusable::Missing) => {}
            Some(Unusable::Refused(why)) => {
                refused.get_or_insert_with(|| LaunchError::not_executable(&file, why));
            }
        }
    }
    Err(refused.unwrap_or_else(|| LaunchError::not_found(program)))
}

enum Unusable {
    Missing,
    Refused(String),
}

fn why_not_executable(file: &Path) -> Option<Unusable> {
    match file.metadata() {
        Ok(found) if found.is_dir() => Some(Unusable::Refused("it is a directory".to_owned())),
        Ok(_) => rustix::fs::access(file, Access::EXEC_OK)
            .err()
            .map(|_| Unusable::Refused("it is not marked as executable for this user".to_owned())),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {
            Some(Unusable::Missing)
        }
        Err(error) => Some(Unusable::Refused(error.to_string())),
    }
}

/// A status as shells give it: the exit code, or 128 plus the number of the signal that killed.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit_status::RUN_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::time::Duration;

    fn argv(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn run(words: &[&str]) -> (u8, String) {
        let held = Held::spawn(&argv(words), Streams::Capture).expect("it is held");
        let mut running = held.release().expect("it runs");
        let status = running.child.wait().expect("it ends");
        let mut text = Vec::new();
        let output = running.output.expect("captured");
        let copied = output.copy_to(&mut text).expect("a Vec takes everything");
        assert_eq!(copied, text.len() as u64);
        (exit_code(status), String::from_utf8(text).expect("UTF-8"))
    }

    fn refusal(words: &[&str]) -> LaunchError {
        match Held::spawn(&argv(words), Streams::Capture) {
            Ok(held) => held.release().expect_err("it cannot run"),
            Err(error) => error,
        }
    }

    /// Written by a process of its own: a child that another test forks while we have the file open for
    /// writing would keep it "busy".
    fn script(directory: &Path, name: &str, text: &str, mode: &str) -> String {
        let path = directory.join(name);
        let status = Command::new("sh")
            .args(["-c", "printf %s \"$1\" > \"$2\" && chmod \"$3\" \"$2\"", "sh", text])
            .args([path.as_os_str(), OsStr::new(mode)])
            .status();
        assert!(status.expect("sh").success());
        path.to_str().expect("UTF-8").to_owned()
    }

    #[test]
    fn the_exit_code_is_the_commands() {
        assert_eq!(run(&["sh", "-c", "exit 7"]).0, 7);
        assert_eq!(run(&["true"]).0, 0);
        assert_eq!(run(&["sh", "-c", "kill -TERM $$"]).0, 128 + 15);
    }

    #[test]
    fn the_command_sees_its_name_arguments_and_environment() {
        let (_, text) = run(&["sh", "-c", "tr '\\0' ' ' < /proc/$$/cmdline; echo; echo $PATH", "x y"]);
        let path = env::var("PATH").expect("a PATH");
        assert_eq!(text, format!("sh -c tr '\\0' ' ' < /proc/$$/cmdline; echo; echo $PATH x y \n{path}\n"));
    }

    #[test]
    fn both_outputs_are_kept_in_order_and_there_is_no_input() {
        let (_, text) = run(&["sh", "-c", "echo a; echo b >&2; echo c; cat"]);
        assert_eq!(text, "a\nb\nc\n");
    }

    #[test]
    fn the_command_gets_none_of_our_files_and_signals() {
        let plain = Command::new("sh").args(["-c", "ls /proc/self/fd"]).output().expect("sh");
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        let (_, text) = run(&["sh", "-c", "ls /proc/self/fd"]);
        assert_eq!(names(&text), names(&String::from_utf8_lossy(&plain.stdout)));
        let (_, text) = run(&["cat", "/proc/self/status"]);
        let ignored = text.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a mask");
        let ignored = u64::from_str_radix(ignored.trim(), 16).expect("hex");
        assert_eq!(ignored & (1 << (libc::SIGPIPE - 1)), 0, "SIGPIPE ends the command, as it should");
        assert!(text.contains("SigBlk:\t0000000000000000"), "{text}");
        assert!(text.contains("SigCgt:\t0000000000000000"), "{text}");
    }

    #[test]
    fn the_gate_holds_until_released() {
        let directory = tempfile::tempdir().expect("a directory");
        let mark = directory.path().join("mark");
        let held = Held::spawn(&argv(&["touch", mark.to_str().expect("UTF-8")]), Streams::Inherit)
            .expect("it is held");
        let exe = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).expect("it lives");
        thread::sleep(Duration::from_millis(50));
        assert_eq!(exe(held.pid()), exe(std::process::id()), "still our own program");
        let stat = fs::read_to_string(format!("/proc/{}/stat", held.pid())).expect("it lives");
        assert!(stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" S ")), "it sleeps: {stat}");
        assert!(!mark.exists());
        let pid = held.pid();
        let mut running = held.release().expect("it runs");
        assert_eq!(running.child.id(), pid);
        assert!(running.child.wait().expect("it ends").success());
        assert!(mark.exists() && running.output.is_none());
    }

    #[test]
    fn dropped_is_never_executed_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a directory");
        let mark = directory.path().join("mark");
        let held = Held::spawn(&argv(&["touch", mark.to_str().expect("UTF-8")]), Streams::Inherit)
            .expect("it is held");
        let pid = held.pid();
        drop(held);
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "collected, not a zombie");
        assert!(!mark.exists());
    }

    #[test]
    fn a_child_killed_at_the_gate_is_reported_and_collected() {
        let kill = |pid: u32| {
            let status = Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]).status();
            assert!(status.expect("sh").success());
        };
        let held = Held::spawn(&argv(&["true"]), Streams::Inherit).expect("it is held");
        kill(held.pid());
        let status = held.release().expect("started").child.wait().expect("it ends");
        assert_eq!(exit_code(status), 128 + 9);
        let held = Held::spawn(&argv(&["true"]), Streams::Inherit).expect("it is held");
        let pid = held.pid();
        kill(pid);
        drop(held);
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "collected, not a zombie");
    }

    #[test]
    fn what_is_not_there_is_127() {
        let error = refusal(&["no-such-command-\u{1b}[2J"]);
        assert_eq!(error.exit_code(), 127);
        assert_eq!(
            error.to_string(),
            "error: command not found: no-such-command-\\x1b[2J\n\
             why: no directory in PATH has an executable of that name\n\
             next: check the spelling, or give its path; under sudo the search uses sudo's own PATH"
        );
        let error = refusal(&["/no/such/file"]);
        assert_eq!((error.exit_code(), refusal(&[""]).exit_code()), (127, 127));
        assert!(error.to_string().contains("why: there is no such file"), "{error}");
        let directory = tempfile::tempdir().expect("a directory");
        let error = refusal(&[&script(directory.path(), "lost", "#!/no/such/interpreter\n", "755")]);
        assert_eq!(error.exit_code(), 127);
        assert!(error.to_string().contains("the interpreter or loader that it names does not"), "{error}");
    }

    #[test]
    fn what_cannot_be_executed_is_126() {
        let directory = tempfile::tempdir().expect("a directory");
        let plain = script(directory.path(), "plain", "text", "644");
        let error = refusal(&[&plain]);
        assert_eq!(error.exit_code(), 126);
        assert_eq!(
            error.to_string(),
            format!(
                "error: cannot execute {plain}\n\
                 why: it is not marked as executable for this user\n\
                 next: ls -l {plain}; a script is started as `tracer -- sh {plain}`"
            )
        );
        assert_eq!(refusal(&["/"]).exit_code(), 126);
        let error = refusal(&["true", &"x".repeat(1 << 18)]);
        assert_eq!(error.exit_code(), 126);
        assert!(error.to_string().contains("longer than the kernel takes"), "{error}");
    }

    #[test]
    fn path_is_searched_in_order_and_skips_what_cannot_run() {
        let (first, second) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
        script(first.path(), "tool", "", "644");
        let wanted = script(second.path(), "tool", "#!/bin/sh\n", "755");
        let path = env::join_paths([first.path(), second.path()]).expect("no colons");
        assert_eq!(find_program(OsStr::new("tool"), Some(&path)).expect("found"), PathBuf::from(wanted));
        let only_first = find_program(OsStr::new("tool"), Some(first.path().as_os_str()));
        assert_eq!(only_first.expect_err("not executable").exit_code(), 126);
        assert_eq!(find_program(OsStr::new("sh"), None).expect("found"), PathBuf::from("/bin/sh"));
        assert_eq!(find_program(OsStr::new("./x"), None).expect_err("missing").exit_code(), 127);
    }
}
