//! Recordings of real runs: what a file gives back is what was live, to the digit, and what was written before
//! the worst moment can be read.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tracer::aggregate::Aggregator;
use tracer::bpf::sys::monotonic_ns;
use tracer::decode::Record;
use tracer::recording::{End, Item, Mark, Reader};
use tracer::report::json::JsonLines;

use crate::oracle::Reach;
use crate::tool::{
    Family, SIGCONT, SIGSTOP, Tracing, Waiting, oracle_command, run, signal, trace, tracer, wait_for,
};

const SIGUSR1: i32 = 10;

/// What a recording holds.
pub(crate) struct Contents {
    pub(crate) totals: Vec<String>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) end: End,
    /// Rows of single calls.
    pub(crate) events: u64,
    /// Calls that the ledger says have none.
    pub(crate) rowless: u64,
    /// Start of the first interval, ends of all.
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// Time of the last thing that is in it.
    pub(crate) last_ns: u64,
    pub(crate) calls: u64,
}

/// Whether this recording has an interval.
pub(crate) fn has_begun(path: &Path) -> Option<()> {
    let mut reader = Reader::open(BufReader::new(File::open(path).ok()?)).ok()?;
    matches!(reader.next_with_events(&mut |_| {}), Ok(Some(Item::Interval(_)))).then_some(())
}

/// Reads a recording as every reader does: interval by interval into the same aggregator.
pub(crate) fn read(path: &Path) -> Contents {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = Reader::open(BufReader::new(file))
        .unwrap_or_else(|error| panic!("{} of {:?}: {error}", path.display(), path.metadata()));
    let (mut aggregator, mut marks) = (Aggregator::new(), Vec::new());
    let (mut events, mut start_ns, mut end_ns, mut last_ns) = (0, 0, 0, 0);
    loop {
        let item = reader.next_with_events(&mut |record| {
            if let Record::Call(event) = record {
                events += 1;
                last_ns = last_ns.max(event.enter_ns);
            }
        });
        match item.expect("a file that can be read") {
            Some(Item::Interval(interval)) => {
                if start_ns == 0 {
                    start_ns = interval.start_ns;
                }
                end_ns = interval.end_ns;
                aggregator.merge(&interval);
            }
            Some(Item::Mark(mark)) => marks.push(mark),
            None => break,
        }
    }
    let snapshot = aggregator.snapshot();
    let mut lines = JsonLines::new(Vec::new());
    lines.totals(&snapshot).expect("a Vec takes everything");
    let text = String::from_utf8(lines.into_inner()).expect("ASCII");
    Contents {
        totals: text.lines().map(str::to_owned).collect(),
        marks,
        end: reader.end().expect("it was read to its end").clone(),
        events,
        rowless: snapshot.ledger.recorder_overflow,
        start_ns,
        end_ns,
        last_ns: last_ns.max(end_ns),
        calls: snapshot.all.calls,
    }
}

/// A file in a directory of its own.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    /// Its path.
    pub(crate) text: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let text = directory.path().join("x.arrows").to_str().expect("a path of text").to_owned();
        Self { directory, text }
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(&self.text)
    }
}

/// Lines of totals that must be the same, but for what a recording of intervals does not hold.
pub(crate) fn assert_same(live: &[String], recorded: &[String], what: &str) {
    for (live, recorded) in live.iter().zip(recorded) {
        assert_eq!(counted(live), counted(recorded), "{what}");
    }
    assert_eq!(live.len(), recorded.len(), "{what}");
}

/// A line without figures of single threads and calls.
fn counted(line: &str) -> Map<String, Value> {
    let mut line: Map<String, Value> = serde_json::from_str(line).expect("an object");
    line.retain(|field, _| !matches!(field.as_str(), "threads" | "slowest"));
    line
}

/// The figures of single threads and the slowest call of each line.
fn single(line: &str) -> (Option<Value>, Option<Value>) {
    let line: Map<String, Value> = serde_json::from_str(line).expect("an object");
    (line.get("threads").cloned(), line.get("slowest").and_then(|slowest| slowest.get(0)).cloned())
}

/// Runs an oracle under the live view and a recorder at once and compares their totals line by line.
fn assert_recorded(family: Family, kind: &[&str], mode: &[&str]) -> Contents {
    let place = Place::new();
    let options = [&["-i", "100ms", "--record", &place.text], kind].concat();
    let finished = trace(family, &options, &oracle_command(mode));
    let contents = read(&place.path());
    assert_eq!(contents.end, End::Clean);
    assert_same(&finished.total_lines(), &contents.totals, &format!("{mode:?} {kind:?}"));
    if kind.contains(&"--events") && finished.report().ledger().get("recorder_overflow") == 0 {
        for (live, recorded) in finished.total_lines().iter().zip(&contents.totals) {
            assert_eq!(single(live), single(recorded), "{mode:?}");
        }
    }
    finished.oracle().assert_equals(&finished.report(), family, Reach::Command);
    contents
}

