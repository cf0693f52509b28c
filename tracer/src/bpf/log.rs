//! What the BPF programs themselves say (`aya-log`, on rare paths only), kept as lines for the screen.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};

/// Lines kept; a program that repeats itself must not fill our memory.
const MOST_LINES: usize = 64;

/// Reads the programs' log.
pub struct ProgramLog {
    logger: EbpfLogger<Lines>,
    lines: Lines,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<VecDeque<String>>>);

impl ProgramLog {
    /// `None` when the object has no log.
    pub fn new(ebpf: &mut Ebpf) -> Option<Self> {
        let lines = Lines::default();
        let logger = EbpfLogger::init_with_logger(ebpf, lines.clone()).ok()?;
        Some(Self { logger, lines })
    }

    /// The lines since the last call.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.logger.flush();
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

impl Log for Lines {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(record.args().to_string());
    }

    fn flush(&self) {}
}
