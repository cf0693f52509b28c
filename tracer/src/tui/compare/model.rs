//! What the screen of a comparison knows: the comparison, and where its user is in it.

use std::sync::Arc;

use crate::compare::Change;
use crate::tui::theme::Theme;

use super::Compared;
use super::keys::Command;

/// The state.
#[derive(Clone, Debug)]
pub(super) struct Model {
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
    pub(super) fn new(compared: Arc<Compared>, theme: Theme, size: (u16, u16)) -> Self {
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

    pub(super) fn resize(&mut self, size: (u16, u16)) {
        self.size = size;
    }

    /// Does what a key asks for. Whether that is to leave.
    pub(super) fn update(&mut self, command: Command) -> bool {
        let last = self.rows().len().saturating_sub(1);
        let page = usize::from(self.size.1).saturating_sub(8).max(1) as isize;
        let moved = |by: isize| self.cursor.saturating_add_signed(by).min(last);
        match command {
            Command::Quit => return true,
            Command::Help => self.helps = !self.helps,
            Command::Back if self.helps => self.helps = false,
            Command::Back => self.is_open = false,
            Command::Open => self.is_open = !self.rows().is_empty(),
            Command::Move(by) => self.cursor = moved(by),
            Command::Page(by) => self.cursor = moved(by * page),
            Command::First => self.cursor = 0,
            Command::Last => self.cursor = last,
        }
        false
    }
}
