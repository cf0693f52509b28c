//! The kernel suite, `tracer/tests/kernel/`: which of its tests there are, and which must be left out where
//! something that they compare with is missing.

use std::path::Path;
use std::process::Command;

use crate::command::{self, find};

/// Selects the suite for cargo: optimised, because what is shipped is what must keep up.
pub(crate) const SELECTION: [&str; 5] = ["--release", "--package", "tracer", "--test", "kernel"];
/// Selects the programs that the suite starts, which cargo does not build with it.
pub(crate) const PROGRAMS: [&str; 9] =
    ["--release", "--package", "tracer", "--bin", "tracer", "--example", "oracle", "--example", "steady"];
/// The suite needs root, so it is marked ignored; two of its tests at once would see each other.
pub(crate) const HARNESS: [&str; 2] = ["--ignored", "--test-threads=1"];
/// Makes the suite print its tests instead of running them.
pub(crate) const LIST: [&str; 2] = ["--list", "--ignored"];

/// What starts a program in a PID namespace of its own, with its own `/proc`, as in a container.
pub(crate) const IN_NAMESPACE: &str = "unshare --pid --fork --kill-child --mount-proc";
/// The part of the suite that runs in there too: whose calls are whose, which threads are in which call, and who is at the
/// other end of what.
pub(crate) const OF_NAMESPACE: [&str; 10] = [
    "blocked::before_attach",
    "cgroups::",
    "files::needs_unix_diag",
    "modes::forks::",
    "modes::thread_exec::",
    "modes::stuck",
    "needs_unshare::",
    "targets::attached_process",
    "targets::follow",
    "targets::several_pids",
];

/// Groups of the suite that compare with other programs, and those programs.
const COMPARING: [(&str, &[&str]); 10] = [
    ("needs_strace", &["strace", "sh", "find", "tar"]),
    ("needs_git", &["git"]),
    ("needs_curl", &["curl"]),
    ("needs_nginx", &["nginx", "ab"]),
    ("needs_postgres", &["postgres", "initdb", "pgbench", "setpriv"]),
    ("needs_bash", &["bash", "sleep"]),
    ("needs_python3", &["python3", "bash", "flock", "mount", "losetup", "mkfs.ext4"]),
    ("needs_perf", &["perf"]),
    ("needs_unshare", &["unshare"]),
    ("needs_sh", &["sh", "mount", "mkfifo", "head", "sleep"]),
];
/// The group that makes 32-bit calls.
const IA32: &str = "needs_ia32";
/// The group that makes a ring, which many hosts forbid.
const IO_URING: &str = "needs_io_uring";
/// The group that asks which unix sockets are connected, which is a module (`CONFIG_UNIX_DIAG`) of most kernels.
const UNIX_DIAG: &str = "needs_unix_diag";
/// The group that asks for full speed on two processors.
const SPEED: &str = "needs_speed";
/// The group that asks for a machine that does nothing else, and is told so by a variable.
const QUIET: &str = "needs_quiet";
const QUIET_VARIABLE: &str = "TRACER_PAIRS";
/// Groups about files and not about kernels.
const OF_FILES: [&str; 2] = ["recording::", "readback::"];

/// A group that cannot run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Its module.
    pub(crate) group: &'static str,
    /// What it lacks.
    pub(crate) why: String,
}

