//! Messages out of a stream: how long they are, what is in them, where the stream ends.

use std::io::{self, Read};

use arrow_ipc::{Message, root_as_message_with_opts};
use flatbuffers::VerifierOptions;

use super::batch::{Damage, MAX_BATCH_BYTES};
use super::encode::{ALIGNMENT, CONTINUATION};

/// Most bytes of the head of a message. Ours have 10 KiB, or the length of a long command line.
const MAX_HEAD_BYTES: usize = 1 << 20;
/// Most bytes of its body: what does not compress is a little longer than what it holds.
const MAX_BODY_BYTES: usize = MAX_BATCH_BYTES + (1 << 20);

/// The message in a head, if it is a sound flatbuffer. Its parts may overlap, so that a short one could unfold to
/// a gigabyte; ours have one schema with 50 fields, or a batch.
pub(super) fn verified(head: &[u8]) -> Option<Message<'_>> {
    let bounds = VerifierOptions {
        max_depth: 16,
        max_tables: 4096,
        max_apparent_size: 4 * MAX_HEAD_BYTES,
        ..VerifierOptions::default()
    };
    root_as_message_with_opts(&bounds, head).ok()
}

/// What came next.
pub(super) enum Next {
    /// A message; it is in the buffers of [`Messages`].
    Message,
    /// The end marker with nothing behind it.
    End,
    /// Something else.
    Damaged(Damage),
}

/// Takes a stream apart.
pub(super) struct Messages<R> {
    input: R,
    bytes_read: u64,
    /// The last message: its length, and its flatbuffer.
    pub(super) prefix: [u8; 8],
    /// The flatbuffer, not verified.
    pub(super) head: Vec<u8>,
    /// What the flatbuffer describes.
    pub(super) body: Vec<u8>,
}

impl<R: Read> Messages<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, bytes_read: 0, prefix: [0; 8], head: Vec::new(), body: Vec::new() }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Reads the head of the next message.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        let found = self.read_prefix()?;
        if found == 0 {
            return Ok(damaged("it has no end marker: the recording was cut short"));
        }
        if found < self.prefix.len() {
            return Ok(damaged("it was cut in the middle of a batch"));
        }
        let (marker, length) = self.prefix.split_at(4);
        if marker != CONTINUATION {
            return Ok(damaged("something that is no batch is where one must begin"));
        }
        let length = length.first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(match self.read_prefix()? {
                0 => Next::End,
                _ => damaged("there is something behind the end marker"),
            });
        }
        if length > MAX_HEAD_BYTES || !length.is_multiple_of(ALIGNMENT) {
            return Ok(damaged("a batch claims an impossible length"));
        }
        let mut head = std::mem::take(&mut self.head);
        let whole = self.fill(&mut head, length);
        self.head = head;
        Ok(if whole? { Next::Message } else { damaged("it was cut in the middle of a batch") })
    }

    /// Reads the body of the message, which has this many bytes.
    pub(super) fn read_body(&mut self, bytes: i64) -> io::Result<Result<(), Damage>> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes > MAX_BODY_BYTES || !bytes.is_multiple_of(ALIGNMENT) {
            return Ok(Err(Damage::new("a batch claims an impossible length")));
        }
        let mut body = std::mem::take(&mut self.body);
        let whole = self.fill(&mut body, bytes);
        self.body = body;
        Ok(if whole? { Ok(()) } else { Err(Damage::new("it was cut in the middle of a batch")) })
    }

    /// The bytes that are there of the eight that begin a message.
    fn read_prefix(&mut self) -> io::Result<usize> {
        let mut found = 0;
        while found < self.prefix.len() {
            match self.input.read(&mut self.prefix[found..]) {
                Ok(0) => break,
                Ok(bytes) => found += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes_read += found as u64;
        Ok(found)
    }

    /// Fills `into` with `bytes` bytes; false when there are fewer. Memory grows with what is really there.
    fn fill(&mut self, into: &mut Vec<u8>, bytes: usize) -> io::Result<bool> {
        into.clear();
        let found = self.input.by_ref().take(bytes as u64).read_to_end(into)?;
        self.bytes_read += found as u64;
        Ok(found == bytes)
    }
}

fn damaged(why: &str) -> Next {
    Next::Damaged(Damage::new(why))
}
