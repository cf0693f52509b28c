//! Recordings as the verbs that read them need them: opened, put in order, on one clock, with a progress bar
//! where reading takes long enough for somebody to wonder.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::cli::recorded::{PartOptions, WantedOptions};
use crate::config::SettingsError;
use crate::export::Feed;
use crate::human::safe_text;
use crate::interval::Interval;
use crate::recording::{End, Item, Kind, Mark, ReadError, Reader, read_ahead};
use crate::run::Meta;
use crate::sieve::{Sieve, Wanted};
use crate::span::{Bounds, Selection, Span};
use crate::syscalls::SyscallSet;

/// Reading that takes longer shows how far it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// Marks of one recording that are kept.
const MARKS: usize = 10_000;

/// Why a file cannot be read as a recording.
#[derive(Debug, Error)]
pub(super) enum OpenError {
    /// It cannot be opened.
    #[error("error: cannot open '{name}'\nwhy: {error}\nnext: {next}")]
    Open {
        /// Its name, safe to show.
        name: String,
        /// What the system said.
        error: io::Error,
        /// What may help.
        next: &'static str,
    },
    /// It is no recording.
    #[error("error: '{name}' cannot be read as a recording\nwhy: {error}\nnext: {next}")]
    Read {
        /// Its name, safe to show.
        name: String,
        /// What was found instead.
        error: ReadError,
        /// What may help.
        next: &'static str,
    },
}

/// One recording, its metadata read.
pub(super) struct Recording {
    /// Its name, safe to show.
    pub(super) name: String,
    /// What it says of itself.
    pub(super) meta: Meta,
    /// What it holds.
    pub(super) kind: Kind,
    /// What is added to its times so that all recordings read together have one clock.
    shift_ns: i128,
    path: PathBuf,
    /// Standard input, which can be opened only once.
    opened: Option<Reader<Input>>,
}

/// What became known of a recording by reading all of it.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    /// `CLOCK_MONOTONIC` of its beginning.
    pub(super) start_ns: u64,
    /// `CLOCK_MONOTONIC` of its end.
    pub(super) end_ns: u64,
    /// Its intervals.
    pub(super) intervals: u64,
    /// Its marks, by time.
    pub(super) marks: Vec<Mark>,
    /// How it ended.
    pub(super) end: End,
    /// Its size.
    pub(super) bytes: u64,
}

/// All recordings that are read together, earliest first.
pub(super) struct Recordings {
    /// At least one.
    pub(super) each: Vec<Recording>,
}

/// A file or standard input, counted by a progress bar that appears after [`PATIENCE`].
struct Progress<R> {
    inner: R,
    bar: ProgressBar,
    began: Instant,
    shown: bool,
}

/// Where a recording comes from.
type Input = BufReader<Progress<Box<dyn Read + Send>>>;

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bar.inc(read as u64);
        if !self.shown && self.began.elapsed() >= PATIENCE {
            self.shown = true;
            if io::stderr().is_terminal() {
                self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            }
        }
        Ok(read)
    }
}

impl<R> Drop for Progress<R> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn open(path: &Path, name: &str) -> Result<Reader<Input>, OpenError> {
    let failed = |error: io::Error| OpenError::Open {
        name: name.to_owned(),
        next: match error.kind() {
            io::ErrorKind::PermissionDenied => "recordings belong to who made them: sudo, or chown the file",
            _ => "`tracer record -o FILE` makes one",
        },
        error,
    };
    let (inner, size): (Box<dyn Read + Send>, u64) = if is_stdin(path) {
        if io::stdin().is_terminal() {
            return Err(failed(io::Error::other("standard input is a terminal")));
        }
        (Box::new(io::stdin()), 0)
    } else {
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        (Box::new(file), size)
    };
    let bar = ProgressBar::with_draw_target((size > 0).then_some(size), ProgressDrawTarget::hidden());
    let style = if size > 0 {
        "{prefix} {bar:30} {percent:>3}%  {binary_bytes_per_sec}  {eta} left"
    } else {
        "{prefix} {spinner} {binary_bytes}  {binary_bytes_per_sec}"
    };
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(format!("reading {name}"));
    let input = Progress { inner, bar, began: Instant::now(), shown: false };
    Reader::open(BufReader::with_capacity(BUFFER, input)).map_err(|error| OpenError::Read {
        name: name.to_owned(),
        next: match error {
            ReadError::TooNew { .. } => "read it with the version that wrote it, or a later one",
            _ => "`tracer record -o FILE` makes a recording; `tracer --json` and exports are none",
        },
        error,
    })
}

