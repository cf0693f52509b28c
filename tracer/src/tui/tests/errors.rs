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
