//! A pseudo terminal with a program in it, and a person's patience.

use std::io::{Read as _, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long something may take to appear before it counts as missing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Size of the terminal.
const ROWS: NonZero<u16> = NonZero::new(24).expect("not zero");
const COLUMNS: NonZero<u16> = NonZero::new(80).expect("not zero");

/// Everything the program has written, as bytes and as a terminal shows it.
struct Seen {
    bytes: Vec<u8>,
    screen: vt100::Parser,
}

/// A program in a terminal.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
    /// The terminal's settings before the program had it.
    before: String,
}

/// What is left after the program has ended.
pub(crate) struct Left {
    /// Its exit status.
    pub(crate) status: u32,
    /// Everything it wrote.
    pub(crate) bytes: Vec<u8>,
}

impl Left {
    /// No control character but those of escapes that the screen itself needs.
    pub(crate) fn assert_only_our_escapes(&self) {
        let bytes = &self.bytes;
        assert!(bytes.len() > 1000, "a screen was drawn");
        for (at, &byte) in bytes.iter().enumerate() {
            let around = || {
                let around = &bytes[at.saturating_sub(20)..bytes.len().min(at + 20)];
                String::from_utf8_lossy(around).into_owned()
            };
            if byte == 0x1b {
                let rest = &bytes[at + 1..];
                // Into the clipboard goes what is base64, and nothing else.
                if let Some(copied) = rest.strip_prefix(b"]52;c;") {
                    let end = copied
                        .iter()
                        .position(|byte| !byte.is_ascii_alphanumeric() && !b"+/=".contains(byte));
                    assert!(end.is_some_and(|end| copied[end..].starts_with(b"\x1b\\")), "{:?}", around());
                    continue;
                }
                if rest.first() == Some(&b'\\') {
                    continue;
                }
                let end = rest.iter().position(|&byte| (0x40..0x7f).contains(&byte) && byte != b'[');
                let last = end.map(|end| rest[end]);
                // Modes, cursor positions, colours, clearing: what a screen needs. Nothing that asks or sets titles.
                assert!(rest.first() == Some(&b'['), "no CSI: {:?}", around());
                assert!(
                    last.is_some_and(|last| b"hlHmJ".contains(&last)),
                    "a strange escape: {:?}",
                    around()
                );
            } else {
                assert!(byte >= 0x20 && byte != 0x7f, "control character {byte:#x} in {:?}", around());
            }
        }
    }
}

impl Terminal {
    /// Runs a shell command in a terminal of 80 by 24.
    pub(crate) fn run(command: &str) -> Self {
        Self::run_in(command, COLUMNS.get(), ROWS.get())
    }

    /// Runs a shell command in a terminal of this size.
    pub(crate) fn run_in(command: &str, columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).expect("a pseudo terminal");
        let before = settings(&*pty.master);
        let mut builder = CommandBuilder::new("/bin/sh");
        builder.args(["-c", command]);
        builder.env_clear();
        for (name, value) in
            [("PATH", "/usr/bin:/bin"), ("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("TZ", "UTC")]
        {
            builder.env(name, value);
        }
        let child = pty.slave.spawn_command(builder).expect("a shell");
        let (lines, cells) = (rows.try_into().expect("not zero"), columns.try_into().expect("not zero"));
        let seen =
            Arc::new(Mutex::new(Seen { bytes: Vec::new(), screen: vt100::Parser::new(lines, cells, 0) }));
        let mut output = pty.master.try_clone_reader().expect("the terminal's output");
        let keyboard = pty.master.take_writer().expect("the terminal's input");
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                let mut seen = shared.lock().expect("nobody panics with it");
                seen.bytes.extend_from_slice(&buffer[..read]);
                seen.screen.process(&buffer[..read]);
            }
        });
        // The slave stays open, or the terminal would be gone with the program and its settings with it.
        Box::leak(pty.slave);
        Self { master: pty.master, keyboard, child, seen, before }
    }

    /// The screen as text.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().expect("nobody panics with it").screen.screen().contents()
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let mut seen = self.seen.lock().expect("nobody panics with it");
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("a terminal that can be resized");
        let (rows, columns) = (rows.try_into().expect("not zero"), columns.try_into().expect("not zero"));
        seen.screen.screen_mut().set_size(rows, columns);
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a terminal that takes keys");
        self.keyboard.flush().expect("a terminal that takes keys");
    }

    /// Waits until the screen is as wanted.
    pub(crate) fn wait_for(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if is_there(&screen) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "{what} did not appear in\n{screen}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until nothing changes any more; the screen.
    pub(crate) fn wait_for_rest(&self) -> String {
        const REST: Duration = Duration::from_millis(120);
        let (mut before, mut since) = (self.screen(), Instant::now());
        while since.elapsed() < REST {
            thread::sleep(Duration::from_millis(10));
            let now = self.screen();
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
        before
    }

    /// Waits until this text is on the screen.
    pub(crate) fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(text, |screen| screen.contains(text))
    }

    /// Presses keys and waits for this text.
    pub(crate) fn press_and_see(&mut self, keys: &str, text: &str) -> String {
        self.press(keys);
        self.wait_for_text(text)
    }

    /// The shell's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().expect("a process that was started")
    }

    /// Waits for the end; the terminal must be as it was before.
    pub(crate) fn end(mut self) -> Left {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                break status;
            }
            if start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("it does not end:\n{}", self.screen());
            }
            thread::sleep(Duration::from_millis(10));
        };
        self.wait_for_silence();
        let seen = self.seen.lock().expect("nobody panics with it");
        let screen = seen.screen.screen();
        assert!(!screen.alternate_screen(), "left on the alternate screen:\n{}", screen.contents());
        assert!(!screen.hide_cursor(), "the cursor stays hidden");
        assert!(!screen.bracketed_paste() && !screen.application_cursor(), "modes stay set");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse stays ours");
        assert_eq!(settings(&*self.master), self.before, "the terminal's settings are not as they were");
        Left { status: status.exit_code(), bytes: seen.bytes.clone() }
    }

    /// What a program wrote last may still be on its way when it has ended.
    fn wait_for_silence(&self) {
        const SILENCE: Duration = Duration::from_millis(300);
        let written = || self.seen.lock().expect("nobody panics with it").bytes.len();
        let (mut before, mut since) = (written(), Instant::now());
        while since.elapsed() < SILENCE || before == 0 && since.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
            let now = written();
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
    }
}

impl Drop for Terminal {
    /// What a failed test leaves behind would take time from the tests after it.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Everything that `stty -a` would say.
fn settings(master: &(dyn MasterPty + Send)) -> String {
    let settings = master.get_termios().expect("a terminal has settings");
    format!(
        "{:?} {:?} {:?} {:?} {:?}",
        settings.input_flags,
        settings.output_flags,
        settings.control_flags,
        settings.local_flags,
        settings.control_chars
    )
}
