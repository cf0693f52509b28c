//! What the calls of a cell were on: a row for each open file behind their first argument. Lists are ordered by identity
//! and bounded where they are filled and where they are added up over a run; what a cell has more than its rows is of
//! files that are not told apart.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tracer_common::bucket;
use tracer_common::outcome::Outcome;

use crate::file::{FileId, Names};

/// Files that are told apart in a cell that is being filled, and in one syscall of a process over a run.
pub const MAX_FILES: usize = 512;

/// Grouping power of the histograms: buckets 25 % wide, so that a row takes some hundred bytes.
pub const GROUPING_POWER: u8 = 2;

/// Completed calls by latency: (bucket of the layout with [`GROUPING_POWER`], calls), rising.
pub type Latencies = Vec<(u8, u64)>;

const _: () = assert!(bucket::buckets(GROUPING_POWER) <= 1 << 8);

/// What one call was on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct On {
    /// The descriptor.
    pub fd: i32,
    /// The file behind it.
    pub file: FileId,
    /// What it is called, as far as known.
    pub names: Names,
}

/// What the calls of a cell on one file came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnFile {
    /// The file.
    pub file: FileId,
    /// The descriptor; `None` where there were several.
    pub fd: Option<i32>,
    /// What it is called, as far as known.
    pub names: Names,
    /// Calls that ended in whatever way.
    pub calls: u64,
    /// Failed ones.
    pub errors: u64,
    /// Time in completed and in interrupted calls.
    pub total_ns: u64,
    /// Longest completed call.
    pub max_ns: u64,
    /// What they moved, where they return it.
    pub bytes: u64,
    /// Completed calls by latency.
    pub latencies: Latencies,
}

impl OnFile {
    /// No calls yet on this file, which was behind descriptor `fd`.
    pub fn new(file: FileId, fd: i32) -> Self {
        Self {
            file,
            fd: Some(fd),
            names: Names::default(),
            calls: 0,
            errors: 0,
            total_ns: 0,
            max_ns: 0,
            bytes: 0,
            latencies: Vec::new(),
        }
    }

    /// Counts one completed or interrupted call.
    #[inline]
    pub(crate) fn returned(&mut self, outcome: Outcome, latency_ns: u64, bytes: u64) {
        self.calls += 1;
        self.total_ns += latency_ns;
        self.bytes = self.bytes.saturating_add(bytes);
        if !matches!(outcome, Outcome::Interrupted(_)) {
            self.errors += u64::from(matches!(outcome, Outcome::Error(_)));
            self.max_ns = self.max_ns.max(latency_ns);
            let index = bucket::index(latency_ns, GROUPING_POWER) as u8;
            match self.latencies.binary_search_by_key(&index, |pair| pair.0) {
                Ok(at) => self.latencies[at].1 += 1,
                Err(at) => self.latencies.insert(at, (index, 1)),
            }
        }
    }

    /// Counts a call whose thread died inside.
    pub(crate) fn died(&mut self) {
        self.calls += 1;
    }

    /// Adds what another cell or interval has of the same file.
    pub fn merge(&mut self, other: &Self) {
        if self.fd != other.fd {
            self.fd = None;
        }
        self.names.merge(&other.names);
        self.calls += other.calls;
        self.errors += other.errors;
        self.total_ns += other.total_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
        self.bytes = self.bytes.saturating_add(other.bytes);
        add_latencies(&mut self.latencies, &other.latencies);
    }

    /// Takes away what was counted before. A longest call that was there before gives way to the bound of the bucket in which
    /// the longest since lies.
    fn subtract(&mut self, before: &Self) {
        self.calls = self.calls.saturating_sub(before.calls);
        self.errors = self.errors.saturating_sub(before.errors);
        self.total_ns = self.total_ns.saturating_sub(before.total_ns);
        self.bytes = self.bytes.saturating_sub(before.bytes);
        for pair in &mut self.latencies {
            if let Ok(at) = before.latencies.binary_search_by_key(&pair.0, |known| known.0) {
                pair.1 = pair.1.saturating_sub(before.latencies[at].1);
            }
        }
        self.latencies.retain(|pair| pair.1 > 0);
        if before.max_ns >= self.max_ns {
            let highest = self.latencies.last();
            self.max_ns = highest
                .map_or(0, |pair| bucket::upper_bound(usize::from(pair.0), GROUPING_POWER).min(self.max_ns));
        }
    }

