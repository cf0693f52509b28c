//! Calls by latency as bars, with the percentiles beside them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::LADDER;
use super::put;
use crate::columns::{self, Align};
use crate::human;
use crate::snapshot::CallStats;
use crate::tui::model::Model;

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

/// Draws it.
pub(super) fn draw(model: &Model, stats: &CallStats, buffer: &mut Buffer, area: Rect) {
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
