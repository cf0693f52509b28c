//! The menu of columns to sort by.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::put;
use crate::columns::{self, Align};
use crate::tui::layout;
use crate::tui::model::Model;
use crate::tui::update::sort_choices;

/// Draws the menu.
pub(super) fn draw(model: &Model, selected: usize, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let title = columns::fit(" sort by", width, Align::Left);
    put(buffer, area, 0, &Line::styled(title, model.theme.head()));
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let height = usize::from(area.height);
    if height == 0 {
        return;
    }
    let set = model.columns();
    let top = layout::scrolled(0, selected, height);
    for (at, (line, &index)) in sort_choices(model).iter().enumerate().skip(top).take(height).enumerate() {
        let mark = if line == selected { '>' } else { ' ' };
        let text = format!("{mark} {:<12} {}", set[index].title, set[index].about);
        let style = if line == selected { model.theme.selected() } else { model.theme.plain() };
        let text = columns::fit(&columns::clip(&text, width), width, Align::Left);
        put(buffer, area, at as u16, &Line::styled(text, style));
    }
}
