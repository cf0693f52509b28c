//! Files that a recording may be written to. Recordings hold what strangers' programs did and are often made as
//! root in directories where others can write: nothing is followed, overwritten or truncated.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use thiserror::Error;

use crate::human::safe_text;

/// How often a FIFO that nobody reads is tried again.
const READER_EVERY: Duration = Duration::from_millis(100);

/// A file that cannot be recorded to.
#[derive(Debug, Error)]
#[error("error: cannot record to {file}\nwhy: {why}\nnext: {next}")]
pub struct CreateError {
    /// The file, safe to show.
    file: String,
    why: String,
    next: &'static str,
}

/// A file that we made, or a FIFO that was there.
#[derive(Debug)]
pub struct Created {
    /// Open for writing.
    pub file: File,
    /// As it was asked for.
    pub path: PathBuf,
    directory: OwnedFd,
    name: OsString,
    /// A new file of ours; false for a FIFO.
    pub is_regular: bool,
}

impl CreateError {
    /// What stands in the way, in words.
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl Created {
    /// Makes a new file with mode 0600. With `force` a file of that name gives way, its content untouched
    /// wherever else it has a name. A FIFO is opened as it is; `waiting` is called when nobody reads it yet.
    pub fn new(path: &Path, force: bool, waiting: impl FnOnce()) -> Result<Self, CreateError> {
        let fail =
            |why: String, next| CreateError { file: safe_text(path.as_os_str().as_bytes()), why, next };
        let name = path.file_name().ok_or_else(|| fail("the path names no file".to_owned(), NAME_A_FILE))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let io = |error: Errno| fail(describe(error), next_for(error));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, parent, flags, Mode::empty()).map_err(io)?;
        let (fd, is_regular) = match make(directory.as_fd(), name) {
            Err(Errno::EXIST) => {
                let there = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io)?;
                match FileType::from_raw_mode(there.st_mode) {
                    FileType::Fifo if !is_ours(&there) => {
                        let why = format!("it is a FIFO of another user (UID {})", there.st_uid);
                        return Err(fail(why, "give a FIFO of your own, or a file that does not exist yet"));
                    }
                    FileType::Fifo => (open_fifo(directory.as_fd(), name, waiting).map_err(io)?, false),
                    FileType::RegularFile if force => (replace(directory.as_fd(), name).map_err(io)?, true),
                    FileType::RegularFile => {
                        let next = "choose another name, or replace it with --force";
                        return Err(fail("it exists already".to_owned(), next));
                    }
                    other => {
                        let next = "give the name of a file; `-o -` writes to standard output";
                        return Err(fail(format!("it is {}", words(other)), next));
                    }
                }
            }
            made => (made.map_err(io)?, true),
        };
        if is_regular {
            give_to_invoker(fd.as_fd(), directory.as_fd()).map_err(io)?;
        }
        Ok(Self { file: fd.into(), path: path.to_owned(), directory, name: name.to_owned(), is_regular })
    }

    /// Removes the file again, unless something else has its name by now.
    pub fn remove(&self) {
        let same = |there: &Stat, ours: &Stat| (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino);
        if self.is_regular
            && let Ok(ours) = rustix::fs::fstat(&self.file)
            && let Ok(there) = rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)
            && same(&there, &ours)
        {
            // What cannot be removed stays, as any file does.
            let _ = rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

const NAME_A_FILE: &str = "give the name of a file; `-o -` writes to standard output";

fn make(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)
}

/// A new file that then takes the name, so that whoever has the old one open keeps it.
fn replace(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let mut new = OsString::from(".");
    new.push(name);
    new.push(format!(".{:08x}", fastrand::u32(..)));
    let fd = make(directory, &new)?;
    match rustix::fs::renameat(directory, &new, directory, name) {
        Ok(()) => Ok(fd),
        Err(error) => {
            // Nothing is in it.
            let _ = rustix::fs::unlinkat(directory, &new, AtFlags::empty());
            Err(error)
        }
    }
}

/// Opens a FIFO for writing as soon as somebody reads it.
fn open_fifo(directory: BorrowedFd<'_>, name: &OsStr, waiting: impl FnOnce()) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut waiting = Some(waiting);
    loop {
        match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Err(Errno::NXIO) => {
                if let Some(waiting) = waiting.take() {
                    waiting();
                }
                std::thread::sleep(READER_EVERY);
            }
            Err(error) => return Err(error),
            Ok(fd) => {
                let opened = rustix::fs::fstat(&fd)?;
                let is_fifo = FileType::from_raw_mode(opened.st_mode) == FileType::Fifo;
                // Something else may have taken the name since it was looked at.
                return if is_fifo && is_ours(&opened) { Ok(fd) } else { Err(Errno::PERM) };
            }
        }
    }
}

