//! The configuration file on disk: where it is, and whether it may be read.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use crate::config::{Defaults, FileError};
use crate::human::safe_text;

/// Far more than all settings take.
const MOST_BYTES: u64 = 65_536;

/// The defaults in the user's file; none where there is no file.
///
/// It is `tracer/config.toml` in `XDG_CONFIG_HOME`, or in `.config` of the home directory. Under sudo that of the user
/// who called it. Only a file of that user is read.
pub fn load() -> Result<Defaults> {
    let user = invoker();
    let Some(path) = path(user) else { return Ok(Defaults::default()) };
    let owner = user.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    match read(&path, owner) {
        Ok(Some(text)) => Defaults::parse(&text).map_err(|error| refusal(&path, &error)),
        Ok(None) => Ok(Defaults::default()),
        Err(error) => Err(anyhow!(
            "error: cannot read the settings in {}\nwhy: {error}\nnext: mend the file or move it away",
            shown(&path)
        )),
    }
}

/// What is said of a file whose values no option takes.
pub fn refused(error: &FileError) -> anyhow::Error {
    refusal(&path(invoker()).unwrap_or_default(), error)
}

fn refusal(path: &Path, error: &FileError) -> anyhow::Error {
    anyhow!(
        "error: cannot use the settings in {}\nwhy: {error}\nnext: mend the file or move it away",
        shown(path)
    )
}

fn shown(path: &Path) -> String {
    safe_text(path.as_os_str().as_encoded_bytes())
}

/// The user who called sudo; only root has one.
fn invoker() -> Option<u32> {
    let user = std::env::var("SUDO_UID").ok()?.parse().ok()?;
    rustix::process::geteuid().is_root().then_some(user)
}

fn path(user: Option<u32>) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = match user {
        // The variables are root's.
        Some(user) => home_of(user)?.join(".config"),
        None => set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?,
    };
    Some(directory.join("tracer/config.toml"))
}

fn home_of(user: u32) -> Option<PathBuf> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.split(':').nth(2).is_some_and(|id| id == user.to_string()))?;
    line.split(':').nth(5).filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Its text, if it is a file of this user.
fn read(path: &Path, owner: u32) -> io::Result<Option<String>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Not blocking: it might be a FIFO.
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match opened {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        // Somebody else's home, as after `su`: what one may not even look for is no file of ours.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !is_visible(path) => {
            return Ok(None);
        }
        opened => opened?,
    };
    let facts = file.metadata()?;
    if !facts.is_file() || facts.uid() != owner {
        return Err(io::Error::other("it is no file of its user"));
    }
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Whether the folders above it may be entered.
fn is_visible(path: &Path) -> bool {
    !matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_their_user_are_read_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.toml");
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(read(&path, own).expect("no file is no error"), None);
        assert_eq!(read(&path.join("below"), own).expect("no file is no error"), None);
        std::fs::write(&path, "ascii = true").expect("room");
        assert_eq!(read(&path, own).expect("a file").as_deref(), Some("ascii = true"));
        assert!(read(directory.path(), own).is_err(), "a directory");
        assert!(read(Path::new("/dev/null"), own).is_err(), "a device");
        std::fs::write(&path, b"\xff").expect("room");
        assert!(read(&path, own).is_err(), "no text");
    }
}
