//! Failures that users meet: each says what, why and what to do, with the exit code of its kind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::tool::{Family, Finished, oracle, oracle_command, run, trace, tracer};

const NOBODY: u32 = 65534;

/// Requires an exit code, every word of `words` on stderr, and nothing of a crash there.
fn assert_fails(finished: &Finished, code: i32, words: &[&str]) {
    let told = finished.stderr.to_lowercase();
    assert_eq!(finished.status.code(), Some(code), "stderr:\n{}", finished.stderr);
    for word in words {
        assert!(told.contains(&word.to_lowercase()), "no {word:?} in:\n{}", finished.stderr);
    }
    for trouble in ["panicked", "rust_backtrace", "stack backtrace"] {
        assert!(!told.contains(trouble), "a crash is no answer:\n{}", finished.stderr);
    }
}

/// A directory that everybody may enter, with a copy of `program` in it that everybody may run.
fn public_copy(program: &Path) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let everybody = || fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory.path(), everybody()).expect("ours");
    let copy = directory.path().join("tracer");
    fs::copy(program, &copy).expect("a copy");
    fs::set_permissions(&copy, everybody()).expect("ours");
    directory
}

#[test]
#[ignore = "root"]
fn without_privilege_both_ways_out_are_named() {
    let directory = public_copy(&tracer());
    let finished = run(&directory.path().join("tracer"), &["--json", "-d", "1s"], Some(NOBODY));
    assert_fails(&finished, 4, &["cap_bpf", "cap_perfmon", "sudo", "setcap"]);
    assert_eq!(finished.stdout, "", "no output that looks like a result");
}

#[test]
#[ignore = "root"]
fn bpf_denied_by_seccomp_is_named() {
    let tracer = tracer();
    let arguments = ["deny-bpf", "--", tracer.to_str().expect("text"), "--json", "-d", "1s"];
    assert_fails(&run(&oracle(), &arguments, None), 4, &["seccomp", "bpf"]);
}

#[test]
#[ignore = "root"]
fn pid_that_does_not_exist_is_named() {
    // The kernel's largest pid_max; no PID reaches it.
    let finished = run(&tracer(), &["--json", "-d", "1s", "-p", "4194304"], None);
    assert_fails(&finished, 1, &["4194304"]);
}

#[test]
#[ignore = "root"]
fn command_that_does_not_exist_is_named() {
    let finished = run(&tracer(), &["--json", "--", "/nonexistent/command"], None);
    assert_fails(&finished, 127, &["/nonexistent/command"]);
    let finished = run(&tracer(), &["--json", "--", "no-such-command-in-path"], None);
    assert_fails(&finished, 127, &["no-such-command-in-path"]);
}

#[test]
#[ignore = "root"]
fn command_that_is_no_program_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("plain-file");
    fs::write(&file, "no program").expect("a file");
    let finished = run(&tracer(), &["--json", "--", file.to_str().expect("text")], None);
    assert_fails(&finished, 126, &["plain-file"]);
}

#[test]
#[ignore = "root"]
fn wrong_usage_is_refused() {
    assert_fails(&run(&tracer(), &["--no-such-option"], None), 2, &["--no-such-option"]);
    assert_fails(&run(&tracer(), &["-e", "no_such_call", "-d", "1s"], None), 2, &["no_such_call"]);
}

both_families! {
    exit_code_is_that_of_the_command(family) {
        for code in [0, 1, 7, 127] {
            let finished = trace(family, &[], &oracle_command(&["exit", &code.to_string()]));
            assert_eq!(finished.status.code(), Some(code), "{}", finished.stderr);
        }
    }

    /// The command's output is its own: nothing of ours is mixed into it.
    streams_are_those_of_the_command(family) {
        let finished = trace(family, &[], &oracle_command(&["plain", "10"]));
        assert_eq!(finished.stdout.lines().count(), 1, "{}", finished.stdout);
        finished.oracle();
    }

    /// Without CMD the JSON goes to stdout, every line of it.
    json_goes_to_stdout_without_a_command(family) {
        let name = if family == Family::Raw { "raw" } else { "classic" };
        let finished = run(&tracer(), &["--json", "--program-family", name, "-d", "1s"], None);
        assert!(finished.status.success(), "{}", finished.stderr);
        crate::report::Report::parse(&finished.stdout).assert_laws();
    }
}
