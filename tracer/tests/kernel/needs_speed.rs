//! What only an optimised build on two CPUs can promise: that the rings are drained as fast as they fill.

use std::thread;

use crate::oracle::Reach;
use crate::tool::{Family, oracle_command, trace};

/// Fails in a build, or on a machine, of which no speed can be asked.
fn require_speed() {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    assert!(
        !cfg!(debug_assertions) && cpus >= 2,
        "NOT RUN: no optimised build on two CPUs; leave these tests out with --skip needs_speed"
    );
}

both_families! {
    /// Two threads calling as fast as they can for 30 s: every call counted, hardly any without its detail.
    two_threads_at_full_speed(family) {
        require_speed();
        let finished = trace(family, &[], &oracle_command(&["full-speed", "2", "30"]));
        let report = finished.report();
        finished.oracle().assert_equals(&report, family, Reach::Command);
        let ledger = report.ledger();
        assert!(ledger.get("spilled") * 100 < ledger.get("paired"), "under 1 % spilled: {ledger:?}");
    }
}
