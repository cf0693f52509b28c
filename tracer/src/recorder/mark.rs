//! Marks from other processes: each file that is being recorded has a socket, named after the file, that takes
//! them. A file that was moved keeps its socket; only its owner and root are heard.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::human::safe_text;
use crate::recording::Mark;
use std::os::unix::ffi::OsStrExt as _;

/// How long either side waits for the other.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a recorder answers when it has taken a mark.
pub const TAKEN: &str = "taken\n";

/// A socket that takes marks for one file.
#[derive(Debug)]
pub struct Listener {
    /// The socket, not blocking.
    pub socket: UnixListener,
    /// Who may leave marks, beside root.
    pub owner: u32,
}

impl Listener {
    /// Listens for a file that is open.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let socket = UnixListener::bind_addr(&address(&metadata)?)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, owner: metadata.uid() })
    }
}

fn address(file: &Metadata) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("tracer-recording-{:x}-{:x}", file.dev(), file.ino()))
}

/// A mark that was not taken.
#[derive(Debug, Error)]
#[error("error: cannot mark {file}\nwhy: {why}\nnext: {next}")]
pub struct MarkError {
    file: String,
    why: String,
    next: String,
}

/// Leaves a mark in a file that is being recorded.
pub fn send(file: &Path, text: &str) -> Result<(), MarkError> {
    let shown = safe_text(file.as_os_str().as_bytes());
    let fail = |why: String, next: String| MarkError { file: shown.clone(), why, next };
    let metadata = file
        .metadata()
        .map_err(|error| fail(error.to_string(), "give the file that tracer is recording to".to_owned()))?;
    let talk = || -> io::Result<String> {
        let mut stream = UnixStream::connect_addr(&address(&metadata)?)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(text.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.take(Mark::MAX_BYTES as u64).read_to_string(&mut answer)?;
        Ok(answer)
    };
    match talk() {
        Ok(answer) if answer == TAKEN => Ok(()),
        Ok(_) => Err(fail(
            "its recorder refused".to_owned(),
            "only root and the owner of the file may mark it: try it with sudo".to_owned(),
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Err(fail(
            "nobody is recording to it".to_owned(),
            "start with `tracer record`; a recorder in a container is reached from its own network only"
                .to_owned(),
        )),
        Err(error) => Err(fail(
            format!("its recorder does not answer: {error}"),
            "`kill -USR1` of the recorder makes a mark with a number".to_owned(),
        )),
    }
}

/// The file that a user means: `x.arrows` itself, or the newest segment when it was recorded in segments.
pub fn resolve(file: &Path) -> PathBuf {
    let newest = || {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let names = std::fs::read_dir(directory.unwrap_or(Path::new("."))).ok()?;
        let segments = names.flatten().filter(|entry| super::segments::is_segment(file, &entry.file_name()));
        segments.max_by_key(|entry| (entry.file_name().len(), entry.file_name())).map(|entry| entry.path())
    };
    if file.exists() { file.to_owned() } else { newest().unwrap_or_else(|| file.to_owned()) }
}
