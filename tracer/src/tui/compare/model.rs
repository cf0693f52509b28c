//! What the screen of a comparison knows: the comparison, and where its user is in it.

use std::sync::Arc;

use crate::compare::{Change, Compared};
use crate::tui::theme::Theme;

use super::keys::Command;

/// What follows from a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum After {
    /// The screen stays.
    Stay,
    /// There is nothing to go back to within it.
    Leave,
    /// Quit.
    Quit,
}

/// The state.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::tui) struct Model {
    pub(super) compared: Arc<Compared>,
    pub(super) theme: Theme,
    pub(super) size: (u16, u16),
    /// The selected row.
    pub(super) cursor: usize,
    /// Whether its call is shown, and not the table.
    pub(super) is_open: bool,
    pub(super) helps: bool,
}

impl Model {
    pub(in crate::tui) fn new(compared: Arc<Compared>, theme: Theme, size: (u16, u16)) -> Self {
        Self { compared, theme, size, cursor: 0, is_open: false, helps: false }
    }

    /// The rows.
    pub(super) fn rows(&self) -> &[Change] {
        &self.compared.comparison.rows
    }

    /// The selected one; `None` only where there are none.
    pub(super) fn selected(&self) -> Option<&Change> {
        self.rows().get(self.cursor)
    }

    /// Shows a later state of the comparison; the selected row stays selected.
    pub(in crate::tui) fn renew(&mut self, compared: Arc<Compared>) {
        let key = self.selected().map(|row| row.key);
        self.compared = compared;
        let row = self.rows().iter().position(|row| Some(row.key) == key);
        self.cursor = row.unwrap_or_else(|| self.cursor.min(self.rows().len().saturating_sub(1)));
        self.is_open &= row.is_some();
    }

    pub(in crate::tui) fn resize(&mut self, size: (u16, u16)) {
        self.size = size;
    }

    /// Does what a key asks for.
    pub(in crate::tui) fn update(&mut self, command: Command) -> After {
        let last = self.rows().len().saturating_sub(1);
        let page = usize::from(self.size.1).saturating_sub(8).max(1) as isize;
        let moved = |by: isize| self.cursor.saturating_add_signed(by).min(last);
        match command {
            Command::Quit => return After::Quit,
            Command::Help => self.helps = !self.helps,
            Command::Back if self.helps => self.helps = false,
            Command::Back if self.is_open => self.is_open = false,
            Command::Back => return After::Leave,
            Command::Open => self.is_open = !self.rows().is_empty(),
            Command::Move(by) => self.cursor = moved(by),
            Command::Page(by) => self.cursor = moved(by * page),
            Command::First => self.cursor = 0,
            Command::Last => self.cursor = last,
        }
        After::Stay
    }
}