/// Whether it belongs to us or to whoever invoked us.
fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
        || invoker().is_some_and(|(user, _)| user == stat.st_uid)
}

/// Under sudo a file in a directory of the invoking user belongs to that user. The variables may say
/// anything: nobody gets a file in a directory that is not theirs anyway.
fn give_to_invoker(file: BorrowedFd<'_>, directory: BorrowedFd<'_>) -> Result<(), Errno> {
    let Some((user, group)) = invoker() else { return Ok(()) };
    if rustix::fs::fstat(directory)?.st_uid != user {
        return Ok(());
    }
    rustix::fs::fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
}

/// User and group that called sudo; only root has an invoker.
fn invoker() -> Option<(u32, u32)> {
    let id = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok().filter(|&id| id != u32::MAX);
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    Some((id("SUDO_UID")?, id("SUDO_GID")?))
}

fn words(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link, which is not followed",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Socket => "a socket",
        _ => "no file",
    }
}

fn describe(error: Errno) -> String {
    let text = std::io::Error::from(error).to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn next_for(error: Errno) -> &'static str {
    match error {
        Errno::NOENT | Errno::NOTDIR => "make the directory first",
        Errno::ACCESS | Errno::PERM | Errno::ROFS => "choose a directory that you may write to",
        Errno::NOSPC | Errno::DQUOT => "free space, or choose another disk",
        Errno::NAMETOOLONG => "choose a shorter name",
        _ => "choose another name or directory",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
    use std::process::Command;

    fn create(path: &Path, force: bool) -> Result<Created, String> {
        Created::new(path, force, || ()).map_err(|error| error.to_string())
    }

    fn why(path: &Path, force: bool) -> String {
        let text = create(path, force).expect_err("it is refused");
        text.lines().nth(1).expect("a second line").to_owned()
    }

    #[test]
    fn a_new_file_is_for_its_owner_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.arrows");
        let mut created = create(&path, false).expect("created");
        created.file.write_all(b"1").expect("it can be written");
        let metadata = fs::symlink_metadata(&path).expect("it is there");
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        created.remove();
        assert!(!path.exists());
    }

    #[test]
    fn what_is_there_stays_unless_forced_and_then_keeps_its_content() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, other) = (directory.path().join("x"), directory.path().join("other"));
        fs::write(&path, "precious").expect("written");
        fs::hard_link(&path, &other).expect("linked");
        assert_eq!(why(&path, false), "why: it exists already");
        create(&path, true).expect("forced").file.write_all(b"new").expect("it can be written");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        assert_eq!(fs::read(&other).expect("read"), b"precious", "the other name keeps its content");
        let names = fs::read_dir(directory.path()).expect("a directory").count();
        assert_eq!(names, 2, "nothing is left behind");
    }

    #[test]
    fn nothing_is_followed_and_nothing_but_files_is_taken() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("target"), "precious").expect("written");
        symlink(at("target"), at("link")).expect("linked");
        symlink(at("nowhere"), at("dangling")).expect("linked");
        fs::create_dir(at("directory")).expect("made");
        for force in [false, true] {
            assert_eq!(why(&at("link"), force), "why: it is a symbolic link, which is not followed");
            assert_eq!(why(&at("dangling"), force), "why: it is a symbolic link, which is not followed");
            assert_eq!(why(&at("directory"), force), "why: it is a directory");
            assert_eq!(why(Path::new("/dev/null"), force), "why: it is a device");
            assert_eq!(why(Path::new("/"), force), "why: the path names no file");
            assert_eq!(why(&at("no/such"), force), "why: No such file or directory");
        }
        assert_eq!(fs::read(at("target")).expect("read"), b"precious");
        assert!(!at("nowhere").exists());
    }

    #[test]
    fn a_fifo_is_written_to_once_somebody_reads() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        let reader = std::thread::spawn({
            let path = path.clone();
            move || fs::read(path).expect("read")
        });
        let mut created = create(&path, false).expect("opened");
        assert!(!created.is_regular);
        created.file.write_all(b"data").expect("somebody reads");
        created.remove();
        drop(created);
        assert_eq!(reader.join().expect("a reader"), b"data");
        assert!(fs::symlink_metadata(&path).expect("it stays").file_type().is_fifo());
    }

    #[test]
    fn removing_spares_what_took_the_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x");
        let created = create(&path, false).expect("created");
        fs::rename(&path, directory.path().join("moved")).expect("moved");
        fs::write(&path, "somebody else's").expect("written");
        created.remove();
        assert_eq!(fs::read(&path).expect("read"), b"somebody else's");
        assert!(directory.path().join("moved").exists());
    }
}
