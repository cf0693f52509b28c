//! Recording to where it cannot go on: full disks, limits, pipes that are closed or not read. These need sh,
//! mount and mkfifo.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tracer::recording::End;
use tracer::run::Origin;
use tracer::tui::manual::{Bound, bound};

use crate::recording::{Place, read};
use crate::terminal::Terminal;
use crate::tool::{Finished, Waiting, oracle, oracle_command, require_program, run, signal, tracer};

/// Runs a line of sh with `$TRACER` and `$FILE`.
fn sh(line: &str, file: &Path) -> Finished {
    let shell = require_program("sh");
    let line = format!("TRACER={}; FILE={}; {line}", tracer().display(), file.display());
    run(&shell, &["-c", &line], None)
}

/// An oracle that makes many calls a second until it is dropped.
struct Busy(Waiting);

impl Busy {
    fn start() -> Self {
        let mut oracle = Waiting::start(&["paced", "1", "100000", "600"]);
        oracle.go();
        Self(oracle)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        signal(self.0.pid, 9);
    }
}

/// A small file system of its own.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mounted = Command::new(require_program("mount"))
            .args(["-t", "tmpfs", "-o", "size=256k", "none"])
            .arg(directory.path())
            .status();
        assert!(mounted.expect("mount").success());
        Self(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// What is to be said: what, why, what next; and the file is whole up to a point.
fn assert_failed_well(finished: &Finished, why: &str, file: &Path) {
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("error: cannot go on recording to "), "{}", finished.stderr);
    assert!(finished.stderr.contains(why), "{}", finished.stderr);
    assert!(finished.stderr.contains("can be read: tracer replay "), "{}", finished.stderr);
    let contents = read(file);
    assert!(contents.events > 1_000, "only {} events", contents.events);
}

#[test]
#[ignore = "root"]
fn a_full_disk_ends_the_recording_and_not_the_command() {
    let disk = SmallDisk::mount();
    let file = disk.0.path().join("x.arrows");
    let line = format!("\"$TRACER\" record --events -o \"$FILE\" -- {} paced 1 100000 3", oracle().display());
    let finished = sh(&line, &file);
    assert_failed_well(&finished, "why: No space left on device", &file);
    assert!(finished.stderr.contains("the command goes on untraced"), "{}", finished.stderr);
    assert_eq!(finished.oracle().row(110).calls, 300_000, "the command made all its calls");
}

#[test]
#[ignore = "root"]
fn a_file_limit_ends_the_recording_and_not_the_tracer() {
    let (place, busy) = (Place::new(), Busy::start());
    // 10 MB: more than one batch of a program at full speed, and full within a second.
    let line = format!("ulimit -f 20000; \"$TRACER\" record --events -o \"$FILE\" -p {}", busy.0.pid);
    let finished = sh(&line, &place.path());
    assert_failed_well(&finished, "why: File too large", &place.path());
}

#[test]
#[ignore = "root"]
fn a_full_disk_under_the_live_view_ends_the_recording_only() {
    let (disk, busy) = (SmallDisk::mount(), Busy::start());
    let file = disk.0.path().join("x.arrows");
    let line = format!("\"$TRACER\" --plain --events --record \"$FILE\" -d 3 -i 200ms -p {}", busy.0.pid);
    let finished = sh(&line, &file);
    assert_failed_well(&finished, "why: No space left on device", &file);
    assert!(finished.stdout.contains("getppid"), "tables go on to the end: {}", finished.stdout);
}

#[test]
#[ignore = "root"]
fn a_reader_who_goes_away_is_no_error() {
    let (place, busy) = (Place::new(), Busy::start());
    let start = Instant::now();
    let line = format!("\"$TRACER\" record --events -o - -p {} | head -c 1000000 > \"$FILE\"", busy.0.pid);
    let finished = sh(&line, &place.path());
    assert!(finished.status.success() && start.elapsed() < Duration::from_mins(1));
    assert!(!finished.stderr.contains("error"), "{}", finished.stderr);
    assert!(read(&place.path()).events > 1_000);
}

