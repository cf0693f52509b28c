//! One syscall: how long it takes and took over time, how it fails, who is in it now, what was slowest, who calls it.

mod histogram;
mod lists;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

use super::{PIECE_GAP, Piece, justified, over_time, put};
use crate::human;
use crate::snapshot::{AtLeast, CallRow};
use crate::tui::model::Model;

/// Width from which two things stand side by side.
const WIDE: u16 = 76;

/// Percentiles of the ladder.
const LADDER: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Draws the syscall of the screen shown.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let Some(call) = model.call() else {
        let words = " no figures: the process ended and was summed up with others (Esc goes back)";
        put(buffer, area, 0, &Line::styled(words, model.theme.dim()));
        return;
    };
    let mut at = 0;
    let width = usize::from(area.width);
    for pieces in [counts(model, call), ladder(model, call)] {
        for line in flow(pieces, width) {
            put(buffer, area, at, &line);
            at += 1;
        }
    }
    let below = Rect { y: area.y + at.min(area.height), height: area.height.saturating_sub(at), ..area };
    if area.width >= WIDE {
        let (left, right) = halves(below);
        let upper = upper_height(below.height, model.over_time().is_some());
        let [lower_left, lower_right] = [left, right].map(|half| Rect {
            y: half.y + upper,
            height: half.height.saturating_sub(upper),
            ..half
        });
        histogram::draw(model, &call.stats, buffer, Rect { height: upper, ..left });
        if let Some(over) = model.over_time() {
            over_time::draw_small(model, over, buffer, Rect { height: upper, ..right });
            let lists = [lists::open(model, call), lists::on(model, call), lists::slowest(model, call)];
            lists::draw(model, buffer, lower_left, &lists);
            let lists = [lists::errnos(model, call), lists::stacks(model, call), lists::threads(model, call)];
            lists::draw(model, buffer, lower_right, &lists);
        } else {
            // Nothing is known of its past: the room is for the lists.
            lists::draw(model, buffer, right, &[lists::open(model, call), lists::errnos(model, call)]);
            let lists = [
                lists::on(model, call),
                lists::slowest(model, call),
                lists::stacks(model, call),
                lists::threads(model, call),
            ];
            lists::draw(model, buffer, lower_left, &lists);
        }
    } else {
        let upper = below.height.div_ceil(2);
        histogram::draw(model, &call.stats, buffer, Rect { height: upper, ..below });
        let rest = Rect { y: below.y + upper, height: below.height - upper, ..below };
        let all = [
            lists::open(model, call),
            lists::errnos(model, call),
            lists::on(model, call),
            lists::slowest(model, call),
            lists::stacks(model, call),
            lists::threads(model, call),
        ];
        lists::draw(model, buffer, rest, &all);
    }
}

/// The two halves of a wide page.
fn halves(area: Rect) -> (Rect, Rect) {
    let left = area.width / 2;
    (Rect { width: left, ..area }, Rect { x: area.x + left + 1, width: area.width - left - 1, ..area })
}

/// Lines of the histogram and the map.
fn upper_height(height: u16, has_map: bool) -> u16 {
    if has_map { (height * 11 / 20).max(height.min(6)) } else { height.div_ceil(2) }
}

/// Cells of the map on a page of this width; `None` where it has no room.
pub(in crate::tui) fn map_cells(width: u16) -> Option<u16> {
    let (_, right) = halves(Rect { width, ..Rect::default() });
    (width >= WIDE).then(|| over_time::cells(right.width))
}

fn counts(model: &Model, call: &CallRow) -> Vec<Piece> {
    let (theme, stats) = (model.theme, &call.stats);
    let rate = model.shown.per_second(stats.recent_calls);
    let mut pieces = vec![
        Piece::new(format!("{} calls", human::count(stats.calls)), theme.strong(), 0),
        Piece::new(format!("{}/s now", human::short_count(rate)), theme.plain(), 0),
    ];
    if stats.errors > 0 {
        let share = human::percent(stats.errors as f64, stats.calls as f64);
        let text = format!("{} failed ({share}%)", human::count(stats.errors));
        pieces.push(Piece::new(text, theme.note(), 0));
    } else {
        pieces.push(Piece::new("none failed", theme.plain(), 0));
    }
    for (number, what) in [
        (stats.denied, "refused before entry"),
        (stats.interrupted, "interrupted"),
        (stats.no_return, "never to return"),
    ] {
        if number > 0 {
            pieces.push(Piece::new(format!("{} {what}", human::count(number)), theme.plain(), 0));
        }
    }
    let total = format!("total {}", human::duration(stats.total_ns));
    pieces.push(Piece::new(total, theme.plain(), 0));
    if let Some(mean_ns) = stats.mean_ns() {
        pieces.push(Piece::new(format!("mean {}", human::duration(mean_ns)), theme.plain(), 0));
    }
    if call.waits_by_design {
        pieces.push(Piece::new("waits by design", theme.dim(), 0));
    }
    pieces
}

fn ladder(model: &Model, call: &CallRow) -> Vec<Piece> {
    let (theme, stats) = (model.theme, &call.stats);
    let mut pieces = Vec::new();
    if stats.latencies.is_empty() {
        pieces.push(Piece::new("none has completed", theme.dim(), 0));
    } else {
        pieces.push(Piece::new(format!("min {}", human::duration(stats.min_ns)), theme.plain(), 0));
    }
    let mut is_explained = false;
    for (name, quantile) in LADDER {
        if let Some(AtLeast { ns, exactly }) = call.quantile_with_open(quantile, model.shown.end_ns) {
            let mut text = format!("{name} {}{}", if exactly { "" } else { "≥ " }, human::duration(ns));
            if !exactly && !is_explained {
                text = format!("{text} ({} open)", human::count(stats.in_flight));
                is_explained = true;
            }
            pieces.push(Piece::new(text, theme.strong(), 0));
        }
    }
    if !stats.latencies.is_empty() {
        pieces.push(Piece::new(format!("max {}", human::duration(stats.max_ns)), theme.plain(), 0));
    }
    pieces
}

/// Pieces on as many lines as they need.
fn flow(pieces: Vec<Piece>, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Vec::new()];
    let mut used = 0;
    for piece in pieces {
        let needs = piece.text.width() + PIECE_GAP;
        if used > 0 && used + needs > width + PIECE_GAP {
            lines.push(Vec::new());
            used = 0;
        }
        used += needs;
        if let Some(line) = lines.last_mut() {
            line.push(piece);
        }
    }
    lines.into_iter().map(|line| justified(line, Vec::new(), width)).collect()
}
