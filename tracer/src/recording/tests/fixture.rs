//! Recordings for tests: a live run in small, with everything that can go wrong on its way into a file.

use std::sync::Arc;

use proptest::prelude::*;
use tracer_common::record::{CallRecord, FileRecord, ProcessRecord, kind};
use tracer_common::spill::{SpillCell, SpillKey};

use crate::decode::tests::{call_bytes, process_bytes};
use crate::decode::{CallEvent, End, Record, decode};
use crate::file::{FileId, FileKind, Known, Names};
use crate::fold::{Fold, Question, StackQuestion};
use crate::interval::stacks::Frame;
use crate::interval::{InFlight, Interval, On};
use crate::ledger::LedgerCounts;
use crate::process::Comm;
use crate::recording::{Item, Kind, Mark, Reader, SLOW_NS, Writer};
use crate::run::Meta;
use crate::stack::tests::stack_bytes;

/// What happens in a run.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A record is drained and recorded.
    Recorded(Vec<u8>),
    /// A record is drained and found the recorder's queue full.
    Dropped(Vec<u8>),
    /// A ring was full.
    Spilled(Box<SpillCell>),
    /// The user says something.
    Marked(String),
    /// The interval ends.
    Closed(Box<LedgerCounts>),
}

pub(crate) fn meta(args: bool) -> Meta {
    Meta {
        version: "0.1.0".to_owned(),
        host: "db-7".to_owned(),
        arch: "x86_64".to_owned(),
        command: vec!["tracer".to_owned(), "record".to_owned()],
        args,
        stacks: true,
        interval_ns: 1_000_000_000,
        start_ns: 5_000_000_000,
        start_unix_ns: 1_790_000_000_123_456_789,
        ..Meta::default()
    }
}

fn any_call(args: bool) -> impl Strategy<Value = Vec<u8>> {
    let ret = prop_oneof![4 => 0i64..1 << 40, 3 => -40i64..0, 1 => Just(-512i64), 1 => any::<i64>()];
    let number = prop_oneof![8 => 0i32..4, 1 => any::<i32>()];
    let kind = prop_oneof![8 => Just(kind::CALL), 1 => Just(kind::NO_RETURN), 1 => Just(kind::DIED)];
    let latency = prop_oneof![8 => 0u64..1 << 42, 1 => any::<u64>().prop_map(|ns| ns >> 8)];
    (kind, 0u8..4, number, 1u32..5, latency, ret, any::<[u64; 6]>(), any::<u32>()).prop_map(
        move |(kind, abi, nr, tgid, latency_ns, ret, values, time)| {
            let record = CallRecord {
                kind,
                abi: u8::from(abi == 1),
                nr,
                tgid,
                tid: tgid + time % 3,
                enter_ns: 5_000_000_000 + u64::from(time),
                latency_ns: if kind == kind::CALL { latency_ns } else { 0 },
                ret: if kind == kind::CALL { ret } else { 0 },
                args: values,
                // A regular file, a socket, or nothing that is known, of calls that are about a descriptor.
                file: match values[1] % 4 {
                    0 => FileRecord::default(),
                    _ if abi == 1 || ![0, 1, 3].contains(&nr) => FileRecord::default(),
                    kind => FileRecord { ino: values[2] % 9, dev: 8, kind: [12, 8][kind as usize % 2] },
                },
                ..CallRecord::default()
            };
            call_bytes(&record, args)
        },
    )
}

fn any_denied(args: bool) -> impl Strategy<Value = Vec<u8>> {
    (1u32..5, 1i64..40).prop_map(move |(tgid, errno)| {
        let record =
            CallRecord { kind: kind::DENIED, nr: 2, tgid, tid: tgid, ret: -errno, ..CallRecord::default() };
        call_bytes(&record, args)
    })
}

