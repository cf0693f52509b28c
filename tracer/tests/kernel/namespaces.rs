//! The tracer in a PID namespace, as in a container, and processes in one below that. Starts no other program.

use std::fs;

use crate::oracle::Reach;
use crate::report::{Process, Report, Scope};
use crate::tool::{Family, Tracing, Waiting, oracle_command, run, tracer};

/// Lets `target` make its calls, which a tracer in a namespace that is `tracer_below` ours was attached to by `-p`: it shows
/// those and no others, under the number that it was given, and the target's own beside.
fn assert_target_is_exact(family: Family, mut tracing: Tracing, mut target: Waiting, tracer_below: usize) {
    let number = target.numbers()[tracer_below];
    target.go();
    let ledger = target.ledger();
    // Who it is has been asked by then. With the target ends the namespace that it was made in, and whoever is in there.
    tracing.wait_for_intervals(2);
    let report = tracing.stop().report();
    target.end();
    assert_eq!(ledger.pid, 1, "the first of its namespace");
    ledger.assert_equals(&report, family, Reach::Attached);
    assert!(report.totals().all(|cell| cell.pid == number), "{number} alone");
    let lines: Vec<_> = report.processes.iter().filter(|line| line.scope == Scope::Total).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((lines[0].pid, lines[0].ns_pid), (number, Some(1)), "{lines:?}");
}

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
    /// The target is in a namespace below ours, as in a container seen from the host. The first process of another one, which
    /// has the same number in there, is no target.
    attached_from_above(family) {
        let target = Waiting::start_below(1, &["threads", "4", "5000"]);
        let bystander = Waiting::start_below(1, &["plain", "4000"]);
        let number = target.numbers()[0];
        assert_eq!((target.numbers().len(), bystander.numbers().len()), (2, 2));
        let tracing = Tracing::attach(family, &["-p", &number.to_string()]);
        bystander.run();
        assert_target_is_exact(family, tracing, target, 0);
    }

    /// The tracer is in a namespace itself, as in a container, and the target in one below that.
    attached_from_within(family) {
        let target = Waiting::start_below(2, &["threads", "4", "5000"]);
        let numbers = target.numbers();
        assert_eq!(numbers.len(), 3, "{numbers:?}");
        let launcher = oracle_command(&["beside-child", &target.launcher().to_string(), "--"]);
        let tracing = Tracing::attach_by(&launcher, family, &["-p", &numbers[1].to_string()]);
        assert_target_is_exact(family, tracing, target, 1);
    }
}
