//! The recording that a live run is held against, read before anything is attached.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::compare;
use crate::baseline::Baseline;
use crate::compare::Side;
use crate::human;

/// Share of calls that may be missing without a word.
const LOSS: f64 = 0.01;

/// A baseline and what is to be said of it.
pub(super) struct Loaded {
    pub(super) baseline: Arc<Baseline>,
    pub(super) notice: String,
}

/// Reads one.
pub(super) fn load(file: &Path) -> Result<Loaded> {
    if file.as_os_str() == "-" {
        bail!(
            "error: a baseline on standard input\nwhy: it has to be read before the run begins, and keys come from \
             there\nnext: save it to a file"
        );
    }
    let side = compare::read_side(file)?;
    Ok(Loaded { notice: notice(&side), baseline: Arc::new(Baseline::of(&side)) })
}

fn notice(side: &Side) -> String {
    let about = &side.about;
    let unclean = about.unclean.as_ref().map(|why| format!(", which ended uncleanly ({why})"));
    let lost = (side.loss() > LOSS)
        .then(|| format!(", which lost {} % of its calls", human::percent(side.loss(), 1.0)));
    format!(
        "held against {} ({}, {}){}{}",
        about.label,
        human::clock(side.duration_ns()),
        about.host,
        unclean.unwrap_or_default(),
        lost.unwrap_or_default()
    )
}
