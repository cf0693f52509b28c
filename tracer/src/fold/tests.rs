//! Records in, intervals out.

use super::*;
use crate::decode::End;
use crate::decode::tests::{call_bytes, process_bytes};
use crate::file::{FileKind, Known};
use crate::who::Who;
use proptest::prelude::*;
use tracer_common::outcome::Outcome;
use tracer_common::record::{CallRecord, ProcessRecord};
use tracer_common::spill::SpillKey;

fn call(tgid: u32, nr: i32, latency_ns: u64, ret: i64) -> Vec<u8> {
    let record = CallRecord {
        kind: kind::CALL,
        nr,
        tgid,
        tid: tgid,
        enter_ns: 1,
        latency_ns,
        ret,
        ..CallRecord::default()
    };
    call_bytes(&record, false)
}

fn process(what: u8, tgid: u32, start_ns: u64, comm: &str) -> Vec<u8> {
    let comm = Comm::new(comm).to_kernel();
    let record = ProcessRecord {
        kind: what,
        tgid,
        tid: tgid,
        start_ns,
        comm,
        thread_comm: comm,
        ..ProcessRecord::default()
    };
    process_bytes(&record)
}

fn folded(records: &[Vec<u8>]) -> Interval {
    let mut fold = Fold::new(1);
    for record in records {
        fold.take(record);
    }
    fold.close(1_000, Vec::new(), LedgerCounts::default())
}

#[test]
fn a_reused_number_is_another_process() {
    let interval = folded(&[
        process(kind::SEEN, 5, 100, "first"),
        call(5, 1, 10, 0),
        process(kind::EXIT, 5, 100, "first"),
        process(kind::SEEN, 5, 200, "second"),
        call(5, 1, 10, 0),
        call(5, 1, 10, 0),
    ]);
    let calls = |start_ns| {
        let key =
            CellKey { process: ProcessId { pid: 5, start_ns }, call: CallKey { abi: Abi::X86_64, nr: 1 } };
        interval.cells.get(&key).map(|cell| cell.calls)
    };
    assert_eq!((calls(100), calls(200)), (Some(1), Some(2)));
    assert!(interval.processes[&ProcessId { pid: 5, start_ns: 100 }].exited);
    assert!(!interval.processes[&ProcessId { pid: 5, start_ns: 200 }].exited);
}

#[test]
fn calls_that_arrive_before_their_process_is_known_are_its_calls() {
    let interval = folded(&[call(5, 1, 10, 0), process(kind::SEEN, 5, 100, "late")]);
    assert_eq!(interval.cells.len(), 1);
    let key = interval.cells.keys().next().expect("one cell");
    assert_eq!(key.process, ProcessId { pid: 5, start_ns: 100 });
    assert_eq!(interval.processes[&key.process].comm, Comm::new("late"));
}

#[test]
fn a_spilled_call_counts_as_a_streamed_one() {
    let mut spilled = SpillCell::EMPTY;
    spilled.calls = 3;
    spilled.total_ns = 3_000;
    spilled.min_ns_plus_one = 901;
    spilled.max_ns = 1_100;
    spilled.histogram[tracer_common::bucket::index(1_000, 3)] = 3;
    let mut fold = Fold::new(1);
    let key = SpillKey { tgid: 5, nr: 1, kind: kind::CALL, ..SpillKey::default() };
    for code in [0, 2, 512] {
        fold.take_spilled(&SpillCell { key: SpillKey { code, ..key }, ..spilled });
    }
    fold.take(&call(5, 1, 2_000, 0));
    let interval = fold.close(10, Vec::new(), LedgerCounts::default());
    let cell = interval.cells.values().next().expect("one cell");
    assert_eq!((cell.calls, cell.error_count(), cell.interrupted), (10, 3, 3));
    assert_eq!((cell.total_ns, cell.min_ns, cell.max_ns), (11_000, 900, 2_000));
    assert_eq!(cell.latencies.count(), 7);
    assert_eq!(interval.ledger.aggregated, 1);
}

