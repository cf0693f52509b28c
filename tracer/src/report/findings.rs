//! What stands out, above the tables.

use std::io::{self, Write};

use crate::columns::Scope;
use crate::findings::Finding;
use crate::snapshot::Snapshot;

/// Writes a line for each finding; nothing where nothing stands out.
pub(super) fn write_findings(out: &mut impl Write, snapshot: &Snapshot, scope: Scope) -> io::Result<()> {
    let findings = match scope {
        Scope::Interval => &snapshot.findings.now,
        Scope::Total => &snapshot.findings.run,
    };
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let subjects: Vec<String> = findings.iter().map(Finding::subject).collect();
    let width = subjects.iter().map(|subject| subject.chars().count()).max().unwrap_or(0);
    for (finding, subject) in findings.iter().zip(subjects) {
        writeln!(out, "! {subject:width$}  {}", finding.sentence(snapshot.end_ns))?;
    }
    Ok(())
}
