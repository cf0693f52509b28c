//! The slowest calls of a cell, one by one. A bounded set with a total order, so that merging is associative and
//! commutative like everything else in an interval.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::On;
use crate::file::{FileId, Names};
use crate::operand::Kept;

/// How many a cell of an interval keeps.
pub const IN_CELL: usize = 4;

/// How many are kept of one syscall of one process over a run.
pub const IN_RUN: usize = 8;

/// One completed call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlowCall {
    /// Enter to exit.
    pub latency_ns: u64,
    /// `CLOCK_MONOTONIC` at enter.
    pub enter_ns: u64,
    /// The thread, as the tracer's PID namespace shows it.
    pub tid: u32,
    /// The return value.
    pub ret: i64,
    /// The six arguments as registers, when they were taken.
    pub args: Option<Arc<[u64; 6]>>,
    /// What it was on, where its first argument is a descriptor and it is known.
    pub on: Option<Arc<On>>,
    /// What it operates on, where that was read.
    pub operands: Option<Kept>,
}

impl SlowCall {
    /// Whether it comes before another one in a list.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.order(other).is_lt()
    }

    /// The slowest first, of equal ones the earliest.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        other.latency_ns.cmp(&self.latency_ns).then_with(|| self.cmp(other))
    }
}

/// The slowest calls of a cell that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// In order.
    calls: Vec<SlowCall>,
    /// A call that takes less is none of them: the one test that every call pays.
    pub(crate) enough_ns: u64,
}

impl Filling {
    /// Takes a call that took at least `enough_ns`.
    #[cold]
    pub(crate) fn add(&mut self, call: SlowCall) {
        let at = self.calls.partition_point(|known| known.order(&call).is_lt());
        self.calls.insert(at, call);
        self.calls.truncate(IN_CELL);
        if self.calls.len() == IN_CELL {
            self.enough_ns = self.calls[IN_CELL - 1].latency_ns.saturating_add(1);
        }
    }

    /// What was found, the slowest first, each with the names of what it was on.
    pub(crate) fn finish(mut self, names: impl Fn(FileId) -> Names) -> Arc<[SlowCall]> {
        for on in self.calls.iter_mut().filter_map(|call| call.on.as_mut()) {
            Arc::make_mut(on).names = names(on.file);
        }
        self.calls.into()
    }
}

/// Adds `other` to `mine` and keeps the slowest; both are in order.
pub fn merge(mine: &mut Arc<[SlowCall]>, other: &Arc<[SlowCall]>, keep: usize) {
    let (Some(fastest), Some(slowest)) = (mine.last(), other.first()) else {
        if mine.is_empty() {
            mine.clone_from(other);
        }
        return;
    };
    if mine.len() >= keep && fastest.order(slowest).is_le() {
        return;
    }
    let mut all: Vec<SlowCall> = mine.iter().chain(other.iter()).cloned().collect();
    all.sort_unstable_by(SlowCall::order);
    all.truncate(keep);
    *mine = all.into();
}

/// Memory behind a list.
pub(crate) fn heap_bytes(calls: &[SlowCall]) -> usize {
    let args = size_of::<[u64; 6]>() + 2 * size_of::<usize>();
    let on = size_of::<On>() + 2 * size_of::<usize>();
    let behind = |there: bool, bytes: usize| if there { bytes } else { 0 };
    let operands =
        |call: &SlowCall| call.operands.as_ref().map_or(0, |kept| kept.len() + 2 * size_of::<usize>());
    calls
        .iter()
        .map(|call| {
            size_of::<SlowCall>()
                + behind(call.args.is_some(), args)
                + behind(call.on.is_some(), on)
                + operands(call)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_slow_call()(
            latency_ns in 0u64..50, enter_ns in 0u64..9, tid in 1u32..4, ret in -2i64..3, arg in proptest::option::of(0u64..3),
        ) -> SlowCall {
            SlowCall { latency_ns, enter_ns, tid, ret, args: arg.map(|arg| Arc::new([arg; 6])), on: None, operands: None }
        }
    }

    fn filled(calls: &[SlowCall]) -> Arc<[SlowCall]> {
        let mut filling = Filling::default();
        for call in calls.iter().filter(|call| call.latency_ns > 0) {
            if call.latency_ns >= filling.enough_ns {
                filling.add(call.clone());
            }
        }
        filling.finish(|_| Names::default())
    }

    proptest! {
        #[test]
        fn the_slowest_are_kept_wherever_the_calls_were_cut(
            calls in proptest::collection::vec(any_slow_call(), 0..40), cut in 0usize..40, keep in 1usize..9,
        ) {
            let keep = keep.min(IN_CELL);
            let cut = cut.min(calls.len());
            let mut merged = filled(&calls[..cut]);
            merge(&mut merged, &filled(&calls[cut..]), keep);
            let mut latencies: Vec<u64> = calls.iter().map(|call| call.latency_ns).filter(|&ns| ns > 0).collect();
            latencies.sort_unstable_by(|a, b| b.cmp(a));
            latencies.truncate(keep);
            let kept: Vec<u64> = merged.iter().take(keep).map(|call| call.latency_ns).collect();
            prop_assert_eq!(kept, latencies);
            prop_assert!(merged.iter().all(|call| calls.contains(call)));
        }
    }
}