#[test]
fn garbage_is_counted_and_nothing_else() {
    let interval = folded(&[vec![], vec![200; 88], call(1, 1, 1, 0)]);
    assert_eq!((interval.ledger.decode_failed, interval.ledger.aggregated), (2, 1));
    assert_eq!(interval.cells.len(), 1);
}

#[test]
fn a_million_short_processes_leave_no_trace_in_memory() {
    let mut fold = Fold::new(1);
    for batch in 0..200u32 {
        for pid in 0..500 {
            let tgid = batch * 500 + pid + 1;
            fold.take(&process(kind::SEEN, tgid, u64::from(tgid), "x"));
            fold.take(&process(kind::EXIT, tgid, u64::from(tgid), "x"));
        }
        fold.close(u64::from(batch) + 2, Vec::new(), LedgerCounts::default());
    }
    assert!(fold.processes.len() <= 3 * ENDED_KEPT, "{}", fold.processes.len());
    assert!(fold.present.len() <= ENDED_KEPT + 500);
}

proptest! {
    #[test]
    fn where_intervals_are_cut_changes_no_total(
        calls in proptest::collection::vec((1u32..4, 0i32..3, 0u64..1 << 42, -20i64..20), 1..100), cut in 0usize..100,
    ) {
        let records: Vec<_> = calls.iter().map(|&(tgid, nr, ns, ret)| call(tgid, nr, ns, ret)).collect();
        let whole = folded(&records);
        let mut fold = Fold::new(1);
        for record in &records[..cut.min(records.len())] {
            fold.take(record);
        }
        let mut parts = fold.close(500, Vec::new(), LedgerCounts::default());
        for record in &records[cut.min(records.len())..] {
            fold.take(record);
        }
        parts.merge(&fold.close(1_000, Vec::new(), LedgerCounts::default()));
        prop_assert_eq!(&parts.cells, &whole.cells);
        prop_assert_eq!(parts.ledger, whole.ledger);
    }
}

fn call_of(tid: u32, latency_ns: u64, ret: i64) -> Vec<u8> {
    let record = CallRecord {
        kind: kind::CALL,
        tgid: 5,
        tid,
        enter_ns: u64::from(tid) * 1_000 + latency_ns,
        latency_ns,
        ret,
        args: [u64::from(tid), 0xdead, 64, 4, 5, 6],
        ..CallRecord::default()
    };
    call_bytes(&record, true)
}

fn only_cell(interval: &Interval) -> &Cell {
    let mut cells = interval.cells.values();
    let cell = cells.next().expect("a cell");
    assert!(cells.next().is_none());
    cell
}

#[test]
fn a_cell_says_which_threads_called_and_what_was_slowest() {
    let records: Vec<_> =
        (0..30u32).map(|at| call_of(5 + at % 3, u64::from(at) * 10, i64::from(at))).collect();
    let interval = folded(&records);
    let cell = only_cell(&interval);
    let latencies: Vec<u64> = cell.slowest.iter().map(|slow| slow.latency_ns).collect();
    assert_eq!(latencies, [290, 280, 270, 260]);
    let slowest = &cell.slowest[0];
    assert_eq!((slowest.tid, slowest.enter_ns, slowest.ret), (7, 7_290, 29));
    // Number 0 is read, which takes three arguments.
    assert_eq!(slowest.args.as_deref(), Some(&[7, 0xdead, 64, 0, 0, 0]));
    let threads: Vec<_> =
        cell.threads.iter().map(|t| (t.tid, t.calls, t.errors, t.total_ns, t.max_ns)).collect();
    assert_eq!(threads, [(5, 10, 0, 1_350, 270), (6, 10, 0, 1_450, 280), (7, 10, 0, 1_550, 290)]);
    assert_eq!((cell.sizes.calls, cell.sizes.bytes, cell.sizes.small), (29, 435, 29));
}

#[test]
fn threads_beyond_the_limit_are_counted_and_not_told_apart() {
    let threads = MAX_THREADS as u32 + 100;
    let records: Vec<_> = (0..2 * threads).map(|at| call_of(1 + at % threads, 10, 0)).collect();
    let interval = folded(&records);
    let cell = only_cell(&interval);
    assert_eq!((cell.calls, cell.threads.len()), (2 * u64::from(threads), MAX_THREADS));
    assert!(cell.threads.iter().all(|thread| thread.calls == 2));
}

