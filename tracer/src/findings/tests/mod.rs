//! A host made by hand, second by second, and what must hold of findings whatever it does.

mod failing;
mod sizes;
mod slow;

use proptest::prelude::*;
use tracer_common::abi::Abi;
use tracer_common::ledger::Counter;
use tracer_common::outcome::Outcome;

use super::{Evidence, Finding, Findings, MOST_SHOWN, Rule, SECOND};
use crate::aggregate::Aggregator;
use crate::interval::tests::{any_interval, cell_of};
use crate::interval::{CallKey, CellKey, InFlight, Interval};
use crate::process::{Comm, ProcessId, ProcessInfo};
use crate::syscalls::{self, HOST_ABI};

const MS: u64 = 1_000_000;
const US: u64 = 1_000;

fn call(name: &str) -> CallKey {
    CallKey { abi: HOST_ABI, nr: syscalls::number(HOST_ABI, name).expect("a name") }
}

fn id(pid: u32) -> ProcessId {
    ProcessId { pid, start_ns: u64::from(pid) }
}

/// A slice of time that is being filled.
struct Slice(Interval);

impl Slice {
    /// `count` calls that took `each_ns`; those with an errno failed.
    fn made(&mut self, pid: u32, name: &str, count: usize, each_ns: u64, errno: u16) -> &mut Self {
        let outcome = if errno == 0 { Outcome::Success } else { Outcome::Error(errno) };
        let cell = cell_of(&vec![(each_ns, outcome); count]);
        self.0.cells.entry(CellKey { process: id(pid), call: call(name) }).or_default().merge(&cell);
        self.named(pid, "app", false)
    }

    fn ok(&mut self, pid: u32, name: &str, count: usize, each_ns: u64) -> &mut Self {
        self.made(pid, name, count, each_ns, 0)
    }

    /// `count` calls that moved so many bytes each.
    fn moved(&mut self, pid: u32, name: &str, count: usize, bytes: i64) -> &mut Self {
        self.ok(pid, name, count, 2 * US);
        let cell = self.0.cells.entry(CellKey { process: id(pid), call: call(name) }).or_default();
        for _ in 0..count {
            cell.sizes.record(bytes);
        }
        self
    }

    fn failed(&mut self, pid: u32, name: &str, count: usize, errno: u16) -> &mut Self {
        self.made(pid, name, count, 2 * US, errno)
    }

    /// A call of thread `tid` that is open since `enter_ns`.
    fn open(&mut self, pid: u32, name: &str, tid: u32, enter_ns: u64) -> &mut Self {
        self.0.in_flight.push(InFlight {
            process: id(pid),
            tid,
            call: call(name),
            enter_ns,
            before_attach: false,
            args: None,
            on: None,
            operands: None,
        });
        self.named(pid, "app", false)
    }

    fn named(&mut self, pid: u32, comm: &str, exited: bool) -> &mut Self {
        let info =
            ProcessInfo { comm: Comm::new(comm), exited, as_of_ns: self.0.end_ns, ..ProcessInfo::default() };
        self.0.processes.insert(id(pid), info);
        self
    }
}

/// A host that is watched.
#[derive(Default)]
struct Host {
    aggregator: Aggregator,
    now_ns: u64,
}

impl Host {
    const START: u64 = 1_000 * SECOND;

    /// `ns` of what `fill` makes happen.
    fn pass(&mut self, ns: u64, fill: impl FnOnce(&mut Slice)) -> Findings {
        let start_ns = self.now_ns.max(Self::START);
        self.now_ns = start_ns + ns;
        let mut slice = Slice(Interval { start_ns, end_ns: self.now_ns, ..Interval::default() });
        fill(&mut slice);
        self.aggregator.merge(&slice.0);
        self.aggregator.snapshot().findings
    }

    /// So many seconds of the same; what is found at the end of each.
    fn seconds(&mut self, count: usize, mut fill: impl FnMut(&mut Slice)) -> Vec<Vec<Finding>> {
        (0..count).map(|_| self.pass(SECOND, &mut fill).now).collect()
    }

    /// What is found at the end of the last of so many seconds.
    fn after(&mut self, count: usize, fill: impl FnMut(&mut Slice)) -> Vec<Finding> {
        self.seconds(count, fill).pop().expect("a second")
    }

    fn texts(&self, findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|found| format!("{}  {}", found.subject(), found.sentence(self.now_ns))).collect()
    }
}

fn rules(findings: &[Finding]) -> Vec<Rule> {
    findings.iter().map(|finding| finding.rule).collect()
}

