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
    let line = match mode {
        Mode::Filter => {
            let typed = typed_end(model.filter.text(), width.saturating_sub(24));
            justified(vec![Piece::new(format!("/{typed}_"), theme.strong(), 0)], pieces, width)
        }
        Mode::Jump => {
            let typed = typed_end(&model.prompt.text, width / 3);
            let mut left = vec![Piece::new(format!("go to: {typed}_"), theme.strong(), 0)];
            match &model.prompt.refusal {
                Some(refusal) => left.push(Piece::new(refusal.clone(), theme.note(), 0)),
                None => left.push(Piece::new("14:02:11, +30s, -10s, 50%, a mark", theme.dim(), 9)),
            }
            justified(left, if model.prompt.refusal.is_some() { Vec::new() } else { pieces }, width)
        }
        _ => justified(pieces, Vec::new(), width),
    };
    put(buffer, area, 0, &line);
}

/// What was typed, made safe: its end where it is too long, for that is where one types.
fn typed_end(text: &str, room: usize) -> String {
    let text = human::safe_text(text.as_bytes());
    let skipped = text.chars().count().saturating_sub(room);
    text.chars().skip(skipped).collect()
}
