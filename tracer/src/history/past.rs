//! One kept interval: as it came while it is new, packed once it is old. Packed it takes a tenth of the memory, and
//! unpacked it is the same again.

use std::sync::Arc;

use crate::interval::{Cell, InFlight, Interval};
use crate::process::ProcessInfo;

/// The fastest there is: most of the gain is in what the numbers leave out.
const LEVEL: i32 = 1;

/// An interval of the past.
#[derive(Debug)]
pub(super) struct Past {
    end_ns: u64,
    /// Memory that it takes, in bytes.
    bytes: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Plain(Arc<Interval>),
    Packed {
        bytes: Box<[u8]>,
        /// Before it was compressed.
        len: usize,
    },
}

impl Past {
    /// As it came.
    pub(super) fn new(interval: Arc<Interval>) -> Self {
        Self { end_ns: interval.end_ns, bytes: bytes_of(&interval), form: Form::Plain(interval) }
    }

    /// Where it ends.
    pub(super) fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// Memory that it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The interval.
    pub(super) fn interval(&self) -> Arc<Interval> {
        match &self.form {
            Form::Plain(interval) => Arc::clone(interval),
            Form::Packed { bytes, len } => {
                let plain = zstd::bulk::decompress(bytes, *len);
                let interval = plain.ok().and_then(|plain| postcard::from_bytes(&plain).ok());
                // We packed it ourselves, and nothing else had it in between.
                Arc::new(interval.unwrap_or_else(|| unreachable!("an interval was packed and is none")))
            }
        }
    }

    /// Packs it. Where that fails it stays as it is.
    pub(super) fn pack(&mut self) {
        let Form::Plain(interval) = &self.form else { return };
        let Ok(plain) = postcard::to_stdvec(&**interval) else { return };
        let Ok(bytes) = zstd::bulk::compress(&plain, LEVEL) else { return };
        self.bytes = size_of::<Self>() + bytes.len();
        self.form = Form::Packed { bytes: bytes.into(), len: plain.len() };
    }
}

/// Memory of an interval, in bytes: an estimate that is not far too low.
fn bytes_of(interval: &Interval) -> usize {
    // Tables of hashes are at most seven eighths full and half empty after they grew.
    const SLACK: usize = 2;
    let cells: usize =
        interval.cells.values().map(|cell| SLACK * size_of::<Cell>() + cell.heap_bytes()).sum();
    let processes: usize = interval
        .processes
        .values()
        .map(|info| SLACK * (size_of::<ProcessInfo>() + 16) + info.heap_bytes())
        .sum();
    size_of::<Interval>() + cells + processes + interval.in_flight.len() * size_of::<InFlight>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::tests::any_interval;
    use crate::recording::Item;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_is_the_same_again(interval in any_interval(3)) {
            let mut past = Past::new(Arc::new(interval.clone()));
            past.pack();
            let is_packed = matches!(past.form, Form::Packed { .. });
            prop_assert!(is_packed);
            prop_assert_eq!(&*past.interval(), &interval);
            prop_assert_eq!(past.end_ns(), interval.end_ns);
        }
    }

    #[test]
    fn real_intervals_are_the_same_again_and_take_a_fifth() {
        let (mut plain, mut packed) = (0, 0);
        let demo: &[u8] = include_bytes!("../../demo/incident.arrows");
        let (items, _) = crate::recording::tests::fixture::read(demo).expect("a recording");
        for item in items {
            let Item::Interval(interval) = item else { continue };
            let mut past = Past::new(Arc::new(interval.clone()));
            plain += past.bytes();
            past.pack();
            packed += past.bytes();
            assert_eq!(*past.interval(), interval);
        }
        assert!(plain > 0 && packed * 5 < plain, "{packed} of {plain} bytes");
    }
}
