//! The screen without a terminal, for whoever measures what a frame takes.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::keys;
use super::message::Message;
use super::model::Model;
use super::theme::Theme;
use super::update::update;
use super::view;
use crate::config::ScreenSettings;
use crate::run::RunInfo;
use crate::snapshot::Snapshot;

/// A screen that is drawn into memory.
#[derive(Debug)]
pub struct Offscreen {
    model: Model,
    area: Rect,
    buffer: Buffer,
}

impl Offscreen {
    /// The first screen of a live run, of this many columns and lines, in 256 colours.
    pub fn new(snapshot: Arc<Snapshot>, columns: u16, lines: u16) -> Self {
        let theme = Theme::detect(ScreenSettings::default(), |name| match name {
            "TERM" => Some("xterm-256color".to_owned()),
            "LANG" => Some("C.UTF-8".to_owned()),
            _ => None,
        });
        let area = Rect::new(0, 0, columns, lines);
        let model = Model::new(snapshot, RunInfo::default(), theme, (columns, lines));
        Self { model, area, buffer: Buffer::empty(area) }
    }

    /// Presses a key; nothing happens where it means nothing, or something outside the screen.
    pub fn press(&mut self, key: char) {
        let code = if key == '\r' { KeyCode::Enter } else { KeyCode::Char(key) };
        let event = KeyEvent::new(code, KeyModifiers::NONE);
        if let Some(message) = keys::message(self.model.mode(), self.model.run.origin, event) {
            update(&mut self.model, message);
        }
    }

    /// Takes new figures: rows are computed and sorted.
    pub fn set_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        update(&mut self.model, Message::Snapshot(snapshot));
    }

    /// Draws a frame.
    pub fn draw(&mut self) -> &Buffer {
        self.buffer.reset();
        view::draw_into(&self.model, self.area, &mut self.buffer);
        &self.buffer
    }

    /// The last frame, line by line.
    pub fn text(&self) -> String {
        let lines = self.buffer.content.chunks(usize::from(self.area.width.max(1)));
        let text = lines.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
        text.collect::<Vec<_>>().join("\n")
    }
}