/// A second of a web server, a database and a shell in which nothing is wrong.
fn healthy(slice: &mut Slice) {
    let now_ns = slice.0.end_ns;
    slice
        .ok(1, "epoll_wait", 900, 800 * US)
        .ok(1, "accept4", 300, 4 * US)
        .failed(1, "accept4", 300, 11)
        .ok(1, "recvfrom", 600, 2 * US)
        .failed(1, "recvfrom", 300, 11)
        .ok(1, "sendto", 600, 9 * US)
        .ok(1, "openat", 200, 6 * US)
        .failed(1, "openat", 5, 2);
    slice
        .ok(2, "pread64", 2_000, 5 * US)
        .ok(2, "pwrite64", 400, 8 * US)
        .ok(2, "fdatasync", 4, 700 * US)
        .ok(2, "futex", 500, 300 * US)
        .failed(2, "futex", 40, 110)
        .open(2, "futex", 21, Host::START)
        .open(2, "epoll_wait", 22, Host::START + 1);
    // Someone thinks; someone waits for a child.
    slice.ok(3, "read", 1, 30 * MS).open(3, "read", 3, now_ns - 900 * MS).open(4, "wait4", 4, Host::START);
}

#[test]
fn a_healthy_host_has_none() {
    let mut host = Host::default();
    for found in host.seconds(120, healthy) {
        assert_eq!(host.texts(&found), Vec::<String>::new());
    }
    // Night falls: nothing is called any more, threads are parked.
    for found in host.seconds(120, |slice| {
        for (pid, name) in [(1, "epoll_wait"), (2, "futex"), (2, "epoll_wait"), (3, "read"), (4, "wait4")] {
            slice.open(pid, name, pid, Host::START + 119 * SECOND);
        }
    }) {
        assert_eq!(host.texts(&found), Vec::<String>::new());
    }
}

#[test]
fn at_most_three_are_shown_and_the_certain_ones_come_first() {
    let mut host = Host::default();
    host.seconds(10, healthy);
    let found = host.after(6, |slice| {
        healthy(slice);
        for pid in 10..20 {
            slice.failed(pid, "stat", 3_000, 2);
            slice.failed(pid, "connect", 50, 111);
        }
        slice.failed(2, "pwrite64", 2, 28).failed(30, "accept4", 9, 24).ok(31, "openat", 20, 40 * MS);
    });
    assert_eq!(rules(&found), [Rule::DescriptorExhaustion, Rule::DiskFull, Rule::RetryStorm]);
    assert_eq!(found[2].more, 9);
    assert_eq!(
        host.texts(&found)[2],
        "app 10 and 9 more  connect ECONNREFUSED 50/s, 100% of its calls, began 6.0 s ago"
    );
}

#[test]
fn a_finding_neither_flickers_nor_stays() {
    let mut host = Host::default();
    host.seconds(3, healthy);
    let storm = |slice: &mut Slice| {
        healthy(slice);
        slice.failed(7, "stat", 3_000, 2);
    };
    let mut shown = Vec::new();
    for second in 0..30 {
        // It stutters: two seconds of three.
        let found = host.after(1, |slice| if second % 3 == 2 { healthy(slice) } else { storm(slice) });
        shown.push(!found.is_empty());
    }
    let first = shown.iter().position(|&shown| shown).expect("it is found");
    assert!((2..=4).contains(&first), "{shown:?}");
    assert!(shown[first..].iter().all(|&shown| shown), "{shown:?}");
    let rest: Vec<bool> = host.seconds(8, healthy).iter().map(Vec::is_empty).collect();
    assert_eq!(
        rest,
        [false, false, false, true, true, true, true, true],
        "the last second was a healthy one"
    );
}

#[test]
fn what_went_at_once_must_hold_longer_the_next_time() {
    let mut host = Host::default();
    host.seconds(3, healthy);
    let mut held = Vec::new();
    for _ in 0..3 {
        let seconds = host.seconds(4, |slice| {
            healthy(slice);
            slice.failed(7, "stat", 3_000, 2);
        });
        held.push(seconds.iter().filter(|found| !found.is_empty()).count());
        host.seconds(30, healthy);
    }
    assert_eq!(held, [2, 0, 0]);
}

#[test]
fn what_is_over_is_in_the_sum_of_the_run() {
    let mut host = Host::default();
    host.seconds(3, healthy);
    host.seconds(2, |slice| {
        slice.failed(7, "write", 5, 28);
    });
    host.seconds(40, healthy);
    let findings = host.pass(SECOND, healthy);
    assert_eq!(findings.now, []);
    assert_eq!(
        host.texts(&findings.run),
        ["app 7  write ENOSPC 5.0/s, until 41 s ago: no space left".replace("5.0", "5")]
    );
}

