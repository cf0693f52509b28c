//! Every format has the sums of the run it was made from, whatever happened to records on their way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::decode::record_bytes;
use crate::decode::tests::call_bytes;
use crate::ledger::LedgerCounts;
use crate::operand::Operands;
use crate::recording::tests::fixture::{Step, any_steps, meta, record};
use crate::recording::{Item, Reader, Writer};
use crate::syscalls;
use tracer_common::record::CallRecord;

/// A file in memory that outlives its writer.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("nobody panics").clone()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn exported(file: &[u8], format: Format, weight: Weight) -> Vec<u8> {
    let out = Shared::default();
    let mut feed = Feed::new(format, weight, Box::new(out.clone()), Wanted::default());
    let mut reader = Reader::open(file).expect("a recording");
    feed.begin(&reader.meta().clone(), reader.kind(), Span::EVERYTHING).expect("written");
    while let Some(item) = reader.next_with_events(&mut |event| feed.event(event)).expect("read") {
        match item {
            Item::Interval(interval) => feed.interval(interval).expect("written"),
            Item::Mark(mark) => feed.mark(&mark).expect("written"),
        }
    }
    feed.finish().expect("written");
    out.bytes()
}

fn text(file: &[u8], format: Format, weight: Weight) -> String {
    String::from_utf8(exported(file, format, weight)).expect("text")
}

/// Calls, errors and time by syscall of what a live screen was shown.
type Sums = BTreeMap<(String, i64), [u64; 3]>;

fn sums(items: &[Item]) -> Sums {
    let mut sums = Sums::new();
    for item in items {
        let Item::Interval(interval) = item else { continue };
        for (key, cell) in &interval.cells {
            let name = (key.call.abi.name().to_owned(), i64::from(key.call.nr));
            add(&mut sums, name, [cell.calls, cell.error_count(), cell.total_ns]);
        }
    }
    sums
}

fn add(sums: &mut Sums, name: (String, i64), more: [u64; 3]) {
    let sum = sums.entry(name).or_default();
    *sum = std::array::from_fn(|index| sum[index] + more[index]);
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn jsonl_sums(text: &str) -> Sums {
    let mut sums = Sums::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is an object");
        let more = match line["type"].as_str() {
            Some("call") => [1, u64::from(!line["errno"].is_null()), number(&line["latency_ns"])],
            Some("cell") => [number(&line["calls"]), number(&line["errors"]), number(&line["total_ns"])],
            _ => continue,
        };
        if more != [0; 3] {
            let abi = line["abi"].as_str().expect("a table").to_owned();
            add(&mut sums, (abi, line["nr"].as_i64().expect("a number")), more);
        }
    }
    sums
}

fn csv_sums(text: &str) -> Sums {
    let mut sums = Sums::new();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    for row in reader.records() {
        let row = row.expect("as many fields as the header");
        let field = |name: &str| &row[header.iter().position(|column| column == name).expect("a column")];
        let figure = |name: &str| field(name).parse::<u64>().expect("a figure");
        let name = (field("abi").to_owned(), field("nr").parse().expect("a number"));
        add(&mut sums, name, [figure("calls"), figure("errors"), figure("total_ns")]);
    }
    sums
}

fn parquet_sums(bytes: &[u8]) -> Sums {
    use ::parquet::record::RowAccessor as _;
    let mut sums = Sums::new();
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("room");
    let reader = ::parquet::file::reader::SerializedFileReader::new(file).expect("Parquet");
    for row in reader {
        let row = row.expect("a row");
        let at = |name: &str| row.get_column_iter().position(|(column, _)| column == name).expect("a column");
        let figure = |name: &str| row.get_ulong(at(name)).expect("a figure");
        let name = (
            row.get_string(at("abi")).expect("text").clone(),
            i64::from(row.get_int(at("nr")).expect("a number")),
        );
        add(&mut sums, name, [figure("calls"), figure("errors"), figure("total_ns")]);
    }
    sums
}

