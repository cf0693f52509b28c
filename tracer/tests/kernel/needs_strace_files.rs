//! What calls are on against strace on the same run: the path, or the two ends, behind the descriptor of every call of
//! real programs. Where the two cannot be the same, and why, is in docs/TESTING.md.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::needs_strace::Launch;
use crate::report::{On, Report, plain_name};
use crate::tool::{Family, SIGINT, Tracing, require_program, signal, tell, wait_for};

const SIGTERM: i32 = 15;

/// What a call was on, in words that both can be brought to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    /// Its path, or what the kernel calls it.
    Named(String),
    /// A socket by its inode.
    Socket(u64),
    /// A connection by its other end.
    Peer(String),
}

/// Calls by syscall and what they were on.
type Counts = BTreeMap<(String, Thing), u64>;

/// The word for a thing without a path.
fn anonymous(kind: &str) -> &str {
    match kind {
        "eventpoll" => "epoll",
        kind => kind,
    }
}

/// What strace has behind a descriptor: `</path>`, `<TCP:[1.2.3.4:5->6.7.8.9:10]>`, `<UNIX-STREAM:[1->2]>`, `<pipe:[3]>`.
fn their_thing(text: &str) -> Thing {
    // Of a device `-yy` says the number too.
    let text = text.split_once("<char ").or_else(|| text.split_once("<block ")).map_or(text, |parts| parts.0);
    if let Some(kind) = text.strip_prefix("anon_inode:").map(|kind| kind.trim_matches(['[', ']'])) {
        return Thing::Named(anonymous(kind).to_owned());
    }
    let socket = text.split_once(":[").filter(|(protocol, _)| {
        protocol.starts_with(|first: char| first.is_ascii_uppercase()) || *protocol == "socket"
    });
    let Some((protocol, inner)) = socket else { return Thing::Named(unescaped(text)) };
    let inner = inner.strip_suffix(']').unwrap_or(inner);
    let inode = inner.split(['-', ',']).next().and_then(|number| number.parse().ok());
    if let Some(inode) = inode {
        return Thing::Socket(inode);
    }
    let protocol = protocol.trim_end_matches("v6").to_lowercase();
    Thing::Named(format!("{protocol} {}", inner.replace("->", " -> ")))
}

/// A path as strace quotes it: octal for what is no letter.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let octal = bytes[at + 1..].iter().take(3).take_while(|digit| (b'0'..b'8').contains(digit)).count();
        if bytes[at] == b'\\' && octal > 0 {
            let digits = str::from_utf8(&bytes[at + 1..=at + octal]).expect("ASCII");
            plain.push(u8::from_str_radix(digits, 8).expect("octal"));
            at += octal;
        } else {
            plain.push(bytes[at]);
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The calls on descriptors in what `strace -f -y -yy` wrote.
fn their_counts(text: &str) -> Counts {
    let mut counts = Counts::new();
    for line in text.lines() {
        let Some((_, call)) = line.split_once(' ').map(|(tid, rest)| (tid, rest.trim_start())) else {
            continue;
        };
        let Some((name, arguments)) = call.split_once('(') else { continue };
        let Some((number, behind)) = arguments.split_once('<') else { continue };
        if number.parse::<i32>().is_err()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            continue;
        }
        // To the bracket that closes the first; an arrow has one too.
        let (mut depth, mut before) = (1, ' ');
        let end = behind.char_indices().find(|&(_, character)| {
            depth += i32::from(character == '<') - i32::from(character == '>' && before != '-');
            before = character;
            depth == 0
        });
        let (end, _) = end.unwrap_or_else(|| panic!("no end: {line}"));
        *counts.entry((name.to_owned(), their_thing(&behind[..end]))).or_default() += 1;
    }
    counts
}

/// Under what strace may have this row.
fn our_things(row: &On) -> Vec<Thing> {
    let name = row.name.clone().unwrap_or_default();
    // Deleted since: strace says so behind the bracket.
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned();
    if row.kind != "socket" {
        return vec![Thing::Named(name)];
    }
    let name = name.strip_suffix(" (listening)").unwrap_or(&name).to_owned();
    let connected = row.peer.as_ref().map(|peer| Thing::Named(format!("{name} -> {peer}")));
    // All that is known of one that was closed too soon is to where it was to be connected.
    let connecting =
        row.peer.as_ref().filter(|_| name.starts_with("socket:")).map(|peer| Thing::Peer(peer.clone()));
    connected.into_iter().chain(connecting).chain([Thing::Named(name), Thing::Socket(row.inode)]).collect()
}

