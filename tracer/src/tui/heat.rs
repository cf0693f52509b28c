//! Maps of latency over time, one or two beside each other: one scale of latency, one of colour. Time in which
//! nothing was called or recorded looks like nothing else, so that nobody takes it for "fast".

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::{HEAT_STEPS, Theme};
use super::view::put;
use crate::columns::{Align, fit};
use crate::human;

/// Width of the latencies at the left, the blank after them not counted.
pub(super) const LABEL: u16 = 8;

/// Fewer calls than this in a cell are a share of one that lies mostly in another.
const LEAST: f64 = 1e-6;

/// Doublings of latency that occur, some of them together where there are too few lines.
pub(super) struct Scale {
    first: usize,
    step: usize,
    lines: usize,
}

impl Scale {
    /// Of calls with these powers of two of ns, on at most so many lines; `None` without any.
    pub(super) fn of(powers: impl Iterator<Item = usize>, lines: usize) -> Option<Self> {
        let (first, last) =
            powers.fold((usize::MAX, 0), |(low, high), power| (low.min(power), high.max(power)));
        if first > last || lines == 0 {
            return None;
        }
        let mut step = 1;
        while last / step - first / step + 1 > lines {
            step += 1;
        }
        Some(Self { first: first / step, step, lines: last / step - first / step + 1 })
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// The line of calls that took this power of two of ns; the fastest have line 0.
    pub(super) fn line_of(&self, power: usize) -> usize {
        (power / self.step).saturating_sub(self.first).min(self.lines - 1)
    }

    fn low_ns(&self, line: usize) -> u64 {
        1 << ((self.first + line) * self.step).min(63)
    }
}

/// A stretch of time.
#[derive(Clone, Debug)]
pub(super) enum Stretch {
    /// Nothing was recorded.
    Unknown,
    /// Nothing was called.
    Idle,
    /// Calls a second, by line of the scale.
    Calls(Vec<f64>),
}

/// One map.
pub(super) struct Map {
    /// Oldest first.
    pub(super) stretches: Vec<Stretch>,
    /// Cells that it is wide; what is beyond its last stretch stays blank.
    pub(super) cells: usize,
    /// Cells of a stretch.
    pub(super) zoom: usize,
}

impl Map {
    /// The most calls a second in any cell.
    fn most(&self) -> f64 {
        let calls = self.stretches.iter().filter_map(|stretch| match stretch {
            Stretch::Calls(cells) => Some(cells),
            _ => None,
        });
        calls.flatten().copied().fold(0.0, f64::max)
    }

    fn cell(&self, at: usize, line: usize, most: f64, theme: Theme) -> Span<'static> {
        const SHADES: [&str; HEAT_STEPS] = ["░", "░", "▒", "▓", "█"];
        match self.stretches.get(at / self.zoom.max(1)) {
            None => Span::raw(" "),
            Some(Stretch::Unknown) => Span::styled("/", theme.dim()),
            Some(Stretch::Idle) => Span::styled("·", theme.dim()),
            Some(Stretch::Calls(cells)) if cells[line] < LEAST => Span::raw(" "),
            Some(Stretch::Calls(cells)) => {
                let share = (1.0 + cells[line]).ln() / (1.0 + most).ln();
                let step = ((share * HEAT_STEPS as f64) as usize).min(HEAT_STEPS - 1);
                Span::styled(SHADES[step], theme.heat(step))
            }
        }
    }
}

/// Draws the maps on one scale, the slowest calls on top, in the first lines of the area.
pub(super) fn draw(scale: &Scale, maps: &[Map], theme: Theme, buffer: &mut Buffer, area: Rect) {
    let most = maps.iter().map(Map::most).fold(0.0, f64::max);
    for (at, line) in (0..area.height).zip((0..scale.lines).rev()) {
        let label = fit(&human::duration(scale.low_ns(line)), usize::from(LABEL), Align::Right);
        let mut spans = vec![Span::raw(format!("{label} "))];
        for map in maps {
            spans.extend((0..map.cells).map(|cell| map.cell(cell, line, most, theme)));
            spans.push(Span::raw(" "));
        }
        put(buffer, area, at, &Line::from(spans));
    }
}
