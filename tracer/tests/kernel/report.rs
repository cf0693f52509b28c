//! What a run of the tracer wrote, read back from its JSON Lines, and the laws that it must obey.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Whether a line speaks of one interval or of the whole run.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    Interval,
    Total,
}

/// One syscall of one process.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Cell {
    pub(crate) scope: Scope,
    pub(crate) pid: u32,
    pub(crate) comm: String,
    pub(crate) syscall: String,
    pub(crate) abi: String,
    nr: i64,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) interrupted: u64,
    pub(crate) denied: u64,
    pub(crate) no_return: u64,
    pub(crate) total_ns: u64,
    pub(crate) min_ns: Option<u64>,
    pub(crate) max_ns: Option<u64>,
    pub(crate) p50_ns: Option<u64>,
    /// Calls that moved bytes, how many bytes, and how many of the calls moved fewer than 64.
    #[serde(default)]
    pub(crate) sized: u64,
    #[serde(default)]
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) small: u64,
    /// The slowest calls, in totals.
    #[serde(default)]
    pub(crate) slowest: Vec<Slow>,
    /// Figures by thread, in totals.
    #[serde(default)]
    pub(crate) threads: Vec<Thread>,
    /// Figures by the file behind the descriptor.
    #[serde(default)]
    pub(crate) on: Vec<On>,
    /// Where they were made.
    #[serde(default)]
    pub(crate) stacks: Vec<StackRow>,
}

/// Calls that were made in one place.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct StackRow {
    /// Functions, the innermost first.
    pub(crate) frames: Vec<String>,
    pub(crate) calls: u64,
    pub(crate) total_ns: u64,
    pub(crate) max_ns: u64,
}

/// What calls on one file came to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct On {
    pub(crate) fd: Option<i32>,
    pub(crate) kind: String,
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) inode: u64,
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) other_names: bool,
    pub(crate) peer: Option<String>,
    pub(crate) peer_process: Option<PeerProcess>,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) total_ns: u64,
    pub(crate) max_ns: u64,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) bytes: u64,
}

/// The process at the other end of a connection.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct PeerProcess {
    pub(crate) pid: u32,
    pub(crate) comm: String,
}

/// One of the slowest calls.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Slow {
    pub(crate) tid: u32,
    pub(crate) latency_ns: u64,
    pub(crate) ret: i64,
    pub(crate) args: Option<[u64; 6]>,
}

/// What one thread made of a call.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Thread {
    pub(crate) tid: u32,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) total_ns: u64,
    pub(crate) max_ns: u64,
}

/// Who a process is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Process {
    pub(crate) scope: Scope,
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) ns_pid: Option<u32>,
    pub(crate) cmdline: String,
    pub(crate) cgroup: String,
}

/// Failures of one syscall of one process with one errno.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ErrnoRow {
    pub(crate) scope: Scope,
    pid: u32,
    syscall: String,
    abi: String,
    errno: String,
    count: u64,
}

/// A call that had not returned.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InFlight {
    pub(crate) scope: Scope,
    pub(crate) tid: u32,
    pub(crate) syscall: String,
    pub(crate) elapsed_ns: u64,
    pub(crate) args: Option<[u64; 6]>,
}

/// The counters that must add up, by name.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) scope: Scope,
    counters: Map<String, Value>,
}

impl Ledger {
    /// The value of counter `name`, which must be there.
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.counters
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("the ledger has no number {name:?}: {:?}", self.counters))
    }

    fn sum(&self, names: &[&str]) -> u64 {
        names.iter().map(|name| self.get(name)).sum()
    }

    /// The identities that do not hold, worked out from the numbers and not from `balanced`.
    fn imbalances(&self) -> Vec<String> {
        let identities: [(&[&str], &[&str]); 4] = [
            (
                &["enter_seen"],
                &[
                    "paired",
                    "no_return",
                    "died_in_flight",
                    "in_flight_now",
                    "start_insert_failed",
                    "overwritten",
                    "nr_mismatch",
                ],
            ),
            (
                &["exit_seen"],
                &[
                    "paired",
                    "fork_child",
                    "denied_before_enter",
                    "in_flight_at_attach",
                    "nr_mismatch",
                    "untracked_exit",
                    "unexplained",
                ],
            ),
            (
                &["paired", "no_return", "denied_before_enter", "died_in_flight"],
                &["streamed", "spilled", "lost", "filtered_out"],
            ),
            (&["streamed"], &["aggregated", "user_queue_dropped", "decode_failed"]),
        ];
        identities
            .iter()
            .filter(|(left, right)| self.sum(left) != self.sum(right))
            .map(|(left, right)| {
                let (l, r) = (self.sum(left), self.sum(right));
                format!("{} = {l} is not {} = {r}", left.join(" + "), right.join(" + "))
            })
            .collect()
    }
}

