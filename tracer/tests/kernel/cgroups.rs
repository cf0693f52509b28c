//! Targets by cgroup: exactly the calls that are made in it and below it, by whoever is there now.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::oracle::{OracleLedger, Reach};
use crate::recording::{Place, has_begun, read};
use crate::report::Scope;
use crate::tool::{Family, Finished, Tracing, Waiting, oracle, run, tracer, wait_for};

const GETPPID: i64 = 110;
const CONTAINER: &str = "feedc0de89abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Cgroups of one test, which are gone with it.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn new(name: &str) -> Self {
        let root = mount().join(format!("tracer-test-{name}-{}", std::process::id()));
        fs::create_dir(&root).expect("a new cgroup");
        Self { root }
    }

    /// A cgroup in it.
    fn add(&self, path: &str) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(&path).expect("a new cgroup");
        path
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let mut all = vec![self.root.clone()];
        let mut at = 0;
        while at < all.len() {
            let below = fs::read_dir(&all[at]).expect("ours").filter_map(Result::ok);
            all.extend(
                below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()),
            );
            at += 1;
        }
        for cgroup in all.iter().rev() {
            // Whoever a failed test left in it keeps it.
            let _ = fs::remove_dir(cgroup);
        }
    }
}

/// Where the hierarchy of version 2 is.
fn mount() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc");
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("a hierarchy of version 2");
    line.split(' ').nth(4).expect("a mount point").into()
}

fn put(pid: u32, cgroup: &Path) {
    fs::write(cgroup.join("cgroup.procs"), pid.to_string()).expect("a process that can be moved");
}

fn start_in(cgroup: &Path, mode: &[&str]) -> Waiting {
    let oracle = Waiting::start(mode);
    put(oracle.pid, cgroup);
    oracle
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// The ledger of an oracle whose first instruction is in this cgroup: children are born where their parent is.
fn born_in(cgroup: &Path, mode: &[&str]) -> OracleLedger {
    let own = fs::read_to_string("/proc/self/cgroup").expect("/proc");
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).expect("the hierarchy of version 2");
    put(std::process::id(), cgroup);
    let output = Command::new(oracle()).args(mode).stdin(Stdio::null()).output();
    put(std::process::id(), &mount().join(own));
    OracleLedger::parse(&String::from_utf8_lossy(&output.expect("the oracle starts").stdout))
}

