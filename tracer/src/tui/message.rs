//! What can happen to the screen, and what the screen can ask for.

use std::sync::Arc;

use super::compare;
use super::save::Format;
use crate::compare::Versus;
use crate::over_time::{OverTime, Wanted};
use crate::run::RunInfo;
use crate::snapshot::Snapshot;
use crate::timeline::{Timeline, Transport};

/// Something that happened.
#[expect(clippy::large_enum_variant, reason = "there is one message at a time")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// A key that is bound.
    Command(Command),
    /// A character typed into the filter or the prompt.
    Type(char),
    /// New figures.
    Snapshot(Arc<Snapshot>),
    /// News of the run.
    Run(RunInfo),
    /// News of the selection over time.
    OverTime(Arc<OverTime>),
    /// News of the axis of time.
    Timeline(Arc<Timeline>),
    /// News of the spans that are compared.
    Versus(Option<Versus>),
    /// A key on the screen of a comparison.
    Compare(compare::Command),
    /// The terminal has this many columns and lines.
    Resize(u16, u16),
    /// The left button of the mouse was pressed in this column and line.
    Click(u16, u16),
    /// The wheel of the mouse was turned, down or up.
    Wheel(i8),
    /// What became of something that was asked for.
    Told(String),
}

/// What a key can mean. Which keys mean it is in [`super::keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Leave.
    Quit,
    /// Leave as on `SIGINT`.
    Interrupt,
    /// Move the selection or the text by lines.
    Move(i8),
    /// Move it by screens.
    Page(i8),
    /// Go to the first line and stay there.
    Top,
    /// Go to the last line.
    Bottom,
    /// Open the selected row.
    Open,
    /// Leave what was opened last.
    Back,
    /// Show a view.
    View(View),
    /// Show the next view, or the one before.
    NextView(i8),
    /// Sort by the next column, or the one before.
    NextSort(i8),
    /// Turn the order round.
    Invert,
    /// Sort by the column of this name.
    SortBy(&'static str),
    /// Open the menu of columns to sort by.
    OpenSortMenu,
    /// Open the filter.
    OpenFilter,
    /// Delete the last character typed.
    Erase,
    /// Delete everything typed.
    EraseAll,
    /// Stop time, or go on: with the newest moment where more comes by itself.
    TogglePause,
    /// Let time pass, or stop it.
    TogglePlay,
    /// Move in time by intervals.
    Step(i8),
    /// Let time pass faster or slower, by doublings.
    Faster(i8),
    /// Move to the start.
    ToStart,
    /// Move to the newest moment.
    ToEnd,
    /// Move to the next mark, or the one before.
    ToMark(i8),
    /// Ask for a moment to move to.
    OpenJump,
    /// Take processes together in another way, or what calls are on.
    NextGroup,
    /// Fold what is below the selected process, or unfold it.
    ToggleFold,
    /// Fold everything, or unfold it.
    ToggleAllFolded,
    /// Show the threads of the selected process.
    OpenThreads,
    /// Show or hide what waits by design.
    ToggleWaiting,
    /// Rates of the last interval, or totals.
    ToggleScope,
    /// Start a recording, or end it.
    ToggleRecording,
    /// Mark A, or B and compare.
    MarkSpan,
    /// Follow the selected row wherever it goes, or no longer.
    ToggleFollow,
    /// Count from now on.
    Zero,
    /// Count from the start again.
    Unzero,
    /// Copy the selected row.
    CopyRow,
    /// Copy the command line that shows what is selected.
    CopyCommandLine,
    /// Open the menu of formats to write the screen in.
    OpenSaveMenu,
    /// Leave the mouse to the terminal, or listen to it.
    ToggleMouse,
    /// Stop as any program does on Ctrl-Z.
    Suspend,
    /// Show the help.
    OpenHelp,
}

/// The views that have a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Processes.
    Processes,
    /// Syscalls of all processes.
    Calls,
    /// Errors of all processes.
    Errors,
    /// Open calls of all processes.
    Open,
    /// Latency over time.
    OverTime,
    /// How the tracer itself is.
    Health,
    /// What calls are on, and whom they lead to.
    Files,
}

impl View {
    /// Every view, in the order of their numbers.
    pub(crate) const ALL: [Self; 7] =
        [Self::Processes, Self::Calls, Self::Errors, Self::Open, Self::OverTime, Self::Health, Self::Files];

    /// The key that leads to it.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Processes => 1,
            Self::Calls => 2,
            Self::Errors => 3,
            Self::Open => 4,
            Self::OverTime => 5,
            Self::Health => 6,
            Self::Files => 7,
        }
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::Calls => "syscalls",
            Self::Errors => "errors",
            Self::Open => "in flight",
            Self::OverTime => "heat",
            Self::Health => "health",
            Self::Files => "files",
        }
    }
}

/// What has to be done about it outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Close the screen.
    Exit(Exit),
    /// Put this into the clipboard.
    Copy(String),
    /// Write the screen to a file.
    Save(Format),
    /// Listen to the mouse, or do not.
    Mouse(bool),
    /// Stop the process, with the terminal as it was before.
    Suspend,
    /// Ask this of whoever feeds the screen.
    Control(Control),
}

/// What the screen asks of whoever feeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Start a recording of a live run, or end the one that is being written.
    ToggleRecording,
    /// Move in time.
    Transport(Transport),
    /// Send this selection over time along with the figures, or none.
    Watch(Option<Wanted>),
}

/// Why the screen was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The user asked for it.
    Asked,
    /// This signal came; Ctrl-C counts as `SIGINT`.
    Signal(i32),
}
