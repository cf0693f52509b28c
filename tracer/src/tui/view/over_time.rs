//! A selection over time: the map of its latencies, its rate, its p99 and its errors, on one axis.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

use super::put;
use crate::columns::{Align, age, clip, fit};
use crate::human;
use crate::over_time::{Column, OverTime};
use crate::spark::{self, Point};
use crate::tui::heat::{self, LABEL, Map, Scale, Stretch};
use crate::tui::model::{Model, Screen};

/// Widest that one stretch of time is drawn.
const MOST_ZOOM: usize = 3;

/// Heights from which there is room for the lines below the map, and for the legend.
const ROOM_FOR_LINES: u16 = 10;
const ROOM_FOR_LEGEND: u16 = 8;
const ROOM_FOR_SMALL_LINES: u16 = 7;

/// How to read the map.
const LEGEND: &str = "light: few calls, dense: many   · no call   / not recorded";

/// Cells of the map on a page of this width.
pub(in crate::tui) fn cells(width: u16) -> u16 {
    width.saturating_sub(LABEL + 2)
}

/// Draws the page.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    put(buffer, area, 0, &Line::styled(fit(&title(model), width, Align::Left), model.theme.head()));
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let Some(over) = model.over_time() else {
        put(buffer, area, 0, &Line::styled(format!(" {}", why_nothing(model)), model.theme.dim()));
        return;
    };
    let lines = if area.height >= ROOM_FOR_LINES { 3 } else { 0 };
    let legend = u16::from(area.height >= ROOM_FOR_LEGEND);
    let map = Rect { height: area.height.saturating_sub(1 + lines + legend), ..area };
    let used = draw_map(model, over, buffer, map);
    let below = Rect { y: map.y + used, height: area.height.saturating_sub(used), ..area };
    put(
        buffer,
        below,
        0,
        &Line::styled(axis(model, over, usize::from(cells(area.width))), model.theme.plain()),
    );
    let figures = Rect { y: below.y + 1, height: lines.min(below.height.saturating_sub(1)), ..below };
    let [rate, slow_ns, errors] = draw_lines(model, over, buffer, figures);
    if legend > 0 {
        let mut text = format!(" {LEGEND}");
        if lines > 0 {
            let heights = format!(
                "   highest: {} calls/s, p99 {}, {} errors/s",
                human::short_count(rate),
                human::duration(slow_ns as u64),
                human::short_count(errors),
            );
            // The legend of the map gives way: figures are nowhere else.
            if text.width() + heights.width() > width {
                text = String::from(" · no call   / not recorded");
            }
            text += &heights;
        }
        put(buffer, below, 1 + lines, &Line::styled(clip(&text, width), model.theme.dim()));
    }
}

/// Draws the map for a part of a page, its rate and p99 below it.
pub(super) fn draw_small(model: &Model, over: &OverTime, buffer: &mut Buffer, area: Rect) {
    let [from, to] = [over.start_ns, over.end_ns].map(|ns| time_of(model, over, ns));
    let head = format!("over time, {from} to {to} (5: more)");
    put(buffer, area, 0, &Line::styled(fit(&head, usize::from(area.width), Align::Left), model.theme.head()));
    let lines = if area.height >= ROOM_FOR_SMALL_LINES { 2 } else { 0 };
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let used = draw_map(model, over, buffer, Rect { height: below.height.saturating_sub(lines), ..below });
    let below = Rect { y: below.y + used, height: below.height.saturating_sub(used), ..below };
    draw_lines(model, over, buffer, Rect { height: lines.min(below.height), ..below });
}

/// Draws rate, p99 and errors, as many as there are lines. The highest of each.
fn draw_lines(model: &Model, over: &OverTime, buffer: &mut Buffer, area: Rect) -> [f64; 3] {
    let rates = points(over, |column| column.rate().filter(|rate| *rate > 0.0));
    let slow = points(over, |column| column.quantile_ns(0.99).map(|ns| ns as f64));
    let errors = points(over, Column::error_rate);
    let zoom = zoom(over, usize::from(cells(area.width)));
    for (at, (label, figures, style)) in (0..area.height).zip([
        ("calls/s", &rates, model.theme.good()),
        ("p99", &slow, model.theme.note()),
        ("errors/s", &errors, model.theme.note()),
    ]) {
        let text = format!("{} {}", fit(label, usize::from(LABEL), Align::Right), spark::line(figures, zoom));
        put(buffer, area, at, &Line::styled(text, style));
    }
    [rates, slow, errors].map(|figures| spark::highest(&figures))
}

