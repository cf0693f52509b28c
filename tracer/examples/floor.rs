//! Attaches two programs that do nothing to syscall enter and exit, until its standard input ends: the floor
//! of any tracer that has a program at both. For `cargo xtask bench overhead`.

use std::io::{Read as _, Write as _};

use tracer::bpf::floor::attach_floor;
use tracer::bpf::loader::Family;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let family = match std::env::args().nth(1).as_deref() {
        Some("classic") => Family::Classic,
        _ => Family::Raw,
    };
    let programs = attach_floor(family)?;
    writeln!(std::io::stdout(), "attached")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(programs);
    Ok(())
}
