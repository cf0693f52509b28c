//! The table of keys. Footer and help are made from it, so neither can promise a key that does nothing.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::message::{Command, Message, View};

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

/// Every binding, the ones a newcomer needs first.
pub(crate) static BINDINGS: &[Binding] = &[
    Binding {
        keys: &[key(KeyCode::Enter)],
        modes: TABLE,
        label: "Enter",
        footer: Some(("Enter", "open")),
        help: "open the selected row: a process, a syscall",
        command: Command::Open,
    },
    Binding {
        keys: &[key(KeyCode::Enter)],
        modes: &[Mode::SortMenu],
        label: "Enter",
        footer: Some(("Enter", "sort by it")),
        help: "sort by the selected column",
        command: Command::Open,
    },
    Binding {
        keys: &[key(KeyCode::Enter)],
        modes: FILTER,
        label: "Enter",
        footer: Some(("Enter", "keep")),
        help: "keep the filter",
        command: Command::Open,
    },
    Binding {
        keys: &[key(KeyCode::Esc), key(KeyCode::Backspace)],
        modes: TABLE,
        label: "Esc Backspace",
        footer: Some(("Esc", "back")),
        help: "back; on the first screen: drop the filter",
        command: Command::Back,
    },
    Binding {
        keys: &[key(KeyCode::Esc), key(KeyCode::Backspace)],
        modes: &[Mode::Detail],
        label: "Esc Backspace",
        footer: Some(("Esc", "back")),
        help: "back to the syscalls",
        command: Command::Back,
    },
    Binding {
        keys: &[key(KeyCode::Esc), char('q'), char('?'), key(KeyCode::F(1)), char('s'), key(KeyCode::F(6))],
        modes: &[Mode::SortMenu, Mode::Help],
        label: "Esc q",
        footer: Some(("Esc", "close")),
        help: "close",
        command: Command::Back,
    },
    Binding {
        keys: &[key(KeyCode::Esc)],
        modes: FILTER,
        label: "Esc",
        footer: Some(("Esc", "drop")),
        help: "drop the filter",
        command: Command::Back,
    },
    Binding {
        keys: &[key(KeyCode::Backspace)],
        modes: FILTER,
        label: "Backspace",
        footer: None,
        help: "delete the last character",
        command: Command::Erase,
    },
    Binding {
        keys: &[ctrl('u')],
        modes: FILTER,
        label: "Ctrl-U",
        footer: None,
        help: "delete everything",
        command: Command::EraseAll,
    },
    Binding {
        keys: &[char('/'), key(KeyCode::F(4))],
        modes: TABLE,
        label: "/ F4",
        footer: Some(("/", "filter")),
        help: "filter by words or pid: comm: sys: err:, ! before one excludes",
        command: Command::OpenFilter,
    },
    Binding {
        keys: &[char('s'), key(KeyCode::F(6))],
        modes: TABLE,
        label: "s F6",
        footer: Some(("s", "sort")),
        help: "choose the column to sort by",
        command: Command::OpenSortMenu,
    },
    Binding {
        keys: &[key(KeyCode::Right), char('l'), char('>')],
        modes: TABLE,
        label: "Right l >",
        footer: None,
        help: "sort by the next column",
        command: Command::NextSort(1),
    },
    Binding {
        keys: &[key(KeyCode::Left), char('h'), char('<')],
        modes: TABLE,
        label: "Left h <",
        footer: None,
        help: "sort by the column before",
        command: Command::NextSort(-1),
    },
    Binding {
        keys: &[char('I'), char('r')],
        modes: TABLE,
        label: "I r",
        footer: None,
        help: "turn the order round",
        command: Command::Invert,
    },
    Binding {
        keys: &[char('P')],
        modes: TABLE,
        label: "P",
        footer: None,
        help: "sort by busy time",
        command: Command::SortBy("busy"),
    },
    Binding {
        keys: &[char('T')],
        modes: TABLE,
        label: "T",
        footer: None,
        help: "sort by total time",
        command: Command::SortBy("total"),
    },
    Binding {
        keys: &[char('L')],
        modes: TABLE,
        label: "L",
        footer: None,
        help: "sort by the 99th percentile",
        command: Command::SortBy("p99"),
    },
    Binding {
        keys: &[char('E')],
        modes: TABLE,
        label: "E",
        footer: None,
        help: "sort by errors",
        command: Command::SortBy("err"),
    },
    Binding {
        keys: &[char('C')],
        modes: TABLE,
        label: "C",
        footer: None,
        help: "sort by calls",
        command: Command::SortBy("rate"),
    },
    Binding {
        keys: &[char(' '), char('p')],
        modes: SCREENS,
        label: "Space p",
        footer: Some(("Space", "pause")),
        help: "freeze the screen, or jump to now; counting goes on",
        command: Command::TogglePause,
    },
    Binding {
        keys: &[char('b')],
        modes: TABLE,
        label: "b",
        footer: Some(("b", "waiting")),
        help: "hide or show what is idle, has ended or waits by design",
        command: Command::ToggleWaiting,
    },
    Binding {
        keys: &[char('q'), key(KeyCode::F(10))],
        modes: SCREENS,
        label: "q F10",
        footer: Some(("q", "quit")),
        help: "quit",
        command: Command::Quit,
    },
    Binding {
        keys: &[char('i')],
        modes: SCREENS,
        label: "i",
        footer: Some(("i", "totals")),
        help: "rates of the last interval, or totals since the start",
        command: Command::ToggleScope,
    },
    Binding {
        keys: &[key(KeyCode::Tab)],
        modes: SCREENS,
        label: "Tab",
        footer: Some(("Tab", "view")),
        help: "next view",
        command: Command::NextView(1),
    },
    Binding {
        keys: &[key(KeyCode::BackTab)],
        modes: SCREENS,
        label: "Shift-Tab",
        footer: None,
        help: "the view before",
        command: Command::NextView(-1),
    },
    Binding {
        keys: &[char('1')],
        modes: SCREENS,
        label: "1",
        footer: None,
        help: "processes",
        command: Command::View(View::Processes),
    },
    Binding {
        keys: &[char('2')],
        modes: SCREENS,
        label: "2",
        footer: None,
        help: "syscalls of all processes",
        command: Command::View(View::Calls),
    },
    Binding {
        keys: &[char('3'), char('e')],
        modes: SCREENS,
        label: "3 e",
        footer: None,
        help: "errors of all processes",
        command: Command::View(View::Errors),
    },
    Binding {
        keys: &[key(KeyCode::Down), char('j')],
        modes: LISTS,
        label: "Down j",
        footer: None,
        help: "down",
        command: Command::Move(1),
    },
    Binding {
        keys: &[key(KeyCode::Up), char('k')],
        modes: LISTS,
        label: "Up k",
        footer: None,
        help: "up",
        command: Command::Move(-1),
    },
    Binding {
        keys: &[key(KeyCode::PageDown), ctrl('d')],
        modes: LISTS,
        label: "PgDn Ctrl-D",
        footer: None,
        help: "a screen down",
        command: Command::Page(1),
    },
    Binding {
        keys: &[key(KeyCode::PageUp), ctrl('u')],
        modes: LISTS,
        label: "PgUp Ctrl-U",
        footer: None,
        help: "a screen up",
        command: Command::Page(-1),
    },
    Binding {
        keys: &[key(KeyCode::Home), char('g')],
        modes: LISTS,
        label: "Home g",
        footer: None,
        help: "to the first row, and stay on the first as rows move",
        command: Command::Top,
    },
    Binding {
        keys: &[key(KeyCode::End), char('G')],
        modes: LISTS,
        label: "End G",
        footer: None,
        help: "to the last row",
        command: Command::Bottom,
    },
    Binding {
        keys: &[ctrl('c')],
        modes: ANYWHERE,
        label: "Ctrl-C",
        footer: None,
        help: "quit",
        command: Command::Interrupt,
    },
    // The last of the footer: a narrow terminal keeps it when it drops the others.
    Binding {
        keys: &[char('?'), key(KeyCode::F(1))],
        modes: SCREENS,
        label: "? F1",
        footer: Some(("?", "help")),
        help: "this help",
        command: Command::OpenHelp,
    },
];