/// Draws the map alone; the lines it took.
fn draw_map(model: &Model, over: &OverTime, buffer: &mut Buffer, area: Rect) -> u16 {
    let powers = over.columns.iter().flat_map(|column| column.powers().map(|(power, _)| power));
    let Some(scale) = Scale::of(powers, usize::from(area.height)) else {
        let words = " no call has completed in this time";
        put(buffer, area, 0, &Line::styled(words, model.theme.dim()));
        return 1.min(area.height);
    };
    let stretches = over.columns.iter().map(|column| stretch(column, &scale)).collect();
    let cells = usize::from(cells(area.width));
    let map = Map { stretches, cells, zoom: zoom(over, cells) };
    heat::draw(&scale, &[map], model.theme, buffer, area);
    scale.lines() as u16
}

/// A figure of each column.
fn points(over: &OverTime, figure: impl Fn(&Column) -> Option<f64>) -> Vec<Point> {
    let point = |column: &Column| match figure(column) {
        _ if column.covered_ns == 0 => Point::Unknown,
        None => Point::None,
        Some(figure) => Point::Figure(figure),
    };
    over.columns.iter().map(point).collect()
}

fn stretch(column: &Column, scale: &Scale) -> Stretch {
    match column.rate() {
        None => Stretch::Unknown,
        Some(rate) if rate <= 0.0 => Stretch::Idle,
        Some(_) => {
            let mut calls = vec![0.0; scale.lines()];
            for (power, count) in column.powers() {
                calls[scale.line_of(power)] += count * 1e9 / column.covered_ns as f64;
            }
            Stretch::Calls(calls)
        }
    }
}

/// Cells of one column: more than one while there are few.
fn zoom(over: &OverTime, cells: usize) -> usize {
    (cells / over.columns.len().max(1)).clamp(1, MOST_ZOOM)
}

fn title(model: &Model) -> String {
    let Screen::OverTime(_, call) = model.screen() else { return String::new() };
    let what = match call {
        Some(_) => "latency over time",
        None => "latency over time, of calls that do not wait by design",
    };
    let open = model.call().map_or(0, |call| call.stats.in_flight);
    let oldest_ns = model.call().map_or(0, |call| call.stats.oldest_in_flight_ns);
    match open {
        0 => format!(" {what}"),
        open => format!(" {what}; {} not returned, the oldest after {}", human::count(open), age(oldest_ns)),
    }
}

fn why_nothing(model: &Model) -> &'static str {
    if model.wanted().is_none() {
        "nothing is kept over time of many processes in one row (Esc goes back)"
    } else if model.over_time.is_some() {
        "reading what is kept"
    } else {
        "waiting for the first figures"
    }
}

/// The line under the map: from when to when, and how long one column is.
fn axis(model: &Model, over: &OverTime, cells: usize) -> String {
    let used = (over.columns.len() * zoom(over, cells)).min(cells);
    let [from, to] = [over.start_ns, over.end_ns].map(|ns| time_of(model, over, ns));
    let middle = format!("a column is {}", human::length(over.column_ns));
    let indent = " ".repeat(usize::from(LABEL) + 1);
    let room = used.saturating_sub(from.width() + to.width());
    // What does not fit between the ends stands after them.
    if room >= middle.width() + 2 {
        let left = (room - middle.width()) / 2;
        let right = room - middle.width() - left;
        format!("{indent}{from}{}{middle}{}{to}", " ".repeat(left), " ".repeat(right))
    } else {
        format!("{indent}{from} to {to}, {middle}")
    }
}

/// The time of day of a moment, where it is known.
pub(super) fn time_of_day(model: &Model, time_ns: u64) -> Option<String> {
    let clock = model.timeline.as_ref()?.clock;
    let moment = Timestamp::from_nanosecond(clock.unix_ns(time_ns)).ok()?;
    Some(moment.to_zoned(model.zone.clone()).strftime("%H:%M:%S").to_string())
}

/// The time of day where it is known, or how long before the last moment shown.
fn time_of(model: &Model, over: &OverTime, time_ns: u64) -> String {
    match time_of_day(model, time_ns) {
        Some(time) => time,
        None if time_ns >= over.end_ns => "now".to_owned(),
        None => format!("{} before", human::clock(over.end_ns - time_ns)),
    }
}
