//! A recording without its end into one that any reader takes whole.

use std::io::{self, Read, Seek, Write};

use super::{End, Item, Mark, ReadError, Reader, Writer};

/// What a repair kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// How the recording ended before.
    pub end: End,
    /// Bytes of it that were kept.
    pub bytes_kept: u64,
    /// Whole intervals in them.
    pub intervals: u64,
}

/// Copies everything up to the last whole interval before the first damage, a mark that says so, and an end
/// marker. A recording that ended cleanly is copied as it is.
///
/// `from` is read twice, so that nothing but a batch is ever held.
pub fn repair(mut from: impl Read + Seek, mut to: impl Write) -> Result<Repaired, ReadError> {
    let start = from.stream_position()?;
    let mut reader = Reader::open(&mut from)?;
    let (mut intervals, mut last_ns) = (0, reader.meta().start_ns);
    while let Some(item) = reader.next()? {
        if let Item::Interval(interval) = item {
            intervals += 1;
            last_ns = interval.end_ns;
        }
    }
    let end = reader.end().cloned().unwrap_or(End::Clean);
    let (meta, kind, has_our_columns) = (reader.meta().clone(), reader.kind(), reader.has_our_columns());
    let (bytes_kept, rows_kept) = reader.good();
    from.seek(io::SeekFrom::Start(start))?;
    let copied = io::copy(&mut from.take(bytes_kept), &mut to)?;
    if copied != bytes_kept {
        return Err(ReadError::Io(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it changed while it was read",
        )));
    }
    let mut writer = Writer::behind(to, &meta, kind, rows_kept)?;
    if let End::Unclean { why } = &end
        && has_our_columns
    {
        writer.mark(&Mark { time_ns: last_ns, text: format!("repaired: {why}") })?;
    }
    writer.finish()?;
    Ok(Repaired { end, bytes_kept, intervals })
}
