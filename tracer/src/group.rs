//! Figures taken together: by name, by cgroup, by syscall, by errno, by host. Every grouping has the same sums as the
//! rows it is made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::interval::{CallKey, Example, examples, on, slowest, stacks, threads};
use crate::process::Comm;
use crate::snapshot::{CallRow, ProcessRow, Snapshot};
use crate::who::Who;

/// What makes one row of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// A process.
    #[default]
    Process,
    /// All processes of one name.
    Comm,
    /// All processes of one cgroup: a systemd unit, a container.
    Cgroup,
    /// A syscall, of whatever process.
    Syscall,
    /// An errno, of whatever syscall.
    Errno,
    /// A file, socket or pipe, of whatever process and syscall.
    File,
    /// Whom sockets and pipes lead to, of whatever process and syscall.
    Peer,
    /// A host, where recordings of several are read.
    Host,
}

/// All calls that failed with one errno.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrnoGroup {
    /// The errno.
    pub errno: u16,
    /// Calls that failed with it.
    pub count: u64,
    /// Which syscalls, most frequent first.
    pub calls: Vec<(String, u64)>,
    /// Whose, most frequent first.
    pub comms: Vec<(Comm, u64)>,
    /// What they failed on as far as is known, with the syscall, most frequent first.
    pub examples: Vec<(CallKey, Example)>,
}

/// The same figures with one process row for each group. By process, and by errno (which is no group of
/// calls: see [`errnos`]) or by what calls were on (see [`crate::by_file`]), rows stay as they are.
pub fn regroup(mut snapshot: Snapshot, by: By) -> Snapshot {
    type Key = (Option<Arc<str>>, Option<Box<str>>, Comm);
    let key: fn(&ProcessRow) -> Key = match by {
        By::Process | By::Errno | By::File | By::Peer => return snapshot,
        By::Comm => |row| (row.host.clone(), None, row.comm),
        // Where it is not known the path is empty, as it is nowhere else.
        By::Cgroup => |row| {
            let cgroup = row.who.as_ref().map(|who| who.cgroup.clone()).unwrap_or_default();
            (row.host.clone(), Some(cgroup), Comm::default())
        },
        By::Syscall => |_| (None, None, Comm::default()),
        By::Host => |row| (row.host.clone(), None, Comm::default()),
    };
    let mut groups: BTreeMap<Key, Vec<ProcessRow>> = BTreeMap::new();
    for row in std::mem::take(&mut snapshot.processes) {
        groups.entry(key(&row)).or_default().push(row);
    }
    snapshot.processes = groups
        .into_iter()
        .map(|((host, cgroup, comm), rows)| {
            // What is in one cgroup is in one container.
            let mut members = rows.iter().filter_map(|row| row.who.as_ref());
            let known = members.find(|who| !who.names.is_empty());
            let names = known.map_or_else(Box::default, |who| who.names.clone());
            let who = cgroup.map(|cgroup| Arc::new(Who { cgroup, names, ..Who::default() }));
            together(ProcessRow { host, who, comm, exited: true, ..ProcessRow::default() }, rows)
        })
        .collect();
    snapshot
}

/// One row for many; what `group` says is what they have in common.
pub(crate) fn together(mut group: ProcessRow, rows: Vec<ProcessRow>) -> ProcessRow {
    // Threads of different hosts can have one number.
    let is_one_host = rows.iter().all(|row| row.host == group.host);
    let mut calls: BTreeMap<CallKey, CallRow> = BTreeMap::new();
    for row in rows {
        let is_first = group.first_seen_ns == 0;
        group.first_seen_ns =
            if is_first { row.first_seen_ns } else { group.first_seen_ns.min(row.first_seen_ns) };
        group.exited &= row.exited;
        group.owns_ring |= row.owns_ring;
        group.together += row.folded.max(1);
        group.all.merge(&row.all);
        group.work.merge(&row.work);
        for call in row.calls {
            match calls.entry(call.call) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(call);
                }
                std::collections::btree_map::Entry::Occupied(mut mine) => merge_call(mine.get_mut(), call),
            }
        }
    }
    group.calls = calls.into_values().collect();
    if !is_one_host {
        for call in &mut group.calls {
            call.threads = Arc::default();
            call.recent_threads = Arc::default();
            call.on = Arc::default();
            call.recent_on = Arc::default();
        }
    }
    group
}

