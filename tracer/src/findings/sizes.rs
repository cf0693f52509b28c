//! Reads and writes that move next to nothing, by the thousand.

use super::step::Step;
use super::{Evidence, Hit, Rule};
use crate::interval::CallKey;
use crate::syscalls;

/// Calls a second that moved something; fewer cost nobody anything.
const CALLS_PER_S: f64 = 2_000.0;

/// How `eventfd` and other wake-ups write and read: always eight bytes.
const WAKE_UP_BYTES: u64 = 8;

/// Looks for processes that read or write in tiny pieces.
pub(super) fn find(step: &Step<'_>, hits: &mut Vec<Hit>) {
    for (&process, activity) in &step.processes {
        for (&call, cell) in &activity.cells {
            let sizes = cell.sizes;
            let is_wake_up = sizes.bytes == sizes.calls * WAKE_UP_BYTES;
            if is_read_or_write(call)
                && step.per_second(sizes.calls) >= CALLS_PER_S
                && sizes.is_mostly_small() == Some(true)
                && !is_wake_up
            {
                let evidence = Evidence::Sizes {
                    calls: sizes.calls,
                    small: sizes.small,
                    bytes: sizes.bytes,
                    over_ns: step.over_ns(),
                };
                let finding = step.finding(Rule::TinyIo, process, call, step.start_ns(), evidence);
                hits.push(Hit { finding, is_certain: false });
            }
        }
    }
}

/// Whether it is how files, pipes and sockets alike are read and written. Messages (`sendto`, `recvmsg`) have the size
/// that a protocol gives them.
fn is_read_or_write(call: CallKey) -> bool {
    matches!(
        &*syscalls::plain_name(call),
        "read"
            | "readv"
            | "pread64"
            | "preadv"
            | "preadv2"
            | "write"
            | "writev"
            | "pwrite64"
            | "pwritev"
            | "pwritev2"
    )
}
