//! Every key of the table in every view where it is bound, each pressed in a terminal of its own: something is to be seen
//! of it, or the table says why not; the terminal is as it was afterwards, and no name has written to it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tracer::run::Origin;
use tracer::tui::manual::{Bound, bound};

use super::recorded::Recorded;
use super::terminal::Terminal;

const TRACER: &str = env!("CARGO_BIN_EXE_tracer");

/// Terminals at a time: what takes time is waiting.
const AT_ONCE: usize = 10;

/// How long a screen that may stay as it is gets to change.
const GRACE: Duration = Duration::from_millis(150);

/// Wide enough for all words of the line of views, low enough for pages to scroll.
const SIZE: (u16, u16) = (130, 16);

/// Each place in every view that it is: its title in the manual, the view, the keys that lead there from the first screen, and a
/// word that is on the screen once one is there.
const VIEWS: [(&str, &str, &str, &str); 15] = [
    ("On a table", "processes", "/e\rj", "filter: e"),
    ("On a table", "a tree of processes", "t/e\rj", "as a tree"),
    ("On a table", "syscalls of a process", "\r/e\rj", "server 42]"),
    ("On a table", "syscalls", "2/e\rj", "[2 syscalls]"),
    ("On a table", "errors", "3/e\rj", "[3 errors]"),
    ("On a table", "in flight", "4/e\rj", "[4 in flight]"),
    ("On a table", "threads", "H/e\rj", "threads]"),
    ("On one syscall, and on other pages", "a call", "\rC\rj", "> read]"),
    ("On one syscall, and on other pages", "heat", "5", "heat of all calls]"),
    ("On one syscall, and on other pages", "health", "6j", "[6 health]"),
    ("While the filter is typed", "the filter", "/se", "filter: se"),
    ("While a moment is typed", "the prompt", ":+5", "go to: +5"),
    ("In the menu of columns", "the columns", "s\x1b[B", "sort by"),
    ("In the menu of formats", "the formats", "w\x1b[B", "write to a new file"),
    ("In the help", "the help", "?j", "help, lines"),
];

/// One key to press.
struct Case {
    view: (&'static str, &'static str, &'static str),
    bound: Bound,
    key: String,
}

/// Keys with which there is something to undo, or elsewhere to go from.
fn before(bound: &Bound) -> &'static str {
    match bound.command.as_str() {
        "Unzero" => "z",
        "SortBy(\"busy\")" => "C",
        _ => "",
    }
}

fn press(recorded: &Recorded, case: &Case) -> Result<(), String> {
    let directory = recorded.path().parent().expect("a directory").display().to_string();
    let command = format!("cd '{directory}' && exec '{TRACER}' replay '{}'", recorded.path().display());
    let mut terminal = Terminal::run_in(&command, SIZE.0, SIZE.1);
    terminal.wait_for_text("the end, Space starts over");
    terminal.press_and_see("\x1b[H", "00:01 of 00:40");
    // Between two marks, with something before and after.
    terminal.press_and_see(":+19s\r", "00:20 of 00:40");
    let (view, keys, word) = case.view;
    terminal.press_and_see(keys, word);
    let prepare = before(&case.bound);
    if !prepare.is_empty() {
        terminal.press(prepare);
    }
    let before = terminal.wait_for_rest();
    let what = || format!("{:?} ({}) in {view}", case.key, case.bound.help);
    terminal.press(&case.key);
    let ends = match case.bound.command.as_str() {
        "Quit" => Some(0),
        "Interrupt" => Some(130),
        _ => None,
    };
    if ends.is_none() {
        let patience = if case.bound.unseen.is_some() { GRACE } else { Duration::from_secs(10) };
        let since = Instant::now();
        while terminal.screen() == before && since.elapsed() < patience {
            thread::sleep(Duration::from_millis(5));
        }
        if terminal.screen() == before && case.bound.unseen.is_none() {
            return Err(format!("{} does nothing:\n{before}", what()));
        }
        // It still listens, whatever the key did.
        terminal.press("\x03");
    }
    let left = terminal.end();
    if left.status != ends.unwrap_or(130) {
        return Err(format!("{} ends with {}", what(), left.status));
    }
    left.assert_only_our_escapes();
    let text = String::from_utf8_lossy(&left.bytes);
    let turns =
        |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{80}'..='\u{9f}');
    match text.chars().find(|&c| turns(c)) {
        Some(c) => Err(format!("{} lets {c:?} through", what())),
        None => Ok(()),
    }
}

/// A binding in every view of its place with its first key, and with its other keys in one.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut places = BTreeSet::new();
    for bound in bound(Origin::Replay) {
        let views: Vec<_> = VIEWS.iter().filter(|view| view.0 == bound.place).collect();
        assert!(!views.is_empty(), "no view for {}", bound.place);
        places.insert(bound.place);
        for (at, &&(_, view, keys, word)) in views.iter().enumerate() {
            let pressed = if at == 0 { bound.typed.len() } else { 1 };
            for key in &bound.typed[..pressed] {
                cases.push(Case { view: (view, keys, word), bound: bound.clone(), key: key.clone() });
            }
        }
    }
    assert_eq!(places.len(), VIEWS.iter().map(|view| view.0).collect::<BTreeSet<_>>().len());
    cases
}

#[test]
fn every_key_of_the_table_is_seen_in_a_terminal_wherever_it_is_bound() {
    let recorded = Recorded::crowded(40);
    let cases = Mutex::new(cases());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = cases.lock().expect("nobody panics with it").pop() else { return };
                    if let Err(why) = press(&recorded, &case) {
                        failures.lock().expect("nobody panics with it").push(why);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panics with it");
    assert!(failures.is_empty(), "{} keys:\n{}", failures.len(), failures.join("\n\n"));
}