fn merge_call(mine: &mut CallRow, other: CallRow) {
    mine.stats.merge(&other.stats);
    slowest::merge(&mut mine.slowest, &other.slowest, slowest::IN_RUN);
    threads::merge(&mut mine.threads, &other.threads);
    threads::limit(&mut mine.threads);
    threads::merge(&mut mine.recent_threads, &other.recent_threads);
    threads::limit(&mut mine.recent_threads);
    on::merge(&mut mine.on, &other.on);
    on::limit(&mut mine.on);
    on::merge(&mut mine.recent_on, &other.recent_on);
    on::limit(&mut mine.recent_on);
    stacks::merge(&mut mine.stacks, &other.stacks);
    for errno in other.errnos {
        match mine.errnos.iter_mut().find(|known| known.errno == errno.errno) {
            Some(known) => {
                known.count += errno.count;
                known.recent += errno.recent;
                known.is_expected &= errno.is_expected;
                known.before_per_minute = match (known.before_per_minute, errno.before_per_minute) {
                    (Some(mine), Some(other)) => Some(mine + other),
                    (mine, other) => mine.or(other),
                };
                known.first_seen_ns = known.first_seen_ns.min(errno.first_seen_ns);
                known.last_seen_ns = known.last_seen_ns.max(errno.last_seen_ns);
                examples::merge(&mut known.examples, &errno.examples);
            }
            None => mine.errnos.push(errno),
        }
    }
    mine.errnos.sort_by_key(|row| (std::cmp::Reverse(row.count), row.errno));
    mine.in_flight.extend(other.in_flight);
    mine.in_flight.sort_by_key(|open| (open.enter_ns, open.tid));
}

/// One view of what was seen on several hosts, each given with its name and with times on one and the same
/// clock. Processes of different hosts stay apart, whatever their ids.
pub fn join(hosts: Vec<(Arc<str>, Snapshot)>) -> Snapshot {
    let mut joined = Snapshot::default();
    for (host, snapshot) in hosts {
        if snapshot.generation == 0 {
            continue;
        }
        let is_first = joined.generation == 0;
        joined.start_ns = if is_first { snapshot.start_ns } else { joined.start_ns.min(snapshot.start_ns) };
        joined.end_ns = joined.end_ns.max(snapshot.end_ns);
        joined.recent_ns = joined.recent_ns.max(snapshot.recent_ns);
        joined.generation += snapshot.generation;
        joined.ledger.merge(&snapshot.ledger);
        joined.recent_ledger.merge(&snapshot.recent_ledger);
        joined.all.merge(&snapshot.all);
        joined.processes.extend(
            snapshot.processes.into_iter().map(|row| ProcessRow { host: Some(Arc::clone(&host)), ..row }),
        );
    }
    joined.processes.sort_by(|a, b| (a.id, &a.host, a.comm).cmp(&(b.id, &b.host, b.comm)));
    joined
}

/// Failed calls by errno, most frequent first.
pub fn errnos(snapshot: &Snapshot) -> Vec<ErrnoGroup> {
    #[derive(Default)]
    struct Group {
        count: u64,
        calls: BTreeMap<String, u64>,
        comms: BTreeMap<Comm, u64>,
        examples: BTreeMap<CallKey, Arc<[Example]>>,
    }
    let mut groups: BTreeMap<u16, Group> = BTreeMap::new();
    for process in &snapshot.processes {
        for call in &process.calls {
            for row in &call.errnos {
                let group = groups.entry(row.errno).or_default();
                group.count += row.count;
                *group.calls.entry(call.name.clone()).or_default() += row.count;
                *group.comms.entry(process.comm).or_default() += row.count;
                examples::merge(group.examples.entry(call.call).or_default(), &row.examples);
            }
        }
    }
    let mut groups: Vec<ErrnoGroup> = groups
        .into_iter()
        .map(|(errno, group)| ErrnoGroup {
            errno,
            count: group.count,
            calls: most_frequent_first(group.calls),
            comms: most_frequent_first(group.comms),
            examples: most_met_first(group.examples),
        })
        .collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.errno));
    groups
}

