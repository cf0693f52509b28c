//! How the committed object was made: written beside it, and enough to say whether it still belongs to
//! the sources without a compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::toolchain::Identity;

const HEADER: &str = "\
# How tracer.bpf.o was made. Written by `cargo xtask build-ebpf`; never edit it by hand.
# `cargo xtask build-ebpf --check` proves that the object and the sources belong together.

";

/// Crates that only help to compile: macros' parsers and build scripts' probes. They come and go with every
/// `cargo update`, and what they could change shows in the bytes that a rebuild compares.
const COMPILE_ONLY: [&str; 6] =
    ["aya-build", "proc-macro2", "proc-macro2-diagnostics", "quote", "rustversion", "syn"];

/// The content of `PROVENANCE.toml`.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Provenance {
    /// What was made.
    pub(crate) object: Object,
    /// From what.
    pub(crate) sources: Sources,
    /// With what.
    pub(crate) toolchain: Identity,
    /// Compiler flags, with the machine's own paths replaced by names.
    pub(crate) flags: Vec<String>,
}

/// The object that was made.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Object {
    /// Of the whole file.
    pub(crate) sha256: String,
    /// Its length.
    pub(crate) bytes: usize,
}

/// The sources that the object was made from.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Sources {
    /// Over the files' names and contents, the build profile and the crates below.
    pub(crate) sha256: String,
    /// Versions of the crates whose code is in the object.
    pub(crate) crates: Vec<String>,
}

impl Object {
    /// Describes `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { sha256: hex(&Sha256::digest(bytes)), bytes: bytes.len() }
    }
}

impl Provenance {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}; `cargo xtask build-ebpf` makes it", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes the file at `path`.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = format!("{HEADER}{}", toml::to_string_pretty(self)?);
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Sources {
    /// Digests the sources under `root` as they are now.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        collect(&root.join("tracer-ebpf"), &mut files)?;
        collect(&root.join("tracer-common/src"), &mut files)?;
        files.push(root.join("tracer-common/Cargo.toml"));
        files.sort();

        let mut digest = Sha256::new();
        for file in &files {
            let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let name = file.strip_prefix(root).unwrap_or(file);
            feed(&mut digest, name.as_os_str().as_encoded_bytes());
            feed(&mut digest, &content);
        }
        feed(&mut digest, workspace_settings(root)?.as_bytes());
        let crates = crates(root)?;
        feed(&mut digest, crates.join("\n").as_bytes());
        Ok(Self {
            sha256: hex(&digest.finalize()),
            crates: crates
                .iter()
                .filter_map(|line| line.rsplit_once(' '))
                .map(|(name_and_version, _)| name_and_version.to_owned())
                .collect(),
        })
    }
}

/// Adds one piece with its length, so that bytes cannot move between neighbours unseen.
fn feed(digest: &mut Sha256, piece: &[u8]) {
    digest.update((piece.len() as u64).to_le_bytes());
    digest.update(piece);
}

/// Every file under `directory` that git would keep.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == "target" || name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// What the workspace's own manifest decides about the object: profiles, edition, version.
fn workspace_settings(root: &Path) -> Result<String> {
    let path = root.join("Cargo.toml");
    let manifest = manifest(&path)?;
    let mut settings = toml::Table::new();
    if let Some(profile) = manifest.get("profile") {
        settings.insert("profile".to_owned(), profile.clone());
    }
    if let Some(package) = manifest.get("workspace").and_then(|table| table.get("package")) {
        settings.insert("package".to_owned(), package.clone());
    }
    toml::to_string(&settings).with_context(|| format!("{} is damaged", path.display()))
}

