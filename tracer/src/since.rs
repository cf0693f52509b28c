//! What happened since an earlier snapshot: figures from a moment on, whatever was counted before. Collection
//! knows nothing of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::histogram::Histogram;
use crate::interval::CallKey;
use crate::interval::{examples, on, stacks};
use crate::process::{Comm, ProcessId};
use crate::snapshot::{CallRow, CallStats, ErrnoRow, ProcessRow, Snapshot};

/// Rows by identity. Rows that stand for many have no process of their own; name and cgroup tell them apart.
type ByProcess<'a> = BTreeMap<Key<'a>, Vec<&'a ProcessRow>>;

/// Of a row that stands for many its name and its cgroup, empty where that is not known.
type Key<'a> = (ProcessId, Option<(Comm, &'a str)>);

/// `latest` without what `base` had counted already. What happens now (the last interval, open calls, findings) and the
/// ledger stay as they are. A largest or smallest latency that was before `base` gives way to the bound of the bucket in
/// which the largest or smallest since lies.
pub fn since(latest: &Snapshot, base: &Snapshot) -> Snapshot {
    let known = by_process(latest, base);
    let mut result = latest.clone();
    result.start_ns = base.end_ns;
    for (process, own) in result.processes.iter_mut().zip(&latest.processes) {
        let before = known.get(&key(own)).map_or(&[][..], Vec::as_slice);
        subtract_process(process, before);
    }
    subtract(&mut result.all, &[&base.all]);
    result
}

fn key(row: &ProcessRow) -> Key<'_> {
    (row.id, (row.id.pid == 0).then(|| (row.comm, cgroup(row))))
}

fn cgroup(row: &ProcessRow) -> &str {
    row.who.as_ref().map_or("", |who| &who.cgroup)
}

/// The rows of `base` by the row of `latest` that goes on with their figures: their own, or where that is gone the one
/// into which processes of their name were folded.
fn by_process<'a>(latest: &'a Snapshot, base: &'a Snapshot) -> ByProcess<'a> {
    let mut known = ByProcess::new();
    for row in &latest.processes {
        known.insert(key(row), Vec::new());
    }
    for row in &base.processes {
        let own = key(row);
        let place = if known.contains_key(&own) { own } else { folded_key(latest, row).unwrap_or(own) };
        if let Some(rows) = known.get_mut(&place) {
            rows.push(row);
        }
    }
    known
}

/// The folded row of its name and cgroup, or where there is none of its name.
fn folded_key<'a>(latest: &'a Snapshot, row: &ProcessRow) -> Option<Key<'a>> {
    let named = || latest.processes.iter().filter(|folded| folded.id.pid == 0 && folded.comm == row.comm);
    named().find(|folded| cgroup(folded) == cgroup(row)).or_else(|| named().next()).map(key)
}

fn subtract_process(process: &mut ProcessRow, before: &[&ProcessRow]) {
    if before.is_empty() {
        return;
    }
    let mut calls: BTreeMap<CallKey, Vec<&CallRow>> = BTreeMap::new();
    for call in before.iter().flat_map(|row| &row.calls) {
        calls.entry(call.call).or_default().push(call);
    }
    for call in &mut process.calls {
        if let Some(before) = calls.get(&call.call) {
            let stats: Vec<&CallStats> = before.iter().map(|call| &call.stats).collect();
            subtract(&mut call.stats, &stats);
            let files: Vec<_> = before.iter().map(|call| &call.on).collect();
            call.on = on::since(&call.on, &files);
            call.stacks = stacks::since(&call.stacks, &before.iter().flat_map(|call| call.stacks.iter()));
            let errnos: Vec<&ErrnoRow> = before.iter().flat_map(|call| &call.errnos).collect();
            for errno in &mut call.errnos {
                let counted =
                    errnos.iter().filter(|known| known.errno == errno.errno).map(|known| known.count);
                errno.count = errno.count.saturating_sub(counted.sum());
                let known = errnos.iter().filter(|known| known.errno == errno.errno);
                errno.examples =
                    examples::since(&errno.examples, &known.flat_map(|known| known.examples.iter()));
            }
            call.errnos.retain(|errno| errno.count > 0);
        }
    }
    process.calls.retain(|call| call.stats.calls > 0 || call.stats.in_flight > 0);
    subtract(&mut process.all, &before.iter().map(|row| &row.all).collect::<Vec<_>>());
    subtract(&mut process.work, &before.iter().map(|row| &row.work).collect::<Vec<_>>());
}

