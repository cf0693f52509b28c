//! How the columns of a file are decoded and where a reader finds them. Made once for a file: what it says of its
//! columns is compared here with what we know, by name.

use arrow_schema::{DataType, Field, Fields};

/// The columns of a batch, or the parts of a structure.
#[derive(Debug)]
pub(super) struct Shapes {
    /// In the order of the file.
    columns: Vec<Shape>,
    /// Places that are needed for them and for those that the file does not have.
    places: usize,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Shape {
    /// Where it is put.
    pub(super) place: usize,
    /// Whether every row has a value.
    pub(super) is_full: bool,
    pub(super) form: Form,
}

/// What the buffers of a column are.
#[derive(Debug)]
pub(super) enum Form {
    /// Values of so many bytes.
    Fixed(usize),
    /// A bit for each row.
    Flags,
    /// Text or bytes.
    Bytes,
    /// Lists of whatever this is.
    List(Box<Shape>),
    /// Structures.
    Struct(Shapes),
}

impl Shapes {
    /// Of columns of which the first ones of ours must be there, as must be so many of those of rows that are no
    /// call. Those that we do not know come behind ours.
    pub(super) fn new(found: &Fields, ours: &Fields, first: usize, rows: usize) -> Option<Self> {
        let shapes = Self::known(found, ours, rows)?;
        let has = |place: usize| shapes.columns.iter().any(|shape| shape.place == place);
        (0..first).all(has).then_some(shapes)
    }

    fn known(found: &Fields, ours: &Fields, rows: usize) -> Option<Self> {
        let mut places = ours.len();
        let mut columns: Vec<Shape> = Vec::with_capacity(found.len());
        for field in found {
            let place = ours.iter().position(|known| known.name() == field.name());
            if place.is_some_and(|place| columns.iter().any(|shape| shape.place == place)) {
                return None;
            }
            let known = place.and_then(|place| ours.get(place));
            columns.push(Shape::new(field, place.unwrap_or(places), known.map(AsRef::as_ref), rows)?);
            places += usize::from(place.is_none());
        }
        Some(Self { columns, places })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Shape> {
        self.columns.iter()
    }

    pub(super) fn places(&self) -> usize {
        self.places
    }
}

impl Shape {
    fn new(found: &Field, place: usize, known: Option<&Field>, rows: usize) -> Option<Self> {
        let is_full = !found.is_nullable();
        if known.is_some_and(|known| known.is_nullable() == is_full) {
            return None;
        }
        let none = Fields::empty();
        let form = match (found.data_type(), known.map(Field::data_type)) {
            (DataType::List(found), None) => Form::List(Box::new(Self::new(found, 0, None, rows)?)),
            (DataType::List(found), Some(DataType::List(ours))) => {
                Form::List(Box::new(Self::new(found, 0, Some(ours), rows)?))
            }
            (DataType::Struct(found), None) => Form::Struct(Shapes::known(found, &none, rows)?),
            // The only structure that holds others: rows that are no call.
            (DataType::Struct(found), Some(DataType::Struct(ours))) if ours.len() >= rows => {
                Form::Struct(Shapes::new(found, ours, rows, rows)?)
            }
            (DataType::Struct(found), Some(DataType::Struct(ours))) => {
                Form::Struct(Shapes::known(found, ours, rows)?)
            }
            (kind, known) if known.is_none_or(|known| known == kind) => match kind {
                DataType::UInt8 => Form::Fixed(1),
                DataType::UInt16 => Form::Fixed(2),
                DataType::UInt32 | DataType::Int32 => Form::Fixed(4),
                DataType::UInt64 | DataType::Int64 | DataType::Timestamp(..) => Form::Fixed(8),
                DataType::Boolean => Form::Flags,
                DataType::Utf8 | DataType::Binary => Form::Bytes,
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { place, is_full, form })
    }
}
