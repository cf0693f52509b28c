//! Health: whether the figures can be trusted and why, what became of each call, what the tracer itself costs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::put;
use crate::columns::{Align, clip, fit, whole};
use crate::human;
use crate::ledger::{ACCOUNT, Role};
use crate::run::Origin;
use crate::trust::{self, Severity};
use crate::tui::model::Model;

/// Width of what stands before a fact.
const LABEL: usize = 12;

/// Width of a number of the account.
const NUMBER: usize = 14;

/// Widest line of the account: figures far from their words are hard to read.
const ACCOUNT_WIDTH: usize = 76;

/// Draws the page.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let lines = lines(model, usize::from(area.width));
    let (top, height) = (model.cursor().top.min(lines.len()), usize::from(area.height));
    for (at, line) in (0..area.height).zip(&lines[top..]) {
        put(buffer, area, at, line);
    }
    let hidden = (lines.len() - top).saturating_sub(height);
    if let Some(last) = area.height.checked_sub(1).filter(|_| hidden > 0) {
        let words = format!(" ... {} below (Down, PgDn)", human::plural(hidden as u64 + 1, "more line"));
        let words = fit(&words, usize::from(area.width), Align::Left);
        put(buffer, area, last, &Line::styled(words, model.theme.dim()));
    }
}

/// Every line of the page on a terminal of this width.
pub(in crate::tui) fn lines(model: &Model, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let theme = model.theme;
    for word in trust::words(&model.shown.ledger) {
        let style = match word.severity {
            Severity::Fine => theme.good(),
            Severity::Note => theme.note(),
            Severity::Alarm => theme.stuck(),
        };
        lines.extend(wrapped("", &word.sentence, style, width));
    }
    lines.extend(balance(model, width));
    for notice in &model.run.notices {
        lines.extend(wrapped("", &human::safe_text(notice.as_bytes()), theme.note(), width));
    }
    lines.push(Line::default());
    for (label, fact) in facts(model) {
        lines.extend(wrapped(label, &fact, theme.plain(), width));
    }
    lines.push(Line::default());
    account(model, width.min(ACCOUNT_WIDTH), &mut lines);
    lines
}

/// What is known of the run and of ourselves, by what it is about.
fn facts(model: &Model) -> Vec<(&'static str, String)> {
    let run = &model.run;
    let safe = |text: &str| human::safe_text(text.as_bytes());
    let mut facts = Vec::new();
    if run.origin == Origin::Live {
        let percent = |share: f64| format!("{:.0}%", share.clamp(0.0, 1.0) * 100.0);
        let mut costs = vec![format!("{:.1}% of a CPU", run.own_cpu_percent)];
        costs.extend(run.own_rss_bytes.map(|bytes| format!("{} of memory", human::bytes(bytes))));
        costs.extend(run.drain_ns_per_record.map(|ns| format!("{ns:.0} ns to read and count a call")));
        facts.push(("tracer", costs.join(", ")));
        if let Some(ns) = run.ns_per_call {
            facts.push(("kernel side", format!("{ns:.0} ns added to a call")));
        }
        let rings = format!(
            "{} full at most in the last interval, {} so far",
            percent(run.ring_fill),
            percent(run.ring_peak)
        );
        facts.push(("rings", rings));
        facts.push((
            "recording",
            match &run.recording {
                Some(recording) => {
                    format!("{}, {} so far", safe(&recording.file), human::bytes(recording.bytes))
                }
                None if run.ended.is_some() => "none".to_owned(),
                None => "none (R starts one)".to_owned(),
            },
        ));
    }
    if !run.family.is_empty() {
        let why =
            if run.family_why.is_empty() { String::new() } else { format!(": {}", safe(&run.family_why)) };
        facts.push(("programs", format!("{} tracepoints{why}", safe(&run.family))));
    }
    if !run.machine.is_empty() {
        let by = if run.origin == Origin::Replay { "recorded on " } else { "" };
        facts.push(("machine", format!("{by}{}", safe(&run.machine))));
    }
    if let Some(filter) = &run.filter {
        facts.push(("only", format!("{}: other calls are in no figure", safe(filter))));
    }
    facts
}

/// What became of each call.
fn account(model: &Model, width: usize, lines: &mut Vec<Line<'static>>) {
    let (theme, snapshot) = (model.theme, &model.shown);
    let in_flight = snapshot.entered_in_flight();
    let row = |words: &str, numbers: [&str; 2]| {
        let [all, recent] = numbers.map(|number| fit(number, NUMBER, Align::Right));
        format!("{}{all}{recent}", fit(words, width.saturating_sub(2 * NUMBER), Align::Left))
    };
    let span = format!("last {}", human::duration(snapshot.recent_ns));
    lines.push(Line::styled(row(" what became of the calls", ["since start", &span]), theme.head()));
    let mut in_sum = false;
    for item in &ACCOUNT {
        let all = item.amount(&snapshot.ledger, in_flight);
        let recent = item.amount(&snapshot.recent_ledger, 0);
        if all == 0 && recent == 0 && matches!(item.role, Role::Part | Role::Trouble) {
            continue;
        }
        in_sum |= item.role == Role::Sum;
        let indent = if item.role == Role::Sum || !in_sum { " " } else { "   " };
        let style = match item.role {
            Role::Sum => theme.strong(),
            Role::Trouble | Role::Loss if all > 0 => theme.note(),
            _ => theme.plain(),
        };
        lines.push(Line::styled(
            row(&format!("{indent}{}", item.words), [&whole(all, NUMBER), &whole(recent, NUMBER)]),
            style,
        ));
    }
}

/// Whether the account adds up.
fn balance(model: &Model, width: usize) -> Vec<Line<'static>> {
    let (theme, snapshot) = (model.theme, &model.shown);
    let imbalances = snapshot.ledger.imbalances(snapshot.entered_in_flight());
    if imbalances.is_empty() {
        return wrapped("", "The account adds up.", theme.good(), width);
    }
    if model.is_over() {
        let words = imbalances.iter().map(|imbalance| format!("The account does not add up: {imbalance}."));
        return words.flat_map(|words| wrapped("", &words, theme.stuck(), width)).collect();
    }
    let apart: u64 = imbalances.iter().map(|found| found.left.abs_diff(found.right)).sum();
    let words = format!(
        "The account is {} apart while it runs: CPUs count on while they are read one after the other. It must \
         add up at the end.",
        human::plural(apart, "call"),
    );
    wrapped("", &words, theme.plain(), width)
}

/// A text on as many lines as it needs, its label before the first one.
fn wrapped(label: &str, text: &str, style: Style, width: usize) -> Vec<Line<'static>> {
    let indent = if label.is_empty() { 1 } else { LABEL + 1 };
    let room = width.saturating_sub(indent).max(1);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.width());
        match lines.last_mut() {
            Some(last) if line == 0 => last.push_str(word),
            Some(last) if line + 1 + word.width() <= room => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let heads = std::iter::once(label).chain(std::iter::repeat(""));
    heads
        .zip(lines)
        .map(|(head, line)| {
            let head = fit(&format!(" {head}"), indent, Align::Left);
            Line::from(vec![Span::raw(head), Span::styled(clip(&line, room), style)])
        })
        .collect()
}
