//! `tracer demo`: the recording of a real incident that is built in, for whoever wants to see what this is.

use anyhow::{Context as _, Result};

use super::replay;
use crate::source::tape::{Input, Tape};

/// Staged and recorded by `tracer/demo/stage.sh`.
static RECORDING: &[u8] = include_bytes!("../../demo/incident.arrows");

/// What there is to find in it.
const HINT: &str = "demo: a disk gets slow, then a deployment looks for files that are not there";

/// Runs until the user leaves; the result is the exit status.
pub(super) fn run() -> Result<u8> {
    let tape = Tape::open(vec![Input::Bytes(RECORDING)])
        .context("cannot read the recording that is built in")?
        .with_notice(HINT);
    replay::show(tape)
}
