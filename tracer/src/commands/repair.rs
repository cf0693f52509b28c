//! `tracer repair`: the good part of a recording, into another file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::cli::exit_status;
use crate::cli::repair::RepairOptions;
use crate::human::{self, safe_text};
use crate::recorder::Created;
use crate::recording::{self, End, Repaired};

/// Copies what is good and says what is not.
pub(super) fn run(options: &RepairOptions) -> Result<u8> {
    let name = shown(&options.file);
    if options.file.as_os_str() == "-" {
        bail!(
            "error: cannot repair standard input\nwhy: a recording is read twice to find its good part\n\
             next: save it to a file first; `tracer report -` reads a cut recording as it is"
        );
    }
    let output = options.output.clone().unwrap_or_else(|| repaired_name(&options.file));
    let input = File::open(&options.file).map_err(|error| {
        anyhow!("error: cannot open '{name}'\nwhy: {error}\nnext: name a recording that you may read")
    })?;
    let size = input.metadata().with_context(|| format!("cannot look at '{name}'"))?.len();
    // What is no recording is found before a file is made.
    let repaired = if output.as_os_str() == "-" {
        recording::repair(BufReader::new(input), BufWriter::new(io::stdout().lock()))
    } else {
        if let Err(error) = recording::Reader::open(BufReader::new(&input)) {
            return Err(no_recording(&name, &error));
        }
        let input = File::open(&options.file).with_context(|| format!("cannot open '{name}'"))?;
        let created = Created::new(&output, options.force, || {})?;
        let repaired = recording::repair(BufReader::new(input), BufWriter::new(&created.file));
        if repaired.is_err() {
            created.remove();
        }
        repaired
    };
    let repaired = repaired.map_err(|error| no_recording(&name, &error))?;
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{}", told(&repaired, &name, &shown(&output), size));
    Ok(exit_status::FINE)
}

fn no_recording(name: &str, error: &recording::ReadError) -> anyhow::Error {
    anyhow!(
        "error: cannot repair '{name}'\nwhy: {error}\n\
         next: nothing can be saved without the beginning of the file, which says what the rest means"
    )
}

fn told(repaired: &Repaired, name: &str, output: &str, size: u64) -> String {
    let kept = format!(
        "{}, {} of {}",
        human::plural(repaired.intervals, "interval"),
        human::bytes(repaired.bytes_kept),
        human::bytes(size)
    );
    match &repaired.end {
        End::Clean => format!("{name} ended cleanly, there is nothing to repair\ncopied to {output}: {kept}"),
        End::Unclean { why } => format!(
            "{name} ended uncleanly: {}\nkept in {output}: {kept}\nlost: {} after the last whole interval",
            safe_text(why.as_bytes()),
            human::bytes(size.saturating_sub(repaired.bytes_kept))
        ),
    }
}

fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard output".to_owned()
    } else {
        safe_text(path.as_os_str().as_encoded_bytes())
    }
}

/// `x.arrows` gives `x.repaired.arrows`.
fn repaired_name(file: &Path) -> PathBuf {
    let stem = match file.extension() {
        Some(extension) if extension == "arrows" => file.with_extension(""),
        _ => file.to_owned(),
    };
    let mut name = stem.into_os_string();
    name.push(".repaired.arrows");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repaired_file_stands_beside_the_other() {
        for (file, output) in [
            ("a.arrows", "a.repaired.arrows"),
            ("/tmp/b.c/a", "/tmp/b.c/a.repaired.arrows"),
            ("a.0001.arrows", "a.0001.repaired.arrows"),
        ] {
            assert_eq!(repaired_name(Path::new(file)), Path::new(output));
        }
    }
}