/// It may be drawing a screen on the terminal on which our lines would be.
#[test]
#[ignore = "root"]
fn nothing_is_said_beside_a_stream_that_somebody_reads() {
    let (place, busy) = (Place::new(), Busy::start());
    for (piped, says) in [(true, false), (false, true)] {
        let to = if piped { "| cat > \"$FILE\"" } else { "> \"$FILE\"" };
        let line = format!("\"$TRACER\" record -d 300ms -i 100ms -o - -p {} {to}", busy.0.pid);
        let finished = sh(&line, &place.path());
        assert!(finished.status.success(), "{}", finished.stderr);
        assert_eq!(!finished.stderr.is_empty(), says, "{line}: {}", finished.stderr);
        assert_eq!(read(&place.path()).end, End::Clean);
    }
}

/// A reader who stops reading costs detail; the target is not slowed and the run ends when it should.
#[test]
#[ignore = "root"]
fn a_stuck_fifo_slows_nobody() {
    let place = Place::new();
    let fifo = place.path();
    assert!(Command::new(require_program("mkfifo")).arg(&fifo).status().expect("mkfifo").success());
    // Opens it, takes a little, and reads no more.
    let mut reader = Reading::start(&fifo);
    let line = format!("\"$TRACER\" record --events -o \"$FILE\" -- {} paced 2 60000 10", oracle().display());
    let finished = sh(&line, &fifo);
    reader.stop();
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("why: nobody reads it"), "{}", finished.stderr);
    let oracle = finished.oracle();
    assert_eq!(oracle.row(110).calls, 1_200_000);
    let took = Duration::from_nanos(oracle.fact("elapsed_ns"));
    assert!(took < Duration::from_secs(12), "10 s of work took {took:?}");
}

/// A process that holds a FIFO open and reads only its beginning.
struct Reading(Child);

impl Reading {
    fn start(fifo: &Path) -> Self {
        let line = format!("exec < {}; head -c 4096 > /dev/null; exec sleep 600", fifo.display());
        let child = Command::new("sh").args(["-c", &line]).stdout(Stdio::null()).spawn();
        Self(child.expect("sh"))
    }

    fn stop(&mut self) {
        self.0.kill().expect("it sleeps");
        self.0.wait().expect("a child");
    }
}

/// Whatever umask and environment say, a file is its owner's only and goes to whom the directory belongs.
#[test]
#[ignore = "root"]
fn files_are_private_and_go_to_who_called_sudo() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let record = "\"$TRACER\" record -d 100ms -i 100ms -o \"$FILE\"";
    for (owner, environment, expected) in [
        (1_000, "SUDO_UID=1000 SUDO_GID=1000", 1_000),
        (1_000, "", 0),
        // Forged: the directory belongs to somebody else.
        (0, "SUDO_UID=1000 SUDO_GID=1000", 0),
        (1_000, "SUDO_UID=1001 SUDO_GID=1001", 0),
        (1_000, "SUDO_UID=x SUDO_GID=-1", 0),
        (1_000, "SUDO_UID=4294967295 SUDO_GID=0", 0),
    ] {
        let place = Place::new();
        let directory = place.path().parent().expect("a directory").to_owned();
        std::os::unix::fs::chown(&directory, Some(owner), Some(owner)).expect("root may");
        let finished = sh(&format!("umask 000; {environment} {record}"), &place.path());
        assert!(finished.status.success(), "{}", finished.stderr);
        let file = place.path().metadata().expect("a file");
        assert_eq!((file.uid(), file.permissions().mode() & 0o7777), (expected, 0o600), "{environment}");
    }
    // A directory where everybody may plant things.
    let place = Place::new();
    let directory = place.path().parent().expect("a directory").to_owned();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o1777)).expect("ours");
    std::os::unix::fs::symlink("/etc/shadow-of-nobody", place.path()).expect("planted");
    for force in ["", "--force"] {
        let finished = sh(&format!("{record} {force}"), &place.path());
        assert_eq!(finished.status.code(), Some(1));
        assert!(finished.stderr.contains("symbolic link"), "{}", finished.stderr);
    }
    fs::remove_file(place.path()).expect("ours");
    let planted = Command::new(require_program("mkfifo")).arg(place.path()).status();
    assert!(planted.expect("mkfifo").success());
    std::os::unix::fs::chown(place.path(), Some(1_000), None).expect("root may");
    let finished = sh(record, &place.path());
    assert!(finished.stderr.contains("FIFO of another user"), "{}", finished.stderr);
}

