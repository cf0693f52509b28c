//! The strip: what stands out, the most important first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::put;
use crate::columns::{Scope, clip};
use crate::findings::Finding;
use crate::tui::model::{Model, Screen};

/// Lines of the terminal that the rest of the screen wants for itself first.
const LINES_FOR_OTHERS: u16 = 11;

/// Findings of the span that is shown.
fn shown(model: &Model) -> &[Finding] {
    match (model.screen(), model.scope) {
        // One call has its own figures to show, and we ourselves have.
        (Screen::Call(..) | Screen::OverTime(..) | Screen::Health, _) => &[],
        (_, Scope::Interval) => &model.shown.findings.now,
        (_, Scope::Total) => &model.shown.findings.run,
    }
}

/// Lines that it takes of a terminal of this height.
pub(crate) fn lines(model: &Model, height: u16) -> u16 {
    (shown(model).len() as u16).min(height.saturating_sub(LINES_FOR_OTHERS))
}

/// Draws the strip.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    for (at, finding) in (0..area.height).zip(shown(model)) {
        let width = usize::from(area.width);
        let subject = clip(&format!("! {}  ", finding.subject()), width);
        let sentence = clip(&finding.sentence(model.shown.end_ns), width.saturating_sub(subject.width()));
        let line = Line::from(vec![
            Span::styled(subject, model.theme.stuck()),
            Span::styled(sentence, model.theme.note()),
        ]);
        put(buffer, area, at, &line);
    }
}
