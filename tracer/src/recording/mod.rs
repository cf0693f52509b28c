//! Recordings: the file format and nothing else. `docs/RECORDING.md` has it byte for byte.
//!
//! A recording is an Arrow IPC stream with one schema. Writing and reading both stream and hold one batch;
//! what is read comes from strangers, so every size is checked against a cap before anything is allocated,
//! and whatever is wrong ends the reading with the good part before it.

mod ahead;
mod batch;
mod buckets;
mod calls;
mod columns;
mod encode;
mod examples;
mod format1;
mod interval;
mod message;
mod note;
mod on;
mod process;
mod reader;
mod repair;
mod rows;
mod schema;
mod shape;
mod single;
mod stacks;
mod verify;
mod writer;

use std::io;

use crate::interval::Interval;

pub use ahead::read_ahead;
pub use reader::Reader;
pub use repair::{Repaired, repair};
pub use schema::{FORMAT_VERSION, Kind};
pub use single::SLOW_NS;
pub use writer::Writer;

/// Most rows that a batch may have.
pub const MAX_BATCH_ROWS: usize = 1 << 16;

/// Something worth finding again, said by the user while the recording ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// What it marks; any text, at most [`Mark::MAX_BYTES`].
    pub text: String,
}

impl Mark {
    /// Longest text; the writer cuts longer ones.
    pub const MAX_BYTES: usize = 4096;
}

/// What a recording holds, in the order in which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every item is an interval")]
pub enum Item {
    /// A slice of time. Recorded events are folded into theirs.
    Interval(Interval),
    /// A mark. It comes before the interval in which it was made.
    Mark(Mark),
}

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With its end marker.
    Clean,
    /// Without it, or in something that is no part of a recording. Everything before was read.
    Unclean {
        /// What is wrong, in words.
        why: String,
    },
}

/// Why nothing could be read, or nothing more.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The beginning is not that of a recording, or of a damaged one.
    #[error("this is no recording that tracer made: {why}")]
    NotARecording {
        /// What was found, or is missing.
        why: String,
    },
    /// Written by a later tool in a format that this one does not know.
    #[error("this recording has format version {found}; this tracer reads up to {FORMAT_VERSION}")]
    TooNew {
        /// Version in the file.
        found: u32,
    },
    /// The file or pipe could not be read.
    #[error("cannot read the recording: {0}")]
    Io(#[from] io::Error),
}

#[cfg(test)]
pub(crate) mod tests;
