//! Under which path files were opened, until a call on the new descriptor shows which file it is: a file that is closed
//! before anybody could look at its descriptor has its name from here. A path is a candidate and no more; whoever
//! looks it up takes it only if it leads to the very file that the kernel saw.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::decode::CallEvent;
use crate::file::{FileId, MAX_NAME_BYTES};
use crate::interval::CallKey;
use crate::syscalls;

/// Opens of one pass over the rings that are remembered, and bytes of their paths.
const MAX_LOGGED: usize = 16_384;
const MAX_LOGGED_BYTES: usize = 1 << 20;

/// Opens of earlier passes that are remembered, one for each descriptor, and bytes of their paths.
const MAX_KEPT: usize = 16_384;
const MAX_KEPT_BYTES: usize = 8 << 20;

/// A path as a program gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OpenedAs {
    /// Where it begins.
    pub from: From,
    /// The path, any bytes but NUL. Never empty.
    pub path: Box<[u8]>,
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum From {
    /// At the root of its process.
    Root,
    /// At the working directory of its process.
    WorkingDirectory,
    /// At the directory behind this descriptor of its process.
    Descriptor(i32),
}

impl OpenedAs {
    /// A path that begins at the directory `self`; `None` where that is too long for any call.
    fn join(&self, path: &[u8]) -> Option<Self> {
        let slash: &[u8] = if self.path.ends_with(b"/") { b"" } else { b"/" };
        let path = [&*self.path, slash, path].concat();
        (path.len() < MAX_NAME_BYTES).then(|| Self { from: self.from, path: path.into() })
    }
}

/// A call that gives a descriptor for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// By a path alone.
    Path,
    /// By a directory, and a path from there.
    At,
}

impl Opens {
    /// What this call is, if it is one.
    pub(super) fn of(call: CallKey) -> Option<Self> {
        match &*syscalls::plain_name(call) {
            "open" | "creat" => Some(Self::Path),
            "openat" | "openat2" => Some(Self::At),
            _ => None,
        }
    }

    /// The directory that the call begins at.
    fn directory(self, event: &CallEvent) -> Directory {
        match (self, &event.args) {
            (Self::At, Some(args)) if args[0] as i32 != libc::AT_FDCWD => {
                Directory::Descriptor(args[0] as i32, event.file)
            }
            _ => Directory::Working,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Directory {
    Working,
    Descriptor(i32, Option<FileId>),
}

/// A descriptor of a process.
type Place = (u32, i32);

/// One open call that succeeded.
#[derive(Clone, Copy, Debug)]
struct Open<'a> {
    /// When it returned.
    at_ns: u64,
    directory: Directory,
    path: &'a [u8],
}

impl Open<'_> {
    /// The path as it is to be looked up. `base` tells what a directory is called.
    fn found(&self, base: impl FnOnce(FileId) -> Option<Arc<OpenedAs>>) -> Option<OpenedAs> {
        let from = match self.directory {
            _ if self.path.starts_with(b"/") => From::Root,
            Directory::Working => From::WorkingDirectory,
            Directory::Descriptor(fd, file) => {
                if let Some(joined) = file.and_then(base).and_then(|base| base.join(self.path)) {
                    return Some(joined);
                }
                From::Descriptor(fd)
            }
        };
        (!self.path.is_empty()).then(|| OpenedAs { from, path: self.path.into() })
    }
}

#[derive(Debug)]
struct Logged {
    place: Place,
    at_ns: u64,
    directory: Directory,
    start: usize,
    end: usize,
}

#[derive(Debug)]
struct Kept {
    at_ns: u64,
    directory: Directory,
    path: Vec<u8>,
}

/// Opens that a question may be about.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// Those of this pass, and their paths. A descriptor can be opened many times in one.
    log: Vec<Logged>,
    text: Vec<u8>,
    is_sorted: bool,
    /// The last one of each descriptor before this pass.
    kept: FxHashMap<Place, Kept>,
    kept_bytes: usize,
}

impl Opened {
    /// A call opened `path` and returned `fd` at `at_ns`.
    #[inline]
    pub(super) fn add(&mut self, opens: Opens, event: &CallEvent, path: &[u8], fd: i32, at_ns: u64) {
        if self.log.len() >= MAX_LOGGED || self.text.len() + path.len() > MAX_LOGGED_BYTES {
            return;
        }
        let start = self.text.len();
        self.text.extend_from_slice(path);
        let directory = opens.directory(event);
        self.log.push(Logged { place: (event.tgid, fd), at_ns, directory, start, end: self.text.len() });
        self.is_sorted = false;
    }

    /// As what the file was opened that a call found behind `fd` when it entered at `enter_ns`, if nobody put another one
    /// there in between. `base` tells what a directory is called. All records of the pass must have been taken: those of a
    /// thread that changes its CPU come in any order.
    pub(super) fn before(
        &mut self,
        (tgid, fd): Place,
        enter_ns: u64,
        base: impl FnOnce(FileId) -> Option<Arc<OpenedAs>>,
    ) -> Option<OpenedAs> {
        if !self.is_sorted {
            self.log.sort_unstable_by_key(|open| (open.place, open.at_ns));
            self.is_sorted = true;
        }
        let place = (tgid, fd);
        let end = self.log.partition_point(|open| (open.place, open.at_ns) <= (place, enter_ns));
        let logged = self.log[..end].last().filter(|open| open.place == place).map(|open| Open {
            at_ns: open.at_ns,
            directory: open.directory,
            path: &self.text[open.start..open.end],
        });
        let kept = || {
            let Kept { at_ns, directory, path } = self.kept.get(&place)?;
            Some(Open { at_ns: *at_ns, directory: *directory, path })
        };
        logged.or_else(kept).filter(|open| open.at_ns <= enter_ns)?.found(base)
    }