fn target_of(finished: &Finished) -> String {
    let meta = finished.lines().into_iter().find(|line| line.contains(r#""type":"meta""#)).expect("meta");
    let meta: serde_json::Value = serde_json::from_str(&meta).expect("an object");
    meta["target"].as_str().expect("a target").to_owned()
}

both_families! {
    /// Two of three cgroups: what is in them, what is below them, and what starts in them later.
    exactly_what_is_in_it_and_below(family) {
        let tree = Tree::new("equal");
        let [one, two, other] = ["one", "two", "other"].map(|name| tree.add(name));
        let inner = tree.add("one/inner");
        let inside = [
            start_in(&one, &["threads", "4", "5000"]),
            start_in(&inner, &["forks", "20", "100"]),
            start_in(&two, &["errors", "50"]),
        ];
        let outside = [start_in(&other, &["plain", "7000"]), Waiting::start(&["plain", "9000"])];
        let id = fs::metadata(&two).expect("ours").ino();
        let tracing = Tracing::attach(family, &["--cgroup", text(&one), "--cgroup", &id.to_string()]);
        let outside = outside.map(Waiting::run);
        let inside = inside.map(Waiting::run);
        let later = born_in(&inner, &["plain", "3000"]);
        let finished = tracing.stop();
        let report = finished.report();
        // The second one's children have PIDs of their own: all that is made is checked below.
        for ledger in [&inside[0], &inside[2]] {
            ledger.assert_rows(&report, family, Reach::Attached, |pid| pid == ledger.pid);
        }
        later.assert_rows(&report, family, Reach::Command, |pid| pid == later.pid);
        if family.is_exact_here() {
            report.assert_complete();
            let made = [&inside[0], &inside[1], &later].map(|ledger| ledger.row(GETPPID).calls);
            assert_eq!(report.calls(GETPPID), made.iter().sum::<u64>(), "{made:?} and of nobody else");
        }
        for ledger in &outside {
            assert!(report.totals().all(|cell| cell.pid != ledger.pid), "{}", ledger.pid);
        }
        assert!(target_of(&finished).contains(", cgroup "), "{}", target_of(&finished));
    }

    /// Moved in and out while it is traced: what is made between the two moves, all of it and nothing else.
    whoever_is_moved_is_judged_by_where_it_calls(family) {
        let tree = Tree::new("moves");
        let [target, elsewhere] = ["target", "elsewhere"].map(|name| tree.add(name));
        let deeper = tree.add("target/deeper");
        let mut oracle = Waiting::start(&["rounds", "7", "1000"]);
        let mut stays = start_in(&target, &["rounds", "7", "10"]);
        oracle.go();
        stays.go();
        let tracing = Tracing::attach(family, &["--cgroup", text(&target)]);
        let mut inside = 0;
        oracle.round();
        stays.round();
        for (cgroup, is_in) in [
            (&elsewhere, false), (&target, true), (&deeper, true), (&elsewhere, false), (&target, true),
            (&elsewhere, false),
        ] {
            put(oracle.pid, cgroup);
            oracle.round();
            stays.round();
            inside += u64::from(is_in);
        }
        let pids = (oracle.pid, stays.pid);
        for mut oracle in [oracle, stays] {
            oracle.ledger();
            oracle.end();
        }
        let report = tracing.stop().report();
        report.assert_laws();
        if family.is_exact_here() {
            report.assert_complete();
            assert_eq!(report.calls_of(GETPPID, pids.0), inside * 1000);
            assert_eq!(report.calls_of(GETPPID, pids.1), 70);
        }
    }

    /// A call that was entered in it is counted although its thread was moved out meanwhile.
    a_call_under_way_is_finished(family) {
        let tree = Tree::new("way");
        let [target, elsewhere] = ["target", "elsewhere"].map(|name| tree.add(name));
        let mut oracle = start_in(&target, &["slow", "2", "1500"]);
        let tracing = Tracing::attach(family, &["--cgroup", text(&target)]);
        oracle.go();
        tracing.wait_for_in_flight("nanosleep");
        put(oracle.pid, &elsewhere);
        let ledger = oracle.ledger();
        oracle.end();
        let report = tracing.stop().report();
        report.assert_laws();
        if family.is_exact_here() {
            assert_eq!(report.calls_of(35, ledger.pid), 1, "the second sleep began elsewhere");
        }
    }

    /// A unit that is restarted is another cgroup of the same path.
    a_cgroup_that_is_made_anew_is_found_again(family) {
        let tree = Tree::new("anew");
        let unit = tree.add("tracer-test.service");
        let first = start_in(&unit, &["plain", "2000"]);
        let tracing = Tracing::attach(family, &["--unit", "tracer-test"]);
        let first = first.run();
        fs::remove_dir(&unit).expect("it is empty");
        tree.add("tracer-test.service");
        // Until the new one is found, nobody can say how many of these are seen.
        let mut second = start_in(&unit, &["rounds", "10000", "1"]);
        second.go();
        let mut rounds = 0_u64;
        while !tracing.json().contains(&format!(r#""pid":{},"#, second.pid)) {
            second.round();
            rounds += 1;
            assert!(rounds < 9000, "the new cgroup is not found");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        for _ in 0..500 {
            second.round();
        }
        let pid = second.pid;
        let finished = tracing.stop();
        second.kill();
        let report = finished.report();
        first.assert_rows(&report, family, Reach::Attached, |pid| pid == first.pid);
        let seen = report.calls_of(GETPPID, pid);
        if family.is_exact_here() {
            assert!((501..=500 + rounds).contains(&seen), "{seen} of {rounds} and 500");
        }
        assert_eq!(target_of(&finished), "unit tracer-test.service");
    }

    /// By the beginning of a container's id, together with a filter, recorded.
    a_container_is_recorded(family) {
        let tree = Tree::new("container");
        let scope = tree.add(&format!("docker-{CONTAINER}.scope"));
        let inside = start_in(&scope, &["errors", "40"]);
        let outside = Waiting::start(&["errors", "70"]);
        let place = Place::new();
        let options = ["--container", "feedc0de", "-x", "--record", &place.text];
        let tracing = Tracing::attach(family, &options);
        let (inside, outside) = (inside.run(), outside.run());
        let finished = tracing.stop();
        let report = finished.report();
        report.assert_laws();
        assert!(report.totals().all(|cell| cell.pid != outside.pid && cell.calls == cell.errors));
        if family.is_exact_here() {
            report.assert_complete();
            let failed: u64 = inside.rows.iter().flat_map(|row| row.errors.values()).sum();
            let of_it = report.totals().filter(|cell| cell.pid == inside.pid).map(|cell| cell.calls);
            assert!(of_it.sum::<u64>() >= failed);
            let rows = inside.rows.iter().filter(|row| !row.errors.is_empty());
            for row in rows {
                let seen = report.sums(|pid| pid == inside.pid);
                assert_eq!(seen.get(&row.call()).map(|sum| &sum.errors), Some(&row.errors), "{row:?}");
            }
        }
        assert_eq!(target_of(&finished), "docker feedc0de89ab");
        crate::recording::assert_same(&finished.total_lines(), &read(&place.path()).totals, "recorded");
    }

    /// `tracer record` takes the same targets.
    record_takes_it_too(family) {
        let tree = Tree::new("record");
        let target = tree.add("target");
        let inside = start_in(&target, &["plain", "4000"]);
        let outside = Waiting::start(&["plain", "5000"]);
        let place = Place::new();
        let recorder = Tracing::record(family, &["--cgroup", text(&target), "-o", &place.text]);
        wait_for("the recording to begin", || has_begun(&place.path()));
        let (inside, outside) = (inside.run(), outside.run());
        let status = recorder.stop();
        assert!(status.status.success(), "{}", status.stderr);
        let finished = run(&tracer(), &["report", "--json", &place.text], None);
        let lines = finished.lines();
        let of = |pid: u32| {
            let is_it = |line: &&serde_json::Value| line["type"] == "cell" && line["pid"] == pid && line["nr"] == GETPPID;
            let lines: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).expect("an object")).collect();
            lines.iter().filter(is_it).filter_map(|line| line["calls"].as_u64()).sum::<u64>()
        };
        assert_eq!(of(outside.pid), 0);
        if family.is_exact_here() {
            assert_eq!(of(inside.pid), 4000);
        }
    }

    /// What was in a call before we came is found by cgroup too.
    blocked_before_attach_is_shown(family) {
        let tree = Tree::new("blocked");
        let target = tree.add("target/inner");
        let oracle = start_in(&target, &["plain", "1"]);
        let tracing = Tracing::attach(family, &["--cgroup", text(target.parent().expect("not the root"))]);
        tracing.wait_for_in_flight("read");
        let pid = oracle.pid;
        oracle.run();
        let report = tracing.stop().report();
        assert!(report.in_flight.iter().any(|open| open.scope == Scope::Interval && open.tid == pid));
    }
}

#[test]
#[ignore = "root"]
fn what_is_not_there_is_named_with_what_is() {
    let tree = Tree::new("missing");
    tree.add("tracer-present.service");
    let fails = |options: &[&str], words: &[&str]| {
        let finished = run(&tracer(), &[&["--json", "-d", "1s"], options].concat(), None);
        assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
        for word in words {
            assert!(finished.stderr.contains(word), "no {word:?} in\n{}", finished.stderr);
        }
    };
    fails(&["--unit", "tracer-p"], &["no such unit tracer-p.service", "there are: tracer-present.service"]);
    fails(&["--container", "00ff00ff"], &["no such container 00ff00ff", "next: "]);
    fails(
        &["--cgroup", &format!("{}/none", text(&tree.root))],
        &["no such cgroup", "/tracer-present.service"],
    );
    fails(&["--cgroup", "18446744073709551615"], &["no such cgroup 18446744073709551615"]);
}
