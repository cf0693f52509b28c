//! `cargo xtask tidy`: rules about this repository that no compiler checks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{self, say};
use crate::workspace;

/// Longer files want to be two.
const MOST_LINES: usize = 600;

/// Hosts of package registries, each in pieces so that this file does not hold what it looks for. A
/// file that names one works on some networks only; tools find theirs in the machine's configuration.
const REGISTRIES: [(&str, &str); 10] = [
    ("crates", ".io"),
    ("static.rust-lang", ".org"),
    ("deb.debian", ".org"),
    ("security.debian", ".org"),
    ("archive.ubuntu", ".com"),
    ("pypi", ".org"),
    ("registry.npmjs", ".org"),
    ("npmjs", ".com"),
    ("rubygems", ".org"),
    ("proxy.golang", ".org"),
];

/// Runs the verb.
pub(crate) fn check() -> Result<()> {
    let root = workspace::root();
    let files = command::read(
        Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&root),
    )?;
    let mut faults = Vec::new();
    let mut checked = 0;
    for name in files.split('\0').filter(|name| !name.is_empty()) {
        let path = root.join(name);
        // A symbolic link names another file of the list, and a deleted file is still in git's index.
        if path.is_symlink() || !path.is_file() {
            continue;
        }
        let content = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Ok(text) = String::from_utf8(content) else {
            continue;
        };
        checked += 1;
        faults.extend(faults_in(name, &text));
    }
    for fault in &faults {
        say(fault);
    }
    if !faults.is_empty() {
        bail!("{} untidy places in {checked} files", faults.len());
    }
    say(format!("tidy: {checked} files"));
    Ok(())
}

/// What is wrong with one file, each with its place.
fn faults_in(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if Path::new(name).extension().is_some_and(|extension| extension == "rs") {
        if !text.starts_with("//!") {
            faults.push(format!("{name}:1: must open with a `//!` sentence on the file's role"));
        }
        let lines = text.lines().count();
        if lines > MOST_LINES {
            faults.push(format!("{name}: {lines} lines; split what is above {MOST_LINES}"));
        }
    }
    // Cargo writes its lock file, and names there where each crate came from.
    if Path::new(name).file_name().is_some_and(|file| file == "Cargo.lock") {
        return faults;
    }
    for (number, line) in text.lines().enumerate() {
        for (host, end) in REGISTRIES {
            if line.contains(&format!("{host}{end}")) {
                faults.push(format!("{name}:{}: names a package registry's host", number + 1));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tidy_file_has_no_faults() {
        assert_eq!(faults_in("a/b.rs", "//! Does this.\n\nfn main() {}\n"), Vec::<String>::new());
        assert_eq!(faults_in("README.md", "no `//!` needed\n"), Vec::<String>::new());
    }

    #[test]
    fn each_rule_finds_its_fault() {
        let one = |name: &str, text: &str| {
            let faults = faults_in(name, text);
            assert_eq!(faults.len(), 1, "{faults:?}");
            faults.into_iter().next().unwrap_or_default()
        };
        assert!(one("a.rs", "fn main() {}\n").starts_with("a.rs:1: must open"));
        assert!(one("a.rs", &format!("//! Long.\n{}", "\n".repeat(MOST_LINES))).contains("601 lines"));
        let named = format!("ok\nfetch https://{}{}/x\n", "crates", ".io");
        assert!(one("a.sh", &named).starts_with("a.sh:2: names"));
        assert_eq!(faults_in("Cargo.lock", &named), Vec::<String>::new());
    }
}
