//! `tracer doctor`: what this machine can do, found out by doing it: both families of programs are loaded,
//! attached for a moment and taken away again.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::bpf::facts::{self, Facts};
use crate::bpf::loader::{Family, Kernel, LoadError, Plan};
use crate::bpf::preflight::{self, LoadFailure};
use crate::bpf::rings;
use crate::cli::doctor::DoctorOptions;
use crate::cli::exit_status;
use crate::human::{self, safe_text};
use tracer_common::ledger::Counter;

/// How long the programs of each family are attached.
const TRIAL: Duration = Duration::from_millis(50);

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Something cannot be had; tracing can.
    Note,
    /// Tracing cannot be had.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    next: Vec<String>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Diagnosis {
    r#type: &'static str,
    version: &'static str,
    host: String,
    kernel: String,
    arch: &'static str,
    cpus: usize,
    /// The family that a run without `--program-family` uses.
    family: &'static str,
    can_trace: bool,
    findings: Vec<Finding>,
}

/// What came of attaching one family of programs for a moment.
#[derive(Clone, Debug)]
struct Trial {
    family: Family,
    outcome: Result<Seen, LoadFailure>,
}

/// What was seen in that moment.
#[derive(Clone, Copy, Debug)]
struct Seen {
    load: Duration,
    calls: u64,
    /// Runs that the kernel skipped; `None` where it does not tell.
    skipped: Option<u64>,
    /// Whether 32-bit calls can be told apart.
    knows_compat: bool,
}

/// Says what it found; the exit status is that of a run here.
pub(super) fn run(options: &DoctorOptions) -> Result<u8> {
    let facts = facts::gather(None);
    // Without privilege every load fails with the same words.
    let trials: Vec<Trial> = match preflight::check_privilege(&facts) {
        Some(_) => Vec::new(),
        None => [Family::Raw, Family::Classic].map(attempt).into(),
    };
    let diagnosis = diagnose(&facts, &trials);
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer(&mut out, &diagnosis)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", diagnosis.text())?;
    }
    Ok(if diagnosis.can_trace { exit_status::FINE } else { exit_status::CANNOT_LOAD })
}

/// Loads one family, attaches it to everything for a moment, and takes it away again.
fn attempt(family: Family) -> Trial {
    let plan = Plan {
        family,
        whole_host: true,
        follow: false,
        comms: Vec::new(),
        cgroups: 0,
        args: true,
        syscalls: None,
        failed_only: false,
        // None is as slow, but what takes the stacks of slow ones is loaded.
        slower_ns: u64::MAX,
        stacks: true,
        ring_bytes: None,
    };
    let tried = || -> Result<Seen, LoadError> {
        let began = Instant::now();
        let mut kernel = Kernel::load(&plan)?;
        let load = began.elapsed();
        kernel.attach_lifecycle(false)?;
        kernel.attach_syscalls()?;
        std::thread::sleep(TRIAL);
        kernel.detach();
        let counts = kernel.counts();
        let skipped = kernel.reports_misses().then_some(counts.missed_enter + counts.missed_exit);
        let calls = counts.kernel[Counter::EnterSeen as usize];
        Ok(Seen { load, calls, skipped, knows_compat: kernel.knows_compat() })
    };
    let outcome =
        tried().map_err(|error| preflight::explain(&facts::gather(error.errno), error.step, &error.message));
    Trial { family, outcome }
}

fn diagnose(facts: &Facts, trials: &[Trial]) -> Diagnosis {
    let chosen = Family::for_release(&facts.kernel_release);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut findings =
        vec![kernel(facts), privilege(facts), confinement(facts), types(facts), tracefs(facts)];
    findings.extend(programs(facts, trials, chosen));
    findings.extend(other_programs(trials, chosen));
    findings.push(rings(cpus));
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    Diagnosis {
        r#type: "doctor",
        version: env!("CARGO_PKG_VERSION"),
        host: read("/proc/sys/kernel/hostname"),
        kernel: facts.kernel_release.clone(),
        arch: std::env::consts::ARCH,
        cpus,
        family: chosen.name(),
        can_trace: findings.iter().all(|finding| finding.state != State::Bad),
        findings,
    }
}

fn ok(name: &'static str, text: impl Into<String>) -> Finding {
    Finding { name, state: State::Ok, text: text.into(), next: Vec::new() }
}

fn failed(name: &'static str, state: State, failure: LoadFailure) -> Finding {
    let text =
        if failure.what.is_empty() { failure.why } else { format!("{}: {}", failure.what, failure.why) };
    Finding { name, state, text, next: failure.next }
}

