//! One call on both sides: the ladder of percentiles, both histograms on one scale, its errnos, its heat maps.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::columns::{Align, fit};
use crate::compare::words::{latencies, pair, rate_words, share_verdict_words, share_words, verdict_words};
use crate::compare::{Change, QUANTILE_NAMES, Ratio, ShareVerdict, factor, latency};
use crate::histogram::Histogram;
use crate::human;
use crate::syscalls::errno;

use super::heat;
use super::model::Model;
use super::screen::put;

/// Lines of the ladder, its head included.
const LADDER: u16 = 7;

/// Lines that a histogram takes at most; what is left is for the heat maps.
const MOST_BINS: u16 = 14;

/// Draws the call of `row`.
pub(super) fn draw(model: &Model, row: &Change, buffer: &mut Buffer, area: Rect) {
    let theme = model.theme;
    let comm = row.owner().map_or_else(String::new, |owner| format!("{owner} "));
    let name = row.call_name().unwrap_or_else(|| "all calls".to_owned());
    let title = Line::from(vec![
        Span::styled(format!(" {comm}{name}  "), theme.strong()),
        Span::styled(verdict_words(row), theme.note()),
        Span::styled(format!("  {}", effect_words(row)), theme.dim()),
    ]);
    put(buffer, area, 0, &title);
    let ladder = Rect { y: area.y + 1, height: LADDER.min(area.height.saturating_sub(1)), ..area };
    draw_ladder(model, row, buffer, ladder);
    let rest = area.height.saturating_sub(1 + LADDER);
    let upper = (rest * 11 / 20).min(MOST_BINS);
    let middle = Rect { y: area.y + 1 + LADDER, height: upper, ..area };
    let lower = Rect { y: middle.y + upper, height: rest - upper, ..area };
    if row.errnos.is_empty() {
        draw_histograms(model, row, buffer, middle);
    } else {
        let left = area.width * 11 / 20;
        draw_histograms(model, row, buffer, Rect { width: left, ..middle });
        let right = Rect { x: area.x + left + 1, width: area.width - left - 1, ..middle };
        draw_errnos(model, row, buffer, right);
    }
    heat::draw(model, row, buffer, lower);
}

fn effect_words(row: &Change) -> String {
    match (row.effect(), row.delta, row.shift) {
        (Some(effect), Some(delta), Some(shift)) => format!(
            "{effect} effect: {}% of calls slower than one before, shifted by {}",
            human::percent(f64::midpoint(delta, 1.0), 1.0),
            factor(shift)
        ),
        _ => String::new(),
    }
}

fn draw_ladder(model: &Model, row: &Change, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let line = |cells: [String; 5]| {
        let widths = [8, 12, 12, 10, 20];
        let cells: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| fit(cell, width, Align::Right)).collect();
        fit(&cells.join(" "), width, Align::Left)
    };
    let heads = ["", "BEFORE", "AFTER", "CHANGE", "95% INTERVAL"].map(str::to_owned);
    put(buffer, area, 0, &Line::styled(line(heads), model.theme.head()));
    let show = |at: u16,
                name: &str,
                values: [Option<String>; 2],
                ratio: Option<Ratio>,
                style: Style,
                buffer: &mut Buffer| {
        let [before, after] = values.map(|value| value.unwrap_or_else(|| "-".to_owned()));
        let change = ratio.map_or_else(|| "-".to_owned(), |ratio| factor(ratio.value));
        let interval = ratio.and_then(|ratio| ratio.interval);
        let interval = interval
            .map_or_else(|| "-".to_owned(), |(low, high)| format!("{} to {}", factor(low), factor(high)));
        put(buffer, area, at, &Line::styled(line([name.to_owned(), before, after, change, interval]), style));
    };
    for (at, (name, quantile)) in QUANTILE_NAMES.iter().zip(&row.quantiles).enumerate() {
        let style = if quantile.verdict == row.verdict && row.telling() == Some(at) {
            model.theme.strong()
        } else {
            model.theme.plain()
        };
        let values = [quantile.before.map(latency), quantile.after.map(latency)];
        show(at as u16 + 1, name, values, quantile.ratio, style, buffer);
    }
    let maxima = [row.before.max_ns.map(human::duration), row.after.max_ns.map(human::duration)];
    let maximum = row.max_ratio.map(|value| Ratio { value, interval: None });
    show(5, "max", maxima, maximum, model.theme.plain(), buffer);
    let rates = [Some(rate_words(row.before.rate)), Some(rate_words(row.after.rate))];
    show(6, "calls/s", rates, row.rate, model.theme.plain(), buffer);
}

/// A line of the histograms: shares of the calls of each side.
struct Bin {
    low_ns: u64,
    shares: [f64; 2],
}

