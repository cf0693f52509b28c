//! The recorder: a thread of its own that writes what the drain thread hands it. Whatever happens to the file,
//! nobody waits for it but this thread.

mod create;
pub mod mark;
mod segments;
mod sink;
mod sync;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::bpf::sys;
use crate::decode;
use crate::recording::{Kind, Writer};
use crate::run::Meta;
use crate::tap::{Chunk, Chunks, Tap, tap};
pub use create::{CreateError, Created};
use mark::Listener;
use segments::Segments;
use sink::{Progress, Sink, SizeReached};
use sync::Syncer;

/// How long something may be gathered before it is written.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// What is recorded and how much of it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Intervals or events.
    pub kind: Kind,
    /// Most bytes of the file, or of all segments together; `u64::MAX` for no limit.
    pub max_bytes: u64,
    /// Keep this much time, in segments, and delete what is older.
    pub keep: Option<Duration>,
}

/// Where a recording goes.
#[derive(Debug)]
pub enum Output {
    /// Somebody else's stream: standard output.
    Stream(File),
    /// A file of ours, or a FIFO.
    File(Created),
    /// Files of ours, one after the other; see [`segment_path`].
    Segments {
        /// The first.
        first: Created,
        /// What their names come from.
        base: PathBuf,
        /// Whether files that are in the way are replaced.
        force: bool,
    },
}

impl Output {
    /// Removes what was made, when nothing came of it.
    pub fn discard(&self) {
        match self {
            Self::Stream(_) => {}
            Self::File(created) | Self::Segments { first: created, .. } => created.remove(),
        }
    }
}

/// The file of the segment of this number: `x.0001.arrows` of `x.arrows`.
pub fn segment_path(base: &Path, number: u32) -> PathBuf {
    segments::path(base, number)
}

/// A recording that is being written.
#[derive(Debug)]
pub struct Recorder {
    progress: Arc<Progress>,
    ended: oneshot::Receiver<Outcome>,
}

/// What became of a recording.
#[derive(Debug)]
pub struct Outcome {
    /// Why it ended.
    pub end: RecordingEnd,
    /// Bytes in the files that are left.
    pub bytes: u64,
    /// The files that are left, in order; none for a stream.
    pub files: Vec<PathBuf>,
}

/// Why a recording ended.
#[derive(Debug)]
pub enum RecordingEnd {
    /// Everything is written.
    Complete,
    /// It is as large as it may be.
    SizeReached,
    /// Whoever read the stream has gone.
    ReaderGone,
    /// It could not be written.
    Failed(io::Error),
}

impl Recorder {
    /// Starts the thread. The tap is for the drain thread; whoever may leave marks in a file calls at one of
    /// the listeners.
    pub fn start(
        output: Output,
        meta: Meta,
        plan: Plan,
        listeners: mpsc::UnboundedSender<Listener>,
    ) -> io::Result<(Self, Tap)> {
        let (tap, chunks) = tap(plan.kind, plan.keep.map(segments::length), &meta);
        let progress = Arc::new(Progress::default());
        let (sender, ended) = oneshot::channel();
        let shared = Arc::clone(&progress);
        thread::Builder::new().name("recorder".to_owned()).spawn(move || {
            // Past `ulimit -f` this signal would end us all; without it the write fails.
            sys::block_signal(libc::SIGXFSZ);
            let mut work = Work {
                chunks,
                held: None,
                meta,
                plan,
                progress: shared,
                listeners,
                files: Segments::default(),
            };
            let end = match work.run(output) {
                Ok(()) => RecordingEnd::Complete,
                Err(error) if is_size_reached(&error) => RecordingEnd::SizeReached,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => RecordingEnd::ReaderGone,
                Err(error) => RecordingEnd::Failed(error),
            };
            let (files, bytes) = work.files.into_left();
            // Nobody may be interested any more.
            let _ = sender.send(Outcome { end, bytes, files });
        })?;
        Ok((Self { progress, ended }, tap))
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.progress.bytes.load(Ordering::Relaxed)
    }

    /// Waits for the end; once. May be dropped while it waits.
    pub async fn ended(&mut self) -> Outcome {
        match (&mut self.ended).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome {
                end: RecordingEnd::Failed(io::Error::other("the recording thread has failed")),
                bytes: self.bytes(),
                files: Vec::new(),
            },
        }
    }

    /// Stops waiting for a reader who does not read.
    pub fn give_up(&self) {
        self.progress.give_up.store(true, Ordering::Relaxed);
    }
}

/// What the thread has.
struct Work {
    chunks: Chunks,
    /// The first chunk of the next file.
    held: Option<Chunk>,
    meta: Meta,
    plan: Plan,
    progress: Arc<Progress>,
    listeners: mpsc::UnboundedSender<Listener>,
    files: Segments,
}

impl Work {
    /// Writes until the drain thread has finished.
    fn run(&mut self, output: Output) -> io::Result<()> {
        let mut next = Some(match output {
            Output::Stream(file) => Next { file, is_new: false, path: None },
            Output::File(created) => self.files.single(created)?,
            Output::Segments { first, base, force } => self.files.begin(first, base, force)?,
        });
        while let Some(file) = next.take() {
            let result = self.write_file(file);
            self.files.note_bytes(self.progress.bytes.load(Ordering::Relaxed));
            if let Some(end_ns) = result?
                && self.wait_for_more()
            {
                self.meta.start_unix_ns += end_ns.saturating_sub(self.meta.start_ns);
                self.meta.start_ns = end_ns;
                self.meta.is_part = true;
                self.files.drop_old(end_ns, self.plan.keep, self.plan.max_bytes);
                next = Some(self.files.next()?);
            }
        }
        Ok(())
    }

