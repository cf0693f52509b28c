//! What keys and mouse do beside showing another screen: follow, zero, copy, write, stop.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;

use super::*;
use crate::process::Comm;
use crate::tui::fixture::SECOND;
use crate::tui::save::{self, Format};

fn press(model: &mut Model, key: char) -> Vec<Effect> {
    let event = KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE);
    let message = keys::message(model.mode(), model.run.origin, event).expect("a bound key");
    update(model, message)
}

fn copied(model: &mut Model, key: char) -> String {
    match press(model, key).as_slice() {
        [Effect::Copy(text)] => text.clone(),
        other => panic!("{key} leads to {other:?}"),
    }
}

fn now() -> Timestamp {
    "2026-11-22T14:02:11Z".parse().expect("a time")
}

#[test]
fn a_followed_row_is_waited_for_when_it_is_gone() {
    let mut model = incident();
    select(&mut model, |row| matches!(row, Row::Process(process) if process.id.pid == 977));
    press(&mut model, 'F');
    let followed = model.selected().map(|entry| entry.key);
    let without = || {
        let mut fewer = fixture::incident();
        fewer.processes.retain(|process| process.id.pid != 977);
        Message::Snapshot(Arc::new(fewer))
    };
    update(&mut model, without());
    assert!(line(&model, 1).contains("following, gone"), "{}", line(&model, 1));
    assert_ne!(model.selected().map(|entry| entry.key), followed);
    update(&mut model, Message::Snapshot(Arc::new(fixture::incident())));
    assert_eq!(model.selected().map(|entry| entry.key), followed, "it is back");
    assert!(line(&model, 1).contains("following") && !line(&model, 1).contains("gone"));
    send(&mut model, Command::Move(1));
    assert!(!line(&model, 1).contains("following"), "whoever chooses another row follows none");
}

#[test]
fn untouched_the_first_row_can_be_followed_too() {
    let mut model = incident();
    press(&mut model, 'F');
    let followed = model.selected().map(|entry| entry.key);
    send(&mut model, Command::SortBy("pid"));
    send(&mut model, Command::Invert);
    assert_eq!(model.selected().map(|entry| entry.key), followed);
    press(&mut model, 'F');
    assert_eq!(model.cursor().followed, None);
}

#[test]
fn zero_counts_from_now_on_and_back() {
    let mut model = incident();
    let all = model.shown.all.calls;
    press(&mut model, 'z');
    assert_eq!(model.shown.all.calls, 0);
    assert!(line(&model, 1).contains("since zero"), "{}", line(&model, 1));
    let mut later = fixture::incident();
    later.end_ns += 5 * SECOND;
    later.all.calls += 70;
    update(&mut model, Message::Snapshot(Arc::new(later)));
    assert_eq!((model.shown.all.calls, model.shown.elapsed_ns()), (70, 5 * SECOND));
    let mut earlier = fixture::incident();
    earlier.end_ns -= 5 * SECOND;
    update(&mut model, Message::Snapshot(Arc::new(earlier)));
    assert_eq!(model.shown.all.calls, all, "before zero there is nothing to count from it");
    press(&mut model, 'Z');
    assert!(!line(&model, 1).contains("since zero"));
}

#[test]
fn the_command_line_traces_what_is_selected() {
    let mut model = incident();
    select(&mut model, |row| matches!(row, Row::Process(process) if process.id.pid == 1841));
    assert_eq!(copied(&mut model, 'y'), "sudo tracer -p 1841");
    assert!(screen(&model, 80, 24).ends_with("copied, where the terminal allows it: sudo tracer -p 1841"));
    send(&mut model, Command::Open);
    select(&mut model, |row| matches!(row, Row::Call(call) if call.name == "fsync"));
    assert_eq!(copied(&mut model, 'y'), "sudo tracer -p 1841 -e fsync");
    send(&mut model, Command::Open);
    assert_eq!(copied(&mut model, 'y'), "sudo tracer -p 1841 -e fsync");
    send(&mut model, Command::View(View::Calls));
    select(&mut model, |row| matches!(row, Row::Call(call) if call.name == "openat"));
    assert_eq!(copied(&mut model, 'y'), "sudo tracer -e openat");
    send(&mut model, Command::View(View::Errors));
    select(&mut model, |row| matches!(row, Row::Error(process, ..) if process.id.pid == 977));
    assert_eq!(copied(&mut model, 'y'), "sudo tracer -p 977 -e openat -x");
    send(&mut model, Command::Move(1));
    assert!(!screen(&model, 80, 24).contains("copied"), "it was read");
}

