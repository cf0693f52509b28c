//! Builds the kernel suite and what it runs so that they need nothing else: linked statically.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::command;
use crate::kernel_suite;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The programs that go into the machine.
pub(crate) struct Suite {
    /// The test program of `tracer/tests/kernel/`.
    pub(crate) tests: PathBuf,
    /// What it prints when asked for its tests.
    pub(crate) listed: String,
    /// `tracer` itself.
    pub(crate) tracer: PathBuf,
    /// The program that makes known calls and says which.
    pub(crate) oracle: PathBuf,
}

/// Builds them under `directory`, apart from everything built for this machine.
pub(crate) fn build(directory: &Path) -> Result<Suite> {
    let target = directory.join("build");
    command::run(cargo("build", &target).args(kernel_suite::PROGRAMS))?;
    let messages = command::read(
        cargo("test", &target)
            .args(kernel_suite::SELECTION)
            .args(["--no-run", "--message-format=json-render-diagnostics"]),
    )?;
    let tests = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find_map(|message| message.executable.filter(|_| message.target.is_some_and(|t| t.name == "kernel")))
        .context("cargo built the kernel suite but named no program for it")?;
    // Linked statically for this processor, so it can list its tests here.
    let listed = command::read(Command::new(&tests).args(kernel_suite::LIST))?;
    let built = target.join(TARGET).join("release");
    Ok(Suite { tests, listed, tracer: built.join("tracer"), oracle: built.join("examples/oracle") })
}

/// What we need of one line of cargo's messages.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn cargo(verb: &str, target: &Path) -> Command {
    let mut command = command::cargo();
    command
        .args([verb, "--target", TARGET])
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        // The machine unpacks all of this into memory at every boot.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "none")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    command
}
