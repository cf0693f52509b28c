//! The help: the keys that work on the screen below, and what its columns and marks mean.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::put;
use crate::columns::{self, Align};
use crate::tui::filter;
use crate::tui::keys::{self, Mode};
use crate::tui::model::Model;

/// The marks of rows, and what has to be known to read them.
const MARKS: [(&str, &str); 5] = [
    ("!", "a call is open for longer than 99 in 100 calls like it took"),
    (">", "the selected row"),
    ("-", "no figure: nothing to count it from"),
    ("wait by design", "calls that sit because the program asked them to: epoll_wait, futex"),
    ("", "they are left out of a process's BUSY%, latencies and open calls"),
];

/// The same for the axis of time.
const AXIS: [(&str, &str); 3] = [
    ("the bar", "calls over time, the highest rate in each cell; | is the moment shown"),
    ("underlined", "more calls failed there than usual"),
    ("v", "a mark: n and N go to the next and the last one"),
];

/// Every line of the help, as key or title and its meaning; a title has no meaning.
pub(crate) fn lines(model: &Model) -> Vec<(&'static str, &'static str)> {
    let mut lines = vec![("Keys", "")];
    let bindings = keys::bindings(model.mode_below(), model.run.origin);
    lines.extend(bindings.map(|binding| (binding.label, binding.help)));
    if model.mode_below() == Mode::Table {
        lines.extend([("", ""), ("Filter", "")]);
        lines.extend(filter::LANGUAGE);
    }
    let columns = model.columns();
    if !columns.is_empty() {
        lines.extend([("", ""), ("Columns", "")]);
        let columns = columns.iter().filter(|column| column.is_in(model.scope));
        lines.extend(columns.map(|column| (column.title, column.about)));
    }
    lines.extend([("", ""), ("Marks", "")]);
    lines.extend(MARKS);
    if model.timeline.is_some() {
        lines.extend(AXIS);
    }
    lines
}

/// Draws the help from line `top` on.
pub(super) fn draw(model: &Model, top: usize, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let lines = lines(model);
    let height = usize::from(area.height.saturating_sub(1));
    let top = top.min(lines.len().saturating_sub(height));
    let last = (top + height).min(lines.len());
    let title = format!(" help, lines {} to {last} of {}", top + 1, lines.len());
    let title = columns::fit(&title, width, Align::Left);
    put(buffer, area, 0, &Line::styled(title, model.theme.head()));
    for (at, (key, meaning)) in lines[top..last].iter().enumerate() {
        let (text, style) = if !key.is_empty() && meaning.is_empty() {
            (format!(" {key}"), model.theme.strong())
        } else {
            (format!("  {key:<14} {meaning}"), model.theme.plain())
        };
        put(buffer, area, at as u16 + 1, &Line::styled(columns::clip(&text, width), style));
    }
}
