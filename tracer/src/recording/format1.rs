//! Files of the first format version: their columns, and a batch of them as one of ours. There a row had a column for
//! everything, empty or not, and lists that belong together lay side by side.

use arrow_schema::{DataType, Field, Fields};

use super::batch::{Batch, Column, Damage};
use super::buckets::Buckets;
use super::columns::{Ends, Flags, Lists, Numbers, Text};
use super::reader::nonsense;
use super::schema::{self, Kind, call, list, moment, row};

/// Columns of rows that every such file has; those from here on came later.
pub(super) const FIRST: usize = old::CHECK + 1;

mod old {
    pub(super) const KIND: usize = 0;
    pub(super) const TIME: usize = 1;
    pub(super) const SINCE: usize = 2;
    pub(super) const PID: usize = 3;
    pub(super) const PROCESS_START: usize = 4;
    pub(super) const COMM: usize = 5;
    pub(super) const COMM_BYTES: usize = 6;
    pub(super) const EXITED: usize = 7;
    pub(super) const TID: usize = 8;
    pub(super) const ABI: usize = 9;
    pub(super) const NR: usize = 10;
    pub(super) const SYSCALL: usize = 11;
    pub(super) const CALLS: usize = 12;
    pub(super) const ERRORS: usize = 13;
    pub(super) const INTERRUPTED: usize = 14;
    pub(super) const DENIED: usize = 15;
    pub(super) const NO_RETURN: usize = 16;
    pub(super) const DIED: usize = 17;
    pub(super) const TOTAL: usize = 18;
    pub(super) const MIN: usize = 19;
    pub(super) const MAX: usize = 20;
    pub(super) const ERRNOS: usize = 21;
    pub(super) const ERRNO_CALLS: usize = 22;
    pub(super) const BUCKETS: usize = 23;
    pub(super) const BUCKET_CALLS: usize = 24;
    pub(super) const COUNTER: usize = 25;
    pub(super) const VALUE: usize = 26;
    pub(super) const TEXT: usize = 27;
    pub(super) const CHECK: usize = 28;

    pub(super) const PPID: usize = 29;
    pub(super) const CMDLINE: usize = 30;
    pub(super) const CMDLINE_BYTES: usize = 31;
    pub(super) const CGROUP: usize = 32;
    pub(super) const THREAD_TIDS: usize = 33;
    pub(super) const THREAD_COMMS: usize = 34;
    pub(super) const ARGS: usize = 35;
    pub(super) const SLOW_TID: usize = 36;
    pub(super) const SLOW_SINCE: usize = 37;
    pub(super) const SLOW_NS: usize = 38;
    pub(super) const SLOW_RET: usize = 39;
    pub(super) const SIZED: usize = 40;
    pub(super) const BYTES: usize = 41;
    pub(super) const SMALL: usize = 42;
    pub(super) const ON_KINDS: usize = 43;
    pub(super) const ON_DEVS: usize = 44;
    pub(super) const ON_INODES: usize = 45;
    pub(super) const ON_FDS: usize = 46;
    pub(super) const ON_CALLS: usize = 47;
    pub(super) const ON_ERRORS: usize = 48;
    pub(super) const ON_TOTALS: usize = 49;
    pub(super) const ON_MAXIMA: usize = 50;
    pub(super) const ON_BYTES: usize = 51;
    pub(super) const ON_SPREADS: usize = 52;
    pub(super) const ON_BUCKETS: usize = 53;
    pub(super) const ON_BUCKET_CALLS: usize = 54;
    pub(super) const ON_NAMES: usize = 55;
    pub(super) const ON_OTHER_NAMES: usize = 56;
    pub(super) const ON_PEERS: usize = 57;
    pub(super) const ON_PEER_PIDS: usize = 58;
    pub(super) const ON_PEER_COMMS: usize = 59;
    pub(super) const SLOW_ON: usize = 60;
    pub(super) const NS_PID: usize = 61;
    pub(super) const OPERANDS: usize = 62;
    pub(super) const EXAMPLE_ERRNOS: usize = 63;
    pub(super) const EXAMPLES: usize = 64;
    pub(super) const EXAMPLE_CALLS: usize = 65;
    pub(super) const EXAMPLE_UNSURE: usize = 66;
}

/// The columns of a recording.
pub(super) fn fields(kind: Kind, args: bool) -> Fields {
    match kind {
        Kind::Intervals => row_fields(kind),
        Kind::Events => schema::call_fields(args, row_fields(kind)),
    }
}

