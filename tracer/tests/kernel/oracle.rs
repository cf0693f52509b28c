//! The oracle's side: its ledger, and the comparison with what the tracer saw.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::report::{Call, Report, Sum, call, plain_name};
use crate::tool::Family;

/// One syscall as the oracle made it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Row {
    abi: String,
    nr: i64,
    name: String,
    pub(crate) calls: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) interrupted: u64,
    denied: u64,
    /// The shortest call, measured from outside; never less than the kernel's measure.
    pub(crate) min_ns: Option<u64>,
    /// The sum, measured from outside.
    pub(crate) total_ns: Option<u64>,
}

/// What the oracle says of itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct OracleLedger {
    pub(crate) pid: u32,
    pub(crate) rows: Vec<Row>,
    facts: BTreeMap<String, f64>,
}

/// How the tracer came to the oracle: what it must have seen beside the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Started as CMD: from its own `execve` on.
    Command,
    /// Attached while it waited.
    Attached,
}

impl Row {
    /// Table and number.
    pub(crate) fn call(&self) -> Call {
        call(&self.abi, self.nr)
    }

    /// Its name as the oracle knows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl OracleLedger {
    /// Reads the ledger, the last line of what the oracle printed.
    pub(crate) fn parse(stdout: &str) -> Self {
        let line = stdout.lines().last().expect("the oracle printed its ledger");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("no ledger: {error}: {line}"))
    }

    /// A fact that this mode states, 0 when it does not.
    pub(crate) fn fact(&self, name: &str) -> u64 {
        self.facts.get(name).copied().unwrap_or(0.0) as u64
    }

    /// The row of a syscall of the host's own table.
    pub(crate) fn row(&self, nr: i64) -> &Row {
        self.rows
            .iter()
            .find(|row| row.abi == "x86_64" && row.nr == nr)
            .unwrap_or_else(|| panic!("the oracle made no call {nr}"))
    }

    /// Requires the tracer's totals to equal this ledger, row by row, and everything to be accounted for.
    ///
    /// On kernels where raw programs can be preempted they lose events; there, with the raw family, no more
    /// may be counted than was made, and what is missing must be among the kernel's skips.
    pub(crate) fn assert_equals(&self, report: &Report, family: Family, reach: Reach) {
        self.assert_rows(report, family, reach, |_| true);
        if family.is_exact_here() {
            report.assert_complete();
            let denied: u64 = self.rows.iter().map(|row| row.denied).sum();
            assert_eq!(report.ledger().get("denied_before_enter"), denied, "calls denied by seccomp");
        }
    }

    /// The row part of [`Self::assert_equals`], over the processes that `wanted` accepts.
    pub(crate) fn assert_rows(
        &self,
        report: &Report,
        family: Family,
        reach: Reach,
        wanted: impl Fn(u32) -> bool,
    ) {
        report.assert_laws();
        let sums = report.sums(wanted);
        let names = report.names();
        let mut differences = Vec::new();
        for row in &self.rows {
            let key = row.call();
            let seen = sums.get(&key).cloned().unwrap_or_default();
            // The `execve` that started it is in the totals and not in its own ledger.
            let launched = u64::from(reach == Reach::Command && row.name == "execve");
            let made = Sum {
                calls: row.calls + launched,
                errors: row.errors.clone(),
                interrupted: row.interrupted,
                denied: row.denied,
            };
            if family.is_exact_here() {
                if seen != made {
                    differences.push(format!("{}: made {made:?}, seen {seen:?}", row.name));
                }
            } else if seen.calls > made.calls || (seen.calls < made.calls && report.missed() == 0) {
                differences.push(format!("{}: made {made:?}, seen {seen:?}, no skips", row.name));
            }
            if let Some(name) = names.get(&key).filter(|name| *name != plain_name(&row.name)) {
                differences.push(format!("{} is shown as {name}", row.name));
            }
        }
        assert!(differences.is_empty(), "{}\nledger: {:?}", differences.join("\n"), report.ledger());
    }
}