/// Doublings of latency, joined where there are too few lines.
fn bins(sides: [&Histogram; 2], lines: usize) -> Vec<Bin> {
    let power = |ns: u64| ns.max(1).ilog2() as usize;
    let powers = || sides.into_iter().flat_map(|side| side.buckets().map(|bucket| power(bucket.low_ns)));
    let (Some(first), Some(last)) = (powers().min(), powers().max()) else { return Vec::new() };
    let mut step = 1;
    while last / step - first / step + 1 > lines.max(1) {
        step += 1;
    }
    let mut bins: Vec<Bin> = (first / step..=last / step)
        .map(|bin| Bin { low_ns: 1 << (bin * step).max(first), shares: [0.0; 2] })
        .collect();
    for (at, side) in sides.into_iter().enumerate() {
        for bucket in side.buckets() {
            bins[power(bucket.low_ns) / step - first / step].shares[at] +=
                bucket.count as f64 / side.count() as f64;
        }
    }
    bins
}

fn draw_histograms(model: &Model, row: &Change, buffer: &mut Buffer, area: Rect) {
    const LABEL: usize = 8;
    let theme = model.theme;
    let head = Line::from(vec![
        Span::styled(format!("{:>LABEL$} share of calls: ", "from"), theme.head()),
        Span::styled("▀ before ", theme.good()),
        Span::styled("▄ after", theme.note()),
        Span::styled(" █ both", theme.plain()),
    ]);
    put(buffer, area, 0, &head);
    let bins =
        bins([&row.before.latencies, &row.after.latencies], usize::from(area.height.saturating_sub(1)));
    let most = bins.iter().flat_map(|bin| bin.shares).fold(0.0, f64::max);
    let room = usize::from(area.width).saturating_sub(LABEL + 16);
    let cells = |share: f64| {
        let cells = (share / most * room as f64).round() as usize;
        if share > 0.0 { cells.max(1) } else { 0 }
    };
    for (at, bin) in bins.iter().enumerate() {
        let [before, after] = bin.shares.map(cells);
        let both = before.min(after);
        let (longer, style) = if before > after { ("▀", theme.good()) } else { ("▄", theme.note()) };
        let percent = |share: f64| human::percent(share, 1.0);
        let line = Line::from(vec![
            Span::styled(
                format!("{} ", fit(&human::duration(bin.low_ns), LABEL, Align::Right)),
                theme.plain(),
            ),
            Span::styled("█".repeat(both), theme.plain()),
            Span::styled(longer.repeat(before.max(after) - both), style),
            Span::styled(
                format!(" {}%", pair(Some(percent(bin.shares[0])), Some(percent(bin.shares[1])))),
                theme.dim(),
            ),
        ]);
        put(buffer, area, at as u16 + 1, &line);
    }
    if bins.is_empty() {
        put(buffer, area, 1, &Line::styled(" no call has completed on either side", theme.dim()));
    }
}

fn draw_errnos(model: &Model, row: &Change, buffer: &mut Buffer, area: Rect) {
    let theme = model.theme;
    let width = usize::from(area.width);
    let line = |cells: [&str; 3]| {
        let text =
            format!("{} {} {}", fit(cells[0], 9, Align::Left), fit(cells[1], 14, Align::Left), cells[2]);
        fit(&text, width, Align::Left)
    };
    put(buffer, area, 0, &Line::styled(line(["ERRNO", "% OF CALLS", "VERDICT"]), theme.head()));
    let mut errnos: Vec<_> = row.errnos.iter().collect();
    errnos.sort_by_key(|errno| std::cmp::Reverse(errno.share.before.max(errno.share.after)));
    for (at, errno) in errnos.into_iter().enumerate() {
        let share = errno.share;
        let style = match share.verdict {
            Some(ShareVerdict::New | ShareVerdict::More) => theme.stuck(),
            Some(ShareVerdict::Gone | ShareVerdict::Fewer) => theme.good(),
            _ => theme.plain(),
        };
        let shares = pair(Some(share_words(share.share_before)), Some(share_words(share.share_after)));
        let text = line([&errno::name(errno.errno), &shares, &share_verdict_words(share)]);
        put(buffer, area, at as u16 + 1, &Line::styled(text, style));
    }
    let open = [row.before.in_flight, row.after.in_flight];
    if open.iter().any(|open| open.calls > 0) {
        let ages = latencies(
            (open[0].calls > 0).then_some(open[0].oldest_ns as f64),
            (open[1].calls > 0).then_some(open[1].oldest_ns as f64),
        );
        let text = format!("open at the end: {} -> {}, oldest {ages}", open[0].calls, open[1].calls);
        put(
            buffer,
            area,
            row.errnos.len() as u16 + 1,
            &Line::styled(fit(&text, width, Align::Left), theme.note()),
        );
    }
}
