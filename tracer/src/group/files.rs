//! Calls by the file, socket or pipe that they were on, of whatever process and syscall.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::most_frequent_first;
use crate::file::FileId;
use crate::interval::OnFile;
use crate::process::Comm;
use crate::snapshot::Snapshot;

/// All calls on one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileGroup {
    /// The host it is on, where figures come from several.
    pub host: Option<Arc<str>>,
    /// Figures of all of them; of several files of one name, the identity is that of the first.
    pub on: OnFile,
    /// Which syscalls, most frequent first.
    pub calls: Vec<(String, u64)>,
    /// Whose, most frequent first.
    pub comms: Vec<(Comm, u64)>,
}

/// Calls by file, those on which most time was spent first. Files of one name are one, those without a name one for each
/// identity.
pub fn files(snapshot: &Snapshot) -> Vec<FileGroup> {
    type Key = (Option<Arc<str>>, Option<String>, Option<FileId>);
    struct Group {
        on: OnFile,
        calls: BTreeMap<String, u64>,
        comms: BTreeMap<Comm, u64>,
    }
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for process in &snapshot.processes {
        for call in &process.calls {
            for row in call.on.iter() {
                let name = row.names.known.as_ref().map(|known| known.label());
                let file = if name.is_none() { Some(row.file) } else { None };
                let group = groups.entry((process.host.clone(), name, file)).or_insert_with(|| Group {
                    on: OnFile { fd: row.fd, ..OnFile::new(row.file, 0) },
                    calls: BTreeMap::new(),
                    comms: BTreeMap::new(),
                });
                group.on.merge(row);
                *group.calls.entry(call.name.clone()).or_default() += row.calls;
                *group.comms.entry(process.comm).or_default() += row.calls;
            }
        }
    }
    let mut groups: Vec<FileGroup> = groups
        .into_iter()
        .map(|((host, ..), Group { on, calls, comms })| FileGroup {
            host,
            on,
            calls: most_frequent_first(calls),
            comms: most_frequent_first(comms),
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse((group.on.total_ns, group.on.calls)));
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::Aggregator;
    use crate::interval::tests::any_interval;

    proptest! {
        #[test]
        fn every_call_on_a_file_is_in_one_group(interval in any_interval(1)) {
            let mut aggregator = Aggregator::new();
            aggregator.merge(&interval);
            let snapshot = aggregator.snapshot();
            let rows = || snapshot.processes.iter().flat_map(|row| &row.calls).flat_map(|call| call.on.iter());
            let groups = files(&snapshot);
            let of: [fn(&OnFile) -> u64; 4] = [|row| row.calls, |row| row.errors, |row| row.total_ns, |row| row.bytes];
            for of in of {
                prop_assert_eq!(groups.iter().map(|group| of(&group.on)).sum::<u64>(), rows().map(of).sum::<u64>());
            }
            let listed = |group: &FileGroup| group.calls.iter().map(|call| call.1).sum::<u64>();
            prop_assert!(groups.iter().all(|group| listed(group) == group.on.calls));
            prop_assert!(groups.is_sorted_by_key(|group| std::cmp::Reverse(group.on.total_ns)));
        }
    }
}
