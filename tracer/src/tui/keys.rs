//! The table of keys. Footer and help are made from it, so neither can promise a key that does nothing.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::message::{Command, Message, View};
use crate::run::Origin;

/// What keys mean depends on what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A table.
    Table,
    /// One syscall.
    Detail,
    /// The filter is being typed.
    Filter,
    /// The menu of columns.
    SortMenu,
    /// The help.
    Help,
}

impl Mode {
    /// Every mode.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::Table, Self::Detail, Self::Filter, Self::SortMenu, Self::Help];
}

/// A key with the modifiers that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// Keys that do it.
    pub(crate) keys: &'static [Key],
    /// Where they do.
    pub(crate) modes: &'static [Mode],
    /// With which figures they do.
    pub(crate) origins: &'static [Origin],
    /// How help names the keys.
    pub(crate) label: &'static str,
    /// Key and word in the footer, where it is listed there.
    pub(crate) footer: Option<(&'static str, &'static str)>,
    /// What it does.
    pub(crate) help: &'static str,
    /// What it means.
    pub(crate) command: Command,
}

const fn key(code: KeyCode) -> Key {
    Key { code, modifiers: KeyModifiers::NONE }
}

const fn char(character: char) -> Key {
    key(KeyCode::Char(character))
}

const fn ctrl(character: char) -> Key {
    Key { code: KeyCode::Char(character), modifiers: KeyModifiers::CONTROL }
}

const ANYWHERE: &[Mode] = &[Mode::Table, Mode::Detail, Mode::Filter, Mode::SortMenu, Mode::Help];
const SCREENS: &[Mode] = &[Mode::Table, Mode::Detail];
const TABLE: &[Mode] = &[Mode::Table];
const LISTS: &[Mode] = &[Mode::Table, Mode::Detail, Mode::SortMenu, Mode::Help];
const FILTER: &[Mode] = &[Mode::Filter];

const EVERY: &[Origin] = &[Origin::Live, Origin::Replay];
const LIVE: &[Origin] = &[Origin::Live];

