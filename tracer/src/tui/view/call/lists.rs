//! The lists of a syscall's page: open calls, errnos, the slowest calls, the threads that make it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::put;
use crate::arguments;
use crate::columns::{self, Align, GAP, Row, clip, fit, whole};
use crate::human;
use crate::interval::stacks::Figures;
use crate::interval::{OnFile, Stack, ThreadFigures};
use crate::process::Comm;
use crate::snapshot::{CallRow, ErrnoRow, ProcessRow};
use crate::syscalls::errno;
use crate::tui::model::{Model, Screen, Subject};
use crate::tui::rows::ProcessKey;
use crate::tui::view::over_time::time_of_day;

/// Lines of a list that are worth having: its head and one more.
const LEAST: u16 = 2;

/// Of what calls failed on, for each errno.
const EXAMPLES: usize = 4;

/// Functions of a place where calls were made.
const FRAMES: usize = 10;

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
        let about = columns::about(call.call, open.args.as_ref(), open.on.as_ref(), open.operands.as_deref());
        format!("{mark} {age:>6} {who}thread {} {about}", open.tid)
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
    let on = |errno: &ErrnoRow| {
        let example = |example| {
            let times = arguments::times(example);
            format!("  {} {}", fit(&times, 8, Align::Right), arguments::readable(call.call, example))
        };
        errno.examples.iter().take(EXAMPLES).map(example).collect::<Vec<_>>()
    };
    List {
        head: line(&|column| column.title.to_owned()),
        lines: call.errnos.iter().flat_map(|errno| std::iter::once(row(errno)).chain(on(errno))).collect(),
        style: model.theme.plain(),
    }
}

/// The slowest calls since the start, each with when, on what and how it ended.
pub(super) fn slowest(model: &Model, call: &CallRow) -> List {
    let lines = call.slowest.iter().map(|slow| {
        let when = time_of_day(model, slow.enter_ns).unwrap_or_else(|| {
            format!("-{}", human::clock(model.shown.end_ns.saturating_sub(slow.enter_ns)))
        });
        let about = match slow.args.as_deref() {
            None => format!("thread {}", slow.tid),
            args => columns::about(call.call, args, slow.on.as_deref(), slow.operands.as_deref()),
        };
        let result = match u16::try_from(-slow.ret) {
            Ok(code @ 1..=4095) => format!(" = {}", errno::name(code)),
            _ => String::new(),
        };
        format!("{} {when} {about}{result}", fit(&human::duration(slow.latency_ns), 8, Align::Right))
    });
    List { head: " slowest at       on".to_owned(), lines: lines.collect(), style: model.theme.plain() }
}

/// Where they were made, the places with most time first.
pub(super) fn stacks(model: &Model, call: &CallRow) -> List {
    let line = |[calls, time, max]: [&str; 3], what: &str| {
        let [calls, time, max] = [calls, time, max].map(|text| fit(text, 8, Align::Right));
        format!("{calls}{time}{max} {what}")
    };
    let of = |stack: &Stack| {
        let Figures { calls, total_ns, max_ns } = stack.figures;
        let figures = [whole(calls, 7), columns::age(total_ns), human::duration(max_ns)];
        let mut frames = stack.lines(FRAMES).into_iter();
        let innermost = frames.next().unwrap_or_default();
        let first = line([&figures[0], &figures[1], &figures[2]], &innermost);
        std::iter::once(first).chain(frames.map(|frame| line([""; 3], &frame))).collect::<Vec<_>>()
    };
    let stacks = call.stacks.iter().take(usize::from(model.size.1));
    List {
        head: line(["CALLS", "TIME", "MAX"], "MADE IN"),
        lines: stacks.flat_map(of).collect(),
        style: model.theme.plain(),
    }
}

/// What its calls were on: the files and peers on which most time was spent first.
pub(super) fn on(model: &Model, call: &CallRow) -> List {
    let mut rows: Vec<&OnFile> = call.on.iter().filter(|row| row.calls > 0).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.total_ns), row.file));
    let has_errors = rows.iter().any(|row| row.errors > 0);
    let moves = rows.iter().any(|row| row.bytes > 0);
    let figures = 8 * 3 + if has_errors { 6 } else { 0 } + if moves { 9 } else { 0 };
    let width = half_width(model).saturating_sub(figures).max(8);
    let line = |what: &str, [calls, errors, p99, max, rate]: [&str; 5]| {
        let errors = if has_errors { fit(errors, 6, Align::Right) } else { String::new() };
        let rate = if moves { fit(rate, 9, Align::Right) } else { String::new() };
        let [calls, p99, max] = [calls, p99, max].map(|text| fit(text, 8, Align::Right));
        format!("{}{calls}{errors}{p99}{max}{rate}", fit(what, width, Align::Left))
    };
    let seconds = model.shown.elapsed_ns() as f64 / 1e9;
    let row = |row: &&OnFile| {
        let fd = row.fd.map_or_else(String::new, |fd| format!("{fd} "));
        let errors = if row.errors == 0 { "-".to_owned() } else { whole(row.errors, 5) };
        let rate =
            if row.bytes == 0 { "-".to_owned() } else { human::bytes((row.bytes as f64 / seconds) as u64) };
        line(
            &format!("{fd}{}", row.names.label(row.file)),
            [
                &whole(row.calls, 7),
                &errors,
                &row.quantile_ns(0.99).map_or_else(|| "-".to_owned(), human::duration),
                &human::duration(row.max_ns),
                &rate,
            ],
        )
    };
    let mut lines: Vec<String> = rows.iter().take(usize::from(model.size.1)).map(row).collect();
    if let others @ 1.. = call.other_files()
        && !lines.is_empty()
    {
        lines.push(line("not told apart", [&whole(others, 7), "-", "-", "-", "-"]));
    }
    List { head: line("ON", ["CALLS", "ERR", "P99", "MAX", "BYTES/S"]), lines, style: model.theme.plain() }
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