both_families! {
    /// Every way in which calls end and tasks come and go.
    intervals_equal_the_live_totals(family) {
        for mode in [
            &["errors", "200"][..],
            &["denied", "1000"],
            &["restarts", "50"],
            &["threads", "8", "10000"],
            &["forks", "100", "50"],
            &["thread-exec", "50"],
            &["killed", "20"],
            &["many-syscalls"],
            &["slow", "20", "20"],
        ] {
            assert_recorded(family, &[], mode);
        }
    }

    events_equal_the_live_totals(family) {
        for mode in [
            &["errors", "200"][..],
            &["denied", "1000"],
            &["restarts", "50"],
            &["threads", "8", "10000"],
            &["forks", "100", "50"],
            &["thread-exec", "50"],
            &["killed", "20"],
            &["many-syscalls"],
            &["slow", "20", "20"],
        ] {
            let contents = assert_recorded(family, &["--events"], mode);
            assert_eq!(contents.events, contents.calls, "every call has its row: {mode:?}");
        }
    }

    /// What the kernel had to count by itself is in the file as well.
    spilled_calls_are_recorded(family) {
        for kind in [&[][..], &["--events"]] {
            let place = Place::new();
            let mut oracle = Waiting::start(&["plain", "200000"]);
            let pid = oracle.pid.to_string();
            let options = [&["--ring-bytes", "4096", "-p", &pid, "--record", &place.text], kind].concat();
            let tracing = Tracing::attach(family, &options);
            signal(tracing.pid(), SIGSTOP);
            oracle.go();
            oracle.ledger();
            signal(tracing.pid(), SIGCONT);
            oracle.end();
            let finished = tracing.finish();
            assert!(finished.report().ledger().get("spilled") > 0, "the overflow was forced");
            assert_same(&finished.total_lines(), &read(&place.path()).totals, &format!("{kind:?}"));
        }
    }
}

/// Starts `tracer record OPTIONS -o FILE` and returns once something is in the file.
fn start_recording(place: &Place, options: &[&str]) -> std::process::Child {
    let child = Command::new(tracer())
        .args(["record", "-o", &place.text])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tracer starts");
    wait_for("something in the file", || place.path().metadata().ok().filter(|file| file.len() > 0));
    child
}

/// Killed at 200 moments without a chance to say anything: at most the last second is missing.
#[test]
#[ignore = "root"]
fn killed_recordings_lose_at_most_a_second() {
    let mut oracle = Waiting::start(&["paced", "1", "2000", "600"]);
    oracle.go();
    let pid = oracle.pid.to_string();
    let one = |number: u64| {
        let place = Place::new();
        let kind: &[&str] = if number.is_multiple_of(2) { &["--events"] } else { &["-i", "250ms"] };
        let mut child = start_recording(&place, &[&["-p", &pid], kind].concat());
        thread::sleep(Duration::from_millis(fastrand::u64(0..1_800)));
        let killed_ns = monotonic_ns();
        child.kill().expect("it runs");
        child.wait().expect("a child");
        let contents = read(&place.path());
        assert!(matches!(contents.end, End::Unclean { .. }), "{number}: {:?}", contents.end);
        // A recording that had no second yet may have nothing.
        let last_ns = if contents.last_ns == 0 { killed_ns } else { contents.last_ns };
        let missing = Duration::from_nanos(killed_ns.saturating_sub(last_ns));
        assert!(missing <= Duration::from_secs(1), "{number}: the last {missing:?} are missing");
        contents.last_ns > 0
    };
    let with_data = thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|worker| scope.spawn(move || (0..25).filter(|n| one(worker * 25 + n)).count()))
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no file is unreadable")).sum::<usize>()
    });
    assert!(with_data > 100, "only {with_data} of 200 had data when they were killed");
    signal(oracle.pid, 9);
}

/// Marks by signal and by name are where they were made.
#[test]
#[ignore = "root"]
fn marks_come_from_signals_and_from_outside() {
    let place = Place::new();
    let mut child = start_recording(&place, &["-d", "3", "-i", "200ms"]);
    thread::sleep(Duration::from_millis(300));
    let before_ns = monotonic_ns();
    signal(child.id(), SIGUSR1);
    let marked = run(&tracer(), &["mark", &place.text, "deployed"], None);
    assert!(marked.status.success(), "{}", marked.stderr);
    let after_ns = monotonic_ns();
    let refused = run(&tracer(), &["mark", &place.text, "mine"], Some(65_534));
    assert_eq!(refused.status.code(), Some(1), "nobody is neither root nor the owner");
    assert!(child.wait().expect("a child").success());
    let contents = read(&place.path());
    let mut texts: Vec<&str> = contents.marks.iter().map(|mark| mark.text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["deployed", "mark 1"]);
    // The signal may be handled a moment after the mark from outside was answered.
    let late_ns = after_ns + 100_000_000;
    assert!(
        contents.marks.iter().all(|mark| (before_ns..late_ns).contains(&mark.time_ns)),
        "{:?}",
        contents.marks
    );
    let gone = run(&tracer(), &["mark", &place.text, "too late"], None);
    assert!(gone.stderr.contains("nobody is recording to it"), "{}", gone.stderr);
}