/// Every binding, the ones a newcomer needs first.
pub(crate) static BINDINGS: &[Binding] = &[
    Binding {
        keys: &[key(KeyCode::Enter)],
        modes: TABLE,
        origins: EVERY,
        label: "Enter",
        footer: Some(("Enter", "open")),
        help: "open the selected row: a process, a syscall",
        command: Command::Open,
    },
    Binding {
        keys: &[key(KeyCode::Enter)],
        modes: &[Mode::SortMenu],
        origins: EVERY,
        label: "Enter",
        footer: Some(("Enter", "sort by it")),
        help: "sort by the selected column",
        command: Command::Open,
    },
    Binding {
        keys: &[key(KeyCode::Enter)],
        modes: FILTER,
        origins: EVERY,
        label: "Enter",
        footer: Some(("Enter", "keep")),
        help: "keep the filter",
        command: Command::Open,
    },
    Binding {
        keys: &[key(KeyCode::Esc), key(KeyCode::Backspace)],
        modes: TABLE,
        origins: EVERY,
        label: "Esc Backspace",
        footer: Some(("Esc", "back")),
        help: "back; on the first screen: drop the filter",
        command: Command::Back,
    },
    Binding {
        keys: &[key(KeyCode::Esc), key(KeyCode::Backspace)],
        modes: &[Mode::Detail],
        origins: EVERY,
        label: "Esc Backspace",
        footer: Some(("Esc", "back")),
        help: "back to the syscalls",
        command: Command::Back,
    },
    Binding {
        keys: &[key(KeyCode::Esc), char('q'), char('?'), key(KeyCode::F(1)), char('s'), key(KeyCode::F(6))],
        modes: &[Mode::SortMenu, Mode::Help],
        origins: EVERY,
        label: "Esc q",
        footer: Some(("Esc", "close")),
        help: "close",
        command: Command::Back,
    },
    Binding {
        keys: &[key(KeyCode::Esc)],
        modes: FILTER,
        origins: EVERY,
        label: "Esc",
        footer: Some(("Esc", "drop")),
        help: "drop the filter",
        command: Command::Back,
    },
    Binding {
        keys: &[key(KeyCode::Backspace)],
        modes: FILTER,
        origins: EVERY,
        label: "Backspace",
        footer: None,
        help: "delete the last character",
        command: Command::Erase,
    },
    Binding {
        keys: &[ctrl('u')],
        modes: FILTER,
        origins: EVERY,
        label: "Ctrl-U",
        footer: None,
        help: "delete everything",
        command: Command::EraseAll,
    },
    Binding {
        keys: &[char('/'), key(KeyCode::F(4))],
        modes: TABLE,
        origins: EVERY,
        label: "/ F4",
        footer: Some(("/", "filter")),
        help: "filter by words or pid: comm: sys: err:, ! before one excludes",
        command: Command::OpenFilter,
    },
    Binding {
        keys: &[char('s'), key(KeyCode::F(6))],
        modes: TABLE,
        origins: EVERY,
        label: "s F6",
        footer: Some(("s", "sort")),
        help: "choose the column to sort by",
        command: Command::OpenSortMenu,
    },
    Binding {
        keys: &[key(KeyCode::Right), char('l'), char('>')],
        modes: TABLE,
        origins: EVERY,
        label: "Right l >",
        footer: None,
        help: "sort by the next column",
        command: Command::NextSort(1),
    },
    Binding {
        keys: &[key(KeyCode::Left), char('h'), char('<')],
        modes: TABLE,
        origins: EVERY,
        label: "Left h <",
        footer: None,
        help: "sort by the column before",
        command: Command::NextSort(-1),
    },
    Binding {
        keys: &[char('I'), char('r')],
        modes: TABLE,
        origins: EVERY,
        label: "I r",
        footer: None,
        help: "turn the order round",
        command: Command::Invert,
    },
    Binding {
        keys: &[char('P')],
        modes: TABLE,
        origins: EVERY,
        label: "P",
        footer: None,
        help: "sort by busy time",
        command: Command::SortBy("busy"),
    },
    Binding {
        keys: &[char('T')],
        modes: TABLE,
        origins: EVERY,
        label: "T",
        footer: None,
        help: "sort by total time",
        command: Command::SortBy("total"),
    },
    Binding {
        keys: &[char('L')],
        modes: TABLE,
        origins: EVERY,
        label: "L",
        footer: None,
        help: "sort by the 99th percentile",
        command: Command::SortBy("p99"),
    },
    Binding {
        keys: &[char('E')],
        modes: TABLE,
        origins: EVERY,
        label: "E",
        footer: None,
        help: "sort by errors",
        command: Command::SortBy("err"),
    },
    Binding {
        keys: &[char('C')],
        modes: TABLE,
        origins: EVERY,
        label: "C",
        footer: None,
        help: "sort by calls",
        command: Command::SortBy("rate"),
    },
    Binding {
        keys: &[char(' '), char('p')],
        modes: SCREENS,
        origins: EVERY,
        label: "Space p",
        footer: Some(("Space", "pause")),
        help: "freeze the screen, or jump to now; counting goes on",
        command: Command::TogglePause,
    },
    Binding {
        keys: &[char('b')],
        modes: TABLE,
        origins: EVERY,
        label: "b",
        footer: Some(("b", "waiting")),
        help: "hide or show what is idle, has ended or waits by design",
        command: Command::ToggleWaiting,
    },
    Binding {
        keys: &[char('q'), key(KeyCode::F(10))],
        modes: SCREENS,
        origins: EVERY,
        label: "q F10",
        footer: Some(("q", "quit")),
        help: "quit",
        command: Command::Quit,
    },
    Binding {
        keys: &[char('R')],
        modes: SCREENS,
        origins: LIVE,
        label: "R",
        footer: Some(("R", "record")),
        help: "start a recording, or end it",
        command: Command::ToggleRecording,
    },
    Binding {
        keys: &[char('i')],
        modes: SCREENS,
        origins: EVERY,
        label: "i",
        footer: Some(("i", "totals")),
        help: "rates of the last interval, or totals since the start",
        command: Command::ToggleScope,
    },
    Binding {
        keys: &[key(KeyCode::Tab)],
        modes: SCREENS,
        origins: EVERY,
        label: "Tab",
        footer: Some(("Tab", "view")),
        help: "next view",
        command: Command::NextView(1),
    },
    Binding {
        keys: &[key(KeyCode::BackTab)],
        modes: SCREENS,
        origins: EVERY,
        label: "Shift-Tab",
        footer: None,
        help: "the view before",
        command: Command::NextView(-1),
    },
    Binding {
        keys: &[char('1')],
        modes: SCREENS,
        origins: EVERY,
        label: "1",
        footer: None,
        help: "processes",
        command: Command::View(View::Processes),
    },
    Binding {
        keys: &[char('2')],
        modes: SCREENS,
        origins: EVERY,
        label: "2",
        footer: None,
        help: "syscalls of all processes",
        command: Command::View(View::Calls),
    },
    Binding {
        keys: &[char('3'), char('e')],
        modes: SCREENS,
        origins: EVERY,
        label: "3 e",
        footer: None,
        help: "errors of all processes",
        command: Command::View(View::Errors),
    },
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
        keys: &[key(KeyCode::Home), char('g')],
        modes: LISTS,
        origins: EVERY,
        label: "Home g",
        footer: None,
        help: "to the first row, and stay on the first as rows move",
        command: Command::Top,
    },
    Binding {
        keys: &[key(KeyCode::End), char('G')],
        modes: LISTS,
        origins: EVERY,
        label: "End G",
        footer: None,
        help: "to the last row",
        command: Command::Bottom,
    },
    Binding {
        keys: &[ctrl('c')],
        modes: ANYWHERE,
        origins: EVERY,
        label: "Ctrl-C",
        footer: None,
        help: "quit",
        command: Command::Interrupt,
    },
    // The last of the footer: a narrow terminal keeps it when it drops the others.
    Binding {
        keys: &[char('?'), key(KeyCode::F(1))],
        modes: SCREENS,
        origins: EVERY,
        label: "? F1",
        footer: Some(("?", "help")),
        help: "this help",
        command: Command::OpenHelp,
    },
];

