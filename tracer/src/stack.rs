//! Where a slow call was made: the user stack, as the kernel side took it.

use tracer_common::record::kind;
use tracer_common::stack::{FRAMES, HEAD_BYTES, StackRecord};

use crate::decode::{CallEvent, DecodeError, End};

/// What the kernel side took of a call, just before it tells of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackEvent<'a> {
    /// The thread, as [`CallEvent::tid`].
    pub tid: u32,
    /// `CLOCK_MONOTONIC` at exit: with the thread it names the call.
    pub exit_ns: u64,
    /// Eight bytes for each frame, the innermost first.
    frames: &'a [u8],
}

impl StackEvent<'_> {
    /// Where its frames go on, innermost first.
    pub fn addresses(&self) -> impl Iterator<Item = u64> + '_ {
        self.frames
            .chunks_exact(8)
            .map(|bytes| bytes.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word)))
    }
}

/// The thread and the moment that a record names; zeros where there is no whole head.
pub fn name(record: &[u8]) -> (u32, u64) {
    let Some(head) = record.first_chunk::<HEAD_BYTES>() else { return (0, 0) };
    let (mut tid, mut exit_ns) = ([0; 4], [0; 8]);
    tid.copy_from_slice(&head[4..8]);
    exit_ns.copy_from_slice(&head[8..16]);
    (u32::from_ne_bytes(tid), u64::from_ne_bytes(exit_ns))
}

/// Decodes a record of kind [`kind::STACK`].
pub fn decode(bytes: &[u8]) -> Result<StackEvent<'_>, DecodeError> {
    let wrong_length = DecodeError::WrongLength { kind: kind::STACK, bytes: bytes.len() };
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(wrong_length)?;
    let frames = usize::from(u16::from_ne_bytes([head[2], head[3]]));
    if bytes.len() != size_of::<StackRecord>() || frames > FRAMES {
        return Err(wrong_length);
    }
    let (tid, exit_ns) = name(bytes);
    Ok(StackEvent { tid, exit_ns, frames: &rest[..frames * 8] })
}

/// What was taken last, for the call that follows.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    tid: u32,
    /// 0 where there is nothing.
    exit_ns: u64,
    addresses: Vec<u64>,
}

impl Latest {
    /// Takes what comes before its call.
    pub fn take(&mut self, event: &StackEvent<'_>) {
        (self.tid, self.exit_ns) = (event.tid, event.exit_ns);
        self.addresses.clear();
        self.addresses.extend(event.addresses());
    }

    /// Where this call was made, as far as that is known.
    #[inline]
    pub fn of(&self, event: &CallEvent) -> Option<&[u64]> {
        if self.exit_ns == 0 || event.tid != self.tid {
            return None;
        }
        let End::Returned { latency_ns, .. } = event.end else { return None };
        (event.enter_ns.wrapping_add(latency_ns) == self.exit_ns).then_some(&self.addresses)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The record of a stack, as the kernel side lays it out.
    pub(crate) fn stack_bytes(tid: u32, exit_ns: u64, addresses: &[u64]) -> Vec<u8> {
        let mut bytes = vec![kind::STACK, 0];
        bytes.extend((addresses.len() as u16).to_ne_bytes());
        bytes.extend(tid.to_ne_bytes());
        bytes.extend(exit_ns.to_ne_bytes());
        bytes.extend(addresses.iter().flat_map(|address| address.to_ne_bytes()));
        bytes.resize(size_of::<StackRecord>(), 0xee);
        bytes
    }

    proptest! {
        #[test]
        fn frames_are_read_from_their_places(addresses in proptest::collection::vec(any::<u64>(), 0..=FRAMES), tid: u32, exit_ns: u64) {
            let bytes = stack_bytes(tid, exit_ns, &addresses);
            let event = decode(&bytes).expect("a record");
            prop_assert_eq!((event.tid, event.exit_ns), (tid, exit_ns));
            prop_assert_eq!(event.addresses().collect::<Vec<_>>(), addresses);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 520..532)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_stack_that_claims_more_frames_than_fit_is_refused() {
        let mut bytes = stack_bytes(1, 2, &[3]);
        bytes[2..4].copy_from_slice(&(FRAMES as u16 + 1).to_ne_bytes());
        assert!(decode(&bytes).is_err());
    }
}
