//! The command line, the start protocol, and the printing of the ledger.

use std::ffi::CString;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::str::FromStr;

use crate::rings::Ring;
use crate::tally::Tally;
use crate::{blocked, calls, files, places, raw, signals, tasks, timing};

const USAGE: &str = "usage: oracle [--wait-for-start] MODE [ARGS]
modes: plain N | rounds R N | errors N | int80 N | x32 N | denied N | neverfail N | many-syscalls
       threads T N | forks P N | vfork N | short-threads N | thread-exec N | killed N | tree N
       restarts N | stop-restarts N | sigreturn N
       slow N MS | places N MS | stuck SECONDS | blocked N | files N | opens DIRECTORY N | many DIRECTORY N | unix DIRECTORY N | unheld N | ring N | ring-before idle|polled N | full-speed T SECONDS | spin T N [getppid|lseek|access] | paced T RATE SECONDS
       exit CODE | signal PID NUMBER | deny-bpf -- CMD ARGS | in-pid-namespace -- CMD ARGS | beside-child PID -- CMD ARGS
";

/// What is left of the command line.
pub(crate) struct Args(std::vec::IntoIter<String>);

impl Args {
    /// The next argument as a number; without one, `default`.
    pub(crate) fn number<T: FromStr>(&mut self, default: T) -> T {
        match self.0.next() {
            None => default,
            Some(word) => word.parse().unwrap_or_else(|_| usage(&format!("{word:?} is no number"))),
        }
    }

    fn rest(&mut self) -> Vec<String> {
        self.0.by_ref().collect()
    }
}

/// Where a run starts and ends when somebody attaches to it: `--wait-for-start`.
#[derive(Clone, Copy)]
pub(crate) struct StartGate {
    waits: bool,
}

impl StartGate {
    /// Prints our PID and waits for a line, if asked to wait at all.
    fn open(self) {
        if self.waits {
            say(&format!("{}\n", std::process::id()));
            wait_for_line();
        }
    }

    /// Prints the ledger and waits for a second line, so that whoever is attached can look at us alive.
    pub(crate) fn close(self, mode: &str, tally: &Tally) {
        say(&format!("{}\n", tally.to_json(mode)));
        if self.waits {
            wait_for_line();
        }
    }

    /// This gate as an argument of the next program in the chain of `thread-exec`.
    pub(crate) fn as_argument(self) -> CString {
        CString::new(u8::from(self.waits).to_string()).expect("a digit holds no NUL")
    }
}

