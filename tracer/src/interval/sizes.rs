//! How much calls moved, for those whose return value says it.

use serde::{Deserialize, Serialize};

/// Calls that move fewer bytes are small.
pub const SMALL_BYTES: u64 = 64;

/// What calls moved that returned a number of bytes. Calls that moved nothing (end of file), that failed, or that were
/// only counted under overload are not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Calls that moved something.
    pub calls: u64,
    /// What they moved.
    pub bytes: u64,
    /// How many of them moved fewer than [`SMALL_BYTES`].
    pub small: u64,
}

impl Sizes {
    /// Counts a call that returned `ret`.
    #[inline]
    pub(crate) fn record(&mut self, ret: i64) {
        if ret > 0 {
            let bytes = ret as u64;
            self.calls += 1;
            // The kernel moves less than 2 GiB in a call; a damaged recording may say anything.
            self.bytes = self.bytes.saturating_add(bytes);
            self.small += u64::from(bytes < SMALL_BYTES);
        }
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.small += other.small;
    }

    /// Whether half of the calls or more are small; `None` where none moved anything.
    pub fn is_mostly_small(&self) -> Option<bool> {
        (self.calls > 0).then_some(self.small.saturating_mul(2) >= self.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_nothing_does_not_count() {
        let mut sizes = Sizes::default();
        for ret in [0, -11, 63, 64, 1, -4095] {
            sizes.record(ret);
        }
        assert_eq!(sizes, Sizes { calls: 3, bytes: 128, small: 2 });
        assert_eq!(sizes.is_mostly_small(), Some(true));
        sizes.record(4096);
        sizes.record(4096);
        assert_eq!(sizes.is_mostly_small(), Some(false));
        assert_eq!(Sizes::default().is_mostly_small(), None);
        sizes.record(i64::MAX);
        sizes.record(i64::MAX);
        sizes.record(i64::MAX);
        assert_eq!(sizes.bytes, u64::MAX);
    }
}
