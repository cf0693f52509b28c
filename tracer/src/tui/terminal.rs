//! The terminal while the screen has it, and given back exactly once: on return, on error, on panic, and for as long
//! as we are stopped.
//!
//! A thread of its own writes to it. A terminal that does not read (a stopped `ssh`, Ctrl-S) then holds up that thread
//! alone: the screen goes on answering signals and draws nothing until the last frame is out.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::Notify;

use crate::bpf::sys;

/// Whether the terminal is ours. Shared with the panic hook, which has no other way to know.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether it was asked to tell of the mouse.
static HAS_MOUSE: AtomicBool = AtomicBool::new(false);

/// Told when a panic gave the terminal back.
static GIVEN_BACK: Notify = Notify::const_new();

/// How long a terminal may take to read what gives it back. After that its settings alone are put right.
const PATIENCE: Duration = Duration::from_millis(500);

type PanicHook = dyn Fn(&panic::PanicHookInfo<'_>) + Send + Sync;

/// The terminal in raw mode on its alternate screen, until dropped.
pub(crate) struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<Page>>,
    /// What the backend writes to.
    page: Page,
    pen: Pen,
    mouse: bool,
    /// The hook that was there before ours.
    hook: Arc<PanicHook>,
}

impl Terminal {
    /// Takes the terminal on standard output, with its mouse where that is wanted.
    pub(crate) fn take(mouse: bool) -> io::Result<Self> {
        let hook: Arc<PanicHook> = Arc::from(panic::take_hook());
        let before = Arc::clone(&hook);
        // The report of a panic belongs on the ordinary screen, where it stays.
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
            GIVEN_BACK.notify_one();
        }));
        let taken = (|| {
            enter(mouse)?;
            let page = Page::default();
            let inner = ratatui::Terminal::new(CrosstermBackend::new(page.clone()))?;
            Ok((inner, page, Pen::start()?))
        })();
        match taken {
            Ok((inner, page, pen)) => Ok(Self { inner, page, pen, mouse, hook }),
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

    /// Draws a frame that the terminal shows all at once. Call when [`is_ready`](Self::is_ready).
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.inner.backend_mut(), BeginSynchronizedUpdate)?;
        self.inner.draw(draw)?;
        queue!(self.inner.backend_mut(), EndSynchronizedUpdate)?;
        self.send()
    }

    /// Whether everything that was drawn is out.
    pub(crate) fn is_ready(&self) -> bool {
        !self.pen.state.writing.load(Ordering::SeqCst)
    }

    /// Waits until it is; an error when the terminal is gone.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        while !self.is_ready() {
            self.pen.state.done.notified().await;
        }
        if self.pen.state.gone.load(Ordering::SeqCst) {
            return Err(io::Error::other("the terminal takes no more output"));
        }
        Ok(())
    }

    /// Puts text into the clipboard of whoever sits before the terminal (OSC 52), if that is allowed there.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        queue!(self.inner.backend_mut(), CopyToClipboard::to_clipboard_from(text))?;
        self.send()
    }

    /// Listens to the mouse, or leaves it to the terminal, which then selects text with it.
    pub(crate) fn set_mouse(&mut self, mouse: bool) -> io::Result<()> {
        self.mouse = mouse;
        HAS_MOUSE.store(mouse, Ordering::SeqCst);
        let page = self.inner.backend_mut();
        if mouse { queue!(page, EnableMouseCapture) } else { queue!(page, DisableMouseCapture) }?;
        self.send()
    }

    /// Gives the terminal back, stops this process as Ctrl-Z does, and takes the terminal again when it is continued.
    ///
    /// All of the process is stopped. What is traced is not: while nobody reads, the kernel side folds into its own
    /// tables what the rings have no room for, so that counts stay exact.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        sys::stop_self();
        self.retake()
    }

    /// Takes the terminal again after somebody else had it, and draws all of it with the next frame.
    pub(crate) fn retake(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        // A new one knows nothing of what is on the screen, and so draws all of it.
        self.inner = ratatui::Terminal::new(CrosstermBackend::new(self.page.clone()))?;
        queue!(self.inner.backend_mut(), Clear(ClearType::All))?;
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        self.pen.write(std::mem::take(&mut *self.page.bytes()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // What is half out would come between what gives the terminal back.
        let since = Instant::now();
        while !self.is_ready() && since.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        give_back();
        // A panicking thread must not touch the hook.
        if !thread::panicking() {
            restore_hook(Arc::clone(&self.hook));
        }
    }
}

/// What is drawn, until it is written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread that writes.
struct Pen {
    pages: mpsc::Sender<Vec<u8>>,
    state: Arc<PenState>,
}

#[derive(Default)]
struct PenState {
    writing: AtomicBool,
    gone: AtomicBool,
    done: Notify,
}

impl Pen {
    fn start() -> io::Result<Self> {
        let (pages, next) = mpsc::channel::<Vec<u8>>();
        let state = Arc::new(PenState::default());
        let shared = Arc::clone(&state);
        thread::Builder::new().name("terminal".to_owned()).spawn(move || {
            let mut out = io::stdout();
            while let Ok(page) = next.recv() {
                // Whatever waits goes out together.
                let page = next.try_iter().fold(page, |page, more| [page, more].concat());
                if out.write_all(&page).and_then(|()| out.flush()).is_err() {
                    shared.gone.store(true, Ordering::SeqCst);
                }
                shared.writing.store(false, Ordering::SeqCst);
                shared.done.notify_one();
            }
        })?;
        Ok(Self { pages, state })
    }

    fn write(&self, page: Vec<u8>) -> io::Result<()> {
        self.state.writing.store(true, Ordering::SeqCst);
        self.pages
            .send(page)
            .map_err(|_| io::Error::other("the thread that writes to the terminal has ended"))
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    HAS_MOUSE.store(mouse, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    if mouse {
        execute!(io::stdout(), EnableMouseCapture)?;
    }
    Ok(())
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
        if takes_output(&out) {
            if HAS_MOUSE.swap(false, Ordering::SeqCst) {
                drop(execute!(out, DisableMouseCapture));
            }
            drop(execute!(out, EndSynchronizedUpdate, LeaveAlternateScreen, Show));
            drop(out.flush());
        }
        drop(disable_raw_mode());
    }
}

/// Whether what is written to a stream is taken, now or soon: a terminal may have stopped reading.
pub fn takes_output(stream: &impl AsFd) -> bool {
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE.subsec_nanos().into() };
    let mut fds = [PollFd::new(stream, PollFlags::OUT)];
    poll(&mut fds, Some(&patience)).is_ok_and(|ready| ready > 0)
}
