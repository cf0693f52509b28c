//! The line that says who the process of a screen is: its command line, its unit or container, its parent. Of a single
//! process that does nothing it says what it is in; of the selected error what calls failed on, where its column has no room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Piece, justified, put, table};
use crate::arguments;
use crate::columns::{self, Row, clip};
use crate::human;
use crate::tui::model::{Model, Screen, Subject};
use crate::tui::rows::ProcessKey;
use unicode_width::UnicodeWidthStr as _;

/// Height of a terminal that has a line for it.
const ROOM: u16 = 14;

/// Width of the column with what calls failed on at which hardly a path is cut.
const WIDE_ENOUGH: usize = 48;

/// Cells that the name of a container or a pod takes at most.
const MOST_OF_A_NAME: usize = 40;

/// Lines that it takes on a terminal of this height.
pub(in crate::tui) fn lines(model: &Model, height: u16) -> u16 {
    u16::from(height >= ROOM && !pieces(model).is_empty())
}

/// Draws it.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let mut pieces = pieces(model);
    // The command line gives way to what is shorter.
    let others: usize = pieces.iter().skip(1).map(|piece| piece.text.chars().count() + 2).sum();
    if let Some(command) = pieces.first_mut() {
        command.text = clip(&command.text, width.saturating_sub(others).max(width / 3));
    }
    put(buffer, area, 0, &justified(pieces, Vec::new(), width));
}

/// What is known, the command line first; nothing where the screen is not about one process.
fn pieces(model: &Model) -> Vec<Piece> {
    let (theme, screen) = (model.theme, model.screen());
    if screen == Screen::Processes {
        return standing(model).map_or_else(Vec::new, |text| vec![Piece::new(text, theme.plain(), 0)]);
    }
    if screen == Screen::Errors {
        return failed_on(model).map_or_else(Vec::new, |text| vec![Piece::new(text, theme.dim(), 0)]);
    }
    if let Screen::OnFile(_, key) = screen {
        return vec![Piece::new(format!(" on {}", model.file_label(key)), theme.plain(), 0)];
    }
    let (Screen::Calls(Subject::One(key, _)) | Screen::Files(Subject::One(key, _)) | Screen::Threads(key, _)) =
        screen
    else {
        return Vec::new();
    };
    let process = model.shown.processes.iter().find(|process| ProcessKey::of(process) == key);
    let Some((process, who)) = process.and_then(|process| Some((process, process.who.as_ref()?))) else {
        return Vec::new();
    };
    let safe = |text: &str| human::safe_text(text.as_bytes());
    let mut pieces = Vec::new();
    if !who.cmdline.is_empty() {
        pieces.push(Piece::new(format!(" cmd {}", human::safe_text(&who.cmdline)), theme.plain(), 0));
    }
    match (who.container(), who.unit()) {
        (Some(container), _) => {
            let runtime = container.runtime.unwrap_or("container");
            let short = |name: &str| clip(&safe(name), MOST_OF_A_NAME);
            let name = container.names.container.map_or_else(String::new, |name| format!("{} ", short(name)));
            let id: String = container.short_id().chars().take(12).collect();
            pieces.push(Piece::new(format!("{runtime} {name}{}", safe(&id)), theme.plain(), 2));
            if let Some(pod) = container.names.pod {
                let namespace =
                    container.names.namespace.map_or_else(String::new, |name| format!("{}/", short(name)));
                pieces.push(Piece::new(format!("pod {namespace}{}", short(pod)), theme.plain(), 2));
            }
        }
        (None, Some(unit)) => pieces.push(Piece::new(format!("unit {}", safe(unit)), theme.plain(), 2)),
        (None, None) => {}
    }
    if who.ns_pid > 0 {
        pieces.push(Piece::new(format!("pid {} in there", who.ns_pid), theme.plain(), 3));
    }
    if who.ppid > 0 {
        let parent = model.shown.processes.iter().find(|parent| parent.id.pid == who.ppid);
        let name = parent.map_or_else(String::new, |parent| format!("{} ", parent.comm));
        pieces.push(Piece::new(format!("parent {name}{}", who.ppid), theme.plain(), 3));
    }
    // Threads are known once they have called or ended; one alone is no news.
    if !process.threads.is_empty() {
        pieces.push(Piece::new(human::plural(process.threads.len() as u64 + 1, "thread"), theme.plain(), 4));
    }
    if let Some(descriptors) = process.descriptors {
        pieces.push(Piece::new(format!("fds {descriptors}"), theme.plain(), 3));
    }
    if process.exited {
        pieces.push(Piece::new("ended", theme.note(), 1));
    }
    pieces
}

/// What the calls of the selected error failed on, as many as fit: ` on: 2,290x "/etc/x", 20x "/srv/y", 3 more`. Whether there
/// is a line depends on the width alone, or rows would jump when another one is selected.
fn failed_on(model: &Model) -> Option<String> {
    let width = usize::from(model.size.0);
    let has_room = |at: &columns::Placed| at.column.id == columns::FAILED_ON_ID && at.width >= WIDE_ENOUGH;
    if model.rows.entries.is_empty() || table::placed_columns(model, width).iter().any(has_room) {
        return None;
    }
    let selected = model.selected().and_then(|entry| model.row(entry));
    let Some(Row::Error(_, call, errno)) = selected else { return None };
    let mut text = " on:".to_owned();
    let all = errno.examples.len();
    let more = |left: usize| if left == 0 { String::new() } else { format!(", {left} more") };
    for (at, example) in errno.examples.iter().enumerate() {
        let sign = if at == 0 { "" } else { "," };
        let next =
            format!("{sign} {} {}", arguments::times(example), arguments::readable(call.call, example));
        let room = width.saturating_sub(text.width() + more(all - at - 1).width());
        if at > 0 && next.width() > room {
            return Some(text + &more(all - at));
        }
        // The first is shown even where it must be cut.
        text += &clip(&next, room);
    }
    Some(if all == 0 { " on: no path or address is known".to_owned() } else { text })
}

/// What the only process of the screen is in, when it made no call in the last interval: `read ≥ 3.0 s, since before we
/// attached: fd=3`. A call that does not wait by design comes first, then the one of the leader.
fn standing(model: &Model) -> Option<String> {
    let [process] = &model.shown.processes[..] else { return None };
    if process.all.recent_calls > 0 || process.exited {
        return None;
    }
    let open = process.calls.iter().flat_map(|call| call.in_flight.iter().map(move |open| (call, open)));
    let (call, open) =
        open.min_by_key(|(call, open)| (call.waits_by_design, open.tid != process.id.pid, open.enter_ns))?;
    let age = columns::age(model.context().age_ns(open));
    let (mark, since) = if open.before_attach { ("≥ ", ", since before we attached") } else { ("", "") };
    let about = columns::about(open.call, open.args.as_ref(), open.on.as_ref(), open.operands.as_deref());
    let about = if about.is_empty() { about } else { format!(": {about}") };
    Some(format!(" in {} {mark}{age}{since}{about}", call.name))
}
