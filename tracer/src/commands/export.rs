//! `tracer export`: recordings as files of other tools.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use anyhow::{Result, bail};
use jiff::tz::TimeZone;

use crate::cli::exit_status;
use crate::cli::export::{ExportOptions, Format};
use crate::cli::recorded::PartOptions;
use crate::commands::info::{Facts, warn_of_unclean};
use crate::commands::recordings::{Contents, Recordings};
use crate::export::{Feed, needs_events};
use crate::human;
use crate::recorder::Created;
use crate::recording::Kind;
use crate::sieve::Wanted;
use crate::span::{Selection, Span};

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// Writes the export; the status says whether all of every recording could be read.
pub(super) fn run(options: ExportOptions) -> Result<u8> {
    let wanted = Wanted::try_from(options.wanted)?;
    let part = PartOptions { from: options.from, to: options.until, between: options.between };
    let mut recordings = Recordings::open(&options.files)?;
    check(&recordings, options.format)?;
    let span = recordings.resolve(&Selection::from(part), &TimeZone::system())?;
    let file = options.output.filter(|path| path.as_os_str() != "-");
    let created = match &file {
        Some(path) => Some(Created::new(path, options.force, || {})?),
        None if options.format == Format::Parquet && io::stdout().is_terminal() => bail!(
            "error: Parquet is no text for a terminal\nwhy: standard output is one\nnext: give a file with -o FILE"
        ),
        None => None,
    };
    let out: Box<dyn Write + Send> = match &created {
        Some(created) => Box::new(created.file.try_clone()?),
        None => Box::new(io::stdout()),
    };
    let out = Box::new(BufWriter::with_capacity(BUFFER, out));
    let mut feed = Feed::new(options.format, options.weight, out, wanted);
    let outcome = write(&mut recordings, &mut feed, span);
    let read = match outcome {
        Ok(read) => read,
        Err(error) => {
            // A library may have wrapped what the pipe said.
            let gone = |cause: &(dyn std::error::Error + 'static)| {
                cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
            };
            if error.chain().any(gone) {
                return Ok(exit_status::FINE);
            }
            // Half an export looks like a whole one.
            created.iter().for_each(Created::remove);
            return Err(error);
        }
    };
    let facts: Vec<Facts> = recordings
        .each
        .iter()
        .zip(&read)
        .map(|(recording, contents)| Facts::new(recording, contents))
        .collect();
    if let Some(created) = &created
        && let Ok(metadata) = created.file.metadata()
    {
        let name = human::safe_text(created.path.as_os_str().as_encoded_bytes());
        let _ = writeln!(io::stderr(), "wrote {name}: {}", human::bytes(metadata.len()));
    }
    Ok(warn_of_unclean(&facts))
}

/// Refuses what cannot be: calls from recordings without calls, rows of two shapes in one table.
fn check(recordings: &Recordings, format: Format) -> Result<()> {
    if needs_events(format)
        && let Some(recording) = recordings.each.iter().find(|recording| recording.kind != Kind::Events)
    {
        bail!(
            "error: {} cannot be exported as {}\nwhy: it holds intervals, and this format shows each call\n\
             next: record again with `tracer record --events`, or export it as parquet, csv, jsonl or folded",
            recording.name,
            if format == Format::Strace { "strace text" } else { "a trace" },
        );
    }
    let shape = |recording: &super::recordings::Recording| (recording.kind, recording.meta.args);
    let first = shape(&recordings.each[0]);
    if format == Format::Parquet
        && let Some(other) = recordings.each.iter().find(|recording| shape(recording) != first)
    {
        bail!(
            "error: {} and {} cannot share a Parquet file\nwhy: one holds {}{}, the other {}{}\n\
             next: export each to a file of its own",
            recordings.each[0].name,
            other.name,
            first.0.name(),
            if first.1 { " with arguments" } else { "" },
            other.kind.name(),
            if other.meta.args { " with arguments" } else { "" },
        );
    }
    Ok(())
}

fn write(recordings: &mut Recordings, feed: &mut Feed, span: Span) -> Result<Vec<Contents>> {
    let mut read = Vec::new();
    for recording in &mut recordings.each {
        feed.begin(&recording.meta, recording.kind, recording.own_clock(span))?;
        read.push(recording.read_events(feed)?);
    }
    feed.finish()?;
    Ok(read)
}
