//! The files of a recording that keeps only the last part: complete recordings of their own, the oldest of
//! which are deleted.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Next;
use super::create::Created;

/// Segments that make up what is kept, beside the one that is being written.
const PARTS: u32 = 10;

/// Time in one segment of a recording that keeps `keep`.
pub(super) fn length(keep: Duration) -> Duration {
    keep / PARTS
}

/// Bytes after which a segment ends early, so that all of them together stay below `max_bytes`.
pub(super) fn share_of(max_bytes: u64) -> u64 {
    max_bytes / u64::from(PARTS + 2)
}

/// The file of the segment of this number.
pub(super) fn path(base: &Path, number: u32) -> PathBuf {
    let mut name = base.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number:04}"));
    if let Some(extension) = base.extension() {
        name.push(".");
        name.push(extension);
    }
    base.with_file_name(name)
}

/// Whether `name` is a segment's of `base`.
pub(super) fn is_segment(base: &Path, name: &OsString) -> bool {
    let number = || {
        let text = name.to_str()?.strip_prefix(base.file_stem()?.to_str()?)?.strip_prefix('.')?;
        let digits = text.split('.').next()?;
        (digits.len() >= 4).then(|| digits.parse().ok())?
    };
    number().is_some_and(|number| path(base, number).file_name() == Some(name))
}

/// What was written and what is left of it.
#[derive(Debug, Default)]
pub(super) struct Segments {
    base: PathBuf,
    force: bool,
    number: u32,
    left: VecDeque<Segment>,
    /// Bytes written to all files, those that were deleted too.
    bytes: u64,
}

#[derive(Debug)]
struct Segment {
    created: Created,
    bytes: u64,
    /// When the next one began; 0 while it is being written.
    end_ns: u64,
}

impl Segments {
    /// There is one file and no other.
    pub(super) fn single(&mut self, created: Created) -> io::Result<Next> {
        let next = Next {
            file: created.file.try_clone()?,
            is_new: created.is_regular,
            path: Some(created.path.clone()),
        };
        self.left.push_back(Segment { created, bytes: 0, end_ns: 0 });
        Ok(next)
    }

    /// There will be more files, named after `base`.
    pub(super) fn begin(&mut self, first: Created, base: PathBuf, force: bool) -> io::Result<Next> {
        (self.base, self.force, self.number) = (base, force, 1);
        self.single(first)
    }

    /// Makes the next file.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        self.number += 1;
        let created =
            Created::new(&path(&self.base, self.number), self.force, || ()).map_err(io::Error::other)?;
        self.single(created)
    }

    /// Notes how many bytes were written to all files up to now.
    pub(super) fn note_bytes(&mut self, bytes: u64) {
        if let Some(last) = self.left.back_mut() {
            last.bytes += bytes - self.bytes;
        }
        self.bytes = bytes;
    }

    /// Deletes what is not needed for the last `keep` before `now_ns`, and what is too much.
    pub(super) fn drop_old(&mut self, now_ns: u64, keep: Option<Duration>, max_bytes: u64) {
        if let Some(last) = self.left.back_mut() {
            last.end_ns = now_ns;
        }
        let keep_ns = keep.map_or(u64::MAX, |keep| keep.as_nanos() as u64);
        let room = max_bytes - share_of(max_bytes).min(max_bytes);
        while let Some(oldest) = self.left.front() {
            let bytes: u64 = self.left.iter().map(|segment| segment.bytes).sum();
            if oldest.end_ns.saturating_add(keep_ns) > now_ns && bytes <= room {
                break;
            }
            oldest.created.remove();
            self.left.pop_front();
        }
    }

    /// The files that are left, and their bytes.
    pub(super) fn into_left(self) -> (Vec<PathBuf>, u64) {
        let bytes =
            if self.left.is_empty() { self.bytes } else { self.left.iter().map(|one| one.bytes).sum() };
        (self.left.into_iter().map(|segment| segment.created.path).collect(), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_numbered_before_the_extension() {
        assert_eq!(path(Path::new("/a/last.arrows"), 1), Path::new("/a/last.0001.arrows"));
        assert_eq!(path(Path::new("last"), 12_345), Path::new("last.12345"));
        let base = Path::new("last.arrows");
        for (name, is) in [
            ("last.0001.arrows", true),
            ("last.12345.arrows", true),
            ("last.01.arrows", false),
            ("last.00x1.arrows", false),
            ("last.0001.parquet", false),
            ("last.arrows", false),
            ("first.0001.arrows", false),
        ] {
            assert_eq!(is_segment(base, &name.into()), is, "{name}");
        }
    }

    #[test]
    fn what_is_needed_for_the_time_that_is_kept_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let base = directory.path().join("x.arrows");
        let names = || {
            let mut names: Vec<String> = std::fs::read_dir(directory.path())
                .expect("a directory")
                .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
                .collect();
            names.sort();
            names
        };
        let keep = Some(Duration::from_nanos(20));
        let mut segments = Segments::default();
        let first = Created::new(&path(&base, 1), false, || ()).expect("created");
        segments.begin(first, base.clone(), false).expect("begun");
        let mut bytes = 0;
        for now_ns in [10, 20, 30, 40] {
            bytes += 100;
            segments.note_bytes(bytes);
            segments.drop_old(now_ns, keep, u64::MAX);
            segments.next().expect("created");
        }
        // The second ended at 20: of the last 20 ns before 40 nothing is missing without it.
        assert_eq!(names(), ["x.0003.arrows", "x.0004.arrows", "x.0005.arrows"]);
        segments.note_bytes(bytes + 100);
        segments.drop_old(41, keep, 200);
        assert_eq!(names(), ["x.0005.arrows"], "200 bytes and no more");
        assert_eq!(segments.into_left().1, 100);
    }
}
