//! Finds out what files are called, through `/proc/PID/fd`, or by the path under which they were opened where the descriptor
//! is closed already. A name is taken only from something that has the identity the kernel saw: a descriptor or a path that
//! is another file's meanwhile leaves the name unknown, never wrong.

mod anonymous;
mod holders;
mod identity;
mod paths;
mod roots;
mod sockets;
mod unix_peers;

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open, readlink};

use super::inquiry::Inquiry;
use crate::file::{self, FileKind, Known, MAX_NAME_BYTES, Peer};
use crate::fold::Question;
use crate::targets::Procfs;
use anonymous::Anonymous;
use holders::Holders;
use identity::{Mounts, identity};
use roots::Roots;
use sockets::Sockets;

/// What files are called. Those who find it are four, so that nothing which is looked for often, or takes long, keeps others
/// waiting until they are gone: the tables of sockets and the descriptors of the host are not read as often as somebody asks,
/// and before the first name of an anonymous file all functions of the kernel are read.
#[derive(Debug)]
pub(super) struct Names {
    paths: Inquiry<Question, Found>,
    sockets: Inquiry<Question, Found>,
    holders: Inquiry<(Question, Found), Known>,
    anonymous: Inquiry<Question, Known>,
}

/// What was found: a question and its answer.
type Answers = Vec<(Question, file::Names)>;

/// What is found at first.
#[derive(Clone, Debug)]
struct Found {
    known: Known,
    /// Whether others may have the same device and inode on the kernel side.
    may_be_others: bool,
    /// What is at the other end, if that is worth looking for.
    other: Option<OtherEnd>,
}

/// How to find the process at the other end.
#[derive(Clone, Copy, Debug)]
struct OtherEnd {
    inode: u64,
    /// Who asks, which is only meant where nobody else has it.
    asker: u32,
    /// Whether it is meant then. Both ends of a pipe have one inode, so who holds one seems to hold the other.
    may_be_asker: bool,
}

/// Starts the threads that find out.
pub(super) fn start(procfs: Procfs) -> io::Result<Names> {
    let [of_paths, of_sockets] = [procfs.clone(), procfs.clone()];
    let (mut sockets, mut own, mut holders) = (Sockets::default(), Holders::default(), Holders::default());
    let (mut functions, mut roots, mut mounts) = (Anonymous::default(), Roots::default(), Mounts::default());
    Ok(Names {
        paths: Inquiry::start("files", move |question| find(&of_paths, &mut roots, &mut mounts, question))?,
        sockets: Inquiry::start("sockets", move |question| {
            find_socket(&of_sockets, &mut sockets, &mut own, question)
        })?,
        holders: Inquiry::start("holders", move |(_, found): &(Question, Found)| {
            with_process(&procfs, &mut holders, found)
        })?,
        anonymous: Inquiry::start("anonymous", move |question: &Question| {
            functions.name(question.release).map(Known::named)
        })?,
    })
}

impl Names {
    /// Asks these, and those that waited.
    pub(super) fn ask(&mut self, questions: Vec<Question>) {
        let [mut paths, mut sockets, mut anonymous] = [const { Vec::new() }; 3];
        for question in questions {
            match question.file.kind {
                FileKind::Anonymous => anonymous.push(question),
                FileKind::Socket => sockets.push(question),
                _ => paths.push(question),
            }
        }
        self.paths.ask(paths);
        self.sockets.ask(sockets);
        self.anonymous.ask(anonymous);
    }

    /// The answers that came since. The process at the other end comes in an answer of its own.
    pub(super) fn take_answers(&mut self) -> Answers {
        let mut found = self.paths.take_answers();
        found.extend(self.sockets.take_answers());
        let mut answers = self.look_further(found);
        answers.extend(
            self.holders.take_answers().into_iter().map(|((question, _), known)| (question, known.into())),
        );
        answers.extend(named(self.anonymous.take_answers()));
        answers
    }

    /// The last answers, for which it waits, but not for long.
    pub(super) fn finish(&mut self, longest: Duration) -> Answers {
        let until = Instant::now() + longest;
        let left = || until.saturating_duration_since(Instant::now());
        let mut found = self.paths.finish(longest);
        found.extend(self.sockets.finish(left()));
        let mut answers = self.look_further(found);
        answers.extend(
            self.holders.finish(left()).into_iter().map(|((question, _), known)| (question, known.into())),
        );
        answers.extend(named(self.anonymous.finish(left())));
        answers
    }

    /// Lets the other ends of these be looked for.
    fn look_further(&mut self, found: Vec<(Question, Arc<Found>)>) -> Answers {
        let further = found.iter().filter(|(_, found)| found.other.is_some());
        let further = further.map(|(question, found)| (question.clone(), Found::clone(found))).collect();
        self.holders.ask(further);
        let names = |found: &Found| file::Names {
            known: Some(Arc::new(found.known.clone())),
            has_others: found.may_be_others,
        };
        found.into_iter().map(|(question, found)| (question, names(&found))).collect()
    }
}

