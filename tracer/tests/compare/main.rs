//! `tracer compare` as a user meets it: files in, text and an exit status out. Needs no privilege.

// The module is the library's own, which looks for these at its root.
use tracer::{histogram, interval, process};

#[path = "../../src/compare/synthetic.rs"]
mod synthetic;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use serde_json::Value;
use synthetic::{Stream, intervals};
use tempfile::TempDir;
use tracer::interval::Interval;
use tracer::recording::{Kind, Mark, Writer};
use tracer::run::Meta;

const SECOND: u64 = 1_000_000_000;

fn record(path: &Path, intervals: &[Interval], mark_at: Option<usize>) {
    let meta = Meta {
        host: "db-7".to_owned(),
        kernel: "6.12.1".to_owned(),
        arch: "x86_64".to_owned(),
        boot_id: path.display().to_string(),
        cpus: 8,
        interval_ns: SECOND,
        start_ns: intervals[0].start_ns,
        start_unix_ns: 1_795_356_131 * SECOND,
        ..Meta::default()
    };
    let file = BufWriter::new(File::create(path).expect("a file"));
    let mut writer = Writer::new(file, &meta, Kind::Intervals).expect("a writer");
    for (at, interval) in intervals.iter().enumerate() {
        if mark_at == Some(at) {
            let mark = Mark { time_ns: interval.start_ns, text: "deployed".to_owned() };
            writer.mark(&mark).expect("a mark is written");
        }
        writer.interval(interval).expect("an interval is written");
    }
    writer.finish().expect("a complete recording");
}

/// A healthy recording, the same again, and one in which fsync takes twice as long.
struct Recorded {
    directory: TempDir,
}