fn manifest(path: &Path) -> Result<toml::Table> {
    std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .parse()
        .with_context(|| format!("{} is damaged", path.display()))
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// `name version checksum` of every crate whose code is in the object, as `Cargo.lock` has them.
fn crates(root: &Path) -> Result<Vec<String>> {
    let path = root.join("Cargo.lock");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lock: Lock = toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let mut by_name: BTreeMap<&str, Vec<&Locked>> = BTreeMap::new();
    for package in &lock.package {
        by_name.entry(&package.name).or_default().push(package);
    }

    let mut seen = BTreeSet::new();
    let mut waiting = vec!["tracer-ebpf".to_owned()];
    while let Some(wanted) = waiting.pop() {
        let mut words = wanted.split(' ');
        let name = words.next().unwrap_or_default();
        let version = words.next();
        if COMPILE_ONLY.contains(&name) {
            continue;
        }
        let Some(package) =
            by_name.get(name).and_then(|found| found.iter().find(|p| version.is_none_or(|v| p.version == v)))
        else {
            bail!("{} does not list {wanted}; run `cargo update --workspace`", path.display());
        };
        let checksum = package.checksum.as_deref().unwrap_or("workspace");
        if !seen.insert(format!("{} {} {checksum}", package.name, package.version)) {
            continue;
        }
        if package.source.is_some() {
            waiting.extend(package.dependencies.iter().cloned());
        } else {
            waiting.extend(always_needed(root, &package.name)?);
        }
    }
    Ok(seen.into_iter().collect())
}

/// What one of our own crates always depends on. The lock file cannot say: it lists optional and test
/// dependencies alike, which would tie the object to half of what user space uses.
fn always_needed(root: &Path, package: &str) -> Result<Vec<String>> {
    let manifest = manifest(&root.join(package).join("Cargo.toml"))?;
    let Some(dependencies) = manifest.get("dependencies").and_then(toml::Value::as_table) else {
        return Ok(Vec::new());
    };
    let optional =
        |value: &toml::Value| value.get("optional").and_then(toml::Value::as_bool).unwrap_or(false);
    Ok(dependencies.iter().filter(|(_, value)| !optional(value)).map(|(name, _)| name.clone()).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = r#"
        [workspace]
        members = ["tracer-ebpf"]
        [profile.release]
        debug = 1
    "#;
    const LOCK: &str = r#"
        version = 4
        [[package]]
        name = "aya"
        version = "1.0.0"
        source = "somewhere"
        checksum = "aa"
        [[package]]
        name = "aya-ebpf"
        version = "2.0.0"
        source = "somewhere"
        checksum = "bb"
        dependencies = ["syn"]
        [[package]]
        name = "syn"
        version = "3.0.0"
        source = "somewhere"
        checksum = "cc"
        [[package]]
        name = "tracer-common"
        version = "0.1.0"
        dependencies = ["aya"]
        [[package]]
        name = "tracer-ebpf"
        version = "0.1.0"
        dependencies = ["aya-ebpf", "tracer-common"]
    "#;

    fn repository() -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (name, content) in [
            ("Cargo.toml", ROOT),
            ("Cargo.lock", LOCK),
            ("tracer-common/Cargo.toml", "[dependencies]\naya = { version = \"1\", optional = true }\n"),
            ("tracer-common/src/lib.rs", "pub const A: u32 = 1;"),
            (
                "tracer-ebpf/Cargo.toml",
                "[dependencies]\naya-ebpf = \"2\"\ntracer-common = { path = \"../tracer-common\" }\n",
            ),
            ("tracer-ebpf/src/main.rs", "fn main() {}"),
        ] {
            write(directory.path(), name, content);
        }
        directory
    }

    fn write(root: &Path, name: &str, content: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
    }

    #[test]
    fn only_crates_in_the_object_are_recorded() {
        let repository = repository();
        let sources = Sources::of(repository.path()).expect("sources");
        assert_eq!(sources.crates, ["aya-ebpf 2.0.0", "tracer-common 0.1.0", "tracer-ebpf 0.1.0"]);
    }

    #[test]
    fn what_the_object_does_not_hold_leaves_the_digest_alone() {
        let repository = repository();
        let before = Sources::of(repository.path()).expect("sources");
        write(repository.path(), "Cargo.lock", &LOCK.replace("3.0.0", "3.0.1").replace("\"aa\"", "\"ab\""));
        assert_eq!(before, Sources::of(repository.path()).expect("sources"));
    }

    #[test]
    fn every_input_of_the_object_changes_the_digest() {
        let changes = [
            ("tracer-ebpf/src/main.rs", "fn main() { }".to_owned()),
            ("tracer-ebpf/src/new.rs", String::new()),
            ("tracer-common/src/lib.rs", "pub const A: u32 = 2;".to_owned()),
            ("Cargo.toml", ROOT.replace("debug = 1", "debug = 2")),
            ("Cargo.lock", LOCK.replace("\"bb\"", "\"bc\"")),
        ];
        for (name, content) in changes {
            let repository = repository();
            let before = Sources::of(repository.path()).expect("sources").sha256;
            write(repository.path(), name, &content);
            let after = Sources::of(repository.path()).expect("sources").sha256;
            assert_ne!(before, after, "{name}");
        }
    }
}