    /// Latency below which `quantile` of the completed calls lie, in ns: the upper end of the bucket, but never beyond the
    /// longest. `None` without completed calls.
    pub fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        quantile_ns(&self.latencies, quantile, self.max_ns)
    }

    fn heap_bytes(&self) -> usize {
        let names = self.names.known.as_ref().map_or(0, |known| known.heap_bytes());
        names + self.latencies.capacity() * size_of::<(u8, u64)>()
    }
}

/// Adds counts by bucket to others.
pub(crate) fn add_latencies(mine: &mut Latencies, other: &[(u8, u64)]) {
    for &(index, count) in other {
        match mine.binary_search_by_key(&index, |pair| pair.0) {
            Ok(at) => mine[at].1 += count,
            Err(at) => mine.insert(at, (index, count)),
        }
    }
}

/// See [`OnFile::quantile_ns`].
pub(crate) fn quantile_ns(latencies: &[(u8, u64)], quantile: f64, max_ns: u64) -> Option<u64> {
    let all: u64 = latencies.iter().map(|pair| pair.1).sum();
    let wanted = ((all as f64 * quantile).ceil() as u64).max(1);
    let mut below = 0;
    let bucket = latencies.iter().find(|pair| {
        below += pair.1;
        below >= wanted
    })?;
    Some(bucket::upper_bound(usize::from(bucket.0), GROUPING_POWER).min(max_ns))
}

/// The files of a cell that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// In the order in which they came.
    rows: Vec<OnFile>,
    place_of: FxHashMap<FileId, usize>,
    /// The row of the call before: nearly always it is the same file again.
    last: usize,
}

impl Filling {
    /// The row of a file; `None` where there are very many. `first` runs on first sight.
    #[inline]
    pub(crate) fn row(&mut self, file: FileId, fd: i32, first: impl FnOnce()) -> Option<&mut OnFile> {
        if self.rows.get(self.last).is_none_or(|row| row.file != file) {
            self.last = self.place(file, fd, first)?;
        }
        let row = self.rows.get_mut(self.last)?;
        if row.fd != Some(fd) {
            row.fd = None;
        }
        Some(row)
    }

    #[inline(never)]
    fn place(&mut self, file: FileId, fd: i32, first: impl FnOnce()) -> Option<usize> {
        if let Some(&place) = self.place_of.get(&file) {
            return Some(place);
        }
        if self.rows.len() >= MAX_FILES {
            return None;
        }
        first();
        self.rows.push(OnFile::new(file, fd));
        self.place_of.insert(file, self.rows.len() - 1);
        Some(self.rows.len() - 1)
    }

    /// What was counted, each with its names.
    pub(crate) fn finish(mut self, names: impl Fn(FileId) -> Names) -> Arc<[OnFile]> {
        for row in &mut self.rows {
            row.names = names(row.file);
        }
        self.rows.sort_unstable_by_key(|row| row.file);
        self.rows.into()
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() * (size_of::<OnFile>() + size_of::<(FileId, usize)>() + 16 * size_of::<(u8, u64)>())
    }
}

