//! A recording as part of a run: where it goes, the marks that come from outside, and what is said at its end.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::bpf::sys;
use crate::config::{Place, RecordingSettings, values};
use crate::human::{self, safe_text};
use crate::recorder::mark::{Listener, PATIENCE, TAKEN};
use crate::recorder::{Created, Outcome, Output, Plan, Recorder, RecordingEnd, segment_path};
use crate::recording::Mark;
use crate::run::{self, Meta};
use crate::tap::Tap;

/// Marks from outside that may wait for us.
const MARKS: usize = 64;

/// Longest name of a target in the name of a file.
const SUBJECT_CHARS: usize = 40;

/// A place that can be written to.
pub(super) struct Opened {
    output: Output,
    /// The file as its user would name it.
    pub(super) name: String,
}

impl Opened {
    /// Makes the file, or takes standard output. `subject` is for the name of a file that has none.
    pub(super) fn new(settings: &RecordingSettings, subject: &str, host: &str) -> Result<Self> {
        let path = match &settings.place {
            Place::Stdout => return Self::stdout(),
            Place::File(path) => path.clone(),
            Place::Named => PathBuf::from(default_name(subject, host, &jiff::Zoned::now())),
        };
        let name = path.to_string_lossy().into_owned();
        let waiting = || {
            // With stderr gone there is nobody to tell.
            let _ = writeln!(io::stderr(), "waiting for a reader of {}", safe_text(name.as_bytes()));
        };
        let output = if settings.ring.is_some() {
            let first = Created::new(&segment_path(&path, 1), settings.force, waiting)?;
            Output::Segments { first, base: path, force: settings.force }
        } else {
            Output::File(Created::new(&path, settings.force, waiting)?)
        };
        Ok(Self { output, name })
    }

    fn stdout() -> Result<Self> {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            bail!(
                "error: cannot record to a terminal\n\
                 why: a recording is not text\n\
                 next: give a file with -o FILE, or pipe it: tracer record -o - | tracer replay -"
            );
        }
        let file = File::from(stdout.as_fd().try_clone_to_owned().context("cannot use standard output")?);
        Ok(Self { output: Output::Stream(file), name: "standard output".to_owned() })
    }

    /// Removes the file that nothing was written to.
    pub(super) fn discard(&self) {
        self.output.discard();
    }
}

/// `tracer-TARGET-HOST-YYYYmmdd-HHMMSS.arrows`.
fn default_name(subject: &str, host: &str, now: &jiff::Zoned) -> String {
    let word = |text: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { ' ' };
        let plain: String = text.chars().map(plain).collect();
        let words = plain.split_whitespace().map(|word| word.trim_matches(['.', '-']));
        let words = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
        words.chars().take(SUBJECT_CHARS).collect::<String>()
    };
    let parts = ["tracer".to_owned(), word(subject), word(host), now.strftime("%Y%m%d-%H%M%S").to_string()];
    format!("{}.arrows", parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-"))
}

/// A recording that goes on.
pub(super) struct Recording {
    recorder: Recorder,
    name: String,
    listeners: mpsc::UnboundedReceiver<Listener>,
    sender: mpsc::Sender<Mark>,
    marks: mpsc::Receiver<Mark>,
    /// Marks that had no text of their own.
    numbered: u64,
}

/// What happens to a recording.
pub(super) enum RecordingNews {
    /// Somebody left a mark.
    Mark(Mark),
    /// It has ended, by itself or because it was stopped.
    Ended(Outcome),
}

impl Recording {
    /// Starts the recorder; the tap is for the drain thread.
    pub(super) fn start(opened: Opened, meta: Meta, settings: &RecordingSettings) -> Result<(Self, Tap)> {
        let Opened { output, name } = opened;
        let plan = Plan { kind: settings.kind, max_bytes: settings.max_bytes, keep: settings.ring };
        let (found, listeners) = mpsc::unbounded_channel();
        let (sender, marks) = mpsc::channel(MARKS);
        let (recorder, tap) =
            Recorder::start(output, meta, plan, found).context("cannot start the recording thread")?;
        Ok((Self { recorder, name, listeners, sender, marks, numbered: 0 }, tap))
    }

    /// What happens next; may be dropped while it waits.
    pub(super) async fn next(&mut self) -> RecordingNews {
        loop {
            tokio::select! {
                outcome = self.recorder.ended() => return RecordingNews::Ended(outcome),
                Some(mark) = self.marks.recv() => return RecordingNews::Mark(mark),
                Some(listener) = self.listeners.recv() => {
                    if let Ok(socket) = UnixListener::from_std(listener.socket) {
                        tokio::spawn(take_marks(socket, listener.owner, self.sender.clone()));
                    }
                }
            }
        }
    }

    /// A mark of this moment with the next number.
    pub(super) fn numbered_mark(&mut self) -> Mark {
        self.numbered += 1;
        Mark { time_ns: sys::monotonic_ns(), text: format!("mark {}", self.numbered) }
    }

