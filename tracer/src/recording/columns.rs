//! Columns that are being filled. Filling one costs a few instructions a row; memory is kept from batch to
//! batch.

use arrow_buffer::{ArrowNativeType, ToByteSlice as _};

use super::batch::Column;
use super::encode::{Body, Shape};

/// Which rows have a value. Most columns are all one or all the other, which costs nothing.
#[derive(Debug, Default)]
struct Validity {
    rows: usize,
    nulls: usize,
    /// Only once both kinds have been seen.
    bits: Vec<u8>,
}

impl Validity {
    #[inline]
    fn push(&mut self, valid: bool) {
        self.extend(valid, 1);
    }

    /// So many rows, all with a value or all without.
    #[inline]
    fn extend(&mut self, valid: bool, rows: usize) {
        if !self.bits.is_empty() || self.rows > 0 && (self.nulls > 0) == valid {
            self.extend_bits(valid, rows);
        }
        self.rows += rows;
        self.nulls += if valid { 0 } else { rows };
    }

    #[inline(never)]
    fn extend_bits(&mut self, valid: bool, rows: usize) {
        if self.bits.is_empty() {
            let all_valid = self.nulls == 0;
            self.fill(0, self.rows, all_valid);
        }
        self.fill(self.rows, self.rows + rows, valid);
    }

    /// Sets the bits of rows that were not there before. Bits behind the last row are 0.
    fn fill(&mut self, start: usize, end: usize, valid: bool) {
        self.bits.resize(end.div_ceil(8), if valid { 0xff } else { 0 });
        if !valid {
            return;
        }
        if let (Some(first), used @ 1..) = (self.bits.get_mut(start / 8), start % 8) {
            *first |= 0xff << used;
        }
        if let (Some(last), used @ 1..) = (self.bits.last_mut(), end % 8) {
            *last &= (1 << used) - 1;
        }
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.nulls = 0;
        self.bits.clear();
    }

    /// Rows, those of them without a value, and bits if they differ.
    fn to_parts(&self) -> (usize, usize, &[u8]) {
        (self.rows, self.nulls, &self.bits)
    }

    fn encode(&self, body: &mut Body) {
        body.node(self.rows, self.nulls);
        if self.nulls == 0 {
            body.buffer(&[], Shape::Plain);
        } else if self.bits.is_empty() {
            body.zeros(self.rows.div_ceil(8));
        } else {
            body.buffer(&self.bits, Shape::Plain);
        }
    }
}

/// Numbers.
#[derive(Debug, Default)]
pub(super) struct Numbers<T> {
    validity: Validity,
    values: Vec<T>,
}

impl<T: ArrowNativeType> Numbers<T> {
    #[inline]
    pub(super) fn push(&mut self, value: T) {
        self.validity.push(true);
        self.values.push(value);
    }

    #[inline]
    pub(super) fn push_null(&mut self) {
        self.validity.push(false);
        self.values.push(T::default());
    }

    /// Values for as many rows as there are items.
    #[inline]
    pub(super) fn extend(&mut self, values: impl ExactSizeIterator<Item = T>) {
        self.validity.extend(true, values.len());
        self.values.extend(values);
    }

    /// The same where some rows may have none.
    #[inline]
    pub(super) fn extend_options(&mut self, values: impl ExactSizeIterator<Item = Option<T>> + Clone) {
        if values.clone().all(|value| value.is_some()) {
            self.extend(values.map(Option::unwrap_or_default));
        } else if values.clone().all(|value| value.is_none()) {
            self.validity.extend(false, values.len());
            self.values.resize(self.values.len() + values.len(), T::default());
        } else {
            values.for_each(|value| self.push_option(value));
        }
    }

    #[inline]
    pub(super) fn push_option(&mut self, value: Option<T>) {
        self.validity.push(value.is_some());
        self.values.push(value.unwrap_or_default());
    }

    pub(super) fn clear(&mut self) {
        self.validity.clear();
        self.values.clear();
    }

    pub(super) fn items(&self) -> usize {
        self.values.len()
    }

    /// As it will be read.
    pub(super) fn to_column(&self) -> Column {
        Column::new(self.validity.to_parts(), &[], self.values.as_slice().to_byte_slice(), Vec::new())
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.encode_as(body, Shape::Plain);
    }

    pub(super) fn encode_as(&self, body: &mut Body, shape: Shape) {
        self.validity.encode(body);
        if self.validity.nulls == self.validity.rows {
            body.zeros(size_of_val(self.values.as_slice()));
        } else {
            body.buffer(self.values.as_slice().to_byte_slice(), shape);
        }
    }
}

/// Booleans.
#[derive(Debug, Default)]
pub(super) struct Flags {
    validity: Validity,
    values: Vec<u8>,
}

impl Flags {
    pub(super) fn push(&mut self, value: Option<bool>) {
        let row = self.validity.rows;
        self.validity.push(value.is_some());
        if row.is_multiple_of(8) {
            self.values.push(0);
        }
        if let Some(last) = self.values.last_mut() {
            *last |= u8::from(value == Some(true)) << (row % 8);
        }
    }

    pub(super) fn clear(&mut self) {
        self.validity.clear();
        self.values.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.validity.encode(body);
        body.buffer(&self.values, Shape::Plain);
    }
}

impl Flags {
    /// As it will be read.
    pub(super) fn to_column(&self) -> Column {
        Column::new(self.validity.to_parts(), &[], &self.values, Vec::new())
    }
}

