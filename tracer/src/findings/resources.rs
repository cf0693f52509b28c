//! Calls that fail because something has run out: descriptors, space. No history is needed to call that wrong.

use super::nature::{errno, takes_space};
use super::step::Step;
use super::{Hit, Rule};

/// Descriptors: this many failures in one step are beyond doubt; fewer have to come again. Programs that
/// probe how many descriptors they may have fail once.
const CERTAIN_FAILURES: u64 = 3;

/// Looks for calls that failed for want of descriptors or of space.
pub(super) fn find(step: &Step<'_>, hits: &mut Vec<Hit>) {
    for (&process, activity) in &step.processes {
        for (&call, cell) in &activity.cells {
            for (&code, &count) in &cell.errors {
                let rule = match code {
                    errno::EMFILE | errno::ENFILE => Rule::DescriptorExhaustion,
                    errno::ENOSPC | errno::EDQUOT if takes_space(call) => Rule::DiskFull,
                    _ => continue,
                };
                let mut hit = step.errors((rule, process, call), code, count, cell.calls);
                hit.is_certain = rule == Rule::DiskFull || count >= CERTAIN_FAILURES;
                hits.push(hit);
            }
        }
    }
}
