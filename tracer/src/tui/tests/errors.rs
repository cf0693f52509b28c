//! The view of errors: what is new comes first, what is expected is one line.

use super::*;

fn errors_view() -> Model {
    let mut model = incident();
    send(&mut model, Command::View(View::Errors));
    model
}

fn errnos(model: &Model) -> Vec<u16> {
    let rows = model.rows.entries.iter().filter_map(|&entry| model.row(entry));
    rows.filter_map(|row| if let Row::Error(.., errno) = row { Some(errno.errno) } else { None }).collect()
}

#[test]
fn what_is_new_comes_first_and_what_is_expected_is_one_line() {
    let mut model = errors_view();
    assert_eq!(errnos(&model), [2, 28, 32], "the two that began 12 s ago, then the one of 100 s ago");
    let text = screen(&model, 80, 24);
    assert!(text.contains("new 12 s ago"), "{text}");
    assert!(text.contains("expected errors: 1 (b shows): sendto EAGAIN 40 in all in 1 process "), "{text}");
    send(&mut model, Command::ToggleWaiting);
    assert_eq!(errnos(&model), [2, 28, 32, 11]);
    send(&mut model, Command::View(View::Processes));
    assert!(model.rows.waiting_hidden == 0, "each table hides its own");
}

#[test]
fn whatever_the_order_a_new_errno_stays_on_top() {
    let mut model = errors_view();
    for name in ["errno", "count", "process", "before"] {
        send(&mut model, Command::SortBy(name));
        let mut first = errnos(&model)[..2].to_vec();
        first.sort_unstable();
        assert_eq!(first, [2, 28], "by {name}");
    }
}

#[test]
fn a_narrow_terminal_says_in_a_line_what_the_selected_calls_failed_on() {
    let mut model = errors_view();
    let details = |model: &Model, width| screen(model, width, 24).lines().nth(2).map(str::to_owned);
    assert_eq!(
        details(&model, 80).as_deref(),
        Some(" on: 2,290x \"/etc/nginx/conf.d/missing.conf\", ≥17x \"/srv/www/favicon.ico\"")
    );
    assert_eq!(
        details(&model, 70).as_deref(),
        Some(" on: 2,290x \"/etc/nginx/conf.d/missing.conf\", 1 more"),
        "what does not fit is counted"
    );
    assert_eq!(details(&model, 40).as_deref(), Some(" on: 2,290x \"/etc/nginx/conf.d/…, 1 more"));
    let wide = details(&model, 200).expect("a line");
    assert!(wide.contains("ERRNO"), "the column has room: {wide}");
    let head = |model: &Model| screen(model, 80, 24).lines().position(|line| line.contains("ERRNO"));
    let above = head(&model);
    send(&mut model, Command::Move(1));
    assert_eq!(details(&model, 80).as_deref(), Some(" on: no path or address is known"));
    assert_eq!(head(&model), above, "rows stay where they are");
    assert!(!screen(&model, 80, 13).contains(" on: "), "a small terminal keeps its lines for figures");
}

#[test]
fn what_calls_failed_on_is_safe_for_a_terminal() {
    let mut snapshot = fixture::incident();
    let calls = snapshot.processes.iter_mut().flat_map(|process| &mut process.calls);
    for errno in calls.flat_map(|call| &mut call.errnos).filter(|errno| errno.errno == 2) {
        let mut examples = errno.examples.to_vec();
        examples[0].on = b"/x\x1b[2J\n\xff"[..].into();
        errno.examples = examples.into();
    }
    let mut model = model_of(snapshot);
    send(&mut model, Command::View(View::Errors));
    let text = screen(&model, 80, 24);
    assert!(text.contains(" on: 2,290x \"/x\\x1b[2J\\x0a\\xff\", "), "{text}");
}
