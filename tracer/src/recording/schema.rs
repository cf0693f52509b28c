//! The columns of both kinds of recording and the metadata before them.
//!
//! The order of columns is part of the format: later versions add columns at the end only, and a reader takes
//! those that it knows from the front.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Metadata, Schema, TimeUnit};
use tracer_common::abi::Abi;
use tracer_common::bucket::{GROUPING_POWER, MAX_VALUE_POWER};

use super::ReadError;
use super::verify::fnv1a;
use crate::run::Meta;

/// Version of the format that is written, and the latest that is read.
pub const FORMAT_VERSION: u32 = 1;

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

/// Columns of an interval recording, and of the rows that are no call in a recording of events.
pub(super) mod row {
    pub(in crate::recording) const KIND: usize = 0;
    pub(in crate::recording) const TIME: usize = 1;
    pub(in crate::recording) const SINCE: usize = 2;
    pub(in crate::recording) const PID: usize = 3;
    pub(in crate::recording) const PROCESS_START: usize = 4;
    pub(in crate::recording) const COMM: usize = 5;
    pub(in crate::recording) const COMM_BYTES: usize = 6;
    pub(in crate::recording) const EXITED: usize = 7;
    pub(in crate::recording) const TID: usize = 8;
    pub(in crate::recording) const ABI: usize = 9;
    pub(in crate::recording) const NR: usize = 10;
    pub(in crate::recording) const CALLS: usize = 12;
    pub(in crate::recording) const ERRORS: usize = 13;
    pub(in crate::recording) const INTERRUPTED: usize = 14;
    pub(in crate::recording) const DENIED: usize = 15;
    pub(in crate::recording) const NO_RETURN: usize = 16;
    pub(in crate::recording) const DIED: usize = 17;
    pub(in crate::recording) const TOTAL: usize = 18;
    pub(in crate::recording) const MIN: usize = 19;
    pub(in crate::recording) const MAX: usize = 20;
    pub(in crate::recording) const ERRNOS: usize = 21;
    pub(in crate::recording) const ERRNO_CALLS: usize = 22;
    pub(in crate::recording) const BUCKETS: usize = 23;
    pub(in crate::recording) const BUCKET_CALLS: usize = 24;
    pub(in crate::recording) const COUNTER: usize = 25;
    pub(in crate::recording) const VALUE: usize = 26;
    pub(in crate::recording) const TEXT: usize = 27;
    pub(in crate::recording) const CHECK: usize = 28;

    /// Columns that every recording has; those from here on came later.
    pub(in crate::recording) const FIRST: usize = CHECK + 1;

    pub(in crate::recording) const PPID: usize = 29;
    pub(in crate::recording) const CMDLINE: usize = 30;
    pub(in crate::recording) const CMDLINE_BYTES: usize = 31;
    pub(in crate::recording) const CGROUP: usize = 32;
    pub(in crate::recording) const THREAD_TIDS: usize = 33;
    pub(in crate::recording) const THREAD_COMMS: usize = 34;
    pub(in crate::recording) const ARGS: usize = 35;
    pub(in crate::recording) const SLOW_TID: usize = 36;
    pub(in crate::recording) const SLOW_SINCE: usize = 37;
    pub(in crate::recording) const SLOW_NS: usize = 38;
    pub(in crate::recording) const SLOW_RET: usize = 39;
    pub(in crate::recording) const SIZED: usize = 40;
    pub(in crate::recording) const BYTES: usize = 41;
    pub(in crate::recording) const SMALL: usize = 42;
    pub(in crate::recording) const ON_KINDS: usize = 43;
    pub(in crate::recording) const ON_DEVS: usize = 44;
    pub(in crate::recording) const ON_INODES: usize = 45;
    pub(in crate::recording) const ON_FDS: usize = 46;
    pub(in crate::recording) const ON_CALLS: usize = 47;
    pub(in crate::recording) const ON_ERRORS: usize = 48;
    pub(in crate::recording) const ON_TOTALS: usize = 49;
    pub(in crate::recording) const ON_MAXIMA: usize = 50;
    pub(in crate::recording) const ON_BYTES: usize = 51;
    pub(in crate::recording) const ON_SPREADS: usize = 52;
    pub(in crate::recording) const ON_BUCKETS: usize = 53;
    pub(in crate::recording) const ON_BUCKET_CALLS: usize = 54;
    pub(in crate::recording) const ON_NAMES: usize = 55;
    pub(in crate::recording) const ON_OTHER_NAMES: usize = 56;
    pub(in crate::recording) const ON_PEERS: usize = 57;
    pub(in crate::recording) const ON_PEER_PIDS: usize = 58;
    pub(in crate::recording) const ON_PEER_COMMS: usize = 59;
    pub(in crate::recording) const SLOW_ON: usize = 60;
    pub(in crate::recording) const NS_PID: usize = 61;
    pub(in crate::recording) const OPERANDS: usize = 62;
    pub(in crate::recording) const EXAMPLE_ERRNOS: usize = 63;
    pub(in crate::recording) const EXAMPLES: usize = 64;
    pub(in crate::recording) const EXAMPLE_CALLS: usize = 65;
    pub(in crate::recording) const EXAMPLE_UNSURE: usize = 66;
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
fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC")))
}

fn list(items: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", items, false)))
}