/// Adds `other` to `mine`; both are ordered by identity.
pub fn merge(mine: &mut Arc<[OnFile]>, other: &Arc<[OnFile]>) {
    if mine.is_empty() || other.is_empty() {
        if mine.is_empty() {
            mine.clone_from(other);
        }
        return;
    }
    // Nearly always the files are known, and few.
    let places: Option<Vec<usize>> =
        other.iter().map(|row| mine.binary_search_by_key(&row.file, |known| known.file).ok()).collect();
    if let Some(places) = places {
        let mine = Arc::make_mut(mine);
        for (place, row) in places.into_iter().zip(other.iter()) {
            mine[place].merge(row);
        }
        return;
    }
    let mut all: Vec<OnFile> = Vec::with_capacity(mine.len() + other.len());
    let (mut left, mut right) = (mine.iter().peekable(), other.iter().peekable());
    while let Some(next) = match (left.peek(), right.peek()) {
        (Some(a), Some(b)) if b.file < a.file => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    } {
        match all.last_mut().filter(|last| last.file == next.file) {
            Some(last) => last.merge(next),
            None => all.push(next.clone()),
        }
    }
    *mine = all.into();
}

/// `rows` without what was counted before. Files without calls since keep their rows: how many a list has says whether it could
/// be all.
pub(crate) fn since(rows: &Arc<[OnFile]>, before: &[&Arc<[OnFile]>]) -> Arc<[OnFile]> {
    let mut left = Arc::clone(rows);
    if before.iter().any(|before| !before.is_empty()) {
        for row in Arc::make_mut(&mut left) {
            for before in before {
                if let Ok(at) = before.binary_search_by_key(&row.file, |known| known.file) {
                    row.subtract(&before[at]);
                }
            }
        }
    }
    left
}

/// Adds rows that only name files, as far as there is room: they make no other row give way.
pub(crate) fn name(mine: &mut Arc<[OnFile]>, mut rows: Vec<OnFile>) {
    let is_known = |row: &OnFile| mine.binary_search_by_key(&row.file, |known| known.file).is_ok();
    let mut room = MAX_FILES.saturating_sub(mine.len());
    rows.retain(|row| {
        let fits = is_known(row) || room > 0;
        room -= usize::from(fits && !is_known(row));
        fits
    });
    rows.sort_unstable_by_key(|row| row.file);
    rows.dedup_by(|next, kept| {
        let same = next.file == kept.file;
        if same {
            kept.merge(next);
        }
        same
    });
    merge(mine, &rows.into());
}

/// How many files are kept when there were more than [`MAX_FILES`].
const KEPT_FILES: usize = MAX_FILES / 4 * 3;

/// Whether a list has so many files that some may be missing.
pub fn is_full(rows: &[OnFile]) -> bool {
    rows.len() >= KEPT_FILES
}

/// Keeps the files on which most time was spent, when there are more than [`MAX_FILES`]. One that is dropped and comes back
/// begins anew.
pub(crate) fn limit(rows: &mut Arc<[OnFile]>) {
    if rows.len() <= MAX_FILES {
        return;
    }
    let mut kept = rows.to_vec();
    // Not just enough: else every new file would cost a sort.
    kept.sort_unstable_by_key(|row| std::cmp::Reverse((row.total_ns, row.calls, row.file)));
    kept.truncate(KEPT_FILES);
    kept.sort_unstable_by_key(|row| row.file);
    *rows = kept.into();
}