impl Recorded {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let recorded = Self { directory };
        let streams = |factor: f64| {
            [
                Stream { nr: 74, median_ns: 1e6 * factor, calls: 100.0, ..Stream::default() },
                Stream { nr: 0, calls: 200.0, ..Stream::default() },
            ]
        };
        let (healthy, again, slow) = (
            intervals(&streams(1.0), 30, SECOND, 1),
            intervals(&streams(1.0), 30, SECOND, 2),
            intervals(&streams(2.0), 30, SECOND, 3),
        );
        record(&recorded.path("healthy"), &healthy, None);
        record(&recorded.path("again"), &again, None);
        record(&recorded.path("slow"), &slow, None);
        let offset = healthy[29].end_ns - slow[0].start_ns;
        let later = slow.into_iter().map(|mut interval| {
            interval.start_ns += offset;
            interval.end_ns += offset;
            interval
        });
        let day: Vec<Interval> = healthy.into_iter().chain(later).collect();
        record(&recorded.path("day"), &day, Some(30));
        recorded
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.arrows"))
    }

    /// `tracer compare` with these arguments; what names a recording becomes its path.
    fn compare(&self, arguments: &[&str]) -> Output {
        let arguments = arguments.iter().map(|argument| {
            let path = self.path(argument);
            if path.exists() { path.into_os_string() } else { argument.into() }
        });
        Command::new(env!("CARGO_BIN_EXE_tracer")).arg("compare").args(arguments).output().expect("it runs")
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn lines(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

fn verdict(output: &Output, syscall: &str) -> String {
    let lines = lines(output);
    let line = lines.iter().find(|line| line["type"] == "change" && line["syscall"] == syscall);
    line.and_then(|line| line["verdict"].as_str()).unwrap_or("none").to_owned()
}

#[test]
fn two_files_one_file_cut_and_several_files_say_the_same() {
    let recorded = Recorded::new();
    for arguments in [
        &["healthy", "slow", "--json"][..],
        &["day", "--at", "deployed", "--json"],
        &["day", "--before-span", "..+30s", "--after-span", "mark:deployed..", "--json"],
        &["--before", "healthy", "again", "--after", "slow", "--json"],
    ] {
        let output = recorded.compare(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {output:?}");
        assert_eq!(verdict(&output, "fsync"), "slower", "{arguments:?}");
        assert_ne!(verdict(&output, "read"), "slower", "{arguments:?}");
    }
    let cut = recorded.compare(&["day", "--at", "deployed", "--json"]);
    let head = &lines(&cut)[0];
    assert_eq!(
        (&head["before"]["intervals"], &head["after"]["intervals"]),
        (&Value::from(30), &Value::from(30))
    );
}

#[test]
fn the_same_again_is_not_slower_and_itself_is_the_same() {
    let recorded = Recorded::new();
    for arguments in [&["healthy", "again", "--json"], &["healthy", "healthy", "--json"]] {
        let output = recorded.compare(arguments);
        assert!(!["slower", "faster"].contains(&verdict(&output, "fsync").as_str()), "{}", text(&output));
    }
    let same = recorded.compare(&["healthy", "healthy"]);
    assert!(text(&same).contains("No call changed by more than 5 %."), "{}", text(&same));
    let seeds =
        ["1", "1", "2"].map(|seed| text(&recorded.compare(&["healthy", "again", "--seed", seed, "--json"])));
    assert!(seeds[0] == seeds[1] && seeds[0] != seeds[2]);
}

#[test]
fn conditions_decide_the_exit_status() {
    let recorded = Recorded::new();
    for (condition, status) in [
        ("p99(fsync) > +20%", 3),
        ("slower", 3),
        ("p50(fsync) > 1.5x", 3),
        ("p50(read) > +20%", 0),
        ("new errno ENOSPC", 0),
        ("faster", 0),
    ] {
        let output = recorded.compare(&["healthy", "slow", "--fail-on", condition]);
        assert_eq!(output.status.code(), Some(status), "{condition}: {}", text(&output));
    }
    let both = recorded.compare(&["healthy", "slow", "--fail-on", "faster", "--fail-on", "slower(fsync)"]);
    assert_eq!(both.status.code(), Some(3));
    let wrong = recorded.compare(&["healthy", "slow", "--fail-on", "p99(fsync) > 20%"]);
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(said.contains("\n               ^\n") && said.contains("+20%"), "{said}");
    assert!(wrong.stdout.is_empty());
}

#[test]
fn what_makes_no_sense_is_wrong_usage_and_what_is_not_there_an_error() {
    let recorded = Recorded::new();
    for (arguments, status) in [
        (&["healthy"][..], 2),
        (&["healthy", "slow", "--at", "+5s"], 2),
        (&["-", "-"], 2),
        (&["healthy", "slow", "-e", "nonsense"], 2),
        (&["healthy", "nowhere"], 1),
        (&["day", "--at", "nonsense"], 1),
    ] {
        let output = recorded.compare(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.starts_with("error: "), "{arguments:?}: {said}");
    }
}

#[test]
fn a_recording_that_was_cut_is_compared_as_far_as_it_goes() {
    let recorded = Recorded::new();
    let whole = fs::read(recorded.path("slow")).expect("its bytes");
    fs::write(recorded.path("again"), &whole[..whole.len() * 3 / 4]).expect("a shorter file");
    let output = recorded.compare(&["healthy", "again"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(text(&output).contains("! after ended uncleanly"), "{}", text(&output));
    assert!(text(&output).contains("slower"), "{}", text(&output));
}

#[test]
fn rows_can_be_chosen_and_grouped() {
    let recorded = Recorded::new();
    let changes = |arguments: &[&str]| -> Vec<Value> {
        let output = recorded.compare(&[&["healthy", "slow", "--json"], arguments].concat());
        lines(&output).into_iter().filter(|line| line["type"] == "change").collect()
    };
    assert_eq!(changes(&[]).len(), 2);
    assert_eq!(changes(&["-e", "fsync"]).len(), 1);
    assert_eq!(changes(&["--comm", "other"]).len(), 0);
    let by_comm = changes(&["--by", "comm"]);
    assert_eq!(by_comm.len(), 1);
    assert!(by_comm[0]["syscall"].is_null() && by_comm[0]["comm"] == "app");
    assert!(changes(&["--by", "syscall"]).iter().all(|line| line["comm"].is_null()));
    let file = recorded.directory.path().join("out.md");
    let written =
        recorded.compare(&["healthy", "slow", "--markdown", "-o", file.to_str().expect("a path in UTF-8")]);
    assert!(written.status.success() && written.stdout.is_empty());
    assert!(fs::read_to_string(file).expect("it is there").contains("**slower"));
}

/// `cargo test --release -p tracer --test compare`: an hour of a host on which 10 programs make 12
/// different calls each, every second.
#[test]
#[cfg_attr(debug_assertions, ignore = "measures: run it with --release")]
fn two_hours_of_a_busy_host_compare_in_under_two_seconds() {
    const PROGRAMS: [&str; 10] = [
        "postgres",
        "nginx",
        "redis-server",
        "java",
        "python3",
        "node",
        "etcd",
        "kubelet",
        "containerd",
        "sshd",
    ];
    let streams: Vec<Stream> = PROGRAMS
        .iter()
        .flat_map(|comm| {
            (0..12).map(|nr| Stream {
                comm,
                nr,
                calls: 30.0,
                median_ns: 1e3 * f64::from(nr + 1),
                ..Stream::default()
            })
        })
        .collect();
    let directory = TempDir::new().expect("a directory");
    let paths = ["before", "after"].map(|name| directory.path().join(name));
    for (path, seed) in paths.iter().zip([1, 2]) {
        record(path, &intervals(&streams, 3600, SECOND, seed), None);
    }
    let began = Instant::now();
    let output =
        Command::new(env!("CARGO_BIN_EXE_tracer")).arg("compare").args(&paths).output().expect("it runs");
    let took = began.elapsed();
    assert!(output.status.success() && text(&output).contains("No call"));
    assert!(took.as_secs_f64() < 2.0, "{took:?} for {} rows", streams.len());
}
