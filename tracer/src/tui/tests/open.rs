//! The view of open calls: who comes first, where it leads.

use super::*;

fn open_view() -> Model {
    let mut model = incident();
    send(&mut model, Command::View(View::Open));
    model
}

fn threads(model: &Model) -> Vec<u32> {
    let rows = model.rows.entries.iter().filter_map(|&entry| model.row(entry));
    rows.filter_map(|row| if let Row::Open(.., open) = row { Some(open.tid) } else { None }).collect()
}

#[test]
fn open_calls_of_all_processes() {
    assert_screens("in_flight", &open_view());
    assert_screens("in_flight_none", &{
        let mut model = model_of(fixture::snapshot(vec![fixture::process(7, "redis-server", vec![])]));
        send(&mut model, Command::View(View::Open));
        model
    });
}

#[test]
fn what_is_stuck_comes_first_and_what_waits_by_design_last_oldest_first_in_each() {
    let mut model = open_view();
    assert_eq!(threads(&model)[..2], [2217, 2218]);
    assert_eq!(model.rows.waiting_from, 2, "the rest waits by design");
    assert_eq!(threads(&model)[2], 2407, "open for 120 s");
    send(&mut model, Command::ToggleWaiting);
    assert_eq!(threads(&model), [2217, 2218]);
}

#[test]
fn an_open_call_leads_to_its_call_and_back() {
    let mut model = open_view();
    send(&mut model, Command::Open);
    assert_eq!(model.call().map(|call| call.name.as_str()), Some("flock"));
    assert!(line(&model, 1).contains("[4 in flight > java 2210 > flock]"), "{}", line(&model, 1));
    send(&mut model, Command::Back);
    assert_eq!(model.screen(), Screen::Open);
}

#[test]
fn the_selection_stays_with_the_thread() {
    let mut model = open_view();
    select(&mut model, |row| matches!(row, Row::Open(.., open) if open.tid == 2218));
    let selected = model.cursor().selected;
    send(&mut model, Command::Invert);
    assert_eq!(model.selected().map(|entry| entry.key), selected);
    model.set_filter("comm:nginx");
    assert_eq!(threads(&model), [984]);
}

#[test]
fn a_process_that_does_nothing_says_on_the_first_screen_what_it_is_in() {
    let mut snapshot = fixture::incident();
    snapshot.processes.retain(|process| process.id.pid == 612);
    let process = &mut snapshot.processes[0];
    process.all.recent_calls = 0;
    for open in process.calls.iter_mut().flat_map(|call| &mut call.in_flight) {
        open.before_attach = true;
    }
    let line = |snapshot: &Snapshot, height| {
        let text = screen(&model_of(snapshot.clone()), 80, height);
        text.lines().find(|line| line.starts_with(" in ")).map(str::to_owned)
    };
    let said = line(&snapshot, 24).expect("a line for it");
    assert!(said.starts_with(" in epoll_wait ≥ 3.0 s, since before we attached: epfd=17 "), "{said}");
    assert_eq!(line(&snapshot, 12), None, "no room");
    snapshot.processes[0].all.recent_calls = 1;
    assert_eq!(line(&snapshot, 24), None, "it does something");
    assert_eq!(line(&fixture::incident(), 24), None, "there are others");
}