/// The bindings that work in `mode`.
pub(crate) fn bindings(mode: Mode) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.modes.contains(&mode))
}

/// What a pressed key means in `mode`.
pub(crate) fn message(mode: Mode, event: KeyEvent) -> Option<Message> {
    // Shift is part of the character; other modifiers change what the key means.
    let pressed = Key {
        code: event.code,
        modifiers: event.modifiers.intersection(KeyModifiers::CONTROL.union(KeyModifiers::ALT)),
    };
    if let Some(binding) = bindings(mode).find(|binding| binding.keys.contains(&pressed)) {
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

    #[test]
    fn no_key_means_two_things() {
        for mode in Mode::ALL {
            let mut seen: Vec<Key> = Vec::new();
            for binding in bindings(mode) {
                for key in binding.keys {
                    assert!(!seen.contains(key), "{key:?} twice in {mode:?}");
                    seen.push(*key);
                }
            }
        }
    }

    #[test]
    fn every_key_reaches_its_command_and_capitals_come_with_shift() {
        for mode in Mode::ALL {
            for binding in bindings(mode) {
                for key in binding.keys {
                    assert_eq!(message(mode, key.event()), Some(Message::Command(binding.command)));
                }
            }
        }
        let shifted = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(message(Mode::Table, shifted), Some(Message::Command(Command::Bottom)));
        let typed = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(message(Mode::Filter, typed), Some(Message::Type('q')));
    }
}