/// The groups that cannot run on this machine. `oracle` is asked whether 32-bit calls work.
pub(crate) fn missing_here(oracle: &Path) -> Vec<Missing> {
    let mut missing: Vec<Missing> = COMPARING
        .iter()
        .filter_map(|&(group, programs)| {
            let absent: Vec<&str> =
                programs.iter().copied().filter(|program| find(program).is_none()).collect();
            let why = format!("not installed: {}", absent.join(", "));
            (!absent.is_empty()).then_some(Missing { group, why })
        })
        .collect();
    // A kernel without 32-bit emulation kills who tries.
    let calls = command::ask(Command::new(oracle).args(["int80", "1"]));
    if calls.is_ok_and(|output| !output.status.success()) {
        missing.push(Missing { group: IA32, why: "this kernel has no 32-bit calls".to_owned() });
    }
    let ring = command::ask(Command::new(oracle).args(["ring", "1"]));
    if ring.is_ok_and(|output| !output.status.success()) {
        missing.push(Missing { group: IO_URING, why: "this kernel makes no io_uring".to_owned() });
    }
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        missing.push(Missing { group: SPEED, why: "needs two processors".to_owned() });
    }
    if std::env::var_os(QUIET_VARIABLE).is_none() {
        let why = format!("needs a machine that does nothing else; {QUIET_VARIABLE}=20 runs it");
        missing.push(Missing { group: QUIET, why });
    }
    missing
}

/// The groups that cannot run in a virtual machine: its only user space is the suite, and its processors are
/// emulated.
pub(crate) fn missing_in_a_machine() -> Vec<Missing> {
    let mut missing: Vec<Missing> = COMPARING
        .iter()
        .map(|&(group, programs)| Missing {
            group,
            why: format!("no {} in the machine", programs.join(", ")),
        })
        .collect();
    missing.push(Missing { group: IO_URING, why: "not in every kernel that is booted".to_owned() });
    missing.push(Missing { group: UNIX_DIAG, why: "the machine loads no modules".to_owned() });
    missing.extend([SPEED, QUIET].map(|group| Missing { group, why: "emulated processors".to_owned() }));
    missing.extend(OF_FILES.map(|group| Missing {
        group,
        why: "about files, not kernels: runs on the machine's own".to_owned(),
    }));
    missing
}

/// What tells the harness to leave `missing` out.
pub(crate) fn skip_arguments(missing: &[Missing]) -> Vec<String> {
    missing.iter().flat_map(|missing| ["--skip".to_owned(), missing.group.to_owned()]).collect()
}

/// The tests in what [`LIST`] prints.
pub(crate) fn names(listed: &str) -> Vec<&str> {
    listed.lines().filter_map(|line| line.strip_suffix(": test")).collect()
}

/// The tests among `names` that are left out, with the reason.
pub(crate) fn left_out<'a>(names: &[&'a str], missing: &'a [Missing]) -> Vec<(&'a str, &'a str)> {
    names
        .iter()
        .filter_map(|&name| {
            // As the harness does: `--skip` leaves out every name that contains the words.
            let missing = missing.iter().find(|missing| name.contains(missing.group))?;
            Some((name, missing.why.as_str()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named_with_its_reason() {
        let listed = "modes::plain::raw: test\nneeds_perf::count::raw: test\n\n2 tests, 0 benchmarks\n";
        let names = names(listed);
        assert_eq!(names, ["modes::plain::raw", "needs_perf::count::raw"]);
        let missing = [Missing { group: "needs_perf", why: "not installed: perf".to_owned() }];
        assert_eq!(left_out(&names, &missing), [("needs_perf::count::raw", "not installed: perf")]);
        assert_eq!(skip_arguments(&missing), ["--skip", "needs_perf"]);
        assert!(left_out(&names, &[]).is_empty());
    }

    #[test]
    fn a_machine_lacks_what_is_compared_with_but_not_32_bit_calls() {
        let groups: Vec<&str> = missing_in_a_machine().iter().map(|missing| missing.group).collect();
        let expected = [
            "needs_strace",
            "needs_git",
            "needs_curl",
            "needs_nginx",
            "needs_postgres",
            "needs_bash",
            "needs_python3",
            "needs_perf",
            "needs_unshare",
            "needs_sh",
            "needs_io_uring",
            "needs_unix_diag",
            "needs_speed",
            "needs_quiet",
            "recording::",
            "readback::",
        ];
        assert_eq!(groups, expected);
    }
}
