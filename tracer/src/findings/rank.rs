//! Which findings are shown: one for each syscall of a process, those of processes of one name together, the
//! most important first.

use std::cmp::Reverse;

use super::{Evidence, Finding, MOST_SHOWN, Rule};

/// What findings are ordered by, the most important first.
pub(super) fn weight(finding: &Finding) -> (Rule, Reverse<u64>, u64) {
    let weight = match finding.evidence {
        Evidence::Errors { count, over_ns, .. } => per_hour(count, over_ns),
        Evidence::Open { age_ns, .. } => age_ns,
        Evidence::Time { busy_ns, over_ns, .. } => per_hour(busy_ns, over_ns),
        Evidence::Sizes { calls, over_ns, .. } => per_hour(calls, over_ns),
    };
    (finding.rule, Reverse(weight), finding.since_ns)
}

fn per_hour(count: u64, over_ns: u64) -> u64 {
    (u128::from(count) * 3_600_000_000_000 / u128::from(over_ns.max(1))).min(u128::from(u64::MAX)) as u64
}

/// The findings to show of all there are.
pub(super) fn shown<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Finding> {
    let mut sorted: Vec<&Finding> = findings.collect();
    sorted.sort_by_key(|finding| (weight(finding), finding.process, finding.call));
    let mut kept: Vec<Finding> = Vec::new();
    let mut told = Vec::new();
    for finding in sorted {
        // Of one call of one process, the first thing to know is enough.
        if told.contains(&(finding.process, finding.call)) {
            continue;
        }
        told.push((finding.process, finding.call));
        match kept.iter_mut().find(|kept| is_alike(kept, finding)) {
            Some(kept) => kept.more += 1,
            None => kept.push(finding.clone()),
        }
    }
    kept.truncate(MOST_SHOWN);
    kept
}

/// Whether two findings say the same of two processes of one name.
fn is_alike(a: &Finding, b: &Finding) -> bool {
    let errno = |finding: &Finding| match finding.evidence {
        Evidence::Errors { errno, .. } => Some(errno),
        _ => None,
    };
    let is_over = |finding: &Finding| finding.until_ns.is_some();
    (a.rule, a.comm, a.call, errno(a), is_over(a)) == (b.rule, b.comm, b.call, errno(b), is_over(b))
        && a.process != b.process
}