/// A recording to a terminal would be noise.
#[test]
#[ignore = "root"]
fn a_terminal_is_no_place_for_a_recording() {
    let pair = portable_pty::native_pty_system()
        .openpty(portable_pty::PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 })
        .expect("a terminal");
    let mut command = portable_pty::CommandBuilder::new(tracer());
    command.args(["record", "-o", "-", "-d", "1"]);
    let mut child = pair.slave.spawn_command(command).expect("the tracer starts");
    drop(pair.slave);
    let status = child.wait().expect("a child");
    let mut text = String::new();
    // Reading fails with EIO once the other end is closed.
    let _ = pair.master.try_clone_reader().expect("a reader").read_to_string(&mut text);
    assert!(!status.success() && text.contains("cannot record to a terminal"), "{text}");
}

/// The rows of the table under the cursor, and the line that says what they are.
fn table(screen: &str) -> Vec<&str> {
    let from = screen.lines().skip_while(|line| !line.contains("1 processes"));
    let rows: Vec<_> = from.take_while(|line| !line.is_empty() && !line.contains("████")).collect();
    assert!(rows.len() > 2, "no table in\n{screen}");
    rows
}

/// What replay opens with is what the live screen ended with: in the table of processes, in that of the calls
/// of one, and for one call.
#[test]
#[ignore = "root"]
fn the_last_screen_is_the_one_that_replay_opens_with() {
    for (kind, mode) in [
        ("", &["slow", "60", "20"][..]),
        ("--events", &["slow", "60", "20"]),
        ("", &["errors", "300"]),
        ("--events", &["threads", "4", "2000"]),
    ] {
        let place = Place::new();
        let tracer = tracer().display().to_string();
        let (file, command) = (&place.text, oracle_command(mode).join(" "));
        let mut live = Terminal::run(&format!("exec {tracer} --record {file} {kind} -- {command}"));
        live.wait_for_text("ended: the command has ended");
        let processes = live.wait_for_text("(ended)");
        live.press("\r");
        let calls = live.wait_for_text("ERR% BUSY%");
        live.press("q");
        assert_eq!(live.end().status, 0);

        let mut replay = Terminal::run(&format!("exec {tracer} replay {file}"));
        let screen = replay.wait_for_text("the end, Space starts over");
        assert_eq!(table(&screen), table(&processes), "{mode:?} {kind}");
        replay.press("\r");
        let again = replay.wait_for_text("ERR% BUSY%");
        // The word of the end above the live table takes a line of it.
        let (again, calls) = (table(&again), table(&calls));
        let lines = again.len().min(calls.len());
        assert!(lines > 10 && again.len().abs_diff(calls.len()) < 2, "{again:?}");
        assert_eq!(again[..lines], calls[..lines], "{mode:?} {kind}");
        replay.press("q");
        assert_eq!(replay.end().status, 0);
    }
}

#[test]
#[ignore = "loads BPF programs: run as root"]
fn one_looks_back_on_the_live_screen_while_collection_goes_on() {
    let tracer = tracer().display().to_string();
    let command = "sh -c 'while :; do sleep 0.02; done'";
    let mut live = Terminal::run(&format!("exec {tracer} -i 200ms -- {command}"));
    let now = |screen: &str| screen.contains("calls/s") && !screen.contains("PAST");
    live.wait_for("five intervals", |screen| now(screen) && screen.contains("00:01"));
    live.press("[[");
    let screen = live.wait_for_text("still collecting");
    assert!(screen.contains("PAST ") && screen.contains("paused"), "{screen}");
    // The axis grows while what is shown stays.
    let table_then = table(&screen);
    live.wait_for_text("00:02 ago, still collecting");
    assert_eq!(table(&live.screen()), table_then);
    live.press_and_see("\x1b[H", "00:00 of ");
    live.press("p");
    live.wait_for_text("playing 1x");
    live.press(" ");
    live.wait_for_text("paused");
    live.press(" ");
    live.wait_for("now", now);
    live.press("q");
    assert_eq!(live.end().status, 143);
}