impl Recordings {
    /// Opens all of them, so that a wrong name is an error before anything is printed.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self> {
        if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
            bail!(
                "error: '-' is given twice\nwhy: standard input can be read only once\nnext: give it once, or files"
            );
        }
        let mut each = Vec::with_capacity(paths.len());
        for path in paths {
            let name = if is_stdin(path) {
                "standard input".to_owned()
            } else {
                safe_text(path.as_os_str().as_encoded_bytes())
            };
            let reader = open(path, &name)?;
            each.push(Recording {
                name,
                meta: reader.meta().clone(),
                kind: reader.kind(),
                shift_ns: 0,
                path: path.clone(),
                opened: is_stdin(path).then_some(reader),
            });
        }
        each.sort_by_key(|recording| recording.meta.start_unix_ns);
        let first = each[0].meta.clone();
        for recording in &mut each {
            // Within one boot the clock is the same already, and setting the host's date cannot move it.
            let meta = &recording.meta;
            if meta.boot_id != first.boot_id || meta.host != first.host {
                let zero = |meta: &Meta| i128::from(meta.start_unix_ns) - i128::from(meta.start_ns);
                recording.shift_ns = zero(meta) - zero(&first);
            }
        }
        Ok(Self { each })
    }

    /// The part that is asked for. Where its limits need the end or the marks, all files are read once for it.
    pub(super) fn resolve(&mut self, part: &Selection, zone: &TimeZone) -> Result<Span> {
        if part.is_everything() {
            return Ok(Span::EVERYTHING);
        }
        let first = &self.each[0].meta;
        let (start_ns, start_unix_ns) = (first.start_ns, first.start_unix_ns);
        let has_pipe = self.each.iter().any(|recording| recording.opened.is_some());
        let (mut end_ns, mut marks) = (None, Vec::new());
        if !has_pipe {
            let mut latest = start_ns;
            for recording in &mut self.each {
                let contents = recording.read(&mut |_| Ok(()))?;
                latest = latest.max(contents.end_ns);
                marks.extend(contents.marks);
            }
            end_ns = Some(latest);
            marks.sort_by_key(|mark: &Mark| mark.time_ns);
        }
        let bounds = Bounds { start_ns, end_ns, start_unix_ns, marks: &marks };
        Ok(part.resolve(&bounds, zone)?)
    }

    /// Which recordings of one host and boot overlap in time and may have seen the same calls.
    pub(super) fn overlap(contents: &[(&Recording, &Contents)]) -> Option<String> {
        contents.iter().enumerate().find_map(|(index, (one, a))| {
            let (other, _) = contents[index + 1..].iter().find(|(other, b)| {
                one.machine() == other.machine() && a.start_ns < b.end_ns && b.start_ns < a.end_ns
            })?;
            Some(format!(
                "{} and {} were recorded on one host at the same time: calls that both saw count twice",
                one.name, other.name
            ))
        })
    }
}

impl Recording {
    /// Host and boot: processes of one machine are told apart by number and start.
    pub(super) fn machine(&self) -> (Arc<str>, &str) {
        (self.meta.host.as_str().into(), &self.meta.boot_id)
    }

