//! Who processes are: the line about one, and many in one row.

use super::*;
use crate::process::Descriptors;
use crate::who::Who;

/// The incident, its processes known.
fn known() -> Snapshot {
    let mut snapshot = fixture::incident();
    for process in &mut snapshot.processes {
        let cgroup: &[u8] =
            if process.id.pid == 2210 { b"0::/app.slice" } else { b"0::/system.slice/db.service" };
        let cmdline = format!("/usr/bin/{}\0--config=/etc/a very long path/x.conf\0\u{1b}[2J", process.comm);
        process.descriptors = (process.id.pid == 1841).then_some(Descriptors { open: 38, limit: 1024 });
        process.who = (process.id.pid > 0).then(|| Arc::new(Who::new(612, cmdline.as_bytes(), cgroup)));
    }
    snapshot
}

#[test]
fn one_process_has_a_line_that_says_who_it_is() {
    let mut model = model_of(known());
    open_process(&mut model, 1841);
    assert_screens("who", &model);
    let text = screen(&model, 120, 24);
    assert!(text.contains("cmd /usr/bin/postgres --config="), "{text}");
    assert!(text.contains("unit db.service  parent systemd-journal 612  fds 38 of 1,024"), "{text}");
    assert!(!text.contains("in there"), "{text}");
    assert!(!screen(&model, 80, 13).contains("cmd "), "a small terminal keeps its lines for figures");
}

#[test]
fn the_pid_in_a_container_stands_beside_the_hosts() {
    let mut snapshot = known();
    for process in snapshot.processes.iter_mut().filter(|process| process.id.pid == 1841) {
        let who = process.who.as_deref().cloned().expect("known");
        process.who = Some(Arc::new(who.with_status(b"NSpid:\t1841\t7\n")));
    }
    let mut model = model_of(snapshot);
    open_process(&mut model, 1841);
    let text = screen(&model, 200, 24);
    assert!(text.contains("unit db.service  pid 7 in there"), "{text}");
}

/// The line about postgres, which is in a container of Docker with these names.
fn line_of_container(names: &str, width: u16) -> String {
    let mut snapshot = known();
    for process in snapshot.processes.iter_mut().filter(|process| process.id.pid == 1841) {
        let cgroup = format!("/docker/{}", "0123456789abcdef".repeat(4)).into();
        process.who = Some(Arc::new(Who { cgroup, names: names.into(), ..Who::new(612, b"pg\0", b"") }));
    }
    let mut model = model_of(snapshot);
    open_process(&mut model, 1841);
    screen(&model, width, 24).lines().nth(2).unwrap_or_default().to_owned()
}

#[test]
fn a_container_has_its_name_and_that_of_its_pod() {
    let line = line_of_container("", 120);
    assert!(line.starts_with(" cmd pg  docker 0123456789ab  parent "), "{line}");
    let line = line_of_container("web", 120);
    assert!(line.starts_with(" cmd pg  docker web 0123456789ab  parent "), "{line}");
    let line = line_of_container("ns/db-0/pg", 120);
    assert!(line.starts_with(" cmd pg  docker pg 0123456789ab  pod ns/db-0  parent "), "{line}");
    let line = line_of_container("/db-0/", 120);
    assert!(line.starts_with(" cmd pg  docker 0123456789ab  pod db-0  parent "), "{line}");
    let line = line_of_container("web\u{1b}[2J\u{202e}", 120);
    assert!(line.contains("docker web\\x1b[2J\\u{202e} 0123456789ab"), "{line}");
    let line = line_of_container(&"x".repeat(253), 120);
    assert!(line.contains(&format!("docker {}… 0123456789ab", "x".repeat(39))), "{line}");
    assert!(line_of_container("ns/db-0/pg", 60).contains("docker pg"), "it fits a small terminal");
}

#[test]
fn by_cgroup_a_container_is_called_by_its_name() {
    let mut snapshot = known();
    for process in snapshot.processes.iter_mut().filter(|process| [977, 1841].contains(&process.id.pid)) {
        let cgroup: Box<str> = format!("/docker/{}", "0123456789abcdef".repeat(4)).into();
        // Of the first of them the names were not found.
        let names = if process.id.pid == 977 { "" } else { "web" };
        process.who = Some(Arc::new(Who { cgroup, names: names.into(), ..Who::default() }));
    }
    let mut model = model_of(snapshot);
    for _ in 0..3 {
        send(&mut model, Command::NextGroup);
    }
    let text = screen(&model, 120, 24);
    assert!(text.contains("docker web (2 proc"), "{text}");
}

#[test]
fn processes_are_taken_together_by_name_and_by_cgroup_and_stand_alone_again() {
    let mut model = model_of(known());
    let all = model.rows.entries.len();
    let calls = model.shown.all.calls;
    send(&mut model, Command::NextGroup);
    send(&mut model, Command::NextGroup);
    assert!(line(&model, 1).contains("by name"), "{}", line(&model, 1));
    send(&mut model, Command::NextGroup);
    assert!(line(&model, 1).contains("by cgroup"), "{}", line(&model, 1));
    assert_eq!(model.rows.entries.len(), 3, "a unit, a slice, and what is not known");
    let sum: u64 = model.shown.processes.iter().map(|row| row.all.calls).sum();
    assert_eq!(sum, calls);
    send(&mut model, Command::Open);
    assert!(line(&model, 1).contains("process)"), "{}", line(&model, 1));
    assert!(screen(&model, 80, 24).contains("flock"), "the group of the stuck process comes first");
    update(&mut model, Message::Snapshot(Arc::new(known())));
    assert!(screen(&model, 80, 24).contains("flock"), "and stays when figures come");
    send(&mut model, Command::NextGroup);
    assert_eq!((model.screen(), model.rows.entries.len()), (Screen::Processes, all));
}
