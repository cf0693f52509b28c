//! The rows of what calls were on: files or peers, and the calls on one of them.

use super::{Choice, Entry, Place, ProcessKey, RowKey, Rows};
use crate::by_file::{self, FileKey};
use crate::snapshot::{ProcessRow, Snapshot};
use crate::tui::model::Subject;

impl Subject {
    /// Whether the calls of a process are meant.
    fn has(self, process: &ProcessRow) -> bool {
        match self {
            Self::All => true,
            Self::One(key, _) => ProcessKey::of(process) == key,
        }
    }
}

impl Rows {
    pub(super) fn files(&mut self, snapshot: &Snapshot, choice: &Choice<'_>, subject: Subject) -> Vec<Entry> {
        let filter = choice.filter;
        let wants = |process: &ProcessRow| subject.has(process) && filter.fits_member(process);
        self.files = by_file::files(snapshot, choice.on_by, wants);
        // What is left of files says nothing where there are none.
        if !self.files.iter().any(by_file::FileRow::is_known) {
            self.files.clear();
        }
        let all = self.files.iter().enumerate();
        let entries: Vec<Entry> = all
            .filter(|(_, file)| filter.fits_file(snapshot, file))
            .map(|(index, file)| Entry { key: RowKey::File(file.key), place: Place::File(index) })
            .collect();
        self.filtered_out = self.files.len() - entries.len();
        entries
    }

    pub(super) fn uses(
        &mut self,
        snapshot: &Snapshot,
        choice: &Choice<'_>,
        subject: Subject,
        key: FileKey,
    ) -> Vec<Entry> {
        let filter = choice.filter;
        let wants = |process: &ProcessRow| subject.has(process) && filter.fits_member(process);
        self.uses = by_file::uses(snapshot, choice.on_by, wants, key);
        let entries: Vec<Entry> = self
            .uses
            .iter()
            .enumerate()
            .filter_map(|(index, by)| {
                let process = snapshot.processes.get(by.place.0)?;
                let call = process.calls.get(by.place.1)?;
                let key = RowKey::Use(ProcessKey::of(process), call.call);
                filter.fits_use(process, call, &by.figures).then_some(Entry { key, place: Place::Use(index) })
            })
            .collect();
        self.filtered_out = self.uses.len() - entries.len();
        entries
    }
}
