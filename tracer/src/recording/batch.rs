//! One batch as it comes out of a file. Nothing in it is believed: each length is compared with what the
//! format says it must be before anything is allocated, and a batch that deviates is damaged.
//!
//! The format leaves no freedom: buffers lie one behind the other in the order of columns, each compressed,
//! each with the length that follows from the number of rows. So a number that was changed on the way has no
//! second meaning.

use arrow_buffer::{ArrowNativeType, MutableBuffer, ToByteSlice as _};
use arrow_ipc::{BodyCompressionMethod, Buffer, CompressionType, FieldNode, RecordBatch};
use flatbuffers::Vector;
use zstd::bulk::Decompressor;

use super::MAX_BATCH_ROWS;
use super::encode::ALIGNMENT;
use super::shape::{Form, Shape, Shapes};

/// Most bytes that the buffers of one batch may have when they are decompressed.
pub(super) const MAX_BATCH_BYTES: usize = 32 << 20;

/// What is wrong with a file, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage(pub(super) String);

impl Damage {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A column of a batch, or the items of a list in one. Keeps its memory from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Column {
    rows: usize,
    nulls: usize,
    validity: MutableBuffer,
    /// Where the part of each row begins in `values` or in the first child.
    offsets: MutableBuffer,
    values: MutableBuffer,
    children: Vec<Self>,
}

impl Column {
    /// Of so many rows, of which so many have no value; `validity` tells which, where some have and some have not.
    pub(super) fn new(
        (rows, nulls, validity): (usize, usize, &[u8]),
        offsets: &[i32],
        values: &[u8],
        children: Vec<Self>,
    ) -> Self {
        let buffer = |bytes: &[u8]| {
            let mut buffer = MutableBuffer::new(bytes.len());
            buffer.extend_from_slice(bytes);
            buffer
        };
        let (validity, offsets) = (buffer(validity), buffer(offsets.to_byte_slice()));
        Self { rows, nulls, validity, offsets, values: buffer(values), children }
    }

    /// Lists with the offsets of this column, of structures with these parts.
    pub(super) fn list_of(&mut self, parts: Vec<Self>) -> Self {
        let structures = Self { rows: self.items(), children: parts, ..Self::default() };
        let offsets = std::mem::take(&mut self.offsets);
        Self { rows: self.rows, offsets, children: vec![structures], ..Self::default() }
    }

    /// The items of a list, which it no longer has then.
    pub(super) fn take_items(&mut self) -> Self {
        self.children.first_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Items in all lists.
    pub(super) fn items(&self) -> usize {
        let offsets: &[i32] = self.offsets.typed_data();
        offsets.last().map_or(0, |&end| end as usize)
    }

    /// Whether the list of each row is as long as that of another column. A column that is not there has empty ones.
    pub(super) fn is_as_long_as(&self, other: &Self) -> bool {
        self.offsets.as_slice() == other.offsets.as_slice()
            || (self.rows == 0 || other.rows == 0) && self.items() == 0 && other.items() == 0
    }

    /// The columns of a list of structures, and how many of these there are.
    pub(super) fn structures_mut(&mut self) -> Option<(&mut Vec<Self>, usize)> {
        self.children.first_mut().map(|items| (&mut items.children, items.rows))
    }

    /// Whether row `row` has a value.
    #[inline]
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.nulls == 0
            || self.nulls < self.rows
                && self.validity.as_slice().get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1)
    }

    /// Numbers of all rows; those of rows without a value mean nothing, and none are there when no row has.
    #[inline]
    pub(super) fn numbers<T: ArrowNativeType>(&self) -> &[T] {
        self.values.typed_data()
    }

    /// The number of row `row`, if it has one.
    #[inline]
    pub(super) fn number<T: ArrowNativeType>(&self, row: usize) -> Option<T> {
        if self.is_valid(row) { self.numbers().get(row).copied() } else { None }
    }

    /// The flag of row `row`.
    pub(super) fn flag(&self, row: usize) -> Option<bool> {
        if !self.is_valid(row) {
            return None;
        }
        self.values.as_slice().get(row / 8).map(|byte| byte >> (row % 8) & 1 == 1)
    }

    /// The bytes of row `row`.
    pub(super) fn bytes(&self, row: usize) -> Option<&[u8]> {
        if row >= self.rows || !self.is_valid(row) {
            return None;
        }
        let (start, end) = self.range(row);
        self.values.as_slice().get(start..end)
    }