fn any_process() -> impl Strategy<Value = Vec<u8>> {
    (prop_oneof![Just(kind::SEEN), Just(kind::EXEC), Just(kind::EXIT)], 1u32..5, 0u64..3, 0u32..2, any_comm())
        .prop_map(|(kind, tgid, start, other_number, comm)| {
            let record = ProcessRecord {
                kind,
                tgid,
                tid: tgid,
                ns_tgid: other_number * (tgid + 100),
                time_ns: 5_000_000_000,
                // Numbers are used again.
                start_ns: start * 1_000,
                comm: comm.to_kernel(),
                ..ProcessRecord::default()
            };
            process_bytes(&record)
        })
}

fn any_comm() -> impl Strategy<Value = Comm> {
    prop_oneof![
        4 => "[a-z]{0,6}".prop_map(Comm::new),
        1 => any::<[u8; 16]>().prop_map(Comm::from_kernel),
    ]
}

fn any_spilled() -> impl Strategy<Value = Box<SpillCell>> {
    (1u32..5, 0i32..4, 1u64..9, prop_oneof![Just(0u16), Just(2), Just(512)], 100u64..1 << 30).prop_map(
        |(tgid, nr, calls, code, latency_ns)| {
            let mut cell = SpillCell::EMPTY;
            cell.key = SpillKey { tgid, nr, code, kind: kind::CALL, ..SpillKey::default() };
            cell.calls = calls;
            cell.total_ns = calls * latency_ns;
            cell.min_ns_plus_one = latency_ns + 1;
            cell.max_ns = latency_ns + 5;
            cell.histogram[tracer_common::bucket::index(latency_ns, 3)] = calls as u32;
            Box::new(cell)
        },
    )
}

fn any_ledger() -> impl Strategy<Value = LedgerCounts> {
    proptest::collection::vec(0u64..5, 40).prop_map(|values| {
        let mut ledger = LedgerCounts::default();
        for (counter, value) in ledger.kernel.iter_mut().zip(&values) {
            *counter = *value;
        }
        ledger.missed_enter = values[37];
        ledger.missed_exit = values[38];
        ledger.user_queue_dropped = values[39];
        ledger
    })
}

/// A run, the last interval of which may not have ended.
pub(crate) fn any_steps(args: bool) -> impl Strategy<Value = Vec<Step>> {
    let record = || prop_oneof![12 => any_call(args), 1 => any_denied(args), 3 => any_process()];
    let step = prop_oneof![
        30 => record().prop_map(Step::Recorded),
        6 => record().prop_map(Step::Dropped),
        2 => any_spilled().prop_map(Step::Spilled),
        1 => "\\PC{0,12}".prop_map(Step::Marked),
        3 => any_ledger().prop_map(Box::new).prop_map(Step::Closed),
    ];
    proptest::collection::vec(step, 0..200)
}

/// Lets a run happen: what a live screen was shown, and the file.
pub(crate) fn record(steps: &[Step], recording: Kind, args: bool) -> (Vec<Item>, Vec<u8>) {
    let meta = meta(args);
    let mut writer = Writer::new(Vec::new(), &meta, recording).expect("a vector takes everything");
    let mut live = Fold::new(meta.start_ns);
    let (mut shown, mut now_ns) = (Vec::new(), meta.start_ns);
    for step in steps {
        now_ns += 17_000_000;
        match step {
            Step::Recorded(record) => {
                take_stack(&mut live, record);
                live.take(record);
                if recording == Kind::Events {
                    writer.events(record).expect("written");
                }
            }
            Step::Dropped(record) => {
                take_stack(&mut live, record);
                live.take(record);
            }
            Step::Spilled(cell) => live.take_spilled(cell),
            Step::Marked(text) => {
                let mark = Mark { time_ns: now_ns, text: text.clone() };
                writer.mark(&mark).expect("written");
                shown.push(Item::Mark(mark));
            }
            Step::Closed(ledger) => {
                for (tgid, _) in live.unnamed() {
                    live.name(tgid, Comm::new("from proc"));
                }
                // Names of functions and files come in time, late or never.
                let asked = Asked::take(&mut live);
                if shown.len() % 2 == 0 {
                    asked.answer(&mut live);
                }
                let interval = close(&mut live, now_ns, **ledger, args);
                asked.answer(&mut live);
                writer.interval(&interval).expect("written");
                shown.push(Item::Interval(interval));
            }
        }
    }
    (shown, writer.finish().expect("written"))
}

