//! Recordings from strangers, read as a user reads them: whatever is in the file, the verbs end soon, in 256 MiB, with
//! a status that says what it was, and without wrong figures.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracer::histogram::Histogram;
use tracer::interval::{CallKey, Cell, CellKey, Interval};
use tracer::process::{Comm, ProcessId, ProcessInfo};
use tracer::recording::{Kind, Writer};
use tracer::run::Meta;
use tracer_common::abi::Abi;

/// Most memory that a verb may take: address space, so memory too.
const MAX_KIB: u64 = 256 << 10;

/// Far beyond what an unoptimised build on a busy machine takes for a small file.
const SOON: Duration = Duration::from_secs(20);

/// Runs a verb in bounded memory.
fn bounded(verb: &[&str], file: &Path) -> Output {
    let began = Instant::now();
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MAX_KIB} && exec \"$@\""), "sh", env!("CARGO_BIN_EXE_tracer")])
        .args(verb)
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .expect("sh runs");
    let took = began.elapsed();
    assert!(took < SOON, "{verb:?} {} took {took:?}", file.display());
    output
}

/// What the totals say, without what the beginning of a file says of itself.
fn figures(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    let is_figure = |line: &&str| line.contains("\"scope\":\"total\"");
    text.lines().filter(is_figure).map(str::to_owned).collect()
}

/// Damages a file in one of the ways that disks, transfers and attackers do.
fn damage(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) -> &'static str {
    let len = bytes.len();
    // Half of them in the first part, where lengths, offsets and the schema are.
    let at = if random.bool() { random.usize(..len) } else { random.usize(..len.min(8192)) };
    let end = (at + 1 + random.usize(..512)).min(len);
    match random.u8(..8) {
        0 => {
            bytes[at] ^= 1 << random.u8(..8);
            "one bit"
        }
        1 => {
            bytes[at] = random.u8(..);
            "one byte"
        }
        2 => {
            let word = [u32::MAX, 0, 0x7fff_ffff, 0x8000_0000, 1 << 28][random.usize(..5)].to_le_bytes();
            let at = at / 4 * 4;
            let end = (at + 4).min(len);
            bytes[at..end].copy_from_slice(&word[..end - at]);
            "a huge or empty length"
        }
        3 => {
            bytes[at..end].fill([0, 0xff][random.usize(..2)]);
            "a filled range"
        }
        4 => {
            bytes.truncate(at);
            "cut"
        }
        5 => {
            bytes.drain(at..end);
            "a hole"
        }
        6 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
            "a range twice"
        }
        _ => {
            let from = random.usize(..=len - (end - at));
            bytes.copy_within(from..from + (end - at), at);
            "a range of elsewhere"
        }
    }
}

fn damaged_files_end_as_they_should(kind: &str, verbs: [&[&str]; 2], count: u64) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{kind}-1.arrows"));
    let good = fs::read(&golden).expect("a golden recording");
    let expected = verbs.map(|verb| figures(&bounded(verb, &golden)));
    assert!(expected[0].len() > 10, "{expected:?}");
    let directory = tempfile::tempdir().expect("a directory");
    let mut statuses = [0u32; 6];
    for seed in 0..count {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = good.clone();
        let how = damage(&mut bytes, &mut random);
        let file = directory.path().join(format!("{seed}.arrows"));
        fs::write(&file, &bytes).expect("room");
        let which = usize::from(seed % 4 == 3);
        let output = bounded(verbs[which], &file);
        let errors = String::from_utf8_lossy(&output.stderr);
        let status = output.status.code();
        assert!(matches!(status, Some(0 | 1 | 5)), "{how}, seed {seed}: {}\n{errors}", output.status);
        assert!(!errors.contains("panicked"), "{how}, seed {seed}: {errors}");
        if let Some(status) = status {
            statuses[status as usize] += 1;
        }
        if status == Some(0) && which == 0 {
            assert_eq!(figures(&output), expected[0], "{how}, seed {seed}: other figures without a word");
        }
        fs::remove_file(file).expect("removed");
    }
    assert!(u64::from(statuses[5]) > count / 3, "most are read in part: {statuses:?}");
    assert!(statuses[1] > 0, "some are no recording any more: {statuses:?}");
}

#[test]
fn damaged_intervals_end_as_they_should() {
    damaged_files_end_as_they_should("intervals", [&["report", "--json"], &["info"]], 150);
}

#[test]
fn damaged_events_end_as_they_should() {
    damaged_files_end_as_they_should("events", [&["report", "--json"], &["info"]], 150);
}

/// A recording that is right in every detail and holds more than any host has: processes that never end, each with
/// latencies all over the histogram.
#[test]
fn a_host_with_endless_processes_fits_into_memory() {
    const EACH: u32 = 2_000;
    const INTERVALS: u32 = 30;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("endless.arrows");
    let meta = Meta { arch: "x86_64".to_owned(), interval_ns: 1_000, start_ns: 1_000, ..Meta::default() };
    let mut writer =
        Writer::new(fs::File::create(&file).expect("room"), &meta, Kind::Intervals).expect("room");
    let mut latencies = Histogram::new();
    for power in 0..40 {
        latencies.record(1 << power);
    }
    let cell = Cell {
        calls: 40,
        max_ns: 1 << 39,
        total_ns: 1 << 40,
        latencies: Arc::new(latencies),
        ..Cell::default()
    };
    for round in 0..INTERVALS {
        let start_ns = 1_000 * u64::from(round + 1);
        let mut interval = Interval { start_ns, end_ns: start_ns + 1_000, ..Interval::default() };
        for pid in round * EACH + 1..=(round + 1) * EACH {
            let process = ProcessId { pid, start_ns: 1 };
            let info = ProcessInfo {
                comm: Comm::new("sh"),
                exited: false,
                as_of_ns: start_ns,
                ..ProcessInfo::default()
            };
            interval.processes.insert(process, info);
            interval
                .cells
                .insert(CellKey { process, call: CallKey { abi: Abi::X86_64, nr: 1 } }, cell.clone());
        }
        writer.interval(&interval).expect("room");
    }
    writer.finish().expect("room");
    for verb in [
        &["report", "--json", "--by", "syscall"][..],
        &["report"],
        &["report", "--comm", "sh", "--json"],
        &["info"],
    ] {
        let output = bounded(verb, &file);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{verb:?}: {}\n{errors}", output.status);
        let text = String::from_utf8_lossy(&output.stdout);
        let calls = 40 * EACH * INTERVALS;
        if verb.contains(&"syscall") {
            assert!(text.contains(&format!("\"calls\":{calls},")), "{text}");
        } else if verb == ["report"] {
            assert!(text.contains("processes)"), "what was folded is named: {text}");
        }
    }
}
