//! The axis of time: how busy it was, where in it we are, what was marked.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Piece, justified, put};
use crate::columns;
use crate::human;
use crate::timeline::{Activity, Motion, Timeline};
use crate::tui::model::Model;

/// Terminal heights from which there is room for the bar, and for the names of marks above it.
const ROOM_FOR_BAR: u16 = 12;
const ROOM_FOR_MARKS: u16 = 20;

/// Cells left and right of the bar.
const MARGIN: u16 = 1;

/// Rates from nothing to the highest.
const LEVELS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Lines that it takes on a terminal of this height.
pub(in crate::tui) fn lines(model: &Model, height: u16) -> u16 {
    match &model.timeline {
        None => 0,
        Some(timeline) => {
            let marks = height >= ROOM_FOR_MARKS && !timeline.marks.is_empty();
            1 + u16::from(height >= ROOM_FOR_BAR) + u16::from(marks)
        }
    }
}

/// Draws it.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let Some(timeline) = &model.timeline else { return };
    let bar = Rect { x: area.x + MARGIN, width: area.width.saturating_sub(2 * MARGIN), ..area };
    if area.height > 2 {
        draw_marks(model, timeline, buffer, bar);
    }
    if area.height > 1 {
        put(buffer, bar, area.height - 2, &bar_line(model, timeline, usize::from(bar.width)));
    }
    put(buffer, area, area.height.saturating_sub(1), &status(model, timeline, usize::from(area.width)));
}

/// The cell of the bar that a moment lies in.
fn cell_of(timeline: &Timeline, time_ns: u64, cells: usize) -> usize {
    let share = time_ns.saturating_sub(timeline.start_ns) as f64 / timeline.duration_ns().max(1) as f64;
    ((share * cells as f64) as usize).min(cells.saturating_sub(1))
}

fn draw_marks(model: &Model, timeline: &Timeline, buffer: &mut Buffer, bar: Rect) {
    let cells = usize::from(bar.width);
    let places: Vec<usize> =
        timeline.marks.iter().map(|mark| cell_of(timeline, mark.time_ns, cells)).collect();
    for (index, mark) in timeline.marks.iter().enumerate() {
        let at = places[index];
        let end = places[index + 1..].iter().copied().find(|&next| next > at).unwrap_or(cells);
        // Of marks in one cell the first is named.
        if index > 0 && places[index - 1] == at {
            continue;
        }
        let text = format!("▼{}", human::safe_text(mark.text.as_bytes()));
        let room = (end - at).saturating_sub(usize::from(end < cells));
        let text = if room < 3 { "▼".to_owned() } else { columns::clip(&text, room) };
        let place = Rect { x: bar.x + at as u16, width: (end - at) as u16, ..bar };
        put(buffer, place, 0, &Line::styled(text, model.theme.note()));
    }
}

fn bar_line(model: &Model, timeline: &Timeline, cells: usize) -> Line<'static> {
    let theme = model.theme;
    let activity = timeline.rates.over(timeline.start_ns, timeline.end_ns, cells);
    let highest = activity.iter().map(|cell| cell.calls).fold(0.0, f64::max);
    let usual = usual_errors(timeline);
    let here = cell_of(timeline, timeline.position_ns, cells);
    let spans = activity.iter().enumerate().map(|(index, cell)| {
        if index == here {
            return Span::styled("┃", theme.strong());
        }
        let base = if index < here { theme.plain() } else { theme.dim() };
        Span::styled(level(cell.calls, highest), if fails_more(*cell, usual) { failing(model) } else { base })
    });
    Line::from(spans.collect::<Vec<_>>())
}

fn failing(model: &Model) -> Style {
    model.theme.note().patch(model.theme.head())
}

/// Errors a second over the whole run.
fn usual_errors(timeline: &Timeline) -> f64 {
    timeline.rates.sum().errors * 1e9 / timeline.duration_ns().max(1) as f64
}

/// Whether so much more fails than usual that one would look there first.
fn fails_more(cell: Activity, usual: f64) -> bool {
    cell.errors > 2.0 * usual && cell.errors >= 0.01 * cell.calls
}

/// To scale; whatever is not zero can be seen.
fn level(rate: f64, highest: f64) -> &'static str {
    if rate <= 0.0 || highest <= 0.0 {
        return LEVELS[0];
    }
    LEVELS[((rate / highest * 8.0).round() as usize).clamp(1, 8)]
}

fn status(model: &Model, timeline: &Timeline, width: usize) -> Line<'static> {
    let theme = model.theme;
    let state = match timeline.motion {
        Motion::Playing => Piece::new(format!("playing {}", timeline.speed), theme.good(), 0),
        Motion::Following => Piece::new("following", theme.good(), 0),
        Motion::Seeking(done) => {
            Piece::new(format!("reading {:.0}%", done.clamp(0.0, 1.0) * 100.0), theme.note(), 0)
        }
        Motion::Paused if timeline.is_at_end() => Piece::new("the end, Space starts over", theme.plain(), 0),
        Motion::Paused => Piece::new(format!("paused, {}", timeline.speed), theme.note(), 0),
    };
    let mut left = vec![Piece::new("", theme.plain(), 0), state];
    if timeline.end_ns > 0 {
        let (date, time) = date_and_time(model, timeline.position_ns);
        left.push(Piece::new(time, theme.strong(), 0));
        left.push(Piece::new(date, theme.plain(), 2));
    }
    if let Some(mark) = timeline.marks.iter().rev().find(|mark| mark.time_ns <= timeline.position_ns) {
        let since = human::clock(timeline.position_ns - mark.time_ns);
        let text = format!("{since} after {}", human::safe_text(mark.text.as_bytes()));
        left.push(Piece::new(text, theme.note(), 3));
    }
    let at = human::clock(timeline.position_ns.saturating_sub(timeline.start_ns));
    let of = human::clock(timeline.duration_ns());
    let right = vec![Piece::new(format!("{at} of {of} "), theme.plain(), 1)];
    left.retain(|piece| !piece.text.is_empty());
    let mut line = justified(left, right, width.saturating_sub(usize::from(MARGIN)));
    line.spans.insert(0, Span::raw(" ".repeat(usize::from(MARGIN))));
    line
}

/// The day and the time of day of a moment, to a hundredth of a second.
fn date_and_time(model: &Model, time_ns: u64) -> (String, String) {
    let Some(timeline) = &model.timeline else { return Default::default() };
    let Ok(moment) = Timestamp::from_nanosecond(timeline.clock.unix_ns(time_ns)) else {
        return ("date unknown".to_owned(), String::new());
    };
    let moment = moment.to_zoned(model.zone.clone());
    (moment.strftime("%Y-%m-%d %Z").to_string(), moment.strftime("%H:%M:%S%.2f").to_string())
}
