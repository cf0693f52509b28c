//! Which compiler and linker can build the BPF programs on this machine.
//!
//! The programs need `core` built from source for a target without a prebuilt library, which takes nightly
//! features, and a linker that reads the bitcode of exactly that compiler's LLVM.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::command::{ask_text, find};

/// Overrides the search for a compiler: the path of a `rustc` with `cargo` beside it.
const RUSTC_VARIABLE: &str = "TRACER_BPF_RUSTC";
/// Overrides the search for the linker: the path of a `bpf-linker`.
const LINKER_VARIABLE: &str = "TRACER_BPF_LINKER";

/// What identifies a toolchain: two builds of the same sources by equal ones are equal byte for byte.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Identity {
    /// `release` of `rustc -vV`, with the distribution's note if there is one.
    pub(crate) rustc: String,
    /// `commit-hash` of `rustc -vV`.
    pub(crate) rustc_commit: String,
    /// LLVM inside rustc.
    pub(crate) rustc_llvm: String,
    /// `bpf-linker --version`.
    pub(crate) linker: String,
    /// LLVM inside the linker; "static" when it carries its own and does not say which.
    pub(crate) linker_llvm: String,
}

/// A compiler and a linker that fit together.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// `cargo` of the same toolchain as `rustc`.
    pub(crate) cargo: PathBuf,
    /// The compiler.
    pub(crate) rustc: PathBuf,
    /// The library's source, with every name under which the compiler may know it.
    pub(crate) library: Vec<PathBuf>,
    /// bpf-linker.
    pub(crate) linker: PathBuf,
    /// llvm-objcopy, which drops the debug sections.
    pub(crate) objcopy: PathBuf,
    /// Versions of all of these.
    pub(crate) identity: Identity,
}

/// Every toolchain that can build the programs, the preferred first.
///
/// # Errors
/// None can; the message says why each candidate was refused and what to install.
pub(crate) fn search() -> Result<Vec<Toolchain>> {
    let mut refused = Vec::new();
    let linker = linker(&mut refused);
    let objcopy = objcopy();
    if objcopy.is_none() {
        refused.push(
            "llvm-objcopy: not found on PATH, under /usr/lib/llvm-* or in rustup's llvm-tools".to_owned(),
        );
    }
    let mut toolchains = Vec::new();
    if let (Some(linker), Some(objcopy)) = (linker, objcopy) {
        for rustc in compilers() {
            match fit(&rustc, &linker, &objcopy) {
                Ok(toolchain) => toolchains.push(toolchain),
                Err(error) => refused.push(format!("{}: {error}", rustc.display())),
            }
        }
    }
    if !toolchains.is_empty() {
        return Ok(toolchains);
    }
    bail!(
        "no toolchain on this machine can build the BPF programs.\n  {}\n\
         On Debian, `cargo xtask setup-ebpf` installs one. Anywhere else, either\n  \
         rustup toolchain install nightly --component rust-src --component llvm-tools\n  \
         or a system rustc with the source of its library;\n\
         and a bpf-linker with the same LLVM:\n  \
         LLVM_PREFIX=/usr/lib/llvm-N cargo install bpf-linker --locked --no-default-features --features llvm-N\n\
         {RUSTC_VARIABLE} and {LINKER_VARIABLE} name a compiler and a linker that are not on the usual paths.",
        refused.join("\n  "),
    )
}

/// The compilers to try, the preferred first.
fn compilers() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os(RUSTC_VARIABLE) {
        return vec![PathBuf::from(named)];
    }
    let mut compilers = Vec::new();
    for line in ask_text("rustup", &["toolchain", "list"]).unwrap_or_default().lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if name.starts_with("nightly")
            && let Some(path) = ask_text("rustup", &["which", "--toolchain", name, "rustc"])
        {
            compilers.push(PathBuf::from(path.trim()));
        }
    }
    let system = Path::new("/usr/bin/rustc");
    if system.is_file() {
        compilers.push(system.to_path_buf());
    }
    compilers
}

struct Linker {
    path: PathBuf,
    version: String,
    llvm: String,
}

