//! What the filters let through, and that the ledger still adds up when they let through little.

use std::collections::BTreeMap;

use crate::report::{Sum, call};
use crate::tool::{Family, oracle_command, trace};

const NANOSLEEP: i64 = 35;
const CHDIR: i64 = 80;
const GETPGID: i64 = 121;

both_families! {
    /// Only the calls asked for are counted, and those exactly.
    syscall_set(family) {
        let finished = trace(family, &["-e", "chdir,getpgid"], &oracle_command(&["errors", "200"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        report.assert_laws();
        let seen: BTreeMap<_, u64> =
            report.sums(|_| true).into_iter().map(|(call, sum)| (call, sum.calls)).collect();
        if family.is_exact_here() {
            report.assert_complete();
            let made = [CHDIR, GETPGID].map(|nr| (call("x86_64", nr), oracle.row(nr).calls));
            let wanted: u64 = made.iter().map(|&(_, calls)| calls).sum();
            assert_eq!(seen, made.into());
            assert_eq!(report.ledger().get("enter_seen"), wanted, "the others never entered the ledger");
        }
    }

    /// `!` turns the set round.
    syscall_set_inverted(family) {
        let finished = trace(family, &["-e", "!chdir"], &oracle_command(&["errors", "200"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        report.assert_laws();
        assert_eq!(report.calls(CHDIR), 0);
        if family.is_exact_here() {
            report.assert_complete();
            assert_eq!(report.calls(GETPGID), oracle.row(GETPGID).calls);
        }
    }

    /// Every failure, by errno, and no success.
    failed_only(family) {
        let finished = trace(family, &["-x"], &oracle_command(&["errors", "200"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        report.assert_laws();
        for cell in report.totals() {
            assert_eq!(cell.calls, cell.errors, "{cell:?}");
        }
        if family.is_exact_here() {
            report.assert_complete();
            let sums = report.sums(|_| true);
            for row in oracle.rows.iter().filter(|row| !row.errors.is_empty()) {
                let made = Sum {
                    calls: row.errors.values().sum(),
                    errors: row.errors.clone(),
                    ..Sum::default()
                };
                assert_eq!(sums.get(&row.call()), Some(&made), "{row:?}");
            }
            assert!(report.ledger().get("filtered_out") >= 200, "{:?}", report.ledger());
        }
    }

    /// Only calls that took at least as long as asked.
    slower(family) {
        let options = ["--slower", "10ms"];
        let finished = trace(family, &options, &oracle_command(&["slow", "10", "20"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        report.assert_laws();
        for cell in report.totals() {
            assert!(cell.min_ns.is_none_or(|ns| ns >= 10_000_000), "{cell:?}");
        }
        if family.is_exact_here() {
            report.assert_complete();
            assert_eq!(report.calls(NANOSLEEP), oracle.row(NANOSLEEP).calls);
            assert!(report.ledger().get("filtered_out") > 0, "start-up makes fast calls");
        }
    }
}
