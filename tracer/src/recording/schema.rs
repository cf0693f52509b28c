//! The columns of both kinds of recording and the metadata before them.
//!
//! A reader knows columns and parts of structures by their names: which ones a file has depends on the run and on the
//! version that wrote it.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Metadata, Schema, TimeUnit};
use tracer_common::abi::Abi;
use tracer_common::bucket::{GROUPING_POWER, MAX_VALUE_POWER};

use super::shape::Shapes;
use super::verify::fnv1a;
use super::{ReadError, format1};
use crate::run::Meta;

/// Version of the format that is written, and the latest that is read.
pub const FORMAT_VERSION: u32 = 2;

/// What a recording is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One row for each (process, syscall) of each interval: bounded, whatever the host does.
    Intervals,
    /// One row for each call.
    Events,
}

impl Kind {
    /// The word in the file and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intervals => "intervals",
            Self::Events => "events",
        }
    }
}

/// Key of the format version.
const FORMAT: &str = "tracer.format";
/// Key of the kind.
const KIND: &str = "tracer.kind";
/// Key of [`Meta`] as JSON.
const META: &str = "tracer.meta";
/// Key of the FNV-1a hash of the value of [`META`], as 16 hexadecimal digits.
const META_HASH: &str = "tracer.meta.fnv1a";
/// Key of the layout of histograms.
const HISTOGRAM: &str = "tracer.histogram";

/// Columns of an interval recording, and of the rows that are no call in a recording of events: where a reader finds
/// them, wherever they are in the file.
pub(super) mod row {
    pub(in crate::recording) const KIND: usize = 0;
    pub(in crate::recording) const TIME: usize = 1;
    pub(in crate::recording) const PID: usize = 2;
    pub(in crate::recording) const PROCESS_START: usize = 3;
    pub(in crate::recording) const COMM: usize = 4;
    pub(in crate::recording) const ABI: usize = 5;
    pub(in crate::recording) const NR: usize = 6;
    pub(in crate::recording) const SYSCALL: usize = 7;
    pub(in crate::recording) const CALLS: usize = 8;
    pub(in crate::recording) const ERRORS: usize = 9;
    pub(in crate::recording) const INTERRUPTED: usize = 10;
    pub(in crate::recording) const DENIED: usize = 11;
    pub(in crate::recording) const NO_RETURN: usize = 12;
    pub(in crate::recording) const DIED: usize = 13;
    pub(in crate::recording) const TOTAL: usize = 14;
    pub(in crate::recording) const MIN: usize = 15;
    pub(in crate::recording) const MAX: usize = 16;
    pub(in crate::recording) const SIZED: usize = 17;
    pub(in crate::recording) const BYTES: usize = 18;
    pub(in crate::recording) const SMALL: usize = 19;
    pub(in crate::recording) const ERRNOS: usize = 20;
    pub(in crate::recording) const LATENCIES: usize = 21;
    pub(in crate::recording) const CALL: usize = 22;
    pub(in crate::recording) const PROCESS: usize = 23;
    pub(in crate::recording) const NOTE: usize = 24;

    /// Columns that every recording has. Those from here on are there where the run can have something to say in
    /// them, or came later.
    pub(in crate::recording) const FIRST: usize = NOTE + 1;

    /// Where arguments were taken.
    pub(in crate::recording) const ON: usize = 25;
    /// The same.
    pub(in crate::recording) const EXAMPLES: usize = 26;

    /// Where stacks were taken.
    pub(in crate::recording) const STACKS: usize = 27;

    /// All of them.
    pub(in crate::recording) const COUNT: usize = STACKS + 1;
}

/// Parts of [`row::ERRNOS`].
pub(super) mod errno {
    pub(in crate::recording) const ERRNO: usize = 0;
    pub(in crate::recording) const CALLS: usize = 1;
}

/// Parts of [`row::LATENCIES`].
pub(super) mod bucket {
    pub(in crate::recording) const GAP: usize = 0;
    pub(in crate::recording) const CALLS: usize = 1;
    pub(in crate::recording) const CALLS_256: usize = 2;
}

/// Parts of [`row::CALL`].
pub(super) mod single {
    pub(in crate::recording) const TID: usize = 0;
    pub(in crate::recording) const SINCE: usize = 1;
    pub(in crate::recording) const LATENCY: usize = 2;
    pub(in crate::recording) const RET: usize = 3;
    pub(in crate::recording) const ARGS: usize = 4;
    /// Where arguments were taken.
    pub(in crate::recording) const ON: usize = 5;
    /// The same.
    pub(in crate::recording) const OPERANDS: usize = 6;
}

