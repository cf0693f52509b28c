//! Latency over time, both sides beside each other: one scale of latency, one of time, one of colour.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use tracer_common::bucket::{self, GROUPING_POWER};

use crate::columns::{Align, fit};
use crate::compare::{Change, Key, Side};
use crate::human;
use crate::tui::heat::{self, LABEL, Map, Scale, Stretch};

use super::model::Model;
use super::screen::put;

/// How to read them.
pub(super) const LEGEND: &str = "from few calls . to many @; a dot in the middle of the line: no call then";

fn power(ns: u64) -> usize {
    ns.max(1).ilog2() as usize
}

fn scale_of(row: &Change, lines: usize) -> Option<Scale> {
    let sides = [&row.before.latencies, &row.after.latencies];
    Scale::of(sides.into_iter().flat_map(|side| side.buckets().map(|bucket| power(bucket.low_ns))), lines)
}

/// A side in stretches of `stretch_ns` each.
fn map_of(side: &Side, key: Key, scale: &Scale, stretch_ns: u64, cells: usize) -> Map {
    let mut middles = Vec::with_capacity(side.slices().len());
    let mut elapsed = 0;
    for slice in side.slices() {
        middles.push(elapsed + slice.duration_ns / 2);
        elapsed += slice.duration_ns;
    }
    let mut stretches = vec![Stretch::Idle; elapsed.div_ceil(stretch_ns.max(1)) as usize];
    for (slice, buckets) in side.latencies_over_time(key) {
        let at = middles.get(slice).map_or(0, |middle| (middle / stretch_ns.max(1)) as usize);
        let Some(stretch) = stretches.get_mut(at).filter(|_| !buckets.is_empty()) else { continue };
        if matches!(stretch, Stretch::Idle) {
            *stretch = Stretch::Calls(vec![0.0; scale.lines()]);
        }
        let Stretch::Calls(counts) = stretch else { continue };
        for &(index, count) in buckets {
            let low_ns = bucket::lower_bound(usize::from(index), GROUPING_POWER);
            counts[scale.line_of(power(low_ns))] += f64::from(count) * 1e9 / stretch_ns.max(1) as f64;
        }
    }
    Map { stretches, cells, zoom: 1 }
}

/// Draws both maps.
pub(super) fn draw(model: &Model, row: &Change, buffer: &mut Buffer, area: Rect) {
    let lines = usize::from(area.height.saturating_sub(1));
    let half = area.width.saturating_sub(LABEL + 2) / 2;
    let Some(scale) = scale_of(row, lines).filter(|_| half > 4) else { return };
    let sides: [&Side; 2] = [&model.compared.before, &model.compared.after];
    let longest = sides.into_iter().map(Side::duration_ns).max().unwrap_or(0);
    // One scale of time; no finer than the slices, or every second column would be empty.
    let slice_ns = sides.into_iter().flat_map(Side::slices).map(|slice| slice.duration_ns).max().unwrap_or(1);
    let stretch_ns = longest.div_ceil(u64::from(half)).max(slice_ns).max(1);
    let maps = sides.map(|side| map_of(side, row.key, &scale, stretch_ns, usize::from(half)));
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
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    heat::draw(&scale, &maps, model.theme, buffer, below);
}
