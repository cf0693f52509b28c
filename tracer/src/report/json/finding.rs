//! The line of a finding: its words for people, its figures for programs.

use serde::Serialize;

use super::name::hex;
use super::{Scope, plain_name};
use crate::arguments;
use crate::findings::{Evidence, Finding};
use crate::syscalls;

/// One thing that stands out.
#[derive(Serialize)]
pub(super) struct FindingLine {
    scope: Scope,
    end_ns: u64,
    /// 1 for the most important.
    rank: usize,
    rule: &'static str,
    /// The line as people see it.
    text: String,
    pid: u32,
    process_start_ns: u64,
    comm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm_hex: Option<String>,
    /// Processes of the same name of which it holds too.
    more: u64,
    syscall: String,
    abi: &'static str,
    nr: i32,
    since_ns: u64,
    /// Whether it held when watching began, so that it may have begun earlier.
    from_start: bool,
    /// When it last held; `null` while it does.
    until_ns: Option<u64>,
    #[serde(flatten)]
    figures: Figures,
    /// What calls failed on most often.
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<String>,
}

/// The fields of the three kinds of evidence.
#[derive(Serialize)]
#[serde(untagged)]
enum Figures {
    Errors { errno: String, errors: u64, calls: u64, over_ns: u64 },
    Open { threads: u64, elapsed_ns: u64, p99_ns: Option<u64> },
    Time { calls: u64, busy_ns: u64, over_ns: u64, p50_ns: u64, p99_ns: u64 },
    Sizes { calls: u64, small: u64, bytes: u64, over_ns: u64 },
}

impl FindingLine {
    pub(super) fn new(scope: Scope, end_ns: u64, rank: usize, finding: &Finding) -> Self {
        let bytes = finding.comm.as_bytes();
        Self {
            scope,
            end_ns,
            rank,
            rule: finding.rule.id(),
            text: format!("{}  {}", finding.subject(), finding.sentence(end_ns)),
            pid: finding.process.pid,
            process_start_ns: finding.process.start_ns,
            comm: String::from_utf8_lossy(bytes).into_owned(),
            comm_hex: str::from_utf8(bytes).is_err().then(|| hex(bytes)),
            more: finding.more,
            syscall: plain_name(&syscalls::name(finding.call), finding.call).to_owned(),
            abi: finding.call.abi.name(),
            nr: finding.call.nr,
            since_ns: finding.since_ns,
            from_start: finding.from_start,
            until_ns: finding.until_ns,
            on: finding.on.as_ref().map(|on| arguments::plain(finding.call, on)),
            figures: match finding.evidence {
                Evidence::Errors { errno, count, of, over_ns } => Figures::Errors {
                    errno: syscalls::errno::name(errno).into_owned(),
                    errors: count,
                    calls: of,
                    over_ns,
                },
                Evidence::Open { threads, age_ns, p99_ns } => {
                    Figures::Open { threads, elapsed_ns: age_ns, p99_ns }
                }
                Evidence::Time { calls, busy_ns, over_ns, p50_ns, p99_ns } => {
                    Figures::Time { calls, busy_ns, over_ns, p50_ns, p99_ns }
                }
                Evidence::Sizes { calls, small, bytes, over_ns } => {
                    Figures::Sizes { calls, small, bytes, over_ns }
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::abi::Abi;

    use super::*;
    use crate::findings::{Findings, Rule};
    use crate::interval::CallKey;
    use crate::process::{Comm, ProcessId};
    use crate::report::json::JsonLines;
    use crate::snapshot::Snapshot;

    fn finding(rule: Rule, evidence: Evidence) -> Finding {
        Finding {
            rule,
            process: ProcessId { pid: 977, start_ns: 5 },
            comm: Comm::new(b"a\x1b\xff"),
            more: 2,
            call: CallKey { abi: Abi::X86_64, nr: 74 },
            since_ns: 1_000_000_000,
            from_start: false,
            until_ns: None,
            descriptors: None,
            on: None,
            evidence,
        }
    }

    #[test]
    fn a_line_has_the_words_and_the_figures() {
        let time =
            Evidence::Time { calls: 31, busy_ns: 290_000_000, over_ns: 1_000_000_000, p50_ns: 9, p99_ns: 99 };
        let open = Evidence::Open { threads: 2, age_ns: 41_000_000_000, p99_ns: None };
        let mut over = finding(Rule::StuckCall, open);
        over.until_ns = Some(2_000_000_000);
        let snapshot = Snapshot {
            end_ns: 5_000_000_000,
            findings: Findings {
                now: vec![finding(Rule::SyncInHotPath, time)],
                run: vec![finding(Rule::SyncInHotPath, time), over],
            },
            ..Snapshot::default()
        };
        let mut lines = JsonLines::new(Vec::new());
        lines.findings(&snapshot).expect("a vector takes everything");
        let text = String::from_utf8(lines.into_inner()).expect("text");
        assert_eq!(
            text,
            concat!(
                r#"{"type":"finding","scope":"interval","end_ns":5000000000,"rank":1,"rule":"sync-in-hot-path","#,
                r#""text":"a\\x1b\\xff 977 and 2 more  fsync 31/s, median 9 ns, 29% of its time","pid":977,"#,
                r#""process_start_ns":5,"comm":"a\u001b\ufffd","comm_hex":"611bff","more":2,"syscall":"fsync","#,
                r#""abi":"x86_64","nr":74,"since_ns":1000000000,"from_start":false,"until_ns":null,"calls":31,"#,
                r#""busy_ns":290000000,"over_ns":1000000000,"p50_ns":9,"p99_ns":99}"#,
                "\n"
            )
        );
        let mut lines = JsonLines::new(Vec::new());
        lines.totals(&snapshot).expect("a vector takes everything");
        let text = String::from_utf8(lines.into_inner()).expect("text");
        let found: Vec<&str> = text.lines().filter(|line| line.contains(r#""type":"finding""#)).collect();
        assert_eq!(found.len(), 2);
        assert!(found[1].contains(r#""scope":"total""#) && found[1].contains(r#""until_ns":2000000000"#));
        assert!(
            found[1].contains(r#""rank":2"#)
                && found[1].contains(r#""elapsed_ns":41000000000,"p99_ns":null"#)
        );
    }
}
