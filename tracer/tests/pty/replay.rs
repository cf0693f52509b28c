//! `tracer replay` in a terminal.

use std::fs;
use std::process::{Command, Stdio};

use super::recorded::Recorded;
use super::terminal::Terminal;

const TRACER: &str = env!("CARGO_BIN_EXE_tracer");

fn replay(recorded: &Recorded) -> Terminal {
    Terminal::run(&format!("exec '{TRACER}' replay '{}'", recorded.path().display()))
}

fn grouped(number: u64) -> String {
    tracer::human::count(number)
}

#[test]
fn every_way_along_the_axis_and_out() {
    let recorded = Recorded::new(40);
    let mut terminal = replay(&recorded);
    let total = format!("{} calls", grouped(recorded.calls(40)));
    let screen = terminal.wait_for_text("the end, Space starts over");
    assert!(screen.contains(&total), "{screen}");
    assert!(screen.contains("since start") && screen.contains("00:40 of 00:40"), "{screen}");
    assert!(screen.contains("a notice\\x1b[6n"), "{screen}");

    let screen = terminal.press_and_see("\x1b[H", "00:01 of 00:40");
    assert!(screen.contains("paused") && screen.contains("105 calls/s"), "{screen}");
    terminal.press_and_see("]", "00:02 of 00:40");
    terminal.press_and_see(".", "00:12 of 00:40");
    terminal.press_and_see("[", "00:11 of 00:40");
    terminal.press_and_see(",", "00:01 of 00:40");
    terminal.press_and_see("n", "00:10 of 00:40");
    terminal.press_and_see("]", "00:11 of 00:40");
    terminal.press_and_see("N", "00:10 of 00:40");
    terminal.press_and_see(":+5s\r", "00:15 of 00:40");
    terminal.press_and_see(":14:02:31\r", "00:20 of 00:40");
    terminal.press_and_see(":50%x", "go to: 50%x_");
    terminal.press_and_see("\r", "no time and no mark");
    terminal.press_and_see("\x7f\r", "00:20 of 00:40");
    terminal.press_and_see("i", "since start");
    terminal.wait_for_text(&grouped(recorded.calls(20) - 100));
    terminal.press_and_see("i", "CALLS/s");

    terminal.press_and_see("}}}", "paused, 8x");
    terminal.press_and_see(" ", "playing 8x");
    terminal.press_and_see("{", "playing 4x");
    terminal.press_and_see("p", "paused, 4x");
    terminal.press_and_see("}}}}}}", "paused, 256x");
    terminal.press_and_see(" ", "the end, Space starts over");
    terminal.wait_for_text(&total);
    terminal.press_and_see(" ", "the end, Space starts over");
    terminal.press_and_see("\x1b[H", "00:01 of 00:40");
    terminal.press_and_see("\x1b[F", "00:40 of 00:40");
    terminal.press_and_see("?", "go to 14:02:11");
    terminal.press("\x1b");
    // Esc and the next key together would be a key with Alt.
    terminal.wait_for("the table", |screen| !screen.contains("help, lines"));
    terminal.press("q");
    let left = terminal.end();
    assert_eq!(left.status, 0);
    left.assert_only_our_escapes();
}

#[test]
fn signals_give_the_terminal_back() {
    let recorded = Recorded::new(3);
    for (signal, status) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let terminal = replay(&recorded);
        terminal.wait_for_text("the end");
        let pid = terminal.pid().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().expect("kill").success());
        assert_eq!(terminal.end().status, status, "{signal}");
    }
}

#[test]
fn a_pipe_is_followed_and_the_keys_come_from_the_terminal() {
    let recorded = Recorded::new(30);
    let bytes = fs::metadata(recorded.path()).expect("a file").len();
    // Two thirds at once, the rest when somebody says so.
    let go_on = recorded.path().with_file_name("go-on");
    let command = format!(
        "{{ head -c {} '{file}'; while [ ! -e '{go}' ]; do sleep 0.05; done; tail -c +{} '{file}'; }} | '{TRACER}' replay -",
        bytes * 2 / 3,
        bytes * 2 / 3 + 1,
        file = recorded.path().display(),
        go = go_on.display(),
    );
    let mut terminal = Terminal::run(&command);
    terminal.wait_for_text("following");
    terminal.press_and_see("\x1b[H", "paused");
    terminal.wait_for_text("00:01 of 00:");
    terminal.press_and_see("\x1b[F", "following");
    fs::write(&go_on, "").expect("a file");
    let screen = terminal.wait_for_text("the end, Space starts over");
    assert!(screen.contains("00:30 of 00:30"), "{screen}");
    assert!(screen.contains(&format!("{} calls", grouped(recorded.calls(30)))), "{screen}");
    terminal.press("q");
    assert_eq!(terminal.end().status, 0);
}

#[test]
fn a_cut_recording_says_so_on_the_screen_and_in_the_text() {
    let recorded = Recorded::new(20);
    let whole = fs::read(recorded.path()).expect("a file");
    fs::write(recorded.path(), &whole[..whole.len() - 20]).expect("a file");
    let mut terminal = replay(&recorded);
    terminal.wait_for_text("ENDED UNCLEANLY");
    terminal.press("q");
    assert_eq!(terminal.end().status, 0);
    let output = Command::new(TRACER).arg("replay").arg(recorded.path()).output().expect("tracer");
    assert_eq!(output.status.code(), Some(5));
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("totals since the start"), "{text}");
    let warning = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(warning.contains("unclean"), "{warning}");
}

#[test]
fn without_a_terminal_it_prints_the_totals() {
    let recorded = Recorded::new(20);
    let file = fs::File::open(recorded.path()).expect("a file");
    for arguments in [["replay", "-"], ["replay", &recorded.path().display().to_string()]] {
        let output = Command::new(TRACER)
            .args(arguments)
            .stdin(Stdio::from(file.try_clone().expect("a descriptor")))
            .output()
            .expect("tracer");
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(&format!("{} calls", grouped(recorded.calls(20)))), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("no terminal"));
    }
}

#[test]
fn what_is_no_recording_is_an_error_in_lines() {
    for (file, what) in
        [("/nonexistent.arrows", "cannot open"), ("/dev/null", "cannot replay"), (TRACER, "cannot replay")]
    {
        let left = Terminal::run(&format!("exec '{TRACER}' replay '{file}'")).end();
        assert_eq!(left.status, 1, "{file}");
        let text = String::from_utf8(left.bytes).expect("text");
        assert!(text.starts_with(&format!("error: {what}")), "{text}");
        assert!(text.contains("\nwhy: ") && text.contains("\nnext: "), "{text}");
    }
}

#[test]
fn the_demo_opens_with_its_incident() {
    let mut terminal = Terminal::run(&format!("exec '{TRACER}' demo"));
    let screen = terminal.wait_for_text("the end, Space starts over");
    for text in ["postgres", "shop-worker", "deploy shop 2.1", "roll back", "demo: a disk gets slow"] {
        assert!(screen.contains(text), "{text} is missing in\n{screen}");
    }
    terminal.press("3");
    let screen = terminal.wait_for_text("ENOENT");
    assert!(screen.contains("newfstatat"), "{screen}");
    terminal.press("q");
    assert_eq!(terminal.end().status, 0);
    let output = Command::new(TRACER).arg("demo").output().expect("tracer");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("fdatasync") && text.contains("demo: a disk gets slow"), "{text}");
}
