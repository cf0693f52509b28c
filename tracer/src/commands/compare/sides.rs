//! From file names to two sides: opens recordings, finds the parts that are meant, folds them. Both sides are
//! read at once, a thread each.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::tz::TimeZone;

use crate::cli::compare::CompareOptions;
use crate::compare::{About, By, Side};
use crate::human;
use crate::recording::{End, Item, Mark, ReadError, Reader};
use crate::run::Meta;
use crate::sieve::{Sieve, Wanted};
use crate::span::{Bounds, Selection, Span};

use super::UsageError;

/// How long nobody needs to be told that something is going on.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two drawings.
const REDRAW: Duration = Duration::from_millis(100);

/// Where the two sides come from.
pub(super) struct Sources {
    before: Source,
    after: Source,
}

/// Where one side comes from.
struct Source {
    files: Vec<PathBuf>,
    part: Selection,
}

impl Sources {
    /// What the options ask for.
    pub(super) fn of(options: &CompareOptions) -> Result<Self, UsageError> {
        let spans = [&options.before_span, &options.after_span].map(|span| span.clone().unwrap_or_default());
        let [before_span, after_span] = spans;
        let source = |files: &[PathBuf], part: Selection| Source { files: files.to_vec(), part };
        let sources = match (&options.files[..], &options.at) {
            ([file], Some(at)) => {
                let file = std::slice::from_ref(file);
                Self {
                    before: source(file, Selection { from: None, to: Some(at.clone()) }),
                    after: source(file, Selection { from: Some(at.clone()), to: None }),
                }
            }
            ([_, _], Some(_)) => return Err(UsageError::TwoFilesAndCut),
            ([_], None) if before_span.is_everything() || after_span.is_everything() => {
                return Err(UsageError::OneFile);
            }
            ([file], None) => {
                let file = std::slice::from_ref(file);
                Self { before: source(file, before_span), after: source(file, after_span) }
            }
            ([before, after], None) => Self {
                before: source(std::slice::from_ref(before), before_span),
                after: source(std::slice::from_ref(after), after_span),
            },
            _ => Self {
                before: source(&options.before, before_span),
                after: source(&options.after, after_span),
            },
        };
        let sides = [&sources.before, &sources.after];
        if sides.iter().any(|side| side.files.len() > 1 && !side.part.is_everything()) {
            return Err(UsageError::SpanOfSeveral);
        }
        if sides.iter().flat_map(|side| &side.files).filter(|file| file.as_os_str() == "-").count() > 1 {
            return Err(UsageError::StdinTwice);
        }
        Ok(sources)
    }

    /// Reads both.
    pub(super) fn read(&self, by: By, wanted: &Wanted, progress: &Progress) -> Result<(Side, Side)> {
        progress.expect(self.before.bytes() + self.after.bytes());
        std::thread::scope(|scope| {
            let other = scope.spawn(|| self.before.read(by, wanted, progress));
            let after = self.after.read(by, wanted, progress);
            let before = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((before?, after?))
        })
    }
}

/// Reads one recording from its beginning to its end.
pub(super) fn read_whole(file: &Path) -> Result<Side> {
    let source = Source { files: vec![file.to_owned()], part: Selection::default() };
    source.read(By::CommCall, &Wanted::default(), &Progress::new(false))
}

impl Source {
    /// Bytes to be read, as far as that is known.
    fn bytes(&self) -> u64 {
        let passes = if self.part.needs_whole() { 2 } else { 1 };
        self.files.iter().filter_map(|file| file.metadata().ok()).map(|data| data.len() * passes).sum()
    }

    fn read(&self, by: By, wanted: &Wanted, progress: &Progress) -> Result<Side> {
        let mut side = Side::new(by, About::default());
        let mut spans: Vec<(String, u64, u64)> = Vec::new();
        for (at, file) in self.files.iter().enumerate() {
            let name = human::safe_text(file.as_os_str().as_encoded_bytes());
            let span = self.resolve(file, &name, progress)?;
            let mut reader = open(file, &name)?;
            let meta = reader.meta().clone();
            if at == 0 {
                side.about = self.about(&meta);
            } else {
                note_differences(&mut side.about, &meta);
            }
            // The later files of a recording that was written in several are no recordings of their own.
            match spans.last() {
                Some((boot, _, end_ns))
                    if meta.is_part && *boot == meta.boot_id && follows(*end_ns, &meta) =>
                {
                    side.next_segment();
                }
                _ => side.next_recording(),
            }
            let (start_ns, end_ns) = fold(&mut reader, &mut side, span, wanted, progress)
                .with_context(|| format!("cannot read '{name}'"))?;
            if let Some(End::Unclean { why }) = reader.end() {
                side.about.unclean = Some(why.clone());
            }
            let again = |(boot, from, to): &(String, u64, u64)| {
                !boot.is_empty() && *boot == meta.boot_id && *from < end_ns && start_ns < *to
            };
            if spans.iter().any(again) {
                side.note_overlap();
            }
            spans.push((meta.boot_id, start_ns, end_ns));
        }
        side.finish();
        Ok(side)
    }

