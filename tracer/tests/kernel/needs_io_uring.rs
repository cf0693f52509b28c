//! Processes with an `io_uring` are named: what they do through it makes no calls.

use std::path::Path;

use serde_json::Value;

use crate::oracle::Reach;
use crate::recording::has_begun;
use crate::tool::{Family, Tracing, Waiting, oracle_command, run, trace, tracer, wait_for};

/// PIDs of those with a ring, by the ledger of the totals.
fn owners(lines: &[String]) -> Vec<u32> {
    let mut lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    let ledger = lines.find(|line| line["type"] == "ledger" && line["scope"] == "total");
    // It is not there where nobody has one.
    let owners =
        ledger.expect("a ledger").get("io_uring").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    serde_json::from_value(owners).expect("PIDs")
}

/// What a recording says of it.
fn owners_in(recording: &Path) -> Vec<u32> {
    let path = recording.to_str().expect("text");
    let finished = run(&tracer(), &["report", "--json", path], None);
    assert!(finished.status.success(), "{}", finished.stderr);
    owners(&finished.lines())
}

both_families! {
    by_its_calls(family) {
        let finished = trace(family, &[], &oracle_command(&["ring", "50"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        oracle.assert_equals(&report, family, Reach::Command);
        assert_eq!(owners(&finished.total_lines()), [oracle.pid]);
        let without = trace(family, &[], &oracle_command(&["plain", "50"]));
        assert_eq!(owners(&without.total_lines()), [0_u32; 0]);
    }

    /// The kernel polls the ring, whose descriptor is closed: what is done through it makes no call at all, and its owner is
    /// named all the same. Nobody else is.
    polled_since_before_attach(family) {
        let mut owner = Waiting::start(&["ring-before", "polled", "5000"]);
        let mut without = Waiting::start(&["plain", "100"]);
        let pids = format!("{},{}", owner.pid, without.pid);
        let tracing = Tracing::attach(family, &["-p", &pids]);
        owner.go();
        without.go();
        let ledgers = [owner.ledger(), without.ledger()];
        assert_eq!(ledgers[0].fact("operations"), 5000);
        let finished = tracing.stop();
        let report = finished.report();
        let is_of_ring = |cell: &&crate::report::Cell| cell.syscall.starts_with("io_uring");
        assert_eq!(report.cells.iter().find(is_of_ring).map(|cell| &cell.syscall), None, "no call tells of it");
        ledgers[1].assert_rows(&report, family, Reach::Attached, |pid| pid == without.pid);
        assert_eq!(owners(&finished.total_lines()), [owner.pid]);
        owner.end();
        without.end();
    }

    /// It has a ring behind a descriptor, and does nothing.
    idle_since_before_attach(family) {
        let owner = Waiting::start(&["ring-before", "idle"]);
        let without = Waiting::start(&["plain", "100"]);
        let pids = format!("{},{}", owner.pid, without.pid);
        let finished = Tracing::attach(family, &["-p", &pids]).stop();
        assert_eq!(owners(&finished.total_lines()), [owner.pid]);
        let arguments = ["top", "--plain", "-d", "300ms", "--program-family", family.argument(), "-p", &pids];
        let finished = run(&tracer(), &arguments, None);
        let sentence = format!("! IO_URING: oracle {} with an io_uring.", owner.pid);
        assert!(finished.status.success() && finished.stdout.contains(&sentence), "{finished:?}");
        owner.run();
        without.run();
    }

    /// Of everybody on the host those with a ring, and not the one without.
    whole_host(family) {
        let owner = Waiting::start(&["ring-before", "polled", "100"]);
        let without = Waiting::start(&["plain", "100"]);
        let finished = Tracing::attach(family, &[]).stop();
        let owners = owners(&finished.total_lines());
        assert!(owners.contains(&owner.pid), "{owners:?}");
        assert!(!owners.contains(&without.pid), "{owners:?}");
        owner.run();
        without.run();
    }

    /// Both kinds of recordings say it, also where a process is heard of only later.
    recorded(family) {
        let mut owner = Waiting::start(&["ring-before", "polled", "100"]);
        let without = Waiting::start(&["plain", "100"]);
        let pids = format!("{},{}", owner.pid, without.pid);
        let files = tempfile::tempdir().expect("a directory");
        let [intervals, events] = ["intervals", "events"].map(|name| files.path().join(name));
        for (path, options) in [(&intervals, &[][..]), (&events, &["--events"])] {
            let text = path.to_str().expect("text");
            let tracing = Tracing::record(family, &[&["-o", text, "-p", &pids], options].concat());
            wait_for("the recording to begin", || has_begun(path));
            if !options.is_empty() {
                owner.go();
                owner.ledger();
            }
            let finished = tracing.stop();
            assert!(finished.status.success(), "{}", finished.stderr);
        }
        for path in [&intervals, &events] {
            assert_eq!(owners_in(path), [owner.pid], "{}", path.display());
        }
        owner.end();
        without.run();
    }
}
