//! Every mode of the oracle, started by the tracer: the totals equal the oracle's own ledger.

use crate::oracle::{OracleLedger, Reach};
use crate::report::{Report, Scope};
use crate::tool::{Family, oracle_command, trace};

const NANOSLEEP: i64 = 35;
const GETPPID: i64 = 110;
const PREADV: i64 = 295;
const PWRITEV: i64 = 296;
const EXIT: i64 = 60;
const EXIT_GROUP: i64 = 231;
const VFORK: i64 = 58;

/// Runs the oracle in `mode` under the tracer and requires equality in every row, and the numbers of tasks
/// made and ended that follow from the mode.
fn assert_mode(family: Family, mode: &[&str]) -> (Report, OracleLedger) {
    let finished = trace(family, &[], &oracle_command(mode));
    let (report, oracle) = (finished.report(), finished.oracle());
    oracle.assert_equals(&report, family, Reach::Command);
    if family.is_exact_here() {
        let ledger = report.ledger();
        assert_eq!(ledger.get("in_flight_now"), 0, "everybody is gone");
        let tasks = oracle.fact("fork_children") + oracle.fact("threads") + oracle.fact("existing_children");
        assert_eq!(ledger.get("fork_child"), tasks, "new tasks leave the call that made them");
    }
    (report, oracle)
}

