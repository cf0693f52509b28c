//! Looks up the path under which a file was opened, where its descriptor is there no longer: as its process saw it,
//! through `/proc/PID/root` and `/proc/PID/cwd`; once that process is gone, as we see it, or as another process does that has
//! its root on the file's device, as those of one container have. What is found is somebody else's file as often as not, so it
//! counts only if it is the very file that was asked for.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstatfs, open, openat2};
use rustix::io::Errno;

use super::identity::identity;
use super::roots::Roots;
use crate::fold::{OpenedAs, PathFrom};
use crate::targets::Procfs;

/// Times that a look-up which would have had to wait is tried again: another process may only have renamed something.
const TRIES: usize = 3;

/// What is at the path at which `pid` opened a file on `device`, without access to it, if `is_it`; that is also
/// told through whose `/proc` it was reached.
pub(super) fn find(
    procfs: &Procfs,
    roots: &mut Roots,
    (pid, device): (u32, u32),
    opened_as: &OpenedAs,
    mut is_it: impl FnMut(&OwnedFd, u32) -> bool,
) -> Option<OwnedFd> {
    let path = &*opened_as.path;
    let ourselves = procfs.own_pid().unwrap_or_default();
    let how = if is_own_overlay(device) { ResolveFlags::empty() } else { CACHED };
    let mut like_another = |name: &str| {
        let other = roots.process_on(procfs, device)?;
        Some((look_up(directory(procfs, other, name)?, path, ResolveFlags::IN_ROOT)?, other))
    };
    match opened_as.from {
        PathFrom::Root => {
            // Of the process itself, not of us who look.
            let own = path
                .strip_prefix(b"/proc/self/")
                .map(|rest| [format!("/proc/{pid}/").as_bytes(), rest].concat());
            let path = own.as_deref().unwrap_or(path);
            // What the kernel makes up does not stay in its memory; nor does it ever take long.
            let is_made_up = path.starts_with(b"/proc/") || path.starts_with(b"/sys/");
            let how = if is_made_up { ResolveFlags::empty() } else { how };
            let root = directory(procfs, pid, "root");
            let is_own = root.as_ref().is_some_and(is_own_root);
            let theirs = match &root {
                Some(root) if is_own => look_up(root, beneath(path), how),
                // The kernel cannot go by what it remembers alone within another root.
                Some(root) => look_up(root, path, ResolveFlags::IN_ROOT),
                None => None,
            };
            let theirs = theirs.filter(|found| is_it(found, pid));
            if theirs.is_some() || is_own {
                return theirs;
            }
            let here = look_up(CWD, path, how).filter(|found| is_it(found, ourselves));
            if here.is_some() || root.is_some() {
                return here;
            }
            like_another("root").filter(|(found, other)| is_it(found, *other)).map(|(found, _)| found)
        }
        PathFrom::WorkingDirectory => {
            let theirs = directory(procfs, pid, "cwd").and_then(|directory| look_up(directory, path, how));
            let theirs = theirs.filter(|found| is_it(found, pid));
            // Who is started by us begins where we are.
            let here = || look_up(CWD, path, how).filter(|found| is_it(found, ourselves));
            if let Some(found) = theirs.or_else(here) {
                return Some(found);
            }
            // Most of a container begin where its first process did.
            like_another("cwd").filter(|(found, other)| is_it(found, *other)).map(|(found, _)| found)
        }
        PathFrom::Descriptor(fd) => {
            let directory = directory(procfs, pid, &format!("fd/{fd}"))?;
            look_up(directory, path, how).filter(|found| is_it(found, pid))
        }
    }
}

/// A directory of a process.
fn directory(procfs: &Procfs, pid: u32, name: &str) -> Option<OwnedFd> {
    open(procfs.file(pid, name), FLAGS | OFlags::DIRECTORY, Mode::empty()).ok()
}

/// Whether links that begin with a slash lead there where they lead us.
fn is_own_root(root: &OwnedFd) -> bool {
    open("/", FLAGS | OFlags::DIRECTORY, Mode::empty()).is_ok_and(|own| identity(own) == identity(root))
}

