//! The model drawn. Pure: the same model gives the same frame.

pub(super) mod call;
pub(super) mod details;
pub(super) mod findings;
mod footer;
pub(super) mod header;
pub(super) mod health;
pub(super) mod help;
mod menu;
pub(super) mod over_time;
pub(super) mod scrub;
mod table;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::compare;
use super::layout::{MIN_SIZE, regions};
use super::model::{Model, Overlay, Screen};

/// Draws the model over the whole frame.
pub(crate) fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    draw_into(model, area, frame.buffer_mut());
}

/// Draws the model over an area of a buffer.
pub(crate) fn draw_into(model: &Model, area: Rect, buffer: &mut Buffer) {
    draw(model, area, buffer);
    model.theme.restrict(buffer);
}

fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        let words = format!("terminal too small (need {}x{})", MIN_SIZE.0, MIN_SIZE.1);
        put(buffer, area, 0, &Line::from(words));
        return;
    }
    if let Some(comparison) = &model.comparison {
        compare::draw(comparison, area, buffer);
        return;
    }
    let regions = regions(area, model);
    header::draw(model, buffer, regions.header);
    header::draw_alarms(model, buffer, regions.alarms);
    findings::draw(model, buffer, regions.findings);
    header::draw_path(model, buffer, regions.path);
    details::draw(model, buffer, regions.details);
    match (model.overlay, model.screen()) {
        (Some(Overlay::Help(top)), _) => help::draw(model, top, buffer, regions.body),
        (Some(Overlay::SortMenu(selected)), _) => menu::draw_sort(model, selected, buffer, regions.body),
        (Some(Overlay::SaveMenu(selected)), _) => menu::draw_save(model, selected, buffer, regions.body),
        (_, Screen::Call(..)) => call::draw(model, buffer, regions.body),
        (_, Screen::OverTime(..)) => over_time::draw(model, buffer, regions.body),
        (_, Screen::Health) => health::draw(model, buffer, regions.body),
        _ => table::draw(model, buffer, regions.body),
    }
    scrub::draw(model, buffer, regions.scrub);
    footer::draw(model, buffer, regions.footer);
}

/// Writes a line into line `at` of an area; nothing where the area has no such line.
pub(super) fn put(buffer: &mut Buffer, area: Rect, at: u16, line: &Line<'_>) {
    let area = area.intersection(buffer.area);
    if at < area.height && area.width > 0 {
        buffer.set_line(area.x, area.y + at, line, area.width);
    }
}

/// A part of a line that can be left out.
struct Piece {
    text: String,
    style: Style,
    /// How early a narrow line drops it; 0 never.
    drop: u8,
}

impl Piece {
    fn new(text: impl Into<String>, style: Style, drop: u8) -> Self {
        Self { text: text.into(), style, drop }
    }
}

/// Blank cells between two pieces.
const PIECE_GAP: usize = 2;

/// `left` and `right` at the two ends of a line of `width` cells, without the pieces that do not fit.
fn justified(mut left: Vec<Piece>, mut right: Vec<Piece>, width: usize) -> Line<'static> {
    let used = |pieces: &[Piece]| pieces.iter().map(|piece| piece.text.width() + PIECE_GAP).sum::<usize>();
    while used(&left) + used(&right) > width + PIECE_GAP {
        let Some(drop) = left.iter().chain(&right).map(|piece| piece.drop).max().filter(|&drop| drop > 0)
        else {
            break;
        };
        if let Some(at) = right.iter().rposition(|piece| piece.drop == drop) {
            right.remove(at);
        } else if let Some(at) = left.iter().rposition(|piece| piece.drop == drop) {
            left.remove(at);
        }
    }
    // What must not be dropped on the right is about trust: the left gives way.
    let right_width = used(&right).saturating_sub(if right.is_empty() { 0 } else { PIECE_GAP });
    let room = width.saturating_sub(right_width);
    let mut spans = Vec::new();
    let mut column = 0;
    for piece in left {
        let end_gap = usize::from(!right.is_empty());
        let text = crate::columns::clip(&piece.text, room.saturating_sub(column + end_gap));
        column += text.width();
        spans.push(Span::styled(text, piece.style));
        let gap = PIECE_GAP.min(room.saturating_sub(column));
        column += gap;
        spans.push(Span::raw(" ".repeat(gap)));
    }
    spans.push(Span::raw(" ".repeat(room.saturating_sub(column))));
    for (index, piece) in right.into_iter().enumerate() {
        if index > 0 {
            spans.push(Span::raw(" ".repeat(PIECE_GAP)));
        }
        spans.push(Span::styled(piece.text, piece.style));
    }
    Line::from(spans)
}