/// Those that nothing else can be.
fn named(answers: Vec<(Question, Arc<Known>)>) -> impl Iterator<Item = (Question, file::Names)> {
    answers.into_iter().map(|(question, known)| (question, known.into()))
}

/// What has a path, or is a pipe.
fn find(procfs: &Procfs, roots: &mut Roots, mounts: &mut Mounts, question: &Question) -> Option<Found> {
    let Question { pid, fd, file, .. } = *question;
    let path = procfs.file(pid, &format!("fd/{fd}"));
    let mut is_it = |opened: &OwnedFd, through: u32| mounts.is(procfs, through, opened, (file.dev, file.ino));
    // The file itself, whatever becomes of the descriptor: what is asked of it is asked of the same one.
    let opened =
        open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok().filter(|opened| is_it(opened, pid));
    let by_path = || paths::find(procfs, roots, (pid, file.dev), question.opened_as.as_deref()?, is_it);
    let opened = opened.or_else(by_path)?;
    let link = readlink(own_path(&opened), Vec::with_capacity(256)).ok()?.into_bytes();
    // A FIFO has a path and is anybody's.
    let is_pipe = file.kind == FileKind::Pipe && link.starts_with(b"pipe:[");
    let other = is_pipe.then_some(OtherEnd { inode: file.ino, asker: pid, may_be_asker: false });
    let may_be_others = identity(&opened).is_none_or(|(device, _)| device != file.dev);
    Some(Found { known: Known::named(plain(link)), may_be_others, other })
}

/// A socket. No other has its inode, whatever is behind the descriptor by now.
fn find_socket(
    procfs: &Procfs,
    sockets: &mut Sockets,
    own: &mut Holders,
    question: &Question,
) -> Option<Found> {
    let Question { pid, file, enter_ns, .. } = *question;
    let found = sockets.find(procfs, pid, file.ino, enter_ns)?;
    // Both ends of a connection may be its own. Whoever looks at the whole host is not waited for. A pair of unix sockets is
    // made by one process and then most often shared with another.
    let is_inet = !found.is_unix;
    let process = found.peer_inode.filter(|_| is_inet).and_then(|inode| own.in_process(procfs, inode, pid));
    let other = found.peer_inode.filter(|_| process.is_none());
    let other = other.map(|inode| OtherEnd { inode, asker: pid, may_be_asker: true });
    let peer = Peer::new(found.peer.unwrap_or_default(), process);
    Some(Found { known: Known { name: found.name, peer }, may_be_others: false, other })
}

/// The same with the process at the other end.
fn with_process(procfs: &Procfs, holders: &mut Holders, found: &Found) -> Option<Known> {
    let OtherEnd { inode, asker, may_be_asker } = found.other?;
    let others = holders.of(procfs, inode, Some(asker));
    let process = others.or_else(|| holders.of(procfs, inode, None).filter(|_| may_be_asker))?;
    let address = found.known.peer.as_ref().map(|peer| peer.address.clone()).unwrap_or_default();
    Some(Known { name: found.known.name.clone(), peer: Peer::new(address, Some(process)) })
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

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;

    use super::identity::identity;
    use super::*;
    use crate::file::FileId;

    /// The question that the kernel side would ask about a file of our own.
    fn question(file: &impl AsRawFd, kind: FileKind) -> Question {
        let pid = std::process::id();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let opened = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("it is open");
        let (dev, ino) = identity(&opened).expect("it can be asked");
        let (fd, file) = (file.as_raw_fd(), FileId { kind, dev, ino });
        Question { tgid: pid, pid, fd, enter_ns: 0, file, release: 0, opened_as: None }
    }

    fn find(question: &Question) -> Option<Known> {
        let procfs = Procfs::default();
        let found = super::find(&procfs, &mut Roots::default(), &mut Mounts::default(), question)?;
        with_process(&procfs, &mut Holders::default(), &found).or(Some(found.known))
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
        let taken = Question { fd: second.as_raw_fd(), ..asked.clone() };
        assert_eq!(find(&taken), None, "the number is another file's");
        drop(file);
        assert_eq!(find(&Question { fd: i32::MAX, ..asked.clone() }), None, "nothing has this number");
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
    fn a_socket_whose_other_end_has_no_name_and_no_process_yet_has_no_peer() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let asked = question(&socket, FileKind::Socket);
        let mut own = Holders::default();
        let found =
            find_socket(&Procfs::default(), &mut Sockets::default(), &mut own, &asked).expect("it is there");
        assert_eq!(found.known, Known::named(*b"unix"));
        assert!(found.other.is_some(), "its other end is to be looked for");
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
