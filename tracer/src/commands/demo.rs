//! `tracer demo`: the recording of a real incident that is built in, for whoever wants to see what this is.

use std::io::{self, BufWriter, Write as _};

use anyhow::{Context as _, Result};

use super::replay;
use crate::aggregate::Aggregator;
use crate::cli::exit_status;
use crate::cli::replay::DemoOptions;
use crate::commands::session::reader_is_there;
use crate::report::{Scope, write_tables};
use crate::source::replay::status_of;
use crate::source::tape::{Fed, Input, Tape};

/// Staged and recorded by `tracer/demo/stage.sh`.
static RECORDING: &[u8] = include_bytes!("../../demo/incident.arrows");

/// What there is to find in it.
const HINT: &str = "demo: a disk gets slow, then a deployment looks for files that are not there";

/// Runs until the user leaves; the result is the exit status.
pub(super) fn run(options: &DemoOptions) -> Result<u8> {
    let mut tape = Tape::open(vec![Input::Bytes(RECORDING)])
        .context("cannot read the recording that is built in")?
        .with_notice(HINT);
    if replay::has_screen() {
        return replay::show(tape, options.screen.into());
    }
    let mut aggregator = Aggregator::new();
    let mut fed = tape.play().context("cannot start a thread")?;
    while let Some(news) = fed.blocking_recv() {
        if let Fed::Interval(interval, _) = news {
            aggregator.merge(&interval);
        }
    }
    let mut out = BufWriter::new(io::stdout());
    let written = write_tables(&mut out, &aggregator.snapshot(), &status_of(tape.meta()), Scope::Total);
    reader_is_there(written.and_then(|()| out.flush()))?;
    Ok(exit_status::FINE)
}
