//! Data from the page cache to the disk about once a second, so that a power cut takes a second and not half
//! a minute. On a thread of its own, because a busy disk may take long.

use std::fs::File;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Syncer {
    /// Its end says that it is enough.
    _until: SyncSender<()>,
    failed: Arc<Mutex<Option<io::Error>>>,
}

impl Syncer {
    /// Starts it on `file`.
    pub(super) fn start(file: File) -> io::Result<Self> {
        let (until, end) = sync_channel(0);
        let failed = Arc::new(Mutex::new(None));
        let failure = Arc::clone(&failed);
        thread::Builder::new().name("sync".to_owned()).spawn(move || {
            while end.recv_timeout(SYNC_EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = file.sync_data() {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        })?;
        Ok(Self { _until: until, failed })
    }

    /// Why data did not get to the disk; once.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
