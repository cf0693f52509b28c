//! Which threads of a process make a call. Lists are ordered by tid and bounded where they are filled and where they
//! are added up over a run; what a cell has more than its threads is of threads that are not told apart.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracer_common::outcome::Outcome;

/// Threads that are told apart in a cell that is being filled, and in one syscall of a process over a run.
pub const MAX_THREADS: usize = 1024;

/// What one thread has of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadFigures {
    /// The thread, as the tracer's PID namespace shows it.
    pub tid: u32,
    /// Calls that ended in whatever way.
    pub calls: u64,
    /// Failed ones, denied ones included.
    pub errors: u64,
    /// Time in completed and in interrupted calls.
    pub total_ns: u64,
    /// Longest completed call.
    pub max_ns: u64,
}

impl ThreadFigures {
    /// Counts one completed or interrupted call.
    #[inline]
    pub(crate) fn record(&mut self, outcome: Outcome, latency_ns: u64) {
        self.calls += 1;
        self.total_ns += latency_ns;
        if !matches!(outcome, Outcome::Interrupted(_)) {
            self.errors += u64::from(matches!(outcome, Outcome::Error(_)));
            self.max_ns = self.max_ns.max(latency_ns);
        }
    }

    /// Adds what the same thread has of another cell.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.total_ns += other.total_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

/// Adds `other` to `mine`; both are ordered by tid.
pub fn merge(mine: &mut Arc<[ThreadFigures]>, other: &Arc<[ThreadFigures]>) {
    if mine.is_empty() || other.is_empty() {
        if mine.is_empty() {
            mine.clone_from(other);
        }
        return;
    }
    // Nearly always the threads are known, and few.
    let places: Option<Vec<usize>> =
        other.iter().map(|thread| mine.binary_search_by_key(&thread.tid, |known| known.tid).ok()).collect();
    if let Some(places) = places {
        let mine = Arc::make_mut(mine);
        for (place, thread) in places.into_iter().zip(other.iter()) {
            mine[place].merge(thread);
        }
        return;
    }
    let mut all = Vec::with_capacity(mine.len() + other.len());
    let (mut left, mut right) = (mine.iter().peekable(), other.iter().peekable());
    loop {
        let tid = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(thread), None) | (None, Some(thread)) => thread.tid,
            (Some(a), Some(b)) => a.tid.min(b.tid),
        };
        let mut both = ThreadFigures { tid, ..ThreadFigures::default() };
        for thread in [left.next_if(|a| a.tid == tid), right.next_if(|b| b.tid == tid)].into_iter().flatten()
        {
            both.merge(thread);
        }
        all.push(both);
    }
    *mine = all.into();
}

/// Keeps the threads that spent most time, when there are more than [`MAX_THREADS`]. One that is dropped and comes back
/// begins anew.
pub(crate) fn limit(threads: &mut Arc<[ThreadFigures]>) {
    if threads.len() <= MAX_THREADS {
        return;
    }
    let mut kept = threads.to_vec();
    // Not just enough: else every new thread would cost a sort.
    kept.sort_unstable_by_key(|thread| std::cmp::Reverse((thread.total_ns, thread.calls, thread.tid)));
    kept.truncate(MAX_THREADS / 4 * 3);
    kept.sort_unstable_by_key(|thread| thread.tid);
    *threads = kept.into();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(figures: &[(u32, u64)]) -> Arc<[ThreadFigures]> {
        let mut sum: Arc<[ThreadFigures]> = Arc::default();
        for &(tid, ns) in figures {
            let one = ThreadFigures { tid, calls: 1, errors: ns % 2, total_ns: ns, max_ns: ns };
            merge(&mut sum, &Arc::from([one]));
        }
        sum
    }

    proptest! {
        #[test]
        fn each_thread_has_the_sum_of_its_calls(calls in proptest::collection::vec((1u32..20, 0u64..99), 0..60)) {
            let sum = list(&calls);
            prop_assert!(sum.windows(2).all(|pair| pair[0].tid < pair[1].tid));
            for thread in sum.iter() {
                let mine = || calls.iter().filter(|call| call.0 == thread.tid).map(|call| call.1);
                let expected = ThreadFigures {
                    tid: thread.tid,
                    calls: mine().count() as u64,
                    errors: mine().map(|ns| ns % 2).sum(),
                    total_ns: mine().sum(),
                    max_ns: mine().max().unwrap_or(0),
                };
                prop_assert_eq!(*thread, expected);
            }
            prop_assert_eq!(sum.iter().map(|thread| thread.calls).sum::<u64>(), calls.len() as u64);
        }
    }

    #[test]
    fn of_very_many_threads_the_busy_ones_are_kept() {
        let calls: Vec<(u32, u64)> = (1..=MAX_THREADS as u32 + 1).map(|tid| (tid, u64::from(tid))).collect();
        let mut threads = list(&calls);
        limit(&mut threads);
        assert_eq!(threads.len(), MAX_THREADS / 4 * 3);
        assert_eq!(threads.last().map(|thread| thread.tid), Some(MAX_THREADS as u32 + 1));
        assert!(threads.windows(2).all(|pair| pair[0].tid < pair[1].tid));
    }
}