#[test]
fn parquet_has_what_calls_operate_on() {
    use ::parquet::record::RowAccessor as _;
    let meta = meta(true);
    let mut raw = Vec::new();
    operand::encode(9, 1_000, Operands { first: b"/etc/\xff", second: None }, &mut raw);
    for (nr, enter_ns) in [(257, 1_000), (0, 2_000)] {
        let kind = tracer_common::record::kind::CALL;
        let call = CallRecord {
            kind,
            has_args: 1,
            nr,
            tgid: 9,
            tid: 9,
            enter_ns,
            latency_ns: 5,
            ..CallRecord::default()
        };
        raw.extend(call_bytes(&call, true));
    }
    let mut writer = Writer::new(Vec::new(), &meta, Kind::Events).expect("written");
    writer.events(&raw).expect("written");
    let mut fold = Fold::new(meta.start_ns);
    let mut rest = raw.as_slice();
    while let Some(bytes) = record_bytes(rest, true) {
        fold.take(&rest[..bytes]);
        rest = &rest[bytes..];
    }
    writer.interval(&fold.close(meta.start_ns + 1, Vec::new(), LedgerCounts::default())).expect("written");
    let bytes = exported(&writer.finish().expect("written"), Format::Parquet, Weight::Time);
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&bytes).expect("room");
    let reader = ::parquet::file::reader::SerializedFileReader::new(file).expect("Parquet");
    let found: Vec<Option<Vec<u8>>> = reader
        .into_iter()
        .map(|row| {
            let row = row.expect("a row");
            let at = row.get_column_iter().position(|(name, _)| name == "operands").expect("a column");
            row.get_bytes(at).ok().map(|bytes| bytes.data().to_vec())
        })
        .collect();
    assert_eq!(found, [Some(b"/etc/\xff".to_vec()), None]);
}

