//! The footer: the keys that matter here, or the filter while it is typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::{Piece, justified, put};
use crate::columns;
use crate::human;
use crate::tui::keys::{self, Mode};
use crate::tui::model::Model;

/// What the filter can be, shown until something is typed.
const FILTER_HINT: &str = "nginx pid:7 sys:openat,%net err:ENOENT lat:>10ms !comm:sshd";

/// Least cells for what is typed.
const TYPED: usize = 16;

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
            let right = match model.filter.problems().first() {
                Some(problem) => {
                    vec![Piece::new(columns::clip(&problem.what, width * 2 / 3), theme.note(), 0)]
                }
                None if model.filter.text().is_empty() => vec![Piece::new(FILTER_HINT, theme.dim(), 9)],
                None => pieces,
            };
            let taken: usize =
                right.iter().filter(|piece| piece.drop == 0).map(|piece| piece.text.len() + 2).sum();
            let typed = typed_filter(model, width.saturating_sub(taken + 3).max(TYPED));
            // The words are put where the blanks of the piece are.
            let blank = " ".repeat(typed.iter().map(Span::width).sum());
            let mut line = justified(vec![Piece::new(blank, theme.plain(), 0)], right, width);
            line.spans.splice(..1, typed);
            line
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
        _ => match &model.told {
            Some(words) => {
                let words = columns::clip(&human::safe_text(words.as_bytes()), width);
                justified(vec![Piece::new(words, theme.note(), 0)], Vec::new(), width)
            }
            None => justified(pieces, Vec::new(), width),
        },
    };
    put(buffer, area, 0, &line);
}

/// The filter as it is typed, with the words that mean nothing marked: its last `room` characters.
fn typed_filter(model: &Model, room: usize) -> Vec<Span<'static>> {
    let (theme, text) = (model.theme, model.filter.text());
    let mut parts: Vec<(&str, Style)> = Vec::new();
    let mut from = 0;
    for problem in model.filter.problems() {
        parts.push((&text[from..problem.at.start], theme.strong()));
        parts.push((&text[problem.at.clone()], theme.alarm()));
        from = problem.at.end;
    }
    parts.push((&text[from..], theme.strong()));
    let parts: Vec<(String, Style)> =
        parts.into_iter().map(|(part, style)| (human::safe_text(part.as_bytes()), style)).collect();
    let mut skip = parts.iter().map(|(part, _)| part.chars().count()).sum::<usize>().saturating_sub(room);
    let mut spans = vec![Span::styled("/", theme.strong())];
    for (part, style) in parts {
        let skipped = skip.min(part.chars().count());
        skip -= skipped;
        spans.push(Span::styled(part.chars().skip(skipped).collect::<String>(), style));
    }
    spans.push(Span::styled("_", theme.strong()));
    spans
}

/// What was typed, made safe: its end where it is too long, for that is where one types.
fn typed_end(text: &str, room: usize) -> String {
    let text = human::safe_text(text.as_bytes());
    let skipped = text.chars().count().saturating_sub(room);
    text.chars().skip(skipped).collect()
}
