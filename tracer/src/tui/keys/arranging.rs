//! The keys that say what a row is: processes one by one, as a tree, together, or the threads of one.

use crossterm::event::KeyCode;

use super::Binding;
use super::parts::{EVERY, TABLE, char, key};
use crate::tui::message::Command;

/// Every binding that arranges rows.
pub(super) static ARRANGING: &[Binding] = &[
    Binding {
        keys: &[char('t'), key(KeyCode::F(5))],
        modes: TABLE,
        origins: EVERY,
        label: "t F5",
        footer: None,
        help: "processes as a tree, taken together by name, by cgroup (a unit, a container), one by one; files by peer",
        command: Command::NextGroup,
    },
    Binding {
        keys: &[char('-'), char('+')],
        modes: TABLE,
        origins: EVERY,
        label: "- +",
        footer: None,
        help: "in a tree: fold what is below the selected process into one row with it, or unfold it",
        command: Command::ToggleFold,
    },
    Binding {
        keys: &[char('*')],
        modes: TABLE,
        origins: EVERY,
        label: "*",
        footer: None,
        help: "in a tree: fold everything, or unfold it",
        command: Command::ToggleAllFolded,
    },
    Binding {
        keys: &[char('H')],
        modes: TABLE,
        origins: EVERY,
        label: "H",
        footer: None,
        help: "threads of the selected process: what each does, and what it is in now",
        command: Command::OpenThreads,
    },
    Binding {
        keys: &[char('F')],
        modes: TABLE,
        origins: EVERY,
        label: "F",
        footer: None,
        help: "follow the selected row wherever it goes, or no longer",
        command: Command::ToggleFollow,
    },
];