/// The bindings that work in `mode` with figures of this origin.
pub(crate) fn bindings(mode: Mode, origin: Origin) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.modes.contains(&mode) && binding.origins.contains(&origin))
}

/// What a pressed key means there.
pub(crate) fn message(mode: Mode, origin: Origin, event: KeyEvent) -> Option<Message> {
    // Shift is part of the character; other modifiers change what the key means.
    let pressed = Key {
        code: event.code,
        modifiers: event.modifiers.intersection(KeyModifiers::CONTROL.union(KeyModifiers::ALT)),
    };
    if let Some(binding) = bindings(mode, origin).find(|binding| binding.keys.contains(&pressed)) {
        return Some(Message::Command(binding.command));
    }
    match pressed {
        Key { code: KeyCode::Char(character), modifiers: KeyModifiers::NONE } if mode == Mode::Filter => {
            Some(Message::Type(character))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Key {
        pub(crate) fn event(self) -> KeyEvent {
            KeyEvent::new(self.code, self.modifiers)
        }
    }

    fn everywhere() -> impl Iterator<Item = (Mode, Origin)> {
        Mode::ALL.into_iter().flat_map(|mode| EVERY.iter().map(move |&origin| (mode, origin)))
    }

    #[test]
    fn no_key_means_two_things() {
        for (mode, origin) in everywhere() {
            let mut seen: Vec<Key> = Vec::new();
            for binding in bindings(mode, origin) {
                for key in binding.keys {
                    assert!(!seen.contains(key), "{key:?} twice in {mode:?} {origin:?}");
                    seen.push(*key);
                }
            }
        }
    }

    #[test]
    fn every_key_reaches_its_command_and_capitals_come_with_shift() {
        for (mode, origin) in everywhere() {
            for binding in bindings(mode, origin) {
                for key in binding.keys {
                    assert_eq!(message(mode, origin, key.event()), Some(Message::Command(binding.command)));
                }
            }
        }
        let shifted = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(message(Mode::Table, Origin::Live, shifted), Some(Message::Command(Command::Bottom)));
        let typed = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(message(Mode::Filter, Origin::Live, typed), Some(Message::Type('q')));
    }
}
