//! Checksums that any tool can compute: FNV-1a with 64 bits.

use super::Kind;
use super::single::SLOW_NS;
use crate::interval::stacks::Figures;
use crate::interval::{Cell, CellKey, InFlight, Interval, On, OnFile, SlowCall};
use crate::process::{ProcessId, ProcessInfo};

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Of bytes.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// FNV-1a over 64-bit words instead of bytes.
#[derive(Clone, Copy)]
struct Words(u64);

impl Words {
    #[inline]
    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(PRIME);
    }

    /// Their number, then eight in a word, the last ones with zeros behind them.
    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn words(&mut self, words: &[u64]) {
        self.word(words.len() as u64);
        for &word in words {
            self.word(word);
        }
    }

    fn process(&mut self, id: ProcessId) {
        self.word(u64::from(id.pid));
        self.word(id.start_ns);
    }
}

/// What the checksum of an interval covers in a recording. It is a sum over rows, so that their order does not matter,
/// and finds what the checksum of a buffer cannot: a row that is missing, or events that a later version would fold
/// differently.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    /// Figures only, each a word of its own.
    pub(super) is_first: bool,
    pub(super) kind: Kind,
    /// Whether rows have what arguments tell.
    pub(super) args: bool,
    /// Whether rows have where slow calls were made.
    pub(super) stacks: bool,
}

impl Check {
    /// Of everything in an interval but its ledger.
    pub(super) fn interval(self, interval: &Interval) -> u64 {
        let cells = interval.cells.iter().map(|(key, cell)| self.cell(key, cell));
        let processes = interval.processes.iter().map(|(id, info)| self.process(*id, info));
        let open = interval.in_flight.iter().map(|open| self.open(open));
        cells.chain(processes).chain(open).fold(0, u64::wrapping_add)
    }

    /// Whether rows are covered as a whole. Those of events have in part what single calls tell.
    fn covers_rows(self) -> bool {
        !self.is_first && self.kind == Kind::Intervals
    }

    /// The part of one cell.
    pub(super) fn cell(self, key: &CellKey, cell: &Cell) -> u64 {
        let mut hash = Words(BASIS);
        hash.process(key.process);
        hash.word(key.call.abi as u64);
        hash.word(u64::from(key.call.nr as u32));
        hash.word(cell.calls);
        hash.word(cell.interrupted);
        hash.word(cell.denied);
        hash.word(cell.no_return);
        hash.word(cell.died);
        hash.word(cell.total_ns);
        hash.word(cell.min_ns);
        hash.word(cell.max_ns);
        for (&errno, &calls) in &cell.errors {
            hash.word(u64::from(errno));
            hash.word(calls);
        }
        if self.is_first {
            for (bucket, calls) in cell.latencies.indexed() {
                hash.word(bucket as u64);
                hash.word(calls);
            }
            return hash.0;
        }
        for (bucket, calls) in cell.latencies.indexed() {
            hash.word(calls.wrapping_mul(1 << 11).wrapping_add(bucket as u64));
        }
        hash.words(&[cell.sizes.calls, cell.sizes.bytes, cell.sizes.small]);
        if self.covers_rows() {
            self.single_calls(&mut hash, cell);
        }
        hash.0
    }

    fn single_calls(self, hash: &mut Words, cell: &Cell) {
        if let Some(slow) = cell.slowest.first().filter(|slow| slow.latency_ns >= SLOW_NS) {
            self.slow(hash, slow);
        }
        if self.args {
            cell.on.iter().for_each(|file| on_file(hash, file));
            for example in cell.examples.iter() {
                hash.words(&[u64::from(example.errno), example.calls, example.unsure]);
                hash.bytes(&example.on);
            }
        }
        if self.stacks {
            for stack in cell.stacks.iter() {
                let Figures { calls, total_ns, max_ns } = stack.figures;
                hash.words(&[stack.frames.len() as u64, calls, total_ns, max_ns]);
                stack.frames.iter().for_each(|frame| hash.bytes(frame.as_bytes()));
            }
        }
    }

    fn slow(self, hash: &mut Words, slow: &SlowCall) {
        hash.words(&[slow.latency_ns, slow.enter_ns, u64::from(slow.tid), slow.ret as u64]);
        hash.words(slow.args.as_ref().map_or(&[], |args| &args[..]));
        if self.args {
            hash.bytes(slow.operands.as_deref().unwrap_or_default());
        }
    }

    /// The part of one process; 0 where it is not covered.
    pub(super) fn process(self, id: ProcessId, info: &ProcessInfo) -> u64 {
        if !self.covers_rows() {
            return 0;
        }
        let mut hash = Words(BASIS);
        hash.process(id);
        hash.bytes(info.comm.as_bytes());
        hash.words(&[info.as_of_ns, u64::from(info.exited)]);
        if let Some(who) = &info.who {
            hash.words(&[u64::from(who.ppid), u64::from(who.ns_pid)]);
            hash.bytes(&who.cmdline);
            hash.bytes(who.cgroup.as_bytes());
            // Not its names: they came later, and a tool of before, which passes them over, must find the same sum. Nor whether
            // it had a ring.
        }
        for (&tid, comm) in info.threads.iter() {
            hash.word(u64::from(tid));
            hash.bytes(comm.as_bytes());
        }
        hash.0
    }

    /// The part of one open call; 0 where it is not covered.
    pub(super) fn open(self, open: &InFlight) -> u64 {
        if !self.covers_rows() {
            return 0;
        }
        let mut hash = Words(BASIS);
        hash.process(open.process);
        let call = [u64::from(open.tid), open.call.abi as u64, u64::from(open.call.nr as u32)];
        hash.words(&call);
        hash.words(&[open.enter_ns, u64::from(open.before_attach)]);
        hash.words(open.args.as_ref().map_or(&[], |args| &args[..]));
        if self.args {
            if let Some(On { fd, file, names }) = &open.on {
                on_file(&mut hash, &OnFile { names: names.clone(), ..OnFile::new(*file, *fd) });
            }
            hash.bytes(open.operands.as_deref().unwrap_or_default());
        }
        hash.0
    }

    /// The part of one counter of the ledger; 0 where it is not covered.
    pub(super) fn ledger(self, counter: &str, value: u64) -> u64 {
        if !self.covers_rows() {
            return 0;
        }
        let mut hash = Words(BASIS);
        hash.bytes(counter.as_bytes());
        hash.word(value);
        hash.0
    }
}

fn on_file(hash: &mut Words, row: &OnFile) {
    let fd = row.fd.unwrap_or(-1) as u32;
    hash.words(&[row.file.kind as u64, u64::from(row.file.dev), row.file.ino, u64::from(fd)]);
    hash.words(&[row.calls, row.errors, row.total_ns, row.max_ns, row.bytes]);
    for &(bucket, calls) in &row.latencies {
        hash.word(u64::from(bucket));
        hash.word(calls);
    }
    let Some(known) = row.names.known.as_deref() else { return };
    hash.bytes(&known.name);
    hash.word(u64::from(row.names.has_others));
    if let Some(peer) = &known.peer {
        hash.bytes(&peer.address);
        if let Some((pid, comm)) = &peer.process {
            hash.word(u64::from(*pid));
            hash.bytes(comm.as_bytes());
        }
    }
}
