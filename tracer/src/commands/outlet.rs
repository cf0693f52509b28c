//! Where results go when no screen shows them: tables or JSON Lines, to standard output, standard error or
//! a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::baseline::Baseline;
use crate::by_file::OnBy;
use crate::config::{Destination, TopSettings};
use crate::report::json::JsonLines;
use crate::report::{Scope, write_files, write_tables};
use crate::run::{Meta, RunInfo};
use crate::snapshot::Snapshot;
use crate::source::live::Tick;

/// Results on their way out.
pub(super) struct Outlet {
    format: Format,
    /// What calls were on makes the rows, taken together by this.
    on_by: Option<OnBy>,
}

/// Tables or JSON.
enum Format {
    /// Tables.
    Text(BufWriter<Box<dyn Write>>),
    /// JSON Lines.
    Json(Box<JsonLines<BufWriter<Box<dyn Write>>>>),
}

impl Outlet {
    /// Opens what the settings name.
    pub(super) fn open(settings: &TopSettings, baseline: Option<&Arc<Baseline>>) -> Result<Self> {
        let out: Box<dyn Write> = match settings.destination() {
            Destination::Stdout => Box::new(io::stdout()),
            Destination::Stderr => Box::new(io::stderr()),
            Destination::File(path) => {
                let file =
                    File::create(&path).with_context(|| format!("cannot write '{}'", path.display()))?;
                Box::new(file)
            }
        };
        let out = BufWriter::new(out);
        let format = if settings.output.json {
            let lines = JsonLines::new(out);
            Format::Json(Box::new(match baseline {
                Some(baseline) => lines.against(Arc::clone(baseline)),
                None => lines,
            }))
        } else {
            Format::Text(out)
        };
        Ok(Self { format, on_by: settings.output.on_by })
    }

    /// What the run is.
    pub(super) fn begin(&mut self, meta: &Meta) -> io::Result<()> {
        match &mut self.format {
            Format::Text(_) => Ok(()),
            Format::Json(lines) => lines.meta(meta),
        }
    }

    /// One interval, and after the last one everything since the start. Tables of a broken-off last interval
    /// would only repeat the totals below them. Tables of files are of everything since the start each time.
    pub(super) fn tick(&mut self, tick: &Tick, snapshot: &Snapshot, run: &RunInfo) -> io::Result<()> {
        match (&mut self.format, self.on_by) {
            (Format::Text(out), None) => {
                let scope = if tick.last { Scope::Total } else { Scope::Interval };
                write_tables(out, snapshot, run, scope)?;
                out.flush()
            }
            (Format::Text(out), Some(by)) => {
                write_files(out, snapshot, run, by, None)?;
                writeln!(out)?;
                out.flush()
            }
            (Format::Json(lines), on_by) => {
                lines.interval(&tick.interval)?;
                lines.findings(snapshot)?;
                match on_by {
                    _ if !tick.last => Ok(()),
                    Some(by) => lines.totals_by(snapshot, by),
                    None => lines.totals(snapshot),
                }
            }
        }
    }
}