#[test]
fn calls_cut_short_are_no_slow_ones() {
    let interval = folded(&[call_of(5, 10, 1), call_of(5, 1_000_000, -512)]);
    let cell = only_cell(&interval);
    assert_eq!((cell.max_ns, cell.slowest.len(), cell.slowest[0].latency_ns), (10, 1, 10));
    assert_eq!((cell.threads[0].calls, cell.threads[0].total_ns, cell.threads[0].max_ns), (2, 1_000_010, 10));
}

proptest! {
    #[test]
    fn threads_add_up_to_their_cell(
        calls in proptest::collection::vec((1u32..4, 1u32..6, 0i32..3, 0u64..1 << 40, -600i64..300), 0..200),
    ) {
        let records: Vec<_> = calls.iter().map(|&(tgid, thread, nr, latency_ns, ret)| {
            let record = CallRecord {
                kind: kind::CALL, nr, tgid, tid: tgid * 10 + thread, latency_ns, ret, ..CallRecord::default()
            };
            call_bytes(&record, false)
        }).collect();
        for cell in folded(&records).cells.values() {
            let sum = |of: fn(&ThreadFigures) -> u64| cell.threads.iter().map(of).sum::<u64>();
            prop_assert_eq!(sum(|thread| thread.calls), cell.calls);
            prop_assert_eq!(sum(|thread| thread.errors), cell.error_count());
            prop_assert_eq!(sum(|thread| thread.total_ns), cell.total_ns);
            prop_assert_eq!(cell.threads.iter().map(|thread| thread.max_ns).max(), Some(cell.max_ns));
            prop_assert_eq!(cell.slowest.first().map_or(0, |slow| slow.latency_ns), cell.max_ns);
            prop_assert!(cell.threads.windows(2).all(|pair| pair[0].tid < pair[1].tid));
        }
    }
}

fn who(cmdline: &str) -> Arc<Who> {
    Arc::new(Who::new(1, cmdline.as_bytes(), b""))
}

#[test]
fn whoever_is_new_is_asked_for_once_and_again_after_another_program() {
    let mut fold = Fold::new(1);
    fold.take(&process(kind::SEEN, 5, 100, "sh"));
    fold.take(&process(kind::SEEN, 5, 100, "sh"));
    let asked = fold.take_strangers();
    assert_eq!(asked.iter().map(|stranger| stranger.id.start_ns).collect::<Vec<_>>(), [100]);
    assert!(fold.take_strangers().is_empty());
    fold.introduce_as(&asked[0], who("sh"));
    let name = |fold: &mut Fold| {
        let interval = fold.close(2_000, Vec::new(), LedgerCounts::default());
        interval.processes.values().next().map(|info| info.who.as_ref().map(|who| who.cmdline.clone()))
    };
    assert_eq!(name(&mut fold), Some(Some(b"sh".as_slice().into())));
    assert_eq!(name(&mut fold), None, "it was told");

    fold.take(&process(kind::EXEC, 5, 100, "ls"));
    fold.introduce_as(&asked[0], who("sh"));
    assert_eq!(name(&mut fold), Some(None), "that was before it became another program");
    let asked = fold.take_strangers();
    fold.introduce_as(&asked[0], who("ls"));
    assert_eq!(name(&mut fold), Some(Some(b"ls".as_slice().into())));

    fold.take(&process(kind::SEEN, 5, 200, "cat"));
    fold.introduce_as(&asked[0], who("ls"));
    assert_eq!(name(&mut fold), Some(None), "the number was given to another process");
}

