//! Every call is in one row, and each row is what its name says.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::aggregate::Aggregator;
use crate::file::Known;
use crate::interval::tests::any_interval;
use crate::process::ProcessId;
use crate::since::since;
use crate::tui::fixture;

/// What must add up, of one set of calls.
fn sums(stats: &CallStats) -> [u64; 9] {
    [
        stats.calls,
        stats.errors,
        stats.total_ns,
        stats.sizes.bytes,
        stats.in_flight,
        stats.recent_calls,
        stats.recent_errors,
        stats.recent_total_ns,
        stats.recent_bytes,
    ]
}

fn all_of<'a>(rows: impl Iterator<Item = &'a Figures>) -> [u64; 9] {
    rows.fold([0; 9], |sum, figures| {
        let more = sums(&figures.all);
        std::array::from_fn(|index| sum[index] + more[index])
    })
}

proptest! {
    #[test]
    fn rows_add_up_to_all_calls_by_file_by_peer_and_since_a_moment(
        a in any_interval(1), b in any_interval(2), c in any_interval(3),
    ) {
        let mut aggregator = Aggregator::new();
        aggregator.merge(&a);
        aggregator.merge(&b);
        let zero = aggregator.snapshot();
        aggregator.merge(&c);
        let latest = aggregator.snapshot();
        for snapshot in [since(&latest, &zero), latest, zero] {
            for by in [OnBy::File, OnBy::Peer] {
                let rows = files(&snapshot, by, |_| true);
                prop_assert_eq!(all_of(rows.iter().map(|row| &row.figures)), sums(&snapshot.all));
                for row in &rows {
                    let uses = uses(&snapshot, by, |_| true, row.key);
                    prop_assert_eq!(all_of(uses.iter().map(|by| &by.figures)), sums(&row.figures.all));
                    let listed = |of: u64| of == row.figures.all.calls;
                    prop_assert!(listed(row.calls.iter().map(|call| call.1).sum()));
                    prop_assert!(listed(row.comms.iter().map(|comm| comm.1).sum()));
                }
                let mut keys: Vec<FileKey> = rows.iter().map(|row| row.key).collect();
                keys.sort_unstable();
                keys.dedup();
                prop_assert_eq!(keys.len(), rows.len());
            }
        }
    }

    #[test]
    fn one_process_at_a_time_has_the_same_sums(interval in any_interval(1)) {
        let mut aggregator = Aggregator::new();
        aggregator.merge(&interval);
        let snapshot = aggregator.snapshot();
        for process in &snapshot.processes {
            let rows = files(&snapshot, OnBy::File, |row| row.id == process.id);
            prop_assert_eq!(all_of(rows.iter().map(|row| &row.figures)), sums(&process.all));
        }
    }
}

fn socket(ino: u64, name: &str, peer: &str, process: Option<(u32, &str)>) -> OnFile {
    let process = process.map(|(pid, comm)| (pid, Comm::new(comm)));
    let peer =
        (!peer.is_empty() || process.is_some()).then(|| Peer { address: peer.as_bytes().into(), process });
    let known = Some(Arc::new(Known { name: name.as_bytes().into(), peer }));
    let file = FileId { kind: FileKind::Socket, dev: 8, ino };
    let names = Names { known, has_others: false };
    OnFile { calls: 1, total_ns: ino, max_ns: ino, names, ..OnFile::new(file, 7) }
}

fn labels(rows: Vec<OnFile>, by: OnBy) -> Vec<(String, u64)> {
    let mut call = fixture::call("read", &[1_000; 100]);
    call.on = rows.into();
    let snapshot = fixture::snapshot(vec![fixture::process(7, "a", vec![call])]);
    ranked(&snapshot, by).iter().map(|row| (row.label(), row.figures.all.calls)).collect()
}

#[test]
fn peers_are_services_by_address_processes_of_this_host_and_hosts_of_clients() {
    let rows = vec![
        socket(1, "tcp 10.0.0.1:5000", "10.0.0.5:5432", Some((413, "postgres"))),
        socket(2, "tcp 10.0.0.1:5001", "10.0.0.5:5432", Some((412, "postgres"))),
        socket(3, "tcp 10.0.0.1:80", "10.0.0.9:40000", None),
        socket(4, "tcp 10.0.0.1:80", "10.0.0.9:40001", None),
        socket(5, "tcp [::1]:80", "[::1]:50000", Some((77, "curl"))),
        socket(6, "tcp [::1]:80", "[::1]:50001", None),
        socket(7, "tcp 0.0.0.0:80 (listening)", "", None),
        socket(8, "unix /run/x.sock", "", None),
        socket(9, "unix /run/x.sock", "", None),
        socket(10, "unix", "", None),
        socket(11, "unix", "", None),
        OnFile { calls: 2, ..OnFile::new(FileId { kind: FileKind::Socket, dev: 8, ino: 12 }, 3) },
        OnFile { calls: 1, ..OnFile::new(FileId { kind: FileKind::Socket, dev: 8, ino: 13 }, 4) },
        OnFile { calls: 5, ..OnFile::new(FileId { kind: FileKind::Regular, dev: 1, ino: 1 }, 3) },
    ];
    let mut found = labels(rows, OnBy::Peer);
    found.sort();
    let wanted = [
        ("(no file)", 81),
        ("(no socket or pipe)", 5),
        ("(peer not known)", 3),
        ("10.0.0.5:5432 (postgres 412 and others)", 2),
        ("10.0.0.9:*", 2),
        ("[::1]:*", 1),
        ("curl 77", 1),
        ("tcp 0.0.0.0:80 (listening)", 1),
        ("unix", 1),
        ("unix", 1),
        ("unix /run/x.sock", 2),
    ];
    assert_eq!(found, wanted.map(|(label, calls)| (label.to_owned(), calls)));
}

#[test]
fn a_socket_of_which_one_call_knows_more_is_one_row() {
    let rows = vec![
        socket(1, "tcp 10.0.0.1:5000", "10.0.0.5:5432", None),
        socket(2, "tcp 10.0.0.1:5000", "10.0.0.5:5432", Some((412, "postgres"))),
    ];
    let found = labels(rows, OnBy::File);
    assert_eq!(found[0], ("tcp 10.0.0.1:5000 -> 10.0.0.5:5432 (postgres 412)".to_owned(), 2));
}

#[test]
fn what_a_list_may_have_dropped_is_called_so() {
    let mut call = fixture::call("read", &[1_000; 2_000]);
    let row = |ino| OnFile { calls: 2, ..OnFile::new(FileId { kind: FileKind::Regular, dev: 1, ino }, 3) };
    call.on = (0..on::MAX_FILES as u64).map(row).collect();
    let snapshot = fixture::snapshot(vec![fixture::process(7, "a", vec![call])]);
    let rows = ranked(&snapshot, OnBy::File);
    let last = rows.last().expect("rows");
    assert_eq!((last.key, last.figures.all.calls), (FileKey::OtherFiles, 2_000 - 1_024));
    assert_eq!(last.figures.quantile_ns(0.99), None);
}

#[test]
fn an_open_call_is_in_the_row_of_its_file() {
    let snapshot = fixture::with_files();
    let rows = ranked(&snapshot, OnBy::File);
    let lock = rows.iter().find(|row| row.label() == "/srv/app/lock").expect("a row");
    assert_eq!((lock.figures.all.in_flight, lock.figures.is_stuck), (2, true));
    assert_eq!(
        lock.uses.iter().map(|&((process, _), _)| snapshot.processes[process].id).collect::<Vec<_>>(),
        [ProcessId { pid: 2210, start_ns: 1 }]
    );
}
