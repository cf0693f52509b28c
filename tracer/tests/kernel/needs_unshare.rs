//! Processes of other namespaces, as in a container.

use std::fs;

use crate::files::assert_unix_peers;
use crate::oracle::Reach;
use crate::report::{Process, Scope};
use crate::tool::{Family, oracle_command, require_program, trace};

/// Long enough to be asked who it is.
const MODE: [&str; 3] = ["slow", "4", "300"];

fn in_namespace(mode: &[&str]) -> Vec<String> {
    let unshare = require_program("unshare").to_str().expect("a path of text").to_owned();
    let words = [unshare.as_str(), "--pid", "--fork", "--mount-proc"].map(str::to_owned);
    words.into_iter().chain(oracle_command(mode)).collect()
}

both_families! {
    /// Seen from outside, a process has both PIDs.
    both_pids_are_told(family) {
        let finished = trace(family, &[], &in_namespace(&MODE));
        let (report, ledger) = (finished.report(), finished.oracle());
        assert_eq!(ledger.pid, 1, "the first of its namespace");
        let command = oracle_command(&MODE).join(" ");
        let is_it = |line: &&Process| line.scope == Scope::Total && line.cmdline == command;
        let inside = report.processes.iter().find(is_it);
        let inside = inside.unwrap_or_else(|| panic!("no {command}: {:?}", report.processes));
        assert_eq!(inside.ns_pid, Some(1), "{inside:?}");
        assert_ne!(inside.pid, 1, "{inside:?}");
        let others = report.processes.iter().filter(|line| line.pid != inside.pid);
        assert!(others.clone().count() > 0 && others.into_iter().all(|line| line.ns_pid.is_none()), "unshare itself");
        ledger.assert_rows(&report, family, Reach::Command, |pid| pid == inside.pid);
    }
}

both_families! {
    /// Unix sockets of another network namespace have their peers: that namespace is asked.
    unix_peers_in_another_network(family) {
        let directory = tempfile::tempdir().expect("a directory");
        let place = fs::canonicalize(directory.path()).expect("it is there");
        let unshare = require_program("unshare").to_str().expect("a path of text").to_owned();
        let oracle = oracle_command(&["unix", place.to_str().expect("text"), "50"]);
        let command: Vec<String> = [unshare, "--net".to_owned()].into_iter().chain(oracle).collect();
        let finished = trace(family, &[], &command);
        let (report, oracle) = (finished.report(), finished.oracle());
        assert_unix_peers(&report, &oracle, &place, oracle.fact("child") as u32);
    }
}
