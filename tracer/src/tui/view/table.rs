//! The tables: processes, syscalls, errors, open calls, threads, files.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::put;
use crate::columns::{self, Align, GAP, Placed, Rank, Row};
use crate::human;
use crate::syscalls::{self, errno};
use crate::tui::layout;
use crate::tui::model::{Model, Screen};

/// Cells left of the first column, for the mark of a row.
const MARK: usize = 1;

/// The columns that a screen of this width has room for.
pub(super) fn placed_columns(model: &Model, width: usize) -> Vec<Placed> {
    model.placed_columns(width.saturating_sub(MARK))
}

/// Draws the table of the screen shown.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let placed = placed_columns(model, width);
    put(buffer, area, 0, &head(model, &placed));
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if area.height == 0 {
        return;
    }
    let rows = &model.rows;
    if rows.entries.is_empty() && rows.waiting_hidden == 0 {
        put(buffer, area, 0, &Line::styled(format!(" {}", why_empty(model)), model.theme.dim()));
        return;
    }
    let cursor = model.cursor();
    // The heading of idle and waiting rows, and their number while they are hidden.
    let has_heading = rows.waiting_from < rows.entries.len() || rows.waiting_hidden > 0;
    let lines = rows.entries.len() + usize::from(has_heading);
    let height = usize::from(area.height);
    let top = layout::scrolled(cursor.top, model.line_of(cursor.index), height).min(lines.saturating_sub(1));
    for (at, line) in (top..lines.min(top + height)).enumerate() {
        let at = at as u16;
        if has_heading && line == rows.waiting_from {
            put(buffer, area, at, &Line::styled(heading(model, width), model.theme.dim()));
            continue;
        }
        let index = line - usize::from(has_heading && line > rows.waiting_from);
        let Some(row) = rows.entries.get(index).and_then(|&entry| model.row(entry)) else { continue };
        draw_row(model, &placed, (index, row), buffer, area, at);
    }
}

fn head(model: &Model, placed: &[Placed]) -> Line<'static> {
    let sort = model.sort();
    let mut text = " ".repeat(MARK);
    for (index, at) in placed.iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(GAP));
        }
        let title = if at.index == sort.column {
            let mark = if at.column.descending == sort.inverted { '▲' } else { '▼' };
            format!("{}{mark}", at.column.title)
        } else {
            at.column.title.to_owned()
        };
        text.push_str(&columns::fit(&title, at.width, at.column.align));
    }
    Line::styled(text, model.theme.head())
}

fn draw_row(
    model: &Model,
    placed: &[Placed],
    (index, row): (usize, Row<'_>),
    buffer: &mut Buffer,
    area: Rect,
    at: u16,
) {
    let (theme, is_selected) = (model.theme, index == model.cursor().index);
    let (mark, style) = match columns::rank(row, &model.context()) {
        Rank::Urgent => ("!", theme.stuck()),
        Rank::Work => (if is_selected { ">" } else { " " }, theme.plain()),
        Rank::Waiting => (if is_selected { ">" } else { " " }, theme.dim()),
    };
    let context = model.context();
    let mut text = String::with_capacity(usize::from(area.width) + 8);
    text.push_str(mark);
    let branch = model.rows.branches.get(index);
    for (number, at) in placed.iter().enumerate() {
        if number > 0 {
            text.push_str(&" ".repeat(GAP));
        }
        let mut cell = (at.column.text)(row, &context);
        if let Some(branch) = branch.filter(|_| at.column.id == columns::NAME_OF_PROCESS) {
            cell.insert_str(0, &branch.lines());
        }
        text.push_str(&columns::fit(&cell, at.width, at.column.align));
    }
    put(buffer, area, at, &Line::from(Span::styled(text, style)));
    if is_selected {
        buffer.set_style(Rect { y: area.y + at, height: 1, ..area }, theme.selected());
    }
}

fn heading(model: &Model, width: usize) -> String {
    let rows = &model.rows;
    let what = match model.screen() {
        Screen::Processes => "idle, ended or waiting by design",
        Screen::Errors => "expected errors",
        Screen::Files(_) => "idle, waiting by design, or not told apart",
        Screen::OnFile(..) => "idle or waiting by design",
        _ => "waiting by design",
    };
    let (number, key) = match rows.waiting_hidden {
        0 => (rows.entries.len() - rows.waiting_from, "b hides"),
        hidden => (hidden, "b shows"),
    };
    let mut text = format!(" ---- {what}: {} ({key})", human::count(number as u64));
    for (index, hidden) in rows.hidden_errnos.iter().enumerate() {
        // What does not happen now still tells how often it did.
        let often = match model.shown.per_second(hidden.recent) {
            0.0 => format!("{} in all", human::short_count(hidden.count as f64)),
            rate => format!("{}/s", human::short_count(rate)),
        };
        let mostly = if hidden.calls > 1 { "mostly " } else { "" };
        let call = hidden.most.map(syscalls::name).unwrap_or_default();
        let sign = if index == 0 { ":" } else { "," };
        let what = format!("{sign} {mostly}{call} {} {often}", errno::name(hidden.errno));
        let whose = format!(" in {}", processes_words(hidden.processes));
        if text.width() + what.width() > width {
            break;
        }
        text += &what;
        if text.width() + whose.width() > width {
            break;
        }
        text += &whose;
    }
    text.push(' ');
    let rule = "-".repeat(width.saturating_sub(text.width()));
    columns::fit(&format!("{text}{rule}"), width, Align::Left)
}

fn processes_words(number: usize) -> String {
    format!("{} process{}", human::count(number as u64), if number == 1 { "" } else { "es" })
}

fn why_empty(model: &Model) -> String {
    if model.rows.filtered_out > 0 {
        let filter = human::safe_text(model.filter.text().as_bytes());
        return format!("nothing fits the filter `{filter}` (/ changes it)");
    }
    match model.screen() {
        _ if model.shown.generation == 0 => "waiting for the first figures".to_owned(),
        Screen::Processes => "no calls seen yet".to_owned(),
        Screen::Errors => "no call has failed".to_owned(),
        Screen::Open => "no call is open".to_owned(),
        Screen::Threads(..) => {
            "no thread was told apart, or the process ended and was summed up (Esc goes back)".to_owned()
        }
        Screen::Files(_) => model.on_by.why_empty(model.run.args).to_owned(),
        Screen::OnFile(..) => "no calls on it that are told apart any more (Esc goes back)".to_owned(),
        Screen::Calls(_) | Screen::Call(..) | Screen::OverTime(..) | Screen::Health => {
            "no calls: none was seen yet, or the process ended and was summed up (Esc goes back)".to_owned()
        }
    }
}