fn kernel(facts: &Facts) -> Finding {
    // Distributions carry newer features into older numbers: whether it is too old, loading tells.
    if let Some(failure) = preflight::check_kernel(&facts.kernel_release) {
        return failed("kernel", State::Note, failure);
    }
    let release = safe_text(facts.kernel_release.as_bytes());
    ok("kernel", format!("{release}, {}", std::env::consts::ARCH))
}

fn privilege(facts: &Facts) -> Finding {
    if let Some(failure) = preflight::check_privilege(facts) {
        return failed("privilege", State::Bad, failure);
    }
    let user =
        if facts.euid == 0 { "root".to_owned() } else { format!("user {} has the capabilities", facts.euid) };
    if facts.sees_all_descriptors() {
        return ok("privilege", user);
    }
    Finding {
        name: "privilege",
        state: State::Note,
        text: format!(
            "{user}, but for CAP_SYS_PTRACE: files and peers of processes that may do more than this one have no names"
        ),
        next: facts.container.map(|container| container.grant().to_owned()).into_iter().collect(),
    }
}

/// What a sandbox leaves of root. Whether it is in the way, loading tells.
fn confinement(facts: &Facts) -> Finding {
    let mut confined = Vec::new();
    if let Some(mode) = &facts.lockdown {
        confined.push(format!("kernel lockdown: {}", safe_text(mode.as_bytes())));
    }
    if facts.seccomp_mode != 0 {
        confined.push("a seccomp filter is active".to_owned());
    }
    if facts.in_user_namespace {
        confined.push("in a user namespace".to_owned());
    }
    if let Some(container) = facts.container {
        confined.push(format!("in {}", container.name()));
    }
    if confined.is_empty() {
        return ok("sandbox", "none: no lockdown, no seccomp filter, no user namespace");
    }
    Finding { name: "sandbox", state: State::Note, text: confined.join(", "), next: Vec::new() }
}

fn types(facts: &Facts) -> Finding {
    if facts.has_btf {
        return ok("BTF", "/sys/kernel/btf/vmlinux");
    }
    Finding {
        name: "BTF",
        state: State::Note,
        text: "this kernel does not describe its types".to_owned(),
        next: lent(facts, "/sys/kernel/btf")
            .into_iter()
            .chain(["boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions ship it".to_owned()])
            .collect(),
    }
}

fn tracefs(facts: &Facts) -> Finding {
    if facts.tracefs_mounted {
        return ok("tracefs", "mounted");
    }
    Finding {
        name: "tracefs",
        state: State::Note,
        text: "not mounted; classic programs need it, raw ones do not".to_owned(),
        next: vec![
            lent(facts, "/sys/kernel/tracing")
                .unwrap_or_else(|| "sudo mount -t tracefs tracefs /sys/kernel/tracing".to_owned()),
        ],
    }
}

/// How a container is given a directory of the host's; `None` outside of one.
fn lent(facts: &Facts, path: &str) -> Option<String> {
    facts.container.map(|container| container.lend(path))
}

/// The programs that a run uses: without them there is no tracing.
fn programs(facts: &Facts, trials: &[Trial], chosen: Family) -> Option<Finding> {
    let trial = trials.iter().find(|trial| trial.family == chosen)?;
    let why = match chosen {
        Family::Raw => "cheapest, and this kernel skips none of their runs".to_owned(),
        Family::Classic => {
            format!(
                "kernel {} can preempt raw ones and then skips calls",
                safe_text(facts.kernel_release.as_bytes())
            )
        }
    };
    Some(match &trial.outcome {
        Ok(seen) => ok("programs", format!("{} tracepoints ({why}): {}", chosen.name(), seen.text())),
        Err(failure) => failed("programs", State::Bad, failure.clone()),
    })
}

/// The other family, which `--program-family` chooses.
fn other_programs(trials: &[Trial], chosen: Family) -> Option<Finding> {
    let trial = trials.iter().find(|trial| trial.family != chosen)?;
    let name = trial.family.name();
    Some(match &trial.outcome {
        Ok(seen) => ok("also", format!("{name} tracepoints: {}", seen.text())),
        Err(failure) => failed("also", State::Note, failure.clone()),
    })
}

fn rings(cpus: usize) -> Finding {
    let each = rings::default_bytes(cpus);
    let text = format!(
        "{} with {} KiB each, {} KiB together; --ring-bytes changes it",
        human::plural(cpus as u64, "CPU"),
        human::count(each >> 10),
        human::count((each * cpus as u64) >> 10),
    );
    ok("rings", text)
}