/// How many of strace's calls are on the same to us, and how many there are; with the others.
fn compare(report: &Report, mut theirs: Counts) -> (u64, u64, Vec<String>) {
    let all: u64 = theirs.values().sum();
    let mut equal = 0;
    let mut differences = Vec::new();
    for cell in report.totals() {
        for row in &cell.on {
            let mut left = row.calls;
            for thing in our_things(row) {
                let name = plain_name(&cell.syscall);
                let is_it = |(syscall, its): &(String, Thing)| {
                    syscall == name
                        && match (&thing, its) {
                            (Thing::Peer(peer), Thing::Named(ends)) => ends.ends_with(&format!(" -> {peer}")),
                            _ => thing == *its,
                        }
                };
                for (_, count) in theirs.iter_mut().filter(|(key, _)| is_it(key)) {
                    let same = left.min(*count);
                    (left, *count, equal) = (left - same, *count - same, equal + same);
                }
            }
            if left > 0 {
                differences.push(format!("{} {left}: ours {row:?}", cell.syscall));
            }
        }
    }
    differences.extend(theirs.iter().filter(|(_, count)| **count > 0).map(|row| format!("strace {row:?}")));
    (equal, all, differences)
}

/// What was traced, and what strace wrote of it.
struct Both {
    tracing: Tracing,
    strace: std::process::Child,
    text: tempfile::NamedTempFile,
    family: Family,
}

impl Both {
    /// Attaches both to the process that `launch` is going to start, and lets it start.
    fn start(family: Family, launch: &Launch) -> Self {
        let text = tempfile::NamedTempFile::new().expect("a file");
        let strace = launch.attach_strace(&["-f", "-y", "-yy"], text.path());
        let tracing = Tracing::attach(family, &["-f", "-p", &launch.pid().to_string()]);
        Self { tracing, strace, text, family }
    }

    /// Waits for both and compares. At least `calls` calls must have been on something.
    fn finish(mut self, what: &str, calls: u64) -> Report {
        let report = self.tracing.finish().report();
        assert!(self.strace.wait().expect("a child").success(), "strace");
        report.assert_laws();
        if !self.family.is_exact_here() {
            tell("NOT COMPARED with strace: raw programs are skipped by this kernel");
            return report;
        }
        let theirs = fs::read_to_string(self.text.path()).expect("strace's lines");
        let (equal, all, differences) = compare(&report, their_counts(&theirs));
        let text = differences.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        tell(&format!("{what}: {equal} of {all} calls are on the same as to strace"));
        assert!(all >= calls, "{what}: {all} calls only");
        assert!(equal * 100 >= all * 99, "{what}: {equal} of {all} calls\n{text}");
        report
    }
}