/// Whether this is the device of our root, and that an overlay, as in a container: an overlay's links cannot be read by what the
/// kernel remembers alone.
fn is_own_overlay(device: u32) -> bool {
    let root = open("/", FLAGS | OFlags::DIRECTORY, Mode::empty()).ok();
    let root = root.filter(|root| identity(root).is_some_and(|(own, _)| own == device));
    root.is_some_and(|root| fstatfs(root).is_ok_and(|found| found.f_type == OVERLAYFS_MAGIC))
}

/// <https://man7.org/linux/man-pages/man2/statfs.2.html>
const OVERLAYFS_MAGIC: rustix::fs::FsWord = 0x794c_7630;

/// An absolute path as one from its root.
fn beneath(path: &[u8]) -> &[u8] {
    let slashes = path.iter().take_while(|&&byte| byte == b'/').count();
    if slashes == path.len() { b"." } else { &path[slashes..] }
}

/// Not asking a disk, or a server that may never answer: who opened the file has just been there.
const CACHED: ResolveFlags = ResolveFlags::CACHED;

const FLAGS: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// What is at `path` from `directory`.
fn look_up(directory: impl AsFd, path: &[u8], how: ResolveFlags) -> Option<OwnedFd> {
    let path = Path::new(OsStr::from_bytes(path));
    let mut resolve = how;
    for _ in 0..TRIES {
        match openat2(&directory, path, FLAGS, Mode::empty(), resolve) {
            Ok(file) => return Some(file),
            // Before 5.12 it cannot be asked for.
            Err(Errno::INVAL) if resolve.contains(CACHED) => resolve.remove(CACHED),
            Err(Errno::AGAIN) => {}
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::source::files::own_path;

    /// The path at which `opened_as` is found, if it is `file`.
    fn found(pid: u32, from: PathFrom, path: &Path, file: &File) -> Option<std::path::PathBuf> {
        let wanted = identity(file);
        let opened_as = OpenedAs { from, path: path.as_os_str().as_bytes().into() };
        let asker = (pid, wanted?.0);
        let is_it = |opened: &OwnedFd, _| identity(opened) == wanted;
        let found = find(&Procfs::default(), &mut Roots::default(), asker, &opened_as, is_it)?;
        fs::read_link(own_path(&found)).ok()
    }

    #[test]
    fn a_path_counts_only_where_it_leads_to_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let real = fs::canonicalize(directory.path()).expect("it is there");
        let [one, link] = ["one", "link"].map(|name| directory.path().join(name));
        let file = File::create(&one).expect("a new file");
        std::os::unix::fs::symlink("one", &link).expect("a new link");
        let pid = std::process::id();
        let at = |path: &Path| found(pid, PathFrom::Root, path, &file);
        assert_eq!(at(&one), Some(real.join("one")));
        assert_eq!(at(&link), Some(real.join("one")), "what a link leads to");
        assert_eq!(
            found(u32::MAX, PathFrom::Root, &one, &file),
            Some(real.join("one")),
            "of a process that is gone"
        );
        assert_eq!(at(directory.path()), None, "another file");
        fs::rename(&one, real.join("other")).expect("it is there");
        assert_eq!(at(&one), None, "renamed");
        assert_eq!(at(&real.join("other")), Some(real.join("other")));
        File::create(&one).expect("a new file");
        assert_eq!(at(&one), None, "replaced");
        let handle = File::open(directory.path()).expect("a directory");
        let number = std::os::fd::AsRawFd::as_raw_fd(&handle);
        let name = Path::new("other");
        assert_eq!(found(pid, PathFrom::Descriptor(number), name, &file), Some(real.join("other")));
        assert_eq!(found(pid, PathFrom::Descriptor(i32::MAX), name, &file), None);
        let own = File::open("Cargo.toml").expect("tests run in the crate's directory");
        for pid in [pid, u32::MAX] {
            let at = found(pid, PathFrom::WorkingDirectory, Path::new("./src/../Cargo.toml"), &own);
            assert_eq!(at, Some(fs::canonicalize("Cargo.toml").expect("it is there")));
        }
    }
}