fn most_met_first(by_call: BTreeMap<CallKey, Arc<[Example]>>) -> Vec<(CallKey, Example)> {
    let of_call = |(call, met): (CallKey, Arc<[Example]>)| {
        met.iter().map(move |one| (call, one.clone())).collect::<Vec<_>>()
    };
    let mut all: Vec<(CallKey, Example)> = by_call.into_iter().flat_map(of_call).collect();
    all.sort_by_key(|(_, example)| std::cmp::Reverse(example.at_least()));
    all
}

fn most_frequent_first<T: Ord>(counts: BTreeMap<T, u64>) -> Vec<(T, u64)> {
    let mut counts: Vec<(T, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Aggregator;
    use crate::interval::tests::any_interval;
    use proptest::prelude::*;

    /// Calls, errors, time and open calls of all rows of all processes.
    fn sums(snapshot: &Snapshot) -> [u64; 6] {
        snapshot.processes.iter().flat_map(|process| &process.calls).fold([0; 6], |sum, call| {
            let errnos: u64 = call.errnos.iter().map(|errno| errno.count).sum();
            let row = [
                call.stats.calls,
                call.stats.errors,
                call.stats.total_ns,
                call.stats.latencies.count(),
                call.in_flight.len() as u64,
                errnos,
            ];
            std::array::from_fn(|index| sum[index] + row[index])
        })
    }

    proptest! {
        #[test]
        fn every_grouping_has_the_sums_of_its_rows(a in any_interval(0), b in any_interval(1)) {
            let of = |interval| {
                let mut aggregator = Aggregator::new();
                aggregator.merge(&interval);
                aggregator.snapshot()
            };
            let (a, b) = (of(a), of(b));
            let both: Vec<u64> = sums(&a).iter().zip(sums(&b)).map(|(a, b)| a + b).collect();
            let joined = join(vec![("a".into(), a.clone()), ("b".into(), b.clone())]);
            prop_assert_eq!(joined.processes.len(), a.processes.len() + b.processes.len());
            for by in [By::Process, By::Comm, By::Cgroup, By::Syscall, By::Errno, By::File, By::Host] {
                let grouped = regroup(joined.clone(), by);
                prop_assert_eq!(&sums(&grouped)[..], &both[..]);
                let all: u64 = grouped.processes.iter().map(|row| row.all.calls).sum();
                prop_assert_eq!(all, joined.all.calls);
            }
            let failed: u64 = errnos(&joined).iter().map(|group| group.count).sum();
            prop_assert_eq!(failed, joined.all.errors);
            let cgroups = regroup(joined.clone(), By::Cgroup);
            for group in &cgroups.processes {
                let mine = |row: &&ProcessRow| {
                    row.host == group.host
                        && row.who.as_ref().map_or("", |who| &who.cgroup) == &*group.who.as_ref().expect("a cgroup").cgroup
                };
                let calls: u64 = joined.processes.iter().filter(mine).map(|row| row.all.calls).sum();
                prop_assert_eq!(group.all.calls, calls);
            }
            let hosts = regroup(joined, By::Host);
            for (name, snapshot) in [("a", &a), ("b", &b)] {
                let of_host = hosts.processes.iter().find(|row| row.host.as_deref() == Some(name));
                prop_assert_eq!(of_host.map_or(0, |row| row.all.calls), snapshot.all.calls);
            }
        }
    }
}