/// Segments are recordings each, follow each other without a gap, and the oldest go.
#[test]
#[ignore = "root"]
fn a_ring_keeps_the_last_part() {
    for kind in [&[][..], &["--events"]] {
        let place = Place::new();
        let options =
            [&["record", "--ring", "10s", "-d", "14", "-i", "500ms", "-o", &place.text], kind].concat();
        let finished = run(&tracer(), &options, None);
        assert!(finished.status.success(), "{}", finished.stderr);
        let mut files: Vec<PathBuf> = fs::read_dir(place.directory.path())
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        assert!((7..=13).contains(&files.len()), "{files:?}");
        assert!(!files[0].ends_with("x.0001.arrows"), "the oldest is gone: {files:?}");
        let contents: Vec<Contents> = files.iter().map(|file| read(file)).collect();
        for pair in contents.windows(2) {
            assert_eq!(pair[0].end_ns, pair[1].start_ns, "nothing is between them");
        }
        assert!(contents.iter().all(|one| one.end == End::Clean));
        let kept = contents[contents.len() - 1].end_ns - contents[0].start_ns;
        assert!((10_000_000_000..13_000_000_000).contains(&kept), "{kept} ns are kept");
    }
}

/// The exit status is the command's, and the file says all that it did.
#[test]
#[ignore = "root"]
fn a_command_keeps_its_streams_and_its_status() {
    let place = Place::new();
    let command = oracle_command(&["exit", "7"]);
    let mut arguments = vec!["record", "-o"];
    let (text, words) = (&place.text, command.iter().map(String::as_str));
    arguments.extend([text, "--"]);
    arguments.extend(words);
    let finished = run(&tracer(), &arguments, None);
    assert_eq!(finished.status.code(), Some(7), "{}", finished.stderr);
    assert!(finished.stderr.contains("tracer replay "), "{}", finished.stderr);
    assert!(read(&place.path()).calls > 0);
    let missing = Place::new();
    let finished = run(&tracer(), &["record", "-o", &missing.text, "--", "no-such-command"], None);
    assert_eq!(finished.status.code(), Some(127), "{}", finished.stderr);
    assert!(!missing.path().exists(), "nothing is left of what did not begin");
}

/// A recording that has its size ends as one that was stopped.
#[test]
#[ignore = "root"]
fn the_largest_size_ends_a_recording_cleanly() {
    let place = Place::new();
    let mut oracle = Waiting::start(&["paced", "1", "100000", "600"]);
    oracle.go();
    let start = Instant::now();
    let pid = oracle.pid.to_string();
    let finished =
        run(&tracer(), &["record", "--events", "--max-size", "2M", "-o", &place.text, "-p", &pid], None);
    assert!(finished.status.success() && start.elapsed() < Duration::from_mins(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("--max-size"), "{}", finished.stderr);
    let contents = read(&place.path());
    let bytes = place.path().metadata().expect("a file").len();
    assert_eq!(contents.end, End::Clean);
    assert!((1_000_000..=2 << 20).contains(&bytes) && contents.events > 1_000, "{bytes}");
    assert!(contents.rowless > 0, "the last interval goes on without rows");
    assert_eq!(contents.events + contents.rowless, contents.calls, "every call has a row or is counted");
    signal(oracle.pid, 9);
}

#[test]
#[ignore = "loads BPF programs: run as root"]
fn a_live_run_is_held_against_a_recording_and_a_bad_one_is_refused_before_it_begins() {
    let place = Place::new();
    let command = oracle_command(&["errors", "300"]);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let recorded = run(&tracer(), &[&["record", "-o", &place.text, "--"][..], &command].concat(), None);
    assert!(recorded.status.success(), "{}", recorded.stderr);
    let json = place.text.clone() + ".json";
    let against = ["--json", "-o", &json, "--baseline", &place.text, "--"];
    let held = run(&tracer(), &[&against[..], &command].concat(), None);
    assert!(held.status.success(), "{}", held.stderr);
    let lines = fs::read_to_string(&json).expect("what was written");
    let cells: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an object"))
        .filter(|line| line["type"] == "cell" && line["scope"] == "total")
        .collect();
    assert!(!cells.is_empty(), "{lines}");
    for cell in &cells {
        // The same program makes the same calls.
        assert_eq!(
            (&cell["baseline"]["calls"], &cell["baseline"]["errors"]),
            (&cell["calls"], &cell["errors"])
        );
        let is_there = |name: &str| cell[name].is_null() == cell["baseline"][name].is_null();
        assert!(is_there("p50_ns") && is_there("p99_ns"), "{cell}");
    }
    fs::write(&json, "no recording").expect("a file");
    let refused = run(&tracer(), &[&["--baseline", &json, "--"][..], &command].concat(), None);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    assert!(refused.stderr.starts_with("error: cannot read '") && refused.stderr.contains("\nwhy: "));
    assert!(refused.stdout.is_empty(), "the command did not run: {}", refused.stdout);
}
