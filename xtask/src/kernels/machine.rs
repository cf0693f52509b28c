//! One virtual machine: booted under emulation, its console kept, stopped when it takes too long.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::command::{announce, say};

/// What the machine prints last, before the suite's exit status.
pub(crate) const MARKER: &str = "tracer-kernel-suite-exit:";
/// A machine that is not done by then is stopped. The suite takes five to ten minutes under emulation.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(20);

/// A kernel that locks up or panics ends the machine, with its call traces on the console. Emulation on a busy
/// host can hold a processor back for long, so lock-up is a minute, not 20 s; for the same reason the kernel's
/// own check of its clock can fail, and the slow one it then takes instead locks it up.
const PARAMETERS: &str =
    "console=ttyS0 panic=-1 quiet loglevel=5 watchdog_thresh=30 softlockup_panic=1 tsc=reliable";
/// How much of the console is shown when the suite did not pass; the log has it all.
const LINES_OF_A_FAILURE: usize = 200;

/// How a machine ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The suite ended with this status.
    Exited(i32),
    /// The machine stopped without saying.
    Died,
    /// We stopped it.
    TimedOut,
}

/// What a machine printed, and how it ended.
pub(crate) struct Console {
    /// Its serial console.
    pub(crate) text: String,
    /// How it ended.
    pub(crate) verdict: Verdict,
}

impl Console {
    /// Whether the machine came as far as running a program of ours: its first words are the kernel's name.
    pub(crate) fn has_started(&self) -> bool {
        self.text.lines().any(|line| line.starts_with("Linux "))
    }
}

/// Boots `kernel` with `initramfs` and waits for its end. The console goes to `log`.
pub(crate) fn boot(kernel: &Path, initramfs: &Path, log: &Path) -> Result<Console> {
    let console = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new("qemu-system-x86_64");
    command
        // Emulation: machines that are virtual themselves seldom let others use their processor. One thread
        // for both processors: with one each, a processor can run what the other has just patched in the
        // kernel's code as it was half-way, and attaching to a tracepoint patches code.
        .args(["-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", "1024"])
        .args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", PARAMETERS])
        .stdin(Stdio::null())
        .stdout(console);
    announce(&command);
    let mut child = command.spawn().context("cannot run qemu-system-x86_64")?;
    let start = Instant::now();
    let in_time = loop {
        if child.try_wait().context("cannot wait for the machine")?.is_some() {
            break true;
        }
        if start.elapsed() > TIMEOUT {
            child.kill().context("cannot stop the machine")?;
            child.wait().context("cannot wait for the machine")?;
            break false;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let text = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    let verdict = match exit_status(&text) {
        Some(status) => Verdict::Exited(status),
        None if in_time => Verdict::Died,
        None => Verdict::TimedOut,
    };
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.len().saturating_sub(LINES_OF_A_FAILURE);
    // In one piece, because another machine may end at the same time.
    let mut shown = format!("\n== {}", log.display());
    for (number, line) in lines.iter().enumerate() {
        let wanted = if verdict == Verdict::Exited(0) { is_result(line) } else { number >= end };
        if wanted {
            // A console can carry anything, so no control character of it reaches the terminal.
            shown.push_str("\n  ");
            shown.push_str(&line.replace(char::is_control, " "));
        }
    }
    say(shown);
    Ok(Console { text, verdict })
}

/// Whether a line says which kernel ran or how a test ended.
fn is_result(line: &str) -> bool {
    ["test ", "running ", "Linux "].iter().any(|start| line.starts_with(start))
}

/// The exit status that the machine printed.
fn exit_status(console: &str) -> Option<i32> {
    let (_, after) = console.rsplit_once(MARKER)?;
    after.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_started_when_it_says_its_name() {
        let console = |text: &str| Console { text: text.to_owned(), verdict: Verdict::Died };
        assert!(!console("[    0.0] Linux version 6.12\n[    1.1] BUG: kernel NULL pointer").has_started());
        assert!(console("[    1.1] x\nLinux machine 6.12.95 #1 SMP x86_64\nrunning 94 tests").has_started());
    }

    #[test]
    fn the_marker_carries_the_status() {
        assert_eq!(exit_status("boot\ntracer-kernel-suite-exit:101\n[ 9.1] reboot: Power down"), Some(101));
        assert_eq!(exit_status("Kernel panic - not syncing"), None);
        assert_eq!(exit_status("tracer-kernel-suite-exit:"), None);
    }
}