#[test]
fn every_command_line_that_can_be_copied_is_one() {
    for view in View::ALL {
        let mut model = model_of(fixture::with_files());
        send(&mut model, Command::View(view));
        for index in 0..model.rows.entries.len() {
            model.select(index, true);
            let line = copied(&mut model, 'y');
            assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
            if !line.contains('$') {
                let words = line.split(' ').skip(1);
                assert!(crate::cli::Cli::read(words).is_ok(), "{line}");
            }
        }
    }
}

#[test]
fn rows_are_copied_as_words_without_escapes() {
    let mut model = incident();
    select(&mut model, |row| matches!(row, Row::Process(process) if process.id.pid == 2666));
    let words = copied(&mut model, 'c');
    assert!(words.starts_with("PID 2666, COMM x\\x1b[2Jy\\u{202e}"), "{words}");
    assert!(words.contains(", P99 9.00 µs"), "{words}");
}

#[test]
fn the_screen_is_written_with_all_rows_in_each_format() {
    let mut model = incident();
    update(&mut model, Message::Resize(60, 15));
    press(&mut model, 'w');
    assert_eq!(model.mode(), Mode::SaveMenu);
    send(&mut model, Command::Move(2));
    let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
    let message = keys::message(model.mode(), Origin::Live, enter).expect("a bound key");
    assert_eq!(update(&mut model, message), [Effect::Save(Format::Markdown)]);
    let text = save::content(&model, Format::Text, now());
    let markdown = save::content(&model, Format::Markdown, now());
    let json: serde_json::Value =
        serde_json::from_str(&save::content(&model, Format::Json, now())).expect("an object");
    for process in &model.shown.processes {
        let pid = process.id.pid.to_string();
        assert!(text.contains(&pid) && markdown.contains(&format!("| {pid} |")), "{pid}\n{text}\n{markdown}");
    }
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(model.rows.entries.len()));
    assert_eq!(json["rows"][0]["pid"], 2210);
    assert_eq!(json["host"], "db-7");
    for page in [&text, &markdown] {
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page}");
    }
    insta::assert_snapshot!("written_markdown", markdown);
    open_process(&mut model, 1841);
    open_call(&mut model, "fsync");
    assert!(save::content(&model, Format::Markdown, now()).contains("```\n"));
}

/// The incident, in which the names that calls failed on are as hostile as they can be.
fn hostile_incident() -> Model {
    let mut snapshot = fixture::incident();
    let calls = snapshot.processes.iter_mut().flat_map(|process| &mut process.calls);
    for errno in calls.flat_map(|call| &mut call.errnos).filter(|errno| errno.errno == 2) {
        let mut examples = errno.examples.to_vec();
        examples[0].on = b"/a|b`c\n- d<img src=x>\x1b[2J\xff_e_"[..].into();
        errno.examples = examples.into();
    }
    model_of(snapshot)
}

