//! Apache Parquet, zstd: one row for each (interval, process, syscall), or for each call. Counters carry no
//! dictionary: it costs memory and saves nothing on numbers that hardly repeat.
//!
//! Both kinds have `calls`, `errors` and `total_ns`, so the same sums by syscall hold for both.

use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::schema::types::ColumnPath;
use arrow_array::builder::{
    BinaryBuilder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, TimestampNanosecondBuilder,
    UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::{Call, Rest, Sink, args_of, ended, errno_of, latency_ns, ordered, ret_of};
use crate::human::safe_text;
use crate::interval::{Cell, CellKey};
use crate::process::Comm;
use crate::recording::{Kind, Mark};
use crate::run::Meta;
use crate::snapshot::CallStats;
use crate::syscalls::{self, errno};

/// Rows that are gathered before they are written: what is in memory.
const BATCH_ROWS: usize = 1 << 14;
/// Bytes of operands, which may be long, that are as much as a full batch.
const BATCH_BYTES: usize = 8 << 20;

pub(super) struct Parquet {
    /// Until the first recording says which columns there are.
    out: Option<Box<dyn Write + Send>>,
    writer: Option<ArrowWriter<Box<dyn Write + Send>>>,
    kind: Kind,
    args: bool,
    host: String,
    to_unix_ns: i128,
    rows: Rows,
}

/// Columns under construction.
#[derive(Default)]
struct Rows {
    len: usize,
    host: StringBuilder,
    start: TimestampNanosecondBuilder,
    end: TimestampNanosecondBuilder,
    pid: UInt32Builder,
    process_start_ns: UInt64Builder,
    comm: StringBuilder,
    tid: UInt32Builder,
    abi: StringBuilder,
    nr: Int32Builder,
    syscall: StringBuilder,
    ended: StringBuilder,
    ret: Int64Builder,
    errno: StringBuilder,
    args: [UInt64Builder; 6],
    operands: BinaryBuilder,
    calls: UInt64Builder,
    errors: UInt64Builder,
    interrupted: UInt64Builder,
    denied: UInt64Builder,
    no_return: UInt64Builder,
    died: UInt64Builder,
    total_ns: UInt64Builder,
    min_ns: UInt64Builder,
    max_ns: UInt64Builder,
    quantiles: [UInt64Builder; 4],
    errnos: ListBuilder<StringBuilder>,
    errno_calls: ListBuilder<UInt64Builder>,
    bucket_high_ns: ListBuilder<UInt64Builder>,
    bucket_calls: ListBuilder<UInt64Builder>,
}

const QUANTILES: [(&str, f64); 4] = [("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99), ("p999_ns", 0.999)];
const ARGS: [&str; 6] = ["arg0", "arg1", "arg2", "arg3", "arg4", "arg5"];

fn schema(kind: Kind, args: bool) -> SchemaRef {
    let moment = || DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let list = |items| DataType::List(Arc::new(Field::new("item", items, true)));
    let mut fields = vec![
        ("host", DataType::Utf8),
        ("start_time", moment()),
        ("end_time", moment()),
        ("pid", DataType::UInt32),
        ("process_start_ns", DataType::UInt64),
        ("comm", DataType::Utf8),
        ("abi", DataType::Utf8),
        ("nr", DataType::Int32),
        ("syscall", DataType::Utf8),
        ("calls", DataType::UInt64),
        ("errors", DataType::UInt64),
        ("interrupted", DataType::UInt64),
        ("denied", DataType::UInt64),
        ("no_return", DataType::UInt64),
        ("died", DataType::UInt64),
        ("total_ns", DataType::UInt64),
    ];
    match kind {
        Kind::Events => {
            fields.extend([
                ("tid", DataType::UInt32),
                ("ended", DataType::Utf8),
                ("ret", DataType::Int64),
                ("errno", DataType::Utf8),
            ]);
            if args {
                fields.extend(ARGS.map(|name| (name, DataType::UInt64)));
                fields.push(("operands", DataType::Binary));
            }
        }
        Kind::Intervals => {
            fields.extend([("min_ns", DataType::UInt64), ("max_ns", DataType::UInt64)]);
            fields.extend(QUANTILES.map(|(name, _)| (name, DataType::UInt64)));
            fields.extend([
                ("errnos", list(DataType::Utf8)),
                ("errno_calls", list(DataType::UInt64)),
                ("bucket_high_ns", list(DataType::UInt64)),
                ("bucket_calls", list(DataType::UInt64)),
            ]);
        }
    }
    Arc::new(Schema::new(fields.into_iter().map(|(name, of)| Field::new(name, of, true)).collect::<Vec<_>>()))
}

/// Text columns repeat a few names; everything else is written as it is.
fn properties(schema: &Schema, meta: &Meta) -> io::Result<WriterProperties> {
    let level = ZstdLevel::try_new(3).map_err(io::Error::other)?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_enabled(false)
        .set_created_by(format!("tracer {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![KeyValue::new(
            "tracer.meta".to_owned(),
            serde_json::to_string(meta).unwrap_or_default(),
        )]));
    for field in schema.fields().iter().filter(|field| field.data_type() == &DataType::Utf8) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), true);
    }
    Ok(properties.build())
}

