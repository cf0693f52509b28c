//! The screen of a comparison at the sizes that matter, and every key on any size.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::backend::TestBackend;

use super::keys::{BINDINGS, Command, command};
use super::model::{After, Model};
use super::view::view;
use super::{Compared, Theme};
use crate::compare::synthetic::{Stream, intervals};
use crate::compare::{About, By, Side, Thresholds, compare_sides};

const SECOND: u64 = 1_000_000_000;

fn compared(after_slices: usize) -> Arc<Compared> {
    let fsync =
        Stream { comm: "postgres", nr: 74, calls: 80.0, median_ns: 2e6, spread: 0.7, ..Stream::default() };
    let open =
        Stream { comm: "nginx", nr: 257, calls: 60.0, median_ns: 1900.0, errors: 0.3, ..Stream::default() };
    // So few that some seconds have none.
    let rare = Stream { comm: "nginx", nr: 0, calls: 0.7, ..Stream::default() };
    let wait = Stream { comm: "nginx", nr: 232, calls: 20.0, median_ns: 2e7, ..Stream::default() };
    let faster = Stream { median_ns: 5e5, ..fsync.clone() };
    let side = |label: &str, streams: &[Stream], slices: usize, seed: u64| {
        let about = About { label: label.to_owned(), host: "db-7".to_owned(), ..About::default() };
        Side::of(By::default(), about, &intervals(streams, slices, SECOND, seed))
    };
    let before = side("before.arrows", &[fsync, open.clone(), rare.clone(), wait.clone()], 30, 1);
    let after = side("after.arrows", &[faster, Stream { errors: 0.0, ..open }, rare, wait], after_slices, 2);
    let thresholds = Thresholds { draws: 200, ..Thresholds::default() };
    let comparison = compare_sides(&before, &after, &thresholds, 1, &|_, _| {});
    Arc::new(Compared {
        comparison,
        before: Arc::new(before),
        after: Arc::new(after),
        conditions: Vec::new(),
    })
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    let mut model = model.clone();
    model.resize((width, height));
    let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    terminal.draw(|frame| view(&model, frame)).expect("a test terminal takes everything");
    let buffer = terminal.backend().buffer();
    let lines = buffer.content.chunks(usize::from(width.max(1)));
    let text: Vec<String> = lines
        .map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned())
        .collect();
    text.join("\n")
}

#[test]
fn the_table_one_call_and_the_help() {
    let mut model = Model::new(compared(20), Theme::MONO, (80, 24));
    insta::assert_snapshot!("table_80x24", screen(&model, 80, 24));
    insta::assert_snapshot!("table_120x40", screen(&model, 120, 40));
    assert_eq!(After::Stay, model.update(Command::Open));
    insta::assert_snapshot!("call_80x24", screen(&model, 80, 24));
    model.theme = Theme::ASCII;
    assert!(screen(&model, 120, 40).is_ascii());
    model.theme = Theme::MONO;
    let errors = model.rows().iter().position(|row| !row.errnos.is_empty()).expect("a failing call");
    model.cursor = errors;
    insta::assert_snapshot!("call_with_errnos_120x40", screen(&model, 120, 40));
    model.update(Command::Help);
    let help = screen(&model, 80, 24);
    assert!(BINDINGS.iter().all(|binding| help.contains(binding.help)), "{help}");
}

#[test]
fn no_call_and_nothing_look_different() {
    let mut model = Model::new(compared(20), Theme::MONO, (120, 40));
    let rare =
        model.rows().iter().position(|row| row.call_name().as_deref() == Some("read")).expect("it is there");
    model.cursor = rare;
    model.update(Command::Open);
    let text = screen(&model, 120, 40);
    assert!(text.contains('·') && text.contains('█'), "{text}");
}

#[test]
fn an_empty_comparison_can_be_looked_at() {
    let side = || Side::of(By::default(), About::default(), &[]);
    let comparison = compare_sides(&side(), &side(), &Thresholds::default(), 1, &|_, _| {});
    let compared =
        Compared { comparison, before: Arc::new(side()), after: Arc::new(side()), conditions: Vec::new() };
    let mut model = Model::new(Arc::new(compared), Theme::MONO, (80, 24));
    for command in [Command::Open, Command::Last, Command::Page(1)] {
        model.update(command);
        assert!(screen(&model, 80, 24).contains("no calls on either side"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_key_on_any_terminal(
        keys in proptest::collection::vec(any::<prop::sample::Index>(), 0..12), width in 1u16..200, height in 1u16..60,
    ) {
        thread_local!(static COMPARED: Arc<Compared> = compared(3));
        let mut model = Model::new(COMPARED.with(Arc::clone), Theme::MONO, (width, height));
        let codes = [
            KeyCode::Enter, KeyCode::Esc, KeyCode::Down, KeyCode::Up, KeyCode::PageDown, KeyCode::PageUp, KeyCode::Home,
            KeyCode::End, KeyCode::Char('?'), KeyCode::Char('x'),
        ];
        for key in keys {
            if let Some(command) = command(KeyEvent::new(*key.get(&codes), KeyModifiers::NONE)) {
                prop_assert!(model.update(command) != After::Quit);
            }
            prop_assert!(model.cursor < model.rows().len());
            screen(&model, width, height);
        }
        prop_assert!(command(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)) == Some(Command::Quit));
    }
}
