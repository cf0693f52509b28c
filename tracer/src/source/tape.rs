//! Where a replay reads from: files that can be read again, or a pipe that cannot. A thread of its own
//! decodes; what it decoded waits in a short queue, so that memory does not grow with the recording.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::interval::Interval;
use crate::recording::{self, End, Item, ReadError};
use crate::run::Meta;
use crate::timeline::Mark;

/// Items that may wait between decoding and folding.
const QUEUE: usize = 16;
/// Memory of an interval that is as much as one place in the queue stands for. A larger one takes several places.
const PLACE_BYTES: usize = 1 << 20;
/// Until a large interval is looked for room again.
const WAIT: Duration = Duration::from_millis(1);

type Reader = recording::Reader<Box<dyn Read + Send>>;

/// What a recording is read from.
pub enum Input {
    /// A regular file.
    File(File),
    /// A recording in memory.
    Bytes(&'static [u8]),
    /// Something that can be read once.
    Pipe(Box<dyn Read + Send>),
}

/// A recording, or the segments of one run in a row.
pub struct Tape {
    /// In order of time; readable again.
    reels: Vec<Reel>,
    /// Of the first reel, opened already.
    ready: Option<Reader>,
    meta: Meta,
}

#[derive(Clone)]
enum Reel {
    File(Arc<File>),
    Bytes(&'static [u8]),
    /// Its reader exists already, and no second one ever will.
    Spent,
}

/// News from the thread that reads.
#[derive(Debug)]
pub enum Fed {
    /// The next interval, and the bytes read up to it.
    Interval(Arc<Interval>, u64),
    /// A mark in the interval that comes next.
    Mark(Mark),
    /// Nothing follows; in words what was wrong with the end, if anything.
    End(Option<String>),
}

/// Why several files are no single run.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// One of them cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They come from different runs.
    #[error("these recordings are not segments of one run: one is of {first}, another of {other}")]
    Mixed {
        /// Host and boot of the first.
        first: String,
        /// Those of the one that differs.
        other: String,
    },
}

impl Tape {
    /// Reads the beginning of each. A pipe has to have delivered its beginning before this returns.
    pub fn open(inputs: Vec<Input>) -> Result<Self, TapeError> {
        let mut opened = Vec::new();
        for input in inputs {
            let (reel, reader) = match input {
                Input::File(file) => {
                    let reel = Reel::File(Arc::new(file));
                    let reader = reel.reader();
                    (reel, reader)
                }
                Input::Bytes(bytes) => (Reel::Bytes(bytes), Reel::Bytes(bytes).reader()),
                Input::Pipe(pipe) => (Reel::Spent, pipe),
            };
            opened.push((reel, Reader::open(reader)?));
        }
        opened.sort_by_key(|(_, reader)| reader.meta().start_ns);
        let run_of = |meta: &Meta| format!("{} boot {}", meta.host, meta.boot_id);
        let runs: Vec<String> = opened.iter().map(|(_, reader)| run_of(reader.meta())).collect();
        if let Some(other) = runs.iter().find(|&run| *run != runs[0]) {
            return Err(TapeError::Mixed { first: runs[0].clone(), other: other.clone() });
        }
        let meta = opened.first().map(|(_, reader)| reader.meta().clone()).unwrap_or_default();
        let (mut reels, mut ready) = (Vec::new(), None);
        for (reel, reader) in opened {
            ready.get_or_insert(reader);
            reels.push(reel);
        }
        Ok(Self { reels, ready, meta })
    }

    /// What the run was; of several segments the first.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The same, with something to be said of it.
    #[must_use]
    pub fn with_notice(mut self, notice: &str) -> Self {
        self.meta.notices.push(notice.to_owned());
        self
    }

    /// Whether it can be read from its beginning again.
    pub fn is_rewindable(&self) -> bool {
        !self.reels.iter().any(|reel| matches!(reel, Reel::Spent))
    }

    /// Size in bytes, where it is known before everything was read.
    pub fn bytes(&self) -> Option<u64> {
        self.reels
            .iter()
            .map(|reel| match reel {
                Reel::File(file) => file.metadata().ok().map(|meta| meta.len()),
                Reel::Bytes(bytes) => Some(bytes.len() as u64),
                Reel::Spent => None,
            })
            .sum()
    }

