//! Processes of another PID namespace, and the tracer in one, as in a container.

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