    /// The part of `file` that is meant. Marks and offsets from the end are known only after reading it all.
    fn resolve(&self, file: &Path, name: &str, progress: &Progress) -> Result<Span> {
        if self.part.is_everything() {
            return Ok(Span::EVERYTHING);
        }
        let mut reader = open(file, name)?;
        let (start_ns, start_unix_ns) = (reader.meta().start_ns, reader.meta().start_unix_ns);
        let (mut end_ns, mut marks) = (None, Vec::<Mark>::new());
        if self.part.needs_whole() && file.as_os_str() != "-" {
            let mut told = 0;
            let mut last = start_ns;
            while let Some(item) = reader.next().with_context(|| format!("cannot read '{name}'"))? {
                match item {
                    Item::Interval(interval) => last = interval.end_ns,
                    Item::Mark(mark) => marks.push(mark),
                }
                progress.bytes(reader.bytes_read() - told);
                told = reader.bytes_read();
            }
            end_ns = Some(last);
        }
        let bounds = Bounds { start_ns, end_ns, start_unix_ns, marks: &marks };
        Ok(self.part.resolve(&bounds, &TimeZone::system())?)
    }

    fn about(&self, meta: &Meta) -> About {
        let names: Vec<String> = self
            .files
            .iter()
            .map(|file| file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned())
            .collect();
        let mut label = match &names[..] {
            [] => String::new(),
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        };
        match (&self.part.from, &self.part.to) {
            (Some(from), Some(to)) => label = format!("{label} from {from} to {to}"),
            (Some(from), None) => label = format!("{label} from {from}"),
            (None, Some(to)) => label = format!("{label} until {to}"),
            (None, None) => {}
        }
        About::of(meta, label)
    }
}

/// Recordings of one side that are not alike are described as both.
fn note_differences(about: &mut About, meta: &Meta) {
    let join = |known: &mut String, more: &str| {
        if known.split(", ").all(|one| one != more) {
            *known = format!("{known}, {more}");
        }
    };
    join(&mut about.host, &meta.host);
    join(&mut about.kernel, &meta.kernel);
    join(&mut about.arch, &meta.arch);
    join(&mut about.family, &meta.family);
    join(&mut about.filter, &meta.filter);
    if about.boot_id != meta.boot_id {
        about.boot_id = String::new();
    }
    if about.cpus != meta.cpus {
        about.cpus = 0;
    }
}

/// Whether a file goes on where another one of its recording ended.
fn follows(end_ns: u64, meta: &Meta) -> bool {
    meta.start_ns.abs_diff(end_ns) < 2 * meta.interval_ns
}

fn open(file: &Path, name: &str) -> Result<Reader<Box<dyn Read>>> {
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).map_err(|error| open_error(name, &error))?)
    };
    Reader::open(input).map_err(|error| read_error(name, &error))
}

fn open_error(name: &str, error: &io::Error) -> anyhow::Error {
    let next = match error.kind() {
        io::ErrorKind::PermissionDenied => "recordings belong to who made them: sudo, or chown the file",
        _ => "`tracer record -o FILE` makes one",
    };
    anyhow::anyhow!("error: cannot open '{name}'\nwhy: {error}\nnext: {next}")
}

fn read_error(name: &str, error: &ReadError) -> anyhow::Error {
    let next = match error {
        ReadError::TooNew { .. } => "read it with the version that wrote it, or a later one",
        _ => "`tracer record -o FILE` makes a recording; `tracer info FILE` looks into one",
    };
    anyhow::anyhow!("error: cannot read '{name}'\nwhy: {error}\nnext: {next}")
}

/// Adds the part of a recording to a side. The result is where the part begins and ends.
fn fold<R: Read>(
    reader: &mut Reader<R>,
    side: &mut Side,
    span: Span,
    wanted: &Wanted,
    progress: &Progress,
) -> Result<(u64, u64), ReadError> {
    let mut sieve = Sieve::new(wanted.clone());
    let (mut start_ns, mut end_ns, mut told) = (u64::MAX, 0, 0);
    while let Some(item) = reader.next()? {
        progress.bytes(reader.bytes_read() - told);
        told = reader.bytes_read();
        let Item::Interval(mut interval) = item else { continue };
        if !span.holds(&interval) {
            sieve.skip(&interval);
            continue;
        }
        sieve.strain(&mut interval);
        start_ns = start_ns.min(interval.start_ns);
        end_ns = end_ns.max(interval.end_ns);
        side.add(&interval);
    }
    Ok((start_ns, end_ns))
}

/// Says on a terminal how far it is, when it takes long enough to wonder.
pub(super) struct Progress {
    bar: ProgressBar,
    shows: bool,
    began: Instant,
    drawn: Mutex<Instant>,
}

impl Progress {
    /// One that draws nothing unless `shows`.
    pub(super) fn new(shows: bool) -> Self {
        let now = Instant::now();
        Self { bar: ProgressBar::hidden(), shows, began: now, drawn: Mutex::new(now) }
    }

    fn expect(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn bytes(&self, read: u64) {
        self.bar.inc(read);
        self.draw("reading {bar:30} {percent} %  {bytes_per_sec}  {eta} left");
    }

    /// So many rows of all are compared.
    pub(super) fn rows(&self, done: usize, all: usize) {
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.draw("comparing {bar:30} {pos} of {len} rows");
    }

    fn draw(&self, template: &str) {
        if !self.shows || self.began.elapsed() < PATIENCE {
            return;
        }
        // Whoever finds it taken leaves the drawing to the other thread.
        let Ok(mut drawn) = self.drawn.try_lock() else { return };
        if drawn.elapsed() < REDRAW {
            return;
        }
        *drawn = Instant::now();
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.tick();
    }

    /// Takes it off the terminal.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
