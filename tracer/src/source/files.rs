//! Finds out what files are called, through `/proc/PID/fd`. A name is taken only from something that has the identity the
//! kernel saw: a descriptor that was closed and given to another file meanwhile leaves the name unknown, never wrong.

mod anonymous;
mod holders;
mod sockets;

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, makedev, open, readlink, statx};

use super::inquiry::Inquiry;
use crate::file::{FileId, FileKind, Known, MAX_NAME_BYTES, Peer, device};
use crate::fold::Question;
use crate::targets::Procfs;
use anonymous::Anonymous;
use holders::Holders;
use sockets::Sockets;

/// What files are called.
pub(super) type Names = Inquiry<Question, Known>;

/// Starts a thread that finds out.
pub(super) fn start(procfs: Procfs) -> io::Result<Names> {
    let mut finder = Finder::new(procfs);
    Inquiry::start("files", move |question| finder.find(question))
}

/// Finds names, and remembers what takes long to read.
struct Finder {
    procfs: Procfs,
    anonymous: Anonymous,
    sockets: Sockets,
    holders: Holders,
}

impl Finder {
    fn new(procfs: Procfs) -> Self {
        Self {
            anonymous: Anonymous::default(),
            sockets: Sockets::default(),
            holders: Holders::default(),
            procfs,
        }
    }

    fn find(&mut self, question: &Question) -> Option<Known> {
        let Question { pid, fd, file, release, .. } = *question;
        if file.kind == FileKind::Anonymous {
            return self.anonymous.name(release).map(Known::named);
        }
        let path = self.procfs.file(pid, &format!("fd/{fd}"));
        // The file itself, whatever becomes of the descriptor: what is asked of it is asked of the same one.
        let opened = open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
        if identity(&opened)? != (file.dev, file.ino) {
            return None;
        }
        let link = readlink(own_path(&opened), Vec::with_capacity(256)).ok()?.into_bytes();
        match file.kind {
            FileKind::Socket => self.socket(pid, file),
            FileKind::Pipe => Some(self.pipe(pid, file, link)),
            _ => Some(Known::named(plain(link))),
        }
    }

    fn socket(&mut self, pid: u32, file: FileId) -> Option<Known> {
        let found = self.sockets.find(&self.procfs, pid, file.ino)?;
        let process = found.peer_inode.and_then(|inode| {
            // Both ends of a connection may be its own.
            self.holders.of(&self.procfs, inode, Some(pid), None)
        });
        let peer = found.peer.or(process.map(|_| Box::default()));
        Some(Known { name: found.name, peer: peer.map(|address| Peer { address, process }) })
    }

    fn pipe(&mut self, pid: u32, file: FileId, link: Vec<u8>) -> Known {
        // A FIFO has a path and is anybody's.
        let is_unnamed = link.starts_with(b"pipe:[");
        let other = if is_unnamed { self.holders.of(&self.procfs, file.ino, None, Some(pid)) } else { None };
        let peer = other.map(|process| Peer { address: Box::default(), process: Some(process) });
        Known { name: plain(link), peer }
    }
}

/// A link's text as a name.
fn plain(mut link: Vec<u8>) -> Box<[u8]> {
    link.truncate(MAX_NAME_BYTES);
    match link.strip_prefix(b"anon_inode:[").and_then(|rest| rest.strip_suffix(b"]")) {
        Some(inner) => inner.into(),
        None => link.into(),
    }
}

fn own_path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Device and inode, without asking the server of a network file system.
fn identity(file: &OwnedFd) -> Option<(u32, u64)> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = statx(file, Path::new(""), flags, StatxFlags::INO).ok()?;
    Some((device(makedev(stat.stx_dev_major, stat.stx_dev_minor)), stat.stx_ino))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;

    use super::*;

    /// The question that the kernel side would ask about a file of our own.
    fn question(file: &impl AsRawFd, kind: FileKind) -> Question {
        let pid = std::process::id();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let opened = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("it is open");
        let (dev, ino) = identity(&opened).expect("it can be asked");
        Question { tgid: pid, pid, fd: file.as_raw_fd(), file: FileId { kind, dev, ino }, release: 0 }
    }

    fn find(question: &Question) -> Option<Known> {
        Finder::new(Procfs::default()).find(question)
    }

    #[test]
    fn a_file_has_its_path_until_its_descriptor_is_anothers() {
        let directory = tempfile::tempdir().expect("a directory");
        let (one, other) = (directory.path().join("one \x1b[31m"), directory.path().join("other"));
        let file = File::create(&one).expect("a new file");
        let asked = question(&file, FileKind::Regular);
        let name = find(&asked).expect("it is open").name;
        assert_eq!(&*name, one.as_os_str().as_encoded_bytes());
        fs::remove_file(&one).expect("it is there");
        let name = find(&asked).expect("it is open").name;
        assert!(name.ends_with(b" (deleted)"), "{}", String::from_utf8_lossy(&name));
        let second = File::create(&other).expect("a new file");
        let taken = Question { fd: second.as_raw_fd(), ..asked };
        assert_eq!(find(&taken), None, "the number is another file's");
        drop(file);
        assert_eq!(find(&Question { fd: i32::MAX, ..asked }), None, "nothing has this number");
        assert_eq!(find(&Question { pid: u32::MAX, ..asked }), None, "nobody has this one");
    }

    #[test]
    fn names_of_four_kibibytes_and_of_no_text_are_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut path = directory.path().to_owned();
        while path.as_os_str().len() < 3800 {
            use std::os::unix::ffi::OsStrExt as _;
            path.push(std::ffi::OsStr::from_bytes(&[0xff; 200]));
            fs::create_dir(&path).expect("a new directory");
        }
        let file = File::open(&path).expect("a directory");
        let name = find(&question(&file, FileKind::Directory)).expect("it is open").name;
        assert_eq!(&*name, path.as_os_str().as_encoded_bytes());
    }

    #[test]
    fn a_pipe_names_the_process_at_its_other_end() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        let pipe = child.stdin.take().expect("a pipe");
        let known = find(&question(&pipe, FileKind::Pipe)).expect("it is open");
        assert!(known.name.starts_with(b"pipe:["));
        let process = known.peer.and_then(|peer| peer.process).expect("a process");
        assert_eq!(process.0, child.id());
        drop(pipe);
        child.wait().expect("it ends");
    }
}