    /// Reads all of it, with times on the common clock. What cannot be read ends it uncleanly.
    pub(super) fn read(&mut self, visit: &mut dyn FnMut(&mut Item) -> Result<()>) -> Result<Contents> {
        let is_pipe = self.opened.is_some();
        let mut reader = self.reader()?;
        let mut seen = Seen::new(self);
        let mut take = |item: &mut Item| {
            self.on_common_clock(item);
            seen.note(item);
            visit(item)
        };
        let read = if is_pipe {
            loop {
                match reader.next() {
                    Ok(Some(mut item)) => take(&mut item)?,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            }
        } else {
            match read_ahead(&mut reader, take) {
                Ok(visited) => Ok(visited?),
                Err(error) => Err(error),
            }
        };
        let end = match read {
            Ok(()) => reader.end().cloned(),
            Err(error) => Some(End::Unclean { why: error.to_string() }),
        };
        Ok(seen.finish(end, reader.bytes_read()))
    }

    /// Reads all of it into an export, whose times stay as they are recorded.
    pub(super) fn read_events(&mut self, feed: &mut Feed) -> Result<Contents> {
        let mut reader = self.reader()?;
        let mut seen = Seen::new(self);
        let end = loop {
            match reader.next_with_events(&mut |record| feed.event(record)) {
                Ok(Some(item)) => {
                    seen.note(&item);
                    match item {
                        Item::Interval(interval) => feed.interval(interval)?,
                        Item::Mark(mark) => feed.mark(&mark)?,
                    }
                }
                Ok(None) => break reader.end().cloned(),
                Err(error) => break Some(End::Unclean { why: error.to_string() }),
            }
        };
        Ok(seen.finish(end, reader.bytes_read()))
    }

    /// A reader at the beginning.
    fn reader(&mut self) -> Result<Reader<Input>, OpenError> {
        match self.opened.take() {
            Some(reader) => Ok(reader),
            None => open(&self.path, &self.name),
        }
    }

    /// A part on the clock that the recording itself has.
    pub(super) fn own_clock(&self, span: Span) -> Span {
        let back = |ns: u64| match ns {
            0 | u64::MAX => ns,
            _ => u64::try_from((i128::from(ns) - self.shift_ns).max(0)).unwrap_or(u64::MAX),
        };
        Span { from_ns: back(span.from_ns), to_ns: back(span.to_ns) }
    }

    fn shift(&self, ns: u64) -> u64 {
        u64::try_from((i128::from(ns) + self.shift_ns).max(0)).unwrap_or(u64::MAX)
    }

    fn on_common_clock(&self, item: &mut Item) {
        if self.shift_ns != 0 {
            match item {
                Item::Mark(mark) => mark.time_ns = self.shift(mark.time_ns),
                Item::Interval(interval) => {
                    interval.start_ns = self.shift(interval.start_ns);
                    interval.end_ns = self.shift(interval.end_ns);
                    for open in &mut interval.in_flight {
                        open.enter_ns = self.shift(open.enter_ns);
                    }
                    for info in interval.processes.values_mut() {
                        info.as_of_ns = self.shift(info.as_of_ns);
                    }
                }
            }
        }
    }
}

/// What has been seen of a recording so far.
struct Seen {
    contents: Contents,
}

impl Seen {
    fn new(recording: &Recording) -> Self {
        let start_ns = recording.shift(recording.meta.start_ns);
        let end = End::Clean;
        Self {
            contents: Contents { start_ns, end_ns: start_ns, intervals: 0, marks: Vec::new(), end, bytes: 0 },
        }
    }

    fn note(&mut self, item: &Item) {
        match item {
            Item::Interval(interval) => {
                self.contents.intervals += 1;
                self.contents.end_ns = self.contents.end_ns.max(interval.end_ns);
            }
            // A file may hold as many as it likes; nobody finds one among more than these.
            Item::Mark(mark) if self.contents.marks.len() < MARKS => self.contents.marks.push(mark.clone()),
            Item::Mark(_) => {}
        }
    }

    fn finish(mut self, end: Option<End>, bytes: u64) -> Contents {
        self.contents.end = end.unwrap_or(End::Clean);
        self.contents.bytes = bytes;
        self.contents
    }
}

/// Lets through the wanted calls of the wanted part.
pub(super) struct Filter {
    sieve: Sieve,
    span: Span,
}

impl Filter {
    /// For one machine's recordings.
    pub(super) fn new(wanted: Wanted, span: Span) -> Self {
        Self { sieve: Sieve::new(wanted), span }
    }

    /// Leaves of an interval what is wanted; false when it is not in the part.
    pub(super) fn pass(&mut self, interval: &mut Interval) -> bool {
        if !self.span.holds(interval) {
            self.sieve.skip(interval);
            return false;
        }
        self.sieve.strain(interval);
        true
    }
}

impl From<PartOptions> for Selection {
    fn from(options: PartOptions) -> Self {
        let [from, to] =
            <[_; 2]>::try_from(options.between).map_or([None, None], |[a, b]| [Some(a), Some(b)]);
        Self { from: options.from.or(from), to: options.to.or(to) }
    }
}

impl TryFrom<WantedOptions> for Wanted {
    type Error = SettingsError;

    fn try_from(options: WantedOptions) -> Result<Self, SettingsError> {
        let set = SyscallSet::parse(&options.expressions)?;
        let calls = (!set.is_all()).then_some(set);
        Ok(Self { pids: options.pids, comms: options.comms, calls })
    }
}
