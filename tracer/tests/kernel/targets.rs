//! Whom the tracer traces: one process, a tree, a name, the host, and never itself.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::oracle::{OracleLedger, Reach};
use crate::report::Scope;
use crate::tool::{Family, Tracing, Waiting, oracle, oracle_command, trace, wait_for_read};

const GETPPID: i64 = 110;
const GETPGID: i64 = 121;
const GETSID: i64 = 124;
const GETPRIORITY: i64 = 140;

both_families! {
    /// The run ends when its only target does, with totals.
    attached_process_is_exact_and_its_end_ends_the_run(family) {
        let oracle = Waiting::start(&["threads", "4", "20000"]);
        let tracing = Tracing::attach(family, &["-p", &oracle.pid.to_string()]);
        let ledger = oracle.run();
        let report = tracing.finish().report();
        ledger.assert_equals(&report, family, Reach::Attached);
        assert!(report.totals().all(|cell| cell.pid == ledger.pid), "the target alone");
        assert_eq!(report.ledger().get("in_flight_at_attach"), 1, "the read that waited for the start");
    }

    /// Calls open at attach and at the end are booked as such, at whatever moment the run is cut.
    interrupted_run_is_exact(family) {
        let mut oracle = Waiting::start(&["plain", "50000"]);
        let tracing = Tracing::attach(family, &["-p", &oracle.pid.to_string()]);
        oracle.go();
        let ledger = oracle.ledger();
        wait_for_read(oracle.pid);
        let report = tracing.stop().report();
        ledger.assert_equals(&report, family, Reach::Attached);
        // It waits to be let go: one read came back, the next is open.
        assert_eq!(report.ledger().get("in_flight_now"), 1, "{:?}", report.ledger());
        assert_eq!(report.in_flight.iter().filter(|open| open.scope == Scope::Total).count(), 1);
        oracle.end();
    }

    duration_ends_the_run(family) {
        let oracle = Waiting::start(&["plain", "1000"]);
        let tracing = Tracing::start(family, &["-d", "1500ms", "-p", &oracle.pid.to_string()], &[]);
        let report = tracing.finish().report();
        report.assert_laws();
        oracle.run();
    }

    several_pids(family) {
        let (one, two) = (Waiting::start(&["plain", "3000"]), Waiting::start(&["errors", "50"]));
        let bystander = Waiting::start(&["plain", "4000"]);
        let tracing = Tracing::attach(family, &["-p", &format!("{},{}", one.pid, two.pid)]);
        let pid_of_bystander = bystander.pid;
        bystander.run();
        let (one, two) = (one.run(), two.run());
        let report = tracing.finish().report();
        one.assert_rows(&report, family, Reach::Attached, |pid| pid == one.pid);
        two.assert_rows(&report, family, Reach::Attached, |pid| pid == two.pid);
        assert!(report.totals().all(|cell| cell.pid != pid_of_bystander));
    }

    children_are_not_counted_without_follow(family) {
        let oracle = Waiting::start(&["tree", "500"]);
        let tracing = Tracing::attach(family, &["-p", &oracle.pid.to_string()]);
        let ledger = oracle.run();
        let report = tracing.finish().report();
        report.assert_laws();
        if family.is_exact_here() {
            assert_eq!(report.calls(GETPPID), 500, "the process itself");
        }
        for (nr, who) in [(GETPGID, "existing child"), (GETPRIORITY, "grandchild"), (GETSID, "new child")] {
            assert_eq!(report.calls(nr), 0, "{who}");
        }
        assert!(report.totals().all(|cell| cell.pid == ledger.pid));
    }

    /// Descendants of before the attach, children they make later, and children of ours.
    follow_takes_existing_and_new_children(family) {
        let oracle = Waiting::start(&["tree", "500"]);
        let tracing = Tracing::attach(family, &["-f", "-p", &oracle.pid.to_string()]);
        let ledger = oracle.run();
        let report = tracing.finish().report();
        ledger.assert_equals(&report, family, Reach::Attached);
        if family.is_exact_here() {
            let children = ledger.fact("fork_children");
            assert_eq!(report.ledger().get("fork_child"), children, "{:?}", report.ledger());
            let by_new_child = report.total_of(GETSID).map(|cell| u64::from(cell.pid));
            assert_eq!(by_new_child.collect::<Vec<_>>(), [ledger.fact("new_child")]);
        }
    }

    /// Everything of a name, running already or not, and nothing of another.
    comm_takes_present_and_future_processes_of_the_name(family) {
        let directory = tempfile::tempdir().expect("a directory");
        let named = directory.path().join("marked-one");
        symlink(oracle(), &named).expect("a link");
        let present = Waiting::start_as(&named, &["plain", "1000"]);
        let bystander = Waiting::start(&["plain", "7000"]);
        let tracing = Tracing::attach(family, &["--comm", "marked-one"]);
        let (present, _) = (present.run(), bystander.run());
        let future = Command::new(&named)
            .args(["errors", "20"])
            .stdin(Stdio::null())
            .output()
            .expect("the oracle starts");
        let future = OracleLedger::parse(&String::from_utf8_lossy(&future.stdout));
        let report = tracing.stop().report();
        present.assert_rows(&report, family, Reach::Attached, |pid| pid == present.pid);
        future.assert_rows(&report, family, Reach::Attached, |pid| pid == future.pid);
        for cell in report.totals() {
            assert_eq!(cell.comm, "marked-one", "{cell:?}");
        }
    }

    whole_host_is_exact_and_never_shows_the_tracer(family) {
        let tracing = Tracing::attach(family, &[]);
        let own = tracing.pid();
        let oracle = Command::new(oracle())
            .args(["threads", "2", "30000"])
            .stdin(Stdio::null())
            .output()
            .expect("the oracle starts");
        let oracle = OracleLedger::parse(&String::from_utf8_lossy(&oracle.stdout));
        let report = tracing.stop().report();
        oracle.assert_rows(&report, family, Reach::Command, |pid| pid == oracle.pid);
        let own_cells: Vec<_> = report.cells.iter().filter(|cell| cell.pid == own).collect();
        assert!(own_cells.is_empty(), "the tracer traced itself: {own_cells:?}");
        if family.is_exact_here() {
            report.assert_complete();
        }
    }

    /// Cutting time into intervals loses nothing and counts nothing twice.
    intervals_add_up_to_the_totals(family) {
        let finished = trace(family, &["-i", "100ms"], &oracle_command(&["full-speed", "2", "1"]));
        let report = finished.report();
        report.assert_laws();
        let sum = |scope: Scope| {
            let cells = report.cells.iter().filter(move |cell| cell.scope == scope);
            cells.fold((0, 0, 0, 0), |sum, cell| {
                (
                    sum.0 + cell.calls,
                    sum.1 + cell.errors,
                    sum.2 + cell.interrupted,
                    sum.3 + cell.total_ns,
                )
            })
        };
        assert_eq!(sum(Scope::Interval), sum(Scope::Total), "(calls, errors, interrupted, total_ns)");
        for name in ["enter_seen", "exit_seen", "paired", "streamed", "spilled"] {
            let parts = report.ledgers.iter().filter(|ledger| ledger.scope == Scope::Interval);
            let parts: u64 = parts.map(|ledger| ledger.get(name)).sum();
            assert_eq!(parts, report.ledger().get(name), "{name}");
        }
    }

    two_tracers_side_by_side_are_both_exact(family) {
        let oracle = Waiting::start(&["forks", "50", "500"]);
        let pid = oracle.pid.to_string();
        let first = Tracing::attach(family, &["-f", "-p", &pid]);
        let second = Tracing::attach(family, &["-f", "-p", &pid]);
        let ledger = oracle.run();
        for tracing in [first, second] {
            ledger.assert_equals(&tracing.finish().report(), family, Reach::Attached);
        }
    }

    /// A tracer killed outright takes its programs with it, and the next one starts as if nothing had been.
    killed_tracer_leaves_nothing_in_the_way(family) {
        let oracle = Waiting::start(&["plain", "20000"]);
        let pid = oracle.pid.to_string();
        for _ in 0..3 {
            Tracing::attach(family, &["-p", &pid]).kill();
        }
        let tracing = Tracing::attach(family, &["-p", &pid]);
        let ledger = oracle.run();
        ledger.assert_equals(&tracing.finish().report(), family, Reach::Attached);
    }

    /// Detaching while calls are in full flow, many times over.
    runs_cut_at_any_moment_balance(family) {
        for round in 0..20u64 {
            let tracing = Tracing::attach(family, &[]);
            thread::sleep(Duration::from_millis(round * 37 % 100));
            let report = tracing.stop().report();
            report.assert_laws();
            if family.is_exact_here() {
                report.assert_complete();
            }
        }
    }
}
