//! The line of a ledger: the counts by their names, whether they add up, and whose I/O is in none of them.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::Span;
use crate::ledger::LedgerCounts;

pub(super) struct LedgerLine<'a> {
    pub(super) span: Span,
    pub(super) counts: &'a LedgerCounts,
    pub(super) in_flight_now: u64,
    /// The identities that do not hold. `None` for a single interval: calls that were open when it began end
    /// in it, so its own counters need not add up.
    pub(super) imbalances: Option<Vec<String>>,
    /// PIDs of those whose I/O through `io_uring` is not seen, in totals.
    pub(super) io_uring: Vec<u32>,
}

impl Serialize for LedgerLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("scope", &self.span.scope)?;
        map.serialize_entry("start_ns", &self.span.start_ns)?;
        map.serialize_entry("end_ns", &self.span.end_ns)?;
        for (name, value) in self.counts.named() {
            map.serialize_entry(name, &value)?;
        }
        map.serialize_entry("in_flight_now", &self.in_flight_now)?;
        map.serialize_entry("balanced", &self.imbalances.as_ref().map(Vec::is_empty))?;
        if let Some(imbalances) = self.imbalances.as_ref().filter(|found| !found.is_empty()) {
            map.serialize_entry("imbalances", imbalances)?;
        }
        if !self.io_uring.is_empty() {
            map.serialize_entry("io_uring", &self.io_uring)?;
        }
        map.end()
    }
}
