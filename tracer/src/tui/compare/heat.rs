//! Latency over time, both sides beside each other: one scale of latency, one of time, one of colour. Time in
//! which nothing was recorded or called looks like nothing else, so that nobody takes it for "fast".

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use tracer_common::bucket::{self, GROUPING_POWER};

use crate::columns::{Align, fit};
use crate::compare::{Change, Key, Side};
use crate::human;
use crate::tui::theme::{HEAT_STEPS, Theme};

use super::model::Model;
use super::screen::put;

/// How to read them.
pub(super) const LEGEND: &str = "from few calls . to many @; a dot in the middle of the line: no call then";

/// Width of the latencies at the left.
const LABEL: u16 = 8;

/// A side as cells of (time, latency): calls per second.
struct Map {
    /// By column, then by doubling of latency from the lowest one of both sides on; `None` without any call.
    columns: Vec<Option<Vec<f64>>>,
}

/// Doublings of latency that occur.
struct Scale {
    first: usize,
    step: usize,
    lines: usize,
}

impl Scale {
    fn of(row: &Change, lines: usize) -> Option<Self> {
        let sides = [&row.before.latencies, &row.after.latencies];
        let powers = || sides.into_iter().flat_map(|side| side.buckets().map(|bucket| power(bucket.low_ns)));
        let (first, last) = (powers().min()?, powers().max()?);
        let mut step = 1;
        while last / step - first / step + 1 > lines.max(1) {
            step += 1;
        }
        Some(Self { first: first / step, step, lines: last / step - first / step + 1 })
    }

    fn line_of(&self, ns: u64) -> usize {
        (power(ns) / self.step).saturating_sub(self.first).min(self.lines - 1)
    }

    fn low_ns(&self, line: usize) -> u64 {
        1 << ((self.first + line) * self.step).min(63)
    }
}

fn power(ns: u64) -> usize {
    ns.max(1).ilog2() as usize
}

impl Map {
    /// Columns of `column_ns` each.
    fn of(side: &Side, key: Key, scale: &Scale, column_ns: u64) -> Self {
        let mut ends = Vec::with_capacity(side.slices().len());
        let mut elapsed = 0;
        for slice in side.slices() {
            ends.push(elapsed + slice.duration_ns / 2);
            elapsed += slice.duration_ns;
        }
        let mut columns = vec![None; elapsed.div_ceil(column_ns.max(1)) as usize];
        for (slice, buckets) in side.latencies_over_time(key) {
            let at = ends.get(slice).map_or(0, |middle| (middle / column_ns.max(1)) as usize);
            let Some(column) = columns.get_mut(at).filter(|_| !buckets.is_empty()) else { continue };
            let cells = column.get_or_insert_with(|| vec![0.0; scale.lines]);
            for &(index, count) in buckets {
                let low_ns = bucket::lower_bound(usize::from(index), GROUPING_POWER);
                cells[scale.line_of(low_ns)] += f64::from(count) * 1e9 / column_ns.max(1) as f64;
            }
        }
        Self { columns }
    }

    fn most(&self) -> f64 {
        self.columns.iter().flatten().flatten().copied().fold(0.0, f64::max)
    }
}

/// Draws both maps.
pub(super) fn draw(model: &Model, row: &Change, buffer: &mut Buffer, area: Rect) {
    let lines = usize::from(area.height.saturating_sub(1));
    let half = area.width.saturating_sub(LABEL + 2) / 2;
    let Some(scale) = Scale::of(row, lines).filter(|_| lines > 0 && half > 4) else { return };
    let sides = [&model.compared.before, &model.compared.after];
    let longest = sides.into_iter().map(Side::duration_ns).max().unwrap_or(0);
    // One scale of time; no finer than the slices, or every second column would be empty.
    let slice_ns = sides.into_iter().flat_map(Side::slices).map(|slice| slice.duration_ns).max().unwrap_or(1);
    let column_ns = longest.div_ceil(u64::from(half)).max(slice_ns).max(1);
    let maps = sides.map(|side| Map::of(side, row.key, &scale, column_ns));
    let most = maps.iter().map(Map::most).fold(0.0, f64::max);
    let head = |name: &str, side: &Side| {
        fit(
            &format!("{name}, {} over {}", "calls", human::duration(side.duration_ns())),
            usize::from(half),
            Align::Left,
        )
    };
    let heads = Line::from(vec![
        Span::raw(" ".repeat(usize::from(LABEL) + 1)),
        Span::styled(head("before", sides[0]), model.theme.good().patch(model.theme.head())),
        Span::raw(" "),
        Span::styled(head("after", sides[1]), model.theme.note().patch(model.theme.head())),
    ]);
    put(buffer, area, 0, &heads);
    for line in 0..scale.lines {
        // The slowest on top.
        let at = (scale.lines - 1 - line) as u16 + 1;
        let mut spans = vec![Span::raw(format!(
            "{} ",
            fit(&human::duration(scale.low_ns(line)), usize::from(LABEL), Align::Right)
        ))];
        for map in &maps {
            spans.extend((0..usize::from(half)).map(|column| cell(map, column, line, most, model.theme)));
            spans.push(Span::raw(" "));
        }
        put(buffer, area, at, &Line::from(spans));
    }
}

fn cell(map: &Map, column: usize, line: usize, most: f64, theme: Theme) -> Span<'static> {
    const SHADES: [&str; HEAT_STEPS] = ["░", "░", "▒", "▓", "█"];
    match map.columns.get(column) {
        // Beyond the end of this side.
        None => Span::raw(" "),
        Some(None) => Span::styled("·", theme.dim()),
        Some(Some(cells)) if cells[line] <= 0.0 => Span::styled(" ", Style::new()),
        Some(Some(cells)) => {
            let share = (1.0 + cells[line]).ln() / (1.0 + most).ln();
            let step = ((share * HEAT_STEPS as f64) as usize).min(HEAT_STEPS - 1);
            Span::styled(SHADES[step], theme.heat(step))
        }
    }
}
