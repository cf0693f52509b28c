//! Reading back gives what was written, to the digit.

use std::sync::Arc;

use proptest::prelude::*;
use tracer_common::abi::Abi;
use tracer_common::record::{CallRecord, kind};

use super::fixture::{Step, any_steps, as_recorded, interval_as_recorded, meta, read, record};
use crate::decode::tests::call_bytes;
use crate::decode::{CallEvent, Record, decode, record_bytes};
use crate::fold::Fold;
use crate::interval::tests::any_interval;
use crate::ledger::LedgerCounts;
use crate::operand::{self, Operands, OperandsEvent};
use crate::process::{Comm, ProcessId, ProcessInfo};
use crate::recording::verify::Check;
use crate::recording::{End, Item, Kind, Reader, Writer};
use crate::syscalls::arity;
use crate::who::Who;

/// Registers that are no arguments are not recorded.
fn with_arguments_only(mut record: Record<'_>) -> Record<'_> {
    if let Record::Call(CallEvent { call, args: Some(args), file, .. }) = &mut record {
        *args = arity::arguments_only(*call, *args);
        // What events were on is said at the end of the interval.
        *file = None;
    }
    record
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn intervals_come_back_identical(a in any_interval(1), b in any_interval(2), c in any_interval(3)) {
        for kind in [Kind::Intervals, Kind::Events] {
            let mut writer = Writer::new(Vec::new(), &meta(true), kind).expect("written");
            for interval in [&a, &b, &c] {
                writer.interval(interval).expect("written");
            }
            let (items, end) = read(&writer.finish().expect("written")).expect("a recording");
            let written = [&a, &b, &c].map(|interval| Item::Interval(interval_as_recorded(interval.clone(), false)));
            prop_assert_eq!(items, written);
            prop_assert_eq!(end, End::Clean);
        }
    }

    #[test]
    fn a_run_comes_back_as_it_was_shown(
        (args, steps) in any::<bool>().prop_flat_map(|args| (Just(args), any_steps(args))),
    ) {
        let (shown, file) = record(&steps, Kind::Intervals, args);
        let (items, end) = read(&file).expect("a recording");
        prop_assert_eq!(items, as_recorded(shown, false));
        prop_assert_eq!(end, End::Clean);
    }

    #[test]
    fn recorded_events_fold_to_what_was_shown(
        (args, mut steps) in any::<bool>().prop_flat_map(|args| (Just(args), any_steps(args))), keeps_up in any::<bool>(),
    ) {
        if keeps_up {
            steps.retain(|step| !matches!(step, Step::Dropped(_)));
        }
        let (shown, file) = record(&steps, Kind::Events, args);
        let (items, end) = read(&file).expect("a recording");
        let complete = !steps.iter().any(|step| matches!(step, Step::Dropped(_)));
        prop_assert_eq!(as_recorded(items, complete), as_recorded(shown, complete));
        let rest = steps.iter().rev().take_while(|step| !matches!(step, Step::Closed(_)));
        let all_closed = !rest.into_iter().any(|step| matches!(step, Step::Recorded(_)));
        prop_assert_eq!(end == End::Clean, all_closed);
    }

    #[test]
    fn every_recorded_event_comes_back(steps in any_steps(true)) {
        let (_, file) = record(&steps, Kind::Events, true);
        let mut reader = Reader::open(file.as_slice()).expect("a recording");
        let mut found = Vec::new();
        let mut each = |record: &Record<'_>| found.push(format!("{record:?}"));
        while reader.next_with_events(&mut each).expect("read").is_some() {}
        let recorded: Vec<String> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Recorded(bytes) => {
                    decode(bytes).ok().map(with_arguments_only).map(|record| format!("{record:?}"))
                }
                _ => None,
            })
            .collect();
        prop_assert_eq!(found, recorded);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_recording_that_begins_in_the_middle_knows_the_processes(
        before in any_steps(false), after in any_steps(false),
    ) {
        let meta = meta(false);
        let mut live = Fold::new(meta.start_ns);
        for step in &before {
            if let Step::Recorded(record) = step {
                live.take(record);
            }
        }
        live.close(meta.start_ns, Vec::new(), LedgerCounts::default());
        let mut writer = Writer::new(Vec::new(), &meta, Kind::Events).expect("written");
        let mut known = Vec::new();
        live.introduce(meta.start_ns, |record| known.extend_from_slice(record));
        writer.events(&known).expect("written");
        for step in &after {
            if let Step::Recorded(record) = step {
                live.take(record);
                writer.events(record).expect("written");
            }
        }
        let interval = live.close(meta.start_ns + 1, Vec::new(), LedgerCounts::default());
        writer.interval(&interval).expect("written");
        let file = writer.finish().expect("written");
        let mut reader = Reader::open(file.as_slice()).expect("a recording");
        let mut again = Fold::new(meta.start_ns);
        let read = reader.next_with_events(&mut |record| match record {
            Record::Call(event) => again.take_call(event),
            Record::Process(event) => again.take_process(event),
            Record::Operands(event) => again.take_operands(event),
            Record::Stack(_) => panic!("no file has one"),
        });
        prop_assert_eq!(read.expect("read"), Some(Item::Interval(interval.clone())));
        // The events alone say the same: nothing had to be said beside them.
        let folded = again.close(meta.start_ns + 1, Vec::new(), LedgerCounts::default());
        prop_assert_eq!(folded.cells, interval.cells);
    }
}