impl Seen {
    fn text(&self) -> String {
        let mut text = format!(
            "loaded in {}, {} calls in {}",
            human::duration(self.load.as_nanos() as u64),
            human::count(self.calls),
            human::duration(TRIAL.as_nanos() as u64),
        );
        match self.skipped {
            Some(skipped) => {
                let _ = write!(text, ", {} skipped", human::count(skipped));
            }
            None => text.push_str(", skips are not reported by this kernel"),
        }
        if !self.knows_compat {
            text.push_str(", 32-bit calls cannot be told apart");
        }
        text
    }
}

impl Diagnosis {
    fn text(&self) -> String {
        let mut text = format!("tracer {} on {}\n\n", self.version, safe_text(self.host.as_bytes()));
        for finding in &self.findings {
            let state = match finding.state {
                State::Ok => "ok",
                State::Note => "note",
                State::Bad => "BAD",
            };
            let _ = writeln!(text, "  {state:<5} {:<10} {}", finding.name, finding.text);
            for next in &finding.next {
                let _ = writeln!(text, "  {:<5} {:<10} next: {next}", "", "");
            }
        }
        text.push_str(if self.can_trace {
            "\nTracing works here.\n"
        } else {
            "\nTracing does not work here. Recordings can be read and shown: report, replay, compare, demo.\n"
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Facts {
        Facts {
            cap_eff: 0x1ff_ffff_ffff,
            kernel_release: "6.12.9-amd64".to_owned(),
            has_btf: true,
            tracefs_mounted: true,
            ..Facts::default()
        }
    }

    fn works(family: Family) -> Trial {
        let seen = Seen { load: TRIAL, calls: 7, skipped: Some(0), knows_compat: true };
        Trial { family, outcome: Ok(seen) }
    }

    #[test]
    fn a_healthy_host_has_nothing_to_do() {
        let diagnosis = diagnose(&healthy(), &[works(Family::Raw), works(Family::Classic)]);
        assert!(diagnosis.can_trace);
        assert!(
            diagnosis.findings.iter().all(|finding| finding.state == State::Ok && finding.next.is_empty())
        );
        let text = diagnosis.text();
        assert!(
            text.contains("raw tracepoints (cheapest") && text.contains("7 calls in 50.0 ms, 0 skipped"),
            "{text}"
        );
    }

    #[test]
    fn what_is_missing_comes_with_what_to_do() {
        let diagnosis = diagnose(&Facts { euid: 1000, cap_eff: 0, ..healthy() }, &[]);
        assert!(!diagnosis.can_trace);
        let text = diagnosis.text();
        assert!(text.contains("BAD   privilege") && text.contains("next: sudo tracer"), "{text}");
        assert!(!text.contains("tracepoints"), "nothing was tried: {text}");
    }

    #[test]
    fn a_container_is_told_how_to_be_given_what_it_lacks() {
        let container = Some(facts::Container::Docker);
        let facts = Facts { has_btf: false, tracefs_mounted: false, container, ..healthy() };
        let text = diagnose(&facts, &[works(Family::Raw)]).text();
        for path in ["/sys/kernel/btf", "/sys/kernel/tracing"] {
            assert!(text.contains(&format!("next: docker run -v {path}:{path}:ro …")), "{text}");
        }
    }

    #[test]
    fn what_is_not_seen_without_ptrace_is_said() {
        let cap_eff = healthy().cap_eff & !(1 << 19);
        let facts = Facts { cap_eff, container: Some(facts::Container::Podman), ..healthy() };
        let diagnosis = diagnose(&facts, &[works(Family::Raw)]);
        assert!(diagnosis.can_trace);
        let text = diagnosis.text();
        assert!(text.contains("note  privilege  root, but for CAP_SYS_PTRACE: files and peers"), "{text}");
        assert!(text.contains("next: sudo podman run --pid host --cap-add BPF"), "{text}");
    }

    #[test]
    fn the_other_family_is_no_condition() {
        let failure = LoadFailure {
            what: "cannot attach".to_owned(),
            why: "no tracefs".to_owned(),
            ..LoadFailure::default()
        };
        let no_classic = Trial { family: Family::Classic, outcome: Err(failure.clone()) };
        assert!(diagnose(&healthy(), &[works(Family::Raw), no_classic.clone()]).can_trace);
        let seven = Facts { kernel_release: "7.2.0".to_owned(), ..healthy() };
        assert!(!diagnose(&seven, &[works(Family::Raw), no_classic]).can_trace);
    }
}
