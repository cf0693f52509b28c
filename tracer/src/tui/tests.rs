//! The whole screen: every view at the sizes that matter, every key, any figures on any terminal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::backend::TestBackend;
use tracer_common::ledger::Counter;

use super::compare;
use super::fixture;
use super::keys::{self, Mode};
use super::message::{Command, Control, Effect, Exit, Message, View};
use super::model::{Model, Overlay, Screen, Subject};
use super::rows::RowKey;
use super::theme::Theme;
use super::update::update;
use super::view::view;
use crate::columns::{self, Row, Scope};
use crate::compare::{Compared, Side, Thresholds, Versus};
use crate::run::{Origin, Recording, RunInfo};
use crate::snapshot::Snapshot;
use crate::timeline::{Motion, Timeline, Transport};

mod doing;
mod errors;
mod files;
mod findings;
mod header;
mod health;
mod open;
mod over_time;
mod pages;
mod replay;
mod stacks;
mod tree;
mod who;

use pages::{SIZES, assert_screens};
use replay::replay;

fn model_of(snapshot: Snapshot) -> Model {
    Model::new(Arc::new(snapshot), fixture::run(), Theme::MONO, (80, 24))
}

fn incident() -> Model {
    model_of(fixture::incident())
}

fn send(model: &mut Model, command: Command) {
    let mut effects = update(model, Message::Command(command));
    effects.retain(|effect| !matches!(effect, Effect::Control(Control::Watch(_))));
    assert_eq!(effects, [], "{command:?} asks for more than the past");
}

fn type_text(model: &mut Model, text: &str) {
    for character in text.chars() {
        update(model, Message::Type(character));
    }
}

/// Selects the process of this PID and opens it.
fn open_process(model: &mut Model, pid: u32) {
    select(model, |row| matches!(row, Row::Process(process) if process.id.pid == pid));
    send(model, Command::Open);
}

fn open_call(model: &mut Model, name: &str) {
    select(model, |row| matches!(row, Row::Call(call) if call.name == name));
    send(model, Command::Open);
}

fn select(model: &mut Model, is_it: impl Fn(Row<'_>) -> bool) {
    let entries = &model.rows.entries;
    let index = entries.iter().position(|&entry| model.row(entry).is_some_and(&is_it)).expect("such a row");
    model.select(index, true);
}

/// What a terminal of this size shows, as text.
fn screen(model: &Model, width: u16, height: u16) -> String {
    let mut model = model.clone();
    update(&mut model, Message::Resize(width, height));
    let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    terminal.draw(|frame| view(&model, frame)).expect("a test terminal takes everything");
    let buffer = terminal.backend().buffer();
    let lines = buffer.content.chunks(usize::from(width.max(1)));
    let text: Vec<String> = lines
        .map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned())
        .collect();
    text.join("\n")
}

/// The axis of a run that goes on, at this second of it.
fn live_axis(position_s: u64, motion: Motion) -> Message {
    let timeline = Timeline { is_complete: false, ..fixture::timeline(position_s, motion) };
    Message::Timeline(Arc::new(timeline))
}

fn look_back(model: &mut Model, position_s: u64) {
    update(model, live_axis(position_s, Motion::Paused));
}

fn line(model: &Model, at: usize) -> String {
    screen(model, 120, 24).lines().nth(at).unwrap_or_default().to_owned()
}

#[test]
fn processes() {
    assert_screens("processes", &incident());
}

#[test]
fn syscalls_of_a_process() {
    let mut model = incident();
    open_process(&mut model, 1841);
    assert_screens("syscalls_of_a_process", &model);
}

#[test]
fn syscalls_of_all_processes() {
    let mut model = incident();
    send(&mut model, Command::View(View::Calls));
    assert_screens("syscalls_of_all_processes", &model);
}

#[test]
fn one_slow_syscall() {
    let mut model = incident();
    open_process(&mut model, 1841);
    open_call(&mut model, "fsync");
    assert_screens("one_slow_syscall", &model);
}

#[test]
fn one_stuck_syscall() {
    let mut model = incident();
    open_process(&mut model, 2210);
    open_call(&mut model, "flock");
    assert_screens("one_stuck_syscall", &model);
}

#[test]
fn one_failing_syscall_from_the_errors() {
    let mut model = incident();
    send(&mut model, Command::View(View::Errors));
    send(&mut model, Command::Open);
    assert_screens("one_failing_syscall_from_the_errors", &model);
}

