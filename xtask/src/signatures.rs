//! `cargo xtask signatures`: the names and types of every syscall's arguments, as the running kernel
//! publishes them, put where the tracer reads them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::command::say;
use crate::workspace;

/// What the verb may be told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where tracefs is mounted
    #[arg(long, value_name = "DIR", default_value = "/sys/kernel/tracing")]
    tracefs: PathBuf,
}

/// Calls whose function in the kernel has another name than the call in the table.
const RENAMED: [(&str, &str); 6] = [
    ("newfstat", "fstat"),
    ("newlstat", "lstat"),
    ("newstat", "stat"),
    ("newuname", "uname"),
    ("sendfile64", "sendfile"),
    ("umount", "umount2"),
];

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the release")?;
    let version: String = release.trim().split(['-', '+']).next().unwrap_or_default().to_owned();
    let signatures = read_signatures(&options.tracefs.join("events/syscalls"))?;
    let path = workspace::root().join("tracer/src/arguments/signatures.rs");
    std::fs::write(&path, source(&signatures, &version))
        .with_context(|| format!("cannot write {}", path.display()))?;
    say(format!("{} calls of Linux {version} in {}", signatures.len(), path.display()));
    Ok(())
}

fn read_signatures(events: &Path) -> Result<BTreeMap<String, String>> {
    let entries = std::fs::read_dir(events).with_context(|| {
        format!("cannot read {}: is tracefs mounted, and the kernel built with it?", events.display())
    })?;
    let mut signatures = BTreeMap::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", events.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(call) = name.strip_prefix("sys_enter_") else { continue };
        let path = entry.path().join("format");
        let format =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let call = RENAMED.iter().find(|(kernel, _)| *kernel == call).map_or(call, |(_, table)| table);
        signatures.insert(call.to_owned(), arguments_of(&format));
    }
    if signatures.is_empty() {
        bail!("{} describes no call", events.display());
    }
    Ok(signatures)
}

/// `int fd|char * buf` of a format file, whose lines are `field:int fd; offset:16; size:8; signed:0;`.
fn arguments_of(format: &str) -> String {
    let declarations: Vec<&str> = format
        .lines()
        .filter_map(|line| line.trim().strip_prefix("field:")?.split(';').next())
        .filter(|declaration| !declaration.contains(" common_") && !declaration.ends_with("__syscall_nr"))
        .collect();
    declarations.join("|")
}

fn source(signatures: &BTreeMap<String, String>, version: &str) -> String {
    let mut text = format!(
        "//! What every syscall takes: type and name of its arguments, as Linux {version} publishes them in\n\
         //! tracefs (`events/syscalls/*/format`). Written by `cargo xtask signatures`.\n\n\
         /// Calls by name, each with `TYPE NAME` for every argument, `|` between them.\n\
         #[rustfmt::skip]\n\
         pub(super) const PUBLISHED: [(&str, &str); {}] = [\n",
        signatures.len()
    );
    for (call, arguments) in signatures {
        // A string takes everything.
        let _ = writeln!(text, "    ({call:?}, {arguments:?}),");
    }
    text.push_str("];\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_from_a_format_file() {
        let format = "name: sys_enter_read\nID: 700\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
            \tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n\
            \tfield:unsigned int fd;\toffset:16;\tsize:8;\tsigned:0;\n\
            \tfield:char * buf;\toffset:24;\tsize:8;\tsigned:0;\n\n\
            print fmt: \"fd: 0x%08lx\", ((unsigned long)(REC->fd))\n";
        assert_eq!(arguments_of(format), "unsigned int fd|char * buf");
        assert_eq!(arguments_of("field:int __syscall_nr;\n"), "");
    }
}
