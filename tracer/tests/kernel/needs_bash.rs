//! The live screen in real terminals: one that stops reading, one whose user presses Ctrl-Z, and one that is shown the
//! names of processes that mean harm. The shell with job control is bash.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::oracle::{OracleLedger, Reach};
use crate::recording::Place;
use crate::report::Report;
use crate::terminal::Terminal;
use crate::tool::{Family, Waiting, require_program, run, tracer, wait_for};

/// A ring of 256 records: whatever nobody reads in time is folded in the kernel.
const SMALL_RING: &str = "--ring-bytes 65536";

/// What a recording that a screen made holds must be what the oracle did.
fn assert_recorded(place: &Place, ledger: &OracleLedger, family: Family) -> Report {
    let finished = run(&tracer(), &["report", "--json", &place.text], None);
    assert!(finished.status.success(), "{}", finished.stderr);
    let report = Report::parse(&finished.lines().join("\n"));
    ledger.assert_equals(&report, family, Reach::Attached);
    report
}

both_families! {
    /// Thirty seconds in which the terminal reads nothing. Calls are counted and recorded as ever, and a signal still
    /// ends the tracer.
    a_terminal_that_does_not_read_costs_nothing(family) {
        let mut oracle = Waiting::start(&["paced", "1", "20000", "30"]);
        let place = Place::new();
        let size = PtySize { rows: 50, cols: 200, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).expect("a pseudo terminal");
        let mut command = CommandBuilder::new(tracer());
        command.args(["-i", "100ms", "--program-family", family.argument(), "--record", &place.text]);
        command.args(["-p", &oracle.pid.to_string()]);
        command.env("TERM", "xterm-256color");
        let mut child = pty.slave.spawn_command(command).expect("tracer");
        let pid = child.process_id().expect("a process");
        wait_for("a recording", || fs::metadata(place.path()).ok().filter(|file| file.len() > 0));
        // Attached: intervals come by.
        std::thread::sleep(Duration::from_secs(2));
        oracle.go();
        let ledger = oracle.ledger();
        assert!(is_writing(pid), "the terminal is full, and the thread that writes to it waits");
        crate::tool::signal(pid, 15);
        let status = wait_for("the end", || child.try_wait().expect("a child"));
        assert_eq!(status.exit_code(), 143);
        oracle.end();
        let report = assert_recorded(&place, &ledger, family);
        if family.is_exact_here() {
            let lost: u64 = ["lost", "user_queue_dropped"].map(|name| report.ledger().get(name)).iter().sum();
            assert_eq!((lost, report.ledger().get("spilled")), (0, 0), "{:?}", report.ledger());
        }
    }

    /// Ctrl-Z for five seconds, in which half a million calls are made through small rings; then `fg`.
    counts_stay_exact_while_the_screen_is_stopped(family) {
        require_program("bash");
        let mut oracle = Waiting::start(&["paced", "1", "100000", "5"]);
        let place = Place::new();
        let line = format!(
            "set -m; {} {SMALL_RING} --program-family {} --record {} -p {}; echo back in the shell; \
             read -r line; fg; echo over",
            tracer().display(),
            family.argument(),
            place.text,
            oracle.pid,
        );
        let mut terminal = Terminal::run(&format!("exec bash -c '{line}'"));
        terminal.wait_for_text("calls/s");
        terminal.press("\x1a");
        terminal.wait_for("the shell", |screen| screen.contains("back in the shell") && !screen.contains("PID"));
        oracle.go();
        let ledger = oracle.ledger();
        terminal.press("\r");
        terminal.wait_for_text("SPILLED");
        oracle.end();
        terminal.wait_for_text("the target has ended");
        terminal.press("q");
        let left = terminal.end();
        assert!(String::from_utf8_lossy(&left.bytes).contains("over"));
        let report = assert_recorded(&place, &ledger, family);
        if family.is_exact_here() {
            assert!(report.ledger().get("spilled") > 400_000, "{:?}", report.ledger());
            assert_eq!(report.ledger().get("lost"), 0, "{:?}", report.ledger());
        }
    }
}

/// Whether the thread that writes to the terminal waits in `write`.
fn is_writing(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process that runs");
    tasks.flatten().any(|task| {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        read("comm").trim() == "terminal" && read("syscall").starts_with("1 ")
    })
}

/// A shell that gave itself a name and goes on making calls.
struct Named(Child);

impl Named {
    /// `name` as `printf` writes it.
    fn start(name: &str) -> Self {
        let line = format!("printf '{name}' > /proc/$$/comm; while :; do /bin/sleep 0.05; done");
        let child = Command::new(require_program("bash")).args(["-c", &line]).stdin(Stdio::null()).spawn();
        Self(child.expect("bash"))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Names with escapes, controls of both kinds, bidi overrides, wide characters and bytes that are no UTF-8: each is
/// readable in every view, and no byte of them is obeyed.
#[test]
#[ignore = "root"]
fn names_that_mean_harm_are_shown_and_not_obeyed() {
    let names = [
        (r"\033[2J\033]0;x\007", r"\x1b[2J\x1b]0;x\x07"),
        (r"a\342\200\256b\010\015c", r"a\u{202e}b\x08\x0dc"),
        (r"\345\256\275\345\256\275", "宽宽"),
        (r"\377\376\23331m\302\233", r"\xff\xfe\x9b31m\u{9b}"),
    ];
    let running: Vec<Named> = names.iter().map(|(name, _)| Named::start(name)).collect();
    let pids: Vec<String> = running.iter().map(|named| named.0.id().to_string()).collect();
    for named in &running {
        let comm = format!("/proc/{}/comm", named.0.id());
        wait_for("a name", || fs::read(&comm).ok().filter(|name| name != b"bash\n"));
    }
    let mut terminal =
        Terminal::run_in(&format!("exec '{}' -p {}", tracer().display(), pids.join(",")), 160, 24);
    for (_, shown) in names {
        terminal.wait_for_text(shown);
    }
    for key in ["2", "3", "4", "6", "1", "i", "i", "b", "b", "s", "\x1b"] {
        terminal.press(key);
        std::thread::sleep(Duration::from_millis(250));
    }
    for pid in &pids {
        terminal.press(&format!("/pid:{pid}\r\r"));
        terminal.wait_for("its calls", |screen| screen.contains("> ") && screen.contains("wait4"));
        terminal.press("\r");
        std::thread::sleep(Duration::from_millis(300));
        terminal.press("1");
        terminal.press("/\x15\r");
        std::thread::sleep(Duration::from_millis(300));
    }
    terminal.press("q");
    let left = terminal.end();
    assert_eq!(left.status, 0);
    left.assert_only_our_escapes();
}