#[test]
#[ignore = "loads BPF programs: run as root"]
fn two_spans_of_a_live_run_are_compared_while_it_goes_on_and_its_recording_has_the_marks() {
    let place = Place::new();
    let tracer = tracer().display().to_string();
    // Much more is read at once from the third second on, so that it shows on a busy machine too.
    let script = "i=0; while :; do i=$((i+1)); [ $i -gt 60 ] && b=1M || b=4k; dd if=/dev/zero of=/dev/null bs=$b count=20 2>/dev/null; sleep 0.04; done";
    let mut live =
        Terminal::run(&format!("exec {tracer} -i 200ms --record {} -- sh -c '{script}'", place.text));
    live.wait_for_text("dd ");
    std::thread::sleep(Duration::from_secs(2));
    live.press("\x1b[H");
    live.wait_for_text("PAST");
    live.press("m");
    live.wait_for_text("m marks B");
    live.press(" ");
    live.wait_for("now", |screen| !screen.contains("PAST"));
    live.press("m");
    let screen = live.wait_for_text("A to B, from");
    assert!(screen.contains("from B, "), "{screen}");
    live.wait_for("what follows", |screen| screen.contains("dd ") && screen.contains("slower"));
    // It grows while it is looked at.
    live.wait_for_text("(00:02");
    live.press("\x1b");
    live.wait_for("the table", |screen| screen.contains("[1 processes]"));
    live.press("q");
    assert_eq!(live.end().status, 143);
    let output = Command::new(&tracer).args(["info", &place.text]).output().expect("tracer");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.lines().any(|line| line.trim_end().ends_with(" A")), "{text}");
    assert!(text.lines().any(|line| line.trim_end().ends_with(" B")), "{text}");
}

/// A key that only the live screen has, in the order in which they are pressed: the command, the key, what is then to be seen on
/// a table and on another page.
const ONLY_LIVE: [(&str, &str, [&str; 2]); 8] = [
    ("TogglePause", " ", ["still collecting"; 2]),
    ("Step(-1)", "[", ["00:01 ago, still collecting"; 2]),
    ("Step(1)", "]", ["still collecting"; 2]),
    ("TogglePause", " ", ["Space pause"; 2]),
    ("OpenJump", ":", ["go to: _"; 2]),
    ("ToggleRecording", "R", ["REC "; 2]),
    ("ToggleRecording", "R", ["recorded "; 2]),
    (
        "CopyCommandLine",
        "y",
        ["copied, where the terminal allows it: sudo tracer", "nothing is selected that could be copied"],
    ),
];

/// The keys that work in a replay too are walked without privilege, in `tests/pty/keys.rs`.
#[test]
#[ignore = "loads BPF programs: run as root"]
fn every_key_that_only_the_live_screen_has_is_seen_in_a_terminal() {
    let tracer = tracer().display().to_string();
    let replayed = bound(Origin::Replay);
    let places = ["On a table", "On one syscall, and on other pages"];
    for (at, view) in [("2", "[2 syscalls]"), ("5", "[5 heat")].into_iter().enumerate() {
        let in_replay = |live: &Bound| {
            replayed
                .iter()
                .any(|one| (one.place, &one.command, &one.typed) == (live.place, &live.command, &live.typed))
        };
        let mut only: Vec<(String, String)> = bound(Origin::Live)
            .into_iter()
            .filter(|live| live.place == places[at] && !in_replay(live))
            .map(|live| (live.command, live.typed[0].clone()))
            .collect();
        let mut walked: Vec<(String, String)> =
            ONLY_LIVE.iter().map(|&(command, key, _)| (command.to_owned(), key.to_owned())).collect();
        only.sort();
        walked.sort();
        walked.dedup();
        assert!(
            only.iter().all(|key| walked.contains(key)),
            "not walked on {}: {only:?} {walked:?}",
            places[at]
        );

        // A recording is written where we are.
        let place = tempfile::tempdir().expect("a directory");
        let there = place.path().display();
        let command = "sh -c 'while :; do echo; sleep 0.02; done >/dev/null'";
        let mut live =
            Terminal::run_in(&format!("cd {there} && exec {tracer} -i 200ms -- {command}"), 110, 20);
        live.wait_for("two seconds", |screen| screen.contains("00:02"));
        live.press_and_see(view.0, view.1);
        for (command, key, words) in ONLY_LIVE {
            let screen = live.press_and_see(key, words[at]);
            match (command, words[at]) {
                ("TogglePause", "Space pause") => {
                    live.wait_for("now", |screen| !screen.contains("PAST"));
                }
                ("OpenJump", _) => {
                    live.press("\x1b");
                    live.wait_for("the prompt gone", |screen| !screen.contains("go to: _"));
                }
                _ => assert!(screen.contains(view.1), "{command} leads elsewhere: {screen}"),
            }
        }
        live.press("q");
        assert_eq!(live.end().status, 143);
        let files: Vec<_> =
            fs::read_dir(&place).expect("a directory").flatten().map(|file| file.path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let recording = read(&files[0]);
        assert_eq!(recording.end, End::Clean);
        assert!(recording.end_ns > recording.start_ns);
    }
}