    /// The text of row `row`; what is no UTF-8 is no text.
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        str::from_utf8(self.bytes(row)?).ok()
    }

    /// Where the list of row `row` lies among the items.
    #[inline]
    pub(super) fn range(&self, row: usize) -> (usize, usize) {
        let offsets: &[i32] = self.offsets.typed_data();
        let at = |row: usize| offsets.get(row).map_or(0, |&offset| offset as usize);
        (at(row), at(row + 1))
    }

    /// The items of the list of row `row`.
    pub(super) fn list<T: ArrowNativeType>(&self, row: usize) -> &[T] {
        let (start, end) = self.range(row);
        self.children.first().and_then(|items| items.numbers().get(start..end)).unwrap_or_default()
    }

    /// The bytes of item `place` among all items of a list.
    pub(super) fn item_bytes(&self, place: usize) -> Option<&[u8]> {
        self.children.first()?.bytes(place)
    }

    /// The columns of a list of structures.
    pub(super) fn struct_columns(&self) -> &[Self] {
        self.children.first().map_or(&[], |items| &items.children)
    }

    /// The structures in the list of row `row`: their columns, and which items of these.
    #[inline]
    pub(super) fn structures(&self, row: usize) -> Structures<'_> {
        let (start, end) = self.range(row);
        Structures { columns: self.struct_columns(), start, end }
    }
}

/// The list of structures of one row.
#[derive(Clone, Copy)]
pub(super) struct Structures<'a> {
    columns: &'a [Column],
    start: usize,
    end: usize,
}

impl<'a> Structures<'a> {
    /// How many there are.
    pub(super) fn len(self) -> usize {
        self.end - self.start
    }

    /// Numbers of all of them, where each has one.
    #[inline]
    pub(super) fn numbers<T: ArrowNativeType>(self, part: usize) -> Option<&'a [T]> {
        if self.len() == 0 {
            return Some(&[]);
        }
        self.columns.get(part)?.numbers().get(self.start..self.end)
    }

    /// One part of all of them, and where theirs begin in it.
    pub(super) fn part(self, part: usize) -> Option<(&'a Column, usize)> {
        Some((self.columns.get(part)?, self.start))
    }

    /// The columns, and the place of the first one: of lists that have no more.
    pub(super) fn first(self) -> Option<(&'a [Column], usize)> {
        (self.len() > 0).then_some((self.columns, self.start))
    }
}

/// The columns of one batch.
#[derive(Default)]
pub(super) struct Batch {
    /// Rows.
    pub(super) rows: usize,
    /// Columns in the order of the schema.
    pub(super) columns: Vec<Column>,
}

impl Batch {
    /// Fills the columns from a batch whose message was verified.
    pub(super) fn decode(
        &mut self,
        shapes: &Shapes,
        header: RecordBatch,
        body: &[u8],
        decompressor: &mut Decompressor,
    ) -> Result<(), Damage> {
        self.rows = 0;
        let rows = usize::try_from(header.length()).unwrap_or(usize::MAX);
        if rows > MAX_BATCH_ROWS {
            return Err(Damage::new("a batch claims too many rows"));
        }
        let compression = header.compression();
        if compression.map(|c| (c.codec(), c.method()))
            != Some((CompressionType::ZSTD, BodyCompressionMethod::BUFFER))
        {
            return Err(Damage::new("a batch is not compressed as a recording is"));
        }
        let (Some(nodes), Some(buffers)) = (header.nodes(), header.buffers()) else {
            return Err(Damage::new("a batch has no columns"));
        };
        let mut cursor = Cursor {
            nodes,
            buffers,
            node: 0,
            buffer: 0,
            body,
            end: 0,
            budget: MAX_BATCH_BYTES,
            decompressor,
        };
        decode_all(&mut self.columns, shapes, rows, &mut cursor)?;
        self.rows = rows;
        Ok(())
    }
}

impl Column {
    fn decode(&mut self, shape: &Shape, rows: usize, cursor: &mut Cursor) -> Result<(), Damage> {
        let nulls = cursor.node(rows)?;
        if shape.is_full && nulls > 0 {
            return Err(Damage::new("a column that is never empty is empty in places"));
        }
        self.rows = rows;
        self.nulls = nulls;
        cursor.validity(rows, nulls, &mut self.validity)?;
        match &shape.form {
            Form::Fixed(width) => self.fixed(*width, cursor),
            Form::Flags => cursor.take(rows.div_ceil(8), &mut self.values),
            Form::Bytes => {
                let bytes = self.decode_offsets(cursor)?;
                cursor.take(bytes, &mut self.values)
            }
            Form::List(items) => {
                let count = self.decode_offsets(cursor)?;
                self.children.resize_with(1, Self::default);
                self.children[0].decode(items, count, cursor)
            }
            Form::Struct(parts) => decode_all(&mut self.children, parts, rows, cursor),
        }
    }

    /// Values of the same width. Where no row has one, they are left where they are.
    fn fixed(&mut self, width: usize, cursor: &mut Cursor) -> Result<(), Damage> {
        if self.nulls == self.rows {
            self.values.clear();
            return cursor.skip(self.rows * width);
        }
        cursor.take(self.rows * width, &mut self.values)
    }

