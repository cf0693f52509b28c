//! Which figures are shown of those that were given: counted from when, and which processes taken together.

use std::sync::Arc;

use super::{Cursor, Model};
use crate::group::{By, regroup};
use crate::since;
use crate::snapshot::Snapshot;

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
        self.group = group;
        self.opened.truncate(1);
        self.change_cursor(|cursor| *cursor = Cursor::default());
        self.show();
    }
}
