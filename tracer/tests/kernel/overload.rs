//! More events than the rings hold: counts stay exact, and what lost its detail is counted.

use crate::oracle::Reach;
use crate::report::Report;
use crate::tool::{Family, SIGCONT, SIGSTOP, Tracing, Waiting, signal};

/// Traces a waiting oracle through rings of one page, with the tracer stopped while the calls are made.
fn overflow(family: Family, mode: &[&str]) -> Report {
    let mut oracle = Waiting::start(mode);
    let options = ["--ring-bytes", "4096", "-p", &oracle.pid.to_string()];
    let tracing = Tracing::attach(family, &options);
    signal(tracing.pid(), SIGSTOP);
    oracle.go();
    let ledger = oracle.ledger();
    signal(tracing.pid(), SIGCONT);
    oracle.end();
    let report = tracing.finish().report();
    ledger.assert_equals(&report, family, Reach::Attached);
    report
}

both_families! {
    /// A million calls meet rings of a hundred records: nearly all are folded in the kernel, none is lost.
    forced_overflow_keeps_counts(family) {
        let report = overflow(family, &["plain", "1000000"]);
        let ledger = report.ledger();
        if family.is_exact_here() {
            let ended: u64 = ["streamed", "spilled", "lost"].map(|name| ledger.get(name)).iter().sum();
            let cells: u64 = report.totals().map(|cell| cell.calls).sum();
            assert_eq!(ended, cells, "{ledger:?}");
            assert!(ledger.get("spilled") > 900_000, "the overflow was forced: {ledger:?}");
        }
    }

    forced_overflow_keeps_errnos(family) {
        let report = overflow(family, &["errors", "20000"]);
        assert!(report.ledger().get("spilled") > 0, "the overflow was forced: {:?}", report.ledger());
    }

    forced_overflow_keeps_interruptions_and_denials(family) {
        overflow(family, &["restarts", "300"]);
        let report = overflow(family, &["denied", "20000"]);
        assert!(report.ledger().get("spilled") > 0, "the overflow was forced: {:?}", report.ledger());
    }
}
