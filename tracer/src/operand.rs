//! What a call operates on: the paths, or the socket address, that its arguments point to, as the kernel side read them.
//! Any bytes; how they are shown is in [`crate::arguments`].

use std::sync::Arc;

use tracer_common::operand::{HEAD_BYTES, OperandRecord, TEXT_BYTES, padded, record_bytes};
use tracer_common::record::kind;

use crate::decode::{CallEvent, DecodeError};

/// Most bytes that are kept of a path: one more than any call takes, so that a longer one can be told.
const MOST_BYTES: usize = TEXT_BYTES - 8;

/// What one call operates on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operands<'a> {
    /// A path without its NUL, or a `struct sockaddr` as the call was given it.
    pub first: &'a [u8],
    /// A second path, of calls that take two; `None` also where it could not be read.
    pub second: Option<&'a [u8]>,
}

impl<'a> Operands<'a> {
    /// The form in which they are kept: two paths with a NUL between them. A single one of an address may hold NULs.
    pub fn from_kept(kept: &'a [u8], are_two: bool) -> Self {
        let between = kept.iter().position(|&byte| byte == 0).filter(|_| are_two);
        match between {
            Some(at) => Self { first: &kept[..at], second: Some(&kept[at + 1..]) },
            None => Self { first: kept, second: None },
        }
    }

    /// Adds the form of [`Operands::from_kept`] to `into`.
    pub fn keep(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.first[..self.first.len().min(MOST_BYTES)]);
        if let Some(second) = self.second {
            into.push(0);
            into.extend_from_slice(&second[..second.len().min(MOST_BYTES)]);
        }
    }
}

/// What the kernel side read of a call, just before it tells of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperandsEvent<'a> {
    /// The thread, in the initial PID namespace.
    pub tid: u32,
    /// `CLOCK_MONOTONIC` at enter: with the thread it names the call.
    pub enter_ns: u64,
    /// What was read; `None` where the first could not be.
    pub operands: Option<Operands<'a>>,
}

/// Bytes of the record that `bytes` begin with, by its head; `None` where there is no whole head.
pub fn length(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk::<HEAD_BYTES>().map(|head| record_bytes(lengths(head)))
}

/// The thread and the moment that the record names.
pub fn name(head: &[u8; HEAD_BYTES]) -> (u32, u64) {
    let mut tid = [0; 4];
    tid.copy_from_slice(&head[8..12]);
    let mut enter_ns = [0; 8];
    enter_ns.copy_from_slice(&head[16..24]);
    (u32::from_ne_bytes(tid), u64::from_ne_bytes(enter_ns))
}

fn lengths(head: &[u8; HEAD_BYTES]) -> [u16; 2] {
    [u16::from_ne_bytes([head[2], head[3]]), u16::from_ne_bytes([head[4], head[5]])]
}

/// Decodes a record of kind [`kind::OPERAND`].
pub fn decode(bytes: &[u8]) -> Result<OperandsEvent<'_>, DecodeError> {
    let wrong_length = DecodeError::WrongLength { kind: kind::OPERAND, bytes: bytes.len() };
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(wrong_length)?;
    let [first, second] = lengths(head).map(usize::from);
    if bytes.len() != record_bytes(lengths(head)) {
        return Err(wrong_length);
    }
    // The NUL behind each does not count.
    let of = |at: usize, length: usize| length.checked_sub(1).map(|length| &rest[at..at + length]);
    let (tid, enter_ns) = name(head);
    let second = of(padded(first), second);
    Ok(OperandsEvent { tid, enter_ns, operands: of(0, first).map(|first| Operands { first, second }) })
}

/// Adds the record of a call of `tid` that [`decode`] reads as these operands.
pub fn encode(tid: u32, enter_ns: u64, operands: Operands<'_>, into: &mut Vec<u8>) {
    let length = |bytes: &[u8]| u16::try_from(bytes.len().min(MOST_BYTES) + 1).unwrap_or(0);
    let lengths = [length(operands.first), operands.second.map_or(0, length)];
    let OperandRecord { kind, reserved, .. } =
        OperandRecord { kind: kind::OPERAND, ..OperandRecord::default() };
    into.extend([kind, reserved]);
    into.extend(lengths.iter().flat_map(|length| length.to_ne_bytes()));
    into.extend([0; 2]);
    into.extend(tid.to_ne_bytes());
    into.extend([0; 4]);
    into.extend(enter_ns.to_ne_bytes());
    for bytes in [Some(operands.first), operands.second].into_iter().flatten() {
        let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
        into.extend_from_slice(bytes);
        into.resize(into.len() + padded(bytes.len() + 1) - bytes.len(), 0);
    }
}

/// What was read last, for the call that follows.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    tid: u32,
    /// 0 where there is nothing.
    enter_ns: u64,
    /// In the form of [`Operands::from_kept`].
    kept: Vec<u8>,
}

impl Latest {
    /// Takes what comes before its call.
    #[inline]
    pub fn take(&mut self, event: &OperandsEvent<'_>) {
        self.enter_ns = 0;
        if let Some(operands) = event.operands {
            (self.tid, self.enter_ns) = (event.tid, event.enter_ns);
            self.kept.clear();
            operands.keep(&mut self.kept);
        }
    }

    /// What is known of this call, in the form in which it is kept.
    #[inline]
    pub fn of(&self, event: &CallEvent) -> Option<&[u8]> {
        (event.enter_ns == self.enter_ns && event.tid == self.tid && self.enter_ns != 0).then_some(&self.kept)
    }
}

/// Operands that outlive their record, in the form of [`Operands::from_kept`].
pub type Kept = Arc<[u8]>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_read_again(
            first in proptest::collection::vec(1u8.., 0..300), second in proptest::option::of(proptest::collection::vec(1u8.., 0..40)),
            tid: u32, enter_ns in 1u64..,
        ) {
            let operands = Operands { first: &first, second: second.as_deref() };
            let mut bytes = Vec::new();
            encode(tid, enter_ns, operands, &mut bytes);
            prop_assert_eq!(length(&bytes), Some(bytes.len()));
            prop_assert_eq!(decode(&bytes), Ok(OperandsEvent { tid, enter_ns, operands: Some(operands) }));
            let mut kept = Vec::new();
            operands.keep(&mut kept);
            prop_assert_eq!(Operands::from_kept(&kept, second.is_some()), operands);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_there() {
        let mut bytes = Vec::new();
        encode(7, 9, Operands { first: b"x", second: None }, &mut bytes);
        bytes[2..4].fill(0);
        bytes.truncate(HEAD_BYTES);
        assert_eq!(decode(&bytes), Ok(OperandsEvent { tid: 7, enter_ns: 9, operands: None }));
    }

    #[test]
    fn a_path_that_is_too_long_is_kept_one_byte_longer_than_any() {
        let long = [b'x'; 5000];
        let mut bytes = Vec::new();
        encode(7, 9, Operands { first: &long, second: None }, &mut bytes);
        let event = decode(&bytes).expect("a record");
        assert_eq!(event.operands.map(|operands| operands.first.len()), Some(4096));
    }
}
