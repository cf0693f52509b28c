//! What the mouse means: a click selects a row, a second one opens it, the head of a column sorts by it, the wheel moves.

use super::layout::{self, regions};
use super::message::Command;
use super::model::{Model, Overlay, Sort};
use super::update::{in_menu_at, on_screen, sort_choices};
use crate::columns::GAP;
use crate::config::MouseChoice;
use ratatui::layout::Rect;

/// Rows by which one notch of the wheel moves.
pub(super) const NOTCH: i8 = 3;

/// Cells left of the first column, for the mark of a row.
const MARK: usize = 1;

/// Whether the mouse is ours from the start.
pub(super) fn is_wanted(choice: MouseChoice, is_over_ssh: bool) -> bool {
    match choice {
        MouseChoice::On => true,
        MouseChoice::Off => false,
        MouseChoice::Auto => !is_over_ssh,
    }
}

/// Takes a click in this column and line of the terminal.
pub(super) fn click(model: &mut Model, x: u16, y: u16) {
    let (width, height) = model.size;
    if width < layout::MIN_SIZE.0 || height < layout::MIN_SIZE.1 {
        return;
    }
    let body = regions(Rect::new(0, 0, width, height), model).body;
    let Some(line) = y.checked_sub(body.y).filter(|&line| line < body.height) else { return };
    match model.overlay {
        Some(Overlay::SortMenu(_) | Overlay::SaveMenu(_)) => {
            if let Some(at) = line.checked_sub(1) {
                in_menu_at(model, usize::from(at));
            }
        }
        None if model.screen().is_page() => {}
        None => match line.checked_sub(1) {
            None => sort_at(model, usize::from(x), usize::from(width)),
            Some(line) => row_at(model, usize::from(line)),
        },
        Some(Overlay::Filter | Overlay::Jump | Overlay::Help(_)) => {}
    }
}

/// Sorts by the column whose head is in this cell; again, the other way round.
fn sort_at(model: &mut Model, x: usize, width: usize) {
    let placed = model.placed_columns(width.saturating_sub(MARK));
    let mut from = MARK;
    for at in placed {
        if (from..from + at.width).contains(&x) && sort_choices(model).contains(&at.index) {
            let sort = model.sort();
            let inverted = sort.column == at.index && !sort.inverted;
            model.set_sort(Sort { column: at.index, inverted });
            return;
        }
        from += at.width + GAP;
    }
}

/// Selects the row in this line of the table, or opens it when it is the one.
fn row_at(model: &mut Model, line: usize) {
    let rows = &model.rows;
    let height = layout::table_height(model);
    let top = layout::scrolled(model.cursor().top, model.line_of(model.cursor().index), height);
    let has_heading = rows.waiting_from < rows.entries.len() || rows.waiting_hidden > 0;
    let line = top + line;
    if has_heading && line == rows.waiting_from {
        return;
    }
    let index = line - usize::from(has_heading && line > rows.waiting_from);
    let Some(key) = rows.entries.get(index).map(|entry| entry.key) else { return };
    if model.cursor().selected == Some(key) {
        on_screen(model, Command::Open);
    } else {
        model.select(index, true);
    }
}
