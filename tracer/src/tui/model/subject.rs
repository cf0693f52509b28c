//! What is pointed at, and what screens and files are called.

use unicode_width::UnicodeWidthStr as _;

use super::{Model, Screen, Subject};
use crate::by_file::{FileKey, OnBy};
use crate::columns::{self, Align, Row};
use crate::interval::CallKey;
use crate::snapshot::ProcessRow;
use crate::syscalls;
use crate::tui::message::View;
use crate::tui::rows::ProcessKey;

/// Cells that the name of a file takes in the path.
const NAME_WIDTH: usize = 32;

impl Model {
    /// What the user points at: the subject of the screen, or of the row that was selected by hand.
    pub(crate) fn pointed_at(&self) -> (Subject, Option<CallKey>) {
        let subject_of = |process: &ProcessRow| Subject::One(ProcessKey::of(process), process.comm);
        let selected = self.cursor().selected.and(self.selected()).and_then(|entry| self.row(entry));
        match (self.screen(), selected) {
            (Screen::Call(subject, call), _) => (subject, Some(call)),
            (Screen::Calls(subject), Some(Row::Call(call))) => (subject, Some(call.call)),
            (Screen::Calls(subject), _) => (subject, None),
            (Screen::Threads(key, comm), _) => (Subject::One(key, comm), None),
            (_, Some(Row::Use(process, call, _))) => (subject_of(process), Some(call.call)),
            (Screen::Files(subject) | Screen::OnFile(subject, _), _) => (subject, None),
            (_, Some(Row::Process(process))) => (subject_of(process), None),
            (_, Some(Row::Error(process, call, _) | Row::Open(process, call, _))) => {
                (subject_of(process), Some(call.call))
            }
            _ => (Subject::All, None),
        }
    }

    /// How the path names a screen.
    pub(crate) fn name_of(&self, screen: Screen) -> String {
        match screen {
            Screen::Processes => View::Processes.name().to_owned(),
            Screen::Errors => View::Errors.name().to_owned(),
            Screen::Open => View::Open.name().to_owned(),
            Screen::OverTime(Subject::All, None) => "heat of all calls".to_owned(),
            Screen::OverTime(..) => View::OverTime.name().to_owned(),
            Screen::Health => View::Health.name().to_owned(),
            Screen::Calls(Subject::All) => View::Calls.name().to_owned(),
            Screen::Threads(..) => "threads".to_owned(),
            Screen::Files(_) => View::Files.name().to_owned(),
            Screen::OnFile(_, key) => {
                let label = self.file_label(key);
                columns::fit(label, label.width().min(NAME_WIDTH), Align::End)
            }
            Screen::Calls(Subject::One(key, comm)) => self
                .shown
                .processes
                .iter()
                .find(|process| ProcessKey::of(process) == key)
                .map_or_else(|| columns::process_label_of(comm, key.pid()), columns::process_label),
            Screen::Call(_, key) => self
                .rows
                .calls(&self.shown)
                .iter()
                .find(|call| call.call == key)
                .map_or_else(|| syscalls::name(key).into_owned(), |call| call.name.clone()),
        }
    }

    /// Opens the calls on a file from the screen of files.
    pub(crate) fn open_file(&mut self, subject: Subject, key: FileKey, label: String) {
        self.opened_files.insert(key, label);
        self.open(Screen::OnFile(subject, key));
    }

    /// What a file that was opened is called; safe to print.
    pub(crate) fn file_label(&self, key: FileKey) -> &str {
        self.opened_files.get(&key).map_or("", String::as_str)
    }

    /// Shows whom calls lead to instead of what they are on, or the other way round.
    pub(crate) fn toggle_peers(&mut self) {
        self.on_by = match self.on_by {
            OnBy::File => OnBy::Peer,
            OnBy::Peer => OnBy::File,
        };
        // No row is one of the other kind.
        while matches!(self.screen(), Screen::OnFile(..)) && self.opened.len() > 1 {
            self.opened.pop();
        }
        self.change_cursor(|cursor| *cursor = super::Cursor::default());
        self.refresh();
    }
}
