//! The screen of a replay: the axis of time at the sizes that matter, and every way along it.

use super::*;
use crate::timeline::Speed;

/// The incident at this moment of a recording, as it stands there.
pub(super) fn replay(position_s: u64, motion: Motion) -> Model {
    let run = RunInfo { origin: Origin::Replay, ..fixture::run() };
    let mut model = Model::new(Arc::new(fixture::incident()), run, Theme::MONO, (80, 24));
    update(&mut model, Message::Timeline(Arc::new(fixture::timeline(position_s, motion))));
    model
}

fn press(model: &mut Model, key: char) -> Vec<Effect> {
    press_code(model, KeyCode::Char(key))
}

fn press_code(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    let event = KeyEvent::new(code, KeyModifiers::NONE);
    let message = keys::message(model.mode(), model.run.origin, event).expect("a bound key");
    update(model, message)
}

fn moves(transport: Transport) -> Vec<Effect> {
    vec![Effect::Control(Control::Transport(transport))]
}

fn last_lines(model: &Model, width: u16, height: u16, lines: usize) -> String {
    let text = screen(model, width, height);
    let all: Vec<&str> = text.lines().collect();
    all[all.len() - lines..].join("\n")
}

#[test]
fn opened_at_the_end() {
    assert_screens("replay_at_the_end", &replay(100, Motion::Paused));
}

#[test]
fn playing() {
    let mut model = replay(62, Motion::Playing);
    let mut timeline = fixture::timeline(62, Motion::Playing);
    timeline.speed = Speed::default().stepped(3);
    update(&mut model, Message::Timeline(Arc::new(timeline)));
    assert_screens("replay_playing", &model);
    model.theme = Theme::ASCII;
    insta::assert_snapshot!("replay_playing_ascii", screen(&model, 80, 24));
}

#[test]
fn one_syscall_in_a_replay() {
    let mut model = replay(62, Motion::Paused);
    open_process(&mut model, 1841);
    open_call(&mut model, "fsync");
    assert_screens("replay_one_syscall", &model);
}

#[test]
fn asked_for_a_moment() {
    let mut model = replay(62, Motion::Paused);
    send(&mut model, Command::OpenJump);
    type_text(&mut model, "15:30");
    assert_screens("replay_prompt", &model);
    assert_eq!(press_code(&mut model, KeyCode::Enter), []);
    assert_screens("replay_prompt_refused", &model);
}

#[test]
fn a_recording_that_was_cut_says_so() {
    let mut model = replay(100, Motion::Paused);
    let run = RunInfo { notices: vec!["ended uncleanly: cut off".to_owned()], ..model.run.clone() };
    update(&mut model, Message::Run(run));
    assert!(line(&model, 1).starts_with("ended uncleanly: cut off"), "{}", line(&model, 1));
}

#[test]
fn keys_move_along_the_axis() {
    let mut model = replay(62, Motion::Paused);
    for (key, wanted) in [
        (' ', Transport::TogglePause),
        ('p', Transport::TogglePlay),
        (']', Transport::Step(1)),
        ('[', Transport::Step(-1)),
        ('.', Transport::Step(10)),
        (',', Transport::Step(-10)),
        ('}', Transport::Faster(1)),
        ('{', Transport::Faster(-1)),
        ('n', Transport::ToMark(1)),
        ('N', Transport::ToMark(-1)),
        ('m', Transport::MarkSpan),
    ] {
        assert_eq!(press(&mut model, key), moves(wanted), "{key}");
    }
    let start_ns = fixture::timeline(62, Motion::Paused).start_ns;
    assert_eq!(press_code(&mut model, KeyCode::Home), moves(Transport::Seek(start_ns)));
    assert_eq!(press_code(&mut model, KeyCode::End), moves(Transport::SeekEnd));
}

#[test]
fn the_prompt_leads_to_a_moment_or_says_why_not() {
    let mut model = replay(62, Motion::Paused);
    press(&mut model, ':');
    for key in "rolled".chars() {
        press(&mut model, key);
    }
    let timeline = fixture::timeline(62, Motion::Paused);
    assert_eq!(press_code(&mut model, KeyCode::Enter), moves(Transport::Seek(timeline.marks[2].time_ns)));
    assert_eq!(model.mode(), Mode::Table);

    press(&mut model, ':');
    assert!(model.prompt.text.is_empty(), "a new prompt");
    press(&mut model, 'z');
    assert_eq!(press_code(&mut model, KeyCode::Enter), []);
    assert!(last_lines(&model, 80, 24, 1).contains("no time and no mark: z"));
    press_code(&mut model, KeyCode::Backspace);
    assert!(model.prompt.refusal.is_none(), "what was refused is being changed");
    assert!(model.filter.text().is_empty(), "the filter is another matter");
    press_code(&mut model, KeyCode::Esc);
    assert_eq!(model.mode(), Mode::Table);
}

#[test]
fn totals_at_the_end_and_rates_on_the_way() {
    let mut model = replay(100, Motion::Paused);
    assert_eq!(model.scope, Scope::Total, "opened at the end it shows totals, as a live run that has ended");
    let at = |second, motion| Message::Timeline(Arc::new(fixture::timeline(second, motion)));
    update(&mut model, at(3, Motion::Playing));
    assert_eq!(model.scope, Scope::Interval);
    send(&mut model, Command::ToggleScope);
    update(&mut model, at(4, Motion::Playing));
    assert_eq!(model.scope, Scope::Total, "the user's choice stands on the way");
    update(&mut model, at(100, Motion::Seeking(0.99)));
    update(&mut model, at(100, Motion::Paused));
    assert_eq!(model.scope, Scope::Total);
}

#[test]
fn a_run_that_goes_on_has_no_end_to_stand_at() {
    let mut model = replay(100, Motion::Paused);
    let mut timeline = fixture::timeline(100, Motion::Following);
    timeline.is_complete = false;
    update(&mut model, Message::Timeline(Arc::new(timeline.clone())));
    assert_eq!(model.scope, Scope::Interval);
    assert!(last_lines(&model, 80, 24, 2).contains("following"));
    timeline.motion = Motion::Seeking(0.436);
    update(&mut model, Message::Timeline(Arc::new(timeline)));
    assert!(last_lines(&model, 80, 24, 2).contains("reading 44%"));
}

#[test]
fn an_empty_recording_draws_an_empty_axis() {
    let mut model = replay(0, Motion::Paused);
    let timeline = Timeline { is_complete: true, ..Timeline::default() };
    update(&mut model, Message::Timeline(Arc::new(timeline)));
    for (width, height) in SIZES {
        assert!(screen(&model, width, height).contains("the end"));
    }
}
