//! The comparison drawn: the answer in words, then the calls by impact. Pure.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use crate::columns::{Align, clip, fit};
use crate::compare::words::side_words;
use crate::compare::{Change, Verdict, columns};
use crate::human;

use super::keys::BINDINGS;
use super::model::Model;
use super::screen::put;
use super::{call, heat};

/// Smallest terminal that is drawn on.
const MIN_SIZE: (u16, u16) = (40, 8);

/// Draws the model over the whole frame.
pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    draw(model, area, buffer);
    model.theme.restrict(buffer);
}

/// Draws the model over an area.
pub(in crate::tui) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        let words = format!("terminal too small (need {}x{})", MIN_SIZE.0, MIN_SIZE.1);
        put(buffer, area, 0, &Line::from(words));
        return;
    }
    draw_header(model, buffer, area);
    let body = Rect { y: area.y + 1, height: area.height - 2, ..area };
    match model.selected().filter(|_| model.is_open) {
        _ if model.helps => draw_help(model, buffer, body),
        Some(row) => call::draw(model, row, buffer, body),
        None => draw_table(model, buffer, body),
    }
    let footer: Vec<String> = BINDINGS
        .iter()
        .filter_map(|binding| binding.footer.map(|word| format!("{} {word}", binding.label)))
        .collect();
    put(
        buffer,
        area,
        area.height - 1,
        &Line::raw(clip(&format!(" {}", footer.join("  ")), usize::from(area.width))),
    );
}

fn draw_header(model: &Model, buffer: &mut Buffer, area: Rect) {
    let comparison = &model.compared.comparison;
    let (before, after) = (&comparison.before, &comparison.after);
    let lost = format!("lost {} | {}", human::count(before.missing), human::count(after.missing));
    let room = usize::from(area.width).saturating_sub(lost.width() + 2);
    let sides = clip(&format!("{}  ->  {}", side_words(before), side_words(after)), room);
    let style = if before.missing + after.missing > 0 { model.theme.alarm() } else { model.theme.good() };
    let line = Line::from(vec![
        Span::styled(fit(&sides, room + 1, Align::Left), model.theme.strong()),
        Span::styled(lost, style),
    ]);
    put(buffer, area, 0, &line);
}

/// The words of the answer, on as many lines as they take.
fn words(model: &Model, width: usize) -> Vec<Line<'static>> {
    let comparison = &model.compared.comparison;
    let mut lines = Vec::new();
    let mut say = |sentence: &str, style: Style| {
        let mut line = String::new();
        for word in sentence.split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() > width.saturating_sub(1) {
                lines.push(Line::styled(format!(" {}", std::mem::take(&mut line)), style));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(Line::styled(format!(" {}", clip(&line, width.saturating_sub(1))), style));
    };
    for sentence in &comparison.summary {
        say(sentence, model.theme.strong());
    }
    for warning in &comparison.warnings {
        say(&format!("! {warning}"), model.theme.note());
    }
    lines
}

fn draw_table(model: &Model, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let words = words(model, width);
    // The table keeps half of the screen, however much there is to say.
    let said = (words.len() as u16).min(area.height / 2);
    for (at, line) in (0..said).zip(&words) {
        put(buffer, area, at, line);
    }
    if usize::from(said) < words.len() && said > 0 {
        let more = format!(
            " ... {} more lines; tracer compare --plain prints all",
            words.len() - usize::from(said) + 1
        );
        put(buffer, area, said - 1, &Line::styled(fit(&more, width, Align::Left), model.theme.dim()));
    }
    let placed = columns::lay_out(model.rows(), width.saturating_sub(1));
    let cells = |text: &dyn Fn(&columns::Column) -> String| {
        let cells: Vec<String> =
            placed.iter().map(|(column, width)| fit(&text(column), *width, Align::Left)).collect();
        format!(" {}", cells.join(" "))
    };
    let head = cells(&|column| column.title.to_owned());
    put(buffer, area, said, &Line::styled(fit(&head, width, Align::Left), model.theme.head()));
    let room = usize::from(area.height.saturating_sub(said + 1));
    let top =
        model.cursor.saturating_sub(room.saturating_sub(1) / 2).min(model.rows().len().saturating_sub(room));
    for (at, (index, row)) in model.rows().iter().enumerate().skip(top).take(room).enumerate() {
        let text = cells(&|column| (column.text)(row));
        let style = if index == model.cursor { model.theme.selected() } else { row_style(model, row) };
        put(buffer, area, said + 1 + at as u16, &Line::styled(fit(&text, width, Align::Left), style));
    }
    if model.rows().is_empty() {
        put(buffer, area, said + 1, &Line::styled(" no calls on either side", model.theme.dim()));
    }
}

fn row_style(model: &Model, row: &Change) -> Style {
    match row.verdict {
        Some(Verdict::Faster) => model.theme.good(),
        Some(Verdict::Slower) => model.theme.stuck(),
        Some(Verdict::New | Verdict::Gone) => model.theme.strong(),
        Some(Verdict::Same) => model.theme.plain(),
        Some(Verdict::Inconclusive) | None => model.theme.dim(),
    }
}

fn draw_help(model: &Model, buffer: &mut Buffer, area: Rect) {
    let mut lines = vec![Line::styled(" Keys", model.theme.strong())];
    lines.extend(
        BINDINGS.iter().map(|binding| Line::raw(format!("   {:<10}{}", binding.label, binding.help))),
    );
    lines.push(Line::styled(" Verdicts", model.theme.strong()));
    for text in [
        "faster, slower   changed by the threshold or more, and by more than chance explains",
        "same             certainly changed by less than the threshold",
        "inconclusive     cannot be told: too few calls, or too unsteady",
        "new, gone        called on one side only; with ? so seldom that it may be chance",
        "waits            waits by design: its time is that of having nothing to do",
    ] {
        lines.push(Line::raw(format!("   {text}")));
    }
    lines.push(Line::styled(format!(" Heat maps: {}", heat::LEGEND), model.theme.plain()));
    for (at, line) in lines.iter().enumerate() {
        put(buffer, area, at as u16, line);
    }
}
