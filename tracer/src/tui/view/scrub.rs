//! The axis of time: how busy it was, where in it we are, what was marked.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Piece, justified, put};
use crate::columns;
use crate::human;
use crate::run::Origin;
use crate::spark;
use crate::timeline::{Activity, Mark, Motion, Timeline};
use crate::tui::model::Model;

/// Terminal heights from which there is room for the bar, and for the names of marks above it.
const ROOM_FOR_BAR: u16 = 12;
const ROOM_FOR_MARKS: u16 = 20;

/// Cells left and right of the bar.
const MARGIN: u16 = 1;

/// What it has lines for on a terminal of this height: names of marks, the bar, words.
fn parts(model: &Model, height: u16) -> [bool; 3] {
    let Some(timeline) = &model.timeline else { return [false; 3] };
    // Of a live run one watches the figures: its axis is there, but takes no line that they need.
    let is_watching = model.run.origin == Origin::Live && timeline.motion == Motion::Following;
    let has_room = height >= ROOM_FOR_MARKS;
    let marks = has_room && !timeline.marks.is_empty();
    if is_watching { [marks, has_room, false] } else { [marks, height >= ROOM_FOR_BAR, true] }
}

/// Lines that it takes on a terminal of this height.
pub(in crate::tui) fn lines(model: &Model, height: u16) -> u16 {
    parts(model, height).into_iter().map(u16::from).sum()
}

/// Draws it.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let Some(timeline) = &model.timeline else { return };
    let bar = Rect { x: area.x + MARGIN, width: area.width.saturating_sub(2 * MARGIN), ..area };
    let [has_marks, has_bar, has_words] = parts(model, buffer.area.height);
    if has_marks {
        draw_marks(model, timeline, buffer, bar);
    }
    if has_bar {
        put(buffer, bar, u16::from(has_marks), &bar_line(model, timeline, usize::from(bar.width)));
    }
    if has_words {
        put(buffer, area, area.height.saturating_sub(1), &status(model, timeline, usize::from(area.width)));
    }
}

/// The cell of the bar that a moment lies in; `None` before everything that can be moved to.
fn cell_of(timeline: &Timeline, time_ns: u64, cells: usize) -> Option<usize> {
    let since_ns = time_ns.checked_sub(timeline.reach_ns)?;
    let span_ns = timeline.end_ns.saturating_sub(timeline.reach_ns).max(1);
    let share = since_ns as f64 / span_ns as f64;
    Some(((share * cells as f64) as usize).min(cells.saturating_sub(1)))
}

fn draw_marks(model: &Model, timeline: &Timeline, buffer: &mut Buffer, bar: Rect) {
    let cells = usize::from(bar.width);
    let placed: Vec<(usize, &Mark)> = timeline
        .marks
        .iter()
        .filter_map(|mark| Some((cell_of(timeline, mark.time_ns, cells)?, mark)))
        .collect();
    for (index, &(at, mark)) in placed.iter().enumerate() {
        let end = placed[index + 1..].iter().map(|(next, _)| *next).find(|&next| next > at).unwrap_or(cells);
        // Of marks in one cell the first is named.
        if index > 0 && placed[index - 1].0 == at {
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
    let activity = timeline.rates.over(timeline.reach_ns, timeline.end_ns, cells);
    let highest = activity.iter().map(|cell| cell.calls).fold(0.0, f64::max);
    let usual = usual_errors(timeline);
    let here = cell_of(timeline, timeline.position_ns, cells).unwrap_or(0);
    let spans = activity.iter().enumerate().map(|(index, cell)| {
        if index == here {
            return Span::styled("┃", theme.strong());
        }
        let base = if index < here { theme.plain() } else { theme.dim() };
        Span::styled(
            spark::level(cell.calls, highest),
            if fails_more(*cell, usual) { failing(model) } else { base },
        )
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
        let moment = |format| time_of_day(model, timeline.position_ns, format);
        left.push(Piece::new(moment("%H:%M:%S%.2f"), theme.strong(), 0));
        left.push(Piece::new(moment("%Y-%m-%d %Z"), theme.plain(), 2));
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

/// A moment on the reader's clock; nothing where the run's clock cannot be told.
pub(super) fn time_of_day(model: &Model, time_ns: u64, format: &str) -> String {
    let moment = model.timeline.as_ref().map(|timeline| timeline.clock.unix_ns(time_ns));
    match moment.map(Timestamp::from_nanosecond) {
        Some(Ok(moment)) => moment.to_zoned(model.zone.clone()).strftime(format).to_string(),
        _ => "unknown time".to_owned(),
    }
}
