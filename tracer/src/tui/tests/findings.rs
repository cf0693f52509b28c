//! The strip of what stands out: where it is, what it takes from the table, what it never lets through.

use super::*;

fn found() -> Model {
    let mut snapshot = fixture::incident();
    snapshot.findings = fixture::findings();
    model_of(snapshot)
}

#[test]
fn what_stands_out_is_above_the_table() {
    assert_screens("what_stands_out", &found());
}

#[test]
fn the_end_shows_what_stood_out_in_the_whole_run() {
    let mut model = found();
    let run = RunInfo { ended: Some("quit".to_owned()), ..fixture::run() };
    update(&mut model, Message::Run(run));
    assert!(screen(&model, 80, 24).contains("! java 2210  write EPIPE 4/s, until 60 s ago"));
}

#[test]
fn one_call_and_small_terminals_keep_their_lines() {
    let mut model = found();
    let table = |model: &Model, height| {
        screen(model, 80, height)
            .lines()
            .filter(|line| line.starts_with("! ") && !line.starts_with("!  "))
            .count()
    };
    assert_eq!([8, 11, 12, 13, 14, 24].map(|height| table(&model, height)), [0, 0, 1, 2, 3, 3]);
    open_process(&mut model, 1841);
    assert_eq!(table(&model, 24), 3);
    open_call(&mut model, "fsync");
    assert_eq!(table(&model, 24), 0);
}

#[test]
fn no_byte_of_a_hostile_name_is_obeyed_and_plain_terminals_get_plain_text() {
    let mut model = found();
    model.theme = Theme::ASCII;
    let text = screen(&model, 80, 24);
    assert!(text.contains("! x\\x1b[2Jy\\u{202e} 2666  flock open for 41 s"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{text}");
}