    /// Ends the pass.
    pub(super) fn turn(&mut self) {
        for open in self.log.drain(..) {
            let path = &self.text[open.start..open.end];
            if self.kept.len() >= MAX_KEPT || self.kept_bytes + path.len() > MAX_KEPT_BYTES {
                self.kept.clear();
                self.kept_bytes = 0;
            }
            let kept = self.kept.entry(open.place).or_insert_with(|| Kept {
                at_ns: 0,
                directory: open.directory,
                path: Vec::new(),
            });
            if kept.at_ns <= open.at_ns {
                self.kept_bytes = self.kept_bytes + path.len() - kept.path.len();
                (kept.at_ns, kept.directory) = (open.at_ns, open.directory);
                kept.path.clear();
                kept.path.extend_from_slice(path);
            }
        }
        self.text.clear();
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::abi::Abi;
    use tracer_common::outcome::Outcome;

    use super::*;
    use crate::decode::End;
    use crate::file::FileKind;

    const DIRECTORY: FileId = FileId { kind: FileKind::Directory, dev: 1, ino: 2 };

    fn event(directory: i32, file: Option<FileId>) -> CallEvent {
        CallEvent {
            call: CallKey { abi: Abi::X86_64, nr: 257 },
            tgid: 7,
            tid: 7,
            enter_ns: 1,
            end: End::Returned { outcome: Outcome::Success, latency_ns: 1, ret: 3 },
            args: Some([directory as u64, 0, 0, 0, 0, 0]),
            file,
        }
    }

    fn add(opened: &mut Opened, path: &[u8], at_ns: u64) {
        opened.add(Opens::At, &event(libc::AT_FDCWD, None), path, 3, at_ns);
    }

    fn before(opened: &mut Opened, enter_ns: u64) -> Option<String> {
        let found = opened.before((7, 3), enter_ns, |_| None)?;
        Some(String::from_utf8(found.path.into()).expect("text"))
    }

    #[test]
    fn a_call_is_on_what_was_opened_last_before_it_in_whatever_order_records_come() {
        let mut opened = Opened::default();
        for (path, at_ns) in [("/b", 20), ("/a", 10), ("c", 30)] {
            add(&mut opened, path.as_bytes(), at_ns);
        }
        for (enter_ns, path) in
            [(9, None), (10, Some("/a")), (19, Some("/a")), (25, Some("/b")), (99, Some("c"))]
        {
            assert_eq!(before(&mut opened, enter_ns).as_deref(), path, "at {enter_ns}");
        }
        assert_eq!(opened.before((7, 4), 99, |_| None), None, "another descriptor");
        assert_eq!(opened.before((8, 3), 99, |_| None), None, "another process");
        opened.turn();
        assert_eq!(before(&mut opened, 25), None, "of earlier passes there is only the last");
        assert_eq!(before(&mut opened, 31).as_deref(), Some("c"));
        add(&mut opened, b"/d", 40);
        assert_eq!(before(&mut opened, 39).as_deref(), Some("c"));
        assert_eq!(before(&mut opened, 40).as_deref(), Some("/d"));
    }

    #[test]
    fn a_path_begins_where_its_call_says() {
        let mut opened = Opened::default();
        let mut ask = |directory: i32, path: &[u8], base: Option<&OpenedAs>| {
            opened.add(Opens::At, &event(directory, Some(DIRECTORY)), path, 3, 5);
            let found = opened.before((7, 3), 5, |file| {
                assert_eq!(file, DIRECTORY);
                base.cloned().map(Arc::new)
            });
            opened = Opened::default();
            found
        };
        let as_path = |from, path: &[u8]| Some(OpenedAs { from, path: path.into() });
        assert_eq!(ask(libc::AT_FDCWD, b"x", None), as_path(From::WorkingDirectory, b"x"));
        assert_eq!(ask(9, b"/x", None), as_path(From::Root, b"/x"));
        assert_eq!(ask(9, b"x", None), as_path(From::Descriptor(9), b"x"));
        let base = as_path(From::Root, b"/etc").expect("a path");
        assert_eq!(ask(9, b"x", Some(&base)), as_path(From::Root, b"/etc/x"));
        let long = as_path(From::Root, &[b'/'; 4095]).expect("a path");
        assert_eq!(ask(9, b"x", Some(&long)), as_path(From::Descriptor(9), b"x"), "too long for a call");
        assert_eq!(ask(libc::AT_FDCWD, b"", None), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut opened = Opened::default();
        let path = [b'x'; 4000];
        for pass in 0..20u64 {
            for fd in 0..20_000 {
                opened.add(Opens::At, &event(libc::AT_FDCWD, None), &path, fd + 20_000 * pass as i32, pass);
            }
            assert!(opened.log.len() <= MAX_LOGGED && opened.text.len() <= MAX_LOGGED_BYTES);
            opened.turn();
            assert!(opened.kept.len() <= MAX_KEPT && opened.kept_bytes <= MAX_KEPT_BYTES);
            assert_eq!(opened.kept_bytes, opened.kept.values().map(|kept| kept.path.len()).sum::<usize>());
        }
    }
}
