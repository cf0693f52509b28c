//! The five staged incidents of `tracer/incidents/`: real programs in real trouble. An untouched run on the
//! whole host must name the culprit call within five seconds, whatever else goes on there.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tool::{Family, Tracing, require_program};

/// How long the strip may take, from the moment the trouble begins.
const LIMIT: Duration = Duration::from_secs(5);

/// An incident that goes on.
struct Incident(Child);

impl Incident {
    /// Starts a script and returns when its trouble begins.
    fn begin(name: &str) -> Self {
        require_program("python3");
        let script = format!("{}/incidents/{name}.sh", env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(require_program("bash"))
            .args([&script, "8"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let mut said = String::new();
        let stdout = child.stdout.take().expect("a pipe was asked for");
        BufReader::new(stdout).read_line(&mut said).expect("the script's stdout");
        assert_eq!(said.trim(), "begun", "NOT RUN: {name} could not be staged here; it says why above");
        Self(child)
    }

    /// Waits until it is over and has cleaned up.
    fn end(mut self) {
        let status = self.0.wait().expect("a child");
        assert!(status.success(), "the script ended with {status}");
    }
}

/// Starts a tracer, then the incident, and waits for the finding.
fn assert_named(name: &str, rule: &str, syscall: &str) {
    let mut tracing = Tracing::start(Family::Classic, &[], &[]);
    tracing.wait_for_intervals(1);
    let incident = Incident::begin(name);
    let begun = Instant::now();
    let rule = format!(r#""rule":"{rule}""#);
    let syscall = format!(r#""syscall":"{syscall}""#);
    let is_it = |line: &str| {
        [r#""type":"finding""#, r#""comm":"python3""#, &rule, &syscall].iter().all(|part| line.contains(part))
    };
    let mut named = None;
    while named.is_none() && begun.elapsed() < LIMIT + Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(50));
        named = tracing.json().lines().any(is_it).then(|| begun.elapsed());
    }
    incident.end();
    tracing.stop().report();
    let named = named.unwrap_or_else(|| panic!("{name}: {rule} {syscall} was not named"));
    assert!(named < LIMIT, "{name}: named only after {named:?}");
}

/// One test for each incident.
macro_rules! incidents {
    ($($name:ident: $script:literal, $rule:literal, $syscall:literal;)+) => {$(
        #[test]
        #[ignore = "root"]
        fn $name() {
            assert_named($script, $rule, $syscall);
        }
    )+};
}

incidents! {
    slow_disk: "slow-disk", "sync-in-hot-path", "fsync";
    missing_file: "missing-file", "search-storm", "newfstatat";
    silent_peer: "silent-peer", "stuck-call", "recvfrom";
    full_disk: "full-disk", "disk-full", "write";
    held_lock: "held-lock", "stuck-call", "flock";
}