fn linker(refused: &mut Vec<String>) -> Option<Linker> {
    let named = std::env::var_os(LINKER_VARIABLE).map(PathBuf::from);
    let Some(path) = find(named.as_deref().unwrap_or(Path::new("bpf-linker"))) else {
        refused.push(match named {
            Some(path) => format!("{LINKER_VARIABLE}={}: there is no such file", path.display()),
            None => "bpf-linker: not found on PATH".to_owned(),
        });
        return None;
    };
    let Some(version) = ask_text(&path, &["--version"]) else {
        refused.push(format!("{}: `--version` fails", path.display()));
        return None;
    };
    let llvm = linked_llvm(&path).unwrap_or_else(|| "static".to_owned());
    let version = version.trim().trim_start_matches("bpf-linker ").to_owned();
    Some(Linker { path, version, llvm })
}

/// The version of the LLVM library that `program` loads, asked from the `llvm-config` beside it; the
/// linker itself does not say.
fn linked_llvm(program: &Path) -> Option<String> {
    let libraries = ask_text("ldd", &[program.to_str()?])?;
    let line = libraries.lines().find(|line| line.contains("libLLVM"))?;
    let library = Path::new(line.split("=>").nth(1)?.split_whitespace().next()?);
    let config = library.parent()?.parent()?.join("bin/llvm-config");
    if let Some(version) = ask_text(config, &["--version"]) {
        return Some(version.trim().to_owned());
    }
    // Without llvm-config the file name still carries the major version: libLLVM.so.22.1, libLLVM-22.so.
    let name = library.file_name()?.to_str()?;
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    Some(digits.trim_end_matches(".so").to_owned())
}

fn objcopy() -> Option<PathBuf> {
    let mut versioned: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let major = path.file_name()?.to_str()?.strip_prefix("llvm-")?.parse().ok()?;
            Some((major, path.join("bin/llvm-objcopy")))
        })
        .filter(|(_, path)| path.is_file())
        .collect();
    versioned.sort();
    versioned.pop().map(|(_, path)| path).or_else(|| find("llvm-objcopy")).or_else(rustup_objcopy)
}

/// rustup's `llvm-tools` component puts the tools out of PATH, under the sysroot.
fn rustup_objcopy() -> Option<PathBuf> {
    let sysroot = ask_text("rustup", &["run", "nightly", "rustc", "--print", "sysroot"])?;
    let host = ask_text("rustup", &["run", "nightly", "rustc", "-vV"])?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "))?;
    let path = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/llvm-objcopy");
    path.is_file().then_some(path)
}

/// Whether `rustc` can build `core` for BPF and `linker` can read what it makes.
fn fit(rustc: &Path, linker: &Linker, objcopy: &Path) -> Result<Toolchain> {
    let Some(verbose) = ask_text(rustc, &["-vV"]) else {
        bail!("`rustc -vV` fails");
    };
    let field = |name: &str| {
        verbose
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or("unknown")
            .to_owned()
    };
    let cargo = rustc.with_file_name("cargo");
    if !cargo.is_file() {
        bail!("there is no cargo beside it");
    }
    let sysroot = ask_text(rustc, &["--print", "sysroot"]).unwrap_or_default();
    let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust");
    if !source.join("library/core/src/lib.rs").is_file() {
        bail!(
            "no library source in {} (rustup's component rust-src, Debian's package rust-web-src)",
            source.display()
        );
    }
    let rustc_llvm = field("LLVM version");
    let major = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
    if linker.llvm != "static" && major(&linker.llvm) != major(&rustc_llvm) {
        bail!("its LLVM is {rustc_llvm}, but {} has LLVM {}", linker.path.display(), linker.llvm);
    }
    let mut library = vec![source.clone()];
    library.extend(source.canonicalize().ok().filter(|real| *real != source));
    Ok(Toolchain {
        cargo,
        rustc: rustc.to_path_buf(),
        library,
        linker: linker.path.clone(),
        objcopy: objcopy.to_path_buf(),
        identity: Identity {
            rustc: field("release"),
            rustc_commit: field("commit-hash"),
            rustc_llvm,
            linker: linker.version.clone(),
            linker_llvm: linker.llvm.clone(),
        },
    })
}
