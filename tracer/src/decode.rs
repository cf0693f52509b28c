//! Bytes from a ring into records. Total: any bytes give a record or an error, never a panic.

use tracer_common::abi::Abi;
use tracer_common::outcome::{Outcome, classify};
use tracer_common::record::{CALL_BYTES_WITHOUT_ARGS, CallRecord, FileRecord, ProcessRecord, kind};

use crate::file::FileId;
use crate::interval::CallKey;
use crate::operand::{self, OperandsEvent};
use crate::process::Comm;
use crate::stack::{self, StackEvent};

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// What the call that comes next operates on.
    Operands(OperandsEvent<'a>),
    /// Where the call that comes next was made.
    Stack(StackEvent<'a>),
    /// A call.
    Call(CallEvent),
    /// News of a process.
    Process(ProcessEvent),
}

/// One call, as far as it could be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEvent {
    /// The syscall.
    pub call: CallKey,
    /// Process, in the initial PID namespace.
    pub tgid: u32,
    /// Thread, as the tracer's PID namespace shows it.
    pub tid: u32,
    /// `CLOCK_MONOTONIC` at enter; 0 for [`End::Denied`].
    pub enter_ns: u64,
    /// How it ended.
    pub end: End,
    /// The six arguments, when they were asked for.
    pub args: Option<[u64; 6]>,
    /// The file behind the descriptor in the first argument, as the kernel side says it; see
    /// [`tracer_common::record::FileRecord`] for what is anonymous.
    pub file: Option<FileId>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned `ret` after `latency_ns`.
    Returned {
        /// What the return value means.
        outcome: Outcome,
        /// Enter to exit.
        latency_ns: u64,
        /// The return value itself.
        ret: i64,
    },
    /// It never returns (`exit`).
    NeverReturns,
    /// It was refused with this errno before it entered.
    Denied {
        /// The errno.
        errno: u16,
    },
    /// Its thread died inside.
    Died,
}

/// News of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessEvent {
    /// What happened.
    pub what: ProcessChange,
    /// Process, in the initial PID namespace.
    pub tgid: u32,
    /// Thread, as the tracer's PID namespace shows it.
    pub tid: u32,
    /// Process id in the tracer's own PID namespace; 0 when that is the initial one.
    pub ns_tgid: u32,
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// Start of the process on `CLOCK_BOOTTIME`; 0 when not known.
    pub start_ns: u64,
    /// Name of the process.
    pub comm: Comm,
    /// Name of the thread; empty when not known.
    pub thread_comm: Comm,
}

impl ProcessEvent {
    /// The record that [`decode`] reads as this event.
    pub fn to_record(&self) -> [u8; size_of::<ProcessRecord>()] {
        let mut bytes = [0; size_of::<ProcessRecord>()];
        bytes[0] = match self.what {
            ProcessChange::Seen => kind::SEEN,
            ProcessChange::Exec => kind::EXEC,
            ProcessChange::Exit => kind::EXIT,
        };
        bytes[4..8].copy_from_slice(&self.tgid.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.tid.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.ns_tgid.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.time_ns.to_ne_bytes());
        bytes[24..32].copy_from_slice(&self.start_ns.to_ne_bytes());
        bytes[32..48].copy_from_slice(&self.comm.to_kernel());
        bytes[48..64].copy_from_slice(&self.thread_comm.to_kernel());
        bytes
    }
}

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessChange {
    /// A thread of it was seen for the first time.
    Seen,
    /// It replaced its program.
    Exec,
    /// Its leader ended.
    Exit,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing at all.
    #[error("empty record")]
    Empty,
    /// The first byte names no kind.
    #[error("unknown record kind {0}")]
    UnknownKind(u8),
    /// The length is not one of this kind's.
    #[error("record of kind {kind} with {bytes} bytes")]
    WrongLength {
        /// First byte.
        kind: u8,
        /// Length.
        bytes: usize,
    },
    /// No such syscall table.
    #[error("unknown ABI {0}")]
    UnknownAbi(u8),
    /// A denied call whose return value is no errno.
    #[error("denied call returned {0}")]
    NoErrno(i64),
}