#[test]
fn threads_have_names_until_their_process_becomes_another_program() {
    let news = |what: u8, tid: u32, thread: &str| {
        let record = ProcessRecord {
            kind: what,
            tgid: 5,
            tid,
            start_ns: 100,
            comm: Comm::new("java").to_kernel(),
            thread_comm: Comm::new(thread).to_kernel(),
            ..ProcessRecord::default()
        };
        process_bytes(&record)
    };
    let mut records =
        vec![news(kind::SEEN, 5, "java"), news(kind::SEEN, 6, "GC"), news(kind::SEEN, 7, "JIT")];
    let names = |records: &[Vec<u8>]| {
        let interval = folded(records);
        let info = interval.processes.values().next().expect("a process");
        info.threads.iter().map(|(tid, comm)| (*tid, comm.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(names(&records), [(6, "GC".to_owned()), (7, "JIT".to_owned())]);
    records.push(news(kind::EXEC, 5, "java"));
    assert_eq!(names(&records), []);
}

#[test]
fn who_was_in_a_call_before_anything_was_heard_has_the_name_that_was_read_until_it_is_told() {
    let mut fold = Fold::new(0);
    let id = fold.process_id(5);
    let names = |fold: &mut Fold, end_ns: u64| {
        let interval = fold.close(end_ns, Vec::new(), LedgerCounts::default());
        let info = interval.processes.values().next()?;
        Some((info.comm.to_string(), info.threads.values().map(Comm::to_string).collect::<Vec<_>>()))
    };
    assert_eq!(names(&mut fold, 1), Some((String::from("?"), vec![])));
    fold.name_thread(id, Comm::new("java"), 5, Comm::new("java"));
    fold.name_thread(id, Comm::new("java"), 6, Comm::new("GC"));
    let read = Some(("java".to_owned(), vec!["GC".to_owned()]));
    assert_eq!(names(&mut fold, 2), read, "it is news though nothing called");
    fold.name_thread(id, Comm::new("java"), 6, Comm::new("GC"));
    assert_eq!(names(&mut fold, 3), None, "the same again is none");
    let record = ProcessRecord {
        kind: kind::SEEN,
        tgid: 5,
        tid: 6,
        start_ns: 100,
        comm: Comm::new("jshell").to_kernel(),
        thread_comm: Comm::new("JIT").to_kernel(),
        ..ProcessRecord::default()
    };
    fold.take(&process_bytes(&record));
    fold.name_thread(id, Comm::new("java"), 6, Comm::new("GC"));
    assert_eq!(names(&mut fold, 4), Some(("jshell".to_owned(), vec!["JIT".to_owned()])));
}

#[test]
fn numbers_without_a_name_share_a_cell_once_there_are_many() {
    let mut fold = Fold::new(1);
    let many = 3 * MAX_NAMELESS as i32;
    for round in 0..2u64 {
        for nr in 1_000_000..1_000_000 + many {
            fold.take(&call(7, nr, 10, 0));
            fold.take(&call(7, 0, 10, 0));
        }
        let interval = fold.close(round + 2, Vec::new(), LedgerCounts::default());
        assert_eq!(interval.cells.len(), MAX_NAMELESS + 2);
        let others =
            interval.cells.iter().find(|(key, _)| key.call.nr == syscalls::OTHERS).expect("the rest");
        assert_eq!(others.1.calls, 2 * MAX_NAMELESS as u64);
        assert_eq!(interval.cells.values().map(|cell| cell.calls).sum::<u64>(), 2 * many as u64);
    }
}

#[test]
fn a_process_that_nothing_was_heard_of_has_the_pid_it_is_shown_under() {
    let mut fold = Fold::new(0);
    let unheard = fold.id_of_shown(7);
    assert_eq!(unheard, ProcessId { pid: 7, start_ns: 0 });
    assert_eq!(fold.id_of_shown(7), unheard, "once");
    // The host's 7 is another one.
    assert_eq!(fold.process_id(1007), ProcessId { pid: 1007, start_ns: 0 });
    let event = ProcessEvent {
        what: ProcessChange::Seen,
        tgid: 1007,
        tid: 7,
        ns_tgid: 7,
        time_ns: 5,
        start_ns: 3,
        comm: Comm::new("a"),
        thread_comm: Comm::new("a"),
    };
    fold.take_process(&event);
    assert_eq!(fold.id_of_shown(7), ProcessId { pid: 7, start_ns: 3 }, "now it is known");
    let interval = fold.close(10, Vec::new(), LedgerCounts::default());
    assert!(interval.processes.values().all(|info| info.threads.is_empty()), "a leader is no other thread");
}

#[test]
fn names_that_come_late_make_no_list_of_files_longer_than_a_recording_takes() {
    let mut fold = Fold::new(1);
    let reads = |fold: &mut Fold, inodes: std::ops::Range<u64>| {
        for ino in inodes {
            fold.take_call(&CallEvent {
                call: CallKey { abi: Abi::X86_64, nr: 0 },
                tgid: 5,
                tid: 5,
                enter_ns: 10,
                end: End::Returned { outcome: Outcome::Success, latency_ns: 1, ret: 1 },
                args: Some([3, 0, 0, 0, 0, 0]),
                file: Some(FileId { kind: FileKind::Regular, dev: 1, ino }),
            });
        }
    };
    let most = on::MAX_FILES as u64;
    reads(&mut fold, 0..most);
    let questions = fold.take_questions();
    assert_eq!(fold.close(100, Vec::new(), LedgerCounts::default()).cells.len(), 1);
    for question in &questions {
        fold.name_file(question, Arc::new(Known::named(b"/name".to_vec())).into());
    }
    // One place is left.
    reads(&mut fold, most..2 * most - 1);
    let interval = fold.close(200, Vec::new(), LedgerCounts::default());
    let on = &interval.cells.values().next().expect("one cell").on;
    let named = on.iter().filter(|row| row.names.known.is_some());
    assert_eq!((on.len(), named.count(), questions.len()), (on::MAX_FILES, 1, on::MAX_FILES));
    assert_eq!(on.iter().map(|row| row.calls).sum::<u64>(), most - 1);
}

/// The ring of one CPU is read before that of another, in which the news are.
#[test]
fn who_is_asked_about_goes_by_the_number_that_is_known_when_a_pass_has_ended() {
    let mut fold = Fold::new(1);
    fold.take_call(&CallEvent {
        call: CallKey { abi: Abi::X86_64, nr: 0 },
        tgid: 700,
        tid: 700,
        enter_ns: 10,
        end: End::Returned { outcome: Outcome::Success, latency_ns: 1, ret: 1 },
        args: Some([3, 0, 0, 0, 0, 0]),
        file: Some(FileId { kind: FileKind::Regular, dev: 1, ino: 9 }),
    });
    let seen = ProcessRecord {
        kind: kind::SEEN,
        tgid: 700,
        tid: 7,
        ns_tgid: 7,
        time_ns: 1,
        start_ns: 5,
        ..ProcessRecord::default()
    };
    fold.take(&process_bytes(&seen));
    let asked: Vec<u32> = fold.take_questions().iter().map(|question| question.pid).collect();
    assert_eq!(asked, [7]);
}

mod where_made {
    use super::*;
    use crate::interval::stacks::{Frame, Stack};
    use crate::stack::tests::stack_bytes;

    fn slow(fold: &mut Fold, tgid: u32, enter_ns: u64, addresses: &[u64]) {
        fold.take(&stack_bytes(tgid, enter_ns + 10, addresses));
        let record = CallRecord {
            kind: kind::CALL,
            nr: 1,
            tgid,
            tid: tgid,
            enter_ns,
            latency_ns: 10,
            ..CallRecord::default()
        };
        fold.take(&call_bytes(&record, false));
    }

    fn close(fold: &mut Fold, end_ns: u64) -> Vec<Stack> {
        let interval = fold.close(end_ns, Vec::new(), LedgerCounts::default());
        interval.cells.values().flat_map(|cell| cell.stacks.to_vec()).collect()
    }

    fn words(stacks: &[Stack]) -> Vec<(String, u64)> {
        stacks.iter().map(|stack| (stack.frames.join("<"), stack.figures.calls)).collect()
    }

    fn named(question: &StackQuestion) -> Vec<Frame> {
        question.addresses.iter().map(|address| format!("f{address}").into()).collect()
    }

    #[test]
    fn a_stack_is_told_by_name_and_each_address_is_asked_for_once() {
        let mut fold = Fold::new(1);
        slow(&mut fold, 5, 100, &[1, 2, 2]);
        slow(&mut fold, 5, 200, &[1, 2, 2]);
        slow(&mut fold, 5, 300, &[3, 2]);
        // One that was not slow enough.
        fold.take(&call(5, 1, 2, 0));
        let questions = fold.take_stack_questions();
        assert_eq!(questions.iter().map(|asked| &asked.addresses[..]).collect::<Vec<_>>(), [&[1, 2, 3]]);
        fold.name_frames(&questions[0], &named(&questions[0]));
        assert_eq!(words(&close(&mut fold, 1_000)), [("f1<f2<f2".to_owned(), 2), ("f3<f2".to_owned(), 1)]);
        slow(&mut fold, 5, 1_100, &[1, 2, 2]);
        assert!(fold.take_stack_questions().is_empty());
        assert_eq!(words(&close(&mut fold, 2_000)), [("f1<f2<f2".to_owned(), 1)]);
    }

    #[test]
    fn a_name_that_comes_late_is_told_in_the_next_interval() {
        let mut fold = Fold::new(1);
        slow(&mut fold, 5, 100, &[1]);
        let questions = fold.take_stack_questions();
        assert!(close(&mut fold, 1_000).is_empty());
        fold.name_frames(&questions[0], &named(&questions[0]));
        assert_eq!(words(&close(&mut fold, 2_000)), [("f1".to_owned(), 1)]);
        assert!(close(&mut fold, 3_000).is_empty(), "and not again");
    }

    #[test]
    fn what_nobody_answers_is_told_by_address_after_a_while_or_at_the_end() {
        let mut fold = Fold::new(1);
        slow(&mut fold, 5, 100, &[0xabc]);
        assert!(close(&mut fold, 1_000_000_000).is_empty());
        assert_eq!(words(&close(&mut fold, 4_000_000_000)), [("0xabc".to_owned(), 1)]);
        slow(&mut fold, 6, 4_000_000_100, &[0xdef]);
        fold.end_of_names();
        assert_eq!(words(&close(&mut fold, 4_100_000_000)), [("0xdef".to_owned(), 1)]);
    }

    #[test]
    fn names_of_one_program_are_not_those_of_the_next() {
        let mut fold = Fold::new(1);
        slow(&mut fold, 5, 100, &[1]);
        let questions = fold.take_stack_questions();
        let executed =
            ProcessRecord { kind: kind::EXEC, tgid: 5, tid: 5, time_ns: 150, ..ProcessRecord::default() };
        fold.take(&process_bytes(&executed));
        // The answer is of whatever was there when somebody looked.
        fold.name_frames(&questions[0], &named(&questions[0]));
        slow(&mut fold, 5, 200, &[1]);
        let questions = fold.take_stack_questions();
        assert_eq!(questions.len(), 1, "it is another program's");
        fold.name_frames(&questions[0], &named(&questions[0]));
        let mut told = words(&close(&mut fold, 1_000));
        told.sort();
        assert_eq!(told, [("0x1".to_owned(), 1), ("f1".to_owned(), 1)]);
    }

    #[test]
    fn what_follows_an_address_without_code_is_no_part_of_a_stack() {
        let mut fold = Fold::new(1);
        slow(&mut fold, 5, 100, &[1, 2, 3, 4]);
        slow(&mut fold, 5, 200, &[3, 4]);
        let questions = fold.take_stack_questions();
        let mut names = named(&questions[0]);
        names[2] = NO_CODE.into();
        fold.name_frames(&questions[0], &names);
        let mut told = words(&close(&mut fold, 1_000));
        told.sort();
        assert_eq!(told, [("?<f4".to_owned(), 1), ("f1<f2".to_owned(), 1)]);
    }

    #[test]
    fn a_stack_belongs_to_its_own_call_only() {
        let mut fold = Fold::new(1);
        fold.end_of_names();
        fold.take(&stack_bytes(5, 999, &[1]));
        fold.take(&call(5, 1, 10, 0));
        fold.take(&call(6, 1, 998, 0));
        assert!(close(&mut fold, 2_000).is_empty());
        fold.take(&stack_bytes(5, 11, &[1]));
        fold.take(&call(5, 1, 10, 0));
        assert_eq!(words(&close(&mut fold, 3_000)), [("0x1".to_owned(), 1)]);
    }
}
