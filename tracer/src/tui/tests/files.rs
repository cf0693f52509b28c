//! The view of what calls are on: files and peers, whose, and what leads there and on.

use super::*;
use crate::by_file::OnBy;

fn files() -> Model {
    let mut model = model_of(fixture::with_files());
    send(&mut model, Command::View(View::Files));
    model
}

/// The view with something above and below where it is.
pub(super) fn among_files(origin: Origin) -> Model {
    let mut model = files();
    let axis = |is_complete| Timeline { is_complete, ..fixture::timeline(70, Motion::Paused) };
    let run = RunInfo { origin, ..fixture::run() };
    update(&mut model, Message::Run(run));
    update(&mut model, Message::Timeline(Arc::new(axis(origin == Origin::Replay))));
    update(&mut model, Message::Resize(80, 14));
    model.set_filter("e");
    send(&mut model, Command::Move(1));
    model
}

fn labels(model: &Model) -> Vec<String> {
    let rows = model.rows.entries.iter().filter_map(|&entry| model.row(entry));
    rows.filter_map(|row| if let Row::File(file) = row { Some(file.label()) } else { None }).collect()
}

fn open_file(model: &mut Model, label: &str) {
    select(model, |row| matches!(row, Row::File(file) if file.label().contains(label)));
    send(model, Command::Open);
}

#[test]
fn files_of_all_processes() {
    assert_screens("files", &files());
    let mut model = files();
    send(&mut model, Command::ToggleScope);
    assert_screens("files_since_the_start", &model);
}

#[test]
fn peers_of_all_processes() {
    let mut model = files();
    send(&mut model, Command::NextGroup);
    assert!(line(&model, 1).contains("by peer"), "{}", line(&model, 1));
    assert_screens("peers", &model);
    send(&mut model, Command::NextGroup);
    assert_eq!(labels(&model), labels(&files()));
}

#[test]
fn calls_on_one_file() {
    let mut model = files();
    open_file(&mut model, "pg_wal");
    assert_screens("calls_on_one_file", &model);
    send(&mut model, Command::Open);
    assert_eq!(model.call().map(|call| call.name.as_str()), Some("fsync"));
    let path = line(&model, 1);
    assert!(path.contains("7 files > …") && path.contains("0000001 > postgres 1841 > fsync]"), "{path}");
    send(&mut model, Command::Back);
    send(&mut model, Command::NextGroup);
    assert!(matches!(model.screen(), Screen::Files(_)), "a file is no peer");
}

#[test]
fn files_of_one_process_and_back() {
    let mut model = model_of(fixture::with_files());
    select(&mut model, |row| matches!(row, Row::Process(process) if process.id.pid == 1841));
    send(&mut model, Command::View(View::Files));
    assert_screens("files_of_one_process", &model);
    assert!(line(&model, 1).contains("[1 processes > postgres 1841 > files]"), "{}", line(&model, 1));
    open_file(&mut model, "16397");
    assert!(screen(&model, 120, 24).contains(" on /var/lib/postgresql/16/main/base/16384/16397"));
    send(&mut model, Command::View(View::Files));
    assert_eq!(model.screen(), Screen::Files(Subject::All), "again, those of everybody");
}

#[test]
fn without_files_it_says_why() {
    let mut model = incident();
    send(&mut model, Command::View(View::Files));
    assert_screens("files_none", &model);
    update(&mut model, Message::Run(RunInfo { args: true, ..fixture::run() }));
    assert!(screen(&model, 80, 24).contains("no call was on a file, socket or pipe yet"));
    model.show_files(OnBy::Peer);
    assert!(screen(&model, 80, 24).contains("no call was on a socket or pipe yet"));
}

#[test]
fn a_file_with_a_stuck_call_comes_first_and_what_has_none_last() {
    let mut model = files();
    assert_eq!(labels(&model)[0], "/srv/app/lock");
    assert!(
        screen(&model, 80, 24)
            .lines()
            .any(|line| line.starts_with("!…") || line.starts_with("!/srv/app/lock"))
    );
    assert!(labels(&model)[model.rows.waiting_from..].contains(&"(no file)".to_owned()));
    let all = model.rows.entries.len();
    send(&mut model, Command::ToggleWaiting);
    assert!(model.rows.entries.len() < all && !labels(&model).contains(&"(no file)".to_owned()));
}

#[test]
fn rows_add_up_to_the_calls_of_all_processes() {
    let model = files();
    let rows = model.rows.entries.iter().filter_map(|&entry| model.row(entry));
    let calls = rows.map(|row| if let Row::File(file) = row { file.figures.all.calls } else { 0 });
    assert_eq!(calls.sum::<u64>(), model.shown.all.calls);
}

#[test]
fn the_selection_stays_with_the_file_and_names_are_safe() {
    let mut model = files();
    select(&mut model, |row| matches!(row, Row::File(file) if file.label().starts_with("/tmp/x\\x1b")));
    let selected = model.cursor().selected;
    send(&mut model, Command::SortBy("rate"));
    update(&mut model, Message::Snapshot(Arc::new(fixture::with_files())));
    assert_eq!(model.selected().map(|entry| entry.key), selected);
    model.set_filter("on:out.log");
    assert_eq!(labels(&model), ["/srv/app/out.log"]);
}

#[test]
fn the_call_page_of_all_processes_has_the_files_of_all() {
    let mut model = model_of(fixture::with_files());
    send(&mut model, Command::View(View::Calls));
    open_call(&mut model, "write");
    let text = screen(&model, 200, 50);
    assert!(text.contains("system.journal") && text.contains("/srv/app/out.log"), "{text}");
}

#[test]
fn it_can_begin_with_files_or_peers() {
    for (by, words) in [(OnBy::File, "system.journal"), (OnBy::Peer, "by peer")] {
        let mut model = model_of(fixture::with_files());
        model.show_files(by);
        assert_eq!(model.screen(), Screen::Files(Subject::All));
        assert!(screen(&model, 200, 50).contains(words), "{}", screen(&model, 200, 50));
        send(&mut model, Command::Back);
        assert_eq!(model.screen(), Screen::Processes, "and everything else is there");
    }
}
