//! The column of notes: what rows say that are about no call and no process.

use super::batch::{Column, Damage};
use super::columns::{Ends, Numbers, Text};
use super::encode::Body;
use super::reader::nonsense;
use super::rows::push_text;
use super::schema::{note, row};

/// What is said; the kind of the row tells what it means.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Note<'a> {
    pub(super) text: Option<&'a str>,
    pub(super) value: Option<u64>,
    /// In ns since 1970.
    pub(super) since: Option<i64>,
    pub(super) check: Option<u64>,
}

/// The column, while it is being gathered.
#[derive(Debug, Default)]
pub(super) struct Notes {
    ends: Ends,
    len: usize,
    text: Text,
    value: Numbers<u64>,
    since: Numbers<i64>,
    check: Numbers<u64>,
}

impl Notes {
    /// The next row.
    pub(super) fn push(&mut self, note: Option<&Note<'_>>) {
        if let Some(note) = note {
            self.len += 1;
            push_text(&mut self.text, note.text);
            self.value.push_option(note.value);
            self.since.push_option(note.since);
            self.check.push_option(note.check);
        }
        self.ends.push(self.len);
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.len = 0;
        self.text.clear();
        self.value.clear();
        self.since.clear();
        self.check.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.ends.encode_structures(body);
        self.text.encode(body);
        self.value.encode(body);
        self.since.encode(body);
        self.check.encode(body);
    }
}

/// The note in row `at`, if there is one.
pub(super) fn take(columns: &[Column], at: usize) -> Result<Option<Note<'_>>, Damage> {
    let list = columns.get(row::NOTE).ok_or_else(nonsense)?.structures(at);
    let Some((parts, at)) = list.first() else { return Ok(None) };
    if list.len() > 1 {
        return Err(nonsense());
    }
    let column = |part: usize| parts.get(part);
    Ok(Some(Note {
        text: column(note::TEXT).and_then(|column| column.text(at)),
        value: column(note::VALUE).and_then(|column| column.number(at)),
        since: column(note::SINCE).and_then(|column| column.number(at)),
        check: column(note::CHECK).and_then(|column| column.number(at)),
    }))
}