fn subtract(stats: &mut CallStats, before: &[&CallStats]) {
    let sum = |figure: fn(&CallStats) -> u64| before.iter().map(|stats| figure(stats)).sum::<u64>();
    stats.calls = stats.calls.saturating_sub(sum(|stats| stats.calls));
    stats.errors = stats.errors.saturating_sub(sum(|stats| stats.errors));
    stats.interrupted = stats.interrupted.saturating_sub(sum(|stats| stats.interrupted));
    stats.denied = stats.denied.saturating_sub(sum(|stats| stats.denied));
    stats.no_return = stats.no_return.saturating_sub(sum(|stats| stats.no_return));
    stats.total_ns = stats.total_ns.saturating_sub(sum(|stats| stats.total_ns));
    stats.sizes.bytes = stats.sizes.bytes.saturating_sub(sum(|stats| stats.sizes.bytes));
    if before.iter().all(|stats| stats.latencies.is_empty()) {
        return;
    }
    let mut counted: BTreeMap<usize, u64> = BTreeMap::new();
    for (index, count) in before.iter().flat_map(|stats| stats.latencies.indexed()) {
        *counted.entry(index).or_default() += count;
    }
    let mut left = Histogram::new();
    for (index, count) in stats.latencies.indexed() {
        left.add(index, count.saturating_sub(counted.get(&index).copied().unwrap_or(0)));
    }
    let lowest = left.buckets().next().map_or(0, |bucket| bucket.low_ns);
    let highest = left.buckets().last().map_or(0, |bucket| bucket.high_ns);
    // An extreme that was there before says nothing of the time since; a new one is exact.
    if before.iter().any(|before| before.max_ns >= stats.max_ns) {
        stats.max_ns = highest.min(stats.max_ns);
    }
    if before.iter().any(|before| !before.latencies.is_empty() && before.min_ns <= stats.min_ns) {
        stats.min_ns = lowest.max(stats.min_ns);
    }
    if left.is_empty() {
        (stats.min_ns, stats.max_ns) = (0, 0);
    }
    stats.latencies = Arc::new(left);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tui::fixture;

    fn snapshot(processes: Vec<ProcessRow>, end_s: u64) -> Snapshot {
        let mut snapshot = fixture::crowd(0);
        for row in &processes {
            snapshot.all.merge(&row.all);
        }
        (snapshot.processes, snapshot.end_ns) = (processes, end_s * fixture::SECOND);
        snapshot
    }

    fn of(latencies: &[u64]) -> ProcessRow {
        fixture::process(7, "a", vec![fixture::call("read", latencies)])
    }

    #[test]
    fn what_was_counted_before_is_gone_and_what_is_new_stays() {
        let base = snapshot(vec![of(&[1_000, 1_000, 9_000_000])], 10);
        let latest =
            snapshot(vec![of(&[1_000, 1_000, 9_000_000, 50_000]), fixture::process(8, "b", vec![])], 12);
        let since = since(&latest, &base);
        assert_eq!((since.start_ns, since.elapsed_ns()), (base.end_ns, 2 * fixture::SECOND));
        let read = &since.processes[0].calls[0];
        assert_eq!((read.stats.calls, read.stats.total_ns, read.stats.latencies.count()), (1, 50_000, 1));
        assert!((49_000..52_000).contains(&read.stats.max_ns), "{}", read.stats.max_ns);
        assert!((48_000..=50_000).contains(&read.stats.min_ns), "{}", read.stats.min_ns);
        assert_eq!(since.all.calls, 1);
        assert_eq!(since.processes.len(), 2, "a process that makes no calls any more keeps its row");
    }

    #[test]
    fn a_new_maximum_is_exact() {
        let base = snapshot(vec![of(&[1_000])], 10);
        let latest = snapshot(vec![of(&[1_000, 9_999_999])], 12);
        assert_eq!(since(&latest, &base).processes[0].calls[0].stats.max_ns, 9_999_999);
    }

    #[test]
    fn processes_that_ended_since_are_taken_from_the_row_that_they_were_folded_into() {
        let base = snapshot(vec![of(&[1_000; 5])], 10);
        let mut folded = fixture::process(0, "a", vec![fixture::call("read", &[1_000; 8])]);
        folded.folded = 2;
        let latest = snapshot(vec![folded], 12);
        assert_eq!(since(&latest, &base).processes[0].all.calls, 3);
    }

    proptest! {
        #[test]
        fn nothing_has_happened_since_now(snapshot in fixture::any_snapshot()) {
            let nothing = since(&snapshot, &snapshot);
            prop_assert_eq!(nothing.all.calls, 0);
            for process in &nothing.processes {
                prop_assert_eq!(process.all.errors, 0);
            }
        }
    }
}
