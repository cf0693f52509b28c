//! What happens to a terminal: other sizes, Ctrl-Z and `fg`, a panic. Whatever it is, the terminal is as it was before.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::recorded::Recorded;
use super::terminal::Terminal;

const TRACER: &str = env!("CARGO_BIN_EXE_tracer");

fn replay(recorded: &Recorded) -> Terminal {
    Terminal::run(&format!("exec '{TRACER}' replay '{}'", recorded.path().display()))
}

/// The example that panics beside a screen.
fn panicking() -> PathBuf {
    let own = std::env::current_exe().expect("our own path");
    let built = own.parent().and_then(Path::parent).expect("target/PROFILE/deps").join("examples/panicking");
    assert!(built.exists(), "{} is missing: cargo build -p tracer --examples", built.display());
    built
}

#[test]
fn a_storm_of_sizes_is_survived() {
    let recorded = Recorded::new(20);
    let mut terminal = replay(&recorded);
    terminal.wait_for_text("the end, Space starts over");
    for round in 0..60u16 {
        let (columns, rows) =
            [(1, 1), (200, 50), (39, 7), (80, 24), (60, 15), (2, 100), (300, 2)][usize::from(round) % 7];
        terminal.resize(columns, rows);
        std::thread::sleep(Duration::from_millis(u64::from(round % 5) * 10));
        terminal.press(["j", "2", "?", "\x1b[B", "1"][usize::from(round) % 5]);
    }
    terminal.resize(39, 7);
    terminal.wait_for_text("terminal too small (need 40x8)");
    terminal.resize(120, 40);
    terminal.press("\x1b");
    std::thread::sleep(Duration::from_millis(300));
    terminal.press("1");
    terminal.wait_for_text("00:20 of 00:20");
    terminal.press("q");
    let left = terminal.end();
    assert_eq!(left.status, 0);
    left.assert_only_our_escapes();
}

/// In a shell with job control: the terminal is the shell's while the screen is stopped, and the screen is back after
/// `fg`, drawn anew in a terminal that has another size by then.
#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again() {
    let recorded = Recorded::new(20);
    let file = recorded.path().display().to_string();
    let line = format!(
        "set -m; {TRACER} replay {file}; echo \"state $(stty -a | grep -c -- -icanon)\"; read -r line; fg; echo over"
    );
    let mut terminal = Terminal::run(&format!("exec bash -c '{line}'"));
    terminal.wait_for_text("the end, Space starts over");
    terminal.press_and_see("?", "help, lines");
    let screen = terminal.press_and_see("\x1a", "state 0");
    assert!(!screen.contains("help, lines"), "the ordinary screen is back: {screen}");
    terminal.resize(100, 30);
    terminal.press("\r");
    terminal.wait_for_text("help, lines");
    terminal.press("\x1b");
    // Esc and the next key together would be a key with Alt.
    terminal.wait_for("the table", |screen| !screen.contains("help, lines"));
    terminal.press("q");
    let left = terminal.end();
    assert_eq!(left.status, 0);
    assert!(String::from_utf8_lossy(&left.bytes).contains("over"));
}

/// Where no shell could continue it, Ctrl-Z stops nothing.
#[test]
fn ctrl_z_without_a_shell_goes_on() {
    let recorded = Recorded::new(20);
    let mut terminal = replay(&recorded);
    terminal.wait_for_text("the end, Space starts over");
    terminal.press("\x1a");
    terminal.press_and_see("?", "help, lines");
    terminal.press("\x1b");
    std::thread::sleep(Duration::from_millis(300));
    terminal.press("q");
    assert_eq!(terminal.end().status, 0);
}

#[test]
fn a_panic_gives_the_terminal_back_and_its_report_stays() {
    let terminal = Terminal::run(&format!("exec '{}'", panicking().display()));
    let left = terminal.end();
    assert_eq!(left.status, 1);
    let text = String::from_utf8_lossy(&left.bytes).into_owned();
    let (screen, report) = text.split_once("\x1b[?1049l").expect("the alternate screen was left");
    assert!(
        screen.contains("no calls seen yet") || screen.contains("waiting for the first figures"),
        "{screen}"
    );
    assert!(report.contains("panicked at") && report.contains("as it was told to"), "{report}");
    assert!(report.contains("a part of tracer panicked"), "{report}");
}
