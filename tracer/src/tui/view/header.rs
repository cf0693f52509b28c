//! The header: what is traced, whether the figures can be trusted, where we are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Piece, justified, put, scrub};
use crate::by_file::OnBy;
use crate::columns::Scope;
use crate::group::By;
use crate::human;
use crate::io_uring;
use crate::run::Origin;
use crate::trust::{self, Severity};
use crate::tui::message::View;
use crate::tui::model::{Model, Screen, Subject};

/// Draws the first line.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let (theme, run, snapshot) = (model.theme, &model.run, &model.shown);
    let is_live = run.origin == Origin::Live;
    let name = if is_live { "tracer" } else { "tracer replay" };
    let mut left = vec![
        Piece::new(name, theme.strong(), 7),
        Piece::new(human::safe_text(run.host.as_bytes()), theme.plain(), 4),
        Piece::new(human::safe_text(run.target.as_bytes()), theme.strong(), 0),
        Piece::new(human::clock(snapshot.elapsed_ns()), theme.plain(), 2),
    ];
    if let Some(filter) = &run.filter {
        let text = format!("only {}", human::safe_text(filter.as_bytes()));
        left.insert(3, Piece::new(text, theme.note(), 1));
    }
    left.retain(|piece| !piece.text.is_empty());
    let at_least = trust::at_least(model.ledger());
    // A rate of the moment before the end would read as if it went on.
    let pace = if model.is_over() {
        format!("{at_least}{} calls", human::count(snapshot.all.calls))
    } else {
        let rate = snapshot.per_second(snapshot.all.recent_calls);
        format!("{at_least}{} calls/s", human::short_count(rate))
    };
    let mut right = vec![Piece::new(pace, theme.plain(), 3)];
    if let Some(word) = trust::words(model.ledger()).into_iter().next() {
        right.push(Piece::new(word.short, style_of(model, word.severity), 0));
    }
    if let Some(recording) = &run.recording {
        right.push(Piece::new(format!("REC {}", human::bytes(recording.bytes)), theme.note(), 0));
        right.push(Piece::new(human::safe_text(recording.file.as_bytes()), theme.plain(), 10));
    }
    if is_live {
        let ring = format!("ring {:.0}%", run.ring_fill.clamp(0.0, 1.0) * 100.0);
        let style = if run.ring_fill > 0.5 { theme.note() } else { theme.plain() };
        right.push(Piece::new(ring, style, 5));
        right.push(Piece::new(format!("own cpu {:.1}%", run.own_cpu_percent), theme.plain(), 6));
    }
    if let Some(ns) = run.ns_per_call {
        right.push(Piece::new(format!("{ns:.0} ns/call"), theme.plain(), 8));
    }
    if !run.family.is_empty() {
        right.push(Piece::new(human::safe_text(run.family.as_bytes()), theme.dim(), 9));
    }
    put(buffer, area, 0, &justified(left, right, usize::from(area.width)));
}

/// Whether there is anything that the first line has no room for.
pub(crate) fn has_alarms(model: &Model) -> bool {
    model.looking_back().is_some()
        || open_span(model).is_some()
        || model.run.ended.is_some()
        || !model.run.notices.is_empty()
        || trust::words(model.ledger()).len() > 1
        || !io_uring::owners(&model.shown).is_empty()
}

/// Draws the line of what is wrong or out of the ordinary, the most important first.
pub(super) fn draw_alarms(model: &Model, buffer: &mut Buffer, area: Rect) {
    let theme = model.theme;
    let mut pieces = Vec::new();
    if let Some(timeline) = model.looking_back() {
        let time = scrub::time_of_day(model, timeline.position_ns, "%H:%M:%S");
        let behind = human::clock(timeline.end_ns.saturating_sub(timeline.position_ns));
        let text = format!("PAST {time}, {behind} ago, still collecting");
        pieces.push(Piece::new(text, theme.alarm(), 0));
    }
    if let Some(text) = open_span(model) {
        pieces.push(Piece::new(text, theme.note(), 0));
    }
    if let Some(why) = &model.run.ended {
        let text = format!("ended: {}, q quits", human::safe_text(why.as_bytes()));
        pieces.push(Piece::new(text, theme.note(), 0));
    }
    for word in trust::words(model.ledger()).into_iter().skip(1).chain(io_uring::word(&model.shown)) {
        pieces.push(Piece::new(word.short, style_of(model, word.severity), 0));
    }
    for notice in &model.run.notices {
        pieces.push(Piece::new(human::safe_text(notice.as_bytes()), theme.note(), 0));
    }
    put(buffer, area, 0, &justified(pieces, Vec::new(), usize::from(area.width)));
}

