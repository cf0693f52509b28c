//! Columns that are being filled. Filling one costs a few instructions a row; memory is kept from batch to
//! batch.

use arrow_buffer::{ArrowNativeType, ToByteSlice as _};

use super::encode::Body;

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
        if !self.bits.is_empty() || self.rows > 0 && (self.nulls > 0) == valid {
            self.push_bit(valid);
        }
        self.rows += 1;
        self.nulls += usize::from(!valid);
    }

    #[inline(never)]
    fn push_bit(&mut self, valid: bool) {
        if self.bits.is_empty() {
            let fill = if self.nulls == 0 { 0xff } else { 0 };
            self.bits.resize(self.rows.div_ceil(8), fill);
            if let (Some(last), spare @ 1..) = (self.bits.last_mut(), self.rows % 8) {
                *last &= (1 << spare) - 1;
            }
        }
        if self.rows.is_multiple_of(8) {
            self.bits.push(0);
        }
        if let Some(last) = self.bits.last_mut() {
            *last |= u8::from(valid) << (self.rows % 8);
        }
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.nulls = 0;
        self.bits.clear();
    }

    fn encode(&self, body: &mut Body) {
        body.node(self.rows, self.nulls);
        if self.nulls == 0 {
            body.buffer(&[]);
        } else if self.bits.is_empty() {
            body.zeros(self.rows.div_ceil(8));
        } else {
            body.buffer(&self.bits);
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

    #[inline]
    pub(super) fn push_option(&mut self, value: Option<T>) {
        self.validity.push(value.is_some());
        self.values.push(value.unwrap_or_default());
    }

    pub(super) fn clear(&mut self) {
        self.validity.clear();
        self.values.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.validity.encode(body);
        if self.validity.nulls == self.validity.rows {
            body.zeros(size_of_val(self.values.as_slice()));
        } else {
            body.buffer(self.values.as_slice().to_byte_slice());
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
        body.buffer(&self.values);
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

    fn clear(&mut self) {
        self.0.truncate(1);
    }

    fn encode(&self, body: &mut Body) {
        if self.0.last() == Some(&0) {
            body.zeros(size_of_val(self.0.as_slice()));
        } else {
            body.buffer(self.0.as_slice().to_byte_slice());
        }
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

    pub(super) fn clear(&mut self) {
        self.validity.clear();
        self.offsets.clear();
        self.bytes.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.validity.encode(body);
        self.offsets.encode(body);
        body.buffer(&self.bytes);
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

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.items.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.ends.encode(body);
        body.node(self.items.len(), 0);
        body.buffer(&[]);
        body.buffer(self.items.as_slice().to_byte_slice());
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

    pub(super) fn rows(&self) -> usize {
        self.0.0.len() - 1
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn encode(&self, body: &mut Body) {
        body.node(self.rows(), 0);
        body.buffer(&[]);
        self.0.encode(body);
    }
}