#[test]
fn all_that_calls_failed_on_is_written_in_each_format() {
    let mut model = hostile_incident();
    send(&mut model, Command::View(View::Errors));
    let text = save::content(&model, Format::Text, now());
    let expected = "\nWhat calls failed on\n  openat ENOENT 2,310x in nginx 977\n      2,290x \
                    \"/a|b`c\\x0a- d<img src=x>\\x1b[2J\\xff_e_\"\n        ≥17x \"/srv/www/favicon.ico\"\n";
    assert!(text.ends_with(expected), "{text}");
    let markdown = save::content(&model, Format::Markdown, now());
    let expected = "\n**What calls failed on**\n\n- openat ENOENT 2,310x in nginx 977\n  - 2,290x \
                    \"/a&#124;b&#96;c&#92;x0a- d&#60;img src=x&#62;&#92;x1b&#91;2J&#92;xff_e&#95;\"\n  - ≥17x \
                    \"/srv/www/favicon.ico\"\n";
    assert!(markdown.ends_with(expected), "{markdown}");
    let table: Vec<&str> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(table.len(), 2 + model.rows.entries.len());
    let bars = |line: &&str| line.matches('|').count();
    assert!(table.iter().all(|line| bars(line) == bars(&table[0])), "no name adds a cell: {markdown}");
    let json: serde_json::Value =
        serde_json::from_str(&save::content(&model, Format::Json, now())).expect("an object");
    let failed = json["failed_on"].as_array().expect("a list");
    assert_eq!(failed.len(), 1, "of the others nothing is known: {failed:?}");
    let openat = &failed[0];
    assert_eq!((&openat["pid"], &openat["syscall"]), (&977.into(), &"openat".into()));
    assert_eq!((&openat["errno"], &openat["count"]), (&"ENOENT".into(), &2_310.into()));
    assert_eq!(openat["examples"][0]["on"], "/a|b`c\\x0a- d<img src=x>\\x1b[2J\\xff_e_");
    assert_eq!(openat["examples"][1]["at_least"], 17);
}

#[test]
fn the_page_of_a_call_is_written_with_all_that_it_failed_on_and_no_name_ends_its_fence() {
    let mut snapshot = fixture::incident();
    snapshot.processes.iter_mut().for_each(|process| process.comm = Comm::new("```\n````"));
    let mut model = model_of(snapshot);
    open_process(&mut model, 977);
    open_call(&mut model, "openat");
    let markdown = save::content(&model, Format::Markdown, now());
    assert!(markdown.contains("\n  - 2,290x \"/etc/nginx/conf.d/missing.conf\"\n  - ≥17x "), "{markdown}");
    let fences: Vec<&str> = markdown.lines().filter(|line| line.trim_start().starts_with('`')).collect();
    assert!(fences.len() == 2 && fences[0] == fences[1], "{fences:?}");
    assert!(!markdown[..markdown.rfind(fences[0]).expect("its end")].contains(&format!("{}`", fences[0])));
    let json: serde_json::Value =
        serde_json::from_str(&save::content(&model, Format::Json, now())).expect("an object");
    assert_eq!(json["failed_on"][0]["examples"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["failed_on"][0]["pid"], serde_json::Value::Null, "the facts say whose");
    send(&mut model, Command::View(View::Processes));
    assert!(!save::content(&model, Format::Text, now()).contains("What calls failed on"));
}

#[test]
fn a_written_screen_is_private_and_never_over_another_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let model = incident();
    let told = save::save(&model, Format::Text, now(), directory.path());
    let path = directory.path().join("tracer-db-7-20261122T140211Z.txt");
    assert_eq!(told, format!("written to {}", path.display()));
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&path).expect("a file");
    let told = save::save(&model, Format::Text, now(), directory.path());
    assert!(told.starts_with("not written") && told.ends_with("it exists already"), "{told}");
    assert_eq!(fs::read(&path).expect("a file"), before);
    let told = save::save(&model, Format::Json, now(), &directory.path().join("nowhere"));
    assert!(told.starts_with("not written"), "{told}");
}

