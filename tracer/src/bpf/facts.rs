//! What this process may do and what this host has, as far as loading BPF programs is concerned.

use std::env;
use std::fs;
use std::path::Path;

/// Capability numbers. <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h>
const CAP_SYS_PTRACE: u32 = 19;
pub(super) const CAP_SYS_ADMIN: u32 = 21;
pub(super) const CAP_PERFMON: u32 = 38;
pub(super) const CAP_BPF: u32 = 39;

/// The first kernel with ring buffers, `CAP_BPF` and `CAP_PERFMON`.
pub(super) const FIRST_KERNEL: (u32, u32) = (5, 8);

/// What a process runs in, as far as it can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// A Kubernetes pod.
    Kubernetes,
}

impl Container {
    /// How to be given what we need.
    pub fn grant(self) -> &'static str {
        match self {
            Self::Docker => {
                "docker run --pid host --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE --security-opt \
                 seccomp=unconfined …"
            }
            Self::Podman => {
                "sudo podman run --pid host --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE \
                 --security-opt seccomp=unconfined …"
            }
            Self::Kubernetes => "kubectl debug node/NODE -ti --profile=sysadmin --image=IMAGE -- tracer …",
        }
    }

    /// The same where the runtime is too old for the first.
    pub(super) fn grant_of_old(self) -> Option<&'static str> {
        (self == Self::Docker).then_some(
            "a Docker to which BPF is an unknown capability (20.10 of Debian 12 is one): --cap-add SYS_ADMIN in \
             place of BPF and PERFMON",
        )
    }

    /// How to be given a directory of the host's to read.
    pub fn lend(self, path: &str) -> String {
        match self {
            Self::Docker => format!("docker run -v {path}:{path}:ro …"),
            Self::Podman => format!("sudo podman run -v {path}:{path}:ro …"),
            Self::Kubernetes => format!("a hostPath volume of {path}, mounted read-only at {path}"),
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "a Docker container",
            Self::Podman => "a Podman container",
            Self::Kubernetes => "a Kubernetes pod",
        }
    }
}

/// Everything the decision rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Effective user.
    pub euid: u32,
    /// Effective capabilities, a bit each.
    pub cap_eff: u64,
    /// `Seccomp` in `/proc/self/status`: 0 none, 1 strict, 2 filter.
    pub seccomp_mode: u8,
    /// `integrity` or `confidentiality`; `None` when not locked down.
    pub lockdown: Option<String>,
    /// `kernel.unprivileged_bpf_disabled`; `None` where there is no such setting.
    pub unprivileged_bpf_disabled: Option<u8>,
    /// As `uname -r`.
    pub kernel_release: String,
    /// What the failed call said; `None` when nothing failed yet or it was no system call.
    pub bpf_errno: Option<i32>,
    /// Whether the kernel describes its types in `/sys/kernel/btf/vmlinux`.
    pub has_btf: bool,
    /// Whether a tracefs (or a debugfs, which brings one) is mounted.
    pub tracefs_mounted: bool,
    /// Whether our root is one of a user namespace and not of the host.
    pub in_user_namespace: bool,
    /// The container that we run in, where there are signs of one.
    pub container: Option<Container>,
}

impl Facts {
    /// Whether descriptors of processes that may do more than we can be looked at.
    pub fn sees_all_descriptors(&self) -> bool {
        self.has(CAP_SYS_PTRACE)
    }

    fn has(&self, capability: u32) -> bool {
        self.cap_eff & (1 << capability) != 0
    }

    /// The capabilities that loading needs and that are not there; empty when there is nothing to miss.
    pub fn missing_capabilities(&self) -> Vec<&'static str> {
        if self.has(CAP_SYS_ADMIN) {
            return Vec::new();
        }
        if is_before(&self.kernel_release, FIRST_KERNEL) {
            return vec!["CAP_SYS_ADMIN"];
        }
        [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")]
            .into_iter()
            .filter_map(|(capability, name)| (!self.has(capability)).then_some(name))
            .collect()
    }
}

/// Looks at this process and this host. What cannot be read is taken as not being in the way.
pub fn gather(bpf_errno: Option<i32>) -> Facts {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let status = text("/proc/self/status");
    Facts {
        euid: status_field(&status, "Uid")
            .and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0),
        cap_eff: status_field(&status, "CapEff")
            .and_then(|mask| u64::from_str_radix(mask, 16).ok())
            .unwrap_or(!0),
        seccomp_mode: status_field(&status, "Seccomp").and_then(|mode| mode.parse().ok()).unwrap_or(0),
        lockdown: lockdown_mode(&text("/sys/kernel/security/lockdown")),
        unprivileged_bpf_disabled: text("/proc/sys/kernel/unprivileged_bpf_disabled").trim().parse().ok(),
        kernel_release: text("/proc/sys/kernel/osrelease").trim().to_owned(),
        bpf_errno,
        has_btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        tracefs_mounted: has_tracefs(&text("/proc/self/mounts")),
        in_user_namespace: is_nested(&text("/proc/self/uid_map")),
        container: container(),
    }
}

fn status_field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The mode in brackets of `none [integrity] confidentiality`, unless it is `none`.
fn lockdown_mode(file: &str) -> Option<String> {
    let (mode, _) = file.split_once('[')?.1.split_once(']')?;
    (mode != "none").then(|| mode.to_owned())
}

fn has_tracefs(mounts: &str) -> bool {
    mounts.lines().filter_map(|line| line.split(' ').nth(2)).any(|kind| matches!(kind, "tracefs" | "debugfs"))
}

/// The initial user namespace maps every id to itself.
fn is_nested(uid_map: &str) -> bool {
    !uid_map.is_empty() && !uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn container() -> Option<Container> {
    if env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some(Container::Kubernetes);
    }
    if Path::new("/.dockerenv").exists() {
        return Some(Container::Docker);
    }
    Path::new("/run/.containerenv").exists().then_some(Container::Podman)
}

/// Whether a release is of an earlier version; one that cannot be read is not.
pub(super) fn is_before(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < version,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_read_as_it_writes_them() {
        assert_eq!(lockdown_mode("none [integrity] confidentiality\n"), Some("integrity".to_owned()));
        assert_eq!(lockdown_mode("[none] integrity confidentiality\n"), None);
        assert_eq!(lockdown_mode(""), None);
        assert!(has_tracefs("proc /proc proc rw 0 0\ntracefs /sys/kernel/tracing tracefs rw 0 0\n"));
        assert!(!has_tracefs("proc /proc proc rw 0 0\ntracefs /mnt ext4 rw 0 0\n"));
        assert!(!is_nested("         0          0 4294967295\n"));
        assert!(is_nested("         0       1000          1\n"));
        assert_eq!(status_field("Seccomp:\t2\nSeccomp_filters:\t1\n", "Seccomp"), Some("2"));
    }

    #[test]
    fn facts_are_those_of_this_process() {
        let facts = gather(Some(libc::EPERM));
        let status = fs::read_to_string("/proc/self/status").expect("/proc");
        let mask = format!("CapEff:\t{:016x}", facts.cap_eff);
        assert!(status.lines().any(|line| line == mask), "{mask} is not in\n{status}");
        assert!(status.lines().any(|line| line == format!("Seccomp:\t{}", facts.seccomp_mode)));
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc");
        assert_eq!(facts.kernel_release, release.trim());
        assert_eq!(facts.bpf_errno, Some(libc::EPERM));
    }
}