/// Asserts that some call of this name was on something of which `is_it`.
fn assert_on(report: &Report, syscall: &str, is_it: impl Fn(&On) -> bool) {
    let cells = report.totals().filter(|cell| plain_name(&cell.syscall) == syscall);
    let rows: Vec<&On> = cells.flat_map(|cell| &cell.on).collect();
    assert!(rows.iter().any(|row| is_it(row)), "{syscall}: {rows:#?}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn wait_for_port(port: u16) {
    wait_for("a port", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
}

both_families! {
    needs_python3_imports(family) {
        require_program("python3");
        let launch = Launch::prepare(&["/usr/bin/python3", "-c", "import json, ssl"]);
        let both = Both::start(family, &launch);
        launch.run();
        let report = both.finish("python3", 300);
        assert_on(&report, "read", |row| row.name.as_deref().is_some_and(|name| name.ends_with("json/__init__.py") || name.contains("json/__pycache__/__init__")));
    }

    find(family) {
        let launch = Launch::prepare(&["find", "/etc", "-newer", "/etc/passwd"]);
        let both = Both::start(family, &launch);
        launch.run();
        both.finish("find", 100);
    }

    /// A port where nobody listens, one where nobody answers, and an address that nobody has.
    needs_curl(family) {
        let curl = require_program("curl");
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (silent_port, dead_port) = (silent.local_addr().expect("an address").port(), free_port());
        let curl = curl.to_str().expect("text");
        let script = format!(
            "{curl} -s -m 2 http://127.0.0.1:{dead_port}/; {curl} -s -m 2 http://127.0.0.1:{silent_port}/; {curl} -s -m 2 http://192.0.2.1/; true"
        );
        let launch = Launch::prepare(&["sh", "-c", &script]);
        let both = Both::start(family, &launch);
        launch.run();
        let report = both.finish("curl", 100);
        for (host, port) in [("127.0.0.1", silent_port), ("127.0.0.1", dead_port), ("192.0.2.1", 80)] {
            let peer = format!("{host}:{port}");
            assert_on(&report, "connect", |row| row.peer.as_deref() == Some(&*peer));
        }
    }

    needs_nginx(family) {
        let (nginx, ab) = (require_program("nginx"), require_program("ab"));
        let place = tempfile::tempdir().expect("a directory");
        let (root, port) = (place.path().display(), free_port());
        for name in ["a", "b", "c"] {
            fs::write(place.path().join(name), name.repeat(20_000)).expect("a new file");
        }
        let config = place.path().join("conf");
        fs::write(&config, format!(
            "daemon off; user root; worker_processes 1; pid {root}/pid; error_log {root}/error;
             events {{}} http {{ access_log {root}/access; client_body_temp_path {root}/t; proxy_temp_path {root}/t;
             fastcgi_temp_path {root}/t; uwsgi_temp_path {root}/t; scgi_temp_path {root}/t;
             server {{ listen 127.0.0.1:{port}; root {root}; }} }}"
        )).expect("a new file");
        let launch = Launch::prepare(&[nginx.to_str().expect("text"), "-e", "stderr", "-c", config.to_str().expect("text")]);
        let (both, pid) = (Both::start(family, &launch), launch.pid());
        let running = thread::spawn(|| launch.run());
        wait_for_port(port);
        for name in ["a", "b", "c"] {
            let url = format!("http://127.0.0.1:{port}/{name}");
            assert!(command(&ab).args(["-q", "-k", "-n", "5000", "-c", "4", &url]).status().expect("it runs").success());
        }
        signal(pid, SIGTERM);
        running.join().expect("it ends");
        let report = both.finish("nginx", 1_000);
        let served = place.path().join("b");
        assert_on(&report, "close", |row| row.name.as_deref() == served.to_str());
        assert_on(&report, "recvfrom", |row| row.peer.as_deref().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
    }

    needs_postgres(family) {
        let [postgres, initdb, pgbench, setpriv] = ["postgres", "initdb", "pgbench", "setpriv"].map(require_program);
        let place = tempfile::tempdir().expect("a directory");
        // It refuses to run as root.
        let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        std::os::unix::fs::chown(place.path(), Some(65534), Some(65534)).expect("root may");
        let data = place.path().join("data");
        let data = data.to_str().expect("text");
        let mut init = command(&setpriv);
        assert!(init.args(user).arg(&initdb).args(["-A", "trust", "-U", "u", "-D", data]).status().expect("it runs").success());
        let port = free_port();
        let (sockets, number) = (place.path().to_str().expect("text"), port.to_string());
        let words = [setpriv.to_str().expect("text"), user[0], user[1], user[2], postgres.to_str().expect("text"), "-D", data, "-k", sockets, "-p", &number];
        let launch = Launch::prepare(&words);
        let (both, pid) = (Both::start(family, &launch), launch.pid());
        let running = thread::spawn(|| launch.run());
        wait_for_port(port);
        let bench = |arguments: &[&str]| {
            let mut bench = command(&pgbench);
            bench.args(["-h", "127.0.0.1", "-U", "u", "-p", &number]).args(arguments).arg("postgres");
            wait_for("a server that is ready", || bench.status().expect("it runs").success().then_some(()));
        };
        bench(&["-i", "-q"]);
        bench(&["-c", "2", "-T", "8"]);
        thread::sleep(Duration::from_secs(1));
        signal(pid, SIGINT);
        running.join().expect("it ends");
        let report = both.finish("postgres", 1_000);
        assert_on(&report, "pwrite64", |row| row.name.as_deref().is_some_and(|name| name.starts_with(data) && name.contains("/pg_wal/")));
        assert_on(&report, "sendto", |row| row.peer_process.as_ref().is_some_and(|process| process.comm == "pgbench"));
    }
}
