//! The figures of one process by thread: what each has of all its calls, and what it is in now.

use std::collections::BTreeMap;

use crate::interval::{InFlight, ThreadFigures};
use crate::process::Comm;
use crate::snapshot::{CallRow, CallStats, ProcessRow};

/// One thread, or those that are not told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadRow {
    /// The thread, as the tracer's PID namespace shows it; 0 for those that are not told apart.
    pub tid: u32,
    /// Its name, or that of its process where it has none of its own that is known.
    pub name: Comm,
    /// All its calls, waiting ones included. There is no histogram: which thread made a call is known, how long each took is not.
    pub all: CallStats,
    /// Its calls that do not wait by design.
    pub work: CallStats,
    /// Whether its calls were counted; else nothing is known of it but what it is in.
    pub is_counted: bool,
    /// The call it is in: its index in the calls of the process, and the call.
    pub now: Option<(usize, InFlight)>,
}

impl ThreadRow {
    fn add(&mut self, call: &CallRow, stats: &CallStats) {
        self.all.merge(stats);
        if !call.waits_by_design {
            self.work.merge(stats);
        }
    }
}

/// The threads that made calls of `process` or are in one, by tid, after those that are not told apart. `end_ns` is the
/// `CLOCK_MONOTONIC` of its figures, `recent_ns` the length of the last interval.
pub fn threads_of(process: &ProcessRow, end_ns: u64, recent_ns: u64) -> Vec<ThreadRow> {
    let mut threads: BTreeMap<u32, ThreadRow> = BTreeMap::new();
    for (index, call) in process.calls.iter().enumerate() {
        for figures in call.threads.iter() {
            let recent = call.recent_threads.binary_search_by_key(&figures.tid, |recent| recent.tid);
            let recent = recent.map_or_else(|_| ThreadFigures::default(), |at| call.recent_threads[at]);
            let stats = CallStats {
                calls: figures.calls,
                errors: figures.errors,
                total_ns: figures.total_ns,
                max_ns: figures.max_ns,
                recent_calls: recent.calls,
                recent_errors: recent.errors,
                recent_total_ns: recent.total_ns,
                recent_busy_ns: recent.total_ns,
                ..CallStats::default()
            };
            let thread = threads.entry(figures.tid).or_default();
            thread.is_counted = true;
            thread.add(call, &stats);
        }
        if let Some(others) = call.other_threads() {
            let known = |of: fn(&ThreadFigures) -> u64| -> u64 { call.recent_threads.iter().map(of).sum() };
            let stats = CallStats {
                calls: others.calls,
                errors: others.errors,
                total_ns: others.total_ns,
                recent_calls: call.stats.recent_calls.saturating_sub(known(|thread| thread.calls)),
                recent_errors: call.stats.recent_errors.saturating_sub(known(|thread| thread.errors)),
                recent_total_ns: call.stats.recent_total_ns.saturating_sub(known(|thread| thread.total_ns)),
                recent_busy_ns: call.stats.recent_busy_ns.saturating_sub(known(|thread| thread.total_ns)),
                ..CallStats::default()
            };
            let thread = threads.entry(0).or_default();
            thread.is_counted = true;
            thread.add(call, &stats);
        }
        for open in &call.in_flight {
            let thread = threads.entry(open.tid).or_default();
            let stats = CallStats {
                in_flight: 1,
                oldest_in_flight_ns: end_ns.saturating_sub(open.enter_ns),
                ..CallStats::default()
            };
            thread.add(call, &stats);
            // No thread is in two calls, but for what a recording may say.
            if thread.now.as_ref().is_none_or(|(_, known)| open.enter_ns < known.enter_ns) {
                thread.now = Some((index, open.clone()));
            }
        }
    }
    // Where all calls are told apart, who has none has made none.
    let is_whole = !threads.contains_key(&0);
    for (&tid, thread) in &mut threads {
        thread.is_counted |= is_whole;
        // One thread is in one call at a time: what its calls took beyond the interval they took before it.
        if tid > 0 {
            for stats in [&mut thread.all, &mut thread.work] {
                stats.recent_busy_ns = stats.recent_busy_ns.min(recent_ns);
            }
        }
        (thread.tid, thread.name) = (tid, process.threads.get(&tid).copied().unwrap_or(process.comm));
    }
    threads.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    #[test]
    fn every_thread_has_its_share_and_the_rest_has_what_is_left() {
        let snapshot = fixture::incident();
        let postgres = snapshot.processes.iter().find(|row| row.id.pid == 1841).expect("postgres");
        let threads = threads_of(postgres, snapshot.end_ns, snapshot.recent_ns);
        let tids: Vec<u32> = threads.iter().map(|thread| thread.tid).collect();
        assert_eq!(tids, [0, 1841, 1842, 1843, 1848]);
        let figures: [fn(&CallStats) -> u64; 3] =
            [|stats| stats.calls, |stats| stats.recent_calls, |stats| stats.total_ns];
        for of in figures {
            assert_eq!(threads.iter().map(|thread| of(&thread.all)).sum::<u64>(), of(&postgres.all));
            assert_eq!(threads.iter().map(|thread| of(&thread.work)).sum::<u64>(), of(&postgres.work));
        }
        assert_eq!(threads[1].work.calls, 500, "half of the fsyncs");
        assert!(!threads[4].is_counted && threads[3].is_counted, "it may be among those not told apart");
        assert_eq!(
            threads[4].now.as_ref().map(|(at, _)| postgres.calls[*at].name.as_str()),
            Some("epoll_wait")
        );
    }

    #[test]
    fn a_thread_is_busy_for_no_longer_than_the_interval_is() {
        let mut snapshot = fixture::incident();
        let postgres = snapshot.processes.iter_mut().find(|row| row.id.pid == 1841).expect("postgres");
        for call in &mut postgres.calls {
            let long = |thread: &ThreadFigures| ThreadFigures { total_ns: 20 * fixture::SECOND, ..*thread };
            call.recent_threads = call.recent_threads.iter().map(long).collect();
        }
        let threads = threads_of(postgres, snapshot.end_ns, snapshot.recent_ns);
        let busy =
            |tid| threads.iter().find(|thread| thread.tid == tid).map(|thread| thread.work.recent_busy_ns);
        assert_eq!(busy(1841), Some(snapshot.recent_ns));
        assert_eq!(threads[1].work.recent_total_ns, 20 * fixture::SECOND, "what they took is told whole");
    }
}
