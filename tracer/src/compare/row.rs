//! The calls of one row of a side, whole and by slice of time: what is filled while intervals come in, and what the
//! bootstrap reads.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};

use rustc_hash::FxHasher;

use crate::interval::Cell;

use super::side::Slice;

/// The calls of one row, whole and by slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// All of them; the histogram once the side is finished.
    pub(super) total: Cell,
    has_latencies: bool,
    /// Those slices in which there were any, in order.
    pub(super) parts: Vec<Part>,
    /// (bucket, calls) of all parts, one part after the other.
    pub(super) buckets: Vec<(u16, u32)>,
    /// (slice, errno, calls), in order.
    pub(super) errnos: Vec<(u32, u16, u64)>,
    /// The slice that is being filled.
    open: Open,
}

/// What a row gathers for the slice that is being filled. Its histogram stays a short sorted list: a dense one
/// for each row and slice would cost more to clear and to read than to fill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Open {
    part: Part,
    buckets: Vec<(u16, u32)>,
    errnos: BTreeMap<u16, u64>,
    /// Room to merge in.
    spare: Vec<(u16, u32)>,
}

/// The calls of one row in one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Part {
    pub(super) slice: u32,
    pub(super) calls: u64,
    pub(super) errors: u64,
    /// Calls whose time is in `total_ns`.
    pub(super) timed: u64,
    pub(super) total_ns: u64,
    /// Where its buckets end in `Row::buckets`; they begin where those of the part before end.
    pub(super) buckets_end: usize,
}

impl Row {
    /// Adds the calls of an interval to the slice that is being filled.
    pub(super) fn add(&mut self, cell: &Cell) {
        let total = &mut self.total;
        total.calls += cell.calls;
        total.interrupted += cell.interrupted;
        total.denied += cell.denied;
        total.no_return += cell.no_return;
        total.died += cell.died;
        total.total_ns += cell.total_ns;
        let open = &mut self.open;
        let mut errors = 0;
        for (&errno, &count) in &cell.errors {
            *total.errors.entry(errno).or_default() += count;
            *open.errnos.entry(errno).or_default() += count;
            errors += count;
        }
        let completed = cell.latencies.count();
        if completed > 0 {
            total.note_extremes(cell.min_ns, cell.max_ns, !self.has_latencies);
            self.has_latencies = true;
            open.spare.clear();
            let more = cell
                .latencies
                .indexed()
                .map(|(bucket, count)| (bucket as u16, count.try_into().unwrap_or(u32::MAX)));
            merge_buckets(&mut open.spare, &open.buckets, more);
            std::mem::swap(&mut open.spare, &mut open.buckets);
        }
        open.part.calls += cell.calls;
        open.part.errors += errors;
        open.part.timed += completed + cell.interrupted;
        open.part.total_ns += cell.total_ns;
    }

    /// Ends the slice that is being filled.
    pub(super) fn close(&mut self, slice: u32) {
        let part = std::mem::take(&mut self.open.part);
        if part.calls == 0 {
            return;
        }
        self.buckets.append(&mut self.open.buckets);
        let errnos = std::mem::take(&mut self.open.errnos);
        self.errnos.extend(errnos.into_iter().map(|(errno, count)| (slice, errno, count)));
        self.parts.push(Part { slice, buckets_end: self.buckets.len(), ..part });
    }

    /// The parts, each with its buckets.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&Part, &[(u16, u32)])> {
        let starts = std::iter::once(0).chain(self.parts.iter().map(|part| part.buckets_end));
        self.parts.iter().zip(starts).map(|(part, start)| (part, &self.buckets[start..part.buckets_end]))
    }

    /// Slices in which a call completed.
    pub(super) fn slices_with_latencies(&self) -> usize {
        self.parts().filter(|(_, buckets)| !buckets.is_empty()).count()
    }

    /// Joins those slices that have the same place in the new list of slices; neighbours have.
    pub(super) fn join_neighbours(&mut self, places: &[u32]) {
        let total = std::mem::take(&mut self.total);
        let open = std::mem::take(&mut self.open);
        let mut joined = Self { total, open, has_latencies: self.has_latencies, ..Self::default() };
        for (part, buckets) in self.parts() {
            let slice = places[part.slice as usize];
            match joined.parts.last().copied() {
                Some(last) if last.slice == slice => {
                    let start =
                        joined.parts.len().checked_sub(2).map_or(0, |at| joined.parts[at].buckets_end);
                    let first = joined.buckets.split_off(start);
                    merge_buckets(&mut joined.buckets, &first, buckets.iter().copied());
                    let merged = Part {
                        slice,
                        calls: last.calls + part.calls,
                        errors: last.errors + part.errors,
                        timed: last.timed + part.timed,
                        total_ns: last.total_ns + part.total_ns,
                        buckets_end: joined.buckets.len(),
                    };
                    let at = joined.parts.len() - 1;
                    joined.parts[at] = merged;
                }
                _ => {
                    joined.buckets.extend_from_slice(buckets);
                    joined.parts.push(Part { slice, buckets_end: joined.buckets.len(), ..*part });
                }
            }
        }
        let mut errnos: BTreeMap<(u32, u16), u64> = BTreeMap::new();
        for &(slice, errno, count) in &self.errnos {
            *errnos.entry((places[slice as usize], errno)).or_default() += count;
        }
        joined.errnos = errnos.into_iter().map(|((slice, errno), count)| (slice, errno, count)).collect();
        *self = joined;
    }

    /// A number that is the same for the same calls in the same slices.
    pub(super) fn fingerprint(&self, slices: &[Slice]) -> u64 {
        let mut hasher = FxHasher::default();
        for slice in slices {
            slice.duration_ns.hash(&mut hasher);
        }
        self.parts.hash(&mut hasher);
        self.buckets.hash(&mut hasher);
        hasher.finish()
    }
}

/// Appends the sum of two sorted lists of (bucket, calls).
fn merge_buckets(out: &mut Vec<(u16, u32)>, first: &[(u16, u32)], second: impl Iterator<Item = (u16, u32)>) {
    let mut first = first.iter().copied().peekable();
    for (bucket, count) in second {
        while let Some(lower) = first.next_if(|lower| lower.0 < bucket) {
            out.push(lower);
        }
        let equal = first.next_if(|other| other.0 == bucket).map_or(0, |other| other.1);
        out.push((bucket, count.saturating_add(equal)));
    }
    out.extend(first);
}