fn row_fields(kind: Kind) -> Fields {
    // In a recording of events these figures are what the calls in rows of their own do not hold.
    let count = match kind {
        Kind::Intervals => DataType::UInt64,
        Kind::Events => DataType::Int64,
    };
    let counts = || list(count.clone());
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    Fields::from(vec![
        Field::new("kind", DataType::Utf8, false),
        field("time", moment()),
        field("since", moment()),
        field("pid", DataType::UInt32),
        field("process_start_ns", DataType::UInt64),
        field("comm", DataType::Utf8),
        field("comm_bytes", DataType::Binary),
        field("exited", DataType::Boolean),
        field("tid", DataType::UInt32),
        field("abi", DataType::Utf8),
        field("nr", DataType::Int32),
        field("syscall", DataType::Utf8),
        field("calls", count.clone()),
        field("errors", count.clone()),
        field("interrupted", count.clone()),
        field("denied", count.clone()),
        field("no_return", count.clone()),
        field("died", count.clone()),
        field("total_ns", count.clone()),
        field("min_ns", DataType::UInt64),
        field("max_ns", DataType::UInt64),
        Field::new("errnos", list(DataType::UInt16), false),
        Field::new("errno_calls", counts(), false),
        Field::new("buckets", list(DataType::UInt16), false),
        Field::new("bucket_calls", counts(), false),
        field("counter", DataType::Utf8),
        field("value", DataType::UInt64),
        field("text", DataType::Utf8),
        field("check", DataType::UInt64),
        field("ppid", DataType::UInt32),
        field("cmdline", DataType::Utf8),
        field("cmdline_bytes", DataType::Binary),
        field("cgroup", DataType::Utf8),
        Field::new("thread_tids", list(DataType::UInt32), false),
        Field::new("thread_comms", list(DataType::Binary), false),
        Field::new("args", list(DataType::UInt64), false),
        field("slow_tid", DataType::UInt32),
        field("slow_since", moment()),
        field("slow_ns", DataType::UInt64),
        field("slow_ret", DataType::Int64),
        field("sized", count.clone()),
        field("bytes", count.clone()),
        field("small", count.clone()),
        Field::new("on_kinds", list(DataType::UInt16), false),
        Field::new("on_devices", list(DataType::UInt32), false),
        Field::new("on_inodes", list(DataType::UInt64), false),
        Field::new("on_fds", list(DataType::Int32), false),
        Field::new("on_calls", list(DataType::UInt64), false),
        Field::new("on_errors", list(DataType::UInt64), false),
        Field::new("on_total_ns", list(DataType::UInt64), false),
        Field::new("on_max_ns", list(DataType::UInt64), false),
        Field::new("on_bytes", list(DataType::UInt64), false),
        Field::new("on_spreads", list(DataType::UInt16), false),
        Field::new("on_buckets", list(DataType::UInt16), false),
        Field::new("on_bucket_calls", list(DataType::UInt64), false),
        Field::new("on_names", list(DataType::Binary), false),
        Field::new("on_other_names", list(DataType::UInt16), false),
        Field::new("on_peers", list(DataType::Binary), false),
        Field::new("on_peer_pids", list(DataType::UInt32), false),
        Field::new("on_peer_comms", list(DataType::Binary), false),
        field("slow_on", DataType::UInt32),
        field("ns_pid", DataType::UInt32),
        field("operands", DataType::Binary),
        Field::new("example_errnos", list(DataType::UInt16), false),
        Field::new("examples", list(DataType::Binary), false),
        Field::new("example_calls", list(DataType::UInt64), false),
        Field::new("example_unsure", list(DataType::UInt64), false),
    ])
}

/// The columns of a recording.
pub(super) fn fields(kind: Kind, args: bool) -> Fields {
    if kind == Kind::Intervals {
        return row_fields(kind);
    }
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
    fields.push(Arc::new(Field::new("other", list(DataType::Struct(row_fields(kind))), false)));
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
    Schema::new(fields(kind, meta.args)).with_metadata(metadata)
}

/// What a schema says, if it is that of a recording we can read.
pub(super) fn understand(schema: &Schema) -> Result<(Kind, Meta), ReadError> {
    let not = |why: &str| ReadError::NotARecording { why: why.to_owned() };
    let text = |key: &str| schema.metadata().get(key).map(String::as_str);
    let format = text(FORMAT).ok_or_else(|| not("an Arrow stream of something else"))?;
    let found: u32 = format.parse().map_err(|_| not("its format version is no number"))?;
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
    let first = match kind {
        Kind::Intervals => row::FIRST,
        Kind::Events => call::other(meta.args) + 1,
    };
    if !begins_with(schema.fields(), &fields(kind, meta.args), first) {
        return Err(not("its columns are others"));
    }
    Ok((kind, meta))
}

/// Whether the file's columns are ours: all of the first ones, as many as it has of those that came later, and
/// whatever came after us.
fn begins_with(found: &Fields, ours: &Fields, first: usize) -> bool {
    found.len() >= first && found.iter().zip(ours).all(|(found, ours)| same(found, ours))
}

fn same(found: &Field, ours: &Field) -> bool {
    found.name() == ours.name()
        && found.is_nullable() == ours.is_nullable()
        && match (found.data_type(), ours.data_type()) {
            (DataType::List(found), DataType::List(ours)) => same(found, ours),
            (DataType::Struct(found), DataType::Struct(ours)) => begins_with(found, ours, row::FIRST),
            (found, ours) => found == ours,
        }
}

/// The table whose calls need no `abi` in a recording of events.
pub(super) fn native_abi(meta: &Meta) -> Abi {
    if meta.arch == "aarch64" { Abi::Aarch64 } else { Abi::X86_64 }
}

/// What is added to `CLOCK_MONOTONIC` to get ns since 1970. Any value is exact: it is taken off again.
pub(super) fn clock_offset(meta: &Meta) -> u64 {
    meta.start_unix_ns.wrapping_sub(meta.start_ns)
}