/// What to do about an A that has no B yet.
fn open_span(model: &Model) -> Option<String> {
    let open_ns = model.timeline.as_ref()?.open_ns?;
    let time = scrub::time_of_day(model, open_ns, "%H:%M:%S");
    Some(format!("A is {time}: m marks B and compares A to B with what follows"))
}

/// Draws the line that says which screen this is and what its figures are counted over.
pub(super) fn draw_path(model: &Model, buffer: &mut Buffer, area: Rect) {
    let theme = model.theme;
    let mut left = Vec::new();
    for view in View::ALL {
        let number = view.number();
        if view == model.view {
            left.push(Piece::new(format!("[{number} {}]", path_of(model)), theme.strong(), 0));
        } else {
            left.push(Piece::new(format!("{number} {}", view.name()), theme.dim(), 5));
        }
    }
    let mut right = Vec::new();
    if !model.filter.text().is_empty() {
        let text = format!("filter: {}", human::safe_text(model.filter.text().as_bytes()));
        right.push(Piece::new(text, theme.note(), 1));
    }
    if let Some(followed) = model.cursor().followed {
        let is_there = model.selected().is_some_and(|entry| entry.key == followed);
        let words = if is_there { "following" } else { "following, gone" };
        right.push(Piece::new(words, theme.note(), 2));
    }
    let from_zero = model.counts_from_zero();
    let (since, style) = if from_zero { ("since zero", theme.note()) } else { ("since start", theme.dim()) };
    let group = match model.group {
        By::Comm => Some("by name"),
        By::Cgroup => Some("by cgroup"),
        _ if matches!(model.screen(), Screen::Files(_) | Screen::OnFile(..)) => {
            (model.on_by == OnBy::Peer).then_some("by peer")
        }
        _ if model.tree.is_shown => Some("as a tree"),
        _ => None,
    };
    right.extend(group.map(|words| Piece::new(words, theme.note(), 1)));
    match model.scope {
        Scope::Interval => {
            let span = format!("last {}", human::duration(model.shown.recent_ns));
            // That rates are of a second is what anybody expects: it gives way to the views.
            let is_expected = (900_000_000..1_100_000_000).contains(&model.shown.recent_ns);
            right.push(Piece::new(span, theme.dim(), if is_expected { 6 } else { 4 }));
            right.push(Piece::new(format!("latency {since}"), style, if from_zero { 1 } else { 7 }));
        }
        Scope::Total => right.push(Piece::new(since, style, if from_zero { 1 } else { 4 })),
    }
    put(buffer, area, 0, &justified(left, right, usize::from(area.width)));
}

fn path_of(model: &Model) -> String {
    let mut names = Vec::new();
    let mut before = None;
    for screen in model.path() {
        // Screens that were skipped on the way.
        let from_table = matches!(before, Some(Screen::Processes | Screen::Errors | Screen::Open));
        if let (Screen::Call(subject, _) | Screen::OverTime(subject, _), true) = (screen, from_table) {
            names.push(model.name_of(Screen::Calls(subject)));
        }
        let from_file = matches!(before, Some(Screen::OnFile(Subject::All, _)));
        if let (Screen::Call(subject, _), true) = (screen, from_file) {
            names.push(model.name_of(Screen::Calls(subject)));
        }
        if let (Screen::Files(subject @ Subject::One(..)), true) = (screen, from_table) {
            names.push(model.name_of(Screen::Calls(subject)));
        }
        if let (Screen::Threads(key, comm), true) = (screen, from_table) {
            names.push(model.name_of(Screen::Calls(Subject::One(key, comm))));
        }
        if let (Screen::OverTime(subject, Some(call)), false) =
            (screen, matches!(before, Some(Screen::Call(..))))
        {
            names.push(model.name_of(Screen::Call(subject, call)));
        }
        names.push(model.name_of(screen));
        before = Some(screen);
    }
    names.join(" > ")
}

fn style_of(model: &Model, severity: Severity) -> Style {
    match severity {
        Severity::Fine => model.theme.good(),
        Severity::Note => model.theme.note(),
        Severity::Alarm => model.theme.alarm(),
    }
}