#[test]
fn what_calls_operate_on_comes_back_with_them() {
    type Given<'a> = Option<&'a [u8]>;
    let nr = |name| crate::syscalls::number(Abi::X86_64, name).expect("a call");
    let calls: [(&str, i64, Given<'_>, Given<'_>); 6] = [
        ("openat", -2, Some(b"/etc/\xff\x1b[31m"), None),
        ("read", 5, None, None),
        ("rename", -2, Some(b"a"), Some(b"")),
        ("connect", -111, Some(&[2, 0, 0, 80, 10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]), None),
        ("openat", -2, Some(&[b'x'; 4500]), None),
        ("openat", 3, Some(b""), None),
    ];
    let mut raw = Vec::new();
    let mut expected = Vec::new();
    for (index, (name, ret, first, second)) in calls.into_iter().enumerate() {
        let enter_ns = 1_000_000 + index as u64;
        if let Some(first) = first {
            operand::encode(9, enter_ns, Operands { first, second }, &mut raw);
            let first = &first[..first.len().min(4096)];
            expected.push((enter_ns, first.to_vec(), second.map(<[u8]>::to_vec)));
        }
        let record = CallRecord {
            kind: kind::CALL,
            has_args: 1,
            nr: nr(name),
            tgid: 9,
            tid: 9,
            enter_ns,
            latency_ns: 5_000_000,
            ret,
            ..CallRecord::default()
        };
        raw.extend(call_bytes(&record, true));
    }
    let meta = meta(true);
    let mut live = Fold::new(meta.start_ns);
    let mut rest = raw.as_slice();
    while let Some(bytes) = record_bytes(rest, true) {
        live.take(&rest[..bytes]);
        rest = &rest[bytes..];
    }
    let interval = live.close(meta.start_ns + 1, Vec::new(), LedgerCounts::default());
    let failed = |name| {
        let key = interval.cells.keys().find(|key| key.call.nr == nr(name)).expect("a cell");
        interval.cells[key]
            .examples
            .iter()
            .map(|example| (example.errno, example.on.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (failed("openat"), failed("rename"), failed("read")),
        (vec![(2, 11), (2, 201)], vec![(2, 2)], vec![])
    );
    assert_eq!(failed("connect"), [(111, 16)]);
    for kind in [Kind::Events, Kind::Intervals] {
        let mut writer = Writer::new(Vec::new(), &meta, kind).expect("written");
        if kind == Kind::Events {
            writer.events(&raw).expect("written");
        }
        writer.interval(&interval).expect("written");
        let file = writer.finish().expect("written");
        let mut reader = Reader::open(file.as_slice()).expect("a recording");
        let mut found = Vec::new();
        let mut each = |record: &Record<'_>| {
            if let Record::Operands(OperandsEvent { tid: 9, enter_ns, operands: Some(operands) }) = record {
                found.push((*enter_ns, operands.first.to_vec(), operands.second.map(<[u8]>::to_vec)));
            }
        };
        let read = match reader.next_with_events(&mut each).expect("read").expect("an interval") {
            Item::Interval(read) => interval_as_recorded(read, kind == Kind::Events),
            Item::Mark(_) => panic!("there is no mark"),
        };
        assert_eq!(read, interval_as_recorded(interval.clone(), kind == Kind::Events));
        if kind == Kind::Events {
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn what_a_file_says_of_its_run_comes_back() {
    for (kind, args) in [(Kind::Intervals, false), (Kind::Events, false), (Kind::Events, true)] {
        let file = Writer::new(Vec::new(), &meta(args), kind).and_then(Writer::finish).expect("written");
        let reader = Reader::open(file.as_slice()).expect("a recording");
        assert_eq!((reader.meta(), reader.kind()), (&meta(args), kind));
    }
}

/// A tool that does not know these columns yet leaves them out and computes the checksum of the rest.
#[test]
fn what_came_later_is_in_no_checksum() {
    let info = |names: &str| {
        let who = Who { names: names.into(), ..Who::new(1, b"x\0", b"0::/docker/x") };
        ProcessInfo { comm: Comm::new("x"), who: Some(Arc::new(who)), ..ProcessInfo::default() }
    };
    let check = Check { is_first: false, kind: Kind::Intervals, args: true, stacks: true };
    let id = ProcessId { pid: 7, start_ns: 1 };
    let sum = |info: &ProcessInfo| check.process(id, info);
    assert_eq!(sum(&info("ns/pod/c")), sum(&info("")));
    assert_eq!(sum(&ProcessInfo { owns_ring: true, ..info("") }), sum(&info("")));
    assert_ne!(sum(&info("")), sum(&ProcessInfo { who: None, ..info("") }), "but the rest is");
}