/// Memory behind a list.
pub(crate) fn heap_bytes(rows: &[OnFile]) -> usize {
    rows.iter().map(|row| size_of::<OnFile>() + row.heap_bytes()).sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::file::tests::any_names;
    use crate::file::{FileKind, Known};

    pub(crate) fn file(ino: u64) -> FileId {
        FileId { kind: FileKind::Regular, dev: 1, ino }
    }

    prop_compose! {
        pub(crate) fn any_rows()(
            calls in proptest::collection::vec((0u64..8, 3i32..6, 0u64..1 << 45, any_names(), 0u8..3), 0..12),
        ) -> Arc<[OnFile]> {
            let mut filling = Filling::default();
            let mut names = FxHashMap::default();
            for (ino, fd, latency_ns, name, outcome) in calls {
                let outcome =
                    [Outcome::Success, Outcome::Error(11), Outcome::Interrupted(512)][usize::from(outcome)];
                names.insert(file(ino), name);
                filling.row(file(ino), fd, || ()).expect("few").returned(outcome, latency_ns, ino);
            }
            filling.finish(|file| names[&file].clone())
        }
    }

    fn merged(parts: &[&Arc<[OnFile]>]) -> Arc<[OnFile]> {
        let mut sum = Arc::default();
        for part in parts {
            merge(&mut sum, part);
        }
        sum
    }

    proptest! {
        #[test]
        fn lists_merge_in_any_order_and_lose_no_call(a in any_rows(), b in any_rows(), c in any_rows()) {
            let sum = merged(&[&merged(&[&a, &b]), &c]);
            prop_assert_eq!(&sum, &merged(&[&a, &merged(&[&b, &c])]));
            prop_assert_eq!(&sum, &merged(&[&c, &b, &a]));
            prop_assert!(sum.windows(2).all(|pair| pair[0].file < pair[1].file));
            let calls = |rows: &[OnFile]| rows.iter().map(|row| row.calls).sum::<u64>();
            prop_assert_eq!(calls(&sum), calls(&a) + calls(&b) + calls(&c));
        }

        #[test]
        fn a_quantile_is_in_the_bucket_of_the_call_it_stands_for(
            mut latencies in proptest::collection::vec(1u64..1 << 36, 1..50), quantile in 0.01f64..1.0,
        ) {
            let mut row = OnFile::new(file(1), 3);
            for &latency_ns in &latencies {
                row.returned(Outcome::Success, latency_ns, 0);
            }
            latencies.sort_unstable();
            let place = ((latencies.len() as f64 * quantile).ceil() as usize).max(1) - 1;
            let found = row.quantile_ns(quantile).expect("there are calls");
            prop_assert!(found >= latencies[place] && found <= latencies[place] + latencies[place] / 3 + 1);
        }
    }

    #[test]
    fn files_beyond_the_bound_are_not_told_apart() {
        let mut filling = Filling::default();
        for ino in 0..MAX_FILES as u64 + 5 {
            if let Some(row) = filling.row(file(ino), 3, || ()) {
                row.returned(Outcome::Success, ino, 0);
            }
        }
        let mut rows = filling.finish(|_| Names::default());
        assert_eq!(rows.len(), MAX_FILES);
        merge(&mut rows, &Arc::from([OnFile { calls: 1, total_ns: 9999, ..OnFile::new(file(9999), 3) }]));
        limit(&mut rows);
        assert_eq!(rows.len(), KEPT_FILES);
        assert!(is_full(&rows) && !is_full(&rows[1..]));
        assert_eq!(rows.last().map(|row| row.file), Some(file(9999)));
    }

    #[test]
    fn rows_that_only_name_files_take_no_place_of_others() {
        let row = |ino: u64, calls: u64| OnFile { calls, ..OnFile::new(file(ino), 3) };
        let with_name = |ino: u64| {
            let known = Arc::new(Known { name: format!("/{ino}").into_bytes().into(), peer: None });
            OnFile { names: Names { known: Some(known), has_others: false }, ..row(ino, 0) }
        };
        let mut rows: Arc<[OnFile]> = (0..MAX_FILES as u64 - 1).map(|ino| row(2 * ino, 1)).collect();
        name(&mut rows, vec![with_name(4), with_name(9), with_name(7), with_name(2)]);
        assert_eq!(rows.len(), MAX_FILES);
        let is_named =
            |ino: u64| rows.iter().find(|row| row.file == file(ino)).map(|row| row.names.known.is_some());
        assert_eq!([2, 4, 7, 9, 6].map(is_named), [Some(true), Some(true), None, Some(true), Some(false)]);
        assert_eq!(rows.iter().map(|row| row.calls).sum::<u64>(), MAX_FILES as u64 - 1);
        assert!(rows.windows(2).all(|pair| pair[0].file < pair[1].file));
    }
}
