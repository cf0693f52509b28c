//! Why loading or attaching failed, and what to do next. The kernel says `EPERM` for six different reasons;
//! facts about the process and the host tell them apart.

use std::fmt;

use super::facts::{Container, FIRST_KERNEL, Facts, is_before};
use crate::human::safe_text;

/// The first kernel that does not charge maps to `RLIMIT_MEMLOCK`.
const FIRST_WITHOUT_MEMLOCK: (u32, u32) = (5, 11);

/// Lines of a verifier's log that are shown; its verdict is at the end.
const LOG_LINES: usize = 20;

const SUDO: &str = "sudo tracer …";
const SETCAP: &str =
    "sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep $(command -v tracer)";
const REPORT: &str = "report it with the output of `tracer -v …` and `uname -a`";

/// A failure to load or attach, explained. `{}` prints a line for each part; `{:#}` the end of the
/// verifier's log too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadFailure {
    /// What failed.
    pub what: String,
    /// Why, as far as the facts tell.
    pub why: String,
    /// What to do, the likeliest first.
    pub next: Vec<String>,
    /// The verifier's log; empty when the verifier had no say. Not yet safe to show.
    pub log: String,
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nwhy: {}", self.what, self.why)?;
        for next in &self.next {
            write!(f, "\nnext: {next}")?;
        }
        if f.alternate() && !self.log.is_empty() {
            let lines: Vec<&str> = self.log.lines().collect();
            let hidden = lines.len().saturating_sub(LOG_LINES);
            write!(f, "\nlog: the verifier's last words, after {hidden} more lines:")?;
            for line in &lines[hidden..] {
                write!(f, "\n  {}", safe_text(line.as_bytes()))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for LoadFailure {}

/// Explains that `step` ("load the program `sys_enter`") failed with `error`, which may go on with the
/// verifier's log in the form that aya gives it.
pub fn explain(facts: &Facts, step: &str, error: &str) -> LoadFailure {
    let (message, log) = split_log(error);
    let (why, next) = if let Some(found) = privilege(facts) {
        found
    } else if facts.bpf_errno == Some(libc::ENOSYS) {
        no_bpf(facts)
    } else if let Some(lockdown) = facts.lockdown.as_deref().filter(|_| smells_of_lockdown(facts, error)) {
        locked_down(facts, lockdown)
    } else if let Some(found) = check_kernel(&facts.kernel_release) {
        (found.why, found.next)
    } else if matches!(facts.bpf_errno, Some(libc::ENOMEM)) {
        no_memory()
    } else if !log.is_empty() {
        verifier()
    } else if matches!(facts.bpf_errno, Some(libc::EPERM | libc::EACCES)) {
        denied(facts)
    } else if let Some(found) = tracepoints(facts, step, &message) {
        found
    } else if !facts.has_btf && message.contains("BTF") {
        no_btf(facts)
    } else {
        ("it is none of the causes that tracer knows".to_owned(), vec![REPORT.to_owned()])
    };
    let what = format!("cannot {}: {message}", safe_text(step.as_bytes()));
    LoadFailure { what, why, next, log: log.to_owned() }
}

/// The failure that is certain before anything is tried; `None` when privileges suffice.
pub fn check_privilege(facts: &Facts) -> Option<LoadFailure> {
    let (why, next) = privilege(facts)?;
    Some(LoadFailure { what: "cannot trace: not privileged".to_owned(), why, next, log: String::new() })
}

/// Whether a release number is too old for us. For explaining a failure, not for refusing to try:
/// distributions carry newer features into older numbers.
pub fn check_kernel(release: &str) -> Option<LoadFailure> {
    let (major, minor) = FIRST_KERNEL;
    is_before(release, FIRST_KERNEL).then(|| LoadFailure {
        what: "this kernel is too old".to_owned(),
        why: format!(
            "it is {}; the BPF ring buffer that carries events came with {major}.{minor}",
            safe_text(release.as_bytes())
        ),
        next: vec![
            format!("boot a kernel of {major}.{minor} or later"),
            "until then: strace -c -f -p PID, at many times the cost".to_owned(),
        ],
        log: String::new(),
    })
}

type Reason = (String, Vec<String>);

fn privilege(facts: &Facts) -> Option<Reason> {
    let missing = facts.missing_capabilities();
    if missing.is_empty() {
        return None;
    }
    let missing = missing.join(" and ");
    let user = if facts.euid == 0 { "this root".to_owned() } else { format!("user {}", facts.euid) };
    let place = facts.container.map(|container| format!(" in {}", container.name())).unwrap_or_default();
    let setting = match facts.unprivileged_bpf_disabled {
        Some(0) | None => "",
        Some(_) => "; kernel.unprivileged_bpf_disabled is set",
    };
    let mut next = Vec::new();
    // Root in a container has no use for sudo; a user may yet become that root.
    if facts.container.is_none() || facts.euid != 0 {
        next.push(SUDO.to_owned());
        if !is_before(&facts.kernel_release, FIRST_KERNEL) {
            next.push(SETCAP.to_owned());
        }
    }
    if let Some(container) = facts.container {
        next.push(container.grant().to_owned());
        next.extend(container.grant_of_old().map(str::to_owned));
    }
    Some((format!("loading BPF programs needs {missing}, which {user}{place} does not have{setting}"), next))
}

/// Privileged, and refused nevertheless.
fn denied(facts: &Facts) -> Reason {
    if facts.in_user_namespace {
        let next = vec![
            "run tracer on the host, outside the rootless container".to_owned(),
            facts.container.unwrap_or(Container::Podman).grant().to_owned(),
        ];
        let why =
            "root and its capabilities are those of a user namespace, which count for nothing with bpf(2)";
        return (why.to_owned(), next);
    }
    if facts.seccomp_mode == 2 {
        let place = facts.container.map_or("a container or service", Container::name);
        let next = match facts.container {
            Some(container) => vec![container.grant().to_owned()],
            None => vec![
                Container::Docker.grant().to_owned(),
                Container::Kubernetes.grant().to_owned(),
                "of a systemd service: SystemCallFilter=bpf perf_event_open".to_owned(),
            ],
        };
        let why = format!(
            "capabilities suffice, but a seccomp filter is active (Seccomp: 2): the profile of {place} forbids \
             bpf(2) or perf_event_open(2)"
        );
        return (why, next);
    }
    if is_before(&facts.kernel_release, FIRST_WITHOUT_MEMLOCK) {
        let next = vec!["ulimit -l unlimited, in the same shell, then again".to_owned(), REPORT.to_owned()];
        let why = "capabilities suffice; before 5.11 the kernel charges BPF maps to RLIMIT_MEMLOCK, which is too low";
        return (why.to_owned(), next);
    }
    let next = vec![
        "sudo journalctl -k | grep -i -e avc -e apparmor -e lockdown   # who refused".to_owned(),
        REPORT.to_owned(),
    ];
    let why = "capabilities suffice and no seccomp filter is active: a security module (SELinux, AppArmor, BPF \
               LSM) refuses";
    (why.to_owned(), next)
}

fn smells_of_lockdown(facts: &Facts, error: &str) -> bool {
    let denied = matches!(facts.bpf_errno, Some(libc::EPERM | libc::EACCES));
    let by_filter = facts.seccomp_mode == 2 || facts.in_user_namespace;
    (denied && !by_filter)
        || ["cannot use helper bpf_probe_read", "unknown func bpf_probe_read"]
            .iter()
            .any(|text| error.contains(text))
}

fn locked_down(facts: &Facts, lockdown: &str) -> Reason {
    let without = "boot without `lockdown=` on the kernel's command line; where Secure Boot implies it, switch \
                   that off";
    let (why, mut next) = if lockdown == "confidentiality" {
        (
            "the kernel is locked down (confidentiality): not even root may read kernel memory, and tracing is \
             shut"
                .to_owned(),
            vec!["boot with lockdown=integrity, in which tracing works".to_owned(), without.to_owned()],
        )
    } else {
        (
            format!(
                "the kernel is locked down ({}); Linux itself permits tracing in this mode, the kernels of some \
                 distributions do not",
                safe_text(lockdown.as_bytes())
            ),
            vec![without.to_owned()],
        )
    };
    if facts.container.is_some() {
        next.push("this is a setting of the host; no container option changes it".to_owned());
    }
    (why, next)
}

fn no_bpf(facts: &Facts) -> Reason {
    let mut next = vec![
        "uname -a; dmesg | head   # gVisor says so in its first lines: run on a host, or with runc"
            .to_owned(),
        "grep CONFIG_BPF_SYSCALL /boot/config-$(uname -r)   # must be y".to_owned(),
    ];
    let mut why =
        "bpf(2) does not exist here: a sandbox such as gVisor stands in for the kernel, or the kernel \
                   was built without CONFIG_BPF_SYSCALL"
            .to_owned();
    if facts.seccomp_mode == 2 {
        why.push_str(", or a seccomp filter (Seccomp: 2) pretends so");
        next.insert(0, facts.container.unwrap_or(Container::Docker).grant().to_owned());
    }
    (why, next)
}

fn no_memory() -> Reason {
    (
        "the kernel has no memory for the maps (ENOMEM); a ring is allocated for each CPU".to_owned(),
        vec![
            "smaller rings: --ring-bytes 256K; what does not fit is counted without detail".to_owned(),
            "raise the memory limit of the cgroup or container; `free -m` shows what the host has".to_owned(),
        ],
    )
}

fn no_btf(facts: &Facts) -> Reason {
    let mut next = vec!["boot a kernel built with CONFIG_DEBUG_INFO_BTF=y".to_owned(), REPORT.to_owned()];
    if let Some(container) = facts.container {
        next.insert(0, container.lend("/sys/kernel/btf"));
    }
    ("this kernel does not describe its types: there is no /sys/kernel/btf/vmlinux".to_owned(), next)
}

fn verifier() -> Reason {
    (
        "the kernel's verifier rejects a program that it accepts on the kernels we test".to_owned(),
        vec![
            "tracer -v … shows the end of the verifier's log".to_owned(),
            "tracer --program-family classic …, whose programs are others".to_owned(),
            "report it with that log and the output of `uname -a`; it is our fault".to_owned(),
        ],
    )
}

/// Attaching to a tracepoint that is not there.
fn tracepoints(facts: &Facts, step: &str, message: &str) -> Option<Reason> {
    let about = |word: &str| step.contains(word) || message.contains(word);
    let missing = facts.bpf_errno == Some(libc::ENOENT);
    if !facts.tracefs_mounted && (missing || about("tracefs") || about("tracing")) && !about("raw tracepoint")
    {
        let why = "no tracefs is mounted, and classic tracepoints are found through it";
        let give = match facts.container {
            Some(container) => container.lend("/sys/kernel/tracing"),
            None => "sudo mount -t tracefs tracefs /sys/kernel/tracing".to_owned(),
        };
        let raw = "tracer --program-family raw …, which needs none".to_owned();
        return Some((why.to_owned(), vec![give, raw]));
    }
    (missing && about("tracepoint")).then(|| {
        (
            "this kernel has no syscall tracepoints: it was built without CONFIG_FTRACE_SYSCALLS".to_owned(),
            vec![
                "grep CONFIG_FTRACE_SYSCALLS /boot/config-$(uname -r)   # must be y".to_owned(),
                "boot a distribution's standard kernel".to_owned(),
            ],
        )
    })
}

/// The first line, safe to show, and the verifier's log that follows it.
fn split_log(error: &str) -> (String, &str) {
    let (message, log) = match error.split_once("Verifier output:") {
        Some((message, log)) => (message, log.trim()),
        None => (error, ""),
    };
    let first = message.trim().lines().next().unwrap_or_default();
    (safe_text(first.trim_end_matches(['.', ' ']).as_bytes()), log)
}

#[cfg(test)]
mod tests {
    use super::super::facts::{CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN};
    use super::*;

    /// Root on a healthy host.
    fn privileged() -> Facts {
        Facts {
            cap_eff: 0x1ff_ffff_ffff,
            unprivileged_bpf_disabled: Some(2),
            kernel_release: "6.12.9-amd64".to_owned(),
            bpf_errno: Some(libc::EPERM),
            has_btf: true,
            tracefs_mounted: true,
            ..Facts::default()
        }
    }

    fn explained(facts: &Facts) -> String {
        explain(facts, "load the program sys_enter", "Operation not permitted (os error 1)").to_string()
    }

    #[test]
    fn a_plain_user_lacks_both_capabilities() {
        let facts = Facts { euid: 1000, cap_eff: 0, ..privileged() };
        assert_eq!(
            explained(&facts),
            "error: cannot load the program sys_enter: Operation not permitted (os error 1)\n\
             why: loading BPF programs needs CAP_BPF and CAP_PERFMON, which user 1000 does not have; \
             kernel.unprivileged_bpf_disabled is set\n\
             next: sudo tracer …\n\
             next: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep $(command -v tracer)"
        );
        let in_pod = explained(&Facts { container: Some(Container::Kubernetes), ..facts.clone() });
        assert!(in_pod.contains("which user 1000 in a Kubernetes pod does not have"), "{in_pod}");
        assert!(in_pod.contains("\nnext: sudo tracer …\n") && in_pod.ends_with("-- tracer …"), "{in_pod}");
        let early = check_privilege(&facts).expect("not privileged").to_string();
        assert!(early.starts_with("error: cannot trace: not privileged\nwhy: loading BPF"), "{early}");
        assert_eq!(check_privilege(&privileged()), None);
    }

    #[test]
    fn exactly_what_is_missing_is_named() {
        let with = |caps: &[u32], release: &str| Facts {
            cap_eff: caps.iter().map(|cap| 1 << cap).sum(),
            kernel_release: release.to_owned(),
            ..privileged()
        };
        assert_eq!(with(&[CAP_BPF], "6.1.0").missing_capabilities(), ["CAP_PERFMON"]);
        assert_eq!(with(&[CAP_PERFMON], "6.1.0").missing_capabilities(), ["CAP_BPF"]);
        assert!(with(&[CAP_BPF, CAP_PERFMON], "6.1.0").missing_capabilities().is_empty());
        assert!(with(&[CAP_SYS_ADMIN], "6.1.0").missing_capabilities().is_empty());
        assert_eq!(with(&[CAP_BPF, CAP_PERFMON], "5.4.0").missing_capabilities(), ["CAP_SYS_ADMIN"]);
        let text = explained(&with(&[CAP_BPF], "6.1.0"));
        assert!(text.contains("needs CAP_PERFMON, which this root does not have"), "{text}");
        let text = explained(&with(&[], "5.4.0"));
        assert!(text.contains("needs CAP_SYS_ADMIN") && !text.contains("setcap"), "{text}");
    }

    #[test]
    fn a_container_without_capabilities_is_told_how_to_get_them() {
        let facts = Facts { cap_eff: 0xa804_25fb, container: Some(Container::Docker), ..privileged() };
        assert_eq!(
            explained(&facts),
            "error: cannot load the program sys_enter: Operation not permitted (os error 1)\n\
             why: loading BPF programs needs CAP_BPF and CAP_PERFMON, which this root in a Docker \
             container does not have; kernel.unprivileged_bpf_disabled is set\n\
             next: docker run --pid host --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE --security-opt \
             seccomp=unconfined …\n\
             next: a Docker to which BPF is an unknown capability (20.10 of Debian 12 is one): --cap-add SYS_ADMIN \
             in place of BPF and PERFMON"
        );
        let user = explained(&Facts { euid: 1000, container: Some(Container::Podman), ..facts });
        assert!(user.contains("next: sudo tracer …\n") && user.contains("next: sudo podman run"), "{user}");
        assert!(!user.contains("SYS_ADMIN"), "{user}");
    }

    #[test]
    fn seccomp_is_named_when_capabilities_suffice() {
        let facts = Facts { seccomp_mode: 2, container: Some(Container::Kubernetes), ..privileged() };
        assert_eq!(
            explained(&facts),
            "error: cannot load the program sys_enter: Operation not permitted (os error 1)\n\
             why: capabilities suffice, but a seccomp filter is active (Seccomp: 2): the profile of a Kubernetes \
             pod forbids bpf(2) or perf_event_open(2)\n\
             next: kubectl debug node/NODE -ti --profile=sysadmin --image=IMAGE -- tracer …"
        );
        let text = explained(&Facts { container: None, ..facts });
        assert!(
            text.contains("docker run") && text.contains("kubectl") && text.contains("systemd"),
            "{text}"
        );
    }

    #[test]
    fn root_of_a_user_namespace_is_told_so() {
        let text = explained(&Facts { in_user_namespace: true, seccomp_mode: 2, ..privileged() });
        assert_eq!(
            text,
            "error: cannot load the program sys_enter: Operation not permitted (os error 1)\n\
             why: root and its capabilities are those of a user namespace, which count for nothing with bpf(2)\n\
             next: run tracer on the host, outside the rootless container\n\
             next: sudo podman run --pid host --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE \
             --security-opt seccomp=unconfined …"
        );
    }

    #[test]
    fn lockdown_is_named_by_its_mode() {
        let facts = Facts { lockdown: Some("confidentiality".to_owned()), ..privileged() };
        assert_eq!(
            explained(&facts),
            "error: cannot load the program sys_enter: Operation not permitted (os error 1)\n\
             why: the kernel is locked down (confidentiality): not even root may read kernel memory, and tracing \
             is shut\n\
             next: boot with lockdown=integrity, in which tracing works\n\
             next: boot without `lockdown=` on the kernel's command line; where Secure Boot implies it, switch \
             that off"
        );
        let text = explained(&Facts { lockdown: Some("integrity".to_owned()), ..privileged() });
        assert!(text.contains("(integrity)") && !text.contains("boot with lockdown=integrity"), "{text}");
        let refused = "the BPF_PROG_LOAD syscall returned Invalid argument (os error 22). Verifier output: program \
                       of this type cannot use helper bpf_probe_read_kernel#113";
        let facts = Facts { bpf_errno: Some(libc::EINVAL), ..facts };
        assert!(explain(&facts, "load a program", refused).why.contains("locked down"));
    }

    #[test]
    fn without_bpf_the_sandbox_and_the_kernel_are_suspects() {
        let facts =
            Facts { bpf_errno: Some(libc::ENOSYS), kernel_release: "4.4.0".to_owned(), ..privileged() };
        assert_eq!(
            explained(&facts),
            "error: cannot load the program sys_enter: Operation not permitted (os error 1)\n\
             why: bpf(2) does not exist here: a sandbox such as gVisor stands in for the kernel, or the kernel was \
             built without CONFIG_BPF_SYSCALL\n\
             next: uname -a; dmesg | head   # gVisor says so in its first lines: run on a host, or with runc\n\
             next: grep CONFIG_BPF_SYSCALL /boot/config-$(uname -r)   # must be y"
        );
        let text = explained(&Facts { seccomp_mode: 2, ..facts });
        assert!(text.contains("or a seccomp filter (Seccomp: 2) pretends so\nnext: docker run"), "{text}");
    }

    #[test]
    fn kernels_before_5_8_are_too_old() {
        for release in ["5.7.19", "5.4.0-100-generic", "4.18.0-553.el8_10.x86_64", "3.10.0"] {
            assert!(check_kernel(release).is_some(), "{release}");
        }
        for release in ["5.8.0", "5.10.0-32-amd64", "6.18.44-fc-v669", "7.2.0-rc1", "10.0", "", "custom"] {
            assert_eq!(check_kernel(release), None, "{release}");
        }
        let facts = Facts {
            bpf_errno: Some(libc::EINVAL),
            kernel_release: "5.4.0-100-generic".to_owned(),
            ..privileged()
        };
        assert_eq!(
            explain(&facts, "create the map RINGS", "Invalid argument (os error 22)").to_string(),
            "error: cannot create the map RINGS: Invalid argument (os error 22)\n\
             why: it is 5.4.0-100-generic; the BPF ring buffer that carries events came with 5.8\n\
             next: boot a kernel of 5.8 or later\n\
             next: until then: strace -c -f -p PID, at many times the cost"
        );
    }

    #[test]
    fn too_little_memory_points_at_the_rings() {
        let facts = Facts { bpf_errno: Some(libc::ENOMEM), ..privileged() };
        assert_eq!(
            explain(&facts, "create the map RING", "Cannot allocate memory (os error 12)").to_string(),
            "error: cannot create the map RING: Cannot allocate memory (os error 12)\n\
             why: the kernel has no memory for the maps (ENOMEM); a ring is allocated for each CPU\n\
             next: smaller rings: --ring-bytes 256K; what does not fit is counted without detail\n\
             next: raise the memory limit of the cgroup or container; `free -m` shows what the host has"
        );
        let text = explained(&Facts { kernel_release: "5.10.0".to_owned(), ..privileged() });
        assert!(text.contains("RLIMIT_MEMLOCK") && text.contains("next: ulimit -l unlimited"), "{text}");
    }

    #[test]
    fn without_tracefs_the_classic_family_cannot_be_attached() {
        let facts = Facts { bpf_errno: Some(libc::ENOENT), tracefs_mounted: false, ..privileged() };
        assert_eq!(
            explain(&facts, "attach to the tracepoint raw_syscalls:sys_exit", "tracefs not found")
                .to_string(),
            "error: cannot attach to the tracepoint raw_syscalls:sys_exit: tracefs not found\n\
             why: no tracefs is mounted, and classic tracepoints are found through it\n\
             next: sudo mount -t tracefs tracefs /sys/kernel/tracing\n\
             next: tracer --program-family raw …, which needs none"
        );
        for facts in [facts.clone(), Facts { tracefs_mounted: true, ..facts }] {
            let raw = explain(&facts, "attach to the raw tracepoint sys_exit", "No such file (os error 2)");
            assert!(raw.why.contains("CONFIG_FTRACE_SYSCALLS"), "{raw}");
        }
    }

    #[test]
    fn a_rejected_program_shows_its_log_only_when_asked() {
        let log: Vec<String> = (0..100).map(|line| format!("{line}: (b7) r0 = \u{1b}[2J{line}")).collect();
        let error = format!(
            "the BPF_PROG_LOAD syscall returned Permission denied (os error 13). Verifier output: {}",
            log.join("\n")
        );
        let facts = Facts { bpf_errno: Some(libc::EACCES), ..privileged() };
        let failure = explain(&facts, "load the program sys_exit", &error);
        assert_eq!(
            failure.to_string(),
            "error: cannot load the program sys_exit: the BPF_PROG_LOAD syscall returned Permission denied (os \
             error 13)\n\
             why: the kernel's verifier rejects a program that it accepts on the kernels we test\n\
             next: tracer -v … shows the end of the verifier's log\n\
             next: tracer --program-family classic …, whose programs are others\n\
             next: report it with that log and the output of `uname -a`; it is our fault"
        );
        let verbose = format!("{failure:#}");
        assert_eq!(verbose.lines().count(), 6 + LOG_LINES);
        assert!(verbose.contains("after 80 more lines"), "{verbose}");
        assert!(verbose.ends_with("\n  99: (b7) r0 = \\x1b[2J99"), "{verbose}");
    }

    #[test]
    fn what_nobody_foresaw_is_repeated_safely() {
        let facts = Facts { bpf_errno: Some(libc::EBUSY), ..privileged() };
        assert_eq!(
            explain(&facts, "attach\nsomewhere", "busy\u{1b}[2J\nsecond line").to_string(),
            "error: cannot attach\\x0asomewhere: busy\\x1b[2J\n\
             why: it is none of the causes that tracer knows\n\
             next: report it with the output of `tracer -v …` and `uname -a`"
        );
        let no_btf = Facts { has_btf: false, ..facts };
        assert!(explain(&no_btf, "load", "no BTF section").why.contains("does not describe its types"));
        let inside = Facts { container: Some(Container::Docker), ..no_btf };
        let next = explain(&inside, "load", "no BTF section").next;
        assert_eq!(next[0], "docker run -v /sys/kernel/btf:/sys/kernel/btf:ro …");
        let inside = Facts { tracefs_mounted: false, bpf_errno: None, ..inside };
        let next = explain(&inside, "attach to the tracepoints", "tracefs not found").next;
        assert_eq!(next[0], "docker run -v /sys/kernel/tracing:/sys/kernel/tracing:ro …");
        let text = explained(&privileged());
        assert!(text.contains("a security module") && text.contains("next: sudo journalctl -k"), "{text}");
    }
}