/// Parts of [`row::PROCESS`].
pub(super) mod process {
    pub(in crate::recording) const SINCE: usize = 0;
    pub(in crate::recording) const EXITED: usize = 1;
    pub(in crate::recording) const COMM_BYTES: usize = 2;
    pub(in crate::recording) const PPID: usize = 3;
    pub(in crate::recording) const NS_PID: usize = 4;
    pub(in crate::recording) const CMDLINE: usize = 5;
    pub(in crate::recording) const CMDLINE_BYTES: usize = 6;
    pub(in crate::recording) const CGROUP: usize = 7;
    pub(in crate::recording) const THREADS: usize = 8;
    /// It came later.
    pub(in crate::recording) const CONTAINER: usize = 9;
    /// The same.
    pub(in crate::recording) const RING: usize = 10;
}

/// Parts of [`process::THREADS`].
pub(super) mod thread {
    pub(in crate::recording) const TID: usize = 0;
    pub(in crate::recording) const COMM: usize = 1;
}

/// Parts of [`row::NOTE`].
pub(super) mod note {
    pub(in crate::recording) const TEXT: usize = 0;
    pub(in crate::recording) const VALUE: usize = 1;
    pub(in crate::recording) const SINCE: usize = 2;
    pub(in crate::recording) const CHECK: usize = 3;
}

/// Parts of [`row::ON`].
pub(super) mod on {
    pub(in crate::recording) const KIND: usize = 0;
    pub(in crate::recording) const DEVICE: usize = 1;
    pub(in crate::recording) const INODE: usize = 2;
    pub(in crate::recording) const FD: usize = 3;
    pub(in crate::recording) const CALLS: usize = 4;
    pub(in crate::recording) const ERRORS: usize = 5;
    pub(in crate::recording) const TOTAL: usize = 6;
    pub(in crate::recording) const MAX: usize = 7;
    pub(in crate::recording) const BYTES: usize = 8;
    pub(in crate::recording) const LATENCIES: usize = 9;
    pub(in crate::recording) const NAME: usize = 10;
    pub(in crate::recording) const OTHER_NAMES: usize = 11;
    pub(in crate::recording) const PEER: usize = 12;
    pub(in crate::recording) const PEER_PID: usize = 13;
    pub(in crate::recording) const PEER_COMM: usize = 14;
}

/// Parts of [`on::LATENCIES`].
pub(super) mod on_bucket {
    pub(in crate::recording) const BUCKET: usize = 0;
    pub(in crate::recording) const CALLS: usize = 1;
}

/// Parts of [`row::EXAMPLES`].
pub(super) mod example {
    pub(in crate::recording) const ERRNO: usize = 0;
    pub(in crate::recording) const ON: usize = 1;
    pub(in crate::recording) const CALLS: usize = 2;
    pub(in crate::recording) const UNSURE: usize = 3;
}

/// Parts of [`row::STACKS`].
pub(super) mod stack {
    pub(in crate::recording) const FRAMES: usize = 0;
    pub(in crate::recording) const CALLS: usize = 1;
    pub(in crate::recording) const TOTAL: usize = 2;
    pub(in crate::recording) const MAX: usize = 3;
}

/// Columns of a recording of events.
pub(super) mod call {
    pub(in crate::recording) const TIME: usize = 0;
    pub(in crate::recording) const TGID: usize = 1;
    pub(in crate::recording) const TID: usize = 2;
    pub(in crate::recording) const ABI: usize = 3;
    pub(in crate::recording) const NR: usize = 4;
    pub(in crate::recording) const RET: usize = 6;
    pub(in crate::recording) const LATENCY: usize = 7;
    pub(in crate::recording) const ERRNO: usize = 8;
    pub(in crate::recording) const ENDED: usize = 9;
    /// The first of six, where arguments were taken; [`other`] follows.
    pub(in crate::recording) const ARGS: usize = 10;

    /// The column of rows that are no call.
    pub(in crate::recording) const fn other(args: bool) -> usize {
        if args { ARGS + 6 } else { ARGS }
    }

    /// What the call operates on, where arguments were taken. It came later.
    pub(in crate::recording) const OPERANDS: usize = other(true) + 1;
}

/// A moment. Tools show it as the date it was; see `docs/RECORDING.md` for how exact that is.
pub(super) fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC")))
}

pub(super) fn list(items: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", items, false)))
}

fn structures(name: &str, parts: Vec<Field>) -> Field {
    Field::new(name, list(DataType::Struct(Fields::from(parts))), false)
}

/// What rows have beside the columns that every recording has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra {
    /// What arguments tell.
    pub(super) args: bool,
    /// Where slow calls were made.
    pub(super) stacks: bool,
}

impl Extra {
    const ALL: Self = Self { args: true, stacks: true };

