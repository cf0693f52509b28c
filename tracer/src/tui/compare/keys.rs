//! What keys mean on the screen of a comparison. Footer and help are made from this table.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Command {
    /// Leave.
    Quit,
    /// Up (negative) or down by so many rows.
    Move(isize),
    /// Up or down by so many screens.
    Page(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// Show the call.
    Open,
    /// Back to where one came from.
    Back,
    /// Show or hide the help.
    Help,
}

/// One line of the table.
pub(super) struct Binding {
    keys: &'static [KeyCode],
    /// How help and footer name the keys.
    pub(super) label: &'static str,
    /// Word in the footer, where it is listed there.
    pub(super) footer: Option<&'static str>,
    /// What it does.
    pub(super) help: &'static str,
    command: Command,
}

const fn binding(
    keys: &'static [KeyCode],
    label: &'static str,
    footer: Option<&'static str>,
    help: &'static str,
    command: Command,
) -> Binding {
    Binding { keys, label, footer, help, command }
}

/// Every key.
pub(super) const BINDINGS: [Binding; 11] = [
    binding(
        &[KeyCode::Enter, KeyCode::Right, KeyCode::Char('l')],
        "Enter",
        Some("open"),
        "show this call",
        Command::Open,
    ),
    binding(
        &[KeyCode::Esc, KeyCode::Left, KeyCode::Char('h'), KeyCode::Backspace],
        "Esc",
        Some("back"),
        "back; where this was opened by m: back to the figures",
        Command::Back,
    ),
    binding(&[KeyCode::Down, KeyCode::Char('j')], "Down j", None, "next row, or next call", Command::Move(1)),
    binding(
        &[KeyCode::Up, KeyCode::Char('k')],
        "Up k",
        Some("move"),
        "row before, or call before",
        Command::Move(-1),
    ),
    binding(&[KeyCode::PageDown], "PgDn", None, "a screen down", Command::Page(1)),
    binding(&[KeyCode::PageUp], "PgUp", None, "a screen up", Command::Page(-1)),
    binding(&[KeyCode::Home, KeyCode::Char('g')], "Home g", None, "first row", Command::First),
    binding(&[KeyCode::End, KeyCode::Char('G')], "End G", None, "last row", Command::Last),
    binding(&[KeyCode::Char('?'), KeyCode::F(1)], "?", Some("help"), "this help", Command::Help),
    binding(&[KeyCode::Char('q')], "q", Some("quit"), "quit", Command::Quit),
    binding(&[], "Ctrl-C", None, "quit", Command::Quit),
];

/// What a pressed key means.
pub(in crate::tui) fn command(event: KeyEvent) -> Option<Command> {
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return (event.code == KeyCode::Char('c')).then_some(Command::Quit);
    }
    if event.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    BINDINGS.iter().find(|binding| binding.keys.contains(&event.code)).map(|binding| binding.command)
}