pub(crate) fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let waits = words.first().is_some_and(|word| word == "--wait-for-start");
    if waits {
        words.remove(0);
    }
    let gate = StartGate { waits };
    let mut args = Args(words.into_iter());
    let Some(mode) = args.0.next() else { usage("no mode") };
    match mode.as_str() {
        "exit" => return ExitCode::from(args.number::<u8>(0)),
        "signal" => return signal(args.number(0), args.number(0)),
        "deny-bpf" => deny_bpf(&args.rest()),
        "in-pid-namespace" => in_pid_namespace(&args.rest()),
        "beside-child" => beside_child(args.number(0), &args.rest()),
        "thread-exec-step" => {
            let (left, done) = (args.number(0), args.number(0));
            tasks::thread_exec_step(left, done, StartGate { waits: args.number::<u8>(0) == 1 });
        }
        _ => {}
    }

    // A child that must exist before anybody attaches.
    let descendant = (mode == "tree").then(|| tasks::Descendant::fork(args.number(100)));
    // And a ring that must.
    let ring = (mode == "ring-before").then(|| {
        let kind = args.0.next().unwrap_or_default();
        Ring::new(&kind).unwrap_or_else(|| usage(&format!("no ring is {kind:?}")))
    });
    gate.open();
    let mut tally = Tally::default();
    match mode.as_str() {
        "plain" => calls::plain(&mut tally, args.number(1000)),
        "rounds" => {
            let (rounds, calls) = (args.number::<u32>(2), args.number(1000));
            for _ in 0..rounds {
                wait_for_line();
                calls::plain(&mut tally, calls);
                say("done\n");
            }
        }
        "errors" => calls::errors(&mut tally, args.number(100)),
        "int80" => calls::int80(&mut tally, args.number(1000)),
        "x32" => calls::x32(&mut tally, args.number(1000)),
        "denied" => calls::denied(&mut tally, args.number(1000)),
        "neverfail" => calls::never_failing(&mut tally, args.number(100)),
        "many-syscalls" => calls::many(&mut tally),
        "threads" => tasks::threads(&mut tally, args.number(8), args.number(10_000)),
        "forks" => tasks::forks(&mut tally, args.number(100), args.number(100)),
        "vfork" => tasks::vforks(&mut tally, args.number(100)),
        "short-threads" => tasks::short_threads(&mut tally, args.number(200_000)),
        "thread-exec" => tasks::thread_exec_step(args.number(100), 0, gate),
        "killed" => tasks::killed(&mut tally, args.number(50)),
        "tree" => tasks::tree(&mut tally, descendant.expect("forked above")),
        "restarts" => signals::restarts(&mut tally, args.number(100)),
        "stop-restarts" => signals::stop_restarts(&mut tally, args.number(20)),
        "sigreturn" => signals::sigreturn(&mut tally, args.number(1000)),
        "slow" => timing::slow(&mut tally, args.number(10), args.number(20)),
        "places" => places::places(&mut tally, args.number(10), args.number(20)),
        "moves" => calls::moves(&mut tally, args.number(1000)),
        "stuck" => timing::stuck(&mut tally, args.number(3)),
        "files" => files::files(&mut tally, args.number(1000)),
        "unheld" => files::unheld(&mut tally, args.number(50)),
        "ring-before" => ring.expect("made above").work(&mut tally, args.number(1000)),
        "ring" => files::ring(&mut tally, args.number(100)),
        mode @ ("opens" | "many" | "unix") => {
            let Some(place) = args.0.next() else { usage(&format!("{mode} needs a directory")) };
            let make = match mode {
                "opens" => files::opens,
                "many" => files::many,
                _ => files::unix,
            };
            make(&mut tally, place.as_ref(), args.number(100));
        }
        "blocked" => blocked::blocked(&mut tally, args.number(64)),
        "paced" => timing::paced(&mut tally, args.number(2), args.number(1_000_000), args.number(5.0)),
        "full-speed" => timing::full_speed(&mut tally, args.number(2), args.number(5.0)),
        "spin" => {
            let (threads, calls) = (args.number(1), args.number(1_000_000));
            let name = args.0.next().unwrap_or_else(|| "getppid".to_owned());
            if !timing::spin(&mut tally, threads, calls, &name) {
                usage(&format!("spin knows no call {name:?}"));
            }
        }
        other => usage(&format!("no mode {other:?}")),
    }
    gate.close(&mode, &tally);
    ExitCode::SUCCESS
}

/// Sends a signal: a minimal guest has no kill(1).
fn signal(pid: usize, number: usize) -> ExitCode {
    let ret = raw::syscall(libc::SYS_kill, [pid, number, 0, 0, 0, 0]);
    if ret == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Becomes CMD, for which bpf(2) fails with EPERM.
fn deny_bpf(words: &[String]) -> ! {
    let mut command = command("deny-bpf", words);
    let why = match raw::deny(libc::SYS_bpf, libc::EPERM) {
        Ok(()) => command.exec(),
        Err(error) => error,
    };
    complain(&format!("oracle: {command:?}: {why}\n"));
    std::process::exit(127)
}

/// Runs CMD as the first process of a PID namespace, with a `/proc` of its own.
fn in_pid_namespace(words: &[String]) -> ! {
    run_forked(command("in-pid-namespace", words), tasks::fork_into_pid_namespace)
}

/// Runs CMD where a child of process `pid` would run: in the PID namespace that it makes children in, with its mounts.
fn beside_child(pid: u32, words: &[String]) -> ! {
    run_forked(command("beside-child", words), || tasks::fork_beside_child(pid))
}

/// Runs `command` in the child that `fork` makes, and ends as it does.
fn run_forked(mut command: Command, fork: impl FnOnce() -> io::Result<u32>) -> ! {
    let child = fork().expect("root may");
    if child == 0 {
        let why = command.exec();
        complain(&format!("oracle: {command:?}: {why}\n"));
        std::process::exit(127)
    }
    std::process::exit(i32::from(tasks::reap_silent(child) != 0))
}

fn command(mode: &str, words: &[String]) -> Command {
    let words = words.strip_prefix(&["--".to_owned()]).unwrap_or(words);
    let Some((program, args)) = words.split_first() else { usage(&format!("{mode} needs a command")) };
    let mut command = Command::new(program);
    command.args(args);
    command
}

fn usage(what: &str) -> ! {
    complain(&format!("oracle: {what}\n{USAGE}"));
    std::process::exit(2)
}

fn complain(text: &str) {
    // With stderr gone there is nobody left to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn say(text: &str) {
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).expect("stdout takes the ledger");
}

fn wait_for_line() {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).expect("stdin is readable");
}