both_families! {
    plain(family) { assert_mode(family, &["plain", "1000"]); }

    errors(family) { assert_mode(family, &["errors", "100"]); }

    x32(family) { assert_mode(family, &["x32", "500"]); }

    never_failing(family) { assert_mode(family, &["neverfail", "100"]); }

    many_syscalls(family) { assert_mode(family, &["many-syscalls"]); }

    sigreturn(family) { assert_mode(family, &["sigreturn", "10000"]); }

    restarts(family) { assert_mode(family, &["restarts", "100"]); }

    stop_restarts(family) { assert_mode(family, &["stop-restarts", "20"]); }

    tree(family) { assert_mode(family, &["tree", "200"]); }

    spin(family) { assert_mode(family, &["spin", "2", "100000"]); }

    /// Denied calls are errors without a latency: as many calls completed as were let through.
    denied(family) {
        let (report, oracle) = assert_mode(family, &["denied", "1000"]);
        let cell = report.total_of(GETPPID).next().expect("a cell");
        assert_eq!(cell.errors, oracle.row(GETPPID).calls / 2);
        // A second each would be a latency taken from some other call's enter.
        assert!(cell.max_ns.is_some_and(|ns| ns < 1_000_000_000), "{cell:?}");
    }

    /// Threads of one process share its row, whatever their own names are.
    threads(family) {
        let (report, _) = assert_mode(family, &["threads", "8", "10000"]);
        let cells: Vec<_> = report.total_of(GETPPID).collect();
        assert_eq!(cells.len(), 1, "{cells:?}");
        assert_eq!(cells[0].comm, "oracle");
        if family.is_exact_here() && report.ledger().get("spilled") == 0 {
            let tids: Vec<u32> = cells[0].threads.iter().map(|thread| thread.tid).collect();
            assert!(tids.is_sorted_by(|a, b| a < b) && tids[0] > 0, "{tids:?}");
            let made: Vec<u64> = cells[0].threads.iter().map(|thread| thread.calls).collect();
            assert_eq!(made, [10_000; 8], "each thread made as many");
            let sum: u64 = cells[0].threads.iter().map(|thread| thread.total_ns).sum();
            assert_eq!(sum, cells[0].total_ns);
            assert_eq!(cells[0].threads.iter().map(|thread| thread.max_ns).max(), cells[0].max_ns);
        }
        assert_ended(family, &report, 8, 1);
    }

    /// Eight busy threads on two CPUs, twice, and one alone: 1,800,000 calls. Where raw programs can be preempted
    /// they miss most of these; classic ones miss none.
    oversubscribed(family) {
        for mode in [["threads", "8", "100000"].as_slice(), &["threads", "8", "100000"], &["plain", "200000"]] {
            assert_mode(family, mode);
        }
    }

    forks(family) {
        let (report, _) = assert_mode(family, &["forks", "300", "50"]);
        assert_ended(family, &report, 0, 301);
    }

    /// The parent waits inside vfork for as long as its child lives.
    vfork(family) {
        let (report, oracle) = assert_mode(family, &["vfork", "50"]);
        let shortest = report.total_of(VFORK).filter_map(|cell| cell.min_ns).min();
        assert!(shortest.is_some_and(|ns| ns >= oracle.fact("child_sleep_ns")), "{shortest:?}");
        assert_ended(family, &report, 0, 51);
    }

    thread_exec(family) { assert_mode(family, &["thread-exec", "200"]); }

    killed(family) { assert_mode(family, &["killed", "50"]); }

    /// Threads that come and go must not leave anything behind.
    short_threads(family) {
        // An emulated processor takes a tenth of them in the time of all.
        let threads = if std::env::var_os("TRACER_EMULATED").is_some() { 20_000 } else { 200_000 };
        let (report, _) = assert_mode(family, &["short-threads", &threads.to_string()]);
        assert_ended(family, &report, threads, 1);
    }

    /// Latency as the kernel measures it lies between what was asked for and what the caller measured.
    slow(family) {
        let (report, oracle) = assert_mode(family, &["slow", "20", "10"]);
        let row = oracle.row(NANOSLEEP);
        let outside = (row.min_ns.expect("timed"), row.total_ns.expect("timed"));
        let asked = oracle.fact("asked_ns");
        let cell = report.total_of(NANOSLEEP).next().expect("a cell");
        let (min, p50) = (cell.min_ns.expect("completed"), cell.p50_ns.expect("completed"));
        assert!(min >= asked && min <= outside.0, "{asked} <= {min} <= {}", outside.0);
        assert!(cell.total_ns <= outside.1, "{} <= {}", cell.total_ns, outside.1);
        assert!(cell.total_ns >= asked * row.calls, "{} >= {asked} x {}", cell.total_ns, row.calls);
        let slowest = &cell.slowest;
        // Four of each interval, and it may have been one.
        assert!((4..=8).contains(&slowest.len()), "{} of {} calls", slowest.len(), row.calls);
        assert_eq!(Some(slowest[0].latency_ns), cell.max_ns);
        let pause = oracle.fact("pause_at");
        for slow in slowest {
            assert_eq!((u64::from(slow.tid), slow.ret), (u64::from(oracle.pid), 0));
            assert!(slow.latency_ns >= asked);
            assert_eq!(slow.args, Some([pause, 0, 0, 0, 0, 0]), "{slow:?}");
        }
        // A bucket is at most 1/32 wide.
        assert!(p50 >= asked - asked / 32, "p50 {p50} of sleeps of {asked}");
    }

    /// Calls that do not return are shown while they do not, growing older.
    stuck(family) {
        let finished = trace(family, &["-i", "200ms"], &oracle_command(&["stuck", "3"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        oracle.assert_equals(&report, family, Reach::Command);
        for name in ["readv", "flock", "futex"] {
            let tid = oracle.fact(&format!("stuck_{name}"));
            let ages: Vec<u64> = report
                .in_flight
                .iter()
                .filter(|open| open.scope == Scope::Interval && open.syscall == name)
                .filter(|open| u64::from(open.tid) == tid)
                .map(|open| open.elapsed_ns)
                .collect();
            assert!(ages.len() >= 8, "{name} of thread {tid} in flight: {ages:?}");
            assert!(ages.is_sorted_by(|a, b| a < b), "{name} grows older: {ages:?}");
            assert!(ages.last().is_some_and(|&ns| ns > 2_000_000_000), "{name}: {ages:?}");
        }
        let flock = report.in_flight.iter().find(|open| open.syscall == "flock").expect("it was open");
        let lock = libc::LOCK_EX as u64;
        assert_eq!(flock.args.map(|args| args[1..].to_vec()), Some(vec![lock, 0, 0, 0, 0]), "{flock:?}");
        let who = report.processes.iter().find(|who| who.pid == oracle.pid && who.scope == Scope::Total);
        let who = who.expect("it was there for seconds");
        let command = oracle_command(&["stuck", "3"]);
        assert_eq!(who.cmdline, command.join(" "));
        let cgroups = std::fs::read("/proc/self/cgroup").expect("our own cgroup");
        assert_eq!(who.cgroup, &*tracer::who::Who::new(0, b"", &cgroups).cgroup, "that of the tracer and ours");
        assert_ne!(who.ppid, 0);
    }

    /// What was moved is the sum of what the calls returned.
    moves(family) {
        let (report, oracle) = assert_mode(family, &["moves", "1000"]);
        for (nr, name) in [(PWRITEV, "written"), (PREADV, "read")] {
            let cell = report.total_of(nr).next().expect("a cell");
            let fact = |what: &str| oracle.fact(&format!("{name}_{what}"));
            if family.is_exact_here() {
                assert_eq!((cell.sized, cell.bytes, cell.small), (fact("calls"), fact("bytes"), fact("small")), "{name}");
            }
        }
    }

    full_speed(family) { assert_mode(family, &["full-speed", "2", "5"]); }
}

/// Every thread and process that ended did so by a call that never returned, and has no latency.
fn assert_ended(family: Family, report: &Report, threads: u64, processes: u64) {
    if !family.is_exact_here() {
        return;
    }
    assert_eq!(report.calls(EXIT), threads, "exit");
    assert_eq!(report.calls(EXIT_GROUP), processes, "exit_group");
    for cell in report.total_of(EXIT).chain(report.total_of(EXIT_GROUP)) {
        assert_eq!((cell.no_return, cell.errors, cell.max_ns), (cell.calls, 0, None), "{cell:?}");
    }
}
