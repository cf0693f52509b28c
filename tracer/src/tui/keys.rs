//! What keys mean. Footer and help are made from the same table, so neither can promise a key that does
//! nothing.

mod arranging;
mod bindings;
mod moving;
mod parts;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::message::{Command, Message};
use crate::run::Origin;
use arranging::ARRANGING;
use bindings::DOING;
use moving::MOVING;
pub(crate) use parts::TYPING;

/// What keys mean depends on what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A table.
    Table,
    /// One syscall.
    Detail,
    /// The filter is being typed.
    Filter,
    /// A moment to move to is being typed.
    Jump,
    /// The menu of columns.
    SortMenu,
    /// The menu of formats.
    SaveMenu,
    /// The help.
    Help,
}

impl Mode {
    /// Every mode.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] =
        [Self::Table, Self::Detail, Self::Filter, Self::Jump, Self::SortMenu, Self::SaveMenu, Self::Help];
}

/// A key with the modifiers that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Key {
    /// What a terminal sends for it.
    pub(crate) fn typed(self) -> String {
        match self.code {
            KeyCode::Char(character) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                char::from(character as u8 & 0x1f).to_string()
            }
            KeyCode::Char(character) => character.to_string(),
            KeyCode::Enter => "\r".to_owned(),
            KeyCode::Esc => "\x1b".to_owned(),
            KeyCode::Backspace => "\x7f".to_owned(),
            KeyCode::Tab => "\t".to_owned(),
            KeyCode::BackTab => "\x1b[Z".to_owned(),
            KeyCode::Up => "\x1b[A".to_owned(),
            KeyCode::Down => "\x1b[B".to_owned(),
            KeyCode::Right => "\x1b[C".to_owned(),
            KeyCode::Left => "\x1b[D".to_owned(),
            KeyCode::Home => "\x1b[H".to_owned(),
            KeyCode::End => "\x1b[F".to_owned(),
            KeyCode::PageUp => "\x1b[5~".to_owned(),
            KeyCode::PageDown => "\x1b[6~".to_owned(),
            KeyCode::F(number @ 1..=4) => format!("\x1bO{}", char::from(b'O' + number)),
            KeyCode::F(5) => "\x1b[15~".to_owned(),
            KeyCode::F(number @ 6..=10) => format!("\x1b[{}~", 11 + number),
            // No other key is bound; a test presses all that are.
            _ => String::new(),
        }
    }
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

/// Every binding, the ones a newcomer needs first.
pub(crate) fn all() -> impl Iterator<Item = &'static Binding> {
    DOING.iter().chain(ARRANGING).chain(MOVING)
}

/// The bindings that work in `mode` with figures of this origin.
pub(crate) fn bindings(mode: Mode, origin: Origin) -> impl Iterator<Item = &'static Binding> {
    all().filter(move |binding| binding.modes.contains(&mode) && binding.origins.contains(&origin))
}

/// Why a key with this meaning may leave the screen as it is; `None` where something is always to be seen of it.
pub(crate) fn why_unseen(command: Command) -> Option<&'static str> {
    match command {
        Command::Move(_) | Command::Page(_) | Command::Top | Command::Bottom => {
            Some("a page that fits does not move")
        }
        Command::SortBy(_) => Some("a table without this column keeps its order"),
        Command::View(_) => Some("it is shown already"),
        Command::Suspend => Some("where no shell could continue us, nothing stops"),
        _ => None,
    }
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
        Key { code: KeyCode::Char(character), modifiers: KeyModifiers::NONE } if TYPING.contains(&mode) => {
            Some(Message::Type(character))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parts::EVERY;
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
    fn every_bound_key_is_one_that_terminals_send() {
        for key in all().flat_map(|binding| binding.keys) {
            assert!(!key.typed().is_empty(), "{key:?}");
        }
        assert_eq!(Key { code: KeyCode::F(10), modifiers: KeyModifiers::NONE }.typed(), "\x1b[21~");
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