    /// Of a recording of such a run.
    pub(super) fn new(meta: &Meta) -> Self {
        Self { args: meta.args, stacks: meta.stacks }
    }
}

fn row_fields(kind: Kind, extra: Extra) -> Fields {
    // In a recording of events these figures are what the calls in rows of their own do not hold.
    let count = match kind {
        Kind::Intervals => DataType::UInt64,
        Kind::Events => DataType::Int64,
    };
    let some = |name: &str, kind: DataType| Field::new(name, kind, true);
    let all = |name: &str, kind: DataType| Field::new(name, kind, false);
    let counted = |name: &str| all(name, count.clone());
    let mut call = vec![
        all("tid", DataType::UInt32),
        some("since", moment()),
        some("ns", DataType::UInt64),
        some("ret", DataType::Int64),
        all("args", list(DataType::UInt64)),
    ];
    if extra.args {
        call.extend([some("on", DataType::UInt32), some("operands", DataType::Binary)]);
    }
    let process = vec![
        all("since", moment()),
        all("exited", DataType::Boolean),
        some("comm_bytes", DataType::Binary),
        some("ppid", DataType::UInt32),
        some("ns_pid", DataType::UInt32),
        some("cmdline", DataType::Utf8),
        some("cmdline_bytes", DataType::Binary),
        some("cgroup", DataType::Utf8),
        structures("threads", vec![all("tid", DataType::UInt32), all("comm", DataType::Binary)]),
        some("container", DataType::Utf8),
        some("ring", DataType::Boolean),
    ];
    let note = vec![
        some("text", DataType::Utf8),
        some("value", DataType::UInt64),
        some("since", moment()),
        some("check", DataType::UInt64),
    ];
    let latencies =
        vec![all("gap", DataType::UInt8), all("calls", DataType::UInt8), all("calls_256", count.clone())];
    let mut fields = vec![
        some("kind", DataType::Utf8),
        all("time", moment()),
        all("pid", DataType::UInt32),
        all("process_start_ns", DataType::UInt64),
        some("comm", DataType::Utf8),
        some("abi", DataType::Utf8),
        all("nr", DataType::Int32),
        some("syscall", DataType::Utf8),
        counted("calls"),
        counted("errors"),
        counted("interrupted"),
        counted("denied"),
        counted("no_return"),
        counted("died"),
        counted("total_ns"),
        some("min_ns", DataType::UInt64),
        some("max_ns", DataType::UInt64),
        counted("sized"),
        counted("bytes"),
        counted("small"),
        structures("errnos", vec![all("errno", DataType::UInt16), counted("calls")]),
        structures("latencies", latencies),
        structures("call", call),
        structures("process", process),
        structures("note", note),
    ];
    // A column without a value costs 48 bytes and more in every batch: it is there where a run can have one. A later
    // version adds its own here, under conditions of their own.
    if extra.args {
        fields.push(structures(
            "on",
            vec![
                all("kind", DataType::UInt16),
                all("device", DataType::UInt32),
                all("inode", DataType::UInt64),
                all("fd", DataType::Int32),
                all("calls", DataType::UInt64),
                all("errors", DataType::UInt64),
                all("total_ns", DataType::UInt64),
                all("max_ns", DataType::UInt64),
                all("bytes", DataType::UInt64),
                structures(
                    "latencies",
                    vec![all("bucket", DataType::UInt16), all("calls", DataType::UInt64)],
                ),
                all("name", DataType::Binary),
                all("other_names", DataType::UInt16),
                all("peer", DataType::Binary),
                all("peer_pid", DataType::UInt32),
                all("peer_comm", DataType::Binary),
            ],
        ));
        fields.push(structures(
            "examples",
            vec![
                all("errno", DataType::UInt16),
                all("on", DataType::Binary),
                all("calls", DataType::UInt64),
                all("unsure", DataType::UInt64),
            ],
        ));
    }
    if extra.stacks {
        fields.push(structures(
            "stacks",
            vec![
                all("frames", list(DataType::Utf8)),
                all("calls", DataType::UInt64),
                all("total_ns", DataType::UInt64),
                all("max_ns", DataType::UInt64),
            ],
        ));
    }
    Fields::from(fields)
}

/// The columns of a recording.
pub(super) fn fields(kind: Kind, extra: Extra) -> Fields {
    in_file(kind, extra.args, row_fields(kind, extra))
}

/// The same with all columns that rows can have: their places are those of [`row`].
fn known_fields(kind: Kind, args: bool) -> Fields {
    in_file(kind, args, row_fields(kind, Extra::ALL))
}

