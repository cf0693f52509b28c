//! `cargo xtask build-ebpf`: builds the BPF programs, strips them to what the kernel needs, and puts the
//! object and its provenance where the tracer embeds them. `--check` proves that they belong together.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::command::{self, say};
use crate::provenance::{Object, Provenance, Sources};
use crate::toolchain::{self, Toolchain};
use crate::workspace;

const TARGET: &str = "bpfel-unknown-none";

/// Options of `cargo xtask build-ebpf`.
#[derive(Args)]
pub(crate) struct Options {
    /// Change nothing; fail unless the committed object belongs to the sources
    #[arg(long)]
    check: bool,
}

/// Runs the verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.check { check() } else { build() }
}

fn build() -> Result<()> {
    let toolchains = toolchain::search()?;
    let toolchain = toolchains.first().context("no toolchain")?;
    say_toolchain(toolchain);
    // Before the build: a source that changes while we compile must show as a mismatch, not hide.
    let sources = Sources::of(&workspace::root())?;
    let bytes = compile(toolchain, &workspace::target().join("bpf"))?;
    let object = Object::of(&bytes);
    let path = workspace::object();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    std::fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    say(format!("{}: {} bytes, sha256 {}", path.display(), object.bytes, object.sha256));
    Provenance {
        object,
        sources,
        toolchain: toolchain.identity.clone(),
        flags: FLAGS.map(str::to_owned).into_iter().chain(remap_names()).collect(),
    }
    .write(&workspace::provenance())
}

fn check() -> Result<()> {
    let recorded = Provenance::read(&workspace::provenance())?;
    let path = workspace::object();
    let committed = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if Object::of(&committed) != recorded.object {
        bail!(
            "{} is not the object that PROVENANCE.toml describes.\n\
             One of the two was changed without the other.\n\
             Run `cargo xtask build-ebpf` and commit both.",
            path.display()
        );
    }
    if Sources::of(&workspace::root())? != recorded.sources {
        bail!(
            "the BPF sources changed after {} was built from them.\n\
             Run `cargo xtask build-ebpf` and commit the object with PROVENANCE.toml.",
            path.display()
        );
    }
    say("the object, its provenance and the sources belong together");

    let toolchains = match toolchain::search() {
        Ok(toolchains) => toolchains,
        Err(why) => {
            say(format!("rebuild SKIPPED: {why:#}"));
            return Ok(());
        }
    };
    let same = toolchains.iter().find(|toolchain| toolchain.identity == recorded.toolchain);
    let toolchain = same.or(toolchains.first()).context("no toolchain")?;
    say_toolchain(toolchain);
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let rebuilt = compile(toolchain, directory.path())?;
    if same.is_none() {
        say(format!(
            "the sources build, but comparing bytes was SKIPPED: the object was made with {:?}, and this machine has {:?}",
            recorded.toolchain, toolchain.identity
        ));
        return Ok(());
    }
    if rebuilt != committed {
        let kept = workspace::target().join("tracer.bpf.o.rebuilt");
        std::fs::write(&kept, &rebuilt).with_context(|| format!("cannot write {}", kept.display()))?;
        bail!(
            "rebuilding gives another object ({} bytes, committed {}), kept as {}.\n\
             The same toolchain and sources must give the same bytes, so the committed object was not made from them as they are.\n\
             Run `cargo xtask build-ebpf` and commit the result.",
            rebuilt.len(),
            committed.len(),
            kept.display()
        );
    }
    say("rebuilt: the same bytes");
    Ok(())
}

fn say_toolchain(toolchain: &Toolchain) {
    let identity = &toolchain.identity;
    say(format!(
        "toolchain: {} {} (LLVM {}), bpf-linker {} (LLVM {})",
        toolchain.rustc.display(),
        identity.rustc,
        identity.rustc_llvm,
        identity.linker,
        identity.linker_llvm
    ));
}

/// BTF, which maps and line numbers in verifier logs need, is made from the full debug information.
const FLAGS: [&str; 2] = ["-Cdebuginfo=2", "-Clink-arg=--btf"];

const WORKSPACE_NAME: &str = "/_/tracer";
const REGISTRY_NAME: &str = "/_/registry";
const LIBRARY_NAME: &str = "/_/rust";

/// The path replacements as provenance records them.
fn remap_names() -> [String; 3] {
    [
        format!("--remap-path-prefix=WORKSPACE={WORKSPACE_NAME}"),
        format!("--remap-path-prefix=REGISTRY={REGISTRY_NAME}"),
        format!("--remap-path-prefix=RUST_SOURCE={LIBRARY_NAME}"),
    ]
}

/// Builds into `target` and returns the stripped object.
fn compile(toolchain: &Toolchain, target: &Path) -> Result<Vec<u8>> {
    let root = workspace::root();
    // Unpacks the crates first, because the names of the registry's directories go into the flags.
    command::run(
        cargo(toolchain)
            .args(["fetch", "--locked", "--target", "x86_64-unknown-linux-gnu"])
            .current_dir(&root),
    )?;
    command::run(
        cargo(toolchain)
            .args(["build", "--locked", "--release", "--package", "tracer-ebpf"])
            .args(["--bin", "tracer", "--target", TARGET, "-Zbuild-std=core"])
            .current_dir(&root)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", &toolchain.rustc)
            .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &toolchain.linker)
            .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain, &root)?.join("\x1f"))
            .env("CARGO_TARGET_DIR", target),
    )?;
    let linked = target.join(TARGET).join("release/tracer");
    let stripped = target.join("tracer.bpf.o");
    // DWARF is nine tenths of the file and nothing at run time reads it; .BTF and .BTF.ext stay.
    command::run(Command::new(&toolchain.objcopy).arg("--strip-debug").args([&linked, &stripped]))?;
    std::fs::read(&stripped).with_context(|| format!("cannot read {}", stripped.display()))
}

fn cargo(toolchain: &Toolchain) -> Command {
    let mut command = Command::new(&toolchain.cargo);
    command::clean(&mut command);
    command
}

/// The compiler's flags. BTF and panic messages name source files, so every directory that differs
/// between machines is replaced: without that the same sources give other bytes elsewhere.
fn flags(toolchain: &Toolchain, root: &Path) -> Result<Vec<String>> {
    let mut flags: Vec<String> = FLAGS.map(str::to_owned).into();
    let mut remap = |from: &Path, to: &str| {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    };
    remap(root, WORKSPACE_NAME);
    for library in &toolchain.library {
        remap(library, LIBRARY_NAME);
    }
    for registry in registries()? {
        remap(&registry, REGISTRY_NAME);
    }
    Ok(flags)
}

/// The directories that hold unpacked crates: one per registry, named after it.
fn registries() -> Result<Vec<PathBuf>> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let sources = home.join("registry/src");
    let mut directories = Vec::new();
    for entry in std::fs::read_dir(&sources).with_context(|| format!("cannot read {}", sources.display()))? {
        directories.push(entry?.path());
    }
    directories.sort();
    Ok(directories)
}
