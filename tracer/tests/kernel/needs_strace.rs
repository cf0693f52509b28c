//! Against strace: first that the oracle tells the truth, then the tracer beside strace on real programs.
//!
//! The two define a few calls differently; each difference is named where it is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::oracle::OracleLedger;
use crate::report::plain_name;
use crate::tool::{Family, Tracing, oracle_command, require_program, tell, tracer, wait_for, wait_for_read};

/// Calls and errors by name, from the table of `strace -c`.
fn strace_counts(table: &Path) -> BTreeMap<String, (u64, u64)> {
    let text = fs::read_to_string(table).expect("strace's table");
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |index: usize| words.get(index)?.parse::<u64>().ok();
            // % time, seconds, usecs/call, calls, [errors,] syscall
            words.first()?.parse::<f64>().ok()?;
            let (name, errors) = match words.len() {
                5 => (words[4], 0),
                6 => (words[5], number(4)?),
                _ => return None,
            };
            (name != "total").then_some((name.to_owned(), (number(3)?, errors)))
        })
        .collect()
}

/// Every mode that `strace -c` survives (it crashes on numbers without a name) agrees with strace.
#[test]
#[ignore = "root, strace"]
fn oracle_tells_the_truth() {
    let strace = require_program("strace");
    let directory = tempfile::tempdir().expect("a directory");
    let table = directory.path().join("table");
    let modes = [
        "plain 50",
        "denied 20",
        "neverfail 5",
        "threads 3 50",
        "forks 4 5",
        "vfork 3",
        "thread-exec 5",
        "short-threads 100",
        "killed 4",
        "tree 6",
        "restarts 5",
        "stop-restarts 4",
        "sigreturn 9",
        "slow 2 5",
        "stuck 1",
        "spin 2 500",
    ];
    for mode in modes {
        let command = oracle_command(&mode.split(' ').collect::<Vec<_>>());
        let output = Command::new(&strace)
            .args(["-f", "-c", "-o"])
            .arg(&table)
            .arg("--")
            .args(&command)
            .stdin(Stdio::null())
            .output()
            .expect("strace starts");
        let oracle = OracleLedger::parse(&String::from_utf8_lossy(&output.stdout));
        let counted = strace_counts(&table);
        for row in &oracle.rows {
            // A call cut short by a deadly signal never returns, and strace counts returns.
            let deadly =
                matches!((mode.split(' ').next(), row.name()), (Some("killed"), "readv" | "recvfrom"))
                    || row.name() == "pause";
            let launched = u64::from(row.name() == "execve");
            // strace has no class for interrupted calls, and reads the return of rt_sigreturn as an errno.
            let errors = row.errors.values().sum::<u64>() + row.interrupted;
            let seen = counted.get(row.name()).copied();
            if row.name() == "rt_sigreturn" {
                assert_eq!(seen.map(|(calls, _)| calls), Some(row.calls), "{mode}: {row:?}");
            } else {
                let made = (!deadly).then_some((row.calls + launched, errors));
                assert_eq!(seen, made, "{mode}: {row:?}");
            }
        }
    }
}

/// A shell that waits for a line and then becomes a command, so that two tracers can attach first.
pub(crate) struct Launch {
    shell: Child,
}

impl Launch {
    pub(crate) fn prepare(command: &[&str]) -> Self {
        let shell = Command::new("sh")
            .args(["-c", "read go; exec \"$@\"", "sh"])
            .args(command)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        Self { shell }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.shell.id()
    }

    /// strace with these options, attached while the shell waits in its read.
    pub(crate) fn attach_strace(&self, options: &[&str], output: &Path) -> Child {
        let strace = require_program("strace");
        let pid = self.pid().to_string();
        wait_for_read(self.pid());
        let strace = Command::new(&strace)
            .args(options)
            .args(["-p", &pid, "-o"])
            .arg(output)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        wait_for("strace to attach", || {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            (!status.contains("TracerPid:\t0\n")).then_some(())
        });
        // It interrupts the read next, and the shell begins it again: nothing shows when that is done.
        thread::sleep(Duration::from_millis(500));
        strace
    }

    pub(crate) fn run(mut self) {
        let mut stdin = self.shell.stdin.take().expect("a pipe was asked for");
        stdin.write_all(b"go\n").expect("the shell reads");
        drop(stdin);
        self.shell.wait().expect("a child");
    }
}

/// Runs `command` once under strace and the tracer together and compares every row.
fn assert_like_strace(family: Family, command: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    let table = directory.path().join("table");
    let launch = Launch::prepare(command);
    let pid = launch.pid().to_string();
    let mut strace = launch.attach_strace(&["-f", "-c"], &table);
    let tracing = Tracing::attach(family, &["-f", "-p", &pid]);
    launch.run();
    let report = tracing.finish().report();
    assert!(strace.wait().expect("a child").success(), "strace");
    report.assert_laws();
    if !family.is_exact_here() {
        tell("NOT COMPARED with strace: raw programs are skipped by this kernel");
        return;
    }
    report.assert_complete();

    let theirs = strace_counts(&table);
    let names = report.names();
    let mut ours: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (call, sum) in report.sums(|_| true) {
        let name = plain_name(&names[&call]).to_owned();
        // strace counts a call that a signal cut short as an error.
        let errors = sum.errors.values().sum::<u64>() + sum.interrupted;
        ours.insert(name, (sum.calls, errors));
    }
    // Calls that never return are no calls to strace.
    ours.remove("exit");
    ours.remove("exit_group");
    // The read in which the shell waited began before we attached; strace made it begin again.
    if let Some(reads) = ours.get_mut("read") {
        reads.0 += report.ledger().get("in_flight_at_attach");
    }
    // What rt_sigreturn "returns" is a register of the program, which strace reads as an errno.
    let mut differences = Vec::new();
    let all: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in all {
        let (mine, its) = (ours.get(name).copied(), theirs.get(name).copied());
        let same =
            if name == "rt_sigreturn" { mine.map(|row| row.0) == its.map(|row| row.0) } else { mine == its };
        if !same {
            differences.push(format!("{name}: (calls, errors) {mine:?}, strace {its:?}"));
        }
    }
    assert!(differences.is_empty(), "{command:?}\n{}", differences.join("\n"));
    assert!(theirs.len() > 10, "a real program makes many different calls: {theirs:?}");
}

