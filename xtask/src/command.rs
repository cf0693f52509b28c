//! Running other programs: each is printed before it runs, and a failure says which and how.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// Says one line to the person at the terminal. Verbs speak on stderr, so that stdout stays free for
/// what a program they run prints.
pub(crate) fn say(line: impl AsRef<str>) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
}

/// Prints `command` as one would type it.
pub(crate) fn announce(command: &Command) {
    say(format!("$ {}", show(command)));
}

/// Runs `command` to its end with our streams; an error unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let shown = show(command);
    let status = command.status().with_context(|| format!("cannot run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// Runs `command`, shows its stdout as it comes and hands it back, with whether the command succeeded.
pub(crate) fn run_and_keep(command: &mut Command) -> Result<(bool, String)> {
    announce(command);
    let shown = show(command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run `{shown}`"))?;
    let mut kept = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.with_context(|| format!("cannot read from `{shown}`"))?;
            let line = String::from_utf8_lossy(&line);
            // A closed stdout must not stop the tests.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
            kept.push_str(&line);
            kept.push('\n');
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
    Ok((status.success(), kept))
}

/// Runs `command` and hands back its stdout; an error, with what it said, unless it succeeds.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    announce(command);
    let shown = show(command);
    let output = ask(command)?;
    if !output.status.success() {
        bail!("`{shown}` failed: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The cargo that runs this xtask, at the top of the repository.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root());
    command
}

/// Runs `command` without a word, for questions whose answer may be no (is it installed, which version).
pub(crate) fn ask(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("cannot run `{}`", show(command)))
}

/// Like [`ask`], as the first stdout text of a program that exists and succeeds.
pub(crate) fn ask_text(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    clean(&mut command);
    let output = ask(&mut command).ok()?;
    if !output.status.success() {
        return None;
    }
    String::from_utf8(output.stdout).ok()
}

/// The path of `name` as the shell would find it.
pub(crate) fn find(name: impl AsRef<Path>) -> Option<PathBuf> {
    let name = name.as_ref();
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_path_buf());
    }
    // `sbin` is missing from many users' PATH, and some of what we look for lives there.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// Removes what the cargo that runs this xtask left in the environment: it would point another toolchain's
/// programs at the wrong compiler and libraries.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    for name in [
        "CARGO",
        "CARGO_ENCODED_RUSTFLAGS",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// The command that becomes root: `program` itself for root, through sudo for anyone else.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    if find("sudo").is_none() {
        bail!(
            "`{}` must run as root.\nYou are not root, and there is no sudo on PATH.\nRun this again as root.",
            program.as_ref().display()
        );
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    Ok(command)
}

/// Whether we run as root.
pub(crate) fn is_root() -> bool {
    // A process's entry in /proc belongs to its effective user.
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// `command` as one would type it, with the variables that were set for it.
fn show(command: &Command) -> String {
    let mut text = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            let _ = write!(text, "{}={} ", name.display(), quote(value));
        }
    }
    text.push_str(&quote(command.get_program()));
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&quote(argument));
    }
    if let Some(directory) = command.get_current_dir() {
        let _ = write!(text, "   (in {})", directory.display());
    }
    text
}

/// `word` for a shell: as it is when nothing in it is special, otherwise quoted so that it can be pasted.
fn quote(word: &OsStr) -> String {
    let text = OsString::from(word).to_string_lossy().into_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    if text.chars().any(char::is_control) {
        return format!("$'{}'", text.escape_default().to_string().replace("\\u{1f}", "\\x1f"));
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_pasted() {
        let mut command = Command::new("cargo");
        command.args(["build", "it's", "a b", ""]).env("FLAGS", "-a\x1f-b");
        assert_eq!(show(&command), r"FLAGS=$'-a\x1f-b' cargo build 'it'\''s' 'a b' ''");
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(&mut Command::new("false")).expect_err("`false` fails");
        assert!(error.to_string().contains("`false` failed"), "{error}");
    }
}