/// A syscall by table and number; bit 30 of an x32 number is left out.
pub(crate) type Call = (String, i64);

/// Everything counted of one syscall, over all processes asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) calls: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) interrupted: u64,
    pub(crate) denied: u64,
}

/// A whole run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) cells: Vec<Cell>,
    pub(crate) errnos: Vec<ErrnoRow>,
    pub(crate) in_flight: Vec<InFlight>,
    pub(crate) processes: Vec<Process>,
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) meta: Map<String, Value>,
}

/// The number without bit 30, which marks x32 and which `abi` says already.
pub(crate) fn call(abi: &str, nr: i64) -> Call {
    let nr = if abi == "x32" { nr & !0x4000_0000 } else { nr };
    (abi.to_owned(), nr)
}

/// A name without the table it is from.
pub(crate) fn plain_name(name: &str) -> &str {
    name.trim_start_matches("i386:").trim_start_matches("x32:")
}

impl Report {
    /// Reads JSON Lines; anything that is no line of the contract is a failure.
    pub(crate) fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for (index, line) in text.lines().enumerate() {
            let mut value: Map<String, Value> = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("line {} is no object: {error}: {line}", index + 1));
            let kind = value.remove("type").unwrap_or_else(|| panic!("line {} has no type", index + 1));
            let whole = Value::Object(value.clone());
            let bad = |error: serde_json::Error| -> ! { panic!("{error} in line {}: {line}", index + 1) };
            match kind.as_str() {
                Some("meta") => {
                    assert_eq!(index, 0, "meta is the first line");
                    report.meta = value;
                }
                Some("cell") => {
                    report.cells.push(serde_json::from_value(whole).unwrap_or_else(|e| bad(e)));
                }
                Some("errno") => {
                    report.errnos.push(serde_json::from_value(whole).unwrap_or_else(|e| bad(e)));
                }
                Some("in_flight") => {
                    report.in_flight.push(serde_json::from_value(whole).unwrap_or_else(|e| bad(e)));
                }
                Some("process") => {
                    report.processes.push(serde_json::from_value(whole).unwrap_or_else(|e| bad(e)));
                }
                Some("ledger") => {
                    let scope = value.get("scope").cloned().unwrap_or_default();
                    let scope = serde_json::from_value(scope).unwrap_or_else(|e| bad(e));
                    report.ledgers.push(Ledger { scope, counters: value });
                }
                // An opinion, not a figure.
                Some("finding") => {}
                other => panic!("line {} has the unknown type {other:?}", index + 1),
            }
        }
        report
    }

    /// The cells of the whole run.
    pub(crate) fn totals(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| cell.scope == Scope::Total)
    }

    /// The cells of the whole run that are about `nr` of the host's own table.
    pub(crate) fn total_of(&self, nr: i64) -> impl Iterator<Item = &Cell> {
        self.totals().filter(move |cell| cell.abi == "x86_64" && cell.nr == nr)
    }

    /// Calls made to `nr` of the host's own table, in the whole run.
    pub(crate) fn calls(&self, nr: i64) -> u64 {
        self.total_of(nr).map(|cell| cell.calls).sum()
    }

    /// The same of one process.
    pub(crate) fn calls_of(&self, nr: i64, pid: u32) -> u64 {
        self.total_of(nr).filter(|cell| cell.pid == pid).map(|cell| cell.calls).sum()
    }

    /// Totals by syscall over the processes that `wanted` accepts.
    pub(crate) fn sums(&self, wanted: impl Fn(u32) -> bool) -> BTreeMap<Call, Sum> {
        let mut sums: BTreeMap<Call, Sum> = BTreeMap::new();
        let mut by_name = BTreeMap::new();
        for cell in self.totals() {
            let key = call(&cell.abi, cell.nr);
            by_name.insert((cell.abi.as_str(), plain_name(&cell.syscall)), key.clone());
            if !wanted(cell.pid) {
                continue;
            }
            let sum = sums.entry(key).or_default();
            sum.calls += cell.calls;
            sum.interrupted += cell.interrupted;
            sum.denied += cell.denied;
        }
        for row in self.errnos.iter().filter(|row| row.scope == Scope::Total && wanted(row.pid)) {
            let key = by_name
                .get(&(row.abi.as_str(), plain_name(&row.syscall)))
                .unwrap_or_else(|| panic!("an errno without its cell: {row:?}"));
            *sums.entry(key.clone()).or_default().errors.entry(row.errno.clone()).or_default() += row.count;
        }
        sums
    }

    /// The name under which the tracer shows a syscall.
    pub(crate) fn names(&self) -> BTreeMap<Call, String> {
        let named = |cell: &Cell| (call(&cell.abi, cell.nr), plain_name(&cell.syscall).to_owned());
        self.totals().map(named).collect()
    }

    /// The ledger of the whole run: exactly one.
    pub(crate) fn ledger(&self) -> &Ledger {
        let mut totals = self.ledgers.iter().filter(|ledger| ledger.scope == Scope::Total);
        let ledger = totals.next().expect("a run ends with its total ledger");
        assert!(totals.next().is_none(), "a run has one total ledger");
        ledger
    }

    /// Everything that must hold in any run whatsoever, busy host or not.
    pub(crate) fn assert_laws(&self) {
        let ledger = self.ledger();
        let mut broken = ledger.imbalances();
        let cells: u64 = self.totals().map(|cell| cell.calls).sum();
        let counted = ledger.sum(&["aggregated", "spilled"]);
        if cells != counted {
            broken.push(format!("calls of all cells = {cells} is not aggregated + spilled = {counted}"));
        }
        let no_return: u64 = self.totals().map(|cell| cell.no_return).sum();
        let ended = ledger.sum(&["no_return", "died_in_flight"]);
        if ledger.sum(&["lost", "filtered_out"]) == 0 && no_return != ended {
            broken.push(format!("no_return of all cells = {no_return} is not {ended} of the ledger"));
        }
        let errors: u64 = self.totals().map(|cell| cell.errors).sum();
        let total_errnos = self.errnos.iter().filter(|row| row.scope == Scope::Total);
        let by_errno: u64 = total_errnos.map(|row| row.count).sum();
        if errors != by_errno {
            broken.push(format!("errors of all cells = {errors} is not {by_errno} of all errnos"));
        }
        for cell in self.totals() {
            broken.extend(broken_cell(cell));
        }
        for row in self
            .errnos
            .iter()
            .filter(|row| row.errno.starts_with("errno_51") || row.errno.starts_with("ERESTART"))
        {
            broken.push(format!("an interruption booked as an errno: {row:?}"));
        }
        assert!(broken.is_empty(), "{}\nledger: {:?}", broken.join("\n"), ledger.counters);
    }

    /// Nothing was missed, dropped or left unexplained, and nothing is open.
    pub(crate) fn assert_complete(&self) {
        let ledger = self.ledger();
        let mut wrong: Vec<String> = NEVER_IN_A_GOOD_RUN
            .iter()
            .filter(|name| ledger.get(name) != 0)
            .map(|name| format!("{name} = {}", ledger.get(name)))
            .collect();
        if ledger.counters.get("balanced") != Some(&Value::Bool(true)) {
            wrong.push("balanced is not true".to_owned());
        }
        assert!(wrong.is_empty(), "{}\nledger: {:?}", wrong.join(", "), ledger.counters);
    }

    /// Runs of the programs that the kernel skipped, by its own count.
    pub(crate) fn missed(&self) -> u64 {
        self.ledger().sum(&["missed_enter", "missed_exit"])
    }
}