/// Calls of each thread in strace text: name and result, in the order in which they were entered. Read without a
/// word about who wrote it.
fn calls_in_strace_text(text: &str) -> BTreeMap<u32, Vec<(String, String)>> {
    let mut calls: BTreeMap<u32, Vec<(String, String)>> = BTreeMap::new();
    let mut latest: BTreeMap<u32, f64> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let tid: u32 = words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        let time = words.next().unwrap_or_default();
        assert_eq!(time.split_once('.').map(|(_, micros)| micros.len()), Some(6), "{line}");
        let time: f64 = time.parse().unwrap_or_else(|_| panic!("{line}"));
        let rest =
            line.split_once(words.next().unwrap_or_default()).map_or("", |(before, _)| &line[before.len()..]);
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        let is_resumed = rest.starts_with("<... ");
        let of_thread = calls.entry(tid).or_default();
        if !is_resumed {
            assert!(*latest.get(&tid).unwrap_or(&0.0) <= time, "in order: {line}");
            latest.insert(tid, time);
            let (name, _) = rest.split_once('(').unwrap_or_else(|| panic!("{line}"));
            of_thread.push((name.to_owned(), String::new()));
        }
        // `) = -1 ENOENT (No such file or directory) <0.000012>`; strace explains some results in brackets.
        if let Some((_, result)) = rest.rsplit_once(" = ") {
            let words: Vec<&str> = result.split_whitespace().collect();
            let number = |word: &str| match word.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).ok(),
                None => word.parse::<i64>().ok().map(|number| number as u64),
            };
            let value = number(words[0]).map_or("?".to_owned(), |number| (number as i64).to_string());
            let errno = words.get(1).filter(|word| word.starts_with('E')).map_or("", |word| word);
            let took = words.last().filter(|word| word.starts_with('<'));
            if let Some(took) = took {
                let seconds = took.trim_matches(['<', '>']);
                assert!(seconds.parse::<f64>().is_ok() && seconds.contains('.'), "{line}");
            }
            if let Some(last) = of_thread.last_mut() {
                last.1 = format!("{value} {errno}");
            }
        }
    }
    calls
}

both_families! {
    /// One run under both: every thread made the same calls with the same results, in the same order.
    exported_text_is_that_of_strace(family) {
        let directory = tempfile::tempdir().expect("a directory");
        let (theirs, recording) = (directory.path().join("strace"), directory.path().join("x.arrows"));
        let launch = Launch::prepare(&["sh", "-c", "ls /nowhere; cat /etc/hostname | wc -c; true"]);
        let pid = launch.pid().to_string();
        let mut strace = launch.attach_strace(&["-f", "-ttt", "-T"], &theirs);
        let recording = recording.to_str().expect("a path of text");
        let tracing = Tracing::attach(family, &["-f", "-p", &pid, "--events", "--record", recording]);
        launch.run();
        let report = tracing.finish().report();
        assert!(strace.wait().expect("a child").success(), "strace");
        if !family.is_exact_here() {
            tell("NOT COMPARED with strace: raw programs are skipped by this kernel");
            return;
        }
        report.assert_complete();
        let export = Command::new(tracer()).args(["export", recording, "--to", "strace"]).output().expect("it runs");
        assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
        let mut ours = calls_in_strace_text(&String::from_utf8(export.stdout).expect("text"));
        let mut theirs = calls_in_strace_text(&fs::read_to_string(&theirs).expect("strace's text"));
        // The read in which the shell waited began before we attached.
        for calls in [&mut ours, &mut theirs] {
            let shell = calls.get_mut(&pid.parse().expect("a number")).expect("the shell");
            shell.drain(..shell.iter().position(|(name, _)| name == "execve").expect("it becomes the command"));
        }
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        for (tid, calls) in &theirs {
            // A register, not a result.
            let plain = |calls: &[(String, String)]| -> Vec<(String, String)> {
                calls.iter().map(|(name, result)| match name.as_str() {
                    "rt_sigreturn" => (name.clone(), String::new()),
                    _ => (name.clone(), result.clone()),
                }).collect()
            };
            assert_eq!(plain(&ours[tid]), plain(calls), "thread {tid}");
        }
        assert!(theirs.len() >= 4 && theirs.values().map(Vec::len).sum::<usize>() > 100);
    }

    shell_that_forks(family) {
        assert_like_strace(family, &["sh", "-c", "i=0; while [ $i -lt 50 ]; do /bin/true; i=$((i+1)); done"]);
    }

    pipeline(family) {
        assert_like_strace(family, &["sh", "-c", "tar c /usr/share/doc 2>/dev/null | wc -c"]);
    }

    find(family) {
        assert_like_strace(family, &["find", "/usr", "-name", "x"]);
    }

    needs_python3(family) {
        require_program("python3");
        assert_like_strace(family, &["python3", "-c", "import json, ssl"]);
    }

    needs_git(family) {
        require_program("git");
        assert_like_strace(family, &["git", "-C", env!("CARGO_MANIFEST_DIR"), "log"]);
    }
}
