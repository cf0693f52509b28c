//! The keys that move in a list or a page.

use crossterm::event::KeyCode;

use super::Binding;
use super::parts::{EVERY, LISTS, MENUS, SCREENS, char, ctrl, key};
use crate::tui::message::Command;

/// Every binding that moves.
pub(super) static MOVING: &[Binding] = &[
    Binding {
        keys: &[key(KeyCode::Down), char('j')],
        modes: LISTS,
        origins: EVERY,
        label: "Down j",
        footer: None,
        help: "down",
        command: Command::Move(1),
    },
    Binding {
        keys: &[key(KeyCode::Up), char('k')],
        modes: LISTS,
        origins: EVERY,
        label: "Up k",
        footer: None,
        help: "up",
        command: Command::Move(-1),
    },
    Binding {
        keys: &[key(KeyCode::PageDown), ctrl('d')],
        modes: LISTS,
        origins: EVERY,
        label: "PgDn Ctrl-D",
        footer: None,
        help: "a screen down",
        command: Command::Page(1),
    },
    Binding {
        keys: &[key(KeyCode::PageUp), ctrl('u')],
        modes: LISTS,
        origins: EVERY,
        label: "PgUp Ctrl-U",
        footer: None,
        help: "a screen up",
        command: Command::Page(-1),
    },
    Binding {
        keys: &[char('g')],
        modes: SCREENS,
        origins: EVERY,
        label: "g",
        footer: None,
        help: "to the first row, and stay on the first as rows move",
        command: Command::Top,
    },
    Binding {
        keys: &[key(KeyCode::Home), char('g')],
        modes: MENUS,
        origins: EVERY,
        label: "Home g",
        footer: None,
        help: "to the first row, and stay on the first as rows move",
        command: Command::Top,
    },
    Binding {
        keys: &[char('G')],
        modes: SCREENS,
        origins: EVERY,
        label: "G",
        footer: None,
        help: "to the last row",
        command: Command::Bottom,
    },
    Binding {
        keys: &[key(KeyCode::End), char('G')],
        modes: MENUS,
        origins: EVERY,
        label: "End G",
        footer: None,
        help: "to the last row",
        command: Command::Bottom,
    },
];
