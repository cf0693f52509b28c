//! The tracer in a PID namespace, as in a container, and processes in one below that. Starts no other program.

use std::fs;

use crate::oracle::Reach;
use crate::report::{Process, Report, Scope};
use crate::tool::{Family, oracle_command, run, tracer};

both_families! {
    /// A process below the tracer's own namespace has the number that is shown in there, and the one that it has itself; its
    /// calls are counted under the first.
    below_the_tracers_own(family) {
        let files = tempfile::tempdir().expect("a directory");
        let json = files.path().join("json").to_str().expect("text").to_owned();
        let target = oracle_command(&["slow", "4", "300"]);
        let inside = oracle_command(&["in-pid-namespace", "--"]);
        let tracer = tracer().to_str().expect("text").to_owned();
        let options = ["--json", "--program-family", family.argument(), "-o", &json, "--"].map(str::to_owned);
        let command = [&inside[1..], &[tracer], &options, &inside, &target].concat();
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let finished = run(inside[0].as_ref(), &words, None);
        assert!(finished.status.success(), "{}", finished.stderr);
        let report = Report::parse(&fs::read_to_string(&json).expect("JSON Lines"));
        let ledger = finished.oracle();
        assert_eq!(ledger.pid, 1, "the first of its namespace");
        let of = |cmdline: &[String]| {
            let cmdline = cmdline.join(" ");
            let is_it = |line: &&Process| line.scope == Scope::Total && line.cmdline == cmdline;
            report.processes.iter().find(is_it).unwrap_or_else(|| panic!("no {cmdline}: {:?}", report.processes))
        };
        let outer = of(&[&inside[..], &target].concat());
        let inner = of(&target);
        assert_eq!((outer.ns_pid, outer.ppid), (None, 1), "a child of the tracer, in its namespace: {outer:?}");
        assert_eq!((inner.ns_pid, inner.ppid), (Some(1), outer.pid), "{inner:?}");
        ledger.assert_rows(&report, family, Reach::Command, |pid| pid == inner.pid);
        if family.is_exact_here() {
            report.assert_complete();
        }
    }
}
