//! The view of a selection over time: what it asks for, and what it shows of the answer.

use tracer_common::abi::Abi;
use tracer_common::outcome::Outcome;

use super::fixture::SECOND;
use super::*;
use crate::history::{History, Limits};
use crate::interval::tests::cell_of;
use crate::interval::{CallKey, CellKey, Interval};
use crate::over_time::{Wanted, Watched};
use crate::process::ProcessId;

/// The disk gets slow half a minute before the end; before that, ten quiet seconds and five that were not recorded.
fn history() -> History {
    let first_s = fixture::incident().start_ns / SECOND;
    let mut history = History::new(Limits::default());
    for at in (0..133u64).filter(|at| !(40..45).contains(at)) {
        let (start_ns, end_ns) = ((first_s + at) * SECOND, (first_s + at + 1) * SECOND);
        let mut interval = Interval { start_ns, end_ns, ..Interval::default() };
        let slow = if at > 103 { 40 } else { 1 };
        let mut calls = Vec::new();
        for call in 0..if (60..70).contains(&at) { 0 } else { 30 + at % 7 } {
            let latency_ns = 900_000 * slow * (1 + call * call / 60) + at * 1_000;
            let outcome = if at % 20 == 0 && call < 3 { Outcome::Error(28) } else { Outcome::Success };
            calls.push((latency_ns, outcome));
        }
        let process = ProcessId { pid: 1841, start_ns: 1 };
        let fsync = CallKey { abi: Abi::X86_64, nr: 74 };
        interval.cells.insert(CellKey { process, call: fsync }, cell_of(&calls));
        history.push(Arc::new(interval));
    }
    history
}

/// Asks for what the model asks for, and answers.
pub(super) fn answer(model: &mut Model) {
    let wanted = model.wanted().expect("it wants something");
    let mut watched = Watched::new(wanted);
    watched.follow(&history());
    update(model, Message::OverTime(Arc::new(watched.over_time(u64::MAX))));
}

fn assert_answered_screens(name: &str, model: &Model) {
    for (width, height) in SIZES {
        let mut model = model.clone();
        update(&mut model, Message::Resize(width, height));
        answer(&mut model);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), screen(&model, width, height));
    }
}

fn watches(effects: &[Effect]) -> Vec<Option<Wanted>> {
    let wanted = effects.iter().filter_map(|effect| match effect {
        Effect::Control(Control::Watch(wanted)) => Some(*wanted),
        _ => None,
    });
    wanted.collect()
}

#[test]
fn the_whole_host_over_time() {
    let mut model = incident();
    send(&mut model, Command::View(View::OverTime));
    assert_answered_screens("over_time", &model);
    model.theme = Theme::ASCII;
    answer(&mut model);
    assert!(screen(&model, 80, 24).is_ascii());
    insta::assert_snapshot!("over_time_ascii", screen(&model, 80, 24));
}

#[test]
fn one_call_over_time_in_a_replay() {
    let mut model = replay(100, Motion::Paused);
    open_process(&mut model, 1841);
    open_call(&mut model, "fsync");
    send(&mut model, Command::View(View::OverTime));
    assert_answered_screens("over_time_of_a_call", &model);
}

#[test]
fn the_page_of_a_call_has_its_past_beside_its_histogram() {
    let mut model = incident();
    open_process(&mut model, 1841);
    open_call(&mut model, "fsync");
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        let mut model = model.clone();
        update(&mut model, Message::Resize(width, height));
        answer(&mut model);
        let name = format!("one_slow_syscall_over_time_{width}x{height}");
        insta::assert_snapshot!(name, screen(&model, width, height));
    }
    update(&mut model, Message::Resize(60, 15));
    assert_eq!(model.wanted(), None, "there is no room for it");
}

#[test]
fn what_is_selected_is_what_is_asked_for() {
    let mut model = incident();
    let selection = |model: &Model| {
        let selection = model.wanted().expect("it wants something").selection;
        (selection.process.map(|id| id.pid), selection.call.map(|call| call.nr))
    };
    let view = Message::Command(Command::View(View::OverTime));
    let effects = update(&mut model, view.clone());
    assert_eq!(watches(&effects), [model.wanted()]);
    assert_eq!(selection(&model), (None, None), "nothing was selected by hand");
    send(&mut model, Command::View(View::Processes));
    select(&mut model, |row| matches!(row, Row::Process(process) if process.id.pid == 977));
    send(&mut model, Command::View(View::OverTime));
    assert_eq!(selection(&model), (Some(977), None));
    assert!(line(&model, 1).contains("[1 processes > nginx 977 > heat]"), "{}", line(&model, 1));
    send(&mut model, Command::View(View::OverTime));
    assert_eq!(selection(&model), (None, None), "once more: everything");
    send(&mut model, Command::View(View::Open));
    select(&mut model, |row| matches!(row, Row::Open(.., open) if open.tid == 2218));
    send(&mut model, Command::View(View::OverTime));
    assert_eq!(selection(&model), (Some(2210), Some(73)));
    let effects = update(&mut model, Message::Command(Command::Back));
    assert_eq!((model.screen(), watches(&effects)), (Screen::Open, vec![None]), "nobody looks any more");
}

#[test]
fn the_past_of_something_else_is_not_shown_and_a_lost_request_is_made_again() {
    let mut model = incident();
    send(&mut model, Command::View(View::OverTime));
    answer(&mut model);
    assert!(screen(&model, 80, 24).contains("a column is"));
    send(&mut model, Command::View(View::Processes));
    open_process(&mut model, 1841);
    send(&mut model, Command::View(View::OverTime));
    assert!(screen(&model, 80, 24).contains("reading what is kept"));
    let snapshot = Arc::new(fixture::incident());
    let effects = update(&mut model, Message::Snapshot(Arc::clone(&snapshot)));
    assert_eq!(watches(&effects), [model.wanted()]);
    answer(&mut model);
    assert_eq!(watches(&update(&mut model, Message::Snapshot(snapshot))), []);
    let effects = update(&mut model, Message::Resize(120, 40));
    assert_eq!(watches(&effects), [model.wanted()], "there is room for more");
    assert!(screen(&model, 120, 40).contains("a column is"), "until then there is what there was");
}

#[test]
fn many_processes_in_one_row_have_no_past() {
    let mut model = incident();
    update(&mut model, Message::Command(Command::ToggleScope));
    open_process(&mut model, 0);
    send(&mut model, Command::View(View::OverTime));
    assert!(screen(&model, 80, 24).contains("nothing is kept over time"), "{}", screen(&model, 80, 24));
}