/// Says where a call was made, if that is taken of it.
fn take_stack(live: &mut Fold, record: &[u8]) {
    if let Ok(Record::Call(CallEvent { tid, enter_ns, end: End::Returned { latency_ns, .. }, .. })) =
        decode(record)
        && latency_ns % 3 > 0
    {
        live.take(&stack_bytes(tid, enter_ns.wrapping_add(latency_ns), &[latency_ns % 100, 0x1000]));
    }
}

/// What a run wants to know and is told.
struct Asked {
    functions: Vec<StackQuestion>,
    files: Vec<Question>,
}

impl Asked {
    fn take(live: &mut Fold) -> Self {
        let mut asked = Self { functions: live.take_stack_questions(), files: live.take_questions() };
        asked.functions.retain(|question| question.tgid % 2 == 0);
        asked.files.retain(|question| question.file.ino % 3 > 0);
        asked
    }

    fn answer(&self, live: &mut Fold) {
        for question in &self.functions {
            let names: Vec<_> = question.addresses.iter().map(|at| Frame::from(format!("fn{at}"))).collect();
            live.name_frames(question, &names);
        }
        for question in &self.files {
            let known = Known::named(format!("/{}", question.file.ino).into_bytes());
            live.name_file(question, Arc::new(known).into());
        }
    }
}

/// `args` says that arguments were taken, without which only what was open before is known to have any.
fn close(live: &mut Fold, now_ns: u64, ledger: LedgerCounts, args: bool) -> Interval {
    let open = (0..now_ns % 3).map(|tid| InFlight {
        before_attach: tid == 1,
        process: live.process_id(40 + tid as u32),
        tid: tid as u32,
        call: crate::interval::CallKey { abi: tracer_common::abi::Abi::I386, nr: 3 },
        enter_ns: now_ns - tid * 1_000_000_000,
        args: (tid == 1).then_some([now_ns; 6]),
        on: (args && tid == 1).then(|| On {
            fd: 3,
            file: FileId { kind: FileKind::Socket, dev: 8, ino: now_ns },
            names: Names { known: Some(Arc::new(Known::named(*b"tcp 10.0.0.1:80"))), has_others: false },
        }),
        operands: (args && tid == 1).then(|| b"/a/path".as_slice().into()),
    });
    let open = open.collect();
    live.close(now_ns, open, ledger)
}

/// What a recording says of a run that was shown: whatever was counted, and less of single calls and threads than a
/// screen has. `complete` says that every call has a row.
pub(crate) fn as_recorded(mut items: Vec<Item>, complete: bool) -> Vec<Item> {
    for item in &mut items {
        if let Item::Interval(interval) = item {
            *interval = interval_as_recorded(std::mem::take(interval), complete);
        }
    }
    items
}

/// The same of one interval.
pub(crate) fn interval_as_recorded(mut interval: Interval, complete: bool) -> Interval {
    for cell in interval.cells.values_mut() {
        if complete {
            // What calls were on is not said beside each.
            let mut slowest = cell.slowest.to_vec();
            slowest.iter_mut().skip(1).for_each(|slow| slow.on = None);
            cell.slowest = slowest.into();
        } else {
            cell.threads = Arc::default();
            cell.slowest =
                cell.slowest.iter().take(1).filter(|slow| slow.latency_ns >= SLOW_NS).cloned().collect();
        }
    }
    interval
}

/// Everything in a file, and how it ended.
pub(crate) fn read(file: &[u8]) -> Result<(Vec<Item>, crate::recording::End), crate::recording::ReadError> {
    let mut reader = Reader::open(file)?;
    let mut items = Vec::new();
    while let Some(item) = reader.next()? {
        items.push(item);
    }
    let end = reader.end().cloned().expect("everything was read");
    Ok((items, end))
}
