//! `cargo xtask run -- ARGS`: builds the tracer and becomes it, with the privilege it needs.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::command::{self, find, is_root};
use crate::workspace;

/// Options of `cargo xtask run`.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Passed to the tracer as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// Runs the verb; returns only when it fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    command::run(command::cargo().args(["build", "--release", "--package", "tracer", "--bin", "tracer"]))?;
    let tracer = workspace::target().join("release/tracer");
    let mut command = if is_root() {
        Command::new(&tracer)
    } else {
        if find("sudo").is_none() {
            bail!(
                "tracing needs root.\nYou are not root, and there is no sudo on PATH.\n\
                 Run this again as root, or grant the binary what it needs once and run it directly:\n  \
                 setcap cap_bpf,cap_perfmon,cap_sys_resource,cap_sys_ptrace,cap_dac_read_search=ep {}",
                tracer.display()
            );
        }
        let mut command = Command::new("sudo");
        // Through `env`, because sudo's own ways to keep variables are often forbidden by its policy.
        command.arg("env").args(kept_variables()).arg(&tracer);
        command
    };
    command.args(&options.arguments);
    command::clean(&mut command);
    command::announce(&command);
    Err(command.exec()).with_context(|| format!("cannot run {}", tracer.display()))
}

/// What the tracer reads from its environment, and what a command that it launches must be found by.
fn kept_variables() -> Vec<OsString> {
    const KEPT: [&str; 7] = ["PATH", "TERM", "COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "XDG_CONFIG_HOME"];
    std::env::vars_os()
        .filter(|(name, _)| {
            name.to_str().is_some_and(|name| KEPT.contains(&name) || name.starts_with("TRACER_"))
        })
        .map(|(name, value)| {
            let mut pair = name;
            pair.push("=");
            pair.push(value);
            pair
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Verb {
        #[command(flatten)]
        options: Options,
    }

    fn passed(arguments: &[&str]) -> Vec<OsString> {
        let typed = std::iter::once(&"run").chain(arguments);
        Verb::try_parse_from(typed).expect("accepted").options.arguments
    }

    #[test]
    fn everything_after_the_verb_reaches_the_tracer() {
        assert_eq!(passed(&["-d", "3"]), ["-d", "3"]);
        assert_eq!(passed(&["--", "-d", "3"]), ["-d", "3"]);
        assert_eq!(passed(&["--help"]), ["--help"]);
        assert_eq!(passed(&["replay", "-h"]), ["replay", "-h"]);
        assert!(passed(&[]).is_empty());
    }

    #[test]
    fn a_command_to_launch_keeps_its_separator() {
        assert_eq!(passed(&["--", "-d", "3", "--", "ls", "-l"]), ["-d", "3", "--", "ls", "-l"]);
        assert_eq!(passed(&["-d", "3", "--", "ls", "-l"]), ["-d", "3", "--", "ls", "-l"]);
        assert_eq!(passed(&["--", "--", "ls"]), ["--", "ls"]);
    }
}
