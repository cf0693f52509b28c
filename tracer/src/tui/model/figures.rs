//! Which figures are shown of those that were given: counted from when, and which processes taken together.

use std::sync::Arc;

use super::{Cursor, Model, Screen};
use crate::group::{By, regroup};
use crate::since;
use crate::snapshot::Snapshot;
use crate::tui::rows::RowKey;

/// What is said to who folds what is no tree.
const NO_TREE: &str = "only a tree of processes folds: t makes one of the processes";

impl Model {
    /// Takes new figures.
    pub(crate) fn set_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        self.given = snapshot;
        self.show();
    }

    /// Counts from the moment shown on, or from the start again.
    pub(crate) fn set_zero(&mut self, is_now: bool) {
        self.zero = is_now.then(|| Arc::clone(&self.given));
        self.show();
    }

    fn show(&mut self) {
        let counted = match &self.zero {
            Some(zero) if self.counts_from_zero() => Arc::new(since::since(&self.given, zero)),
            _ => Arc::clone(&self.given),
        };
        self.shown = match self.group {
            By::Process => counted,
            group => Arc::new(regroup(Snapshot::clone(&counted), group)),
        };
        self.refresh();
    }

    /// Whether figures are counted from a moment that the user chose. Before it, those since the start are shown.
    pub(crate) fn counts_from_zero(&self) -> bool {
        self.zero.as_ref().is_some_and(|zero| zero.end_ns <= self.given.end_ns)
    }

    /// Takes processes together in this way. Screens of a row that is no more are left.
    pub(crate) fn group_by(&mut self, group: By) {
        (self.group, self.tree.is_shown) = (group, false);
        self.opened.truncate(1);
        self.change_cursor(|cursor| *cursor = Cursor::default());
        self.show();
    }

    /// Shows each process under its parent.
    pub(crate) fn show_tree(&mut self) {
        (self.group, self.tree.is_shown) = (By::Process, true);
        self.show();
    }

    /// Folds what is below the selected process into one row with it, or unfolds it.
    pub(crate) fn toggle_folded(&mut self) -> Result<(), &'static str> {
        if !self.tree.is_shown || self.screen() != Screen::Processes {
            return Err(NO_TREE);
        }
        let branch = self.rows.branches.get(self.cursor().index);
        let Some(RowKey::Process(key)) =
            self.selected().filter(|_| branch.is_some_and(|branch| branch.below > 0)).map(|entry| entry.key)
        else {
            return Err("nothing is below this process");
        };
        if !self.tree.folded.remove(&key) {
            self.tree.folded.insert(key);
        }
        self.refresh();
        Ok(())
    }

    /// Folds everything below each process that has no parent, or unfolds everything.
    pub(crate) fn toggle_all_folded(&mut self) -> Result<(), &'static str> {
        if !self.tree.is_shown || self.screen() != Screen::Processes {
            return Err(NO_TREE);
        }
        if self.tree.folded.is_empty() {
            let shown = self.rows.entries.iter().zip(&self.rows.branches);
            let roots = shown.filter(|(_, branch)| branch.depth == 0 && branch.below > 0);
            self.tree.folded = roots
                .filter_map(|(entry, _)| match entry.key {
                    RowKey::Process(key) => Some(key),
                    _ => None,
                })
                .collect();
            if self.tree.folded.is_empty() {
                return Err("none of these processes is the parent of another");
            }
        } else {
            self.tree.folded.clear();
        }
        self.refresh();
        Ok(())
    }

    pub(super) fn shows_waiting(&self) -> bool {
        if self.screen() == Screen::Errors { self.show_expected } else { self.show_waiting }
    }

    /// Shows or hides what does not matter on the screen shown.
    /// The result says what it did: it may be below what the screen has room for.
    pub(crate) fn toggle_waiting(&mut self) -> String {
        let shown =
            if self.screen() == Screen::Errors { &mut self.show_expected } else { &mut self.show_waiting };
        *shown = !*shown;
        self.refresh();
        let what = if self.screen() == Screen::Errors { "expected" } else { "idle or waiting" };
        let (number, does) = match self.rows.waiting_hidden {
            0 => (self.rows.entries.len() - self.rows.waiting_from, "shown"),
            hidden => (hidden, "hidden"),
        };
        format!("{what} rows {does}: {number}")
    }
}