impl Parquet {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self {
            out: Some(out),
            writer: None,
            kind: Kind::Intervals,
            args: false,
            host: String::new(),
            to_unix_ns: 0,
            rows: Rows::default(),
        }
    }

    fn unix(&self, ns: u64) -> i64 {
        i64::try_from(i128::from(ns) + self.to_unix_ns).unwrap_or(i64::MAX)
    }

    /// What all rows begin with.
    fn subject(&mut self, key: CellKey, comm: Comm, start_ns: u64, end_ns: u64) {
        let (start, end) = (self.unix(start_ns), self.unix(end_ns));
        let rows = &mut self.rows;
        rows.host.append_value(&self.host);
        rows.start.append_value(start);
        rows.end.append_value(end);
        rows.pid.append_value(key.process.pid);
        rows.process_start_ns.append_value(key.process.start_ns);
        rows.comm.append_value(safe_text(comm.as_bytes()));
        rows.abi.append_value(key.call.abi.name());
        rows.nr.append_value(key.call.nr);
        rows.syscall.append_value(syscalls::name(key.call));
    }

    fn row_added(&mut self) -> io::Result<()> {
        self.rows.len += 1;
        let is_full = self.rows.len >= BATCH_ROWS || self.rows.operands.values_slice().len() >= BATCH_BYTES;
        if is_full { self.write_batch() } else { Ok(()) }
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if std::mem::take(&mut self.rows.len) == 0 {
            return Ok(());
        }
        let schema = schema(self.kind, self.args);
        let columns = self.rows.take(self.kind, self.args);
        let batch = RecordBatch::try_new(schema, columns).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)
    }
}

impl Rows {
    fn counts(&mut self, cell: &Cell) {
        self.calls.append_value(cell.calls);
        self.errors.append_value(cell.error_count());
        self.interrupted.append_value(cell.interrupted);
        self.denied.append_value(cell.denied);
        self.no_return.append_value(cell.no_return);
        self.died.append_value(cell.died);
        self.total_ns.append_value(cell.total_ns);
    }

    /// The columns in the order of [`schema`].
    fn take(&mut self, kind: Kind, args: bool) -> Vec<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.host.finish()),
            Arc::new(self.start.finish().with_timezone("UTC")),
            Arc::new(self.end.finish().with_timezone("UTC")),
            Arc::new(self.pid.finish()),
            Arc::new(self.process_start_ns.finish()),
            Arc::new(self.comm.finish()),
            Arc::new(self.abi.finish()),
            Arc::new(self.nr.finish()),
            Arc::new(self.syscall.finish()),
            Arc::new(self.calls.finish()),
            Arc::new(self.errors.finish()),
            Arc::new(self.interrupted.finish()),
            Arc::new(self.denied.finish()),
            Arc::new(self.no_return.finish()),
            Arc::new(self.died.finish()),
            Arc::new(self.total_ns.finish()),
        ];
        match kind {
            Kind::Events => {
                columns.push(Arc::new(self.tid.finish()));
                columns.push(Arc::new(self.ended.finish()));
                columns.push(Arc::new(self.ret.finish()));
                columns.push(Arc::new(self.errno.finish()));
                if args {
                    columns.extend(self.args.iter_mut().map(|arg| Arc::new(arg.finish()) as ArrayRef));
                    columns.push(Arc::new(self.operands.finish()));
                }
            }
            Kind::Intervals => {
                columns.push(Arc::new(self.min_ns.finish()));
                columns.push(Arc::new(self.max_ns.finish()));
                columns.extend(self.quantiles.iter_mut().map(|at| Arc::new(at.finish()) as ArrayRef));
                columns.push(Arc::new(self.errnos.finish()));
                columns.push(Arc::new(self.errno_calls.finish()));
                columns.push(Arc::new(self.bucket_high_ns.finish()));
                columns.push(Arc::new(self.bucket_calls.finish()));
            }
        }
        columns
    }
}

