//! `tracer compare`: two sides of recordings in, what changed between them out. Needs no privilege.

mod sides;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::cli::compare::{ByChoice, CompareOptions};
use crate::cli::exit_status;
use crate::compare::gate::{Gate, GateError, State};
use crate::compare::{By, Compared, Comparison, Side, Thresholds, compare_sides};
use crate::config::{ScreenSettings, SettingsError};
use crate::report::compare::{Layout, Shown, write_json, write_markdown, write_tables};
use crate::sieve::Wanted;
use crate::syscalls::SyscallSet;
use crate::tui;

use sides::{Progress, Sources};

/// Width of tables that go to no terminal.
const PLAIN_WIDTH: usize = 120;

/// Widest and narrowest line on a terminal.
const WIDTHS: (usize, usize) = (80, 200);

/// Options that make no sense together.
#[derive(Debug, thiserror::Error)]
pub(super) enum UsageError {
    /// One file and nothing that cuts it.
    #[error(
        "error: one recording has no two sides\nwhy: nothing says where before ends and after begins\n\
         next: give a second file, --at MOMENT, or --before-span and --after-span"
    )]
    OneFile,
    /// Two files and a cut.
    #[error("error: --at cuts one recording in two, and two are given\nnext: leave out one of them, or --at")]
    TwoFilesAndCut,
    /// Several files of which a span is wanted.
    #[error(
        "error: a span of several recordings\nwhy: each has a clock of its own\nnext: give one file for that side"
    )]
    SpanOfSeveral,
    /// Standard input twice.
    #[error(
        "error: '-' is given twice\nwhy: standard input can be read only once\nnext: save one side to a file"
    )]
    StdinTwice,
}

/// A whole recording as a side whose rows are by (comm, syscall).
pub(super) fn read_side(file: &Path) -> Result<Side> {
    sides::read_whole(file)
}

/// Compares and shows; the result is the exit status.
pub(super) fn run(options: &CompareOptions) -> Result<u8> {
    // Conditions first: nobody wants to hear of a typing error after reading an hour of calls.
    let gates: Vec<Gate> =
        options.fail_on.iter().map(|text| text.parse()).collect::<std::result::Result<_, GateError>>()?;
    let wanted = Wanted {
        comms: options.comms.clone(),
        calls: if options.expressions.is_empty() {
            None
        } else {
            Some(SyscallSet::parse(&options.expressions).map_err(SettingsError::from)?)
        },
        ..Wanted::default()
    };
    let by = match options.by {
        ByChoice::Call | ByChoice::Errno => By::CommCall,
        ByChoice::Comm => By::Comm,
        ByChoice::Cgroup => By::Cgroup,
        ByChoice::Syscall => By::Call,
    };
    let progress = Progress::new(io::stderr().is_terminal());
    let sources = Sources::of(options)?;
    let (before, after) = sources.read(by, &wanted, &progress)?;
    let thresholds = Thresholds { change: options.threshold, seed: options.seed, ..Thresholds::default() };
    let comparison = judge(&before, &after, &thresholds, &progress);
    progress.finish();
    let outcomes: Vec<_> = gates.iter().map(|gate| gate.judge(&comparison)).collect();
    let status = if outcomes.iter().any(|outcome| outcome.state == State::Met) {
        exit_status::CONDITION_MET
    } else if [&before, &after].into_iter().any(|side| side.about.unclean.is_some()) {
        exit_status::DAMAGED
    } else {
        exit_status::FINE
    };
    if wants_screen(options) {
        let (before, after) = (Arc::new(before), Arc::new(after));
        return on_screen(
            Compared { comparison, before, after, conditions: outcomes },
            options.screen.into(),
            status,
        );
    }
    let shown = Shown {
        comparison: &comparison,
        conditions: &outcomes,
        errnos_only: options.by == ByChoice::Errno,
        all: options.all,
    };
    write(options, &shown)?;
    Ok(status)
}

/// A pipeline's conditions and everything that is text of its own are for no screen.
fn wants_screen(options: &CompareOptions) -> bool {
    let wants_text = options.plain
        || options.json
        || options.markdown
        || options.output.is_some()
        || options.by == ByChoice::Errno
        || !options.fail_on.is_empty();
    !wants_text && io::stdout().is_terminal() && io::stdin().is_terminal()
}

fn on_screen(compared: Compared, screen: ScreenSettings, status: u8) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let exit =
        runtime.block_on(tui::compare::run(Arc::new(compared), screen)).context("cannot draw the screen");
    // A thread that waits for a key must not keep us.
    runtime.shutdown_background();
    Ok(match exit? {
        tui::Exit::Asked => status,
        tui::Exit::Signal(number) => 128 + number as u8,
    })
}

fn judge(before: &Side, after: &Side, thresholds: &Thresholds, progress: &Progress) -> Comparison {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    compare_sides(before, after, thresholds, threads, &|done, all| progress.rows(done, all))
}

fn write(options: &CompareOptions, shown: &Shown<'_>) -> Result<()> {
    let is_terminal = options.output.is_none() && io::stdout().is_terminal();
    let layout = Layout {
        width: if is_terminal { terminal_width() } else { PLAIN_WIDTH },
        colour: is_terminal && wants_colour(|name| std::env::var(name).ok()),
    };
    let out: Box<dyn Write> = match &options.output {
        Some(path) if path.as_os_str() != "-" => {
            Box::new(File::create(path).with_context(|| format!("cannot write '{}'", path.display()))?)
        }
        _ => Box::new(io::stdout()),
    };
    let mut out = BufWriter::new(out);
    let written = if options.json {
        write_json(&mut out, shown).map(drop)
    } else if options.markdown {
        write_markdown(&mut out, shown)
    } else {
        write_tables(&mut out, shown, layout)
    };
    match written.and_then(|()| out.flush()) {
        // The reader has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the comparison"),
    }
}

fn terminal_width() -> usize {
    crossterm::terminal::size().map_or(PLAIN_WIDTH, |(width, _)| usize::from(width).clamp(WIDTHS.0, WIDTHS.1))
}

/// <https://no-color.org>: any value but an empty one.
fn wants_colour(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_none_or(|value| value.is_empty())
        && variable("TERM").is_some_and(|term| term != "dumb")
}
