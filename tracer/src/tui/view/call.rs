//! One syscall: how long it takes, how it fails, who is in it now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{Piece, justified, put};
use crate::columns::{self, Align, GAP, Row};
use crate::human;
use crate::snapshot::{CallRow, CallStats, ProcessRow};
use crate::tui::model::Model;

/// Width from which the histogram and the lists stand side by side.
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
    for pieces in [counts(model, call), ladder(model, &call.stats)] {
        for line in flow(pieces, width) {
            put(buffer, area, at, &line);
            at += 1;
        }
    }
    let below = Rect { y: area.y + at.min(area.height), height: area.height.saturating_sub(at), ..area };
    if area.width >= WIDE {
        let left = area.width * 11 / 20;
        draw_histogram(model, &call.stats, buffer, Rect { width: left, ..below });
        let lists = Rect { x: below.x + left + 1, width: area.width - left - 1, ..below };
        draw_lists(model, call, buffer, lists);
    } else {
        let upper = below.height.div_ceil(2);
        draw_histogram(model, &call.stats, buffer, Rect { height: upper, ..below });
        let lists = Rect { y: below.y + upper, height: below.height - upper, ..below };
        draw_lists(model, call, buffer, lists);
    }
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

fn ladder(model: &Model, stats: &CallStats) -> Vec<Piece> {
    let theme = model.theme;
    if stats.latencies.is_empty() {
        return vec![Piece::new("none has completed: no latency yet", theme.dim(), 0)];
    }
    let mut pieces = vec![Piece::new(format!("min {}", human::duration(stats.min_ns)), theme.plain(), 0)];
    for (name, quantile) in LADDER {
        if let Some(ns) = stats.quantile_ns(quantile) {
            pieces.push(Piece::new(format!("{name} {}", human::duration(ns)), theme.strong(), 0));
        }
    }
    pieces.push(Piece::new(format!("max {}", human::duration(stats.max_ns)), theme.plain(), 0));
    pieces
}

/// Pieces on as many lines as they need.
fn flow(pieces: Vec<Piece>, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Vec::new()];
    let mut used = 0;
    for piece in pieces {
        let needs = piece.text.width() + super::PIECE_GAP;
        if used > 0 && used + needs > width + super::PIECE_GAP {
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

/// A line of the histogram.
struct Bin {
    low_ns: u64,
    count: u64,
    marks: Vec<&'static str>,
}

/// Calls by latency, a line for each doubling; for each fourfold, eightfold… where there are too few lines.
fn bins(stats: &CallStats, lines: usize) -> Vec<Bin> {
    let power = |ns: u64| ns.max(1).ilog2() as usize;
    let bounds = || stats.latencies.buckets().map(|bucket| power(bucket.low_ns));
    let (Some(first), Some(last)) = (bounds().min(), bounds().max()) else { return Vec::new() };
    let mut step = 1;
    while last / step - first / step + 1 > lines.max(1) {
        step += 1;
    }
    let mut bins: Vec<Bin> = (first / step..=last / step)
        .map(|bin| Bin { low_ns: 1 << (bin * step).max(first), count: 0, marks: Vec::new() })
        .collect();
    let index_of = |ns: u64| power(ns) / step - first / step;
    for bucket in stats.latencies.buckets() {
        bins[index_of(bucket.low_ns)].count += bucket.count;
    }
    for (name, quantile) in LADDER {
        if let Some(bucket) = stats.latencies.quantile(quantile) {
            bins[index_of(bucket.low_ns)].marks.push(name);
        }
    }
    bins
}

fn draw_histogram(model: &Model, stats: &CallStats, buffer: &mut Buffer, area: Rect) {
    const LABEL: usize = 8;
    const COUNT: usize = 7;
    const MARKS: usize = 12;
    let head = format!("{:>LABEL$} number of calls since the start", "from");
    put(
        buffer,
        area,
        0,
        &Line::styled(columns::fit(&head, usize::from(area.width), Align::Left), model.theme.head()),
    );
    let bins = bins(stats, usize::from(area.height.saturating_sub(1)));
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    let bar_width = usize::from(area.width).saturating_sub(LABEL + COUNT + MARKS + 3);
    for (at, bin) in bins.iter().enumerate() {
        let text = format!(
            "{} {} {}",
            columns::fit(&human::duration(bin.low_ns), LABEL, Align::Right),
            columns::fit(&bar(bin.count, most, bar_width), bar_width, Align::Left),
            columns::fit(&columns::whole(bin.count, COUNT), COUNT, Align::Right),
        );
        let line = Line::from(vec![
            Span::styled(text, model.theme.plain()),
            Span::styled(format!(" {}", marks_text(&bin.marks)), model.theme.good()),
        ]);
        put(buffer, area, at as u16 + 1, &line);
    }
}

/// Percentiles that lie in one bin: each while they are few, the first and the last of more.
fn marks_text(marks: &[&str]) -> String {
    match marks {
        [first, _, .., last] => format!("{first}-{last}"),
        few => few.join(" "),
    }
}

/// A bar to scale; whatever is not zero can be seen.
fn bar(count: u64, most: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if count == 0 || most == 0 {
        return String::new();
    }
    let eighths =
        ((count as f64 / most as f64 * width as f64 * 8.0).round() as usize).clamp(1, width * 8 + 1);
    let text = "█".repeat(eighths / 8);
    text + EIGHTHS[eighths % 8]
}

fn draw_lists(model: &Model, call: &CallRow, buffer: &mut Buffer, area: Rect) {
    let (theme, width) = (model.theme, usize::from(area.width));
    let mut at = 0;
    // Open calls come first: they are what no other tool shows, and there may be many errnos.
    if !call.in_flight.is_empty() {
        let head = format!("in flight: {}", human::count(call.in_flight.len() as u64));
        put(buffer, area, at, &Line::styled(columns::fit(&head, width, Align::Left), theme.head()));
        at += 1;
        let room = if call.errnos.is_empty() { area.height } else { area.height.div_ceil(2) };
        let room = usize::from(room.saturating_sub(1));
        let style = if columns::is_stuck(call) { theme.stuck() } else { theme.plain() };
        let mark = if columns::is_stuck(call) { '!' } else { ' ' };
        for open in call.in_flight.iter().skip(model.cursor().top).take(room) {
            let age = columns::age(model.shown.end_ns.saturating_sub(open.enter_ns));
            let text = format!("{mark} pid {} thread {} for {age}", open.process.pid, open.tid);
            put(buffer, area, at, &Line::styled(columns::clip(&text, width), style));
            at += 1;
        }
        at += 1;
    }
    if call.errnos.is_empty() {
        return;
    }
    let placed = columns::lay_out(&columns::ERRNOS_OF_CALL, model.scope, width);
    let line = |text: &dyn Fn(&columns::Column) -> String| {
        let cells: Vec<String> =
            placed.iter().map(|at| columns::fit(&text(at.column), at.width, at.column.align)).collect();
        cells.join(&" ".repeat(GAP))
    };
    put(buffer, area, at, &Line::styled(line(&|column| column.title.to_owned()), theme.head()));
    // None of these columns asks whose errors they are.
    let nobody = ProcessRow::default();
    let context = model.context();
    for errno in &call.errnos {
        at += 1;
        let text = line(&|column| (column.text)(Row::Error(&nobody, call, errno), &context));
        put(buffer, area, at, &Line::raw(text));
    }
}