fn in_file(kind: Kind, args: bool, rows: Fields) -> Fields {
    match kind {
        Kind::Intervals => rows,
        Kind::Events => call_fields(args, rows),
    }
}

/// The columns of a recording of events whose other rows have these.
pub(super) fn call_fields(args: bool, rows: Fields) -> Fields {
    let field = |name: &str, kind: DataType| Arc::new(Field::new(name, kind, true));
    let mut fields = vec![
        field("time", moment()),
        field("tgid", DataType::UInt32),
        field("tid", DataType::UInt32),
        field("abi", DataType::Utf8),
        field("nr", DataType::Int32),
        field("syscall", DataType::Utf8),
        field("ret", DataType::Int64),
        field("latency_ns", DataType::UInt64),
        field("errno", DataType::UInt16),
        field("ended", DataType::Utf8),
    ];
    if args {
        fields.extend((0..6).map(|index| field(&format!("arg{index}"), DataType::UInt64)));
    }
    fields.push(Arc::new(Field::new("other", list(DataType::Struct(rows)), false)));
    if args {
        fields.push(field("operands", DataType::Binary));
    }
    Fields::from(fields)
}

fn histogram() -> String {
    format!("h2 grouping_power={GROUPING_POWER} max_value_power={MAX_VALUE_POWER}")
}

/// Columns and metadata as they stand at the beginning of the file.
pub(super) fn schema(kind: Kind, meta: &Meta) -> Schema {
    let json = serde_json::to_string(meta).unwrap_or_default();
    let mut metadata = Metadata::new();
    metadata.insert(FORMAT, FORMAT_VERSION.to_string());
    metadata.insert(KIND, kind.name());
    metadata.insert(HISTOGRAM, histogram());
    metadata.insert(META_HASH, format!("{:016x}", fnv1a(json.as_bytes())));
    metadata.insert(META, json);
    Schema::new(fields(kind, Extra::new(meta))).with_metadata(metadata)
}

/// What a schema says, if it is that of a recording we can read.
pub(super) fn understand(schema: &Schema) -> Result<Understood, ReadError> {
    let not = |why: &str| ReadError::NotARecording { why: why.to_owned() };
    let text = |key: &str| schema.metadata().get(key).map(String::as_str);
    let format = text(FORMAT).ok_or_else(|| not("an Arrow stream of something else"))?;
    let found: u32 = format.parse().map_err(|_| not("its format version is no number"))?;
    if found == 0 {
        return Err(not("it has no format version"));
    }
    if found > FORMAT_VERSION {
        return Err(ReadError::TooNew { found });
    }
    let kind = match text(KIND) {
        Some("intervals") => Kind::Intervals,
        Some("events") => Kind::Events,
        _ => return Err(not("it holds neither intervals nor events")),
    };
    if text(HISTOGRAM) != Some(histogram().as_str()) {
        return Err(not("its histograms have another layout"));
    }
    let json = text(META).ok_or_else(|| not("it does not say what was recorded"))?;
    if text(META_HASH) != Some(format!("{:016x}", fnv1a(json.as_bytes())).as_str()) {
        return Err(not("what it says of the run is damaged"));
    }
    let meta: Meta = serde_json::from_str(json).map_err(|_| not("what it says of the run is no JSON"))?;
    let is_first = found < FORMAT_VERSION;
    let ours = if is_first { format1::fields(kind, meta.args) } else { known_fields(kind, meta.args) };
    let rows = if is_first { format1::FIRST } else { row::FIRST };
    let first = match kind {
        Kind::Intervals => rows,
        Kind::Events => call::other(meta.args) + 1,
    };
    let shapes =
        Shapes::new(schema.fields(), &ours, first, rows).ok_or_else(|| not("its columns are others"))?;
    let has_our_columns = !is_first && *schema.fields() == fields(kind, Extra::new(&meta));
    Ok(Understood { kind, meta, is_first, has_our_columns, shapes })
}

/// What a schema says.
pub(super) struct Understood {
    pub(super) kind: Kind,
    pub(super) meta: Meta,
    /// Whether it is of the first format version.
    pub(super) is_first: bool,
    /// Whether batches of ours belong into the file.
    pub(super) has_our_columns: bool,
    /// How its columns are decoded.
    pub(super) shapes: Shapes,
}

/// The table whose calls need no `abi` in a recording of events.
pub(super) fn native_abi(meta: &Meta) -> Abi {
    if meta.arch == "aarch64" { Abi::Aarch64 } else { Abi::X86_64 }
}

/// What is added to `CLOCK_MONOTONIC` to get ns since 1970. Any value is exact: it is taken off again.
pub(super) fn clock_offset(meta: &Meta) -> u64 {
    meta.start_unix_ns.wrapping_sub(meta.start_ns)
}
