//! Where the bytes of a recording go. A batch comes as one write and is there whole or not at all, as far as
//! that can be had: what a full disk left of it is cut off again.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::FileType;

use crate::bpf::sys;

/// As much as a pipe takes without blocking once it says that it takes something.
const PIPE_WRITE_BYTES: usize = 4096;

/// How often somebody who waits for a reader looks whether to wait on.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Room that is kept for the end marker.
const END_BYTES: u64 = 8;

/// What the recorder's thread lets others see.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes written to all files.
    pub(super) bytes: AtomicU64,
    /// Set when nobody waits any more for a reader who does not read.
    pub(super) give_up: AtomicBool,
}

/// The file has the size that it may have.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the file has reached its largest size")]
pub(super) struct SizeReached;

/// A file or a stream that is being written.
#[derive(Debug)]
pub(super) struct Sink {
    out: File,
    /// Whether a batch that was written in part can be cut off.
    can_truncate: bool,
    /// Most bytes that one write may take.
    write_bytes: usize,
    written: u64,
    max_bytes: u64,
    progress: Arc<Progress>,
}

impl Sink {
    /// Writes to `out`, a new file of ours or a stream.
    pub(super) fn new(out: File, is_new: bool, max_bytes: u64, progress: Arc<Progress>) -> io::Result<Self> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&out)?.st_mode);
        let is_file = kind == FileType::RegularFile;
        let write_bytes = if is_file { usize::MAX } else { PIPE_WRITE_BYTES };
        Ok(Self { out, can_truncate: is_file && is_new, write_bytes, written: 0, max_bytes, progress })
    }

    /// What is written.
    pub(super) fn file(&self) -> &File {
        &self.out
    }

    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(self.write_bytes) {
            if self.write_bytes == PIPE_WRITE_BYTES {
                self.wait_for_reader()?;
            }
            self.out.write_all(part)?;
        }
        Ok(())
    }

    /// Waits until the stream takes something, so that a write does not block and giving up remains possible.
    fn wait_for_reader(&self) -> io::Result<()> {
        loop {
            let mut fds = [libc::pollfd { fd: self.out.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
            sys::poll(&mut fds, LOOK_EVERY)?;
            if fds[0].revents != 0 {
                return Ok(());
            }
            if self.progress.give_up.load(Ordering::Relaxed) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it"));
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len() as u64;
        let reserve = if len > END_BYTES { END_BYTES } else { 0 };
        if self.written + len + reserve > self.max_bytes {
            return Err(io::Error::other(SizeReached));
        }
        if let Err(error) = self.write_whole(bytes) {
            if self.can_truncate {
                // If that fails too, readers stop at the part that is no batch.
                let _ = self.out.set_len(self.written);
            }
            return Err(error);
        }
        self.written += len;
        self.progress.bytes.fetch_add(len, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