impl Sink for Parquet {
    fn begin(&mut self, meta: &Meta, kind: Kind) -> io::Result<()> {
        self.write_batch()?;
        self.host = safe_text(meta.host.as_bytes());
        self.to_unix_ns = i128::from(meta.start_unix_ns) - i128::from(meta.start_ns);
        if let Some(out) = self.out.take() {
            (self.kind, self.args) = (kind, kind == Kind::Events && meta.args);
            let schema = schema(self.kind, self.args);
            let properties = properties(&schema, meta)?;
            self.writer =
                Some(ArrowWriter::try_new(out, schema, Some(properties)).map_err(io::Error::other)?);
        }
        Ok(())
    }

    fn call(&mut self, call: &Call<'_>) -> io::Result<()> {
        let event = call.event;
        let latency = latency_ns(event);
        let end_ns = call.enter_ns.saturating_add(latency.unwrap_or(0));
        self.subject(CellKey { process: call.process, call: event.call }, call.comm, call.enter_ns, end_ns);
        let errno = errno_of(event);
        let word = ended(event);
        let is = |wanted: &str| u64::from(word == wanted);
        let rows = &mut self.rows;
        rows.calls.append_value(1);
        rows.errors.append_value(u64::from(errno.is_some()));
        rows.interrupted.append_value(is("interrupted"));
        rows.denied.append_value(is("denied"));
        rows.no_return.append_value(is("no_return"));
        rows.died.append_value(is("died"));
        rows.total_ns.append_value(latency.unwrap_or(0));
        rows.tid.append_value(event.tid);
        rows.ended.append_value(word);
        rows.ret.append_option(ret_of(event));
        rows.errno.append_option(errno.map(errno::name));
        if self.args {
            let args = args_of(event).unwrap_or_default();
            for (index, column) in rows.args.iter_mut().enumerate() {
                column.append_option(args.get(index).copied());
            }
            rows.operands.append_option(call.operands);
        }
        self.row_added()
    }

    fn rest(&mut self, rest: &Rest<'_>) -> io::Result<()> {
        let interval = rest.interval;
        for (&key, cell) in ordered(interval) {
            self.subject(key, rest.names.name(key.process), interval.start_ns, interval.end_ns);
            let rows = &mut self.rows;
            rows.counts(cell);
            if self.kind == Kind::Events {
                // Calls that were counted and not recorded one by one.
                rows.tid.append_null();
                rows.ended.append_null();
                rows.ret.append_null();
                rows.errno.append_null();
                if self.args {
                    rows.args.iter_mut().for_each(UInt64Builder::append_null);
                    rows.operands.append_null();
                }
            } else {
                let stats = CallStats {
                    min_ns: cell.min_ns,
                    max_ns: cell.max_ns,
                    latencies: Arc::clone(&cell.latencies),
                    ..CallStats::default()
                };
                let completed = !cell.latencies.is_empty();
                rows.min_ns.append_option(completed.then_some(cell.min_ns));
                rows.max_ns.append_option(completed.then_some(cell.max_ns));
                for (column, (_, at)) in rows.quantiles.iter_mut().zip(QUANTILES) {
                    column.append_option(stats.quantile_ns(at));
                }
                for (&errno, &count) in &cell.errors {
                    rows.errnos.values().append_value(errno::name(errno));
                    rows.errno_calls.values().append_value(count);
                }
                for bucket in cell.latencies.buckets() {
                    rows.bucket_high_ns.values().append_value(bucket.high_ns);
                    rows.bucket_calls.values().append_value(bucket.count);
                }
                rows.errnos.append(true);
                rows.errno_calls.append(true);
                rows.bucket_high_ns.append(true);
                rows.bucket_calls.append(true);
            }
            self.row_added()?;
        }
        Ok(())
    }

    fn mark(&mut self, _: &Mark) -> io::Result<()> {
        // A table of calls has no place for it.
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_batch()?;
        match self.writer.take() {
            Some(writer) => {
                let mut out = writer.into_inner().map_err(io::Error::other)?;
                out.flush()
            }
            None => Ok(()),
        }
    }
}