/// Without the calls after the last interval, which are in no table.
fn whole(steps: &[Step]) -> &[Step] {
    let end = steps.iter().rposition(|step| matches!(step, Step::Closed(_))).map_or(0, |at| at + 1);
    &steps[..end]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_of_every_table_add_up_to_what_was_shown_live(
        (args, steps) in any::<bool>().prop_flat_map(|args| (Just(args), any_steps(args))),
        kind in prop_oneof![Just(Kind::Intervals), Just(Kind::Events)],
    ) {
        let (items, file) = record(whole(&steps), kind, args);
        let wanted = sums(&items);
        prop_assert_eq!(&jsonl_sums(&text(&file, Format::Jsonl, Weight::Time)), &wanted);
        prop_assert_eq!(&csv_sums(&text(&file, Format::Csv, Weight::Time)), &wanted);
        prop_assert_eq!(&parquet_sums(&exported(&file, Format::Parquet, Weight::Time)), &wanted);
    }

    #[test]
    fn stacks_add_up_to_time_or_calls(steps in any_steps(false), kind in prop_oneof![Just(Kind::Intervals), Just(Kind::Events)]) {
        let (items, file) = record(whole(&steps), kind, false);
        let wanted = sums(&items);
        for (weight, index) in [(Weight::Time, 2), (Weight::Calls, 0)] {
            let folded = text(&file, Format::Folded, weight);
            let sum = folded.lines().fold(0u64, |sum, line| {
                let (stack, value) = line.rsplit_once(' ').expect("a value");
                let most = if [";0x", ";fn"].iter().any(|frame| stack.contains(frame)) { 3 } else { 2 };
                assert!((1..=most).contains(&stack.matches(';').count()), "{line}");
                sum.wrapping_add(value.parse::<u64>().expect("a number"))
            });
            let all = wanted.values().fold(0u64, |sum, figures| sum.wrapping_add(figures[index]));
            prop_assert_eq!(sum, all);
        }
    }

    #[test]
    fn a_trace_is_json_whose_slices_have_times_and_names(steps in any_steps(true)) {
        let (_, file) = record(&steps, Kind::Events, true);
        let trace: Value = serde_json::from_str(&text(&file, Format::Chrome, Weight::Time)).expect("JSON");
        for event in trace["traceEvents"].as_array().expect("events") {
            prop_assert!(event["name"].is_string() && event["pid"].is_u64() && event["tid"].is_u64());
            match event["ph"].as_str() {
                Some("X") => prop_assert!(event["ts"].is_number() && event["dur"].is_number()),
                Some("M") => prop_assert!(event["args"]["name"].is_string()),
                Some("B" | "i") => prop_assert!(event["ts"].is_number()),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn a_hostile_name_is_no_formula_and_can_be_undone(name in any::<Vec<u8>>()) {
        let field = csv::field(&name);
        prop_assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{}", field);
        prop_assert!(!field.chars().any(char::is_control));
        prop_assert_eq!(unescaped(&field), name);
    }
}

/// What [`csv::field`] was made from.
fn unescaped(field: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        } else if let Some(hex) = rest.strip_prefix('x') {
            bytes.push(u8::from_str_radix(&hex[..2], 16).expect("two digits"));
            rest = &hex[2..];
        } else if let Some(hex) = rest.strip_prefix("u{") {
            let (hex, after) = hex.split_once('}').expect("a brace");
            let number = u32::from_str_radix(hex, 16).expect("digits");
            let character = char::from_u32(number).expect("a character");
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        } else {
            rest = rest.strip_prefix('\\').expect("a second backslash");
            bytes.push(b'\\');
        }
    }
    bytes
}

#[test]
fn strace_lines_are_those_of_strace() {
    use crate::decode::CallEvent;
    use tracer_common::abi::Abi;
    let call = |name: &str, args: [u64; 6], end: End| {
        let nr = syscalls::number(Abi::X86_64, name).expect("a name");
        let call = CallKey { abi: Abi::X86_64, nr };
        let event =
            CallEvent { call, tgid: 7, tid: 8, enter_ns: 1_500_000_000, end, args: Some(args), file: None };
        let out = Shared::default();
        let mut sink = strace::Strace::new(Box::new(out.clone()));
        let meta =
            Meta { start_ns: 1_000_000_000, start_unix_ns: 1_700_000_000_000_000_000, ..Meta::default() };
        sink.begin(&meta, Kind::Events).expect("written");
        let (process, comm) = (ProcessId { pid: 7, start_ns: 0 }, Comm::new("x"));
        sink.call(&Call { process, comm, event: &event, operands: None, enter_ns: event.enter_ns })
            .expect("written");
        sink.finish().expect("written");
        let line = String::from_utf8(out.bytes()).expect("text");
        // Padding is for people.
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let returned = |outcome: Outcome, ret: i64| End::Returned { outcome, latency_ns: 12_345, ret };
    let args = [3, 0x7ffc_0000_1000, 1024, 99, 99, 99];
    for (name, end, line) in [
        ("read", returned(Outcome::Success, 1024), "read(3, 0x7ffc00001000, 1024) = 1024 <0.000012>"),
        (
            "read",
            returned(Outcome::Error(2), -2),
            "read(3, 0x7ffc00001000, 1024) = -1 ENOENT (No such file or directory) <0.000012>",
        ),
        (
            "read",
            returned(Outcome::Interrupted(512), -512),
            "read(3, 0x7ffc00001000, 1024) = ? ERESTARTSYS (To be restarted) <0.000012>",
        ),
        (
            "mmap",
            returned(Outcome::Success, 0x7f00_0000_0000),
            "mmap(0x3, 140720308490240, 0x400, MAP_SHARED_VALIDATE|MAP_ANONYMOUS|MAP_32BIT, 99, 0x63) = \
             0x7f0000000000 <0.000012>",
        ),
        ("exit_group", End::NeverReturns, "exit_group(3) = ?"),
        ("getpid", End::Denied { errno: 1 }, "getpid() = -1 EPERM (Operation not permitted) <0.000000>"),
    ] {
        let expected =
            if cfg!(target_arch = "x86_64") { format!("8 1700000000.500000 {line}") } else { continue };
        assert_eq!(call(name, args, end), expected);
    }
}
