//! `cargo xtask setup-ebpf`: installs on Debian what `build-ebpf` needs, and nothing that is there already.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{self, ask_text, find, say};
use crate::toolchain;

/// A rustc with the source of its library, its cargo, and the LLVM that this rustc was built with.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev"];
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const LINKER_VERSION: &str = "0.13.0";

/// Runs the verb.
pub(crate) fn run() -> Result<()> {
    install_packages()?;
    install_linker()?;
    for toolchain in toolchain::search()? {
        say(format!(
            "can build the BPF programs: {} {} with {}",
            toolchain.rustc.display(),
            toolchain.identity.rustc,
            toolchain.linker.display()
        ));
    }
    Ok(())
}

fn install_packages() -> Result<()> {
    let missing: Vec<&str> = PACKAGES.into_iter().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        say(format!("already installed: {}", PACKAGES.join(" ")));
        return Ok(());
    }
    if find("apt-get").is_none() {
        bail!(
            "this machine has no apt-get, and setup-ebpf knows only Debian's packages.\n{}",
            match toolchain::search() {
                Ok(_) => "`cargo xtask build-ebpf` works here without it.".to_owned(),
                Err(error) => format!("{error:#}"),
            }
        );
    }
    command::run(command::as_root("apt-get")?.args(["update", "--quiet"]))?;
    // --no-remove: a rustc that someone installed on purpose is not ours to take away.
    command::run(
        command::as_root("env")?
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install"])
            .args(["--yes", "--quiet", "--no-install-recommends", "--no-remove"])
            .args(&missing),
    )
}

fn is_installed(package: &str) -> bool {
    ask_text("dpkg-query", &["--show", "--showformat=${db:Status-Status}", package])
        .is_some_and(|status| status == "installed")
}

fn install_linker() -> Result<()> {
    let installed = find("bpf-linker").and_then(|path| ask_text(path, &["--version"]));
    if let Some(version) = &installed
        && version.trim() == format!("bpf-linker {LINKER_VERSION}")
        && toolchain::search().is_ok()
    {
        say(format!("already installed: {}", version.trim()));
        return Ok(());
    }
    if !Path::new(LLVM_PREFIX).is_dir() {
        bail!("{LLVM_PREFIX} is missing although llvm-22-dev is installed");
    }
    // The cargo that runs us is the one whose `bin` directory is on PATH.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command::run(
        Command::new(cargo)
            .args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked", "--force"])
            .args(["--no-default-features", "--features", "llvm-22"])
            .env("LLVM_PREFIX", LLVM_PREFIX),
    )
}
