//! Prints docs/KEYS.md.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(tracer::tui::manual::markdown().as_bytes())
}