    /// Starts to read from the beginning. The thread ends with the receiver.
    pub fn play(&mut self) -> io::Result<mpsc::Receiver<Fed>> {
        let (sender, fed) = mpsc::channel(QUEUE);
        let (reels, ready) = (self.reels.clone(), self.ready.take());
        thread::Builder::new().name("read".to_owned()).spawn(move || feed(&reels, ready, &sender))?;
        Ok(fed)
    }
}

impl Reel {
    fn reader(&self) -> Box<dyn Read + Send> {
        match self {
            Self::File(file) => Box::new(Positioned { file: Arc::clone(file), at: 0 }),
            Self::Bytes(bytes) => Box::new(*bytes),
            Self::Spent => Box::new(io::empty()),
        }
    }
}

/// Reads a file from a place of its own, which two readers of one descriptor would otherwise share.
struct Positioned {
    file: Arc<File>,
    at: u64,
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Places that an interval takes.
fn places(bytes: usize) -> usize {
    bytes.div_ceil(PLACE_BYTES).clamp(1, QUEUE)
}

/// Waits until so many places are free or nobody listens: what waits is bounded in bytes then, whatever a file claims.
/// Intervals of a busy host take one, which sending waits for by itself.
fn wait_for(places: usize, fed: &mpsc::Sender<Fed>) {
    while places > 1 && fed.capacity() < places && !fed.is_closed() {
        thread::sleep(WAIT);
    }
}

/// Hands over every item of every reel until somebody stops listening.
fn feed(reels: &[Reel], mut ready: Option<Reader>, fed: &mpsc::Sender<Fed>) {
    let (mut before, mut trouble) = (0, None);
    for reel in reels {
        let mut reader = match ready.take().map_or_else(|| Reader::open(reel.reader()), Ok) {
            Ok(reader) => reader,
            Err(error) => {
                trouble.get_or_insert(error.to_string());
                continue;
            }
        };
        loop {
            match reader.next() {
                Ok(Some(item)) => {
                    let news = match item {
                        Item::Interval(interval) => {
                            Fed::Interval(Arc::new(interval), before + reader.bytes_read())
                        }
                        Item::Mark(mark) => Fed::Mark(Mark { time_ns: mark.time_ns, text: mark.text }),
                    };
                    wait_for(places(reader.item_bytes()), fed);
                    if fed.blocking_send(news).is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    trouble.get_or_insert(error.to_string());
                    break;
                }
            }
        }
        if let Some(End::Unclean { why }) = reader.end() {
            trouble.get_or_insert(why.clone());
        }
        before += reader.bytes_read();
    }
    // Nobody may be listening any more.
    let _ = fed.blocking_send(Fed::End(trouble));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;
    use crate::interval::{CallKey, Cell, CellKey};
    use crate::process::ProcessId;
    use crate::recording::{Kind, Writer};
    use tracer_common::abi::Abi;

    /// Intervals that need about 4 MiB each when they are read.
    fn large_intervals(count: u64) -> Vec<u8> {
        let mut latencies = Histogram::new();
        (0..1152).for_each(|bucket| latencies.add(bucket, 1));
        let cell = Cell { calls: 1152, latencies: Arc::new(latencies), max_ns: 1, ..Cell::default() };
        let mut writer =
            Writer::new(Vec::new(), &Meta::default(), Kind::Intervals).expect("a vector takes everything");
        for second in 1..=count {
            let cells = (1..=450).map(|pid| {
                let process = ProcessId { pid, start_ns: 1 };
                (CellKey { process, call: CallKey { abi: Abi::X86_64, nr: 0 } }, cell.clone())
            });
            let (start_ns, end_ns) = (second * 1_000_000_000, (second + 1) * 1_000_000_000);
            let interval = Interval { start_ns, end_ns, cells: cells.collect(), ..Interval::default() };
            writer.interval(&interval).expect("written");
        }
        writer.finish().expect("written")
    }

    #[test]
    fn large_intervals_do_not_pile_up() {
        let file: &'static [u8] = large_intervals(24).leak();
        let mut tape = Tape::open(vec![Input::Bytes(file)]).expect("a recording");
        let mut fed = tape.play().expect("a thread");
        let (mut most, mut found) = (0, 0);
        while let Some(news) = fed.blocking_recv() {
            found += usize::from(matches!(news, Fed::Interval(..)));
            // Time to read further than it may.
            thread::sleep(Duration::from_millis(20));
            most = most.max(fed.len());
        }
        assert_eq!(found, 24);
        assert!((1..=QUEUE - 3).contains(&most), "{most} waited");
    }
}