/// Length of the record that `bytes` begin with, in a run that takes arguments or does not; `None` for bytes that
/// begin no record.
#[inline]
pub fn record_bytes(bytes: &[u8], args: bool) -> Option<usize> {
    match *bytes.first()? {
        kind::CALL | kind::NO_RETURN | kind::DENIED | kind::DIED => {
            Some(if args { WITH_ARGS } else { CALL_BYTES_WITHOUT_ARGS })
        }
        kind::SEEN | kind::EXEC | kind::EXIT => Some(size_of::<ProcessRecord>()),
        kind::OPERAND => operand::length(bytes),
        _ => None,
    }
}

/// Calls among records that lie back to back.
pub fn calls_in(mut records: &[u8], args: bool) -> u64 {
    let mut calls = 0;
    while let Some(&first) = records.first()
        && let Some(bytes) = record_bytes(records, args)
        && let Some((_, rest)) = records.split_at_checked(bytes)
    {
        calls += u64::from(first < kind::SEEN);
        records = rest;
    }
    calls
}

/// Decodes one record.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let &kind = bytes.first().ok_or(DecodeError::Empty)?;
    match kind {
        kind::CALL | kind::NO_RETURN | kind::DENIED | kind::DIED => {
            decode_call(kind, bytes).map(Record::Call)
        }
        kind::SEEN => decode_process(kind, ProcessChange::Seen, bytes),
        kind::EXEC => decode_process(kind, ProcessChange::Exec, bytes),
        kind::EXIT => decode_process(kind, ProcessChange::Exit, bytes),
        kind::OPERAND => operand::decode(bytes).map(Record::Operands),
        kind::STACK => stack::decode(bytes).map(Record::Stack),
        _ => Err(DecodeError::UnknownKind(kind)),
    }
}

#[inline]
fn decode_call(kind: u8, bytes: &[u8]) -> Result<CallEvent, DecodeError> {
    let wrong_length = DecodeError::WrongLength { kind, bytes: bytes.len() };
    let fixed = bytes.first_chunk::<CALL_BYTES_WITHOUT_ARGS>().ok_or(wrong_length)?;
    let (args, file) = match bytes.len() {
        CALL_BYTES_WITHOUT_ARGS => (None, None),
        WITH_ARGS => {
            let args = std::array::from_fn(|index| word(bytes, CALL_BYTES_WITHOUT_ARGS + index * 8));
            let file = FileRecord {
                ino: word(bytes, FILE),
                dev: half(bytes, FILE + 8),
                kind: half(bytes, FILE + 12),
            };
            (Some(args), FileId::from_record(file))
        }
        _ => return Err(wrong_length),
    };
    let abi = Abi::from_u8(fixed[1]).ok_or(DecodeError::UnknownAbi(fixed[1]))?;
    let nr = half(fixed, 4) as i32;
    let ret = word(fixed, 32) as i64;
    let end = match kind {
        kind::CALL => End::Returned { outcome: classify(abi, nr, ret), latency_ns: word(fixed, 24), ret },
        kind::NO_RETURN => End::NeverReturns,
        kind::DENIED => match ret {
            -4095..=-1 => End::Denied { errno: -ret as u16 },
            _ => return Err(DecodeError::NoErrno(ret)),
        },
        _ => End::Died,
    };
    Ok(CallEvent {
        call: CallKey { abi, nr },
        tgid: half(fixed, 8),
        tid: half(fixed, 12),
        enter_ns: word(fixed, 16),
        end,
        args,
        file,
    })
}

const FILE: usize = std::mem::offset_of!(CallRecord, file);
const WITH_ARGS: usize = size_of::<CallRecord>();

fn decode_process(kind: u8, what: ProcessChange, bytes: &[u8]) -> Result<Record<'static>, DecodeError> {
    let fixed: &[u8; size_of::<ProcessRecord>()] =
        bytes.try_into().map_err(|_| DecodeError::WrongLength { kind, bytes: bytes.len() })?;
    let name = |at: usize| Comm::from_kernel(fixed[at..].first_chunk().copied().unwrap_or_default());
    Ok(Record::Process(ProcessEvent {
        what,
        tgid: half(fixed, 4),
        tid: half(fixed, 8),
        ns_tgid: half(fixed, 12),
        time_ns: word(fixed, 16),
        start_ns: word(fixed, 24),
        comm: name(32),
        thread_comm: name(48),
    }))
}

/// Native-endian u32 at a byte offset that the caller knows to be inside.
fn half(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |chunk| u32::from_ne_bytes(*chunk))
}

