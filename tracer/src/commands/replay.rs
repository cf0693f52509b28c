//! `tracer replay`: a recording on the screen, with time to move in. Needs no privilege: nothing is loaded.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, watch};

use super::report;
use crate::cli::exit_status;
use crate::cli::recorded::{PartOptions, WantedOptions};
use crate::cli::replay::ReplayOptions;
use crate::cli::report::ReportOptions;
use crate::config::ScreenSettings;
use crate::group::By;
use crate::history::Limits;
use crate::human;
use crate::recording::ReadError;
use crate::snapshot::Snapshot;
use crate::source::replay::{Outputs, Player, Request, status_of};
use crate::source::tape::{Input, Tape, TapeError};
use crate::timeline::Timeline;
use crate::tui::{self, Control, Exit};

/// Requests of the screen's user that may wait for the player.
const REQUESTS: usize = 16;

/// Why there is nothing to replay.
#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error("error: cannot open '{name}'\nwhy: {error}\nnext: {next}")]
    Open { name: String, error: io::Error, next: &'static str },
    #[error("error: cannot replay {name}\nwhy: {error}\nnext: {next}")]
    Read { name: String, error: TapeError, next: &'static str },
    #[error(
        "error: '-' is given beside files, or twice\nwhy: standard input can be read only once\nnext: give it alone"
    )]
    Stdin,
    #[error(
        "error: no recording on standard input\nwhy: it is a terminal\nnext: tracer replay FILE, or \
         ssh HOST sudo tracer record -o - | tracer replay -"
    )]
    Terminal,
}

/// Runs until the user leaves; the result is the exit status.
pub(super) fn run(options: &ReplayOptions) -> Result<u8> {
    if !has_screen() {
        // Whoever reads our messages may be gone, and then there is nobody left to tell.
        let _ = writeln!(io::stderr(), "no terminal to replay on: this is what `tracer report` prints");
        return report::run(ReportOptions {
            files: options.files.clone(),
            by: By::Process,
            top: None,
            json: false,
            intervals: false,
            part: PartOptions::default(),
            wanted: WantedOptions::default(),
        });
    }
    let names: Vec<String> =
        options.files.iter().map(|path| human::safe_text(path.as_os_str().as_encoded_bytes())).collect();
    let tape = Tape::open(open_all(&options.files)?).map_err(|error| ReplayError::Read {
        name: format!("'{}'", names.join("', '")),
        next: match &error {
            TapeError::Mixed { .. } => "tracer report takes recordings of several hosts together",
            TapeError::Read(ReadError::TooNew { .. }) => {
                "read it with the version that wrote it, or a later one"
            }
            TapeError::Read(_) => {
                "`tracer record -o FILE` makes a recording; `tracer info FILE` looks into one"
            }
        },
        error,
    })?;
    show(tape, options.screen.into())
}

/// Whether there is a screen, and somebody who can press keys: on standard input, or when that brings the
/// recording, on the terminal itself.
pub(super) fn has_screen() -> bool {
    let has_keys =
        || io::stdin().is_terminal() || File::options().read(true).write(true).open("/dev/tty").is_ok();
    io::stdout().is_terminal() && has_keys()
}

fn open_all(paths: &[PathBuf]) -> Result<Vec<Input>, ReplayError> {
    if paths.len() > 1 && paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(ReplayError::Stdin);
    }
    paths.iter().map(|path| open(path)).collect()
}

fn open(path: &Path) -> Result<Input, ReplayError> {
    if path.as_os_str() == "-" {
        if io::stdin().is_terminal() {
            return Err(ReplayError::Terminal);
        }
        return Ok(Input::Pipe(Box::new(io::stdin())));
    }
    let failed = |error: io::Error| ReplayError::Open {
        name: human::safe_text(path.as_os_str().as_encoded_bytes()),
        next: match error.kind() {
            io::ErrorKind::PermissionDenied => "recordings belong to who made them: sudo, or chown the file",
            _ => "`tracer record -o FILE` makes one, `tracer demo` has one built in",
        },
        error,
    };
    let file = File::open(path).map_err(failed)?;
    let is_file = file.metadata().map_err(failed)?.is_file();
    Ok(if is_file { Input::File(file) } else { Input::Pipe(Box::new(file)) })
}

/// Shows a recording on the terminal until the user leaves; the result is the exit status.
pub(super) fn show(tape: Tape, screen: ScreenSettings) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        let (snapshots, snapshots_shown) = watch::channel(Arc::new(Snapshot::default()));
        let (status, status_shown) = watch::channel(status_of(tape.meta()));
        let (timelines, timelines_shown) = watch::channel(Arc::new(Timeline::default()));
        let (controls, mut asked) = mpsc::channel(REQUESTS);
        let (over_times, over_times_shown) = watch::channel(Arc::default());
        let (versus, versus_shown) = watch::channel(None);
        let (requests, to_player) = mpsc::channel(REQUESTS);
        let outputs = Outputs { snapshots, status, timelines, over_times, versus };
        let limits = if tape.is_rewindable() { Limits::OF_A_FILE } else { Limits::default() };
        let player = Player::new(tape, limits, outputs).context("cannot start a thread")?;
        let handle = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("replay".to_owned())
            .spawn(move || handle.block_on(player.run(to_player)))
            .context("cannot start a thread")?;
        tokio::spawn(async move {
            while let Some(control) = asked.recv().await {
                let request = match control {
                    Control::Transport(transport) => Request::Move(transport),
                    Control::Watch(wanted) => Request::Watch(wanted),
                    Control::ToggleRecording => continue,
                };
                if requests.send(request).await.is_err() {
                    return;
                }
            }
        });
        let feed = tui::Feed {
            snapshots: snapshots_shown,
            status: status_shown,
            timelines: timelines_shown,
            over_times: over_times_shown,
            versus: versus_shown,
            controls,
        };
        tui::run(feed, screen).await.context("cannot draw the screen")
    });
    // A thread that waits for a pipe or a key must not keep us.
    runtime.shutdown_background();
    Ok(match outcome? {
        Exit::Asked => exit_status::FINE,
        Exit::Signal(number) => 128 + number as u8,
    })
}