fn row_fields(kind: Kind) -> Fields {
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

/// Columns that only have another place now.
const MOVED: [(usize, usize); 20] = [
    (old::KIND, row::KIND),
    (old::TIME, row::TIME),
    (old::PID, row::PID),
    (old::PROCESS_START, row::PROCESS_START),
    (old::COMM, row::COMM),
    (old::ABI, row::ABI),
    (old::NR, row::NR),
    (old::SYSCALL, row::SYSCALL),
    (old::CALLS, row::CALLS),
    (old::ERRORS, row::ERRORS),
    (old::INTERRUPTED, row::INTERRUPTED),
    (old::DENIED, row::DENIED),
    (old::NO_RETURN, row::NO_RETURN),
    (old::DIED, row::DIED),
    (old::TOTAL, row::TOTAL),
    (old::MIN, row::MIN),
    (old::MAX, row::MAX),
    (old::SIZED, row::SIZED),
    (old::BYTES, row::BYTES),
    (old::SMALL, row::SMALL),
];

/// Lists that say what calls were on, but for their latencies.
const ON: [usize; 14] = [
    old::ON_KINDS,
    old::ON_DEVS,
    old::ON_INODES,
    old::ON_FDS,
    old::ON_CALLS,
    old::ON_ERRORS,
    old::ON_TOTALS,
    old::ON_MAXIMA,
    old::ON_BYTES,
    old::ON_NAMES,
    old::ON_OTHER_NAMES,
    old::ON_PEERS,
    old::ON_PEER_PIDS,
    old::ON_PEER_COMMS,
];

/// Turns a batch into one of the present version.
pub(super) fn upgrade(batch: &mut Batch, kind: Kind, args: bool) -> Result<(), Damage> {
    match kind {
        Kind::Intervals => upgrade_rows(&mut batch.columns, batch.rows),
        Kind::Events => {
            let other = batch.columns.get_mut(call::other(args)).and_then(Column::structures_mut);
            let (columns, rows) = other.ok_or_else(nonsense)?;
            upgrade_rows(columns, rows)
        }
    }
}

fn upgrade_rows(columns: &mut Vec<Column>, rows: usize) -> Result<(), Damage> {
    let mut old = std::mem::take(columns);
    let found = Old { columns: &old, rows };
    let mut new = Vec::new();
    new.resize_with(row::COUNT, Column::default);
    new[row::LATENCIES] = found.latencies()?;
    new[row::CALL] = found.calls()?;
    new[row::PROCESS] = found.processes();
    new[row::NOTE] = found.notes();
    let on_latencies = found.on_latencies()?;
    new[row::ERRNOS] = nest(&mut old, &[old::ERRNOS, old::ERRNO_CALLS])?;
    let examples = [old::EXAMPLE_ERRNOS, old::EXAMPLES, old::EXAMPLE_CALLS, old::EXAMPLE_UNSURE];
    new[row::EXAMPLES] = nest(&mut old, &examples)?;
    new[row::ON] = nest(&mut old, &ON)?;
    if let Some((parts, _)) = new[row::ON].structures_mut() {
        parts.insert(schema::on::LATENCIES, on_latencies);
    }
    for (from, to) in MOVED {
        new[to] = std::mem::take(&mut old[from]);
    }
    *columns = new;
    Ok(())
}

/// Lists that lie side by side as one of structures.
fn nest(old: &mut [Column], parts: &[usize]) -> Result<Column, Damage> {
    let first = parts[0];
    if parts.iter().any(|&part| !old[part].is_as_long_as(&old[first])) {
        return Err(nonsense());
    }
    let columns = parts.iter().map(|&part| old[part].take_items()).collect();
    Ok(old[first].list_of(columns))
}

/// A batch, or the rows in one that are no call.
struct Old<'a> {
    columns: &'a [Column],
    rows: usize,
}

