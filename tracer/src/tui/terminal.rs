//! The terminal while the screen has it, and given back exactly once: on return, on error, on panic.

use std::io::{self, BufWriter, Stdout, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use tokio::sync::Notify;

/// Whether the terminal is ours. Shared with the panic hook, which has no other way to know.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Told when a panic gave the terminal back.
static GIVEN_BACK: Notify = Notify::const_new();

type PanicHook = dyn Fn(&panic::PanicHookInfo<'_>) + Send + Sync;

/// The terminal in raw mode on its alternate screen, until dropped.
pub(crate) struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    /// The hook that was there before ours.
    hook: Arc<PanicHook>,
}

impl Terminal {
    /// Takes the terminal on standard output.
    pub(crate) fn take() -> io::Result<Self> {
        let hook: Arc<PanicHook> = Arc::from(panic::take_hook());
        let before = Arc::clone(&hook);
        // The report of a panic belongs on the ordinary screen, where it stays.
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
            GIVEN_BACK.notify_one();
        }));
        TAKEN.store(true, Ordering::SeqCst);
        let taken = (|| {
            enable_raw_mode()?;
            execute!(io::stdout(), EnterAlternateScreen)?;
            ratatui::Terminal::new(CrosstermBackend::new(BufWriter::new(io::stdout())))
        })();
        match taken {
            Ok(inner) => Ok(Self { inner, hook }),
            Err(error) => {
                give_back();
                restore_hook(hook);
                Err(error)
            }
        }
    }

    /// Columns and lines.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.inner.size()?;
        Ok((size.width, size.height))
    }

    /// Draws a frame that the terminal shows all at once.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.inner.backend_mut(), BeginSynchronizedUpdate)?;
        self.inner.draw(draw)?;
        queue!(self.inner.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.inner.backend_mut())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
        // A panicking thread must not touch the hook.
        if !std::thread::panicking() {
            restore_hook(Arc::clone(&self.hook));
        }
    }
}

fn restore_hook(hook: Arc<PanicHook>) {
    drop(panic::take_hook());
    panic::set_hook(Box::new(move |info| hook(info)));
}

/// Ready when a panic anywhere in the process has given the terminal back: it must not be drawn on any more.
pub(crate) async fn lost() {
    while TAKEN.load(Ordering::SeqCst) {
        GIVEN_BACK.notified().await;
    }
}

/// Gives the terminal back if it is ours. Errors are of no use here: a terminal that is gone needs nothing.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        drop(execute!(out, EndSynchronizedUpdate, LeaveAlternateScreen, Show));
        drop(disable_raw_mode());
        drop(out.flush());
    }
}