#[test]
fn clicks_select_open_and_sort_and_the_wheel_moves() {
    let mut model = incident();
    update(&mut model, Message::Resize(80, 24));
    let text = screen(&model, 80, 24);
    let line_of = |what: &str| text.lines().position(|line| line.contains(what)).expect(what) as u16;
    update(&mut model, Message::Click(10, line_of(" nginx ")));
    assert!(
        matches!(model.selected().map(|entry| entry.key), Some(RowKey::Process(key)) if key.pid() == 977)
    );
    assert_eq!(model.screen(), Screen::Processes);
    let head = text.lines().nth(usize::from(line_of("COMM"))).expect("a head");
    let column = head.find("P99").expect("a column") as u16;
    update(&mut model, Message::Click(column, line_of("COMM")));
    assert_eq!(columns::PROCESSES_ON_SCREEN[model.sort().column].title, "P99");
    assert!(!model.sort().inverted);
    update(&mut model, Message::Click(column, line_of("COMM")));
    assert!(model.sort().inverted);
    let text = screen(&model, 80, 24);
    let at = text.lines().position(|line| line.contains(" nginx ")).expect("nginx") as u16;
    update(&mut model, Message::Click(10, at));
    assert!(matches!(model.screen(), Screen::Calls(_)), "a click on the selected row opens it");
    send(&mut model, Command::View(View::Processes));
    update(&mut model, Message::Wheel(1));
    assert_eq!(model.cursor().index, 3);
    update(&mut model, Message::Wheel(-1));
    assert_eq!(model.cursor().index, 0);
    for y in 0..30 {
        for x in [0, 40, 79, 200] {
            update(&mut model, Message::Click(x, y));
        }
    }
}

#[test]
fn what_only_the_terminal_can_do_is_asked_of_it() {
    let mut model = incident();
    assert_eq!(press(&mut model, 'M'), [Effect::Mouse(true)]);
    assert_eq!(press(&mut model, 'M'), [Effect::Mouse(false)]);
    for mode in Mode::ALL {
        let mut model = model_in(mode, Origin::Live);
        let event = KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL);
        let message = keys::message(mode, Origin::Live, event).expect("a bound key");
        assert_eq!(update(&mut model, message), [Effect::Suspend], "{mode:?}");
    }
}

#[test]
fn a_recording_is_asked_for_by_key_and_shown_with_its_size() {
    let mut model = incident();
    let key = KeyEvent::new(KeyCode::Char('R'), KeyModifiers::SHIFT);
    let message = keys::message(model.mode(), Origin::Live, key).expect("a bound key");
    assert_eq!(update(&mut model, message), [Effect::Control(Control::ToggleRecording)]);
    assert_eq!(keys::message(model.mode(), Origin::Replay, key), None, "a replay has nothing to record");
    let recording = Some(Recording { file: "db-7\x1b[2J.arrows".to_owned(), bytes: 12_400_000 });
    update(&mut model, Message::Run(RunInfo { recording, ..fixture::run() }));
    let header = line(&model, 0);
    assert!(header.contains("REC 12.4 MB"), "{header}");
    assert!(screen(&model, 200, 24).contains("db-7\\x1b[2J.arrows"), "{header}");
    assert!(screen(&model, 60, 15).contains("REC 12.4 MB"));
}

#[test]
fn quitting_says_how() {
    let mut model = incident();
    let quit = |model: &mut Model, key: KeyEvent| {
        let message = keys::message(model.mode(), model.run.origin, key).expect("a bound key");
        update(model, message)
    };
    let q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(quit(&mut model, q), [Effect::Exit(Exit::Asked)]);
    for mode in Mode::ALL {
        assert_eq!(quit(&mut model_in(mode, Origin::Replay), interrupt), [Effect::Exit(Exit::Signal(2))]);
    }
}

#[test]
fn what_never_returns_comes_first_whatever_the_order() {
    let mut model = incident();
    let choices = columns::PROCESSES_ON_SCREEN.iter().filter(|column| column.is_in(model.scope)).count();
    for _ in 0..choices {
        for _ in 0..2 {
            let first = model.row(model.rows.entries[0]);
            assert!(matches!(first, Some(Row::Process(process)) if process.id.pid == 2210));
            send(&mut model, Command::Invert);
        }
        send(&mut model, Command::NextSort(1));
    }
    assert_eq!(columns::PROCESSES_ON_SCREEN[model.sort().column].id, "busy", "the columns are a ring");
}
