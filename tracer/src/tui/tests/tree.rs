//! Processes under their parents, and the threads of one.

use super::*;
use crate::who::Who;

/// The incident as a tree: journald has started nginx and postgres, postgres has started java, java has started sshd.
fn family() -> Snapshot {
    let mut snapshot = fixture::incident();
    for process in &mut snapshot.processes {
        let ppid = match process.id.pid {
            977 | 1841 => 612,
            2210 => 1841,
            2400 => 2210,
            _ => 1,
        };
        process.who = (process.id.pid > 0).then(|| Arc::new(Who::new(ppid, b"x\0", b"0::/a.service")));
    }
    snapshot
}

fn tree() -> Model {
    let mut model = model_of(family());
    send(&mut model, Command::NextGroup);
    model
}

/// PID and lines before the name of each row.
fn rows(model: &Model) -> Vec<(u32, String)> {
    let entries = model.rows.entries.iter().zip(&model.rows.branches);
    let pid = |entry| match model.row(entry) {
        Some(Row::Process(process)) => process.id.pid,
        _ => panic!("a row that is no process"),
    };
    entries.map(|(&entry, branch)| (pid(entry), branch.lines())).collect()
}

#[test]
fn processes_stand_under_their_parents_the_worst_family_first() {
    let model = tree();
    assert_screens("tree", &model);
    let rows = rows(&model);
    let expected = [(612, ""), (1841, "├─"), (2210, "│ └─"), (2400, "│   └─"), (977, "└─")];
    let expected = expected.map(|(pid, lines)| (pid, lines.to_owned()));
    assert_eq!(rows[..5], expected, "what is stuck is below 612");
    assert!(line(&model, 1).contains("as a tree"), "{}", line(&model, 1));
    assert_eq!(rows.len(), family().processes.len());
}

#[test]
fn a_folded_family_is_the_sum_of_its_members_and_unfolds() {
    let mut model = tree();
    let all = rows(&model);
    send(&mut model, Command::ToggleFold);
    assert_eq!(rows(&model)[0], (612, "+".to_owned()));
    assert_eq!(rows(&model).len(), all.len() - 4);
    let family = [612, 977, 1841, 2210, 2400];
    let sum: u64 = model
        .shown
        .processes
        .iter()
        .filter(|row| family.contains(&row.id.pid))
        .map(|row| row.all.calls)
        .sum();
    let Some(Row::Process(folded)) = model.row(model.rows.entries[0]) else { panic!("no process") };
    assert_eq!((folded.all.calls, folded.together), (sum, 5));
    assert!(screen(&model, 80, 24).contains("+systemd-jou"), "{}", screen(&model, 80, 24));
    send(&mut model, Command::ToggleFold);
    assert_eq!(rows(&model), all);
    send(&mut model, Command::ToggleAllFolded);
    assert!(rows(&model).iter().all(|(_, lines)| lines.is_empty() || lines == "+"));
    let totals: u64 = model
        .rows
        .entries
        .iter()
        .map(|&entry| if let Some(Row::Process(process)) = model.row(entry) { process.all.calls } else { 0 })
        .sum();
    assert_eq!(totals, model.shown.all.calls);
    send(&mut model, Command::ToggleAllFolded);
    assert_eq!(rows(&model), all);
}

#[test]
fn families_that_wait_are_hidden_whole_and_counted() {
    let mut model = tree();
    let all = model.rows.entries.len();
    send(&mut model, Command::ToggleWaiting);
    assert_eq!(model.rows.entries.len() + model.rows.waiting_hidden, all);
    assert_eq!(model.rows.entries.len(), model.rows.waiting_from);
    assert!(!rows(&model).iter().any(|(pid, _)| *pid == 2400), "it only waits");
    model.set_filter("comm:java");
    assert_eq!(rows(&model), [(2210, String::new())], "its parents do not fit");
}

#[test]
fn where_nothing_folds_it_is_said() {
    let mut model = tree();
    send(&mut model, Command::Bottom);
    send(&mut model, Command::ToggleFold);
    assert_eq!(model.told.as_deref(), Some("nothing is below this process"));
    send(&mut model, Command::View(View::Errors));
    send(&mut model, Command::ToggleAllFolded);
    assert!(model.told.as_deref().is_some_and(|told| told.contains("tree")));
    let mut model = incident();
    send(&mut model, Command::NextGroup);
    send(&mut model, Command::ToggleAllFolded);
    assert_eq!(model.told.as_deref(), Some("none of these processes is the parent of another"));
}

#[test]
fn the_threads_of_a_process_say_what_each_does_and_is_in() {
    let mut model = incident();
    select(&mut model, |row| matches!(row, Row::Process(process) if process.id.pid == 2210));
    send(&mut model, Command::OpenThreads);
    assert_screens("threads", &model);
    let text = screen(&model, 80, 24);
    assert!(line(&model, 1).contains("[1 processes > java 2210 > threads]"), "{}", line(&model, 1));
    assert!(text.contains("flock 41 s fd=17") && text.contains("\n!"), "{text}");
    send(&mut model, Command::Top);
    send(&mut model, Command::Open);
    assert!(line(&model, 1).contains("java 2210 > threads > flock]"), "{}", line(&model, 1));
    send(&mut model, Command::Back);
    send(&mut model, Command::OpenThreads);
    assert_eq!(model.told.as_deref(), Some("these are the threads"));
    send(&mut model, Command::Back);
    assert_eq!(model.screen(), Screen::Processes);
    send(&mut model, Command::View(View::Calls));
    send(&mut model, Command::OpenThreads);
    assert!(model.told.as_deref().is_some_and(|told| told.contains("select")));
}

#[test]
fn threads_are_found_by_their_number_and_by_the_call_they_are_in() {
    let mut model = incident();
    open_process(&mut model, 1841);
    send(&mut model, Command::OpenThreads);
    let tids = |model: &Model| -> Vec<RowKey> { model.rows.entries.iter().map(|entry| entry.key).collect() };
    assert_eq!(tids(&model).len(), 5);
    model.set_filter("pid:1842");
    assert_eq!(tids(&model), [RowKey::Thread(1842)]);
    model.set_filter("sys:epoll_wait");
    assert_eq!(tids(&model), [RowKey::Thread(1848)]);
}