#[test]
fn errors() {
    let mut model = incident();
    send(&mut model, Command::View(View::Errors));
    assert_screens("errors", &model);
}

#[test]
fn totals_after_the_end() {
    let mut model = incident();
    let ended = Some("postgres 1841 exited with code 1".to_owned());
    update(&mut model, Message::Run(RunInfo { ended, ..fixture::run() }));
    assert_screens("totals_after_the_end", &model);
}

#[test]
fn help() {
    let mut model = incident();
    send(&mut model, Command::OpenHelp);
    assert_screens("help", &model);
}

#[test]
fn sort_menu() {
    let mut model = incident();
    send(&mut model, Command::OpenSortMenu);
    assert_screens("sort_menu", &model);
}

#[test]
fn filter_being_typed() {
    let mut model = incident();
    send(&mut model, Command::OpenFilter);
    type_text(&mut model, "sys:write !java");
    assert_screens("filter_being_typed", &model);
}

#[test]
fn filter_with_a_word_that_means_nothing() {
    let mut model = incident();
    send(&mut model, Command::OpenFilter);
    type_text(&mut model, "comm:e sys:opnat");
    assert_screens("filter_refused", &model);
    assert_eq!(model.rows.filtered_out, 4, "the other word filters");
    type_text(&mut model, &"\u{202e}x".repeat(100));
    let text = screen(&model, 80, 24);
    assert!(text.contains("no syscall has opnat\\u{202e}x") && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn everything_wrong_at_once() {
    let mut snapshot = fixture::incident();
    snapshot.ledger.kernel[Counter::Streamed as usize] = 13_692_133;
    snapshot.ledger.kernel[Counter::Lost as usize] = 41_200;
    snapshot.ledger.kernel[Counter::Spilled as usize] = 570_000;
    snapshot.ledger.missed_enter = 12;
    let mut model = model_of(snapshot);
    look_back(&mut model, 59);
    let mut run = fixture::run();
    run.ring_fill = 0.97;
    run.notices.push("32-bit calls cannot be told apart here".to_owned());
    update(&mut model, Message::Run(run));
    assert_screens("everything_wrong_at_once", &model);
}

#[test]
fn ascii_terminals_get_ascii() {
    let mut model = incident();
    model.theme = Theme::ASCII;
    for pid in [1841, 2210] {
        open_process(&mut model, pid);
        assert!(screen(&model, 120, 40).is_ascii());
        send(&mut model, Command::Open);
        assert!(screen(&model, 120, 40).is_ascii());
        send(&mut model, Command::View(View::Processes));
    }
    open_process(&mut model, 1841);
    open_call(&mut model, "fsync");
    insta::assert_snapshot!("ascii", screen(&model, 80, 24));
}

#[test]
fn small_terminals_say_what_they_need() {
    let model = incident();
    assert_eq!(screen(&model, 39, 8).lines().next(), Some("terminal too small (need 40x8)"));
    assert_eq!(screen(&model, 40, 7).lines().next(), Some("terminal too small (need 40x8)"));
    assert!(screen(&model, 40, 8).contains("java"), "the stuck process is there at 40x8");
    assert_eq!(screen(&model, 1, 1), "t");
}

#[test]
fn hostile_names_are_shown_escaped() {
    let text = screen(&incident(), 199, 40);
    assert!(text.contains("x\\x1b[2Jy\\u{202e}"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn a_live_run_with_its_past() {
    let mut model = incident();
    update(&mut model, live_axis(100, Motion::Following));
    assert_screens("live_following", &model);
    look_back(&mut model, 59);
    assert_screens("live_looking_back", &model);
}

#[test]
fn who_looks_back_is_told_so_and_told_of_trouble_now() {
    let mut model = incident();
    update(&mut model, live_axis(100, Motion::Following));
    assert!(!screen(&model, 80, 24).contains("PAST"));
    look_back(&mut model, 59);
    let mut run = fixture::run();
    let mut ledger = model.shown.ledger;
    ledger.kernel[Counter::Lost as usize] = 5;
    run.ledger_now = Some(ledger);
    update(&mut model, Message::Run(run));
    for (width, height) in SIZES {
        let text = screen(&model, width, height);
        assert!(text.contains("PAST 14:03:10, 00:41 ago, still collecting"), "{text}");
        assert!(text.contains("LOST 5"), "{text}");
    }
    update(&mut model, live_axis(100, Motion::Following));
    assert!(!screen(&model, 80, 24).contains("PAST"));
}

#[test]
fn two_spans_are_compared_over_the_screen_until_they_are_closed() {
    let mut model = incident();
    update(&mut model, live_axis(100, Motion::Following));
    let open_ns = Some(fixture::timeline(59, Motion::Paused).position_ns);
    let timeline = Timeline { open_ns, is_complete: false, ..fixture::timeline(100, Motion::Following) };
    update(&mut model, Message::Timeline(Arc::new(timeline)));
    assert!(line(&model, 1).starts_with("A is 14:03:10: m marks B"), "{}", line(&model, 1));

    let versus = |serial| {
        let [before, after] = [Side::default(), Side::default()].map(Arc::new);
        let compared = Arc::new(Compared::of([before, after], &Thresholds::default()));
        Message::Versus(Some(Versus { serial, compared }))
    };
    update(&mut model, versus(1));
    assert!(screen(&model, 80, 24).contains("no calls on either side"));
    assert_eq!(update(&mut model, Message::Compare(compare::Command::Help)), []);
    assert!(screen(&model, 80, 24).contains("inconclusive"));
    update(&mut model, versus(1));
    assert!(screen(&model, 80, 24).contains("inconclusive"), "what is open stays open as more comes");
    assert_eq!(update(&mut model, Message::Compare(compare::Command::Back)), []);
    let closed = update(&mut model, Message::Compare(compare::Command::Back));
    assert_eq!(closed, [Effect::Control(Control::Transport(Transport::StopComparing))]);
    assert!(model.comparison.is_none());
    update(&mut model, versus(1));
    assert!(model.comparison.is_none(), "a late one does not come back");
    update(&mut model, versus(2));
    assert!(model.comparison.is_some());
}

#[test]
fn when_a_run_has_ended_its_past_is_looked_at_as_in_a_replay() {
    let mut model = incident();
    update(&mut model, live_axis(100, Motion::Following));
    update(&mut model, Message::Run(RunInfo { ended: Some("stopped".to_owned()), ..fixture::run() }));
    let axis = |second, motion| Message::Timeline(Arc::new(fixture::timeline(second, motion)));
    update(&mut model, axis(100, Motion::Paused));
    assert_eq!(model.scope, Scope::Total);
    update(&mut model, axis(59, Motion::Paused));
    assert_eq!(model.scope, Scope::Interval);
    let text = screen(&model, 80, 24);
    assert!(!text.contains("still collecting") && text.contains("ended: stopped"), "{text}");
}

#[test]
fn the_selection_follows_its_row_and_survives_its_end() {
    let mut model = incident();
    select(&mut model, |row| matches!(row, Row::Process(process) if process.id.pid == 977));
    let selected = model.cursor().selected;
    send(&mut model, Command::SortBy("pid"));
    assert_eq!(model.cursor().selected, selected);
    assert_eq!(model.selected().map(|entry| entry.key), selected);
    let index = model.cursor().index;
    let mut fewer = fixture::incident();
    fewer.processes.retain(|process| process.id.pid != 977);
    update(&mut model, Message::Snapshot(Arc::new(fewer)));
    assert_eq!(model.cursor().index, index);
    assert!(model.selected().is_some() && model.selected().map(|entry| entry.key) != selected);
    update(&mut model, Message::Snapshot(Arc::new(Snapshot::default())));
    assert_eq!(model.selected(), None);
    send(&mut model, Command::Open);
    assert_eq!(model.screen(), Screen::Processes);
}

#[test]
fn untouched_the_first_row_stays_selected() {
    let mut model = incident();
    assert_eq!(model.cursor().selected, None);
    send(&mut model, Command::SortBy("pid"));
    send(&mut model, Command::Invert);
    assert_eq!(model.cursor().index, 0);
    send(&mut model, Command::Bottom);
    assert!(matches!(model.cursor().selected, Some(RowKey::Process(_))));
    send(&mut model, Command::Top);
    assert_eq!((model.cursor().selected, model.cursor().index), (None, 0));
}

#[test]
fn back_leads_to_where_one_was() {
    let mut model = incident();
    open_process(&mut model, 1841);
    open_call(&mut model, "pwrite64");
    assert!(matches!(model.screen(), Screen::Call(..)));
    send(&mut model, Command::Back);
    assert!(
        matches!(model.selected().map(|entry| model.row(entry)), Some(Some(Row::Call(call))) if call.name == "pwrite64")
    );
    send(&mut model, Command::Back);
    assert!(
        matches!(model.selected().map(|entry| model.row(entry)), Some(Some(Row::Process(process))) if process.id.pid == 1841)
    );
    model.set_filter("x");
    send(&mut model, Command::Back);
    assert!(model.filter.text().is_empty(), "on the first screen, back drops the filter");
}

#[test]
fn a_process_that_is_gone_leaves_a_screen_that_says_so() {
    let mut model = incident();
    open_process(&mut model, 1841);
    open_call(&mut model, "fsync");
    update(&mut model, Message::Snapshot(Arc::new(fixture::crowd(1))));
    assert!(screen(&model, 120, 24).contains("the process ended"));
    assert!(line(&model, 1).contains("postgres 1841"));
    send(&mut model, Command::Back);
    assert!(screen(&model, 80, 24).contains("no calls"));
    send(&mut model, Command::Bottom);
}

#[test]
fn figures_of_all_processes_are_the_sum_of_each() {
    let mut model = incident();
    send(&mut model, Command::View(View::Calls));
    let sum: u64 = model
        .rows
        .entries
        .iter()
        .filter_map(|&entry| match model.row(entry) {
            Some(Row::Call(call)) => Some(call.stats.calls),
            _ => None,
        })
        .sum();
    assert_eq!(sum, model.shown.all.calls);
    model.set_filter("comm:nginx");
    open_call(&mut model, "epoll_wait");
    assert_eq!(model.call().map(|call| call.stats.calls), Some(800));
}

#[test]
fn the_end_turns_rates_into_totals_once() {
    let mut model = incident();
    let ended = RunInfo { ended: Some("redis-server 1120 exited".to_owned()), ..fixture::run() };
    update(&mut model, Message::Run(ended.clone()));
    assert_eq!(model.scope, Scope::Total);
    assert!(line(&model, 1).contains("ended: redis-server 1120 exited, q quits"));
    send(&mut model, Command::ToggleScope);
    update(&mut model, Message::Run(ended));
    assert_eq!(model.scope, Scope::Interval, "the user's choice stands");
}

#[test]
fn waiting_rows_can_be_hidden_and_are_counted() {
    let mut model = incident();
    let all = model.rows.entries.len();
    send(&mut model, Command::ToggleWaiting);
    assert_eq!(model.rows.entries.len() + model.rows.waiting_hidden, all);
    assert!(screen(&model, 80, 24).contains("idle, ended or waiting by design: 2 (b shows)"));
}

/// A model in which keys mean what they mean in `mode`, with something above and below where it is.
fn model_in(mode: Mode, origin: Origin) -> Model {
    let mut model = match origin {
        Origin::Replay => replay(70, Motion::Paused),
        Origin::Live => {
            let mut model = incident();
            look_back(&mut model, 70);
            model
        }
    };
    update(&mut model, Message::Resize(80, 14));
    match mode {
        Mode::Table => {
            open_process(&mut model, 1841);
            model.set_filter("e");
            send(&mut model, Command::Move(1));
        }
        Mode::Detail => {
            open_process(&mut model, 2210);
            open_call(&mut model, "futex");
            send(&mut model, Command::Move(1));
        }
        Mode::Filter => {
            send(&mut model, Command::OpenFilter);
            type_text(&mut model, "ng");
        }
        Mode::Jump => {
            send(&mut model, Command::OpenJump);
            type_text(&mut model, "+5");
        }
        Mode::SortMenu => {
            send(&mut model, Command::OpenSortMenu);
            send(&mut model, Command::Move(1));
        }
        Mode::SaveMenu => {
            send(&mut model, Command::OpenSaveMenu);
            send(&mut model, Command::Move(1));
        }
        Mode::Help => {
            send(&mut model, Command::OpenHelp);
            send(&mut model, Command::Move(1));
        }
    }
    assert_eq!(model.mode(), mode);
    model
}

#[test]
fn every_key_of_the_table_does_something_wherever_it_is_bound() {
    let mut walked = 0;
    for origin in [Origin::Live, Origin::Replay] {
        for (mode, start) in
            Mode::ALL.map(|mode| (mode, None)).into_iter().chain([(Mode::Table, Some(View::Files))])
        {
            for binding in keys::bindings(mode, origin) {
                for key in binding.keys {
                    let mut model =
                        if start.is_some() { files::among_files(origin) } else { model_in(mode, origin) };
                    // What is already as the key wants it shows nothing; start from elsewhere.
                    match binding.command {
                        Command::View(view) if start == Some(view) || view == View::Processes => {
                            send(&mut model, Command::View(View::Errors));
                        }
                        Command::Unzero => send(&mut model, Command::Zero),
                        Command::SortBy("busy") => send(&mut model, Command::SortBy("max")),
                        _ => {}
                    }
                    let before = model.clone();
                    let message = keys::message(model.mode(), origin, key.event()).expect("a bound key");
                    let effects = update(&mut model, message);
                    assert!(
                        model != before || !effects.is_empty(),
                        "{key:?} ({}) does nothing in {mode:?}",
                        binding.help
                    );
                    for (width, height) in SIZES {
                        screen(&model, width, height);
                    }
                    walked += 1;
                }
            }
        }
    }
    assert!(walked > keys::all().count());
}

#[test]
fn a_script_of_keys_finds_the_failing_call() {
    let mut model = incident();
    let script = [
        KeyCode::Char('/'),
        KeyCode::Char('n'),
        KeyCode::Char('g'),
        KeyCode::Enter,
        KeyCode::Enter,
        KeyCode::Char('s'),
        KeyCode::Down,
        KeyCode::Down,
        KeyCode::Esc,
        KeyCode::Char('E'),
        KeyCode::Enter,
    ];
    for code in script {
        let message = keys::message(model.mode(), model.run.origin, KeyEvent::new(code, KeyModifiers::NONE))
            .expect("a bound key");
        update(&mut model, message);
    }
    assert_eq!(model.call().map(|call| call.name.as_str()), Some("openat"));
    assert!(line(&model, 1).contains("[1 processes > nginx 977 > openat]"), "{}", line(&model, 1));
}

fn any_message() -> impl Strategy<Value = Message> {
    let bound: Vec<Command> = keys::all()
        .map(|binding| binding.command)
        .filter(|command| !matches!(command, Command::Quit | Command::Interrupt))
        .collect();
    prop_oneof![
        8 => proptest::sample::select(bound).prop_map(Message::Command),
        2 => any::<char>().prop_map(Message::Type),
        2 => fixture::any_timeline().prop_map(|timeline| Message::Timeline(Arc::new(timeline))),
        2 => fixture::any_snapshot().prop_map(|snapshot| Message::Snapshot(Arc::new(snapshot))),
        1 => (0u16..200, 0u16..60).prop_map(|(width, height)| Message::Resize(width, height)),
        1 => (0u16..200, 0u16..60).prop_map(|(x, y)| Message::Click(x, y)),
        1 => (-2i8..3).prop_map(Message::Wheel),
        1 => any::<String>().prop_map(Message::Told),
        1 => (any::<String>(), any::<Option<String>>(), any::<f64>(), proptest::collection::vec(any::<String>(), 0..3))
            .prop_map(|(target, ended, ring_fill, notices)| Message::Run(RunInfo {
                target, ring_fill, ended, notices, ..fixture::run()
            })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn nothing_that_happens_makes_any_terminal_panic(
        first in fixture::any_snapshot(),
        messages in proptest::collection::vec(any_message(), 0..24),
        width in 1u16..200, height in 1u16..60, utf8 in any::<bool>(),
    ) {
        let mut model = model_of(first);
        if !utf8 {
            model.theme = Theme::ASCII;
        }
        for message in messages {
            update(&mut model, message);
            let text = screen(&model, width, height);
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
            prop_assert!(utf8 || text.is_ascii());
            let cursor = model.cursor();
            prop_assert!(cursor.index == 0 || cursor.index < model.rows.entries.len());
            if model.overlay == Some(Overlay::Filter) {
                prop_assert_eq!(model.mode(), Mode::Filter);
            }
        }
    }
}

#[test]
fn ten_thousand_rows_cost_a_frame_no_more_than_those_it_shows() {
    let mut model = model_of(fixture::crowd(10_000));
    update(&mut model, Message::Resize(120, 40));
    let mut terminal = ratatui::Terminal::new(TestBackend::new(120, 40)).expect("a test terminal");
    send(&mut model, Command::Bottom);
    let start = Instant::now();
    terminal.draw(|frame| view(&model, frame)).expect("a test terminal takes everything");
    let frame_time = start.elapsed();
    assert!(frame_time < Duration::from_millis(100), "{frame_time:?}");
}
