//! Where results go when no screen shows them: tables or JSON Lines, to standard output, standard error or
//! a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::baseline::Baseline;
use crate::config::{Destination, TopSettings};
use crate::report::json::JsonLines;
use crate::report::{Scope, write_tables};
use crate::run::{Meta, RunInfo};
use crate::snapshot::Snapshot;
use crate::source::live::Tick;

/// Tables or JSON on their way out.
pub(super) enum Outlet {
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
        if !settings.output.json {
            return Ok(Self::Text(out));
        }
        let lines = JsonLines::new(out);
        Ok(Self::Json(Box::new(match baseline {
            Some(baseline) => lines.against(Arc::clone(baseline)),
            None => lines,
        })))
    }

    /// What the run is.
    pub(super) fn begin(&mut self, meta: &Meta) -> io::Result<()> {
        match self {
            Self::Text(_) => Ok(()),
            Self::Json(lines) => lines.meta(meta),
        }
    }

    /// One interval, and after the last one everything since the start. Tables of a broken-off last interval
    /// would only repeat the totals below them.
    pub(super) fn tick(&mut self, tick: &Tick, snapshot: &Snapshot, run: &RunInfo) -> io::Result<()> {
        match self {
            Self::Text(out) => {
                let scope = if tick.last { Scope::Total } else { Scope::Interval };
                write_tables(out, snapshot, run, scope)?;
                out.flush()
            }
            Self::Json(lines) => {
                lines.interval(&tick.interval)?;
                lines.findings(snapshot)?;
                if tick.last { lines.totals(snapshot) } else { Ok(()) }
            }
        }
    }
}