    /// Whether anything is to come: a segment that could end with the run would have nothing in it.
    fn wait_for_more(&mut self) -> bool {
        while self.held.is_none() {
            match self.chunks.next(FLUSH_EVERY) {
                Ok(chunk) => self.held = chunk,
                Err(_) => return false,
            }
        }
        true
    }

    /// Writes one file. `Some` when another one is to follow, with the time at which it begins.
    fn write_file(&mut self, next: Next) -> io::Result<Option<u64>> {
        let Next { file, is_new, path } = next;
        // Without a listener there are no marks from outside, and nothing else is missing.
        if path.is_some()
            && let Ok(listener) = Listener::new(&file)
        {
            let _ = self.listeners.send(listener);
        }
        // The limit of segments is on their sum.
        let max_bytes = if self.plan.keep.is_some() { u64::MAX } else { self.plan.max_bytes };
        let syncer = if is_new { Some(Syncer::start(file.try_clone()?)?) } else { None };
        let sink = Sink::new(file, is_new, max_bytes, Arc::clone(&self.progress))?;
        let mut writer = Writer::new(sink, &self.meta, self.plan.kind)?;
        let end = self.write_chunks(&mut writer, syncer.as_ref());
        match end {
            Err(error) if !is_size_reached(&error) => Err(error),
            // A file that is as large as it may be ends as it should, with its end marker.
            end => {
                let sink = writer.finish()?;
                if is_new {
                    sink.file().sync_data()?;
                }
                end
            }
        }
    }

    /// Writes chunks until this file ends: with the run, or with its segment at the time that is returned.
    fn write_chunks(
        &mut self,
        writer: &mut Writer<Sink>,
        syncer: Option<&Syncer>,
    ) -> io::Result<Option<u64>> {
        let mut flushed = Instant::now();
        let mut room = EventRoom::new(
            self.plan.kind,
            if self.plan.keep.is_some() { u64::MAX } else { self.plan.max_bytes },
        );
        let segment_bytes = segments::share_of(self.plan.max_bytes);
        loop {
            let received = match self.held.take() {
                Some(chunk) => Some(chunk),
                None => match self.chunks.next(FLUSH_EVERY) {
                    Ok(chunk) => chunk,
                    Err(_) => return Ok(None),
                },
            };
            let mut follows = None;
            let mut is_due = flushed.elapsed() >= FLUSH_EVERY;
            let mut is_whole = false;
            if let Some(mut chunk) = received {
                if !room.is_there_for(writer.bytes_written(), chunk.records.len()) {
                    room.left_out += decode::calls_in(&chunk.records, self.meta.args);
                    chunk.records.clear();
                }
                if let Some(interval) = &mut chunk.interval {
                    interval.ledger.recorder_overflow += std::mem::take(&mut room.left_out);
                }
                is_whole = chunk.interval.is_some();
                is_due |= is_whole;
                follows = chunk.interval.as_ref().filter(|_| chunk.ends_segment).map(|one| one.end_ns);
                self.write_chunk(writer, chunk)?;
            }
            if is_due {
                writer.flush()?;
                flushed = Instant::now();
            }
            if let Some(error) = syncer.and_then(Syncer::failure) {
                return Err(error);
            }
            if follows.is_some() {
                return Ok(follows);
            }
            if is_due {
                room.note_written();
            }
            if room.is_used_up && is_whole {
                return Err(io::Error::other(SizeReached));
            }
            if self.plan.keep.is_some() && writer.bytes_written() >= segment_bytes {
                self.chunks.end_segment();
            }
        }
    }

    fn write_chunk(&self, writer: &mut Writer<Sink>, chunk: Chunk) -> io::Result<()> {
        writer.events(&chunk.records)?;
        self.chunks.give_back(chunk.records);
        for mark in &chunk.marks {
            writer.mark(mark)?;
        }
        match &chunk.interval {
            Some(interval) => writer.interval(interval),
            None => Ok(()),
        }
    }
}

/// How long events may still be written to a file of limited size. It has to end with an interval, which
/// says in cells what the events left out, so events stop while there is room for one.
struct EventRoom {
    /// Bytes of the file for events; `u64::MAX` without a limit.
    limit: u64,
    /// Bytes that what was taken since the last batch will come to, about.
    pending: u64,
    is_used_up: bool,
    /// Calls since the last interval that were not written any more.
    left_out: u64,
}

impl EventRoom {
    /// A record comes to 6 to 14 bytes of 88.
    const SHRINKS_BY: u64 = 6;
    /// Cells of an interval of a busy host.
    const INTERVAL_BYTES: u64 = 128 << 10;

    fn new(kind: Kind, max_bytes: u64) -> Self {
        let is_limited = kind == Kind::Events && max_bytes < u64::MAX;
        let kept = Self::INTERVAL_BYTES.min(max_bytes / 4);
        Self {
            limit: if is_limited { max_bytes - kept } else { u64::MAX },
            pending: 0,
            is_used_up: false,
            left_out: 0,
        }
    }

    /// Whether so many bytes of records may be written; once not, never again.
    fn is_there_for(&mut self, written: u64, records_bytes: usize) -> bool {
        self.pending += records_bytes as u64 / Self::SHRINKS_BY;
        self.is_used_up |= written + self.pending > self.limit;
        !self.is_used_up
    }

    /// A batch was written: its size is known.
    fn note_written(&mut self) {
        self.pending = 0;
    }
}

fn is_size_reached(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<SizeReached>)
}

/// The file that is written next.
struct Next {
    file: File,
    /// Whether it is a new file of ours.
    is_new: bool,
    path: Option<PathBuf>,
}
