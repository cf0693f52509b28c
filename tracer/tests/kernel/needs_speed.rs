//! What only an optimised build on two CPUs can promise: that the rings are drained as fast as they fill.

use std::thread;

use tracer::recording::End;

use crate::oracle::Reach;
use crate::recording::{Place, read};
use crate::tool::{Family, oracle_command, tell, trace};

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

    /// Two million calls a second for 20 s, each of them in the file with its arguments.
    two_million_calls_a_second_are_recorded(family) {
        require_speed();
        let place = Place::new();
        let options = ["--record", &place.text, "--events"];
        let finished = trace(family, &options, &oracle_command(&["paced", "2", "1000000", "20"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        oracle.assert_equals(&report, family, Reach::Command);
        assert!(oracle.fact("elapsed_ns") < 21_000_000_000, "the pace was kept");
        let contents = read(&place.path());
        assert_eq!((contents.end, contents.totals), (End::Clean, finished.total_lines()));
        let ledger = report.ledger();
        let (left_out, spilled) = (ledger.get("recorder_overflow"), ledger.get("spilled"));
        assert_eq!(contents.events, contents.calls - left_out - spilled);
        let bytes = place.path().metadata().expect("a file").len();
        tell(&format!(
            "{} events in {bytes} bytes, {:.1} each; {spilled} spilled, {left_out} found the queue full",
            contents.events,
            bytes as f64 / contents.events as f64
        ));
        assert_eq!(ledger.get("lost"), 0);
        assert!((left_out + spilled) * 100 < contents.calls, "under 1 % without a row: {ledger:?}");
        assert!(bytes <= 14 * contents.events, "{bytes} bytes");
    }
}
