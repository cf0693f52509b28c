//! Reads and writes that move next to nothing, by the thousand.

use super::step::{Activity, Step};
use super::{Evidence, Hit, Rule};
use crate::interval::CallKey;
use crate::syscalls;

/// Calls a second that moved something; fewer cost nobody anything.
const CALLS_PER_S: f64 = 2_000.0;

/// Writes for one read, or reads for one write, in a conversation.
const MOST_FOR_ONE: u64 = 4;

/// How often who converses waits for others to speak: with many of them at once, seldom for each request.
const WAITS_PER_S: f64 = 10.0;

/// How `eventfd` and other wake-ups write and read: always eight bytes.
const WAKE_UP_BYTES: u64 = 8;

/// Looks for processes that read or write in tiny pieces.
pub(super) fn find(step: &Step<'_>, hits: &mut Vec<Hit>) {
    for (&process, activity) in &step.processes {
        if answers_requests(step, activity) {
            continue;
        }
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

/// Whether a process looks like one end of a conversation: it waits for many descriptors at once, and what it reads it
/// answers, about one write for each read. Its requests and answers have the size that its protocol gives them, as
/// messages have. Which descriptors are sockets, the calls do not say.
fn answers_requests(step: &Step<'_>, activity: &Activity<'_>) -> bool {
    let moved = |names: &[&str]| -> u64 {
        let of = |call: &CallKey| names.contains(&&*syscalls::plain_name(*call));
        activity.cells.iter().filter(|(call, _)| of(call)).map(|(_, cell)| cell.sizes.calls).sum()
    };
    let (read, written) = (moved(&["read", "readv"]), moved(&["write", "writev"]));
    let waits = |call: &CallKey| waits_for_many(*call);
    let waited: u64 = activity.cells.iter().filter(|(call, _)| waits(call)).map(|(_, cell)| cell.calls).sum();
    let is_balanced = read > 0 && read.min(written).saturating_mul(MOST_FOR_ONE) >= read.max(written);
    is_balanced && step.per_second(waited) >= WAITS_PER_S
}

/// Whether it is how a program waits until one of many descriptors has something to say.
fn waits_for_many(call: CallKey) -> bool {
    matches!(
        &*syscalls::plain_name(call),
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" | "poll" | "ppoll" | "select" | "pselect6"
    )
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
