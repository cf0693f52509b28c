//! The column of what calls failed on: for each cell a list of operands, by errno.

use std::sync::Arc;

use super::batch::{Column, Damage};
use super::columns::{Ends, Numbers, Text};
use super::encode::{Body, Shape};
use super::interval::IMPOSSIBLE;
use super::reader::nonsense;
use super::schema::{example, row};
use crate::interval::{Example, examples};
use crate::operand::Kept;

/// The column, while it is being gathered.
#[derive(Debug, Default)]
pub(super) struct Examples {
    ends: Ends,
    errnos: Numbers<u16>,
    on: Text,
    calls: Numbers<u64>,
    unsure: Numbers<u64>,
}

impl Examples {
    /// Bytes held.
    pub(super) fn list_bytes(&self) -> usize {
        220 * self.errnos.items()
    }

    /// Adds to the list of the row that [`Examples::end_row`] ends.
    pub(super) fn add(&mut self, example: &Example) {
        self.errnos.push(example.errno);
        self.on.push(&example.on);
        self.calls.push(example.calls);
        self.unsure.push(example.unsure);
    }

    pub(super) fn end_row(&mut self) {
        self.ends.push(self.errnos.items());
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.errnos.clear();
        self.on.clear();
        self.calls.clear();
        self.unsure.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.ends.encode_structures(body);
        self.errnos.encode(body);
        self.on.encode(body);
        self.calls.encode_as(body, Shape::Counts);
        self.unsure.encode_as(body, Shape::Counts);
    }
}

/// What row `at` says that calls failed on.
pub(super) fn take(columns: &[Column], at: usize) -> Result<Option<Arc<[Example]>>, Damage> {
    let Some(list) = columns.get(row::EXAMPLES).map(|column| column.structures(at)) else { return Ok(None) };
    if list.len() == 0 {
        return Ok(None);
    }
    let errnos: &[u16] = list.numbers(example::ERRNO).ok_or_else(nonsense)?;
    let calls: &[u64] = list.numbers(example::CALLS).ok_or_else(nonsense)?;
    let unsure: &[u64] = list.numbers(example::UNSURE).ok_or_else(nonsense)?;
    let (texts, start) = list.part(example::ON).ok_or_else(nonsense)?;
    let mut read = Vec::with_capacity(errnos.len());
    for (index, &errno) in errnos.iter().enumerate() {
        let on = texts.bytes(start + index).filter(|on| on.len() <= examples::MOST_BYTES + 1);
        let on: Kept = on.ok_or_else(nonsense)?.into();
        let (calls, unsure) = (calls[index], unsure[index]);
        if unsure > calls || calls >= IMPOSSIBLE {
            return Err(nonsense());
        }
        read.push(Example { errno, on, calls, unsure });
    }
    if examples::are_in_order(&read) { Ok(Some(read.into())) } else { Err(nonsense()) }
}
