//! The lists of a syscall's page: open calls, errnos, the slowest calls, the threads that make it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::put;
use crate::arguments;
use crate::columns::{self, Align, GAP, Row, clip, fit, whole};
use crate::human;
use crate::interval::ThreadFigures;
use crate::process::Comm;
use crate::snapshot::{CallRow, ProcessRow};
use crate::syscalls::errno;
use crate::tui::model::{Model, Screen, Subject};
use crate::tui::rows::ProcessKey;
use crate::tui::view::over_time::time_of_day;

/// Lines of a list that are worth having: its head and one more.
const LEAST: u16 = 2;

/// A list, most important line first.
pub(super) struct List {
    head: String,
    lines: Vec<String>,
    style: Style,
}

impl List {
    fn needs(&self) -> u16 {
        u16::try_from(self.lines.len() + 1).unwrap_or(u16::MAX)
    }
}

/// Width that a list has.
fn half_width(model: &Model) -> usize {
    let width = usize::from(model.size.0);
    if model.size.0 >= super::WIDE { width.saturating_sub(1) / 2 } else { width }
}

/// Draws lists below each other, those that have lines; the first have what they need first.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect, lists: &[List]) {
    let lists: Vec<&List> = lists.iter().filter(|list| !list.lines.is_empty()).collect();
    let width = usize::from(area.width);
    let mut at = 0;
    for (index, list) in lists.iter().enumerate() {
        // Each of those below wants its two lines and a blank one.
        let below = (lists.len() - index - 1) as u16 * (LEAST + 1);
        let left = area.height.saturating_sub(at);
        let height = list.needs().min(left.saturating_sub(below).max(LEAST)).min(left);
        if height < LEAST {
            return;
        }
        put(buffer, area, at, &Line::styled(fit(&list.head, width, Align::Left), model.theme.head()));
        for (line, text) in (at + 1..at + height).zip(&list.lines) {
            put(buffer, area, line, &Line::styled(clip(text, width), list.style));
        }
        at += height + 1;
    }
}

/// Who is in the call now, from the first line shown on.
pub(super) fn open(model: &Model, call: &CallRow) -> List {
    let is_stuck = columns::is_stuck(call);
    let mark = if is_stuck { '!' } else { ' ' };
    let lines = call.in_flight.iter().skip(model.cursor().top).take(usize::from(model.size.1));
    let lines = lines.map(|open| {
        let age = columns::age(model.shown.end_ns.saturating_sub(open.enter_ns));
        let who = match model.screen() {
            Screen::Call(Subject::One(..), _) => String::new(),
            _ => format!("pid {} ", open.process.pid),
        };
        let args = open.args.as_ref().map_or_else(String::new, |args| arguments::named_text(call.call, args));
        format!("{mark} {age:>6} {who}thread {} {}", open.tid, human::safe_text(args.as_bytes()))
    });
    List {
        head: format!("in flight: {}", human::count(call.in_flight.len() as u64)),
        lines: lines.collect(),
        style: if is_stuck { model.theme.stuck() } else { model.theme.plain() },
    }
}

/// How it fails.
pub(super) fn errnos(model: &Model, call: &CallRow) -> List {
    let placed = columns::lay_out(&columns::ERRNOS_OF_CALL, model.scope, half_width(model));
    let line = |text: &dyn Fn(&columns::Column) -> String| {
        let cells: Vec<String> =
            placed.iter().map(|at| fit(&text(at.column), at.width, at.column.align)).collect();
        cells.join(&" ".repeat(GAP))
    };
    // None of these columns asks whose errors they are.
    let nobody = ProcessRow::default();
    let context = model.context();
    let row = |errno| line(&|column| (column.text)(Row::Error(&nobody, call, errno), &context));
    List {
        head: line(&|column| column.title.to_owned()),
        lines: call.errnos.iter().map(row).collect(),
        style: model.theme.plain(),
    }
}

/// The slowest calls since the start, each with when, on what and how it ended.
pub(super) fn slowest(model: &Model, call: &CallRow) -> List {
    let lines = call.slowest.iter().map(|slow| {
        let when = time_of_day(model, slow.enter_ns).unwrap_or_else(|| {
            format!("-{}", human::clock(model.shown.end_ns.saturating_sub(slow.enter_ns)))
        });
        let args = match &slow.args {
            Some(args) => arguments::named_text(call.call, args),
            None => format!("thread {}", slow.tid),
        };
        let args = human::safe_text(args.as_bytes());
        let result = match u16::try_from(-slow.ret) {
            Ok(code @ 1..=4095) => format!(" = {}", errno::name(code)),
            _ => String::new(),
        };
        format!("{} {when} {args}{result}", fit(&human::duration(slow.latency_ns), 8, Align::Right))
    });
    List { head: " slowest at       on".to_owned(), lines: lines.collect(), style: model.theme.plain() }
}

/// The threads that make it, those that spend most time in it first; nothing where there is one.
pub(super) fn threads(model: &Model, call: &CallRow) -> List {
    let others = call.other_threads();
    let mut threads: Vec<&ThreadFigures> = call.threads.iter().collect();
    threads.sort_by_key(|thread| (std::cmp::Reverse(thread.total_ns), thread.tid));
    let process = subject(model);
    let name_of = |tid: u32| {
        let name = process.and_then(|process| process.threads.get(&tid).or(Some(&process.comm)));
        name.map_or_else(String::new, Comm::to_string)
    };
    let has_errors = call.stats.errors > 0;
    let width = half_width(model).saturating_sub(if has_errors { 31 } else { 25 }).clamp(8, 24);
    let line = |who: &str, calls: &str, errors: &str, time: &str, max: &str| {
        let errors = if has_errors { fit(errors, 6, Align::Right) } else { String::new() };
        let [calls, time, max] = [calls, time, max].map(|text| fit(text, 8, Align::Right));
        format!("{}{calls}{errors}{time}{max}", fit(who, width, Align::Left))
    };
    let row = |who: &str, thread: &ThreadFigures, max: &str| {
        let errors = if thread.errors == 0 { "-".to_owned() } else { whole(thread.errors, 5) };
        line(who, &whole(thread.calls, 7), &errors, &columns::age(thread.total_ns), max)
    };
    let known = threads.iter().take(usize::from(model.size.1));
    let mut lines: Vec<String> = known
        .map(|thread| {
            row(&format!("{} {}", thread.tid, name_of(thread.tid)), thread, &human::duration(thread.max_ns))
        })
        .collect();
    if let Some(others) = others.filter(|_| !lines.is_empty()) {
        lines.push(row("not told apart", &others, "-"));
    }
    let has_many = lines.len() > 1;
    List {
        head: line("THREAD", "CALLS", "ERR", "TIME", "MAX"),
        lines: if has_many { lines } else { Vec::new() },
        style: model.theme.plain(),
    }
}

/// The process whose call it is, where it is one.
fn subject(model: &Model) -> Option<&ProcessRow> {
    let Screen::Call(Subject::One(key, _), _) = model.screen() else { return None };
    model.shown.processes.iter().find(|process| ProcessKey::of(process) == key)
}
