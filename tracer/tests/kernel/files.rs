//! What calls are on: exactly the file that was behind the descriptor, by its name, however often the number is reused.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use serde::Deserialize;

use crate::oracle::{OracleLedger, Reach};
use crate::recording::Place;
use crate::report::{On, PeerProcess, Report};
use crate::tool::{Family, oracle_command, run, tell, trace, tracer};

const READV: i64 = 19;
const PREADV: i64 = 295;
const CLOSE: i64 = 3;
const OPENAT2: i64 = 437;
const SENDTO: i64 = 44;

/// The rows of a call by file.
fn on(report: &Report, nr: i64) -> (Vec<On>, u64) {
    let cells: Vec<_> = report.total_of(nr).collect();
    assert_eq!(cells.len(), 1, "{cells:?}");
    (cells[0].on.clone(), cells[0].calls)
}

/// The row of a file in the file system of temporary files. Others may have the same inode.
fn of_inode(rows: &[On], inode: u64) -> &On {
    let device = fs::metadata(std::env::temp_dir()).expect("it is there").dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    rows.iter()
        .find(|row| (row.major, row.minor, row.inode) == (major, minor, inode))
        .unwrap_or_else(|| panic!("no row for inode {inode} of {major}:{minor}: {rows:#?}"))
}

both_families! {
    /// One number that is two files in turn: each has its own calls, bytes and name. A recording says the same.
    a_reused_number_is_two_files(family) {
        let recording = Place::new();
        let finished = trace(family, &["--record", &recording.text], &oracle_command(&["files", "1000"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        oracle.assert_equals(&report, family, Reach::Command);
        if !family.is_exact_here() || report.ledger().get("spilled") > 0 {
            return;
        }
        let (rows, calls) = on(&report, READV);
        assert_eq!(calls, 5_000);
        let directory = std::env::temp_dir().join(format!("oracle-files-{}", oracle.pid));
        let name = |file: &str| directory.join(file).to_string_lossy().into_owned();
        for (inode, name, fd, calls, bytes) in [
            ("inode_a", name("a"), 100, 2_000, 20_000),
            ("inode_b", name("b"), 100, 2_000, 40_000),
            ("inode_gone", format!("{} (deleted)", name("gone")), 101, 1_000, 3_000),
        ] {
            let row = of_inode(&rows, oracle.fact(inode));
            assert_eq!(row.name.as_deref(), Some(&*name), "{row:?}");
            assert_eq!((row.calls, row.errors, row.bytes, row.fd), (calls, 0, bytes, Some(fd)), "{row:?}");
            assert!(row.p99_ns.is_some_and(|ns| ns <= row.max_ns) && !row.other_names, "{row:?}");
        }
        assert_eq!(rows.len(), 3, "{rows:#?}");
        assert_eq!(rows.iter().map(|row| row.total_ns).sum::<u64>(), report.total_of(READV).map(|cell| cell.total_ns).sum::<u64>());

        let (rows, calls) = on(&report, SENDTO);
        assert_eq!((calls, rows.len()), (1_001, 1), "behind 99 there is no file: {rows:#?}");
        let port = oracle.fact("port");
        assert_eq!((rows[0].calls, &*rows[0].kind), (1_000, "socket"));
        assert_eq!(rows[0].peer.as_deref(), Some(&*format!("127.0.0.1:{port}")), "{:?}", rows[0]);
        assert!(rows[0].name.as_deref().is_some_and(|name| name.starts_with("tcp 127.0.0.1:")), "{:?}", rows[0]);
        let process = rows[0].peer_process.as_ref().expect("it is itself");
        assert_eq!((process.pid, &*process.comm), (oracle.pid, "oracle"));

        let replayed = run(&tracer(), &["report", "--json", &recording.text], None);
        let lines = replayed.stdout.lines().filter(|line| !line.contains("\"type\":\"recording\""));
        let replayed = Report::parse(&lines.collect::<Vec<_>>().join("\n"));
        for nr in [READV, SENDTO] {
            assert_eq!(on(&replayed, nr), on(&report, nr), "a recording knows the same");
        }
    }
}

/// A line of a report by file or by peer.
#[derive(Debug, Deserialize)]
struct Line {
    by: String,
    what: String,
    name: Option<String>,
    peer: Option<String>,
    peer_process: Option<PeerProcess>,
    calls: u64,
    errors: u64,
    total_ns: u64,
    bytes: u64,
}

impl Line {
    fn sums(&self) -> [u64; 4] {
        [self.calls, self.errors, self.total_ns, self.bytes]
    }
}

/// What `tracer report --json` says of a recording by file or by peer.
fn lines(by: &str, recording: &Place, more: &[&str]) -> Vec<Line> {
    let arguments = [&["report", "--json", "--by", by][..], more, &[&recording.text]].concat();
    let reported = run(&tracer(), &arguments, None);
    let lines = reported.stdout.lines().filter(|line| line.starts_with(r#"{"type":"on","#));
    let lines: Vec<Line> = lines.map(|line| serde_json::from_str(line).expect("a line")).collect();
    assert!(lines.iter().all(|line| line.by == by), "{lines:#?}");
    lines
}

fn sum<'a>(each: impl Iterator<Item = &'a [u64; 4]>) -> [u64; 4] {
    each.fold([0; 4], |sum, more| std::array::from_fn(|index| sum[index] + more[index]))
}

both_families! {
    /// Tables by file and by peer: calls, errors and bytes as they were made, and nothing of a run is missing from them.
    tables_by_file_and_by_peer(family) {
        let recording = Place::new();
        let finished = trace(family, &["--record", &recording.text], &oracle_command(&["files", "1000"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        oracle.assert_equals(&report, family, Reach::Command);
        if !family.is_exact_here() || report.ledger().get("spilled") > 0 {
            return;
        }
        let cells: Vec<[u64; 4]> =
            report.totals().map(|cell| [cell.calls, cell.errors, cell.total_ns, cell.bytes]).collect();
        for by in ["file", "peer"] {
            let all: Vec<[u64; 4]> = lines(by, &recording, &[]).iter().map(Line::sums).collect();
            assert_eq!(sum(all.iter()), sum(cells.iter()), "by {by}");
        }
        // Of each file what the live run said of it, over all its calls.
        let live = |name: &str| {
            let rows = report.totals().flat_map(|cell| &cell.on).filter(|row| row.name.as_deref() == Some(name));
            let rows: Vec<[u64; 4]> = rows.map(|row| [row.calls, row.errors, row.total_ns, row.bytes]).collect();
            sum(rows.iter())
        };
        let directory = std::env::temp_dir().join(format!("oracle-files-{}", oracle.pid));
        let names = ["a", "b", "gone"].map(|file| directory.join(file).to_string_lossy().into_owned());
        let names = [names[0].clone(), names[1].clone(), format!("{} (deleted)", names[2])];
        let (all, reads) = (lines("file", &recording, &[]), lines("file", &recording, &["-e", "readv"]));
        for (name, calls, bytes) in [(&names[0], 2_000, 20_000), (&names[1], 2_000, 40_000), (&names[2], 1_000, 3_000)] {
            let row = |lines: &[Line]| {
                let rows: Vec<[u64; 4]> =
                    lines.iter().filter(|line| line.name.as_ref() == Some(name)).map(Line::sums).collect();
                assert_eq!(rows.len(), 1, "{name}: {lines:#?}");
                rows[0]
            };
            let [read, errors, _, moved] = row(&reads);
            assert_eq!((read, errors, moved), (calls, 0, bytes), "{name}");
            assert_eq!(row(&all), live(name), "{name}");
            assert!(row(&all)[0] > calls, "lseek and dup2 are on it too");
        }
        assert_eq!(reads.len(), 3, "{reads:#?}");
        // Its own other end has a port of chance: the peer is the process.
        let sends = lines("peer", &recording, &["-e", "sendto"]);
        assert_eq!(sends.len(), 2, "{sends:#?}");
        for line in &sends {
            let process = line.peer_process.as_ref().map(|process| (process.pid, &*process.comm));
            match line.what.as_str() {
                "peer" if oracle.fact("port") >= 32_768 => {
                    assert_eq!((process, line.peer.as_deref()), (Some((oracle.pid, "oracle")), None));
                    assert_eq!((line.calls, line.errors, line.bytes), (1_000, 0, 10_000));
                }
                "peer" => assert_eq!((line.calls, line.errors, line.bytes), (1_000, 0, 10_000)),
                "no_file" => assert_eq!((line.calls, line.errors, line.bytes), (1, 1, 0), "by the descriptor 99"),
                other => panic!("{other}: {sends:#?}"),
            }
        }
        let text = run(&tracer(), &["report", "--by", "file", &recording.text], None).stdout;
        let total = sum(cells.iter())[0].to_string();
        let last = text.lines().find(|line| line.ends_with(" total")).expect("a total").replace(',', "");
        assert!(text.contains(&names[0]) && last.contains(&total), "{text}");
    }
}

both_families! {
    /// Live, `--by` says what a report of the recording says, to the digit: as lines in place of the totals, and as a table.
    live_by_file_and_by_peer(family) {
        let is_on = |line: &&String| line.starts_with(r#"{"type":"on","#);
        let is_total = |line: &&String| line.contains(r#""scope":"total""#);
        for by in ["file", "peer"] {
            let recording = Place::new();
            let command = oracle_command(&["files", "500"]);
            let live = trace(family, &["--by", by, "--record", &recording.text], &command);
            assert!(live.status.success(), "{}", live.stderr);
            let reported = run(&tracer(), &["report", "--json", "--by", by, &recording.text], None).lines();
            let [live_rows, reported]: [Vec<String>; 2] =
                [live.lines(), reported].map(|lines| lines.iter().filter(is_on).cloned().collect());
            assert!(live_rows.len() > 3, "{live_rows:#?}");
            assert_eq!(live_rows, reported, "by {by}");
            let others: Vec<String> = live.total_lines().iter().filter(|line| !is_on(line)).cloned().collect();
            assert!(matches!(&others[..], [ledger] if ledger.contains(r#""balanced":true"#)), "{others:#?}");
            assert!(live.lines().iter().any(|line| !is_total(&line)), "intervals are told as ever");

            let (recording, out, oracle) = (Place::new(), Place::new(), oracle_command(&["files", "500"]));
            let first = ["top", "--plain", "-i", "10s", "--program-family", family.argument(), "--by", by];
            let more = ["--record", &recording.text, "-o", &out.text, "--"];
            let arguments: Vec<&str> =
                first.into_iter().chain(more).chain(oracle.iter().map(String::as_str)).collect();
            let finished = run(&tracer(), &arguments, None);
            assert!(finished.status.success(), "{}", finished.stderr);
            let live = fs::read_to_string(out.path()).expect("the table");
            let reported = run(&tracer(), &["report", "--by", by, &recording.text], None).stdout;
            let [live, reported] = [&live, &reported].map(|text| {
                let table = text.lines().skip_while(|line| !line.trim_start().starts_with("CALLS"));
                table.take_while(|line| !line.is_empty()).collect::<Vec<_>>()
            });
            assert!(live.len() > 4 && live.last().is_some_and(|line| line.ends_with(" total")), "{live:#?}");
            assert_eq!(live, reported, "by {by}");
        }
    }
}

both_families! {
    /// Files that are closed again within microseconds have their names by the paths under which they were opened, each by
    /// the one that `/proc` would have shown. No row has another's.
    closed_at_once(family) {
        let directory = tempfile::tempdir().expect("a directory");
        let place = fs::canonicalize(directory.path()).expect("it is there");
        let files = 80;
        fs::create_dir(place.join("below")).expect("a new directory");
        let ways =
            [("absolute", ""), ("target", ""), ("relative", ""), ("at", ""), ("deep", "below"), ("inside", "below")];
        let mut inodes = Vec::new();
        for (way, below) in ways {
            for index in 0..files {
                let mut path = place.join(below).join(format!("{way}{index}"));
                let link = |name: &str| place.join(below).join(format!("{name}{index}"));
                if way == "target" {
                    symlink(format!("target{index}"), link("link")).expect("a new link");
                } else if way == "inside" && index % 2 == 0 {
                    // Leads elsewhere for who is outside.
                    path = link("real");
                    symlink(format!("/real{index}"), link(way)).expect("a new link");
                }
                fs::write(&path, "0123456789").expect("a new file");
                inodes.push((fs::metadata(&path).expect("it is there").ino(), path));
            }
        }
        let command = oracle_command(&["opens", place.to_str().expect("text"), &files.to_string()]);
        let finished = trace(family, &[], &command);
        let (report, oracle) = (finished.report(), finished.oracle());
        oracle.assert_equals(&report, family, Reach::Command);
        if !family.is_exact_here() || report.ledger().get("spilled") > 0 {
            return;
        }
        let (rows, calls) = on(&report, READV);
        assert_eq!((calls, rows.len()), (inodes.len() as u64, inodes.len()));
        let closes = on(&report, CLOSE).0;
        for (inode, path) in &inodes {
            for rows in [&rows, &closes] {
                let row = of_inode(rows, *inode);
                assert_eq!((row.name.as_deref(), row.other_names), (path.to_str(), false), "{row:?}");
            }
        }
        // From a directory: what such a call is on is that.
        let (opens, calls) = on(&report, OPENAT2);
        assert_eq!(calls, 2 * files + 1);
        let names: Vec<_> = opens.iter().map(|row| (row.name.clone(), row.calls)).collect();
        let at = |below: &str| Some(place.join(below).to_str().expect("text").trim_end_matches('/').to_owned());
        assert!(names.contains(&(at(""), files + 1)) && names.contains(&(at("below"), files)), "{names:?}");
    }
}

both_families! {
    /// Of a process with 100,000 descriptors (or, where none may have so many, several that have them together), among them as many pipes and sockets as files: every call is counted on the
    /// right one of them, no name is wrong, and nothing is spilled while somebody looks at them.
    a_hundred_thousand_descriptors(family) {
        let open = 100_000;
        let directory = tempfile::tempdir().expect("a directory");
        let place = fs::canonicalize(directory.path()).expect("it is there");
        let (files, rounds) = (100, 12);
        let mut paths = BTreeMap::new();
        for index in 0..files {
            let path = place.join(format!("file{index}"));
            fs::write(&path, "0123456789").expect("a new file");
            paths.insert(fs::metadata(&path).expect("it is there").ino(), path);
        }
        let command = oracle_command(&["many", place.to_str().expect("text"), &open.to_string()]);
        let finished = trace(family, &[], &command);
        let (report, oracle) = (finished.report(), finished.oracle());
        let (each, children) = (oracle.fact("open"), oracle.fact("children"));
        assert!(each * (1 + children) > open, "{each} in each of {}", 1 + children);
        let holders: Vec<u64> = (0..children).map(|index| oracle.fact(&format!("child{index}"))).chain([oracle.pid.into()]).collect();
        oracle.assert_equals(&report, family, Reach::Command);
        if !family.is_exact_here() {
            return;
        }
        assert_eq!(report.ledger().get("spilled"), 0, "the rings were emptied in time");
        let (rows, calls) = on(&report, PREADV);
        assert_eq!((calls, rows.len()), (files * rounds, paths.len()));
        for (&inode, path) in &paths {
            let row = of_inode(&rows, inode);
            assert_eq!((row.calls, row.other_names), (rounds, false), "{row:?}");
            assert_eq!(row.name.as_deref(), path.to_str(), "{row:?}");
        }
        let (rows, calls) = on(&report, READV);
        assert_eq!((calls, rows.len() as u64), (2 * files * rounds, 2 * files));
        for row in &rows {
            let name = if row.kind == "pipe" { format!("pipe:[{}]", row.inode) } else { "unix".to_owned() };
            let is_right = |process: &PeerProcess| holders.contains(&process.pid.into());
            assert!(row.peer_process.as_ref().is_none_or(is_right), "{row:?}");
            assert_eq!((row.calls, row.bytes, row.other_names), (rounds, rounds, false), "{row:?}");
            assert_eq!(row.name, Some(name), "{row:?}");
        }
        let named = rows.iter().filter(|row| row.peer_process.is_some()).count();
        tell(&format!(
            "{each} descriptors in each of {} processes: {named} of {} pipes and sockets name the process at the other end",
            1 + children,
            rows.len()
        ));
    }
}

/// The rows of messages over unix sockets: the name of the path in this directory, and the process, at the other end.
pub(crate) fn assert_unix_peers(report: &Report, oracle: &OracleLedger, place: &Path, child: u32) {
    let (rows, _) = on(report, SENDTO);
    assert_eq!(rows.len(), 2, "{rows:#?}");
    let path = place.join("socket");
    for (socket, address) in [("pair", None), ("connected", path.to_str())] {
        let row = rows.iter().find(|row| row.inode == oracle.fact(socket)).expect("the socket's row");
        assert_eq!((row.name.as_deref(), row.peer.as_deref()), (Some("unix"), address), "{row:?}");
        let process = row.peer_process.as_ref().unwrap_or_else(|| panic!("no peer: {row:?}"));
        assert_eq!((process.pid, &*process.comm), (child, "oracle"), "{row:?}");
    }
}

both_families! {
    /// The process at the other end of a unix socket, whether that has a path or not.
    needs_unix_diag(family) {
        let directory = tempfile::tempdir().expect("a directory");
        let place = fs::canonicalize(directory.path()).expect("it is there");
        let finished = trace(family, &[], &oracle_command(&["unix", place.to_str().expect("text"), "500"]));
        let (report, oracle) = (finished.report(), finished.oracle());
        oracle.assert_equals(&report, family, Reach::Command);
        assert_unix_peers(&report, &oracle, &place, oracle.fact("child") as u32);
    }
}
