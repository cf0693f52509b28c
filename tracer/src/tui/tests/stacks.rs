//! Where slow calls were made, on the page of a call.

use super::*;
use crate::interval::stacks::tests::stack;

fn incident_with_stacks() -> Snapshot {
    let mut snapshot = fixture::incident();
    let process = snapshot.processes.iter_mut().find(|process| process.id.pid == 1841).expect("it is there");
    let fsync = process.calls.iter_mut().find(|call| call.name == "fsync").expect("it makes it");
    let deep: Vec<String> = (0..30).map(|depth| format!("recursive_step_{depth}")).collect();
    let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
    fsync.stacks = [
        stack(
            &["fsync", "pg_fsync", "XLogWrite", "XLogFlush", "PostgresMain", "main"],
            &[212_000_000, 190_000_000],
        ),
        stack(&["libc.so.6+0x1179d7", "evil\x1b[2J\u{202e}name", "main"], &[96_000_000]),
        stack(&deep, &[80_000_000]),
        stack(&[], &[12_000_000; 40]),
    ]
    .into();
    snapshot
}

#[test]
fn the_page_of_a_call_says_where_it_was_made() {
    let mut model = model_of(incident_with_stacks());
    open_process(&mut model, 1841);
    open_call(&mut model, "fsync");
    assert_screens("where_slow_calls_were_made", &model);
    let text = screen(&model, 200, 50);
    assert!(text.contains("pg_fsync") && text.contains("evil\\x1b[2J\\u{202e}name"), "{text}");
    assert!(text.contains("402 ms") || text.contains("0.40"), "{text}");
}

#[test]
fn so_does_the_page_of_all_processes() {
    let mut model = model_of(incident_with_stacks());
    send(&mut model, Command::View(View::Calls));
    open_call(&mut model, "fsync");
    assert!(screen(&model, 200, 50).contains("pg_fsync"));
}