/// The same for u64.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_ne_bytes(*chunk))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::file::FileKind;
    use proptest::prelude::*;

    /// The bytes of a call record, as the kernel side lays them out.
    pub(crate) fn call_bytes(record: &CallRecord, with_args: bool) -> Vec<u8> {
        let mut bytes = vec![record.kind, record.abi];
        bytes.extend(u16::from(with_args).to_ne_bytes());
        bytes.extend(record.nr.to_ne_bytes());
        bytes.extend(record.tgid.to_ne_bytes());
        bytes.extend(record.tid.to_ne_bytes());
        bytes.extend(record.enter_ns.to_ne_bytes());
        bytes.extend(record.latency_ns.to_ne_bytes());
        bytes.extend(record.ret.to_ne_bytes());
        if with_args {
            bytes.extend(record.args.iter().flat_map(|arg| arg.to_ne_bytes()));
            bytes.extend(record.file.ino.to_ne_bytes());
            bytes.extend([record.file.dev, record.file.kind].iter().flat_map(|word| word.to_ne_bytes()));
        }
        bytes
    }

    /// The bytes of a process record.
    pub(crate) fn process_bytes(record: &ProcessRecord) -> Vec<u8> {
        let mut bytes = vec![record.kind, 0, 0, 0];
        bytes.extend([record.tgid, record.tid, record.ns_tgid].iter().flat_map(|id| id.to_ne_bytes()));
        bytes.extend([record.time_ns, record.start_ns].iter().flat_map(|time| time.to_ne_bytes()));
        bytes.extend(record.comm);
        bytes.extend(record.thread_comm);
        bytes
    }

    #[test]
    fn every_field_is_read_from_its_place() {
        let record = CallRecord {
            kind: kind::CALL,
            abi: 1,
            has_args: 1,
            nr: -7,
            tgid: 11,
            tid: 12,
            enter_ns: 13,
            latency_ns: 14,
            ret: -2,
            args: [1, 2, 3, 4, 5, 6],
            file: FileRecord { ino: 7, dev: 8, kind: 12 },
        };
        let expected = CallEvent {
            call: CallKey { abi: Abi::I386, nr: -7 },
            tgid: 11,
            tid: 12,
            enter_ns: 13,
            end: End::Returned { outcome: Outcome::Error(2), latency_ns: 14, ret: -2 },
            args: Some([1, 2, 3, 4, 5, 6]),
            file: Some(FileId { kind: FileKind::Socket, dev: 8, ino: 7 }),
        };
        assert_eq!(decode(&call_bytes(&record, true)), Ok(Record::Call(expected)));
        let without = CallEvent { args: None, file: None, ..expected };
        assert_eq!(decode(&call_bytes(&record, false)), Ok(Record::Call(without)));

        let record = ProcessRecord {
            kind: kind::EXEC,
            reserved: [0; 3],
            tgid: 1,
            tid: 2,
            ns_tgid: 3,
            time_ns: 4,
            start_ns: 5,
            comm: *b"redis\0\0\0\0\0\0\0\0\0\0\0",
            thread_comm: *b"bio\0\0\0\0\0\0\0\0\0\0\0\0\0",
        };
        let expected = ProcessEvent {
            what: ProcessChange::Exec,
            tgid: 1,
            tid: 2,
            ns_tgid: 3,
            time_ns: 4,
            start_ns: 5,
            comm: Comm::new("redis"),
            thread_comm: Comm::new("bio"),
        };
        assert_eq!(decode(&process_bytes(&record)), Ok(Record::Process(expected)));
        assert_eq!(decode(&expected.to_record()), Ok(Record::Process(expected)));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert_eq!(decode(&[]), Err(DecodeError::Empty));
        assert_eq!(decode(&[99; 40]), Err(DecodeError::UnknownKind(99)));
        assert_eq!(decode(&[kind::CALL; 41]), Err(DecodeError::WrongLength { kind: kind::CALL, bytes: 41 }));
        assert_eq!(decode(&[kind::SEEN; 63]), Err(DecodeError::WrongLength { kind: kind::SEEN, bytes: 63 }));
        let mut bytes = [0; 40];
        bytes[0] = kind::CALL;
        bytes[1] = 9;
        assert_eq!(decode(&bytes), Err(DecodeError::UnknownAbi(9)));
        bytes[0] = kind::DENIED;
        bytes[1] = 0;
        assert_eq!(decode(&bytes), Err(DecodeError::NoErrno(0)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 0u8..22) {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let _ = decode(&bytes);
        }
    }
}
