//! Against perf's own count of the same window.

use std::fs;
use std::process::{Command, Stdio};

use crate::oracle::Reach;
use crate::tool::{Family, Tracing, Waiting, require_program, wait_for};

both_families! {
    /// Both attach to a process that waits, and both see every enter from then until its end. A classic
    /// program that returns 0 takes the event away from everybody else, so this is also a test of manners:
    /// any such program on the host makes perf count too little.
    perf_stat_counts_the_same_enters(family) {
        let perf = require_program("perf");
        let oracle = Waiting::start(&["threads", "2", "100000"]);
        let directory = tempfile::tempdir().expect("a directory");
        let counts = directory.path().join("counts");
        let mut perf = Command::new(perf)
            .args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o"])
            .arg(&counts)
            .args(["-p", &oracle.pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("perf starts");
        // perf says nothing when it is ready; it holds a perf event by then.
        let descriptors = format!("/proc/{}/fd", perf.id());
        wait_for("perf to attach", || {
            let mut links = fs::read_dir(&descriptors).ok()?.flatten();
            links.find(|link| {
                fs::read_link(link.path()).is_ok_and(|to| to.to_string_lossy().contains("perf_event"))
            })
        });
        std::thread::sleep(std::time::Duration::from_millis(500));
        let tracing = Tracing::attach(family, &["-p", &oracle.pid.to_string()]);
        let ledger = oracle.run();
        let report = tracing.finish().report();
        assert!(perf.wait().expect("a child").success());
        ledger.assert_equals(&report, family, Reach::Attached);
        let counts = fs::read_to_string(&counts).expect("perf's counts");
        let line = counts.lines().find(|line| line.contains("sys_enter")).expect("a count");
        let counted: u64 = line.split(',').next().and_then(|word| word.parse().ok()).expect("a number");
        if family.is_exact_here() {
            assert_eq!(report.ledger().get("enter_seen"), counted, "perf says {line}");
        }
    }
}