    /// Waits until everything is written, as long as something is being written.
    pub(super) async fn finish(&mut self) -> Outcome {
        let mut bytes = None;
        for _ in 0..2 {
            while bytes != Some(self.recorder.bytes()) {
                bytes = Some(self.recorder.bytes());
                if let Ok(outcome) = timeout(PATIENCE, self.recorder.ended()).await {
                    return outcome;
                }
            }
            // A reader who does not read is waited for no longer; a disk that hangs once more as long.
            self.recorder.give_up();
            bytes = None;
        }
        let error = io::Error::new(io::ErrorKind::TimedOut, "it takes no more data");
        Outcome { end: RecordingEnd::Failed(error), bytes: self.recorder.bytes(), files: Vec::new() }
    }

    /// The file as its user would name it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// For the header of a screen.
    pub(super) fn info(&self) -> run::Recording {
        run::Recording { file: self.name.clone(), bytes: self.recorder.bytes() }
    }
}

/// Takes marks at a socket until the recording is over.
async fn take_marks(socket: UnixListener, owner: u32, marks: mpsc::Sender<Mark>) {
    loop {
        let stream = tokio::select! {
            accepted = socket.accept() => accepted,
            () = marks.closed() => return,
        };
        // One at a time: each is over soon.
        if let Ok((stream, _)) = stream {
            let _ = timeout(PATIENCE, take_mark(stream, owner, &marks)).await;
        }
    }
}

async fn take_mark(mut stream: UnixStream, owner: u32, marks: &mpsc::Sender<Mark>) -> io::Result<()> {
    let time_ns = sys::monotonic_ns();
    let user = stream.peer_cred()?.uid();
    if user != 0 && user != owner {
        return stream.write_all(b"refused\n").await;
    }
    let mut text = Vec::new();
    (&mut stream).take(Mark::MAX_BYTES as u64).read_to_end(&mut text).await?;
    let text = str::from_utf8(&text).ok().and_then(|text| values::parse_mark(text).ok());
    let Some(text) = text else { return stream.write_all(b"refused\n").await };
    if marks.send(Mark { time_ns, text }).await.is_ok() {
        stream.write_all(TAKEN.as_bytes()).await?;
    }
    Ok(())
}

/// A recording that could not be finished.
#[derive(Debug, Error)]
#[error("error: cannot go on recording to {name}\nwhy: {why}\nnext: {next}")]
pub(super) struct RecordingError {
    name: String,
    why: String,
    next: String,
}

/// What is to be said of a recording that has ended: where it is and what to do with it, or what went wrong.
/// Nothing of a reader who went away.
pub(super) fn conclude(name: &str, outcome: &Outcome) -> Result<Option<String>, RecordingError> {
    let files = file_words(&outcome.files);
    let size = human::bytes(outcome.bytes);
    let read = files.as_ref().map(|files| format!("tracer replay {files}"));
    let said = |what: String| match &read {
        Some(read) => format!("{what}\nnext: {read}"),
        None => what,
    };
    let place = files.clone().unwrap_or_else(|| safe_text(name.as_bytes()));
    match &outcome.end {
        RecordingEnd::Complete => Ok(Some(said(format!("recorded {size} to {place}")))),
        RecordingEnd::SizeReached => Ok(Some(said(format!(
            "recorded {size} to {place}, and stopped: that is as much as --max-size allows"
        )))),
        RecordingEnd::ReaderGone => Ok(None),
        RecordingEnd::Failed(error) => Err(RecordingError {
            name: safe_text(name.as_bytes()),
            why: describe(error),
            next: match read {
                Some(read) if outcome.bytes > 0 => {
                    format!("what was written until then ({size}) can be read: {read}")
                }
                _ => "choose another place with -o FILE".to_owned(),
            },
        }),
    }
}

/// Files as they would be typed.
fn file_words(files: &[PathBuf]) -> Option<String> {
    let word = |path: &Path| safe_text(path.to_string_lossy().as_bytes());
    match files {
        [] => None,
        [one] => Some(word(one)),
        [first, .., last] => Some(format!("{} … {}", word(first), word(last))),
    }
}

/// Why, without the number.
pub(super) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_what_where_and_when() {
        let now: jiff::Zoned = "2026-11-22T17:20:05+01:00[Europe/Berlin]".parse().expect("a time");
        assert_eq!(
            default_name("redis-server 1120", "db-7", &now),
            "tracer-redis-server-1120-db-7-20261122-172005.arrows"
        );
        assert_eq!(
            default_name("named ../../etc/x\u{1b}[2J", "a/b", &now),
            "tracer-named-etc-x-2J-a-b-20261122-172005.arrows"
        );
        assert_eq!(default_name("…", "?", &now), "tracer-20261122-172005.arrows");
        assert!(default_name(&"x".repeat(500), "h", &now).len() < 100);
    }
}
