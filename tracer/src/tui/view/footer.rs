//! The footer: the keys that matter here, or the filter while it is typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Piece, justified, put};
use crate::human;
use crate::tui::keys::{self, Mode};
use crate::tui::model::Model;

/// Draws the footer.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let (theme, mode) = (model.theme, model.mode());
    let width = usize::from(area.width);
    let hints: Vec<String> = keys::bindings(mode, model.run.origin)
        .filter_map(|binding| binding.footer)
        .map(|(key, word)| format!("{key} {word}"))
        .collect();
    let last = hints.len().saturating_sub(1);
    // Dropped from the right, but for the last: it leads to the help, which has them all.
    let pieces = hints
        .into_iter()
        .enumerate()
        .map(|(index, hint)| Piece::new(hint, theme.plain(), if index == last { 0 } else { index as u8 + 1 }))
        .collect();
    let line = if mode == Mode::Filter {
        // The end of what is typed has to be seen, not its beginning.
        let text = human::safe_text(model.filter.text().as_bytes());
        let room = width.saturating_sub(24);
        let skipped = text.chars().count().saturating_sub(room);
        let text: String = text.chars().skip(skipped).collect();
        justified(vec![Piece::new(format!("/{text}_"), theme.strong(), 0)], pieces, width)
    } else {
        justified(pieces, Vec::new(), width)
    };
    put(buffer, area, 0, &line);
}