/// Where each row's part of something begins; one more than there are rows.
#[derive(Debug)]
struct Offsets(Vec<i32>);

impl Default for Offsets {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Offsets {
    #[inline]
    fn push(&mut self, end: usize) {
        self.0.push(end as i32);
    }

    /// So many rows whose part is empty.
    fn repeat(&mut self, rows: usize) {
        let last = self.0.last().copied().unwrap_or(0);
        self.0.resize(self.0.len() + rows, last);
    }

    fn clear(&mut self) {
        self.0.truncate(1);
    }

    fn encode(&self, body: &mut Body) {
        if self.0.last() == Some(&0) {
            body.zeros(size_of_val(self.0.as_slice()));
        } else {
            body.buffer(self.0.as_slice().to_byte_slice(), Shape::Rising);
        }
    }
}

/// Longest [`Short`].
const SHORT: usize = 31;

/// A text that can be copied without looking at its length: the name of a syscall.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Short {
    len: u8,
    bytes: [u8; SHORT],
}

impl Short {
    /// Cut to what fits; no syscall has so long a name.
    pub(super) fn new(text: &str) -> Self {
        let len = text.floor_char_boundary(SHORT);
        let mut bytes = [0; SHORT];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Self { len: len as u8, bytes }
    }
}

/// Text or bytes.
#[derive(Debug, Default)]
pub(super) struct Text {
    validity: Validity,
    offsets: Offsets,
    bytes: Vec<u8>,
}

impl Text {
    #[inline]
    pub(super) fn push(&mut self, text: impl AsRef<[u8]>) {
        self.validity.push(true);
        self.bytes.extend_from_slice(text.as_ref());
        self.offsets.push(self.bytes.len());
    }

    #[inline]
    pub(super) fn push_null(&mut self) {
        self.validity.push(false);
        self.offsets.push(self.bytes.len());
    }

    /// As it will be read.
    pub(super) fn to_column(&self) -> Column {
        Column::new(self.validity.to_parts(), &self.offsets.0, &self.bytes, Vec::new())
    }

    /// So many rows without text.
    pub(super) fn extend_nulls(&mut self, rows: usize) {
        self.validity.extend(false, rows);
        self.offsets.repeat(rows);
    }

    /// Makes room for so many short texts.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.offsets.0.reserve(rows);
        self.bytes.reserve(rows * SHORT);
    }

    #[inline]
    pub(super) fn push_short(&mut self, text: &Short) {
        self.validity.push(true);
        let end = self.bytes.len() + usize::from(text.len);
        // A copy of fixed length takes one or two instructions.
        self.bytes.extend_from_slice(&text.bytes);
        self.bytes.truncate(end);
        self.offsets.push(end);
    }

    pub(super) fn clear(&mut self) {
        self.validity.clear();
        self.offsets.clear();
        self.bytes.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.validity.encode(body);
        self.offsets.encode(body);
        body.buffer(&self.bytes, Shape::Plain);
    }
}

/// A list of numbers in each row, never null.
#[derive(Debug, Default)]
pub(super) struct Lists<T> {
    ends: Ends,
    items: Vec<T>,
}

impl<T: ArrowNativeType> Lists<T> {
    /// Adds to the list of the row that [`Lists::end_row`] ends.
    #[inline]
    pub(super) fn add(&mut self, item: T) {
        self.items.push(item);
    }

    pub(super) fn end_row(&mut self) {
        self.ends.push(self.items.len());
    }

    pub(super) fn items(&self) -> usize {
        self.items.len()
    }

    /// As it will be read.
    pub(super) fn to_column(&self) -> Column {
        let items = self.items.as_slice().to_byte_slice();
        let items = Column::new((self.items.len(), 0, &[]), &[], items, Vec::new());
        Column::new((self.ends.rows(), 0, &[]), &self.ends.0.0, &[], vec![items])
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.items.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.ends.encode(body);
        body.node(self.items.len(), 0);
        body.buffer(&[], Shape::Plain);
        body.buffer(self.items.as_slice().to_byte_slice(), Shape::Plain);
    }
}

/// Where each row's list of whatever follows ends.
#[derive(Debug, Default)]
pub(super) struct Ends(Offsets);

impl Ends {
    #[inline]
    pub(super) fn push(&mut self, end: usize) {
        self.0.push(end);
    }

    /// So many rows whose list is empty.
    pub(super) fn repeat(&mut self, rows: usize) {
        self.0.repeat(rows);
    }

    pub(super) fn rows(&self) -> usize {
        self.0.0.len() - 1
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        body.node(self.rows(), 0);
        body.buffer(&[], Shape::Plain);
        self.0.encode(body);
    }

    /// The same of lists of structures, whose parts follow.
    pub(super) fn encode_structures(&self, body: &mut Body) {
        self.encode(body);
        body.node(self.items(), 0);
        body.buffer(&[], Shape::Plain);
    }

    /// As it will be read, with the parts of the structures.
    pub(super) fn to_column(&self, parts: Vec<Column>) -> Column {
        let structures = Column::new((self.items(), 0, &[]), &[], &[], parts);
        Column::new((self.rows(), 0, &[]), &self.0.0, &[], vec![structures])
    }

    /// Items in all lists.
    pub(super) fn items(&self) -> usize {
        self.0.0.last().map_or(0, |&end| end as usize)
    }
}