    /// Offsets, which must rise from 0; the last one is the result.
    fn decode_offsets(&mut self, cursor: &mut Cursor) -> Result<usize, Damage> {
        cursor.take((self.rows + 1) * 4, &mut self.offsets)?;
        let offsets: &[i32] = self.offsets.typed_data();
        let rising = offsets.first() == Some(&0) && offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        match offsets.last() {
            Some(&last) if rising => Ok(last as usize),
            _ => Err(Damage::new("the parts of a column are out of order")),
        }
    }
}

/// Fills columns, each at its place; those that the file does not have stay without rows.
fn decode_all(
    columns: &mut Vec<Column>,
    shapes: &Shapes,
    rows: usize,
    cursor: &mut Cursor,
) -> Result<(), Damage> {
    columns.resize_with(shapes.places(), Column::default);
    for shape in shapes.iter() {
        columns
            .get_mut(shape.place)
            .ok_or_else(|| Damage::new("a column has no place"))?
            .decode(shape, rows, cursor)?;
    }
    Ok(())
}

/// Where we are in a batch.
struct Cursor<'a, 'd> {
    nodes: Vector<'a, FieldNode>,
    buffers: Vector<'a, Buffer>,
    node: usize,
    buffer: usize,
    body: &'a [u8],
    /// Where the next buffer must begin.
    end: usize,
    /// Bytes that may still be decompressed.
    budget: usize,
    decompressor: &'a mut Decompressor<'d>,
}

impl<'a> Cursor<'a, '_> {
    /// The number of empty rows in the next column.
    fn node(&mut self, rows: usize) -> Result<usize, Damage> {
        if self.node >= self.nodes.len() {
            return Err(Damage::new("a batch lacks a column"));
        }
        let node = self.nodes.get(self.node);
        self.node += 1;
        let nulls = usize::try_from(node.null_count()).unwrap_or(usize::MAX);
        if node.length() != rows as i64 || nulls > rows {
            return Err(Damage::new("a column has another number of rows than its batch"));
        }
        Ok(nulls)
    }

    /// The next buffer as it lies in the file.
    fn raw(&mut self) -> Result<&'a [u8], Damage> {
        let wrong = || Damage::new("a buffer is not where it must be");
        if self.buffer >= self.buffers.len() {
            return Err(Damage::new("a batch lacks a buffer"));
        }
        let buffer = self.buffers.get(self.buffer);
        self.buffer += 1;
        let start = usize::try_from(buffer.offset()).map_err(|_| wrong())?;
        let length = usize::try_from(buffer.length()).map_err(|_| wrong())?;
        if start != self.end || length > self.body.len() {
            return Err(wrong());
        }
        let raw = self.body.get(start..start + length).ok_or_else(wrong)?;
        self.end = (start + length).next_multiple_of(ALIGNMENT);
        Ok(raw)
    }

    /// The frame in the next buffer, whose content has `bytes`.
    fn frame(&mut self, bytes: usize) -> Result<&'a [u8], Damage> {
        let wrong = || Damage::new("a buffer has another length than its column");
        let raw = self.raw()?;
        if bytes == 0 {
            return if raw.is_empty() { Ok(raw) } else { Err(wrong()) };
        }
        let (length, frame) = raw.split_first_chunk().ok_or_else(wrong)?;
        if i64::from_le_bytes(*length) != bytes as i64 {
            return Err(wrong());
        }
        self.budget = self.budget.checked_sub(bytes).ok_or_else(|| Damage::new("a batch is too large"))?;
        Ok(frame)
    }

    /// Decompresses the next buffer, which must have this many bytes.
    fn take(&mut self, bytes: usize, into: &mut MutableBuffer) -> Result<(), Damage> {
        let frame = self.frame(bytes)?;
        into.resize(bytes, 0);
        if bytes == 0 {
            return Ok(());
        }
        match self.decompressor.decompress_to_buffer(frame, into.as_slice_mut()) {
            Ok(found) if found == bytes => Ok(()),
            _ => Err(Damage::new("a buffer does not decompress to what was written")),
        }
    }

    /// Leaves a buffer of this many bytes unread.
    fn skip(&mut self, bytes: usize) -> Result<(), Damage> {
        self.frame(bytes).map(drop)
    }

    /// The bits that say which rows have a value; none where all have.
    fn validity(&mut self, rows: usize, nulls: usize, into: &mut MutableBuffer) -> Result<(), Damage> {
        if nulls == 0 {
            into.clear();
            return self.skip(0);
        }
        self.take(rows.div_ceil(8), into)?;
        let valid: usize = into.as_slice().iter().map(|byte| byte.count_ones() as usize).sum();
        if rows - nulls == valid {
            Ok(())
        } else {
            Err(Damage::new("a column has another number of values than it says"))
        }
    }
}