#[test]
fn intervals_of_a_tenth_of_a_second_find_the_same() {
    let (mut tenths, mut whole) = (Host::default(), Host::default());
    for _ in 0..6 {
        whole.pass(SECOND, |slice| {
            slice.failed(7, "stat", 3_000, 2);
        });
        for _ in 0..10 {
            tenths.pass(SECOND / 10, |slice| {
                slice.failed(7, "stat", 300, 2);
            });
        }
    }
    let found = |host: &mut Host| rules(&host.aggregator.snapshot().findings.now);
    assert_eq!(found(&mut whole), [Rule::SearchStorm]);
    assert_eq!(found(&mut tenths), [Rule::SearchStorm]);
}

#[test]
fn a_full_disk_is_named_even_by_a_run_of_a_blink() {
    let mut host = Host::default();
    let findings = host.pass(80 * MS, |slice| {
        slice.failed(7, "write", 2, 28);
    });
    assert_eq!((rules(&findings.now), rules(&findings.run)), (vec![], vec![Rule::DiskFull]));
}

#[test]
fn of_sifted_calls_only_what_needs_no_comparison_is_said() {
    let mut host = Host::default();
    let found = host.after(8, |slice| {
        slice.0.ledger.kernel[Counter::FilteredOut as usize] = 100;
        slice.failed(7, "stat", 3_000, 2).failed(7, "connect", 300, 111).failed(8, "write", 1, 28);
    });
    assert_eq!(rules(&found), [Rule::DiskFull]);
}

#[test]
fn each_rule_has_its_section_and_each_section_its_rule() {
    let page = include_str!("../../../../docs/findings.md");
    let sections: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|line| line.starts_with('`'))
        .collect();
    let ids: Vec<String> = Rule::ALL.iter().map(|rule| format!("`{}`", rule.id())).collect();
    assert_eq!(sections, ids);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_stream_of_intervals_gives_few_findings_and_safe_text(
        parts in proptest::collection::vec((0u64..6, any_interval(1), 0u64..3_000_000_000, any::<[u8; 16]>()), 1..20),
    ) {
        let mut aggregator = Aggregator::new();
        let mut now_ns = 5;
        for (back, mut interval, length_ns, comm) in parts {
            interval.start_ns = now_ns;
            interval.end_ns = (now_ns + length_ns).saturating_sub(back);
            now_ns += length_ns;
            for info in interval.processes.values_mut() {
                info.comm = Comm::from_kernel(comm);
            }
            aggregator.merge(&interval);
            let snapshot = aggregator.snapshot();
            for findings in [&snapshot.findings.now, &snapshot.findings.run] {
                prop_assert!(findings.len() <= MOST_SHOWN);
                for finding in findings {
                    let text = format!("{} {}", finding.subject(), finding.sentence(snapshot.end_ns));
                    prop_assert!(!text.contains(char::is_control), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn extreme_figures_are_no_trouble(
        cells in proptest::collection::vec((1u32..4, 0i32..470, 0u64..1 << 44, 1u16..4095, 1u64..1 << 40), 1..30),
        enter_ns in any::<u64>(), seconds in 1u64..100_000,
    ) {
        let mut aggregator = Aggregator::new();
        for step in 0..6 {
            let mut interval = Interval {
                start_ns: 1 + step * seconds * SECOND, end_ns: 1 + (step + 1) * seconds * SECOND, ..Interval::default()
            };
            for &(pid, nr, latency_ns, errno, count) in &cells {
                let key = CellKey { process: id(pid), call: CallKey { abi: Abi::X86_64, nr } };
                let mut cell = cell_of(&[(latency_ns, Outcome::Success)]);
                cell.record_denied(errno, count);
                interval.cells.entry(key).or_default().merge(&cell);
                interval.in_flight.push(InFlight { process: key.process, tid: pid, call: key.call, enter_ns, before_attach: false, args: None, on: None, operands: None });
            }
            aggregator.merge(&interval);
            let snapshot = aggregator.snapshot();
            prop_assert!(snapshot.findings.now.len() <= MOST_SHOWN);
            for finding in &snapshot.findings.run {
                prop_assert!(!finding.sentence(snapshot.end_ns).is_empty());
            }
        }
    }
}

/// More processes than are followed, each with errors of its own, one after the other.
#[test]
fn news_of_the_last_of_too_many_processes_are_still_heard() {
    let mut host = Host::default();
    for round in 0..20u32 {
        host.pass(SECOND, |slice| {
            for at in 0..200 {
                let pid = 10 + round * 200 + at;
                slice.failed(pid, "write", 3, 28).failed(pid, "connect", 3, 111);
            }
        });
    }
    let found = host.after(7, |slice| {
        slice.failed(9, "write", 1, 122);
    });
    assert_eq!(host.texts(&found), ["app 9  write EDQUOT 1/s, began 7.0 s ago: quota used up"]);
}