const NEVER_IN_A_GOOD_RUN: [&str; 10] = [
    "start_insert_failed",
    "overwritten",
    "nr_mismatch",
    "untracked_exit",
    "unexplained",
    "lost",
    "missed_enter",
    "missed_exit",
    "decode_failed",
    "user_queue_dropped",
];

/// What contradicts itself within one cell.
fn broken_cell(cell: &Cell) -> Option<String> {
    let completed = cell.calls.checked_sub(cell.interrupted + cell.denied + cell.no_return);
    let latencies = (cell.min_ns, cell.p50_ns, cell.max_ns);
    let fine = match (completed, latencies) {
        (Some(0), (min, p50, max)) => min.is_none() && p50.is_none() && max.is_none(),
        (Some(_), (Some(min), Some(p50), Some(max))) => {
            let threads = |of: fn(&Thread) -> u64| cell.threads.iter().map(of).sum::<u64>();
            min <= max
                && p50 <= max
                && cell.total_ns >= max
                && cell.errors <= cell.calls
                && threads(|thread| thread.calls) <= cell.calls
                && threads(|thread| thread.errors) <= cell.errors
                && threads(|thread| thread.total_ns) <= cell.total_ns
                && cell.threads.iter().all(|thread| thread.max_ns <= max)
                && cell.slowest.iter().all(|slow| slow.latency_ns <= max)
                && cell.slowest.is_sorted_by(|a, b| a.latency_ns >= b.latency_ns)
                && cell.small <= cell.sized
                && cell.sized <= cell.calls
        }
        (None | Some(_), _) => false,
    };
    (!fine).then(|| format!("a cell that cannot be: {cell:?}"))
}

