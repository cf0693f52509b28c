//! Which lines of the terminal belong to what.

use ratatui::layout::Rect;

use super::model::Model;
use super::view::{details, findings, header, scrub};

/// Smallest terminal on which anything can be read.
pub(crate) const MIN_SIZE: (u16, u16) = (40, 8);

/// The regions of the screen, top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Regions {
    /// Whether the figures can be trusted.
    pub(crate) header: Rect,
    /// What is wrong; no line when nothing is.
    pub(crate) alarms: Rect,
    /// What stands out; no line when nothing does.
    pub(crate) findings: Rect,
    /// Where we are.
    pub(crate) path: Rect,
    /// Who the process of the screen is; no line where it is not about one.
    pub(crate) details: Rect,
    /// Table, syscall, menu or help.
    pub(crate) body: Rect,
    /// When it was; no line where time is not an axis.
    pub(crate) scrub: Rect,
    /// Which keys there are.
    pub(crate) footer: Rect,
}

/// The regions of a terminal of at least [`MIN_SIZE`].
pub(crate) fn regions(area: Rect, model: &Model) -> Regions {
    let line = |at: u16, lines: u16| {
        let y = area.y + at.min(area.height);
        Rect { x: area.x, y, width: area.width, height: lines.min(area.bottom() - y) }
    };
    let alarms = u16::from(header::has_alarms(model));
    let findings = findings::lines(model, area.height);
    let above = alarms + findings;
    let scrub = scrub::lines(model, area.height);
    let details = details::lines(model, area.height);
    Regions {
        header: line(0, 1),
        alarms: line(1, alarms),
        findings: line(1 + alarms, findings),
        path: line(1 + above, 1),
        details: line(2 + above, details),
        body: line(2 + above + details, area.height.saturating_sub(3 + above + details + scrub)),
        scrub: line(area.height.saturating_sub(1 + scrub), scrub),
        footer: line(area.height.saturating_sub(1), 1),
    }
}

/// Rows that fit into the table of the terminal as it is.
pub(crate) fn table_height(model: &Model) -> usize {
    let area = Rect::new(0, 0, model.size.0, model.size.1);
    let body = regions(area, model).body;
    usize::from(body.height.saturating_sub(1)).max(1)
}

/// First line to show of a list so that `line` is among the `height` shown, scrolled as little as possible
/// from `top`.
pub(crate) fn scrolled(top: usize, line: usize, height: usize) -> usize {
    top.clamp((line + 1).saturating_sub(height), line)
}