impl Old<'_> {
    fn column(&self, index: usize) -> &Column {
        &self.columns[index]
    }

    fn kind(&self, at: usize) -> &[u8] {
        self.column(old::KIND).bytes(at).unwrap_or_default()
    }

    fn latencies(&self) -> Result<Column, Damage> {
        let mut found = Buckets::default();
        for at in 0..self.rows {
            let buckets: &[u16] = self.column(old::BUCKETS).list(at);
            let calls: &[u64] = self.column(old::BUCKET_CALLS).list(at);
            if buckets.len() != calls.len()
                || buckets.windows(2).any(|pair| pair[0] >= pair[1])
                || calls.contains(&0)
            {
                return Err(nonsense());
            }
            buckets.iter().zip(calls).for_each(|(&bucket, &calls)| found.add(bucket, calls));
            found.end_row();
        }
        Ok(found.to_column())
    }

    /// The slowest calls and the open ones.
    fn calls(&self) -> Result<Column, Damage> {
        let mut ends = Ends::default();
        let (mut tid, mut since) = (Numbers::<u32>::default(), Numbers::<i64>::default());
        let (mut latency, mut ret) = (Numbers::<u64>::default(), Numbers::<i64>::default());
        let mut args = Lists::<u64>::default();
        let (mut on, mut operands) = (Numbers::<u32>::default(), Text::default());
        for at in 0..self.rows {
            let is_open = self.kind(at) == b"in_flight";
            let (tids, moments) =
                if is_open { (old::TID, old::SINCE) } else { (old::SLOW_TID, old::SLOW_SINCE) };
            let of: Option<u32> = self.column(tids).number(at);
            let took: Option<u64> = self.column(old::SLOW_NS).number(at);
            if is_open || of.is_some() || took.is_some() {
                let entered: Option<i64> = self.column(moments).number(at).filter(|_| of.is_some());
                if of.is_some() != entered.is_some() {
                    return Err(nonsense());
                }
                tid.push(of.unwrap_or(0));
                since.push_option(entered);
                latency.push_option(took);
                ret.push_option(self.column(old::SLOW_RET).number(at));
                self.column(old::ARGS).list(at).iter().for_each(|&arg: &u64| args.add(arg));
                args.end_row();
                on.push_option(self.column(old::SLOW_ON).number(at));
                push(&mut operands, self.column(old::OPERANDS).bytes(at));
            }
            ends.push(tid.items());
        }
        Ok(ends.to_column(vec![
            tid.to_column(),
            since.to_column(),
            latency.to_column(),
            ret.to_column(),
            args.to_column(),
            on.to_column(),
            operands.to_column(),
        ]))
    }

    fn processes(&self) -> Column {
        let (mut ends, mut threads) = (Ends::default(), Ends::default());
        let (mut since, mut exited) = (Numbers::<i64>::default(), Flags::default());
        let (mut ppid, mut ns_pid) = (Numbers::<u32>::default(), Numbers::<u32>::default());
        let mut texts: [(usize, Text); 4] = [old::COMM_BYTES, old::CMDLINE, old::CMDLINE_BYTES, old::CGROUP]
            .map(|index| (index, Text::default()));
        let (mut tids, mut comms) = (Numbers::<u32>::default(), Text::default());
        for at in 0..self.rows {
            if self.kind(at) == b"process" || self.column(old::COMM_BYTES).bytes(at).is_some() {
                since.push_option(self.column(old::SINCE).number(at));
                exited.push(self.column(old::EXITED).flag(at));
                ppid.push_option(self.column(old::PPID).number(at));
                ns_pid.push_option(self.column(old::NS_PID).number(at));
                for (index, text) in &mut texts {
                    push(text, self.column(*index).bytes(at));
                }
                let names = self.column(old::THREAD_COMMS);
                let (start, end) = names.range(at);
                self.column(old::THREAD_TIDS).list(at).iter().for_each(|&tid: &u32| tids.push(tid));
                (start..end).for_each(|place| push(&mut comms, names.item_bytes(place)));
                threads.push(tids.items());
            }
            ends.push(since.items());
        }
        let [comm_bytes, cmdline, cmdline_bytes, cgroup] = texts.map(|(_, text)| text.to_column());
        ends.to_column(vec![
            since.to_column(),
            exited.to_column(),
            comm_bytes,
            ppid.to_column(),
            ns_pid.to_column(),
            cmdline,
            cmdline_bytes,
            cgroup,
            threads.to_column(vec![tids.to_column(), comms.to_column()]),
        ])
    }

    fn notes(&self) -> Column {
        let (mut ends, mut text) = (Ends::default(), Text::default());
        let (mut value, mut check) = (Numbers::<u64>::default(), Numbers::<u64>::default());
        let mut since = Numbers::<i64>::default();
        for at in 0..self.rows {
            let said = self.column(old::COUNTER).bytes(at).or_else(|| self.column(old::TEXT).bytes(at));
            let number: Option<u64> = self.column(old::VALUE).number(at);
            if said.is_some() || number.is_some() {
                push(&mut text, said);
                value.push_option(number);
                since.push_option(self.column(old::SINCE).number(at));
                check.push_option(self.column(old::CHECK).number(at));
            }
            ends.push(value.items());
        }
        ends.to_column(vec![text.to_column(), value.to_column(), since.to_column(), check.to_column()])
    }

    /// For each file the calls by bucket, which lay one behind the other for all files of a row.
    fn on_latencies(&self) -> Result<Column, Damage> {
        let (buckets, calls) = (self.column(old::ON_BUCKETS), self.column(old::ON_BUCKET_CALLS));
        let spreads = self.column(old::ON_SPREADS);
        if !spreads.is_as_long_as(self.column(old::ON_KINDS)) || !buckets.is_as_long_as(calls) {
            return Err(nonsense());
        }
        let mut ends = Ends::default();
        let (mut found, mut counts) = (Numbers::<u16>::default(), Numbers::<u64>::default());
        let mut end = 0;
        for at in 0..self.rows {
            for &spread in spreads.list::<u16>(at) {
                end += usize::from(spread);
                ends.push(end);
            }
            found.extend(buckets.list::<u16>(at).iter().copied());
            counts.extend(calls.list::<u64>(at).iter().copied());
            if found.items() != end {
                return Err(nonsense());
            }
        }
        Ok(ends.to_column(vec![found.to_column(), counts.to_column()]))
    }
}

fn push(column: &mut Text, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => column.push(bytes),
        None => column.push_null(),
    }
}