/// The laws are worth something only if they can be broken.
#[cfg(test)]
mod tests {
    use super::*;

    const CELL: &str = r#"{"type":"cell","scope":"total","pid":7,"comm":"x","syscall":"read","abi":"x86_64",
        "nr":0,"calls":3,"errors":1,"interrupted":0,"denied":0,"no_return":0,"total_ns":30,"min_ns":5,
        "max_ns":15,"p50_ns":10}"#;
    const ERRNO: &str = r#"{"type":"errno","scope":"total","pid":7,"comm":"x","syscall":"read",
        "abi":"x86_64","errno":"EIO","count":1}"#;

    fn run(cell: &str, change: &[(&str, u64)]) -> Report {
        let mut ledger = Map::new();
        ledger.insert("type".to_owned(), "ledger".into());
        ledger.insert("scope".to_owned(), "total".into());
        ledger.insert("balanced".to_owned(), true.into());
        let zero = [
            "no_return",
            "died_in_flight",
            "in_flight_now",
            "fork_child",
            "denied_before_enter",
            "in_flight_at_attach",
            "spilled",
            "filtered_out",
        ];
        for name in zero.iter().chain(&NEVER_IN_A_GOOD_RUN) {
            ledger.insert((*name).to_owned(), 0.into());
        }
        for name in ["enter_seen", "exit_seen", "paired", "streamed", "aggregated"] {
            ledger.insert(name.to_owned(), 3.into());
        }
        for &(name, value) in change {
            ledger.insert(name.to_owned(), value.into());
        }
        let lines = [cell, ERRNO].map(|line| line.replace('\n', " "));
        Report::parse(&format!(
            "{{\"type\":\"meta\"}}\n{}\n{}\n{}\n",
            lines[0],
            lines[1],
            Value::Object(ledger)
        ))
    }

    fn breaks(report: &Report) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| report.assert_laws())).is_err()
    }

    #[test]
    fn a_run_that_adds_up_breaks_no_law() {
        let report = run(CELL, &[]);
        report.assert_laws();
        report.assert_complete();
        let sum = &report.sums(|pid| pid == 7)[&call("x86_64", 0)];
        assert_eq!((sum.calls, sum.errors["EIO"]), (3, 1));
        assert!(report.sums(|pid| pid == 8).is_empty());
    }

    #[test]
    fn every_counter_one_off_breaks_a_law() {
        for name in ["enter_seen", "exit_seen", "paired", "streamed", "aggregated"] {
            assert!(breaks(&run(CELL, &[(name, 4)])), "{name}");
        }
        for name in ["spilled", "lost", "unexplained", "in_flight_now", "fork_child", "no_return"] {
            assert!(breaks(&run(CELL, &[(name, 1)])), "{name}");
        }
        // One call dropped by every counter alike still leaves its cell.
        let all = ["enter_seen", "exit_seen", "paired", "streamed", "aggregated"].map(|name| (name, 2));
        assert!(breaks(&run(CELL, &all)));
    }

    #[test]
    fn a_cell_that_contradicts_itself_breaks_a_law() {
        for (from, to) in [
            ("\"errors\":1", "\"errors\":2"),
            ("\"min_ns\":5", "\"min_ns\":16"),
            ("\"max_ns\":15", "\"max_ns\":31"),
            ("\"max_ns\":15", "\"max_ns\":null"),
            ("\"interrupted\":0", "\"interrupted\":4"),
        ] {
            assert!(breaks(&run(&CELL.replace(from, to), &[])), "{to}");
        }
    }
}
