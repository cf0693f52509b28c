//! The menus: columns to sort by, formats to write.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::put;
use crate::columns::{self, Align};
use crate::tui::layout;
use crate::tui::model::Model;
use crate::tui::save::Format;
use crate::tui::update::sort_choices;

/// Draws the menu of columns to sort by.
pub(super) fn draw_sort(model: &Model, selected: usize, buffer: &mut Buffer, area: Rect) {
    let set = model.columns();
    let lines: Vec<_> =
        sort_choices(model).into_iter().map(|index| (set[index].title, set[index].about)).collect();
    draw(model, (" sort by", &lines), selected, buffer, area);
}

/// Draws the menu of formats to write the screen in.
pub(super) fn draw_save(model: &Model, selected: usize, buffer: &mut Buffer, area: Rect) {
    draw(model, (" write to a new file here, as", &Format::ALL.map(Format::about)), selected, buffer, area);
}

fn draw(
    model: &Model,
    (title, lines): (&str, &[(&str, &str)]),
    selected: usize,
    buffer: &mut Buffer,
    area: Rect,
) {
    let width = usize::from(area.width);
    let title = columns::fit(title, width, Align::Left);
    put(buffer, area, 0, &Line::styled(title, model.theme.head()));
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let height = usize::from(area.height);
    if height == 0 {
        return;
    }
    let top = layout::scrolled(0, selected, height);
    for (at, (line, (name, about))) in lines.iter().enumerate().skip(top).take(height).enumerate() {
        let mark = if line == selected { '>' } else { ' ' };
        let text = format!("{mark} {name:<12} {about}");
        let style = if line == selected { model.theme.selected() } else { model.theme.plain() };
        let text = columns::fit(&columns::clip(&text, width), width, Align::Left);
        put(buffer, area, at as u16, &Line::styled(text, style));
    }
}
