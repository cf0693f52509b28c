//! A program in a pseudo terminal of ours, looked at as a person looks at it.

use std::io::{Read as _, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longer than any program here takes to close its screen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program and the terminal that it has to itself. Dropped, it is killed.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Closed, the program would be hung up.
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Runs `argv` in a terminal of this size, which is read at once whatever it writes.
    pub(crate) fn run(argv: &[&str], columns: u16, rows: u16) -> Result<Self> {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).map_err(|error| anyhow!("no terminal: {error}"))?;
        let (program, arguments) = argv.split_first().context("nothing to run")?;
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        for (name, value) in [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8")] {
            command.env(name, value);
        }
        let child =
            pty.slave.spawn_command(command).map_err(|error| anyhow!("cannot run {program}: {error}"))?;
        let mut output =
            pty.master.try_clone_reader().map_err(|error| anyhow!("cannot read the terminal: {error}"))?;
        let keyboard = pty.master.take_writer().map_err(|error| anyhow!("cannot press keys: {error}"))?;
        let parser = vt100::Parser::new(
            rows.try_into().context("a terminal has lines")?,
            columns.try_into().context("a terminal has columns")?,
            0,
        );
        let screen = Arc::new(Mutex::new(parser));
        let shared = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).process(&buffer[..read]);
            }
        });
        Ok(Self { child, keyboard, screen, _master: pty.master })
    }

    /// The program's PID.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.process_id().context("the program has no PID")
    }

    /// What is on the screen, line by line.
    pub(crate) fn contents(&self) -> String {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen().contents()
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) -> Result<()> {
        self.keyboard.write_all(keys.as_bytes()).context("the terminal takes no keys")
    }

    /// Waits until the screen is as wanted; an error that shows it when it never is.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        patience: Duration,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        while !is_there(&self.contents()) {
            if let Some(status) = self.child.try_wait().context("cannot wait for the program")? {
                bail!("it ended ({status:?}) before {what}:\n{}", self.contents());
            }
            if begun.elapsed() > patience {
                bail!("no {what} within {patience:?}:\n{}", self.contents());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Presses `q` and waits for the end.
    pub(crate) fn quit(mut self) -> Result<()> {
        self.press("q")?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.child.try_wait().context("cannot wait for the program")?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("it did not end within {PATIENCE:?} of q")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing left that could be done.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_draws_is_seen_and_its_keys_reach_it() {
        let mut terminal =
            Terminal::run(&["sh", "-c", "printf '\\033[2;3Hhere'; read -r line; echo got $line"], 40, 10)
                .expect("a terminal");
        terminal
            .wait_for("the word", PATIENCE, |screen| screen.lines().nth(1) == Some("  here"))
            .expect("drawn");
        terminal.press("x\r").expect("a key");
        terminal.wait_for("the answer", PATIENCE, |screen| screen.contains("got x")).expect("read");
    }
}
