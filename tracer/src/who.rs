//! Who a process is beyond its name: parent, command line, cgroup, and what the path of a cgroup says of systemd
//! units and containers. Pure: reading `/proc` is [`crate::source::who`]'s.

pub(crate) mod names;

use std::borrow::Cow;

pub use names::{MAX_NAMES_BYTES, Names};
use serde::{Deserialize, Serialize};

/// Most bytes of a command line that are kept.
pub const MAX_CMDLINE_BYTES: usize = 1024;

/// Most bytes of a cgroup's path that are kept; systemd and Kubernetes need about 250.
pub const MAX_CGROUP_BYTES: usize = 1024;

/// A process as it presented itself when it was looked at. Whatever could not be read is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The process that started it, or that inherited it, in the tracer's PID namespace; 0 for none there.
    pub ppid: u32,
    /// Its PID where it runs, in the innermost PID namespace that it is in; 0 where that is the tracer's.
    pub ns_pid: u32,
    /// Its arguments, the program's name first, with spaces between them; any bytes, the first
    /// [`MAX_CMDLINE_BYTES`].
    pub cmdline: Box<[u8]>,
    /// The path of its cgroup below the tracer's own root of them; `U+FFFD` for what is no UTF-8.
    pub cgroup: Box<str>,
    /// What its container is called, as far as files of this host tell: `web`, or `namespace/pod/container` where that is
    /// part of a Kubernetes pod, with nothing between the slashes for what is not known. At most [`MAX_NAMES_BYTES`].
    pub names: Box<str>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container<'a> {
    /// What runs it, as far as the path tells: `docker`, `containerd`, `cri-o`, `podman`, `lxc`.
    pub runtime: Option<&'static str>,
    /// Its id or, of LXC, its name.
    pub id: &'a str,
    /// Uid of the Kubernetes pod it is part of.
    pub pod: Option<String>,
    /// What people call it and its pod.
    pub names: Names<'a>,
}

impl Container<'_> {
    /// Its id as runtimes list it.
    pub fn short_id(&self) -> &str {
        if self.id.len() == 64 { &self.id[..12] } else { self.id }
    }
}

impl Who {
    /// From `/proc/PID/cmdline` and `/proc/PID/cgroup` as they were read.
    pub fn new(ppid: u32, cmdline: &[u8], cgroups: &[u8]) -> Self {
        let (cmdline, cgroup) = (join_arguments(cmdline), cgroup_of(cgroups));
        Self { ppid, ns_pid: 0, cmdline, cgroup, names: Box::default() }
    }

    /// The same with its PID where it runs, from `/proc/PID/status` as it was read.
    #[must_use]
    pub fn with_status(self, status: &[u8]) -> Self {
        Self { ns_pid: innermost_pid(status), ..self }
    }

    /// The systemd unit: the innermost service or scope, or the innermost slice where there is neither.
    pub fn unit(&self) -> Option<&str> {
        let of_kind = |kinds: &[&str]| {
            self.cgroup.rsplit('/').find(|part| {
                kinds.iter().any(|kind| part.strip_suffix(kind).is_some_and(|name| !name.is_empty()))
            })
        };
        of_kind(&[".service", ".scope"]).or_else(|| of_kind(&[".slice"]))
    }

    /// The innermost container it is in.
    pub fn container(&self) -> Option<Container<'_>> {
        let parts: Vec<&str> = self.cgroup.split('/').collect();
        let (at, runtime, id) = parts.iter().enumerate().rev().find_map(|(at, part)| {
            let above = if at == 0 { "" } else { parts[at - 1] };
            container_part(part, above).map(|(runtime, id)| (at, runtime, id))
        })?;
        let pod = parts[..at].iter().rev().find_map(|part| pod_uid(part));
        Some(Container { runtime, id, pod, names: Names::of(&self.names) })
    }

    /// Where it runs, in short: container, unit, cgroup.
    pub fn place(&self) -> Cow<'_, str> {
        if let Some(container) = self.container() {
            let runtime = container.runtime.unwrap_or("container");
            return Cow::Owned(match container.names {
                Names { pod: Some(_), .. } => format!("pod {}", self.names),
                Names { container: Some(name), .. } => format!("{runtime} {name}"),
                _ => format!("{runtime} {}", container.short_id()),
            });
        }
        match (self.unit(), &*self.cgroup) {
            (Some(unit), _) => Cow::Borrowed(unit),
            (None, "") => Cow::Borrowed("cgroup not known"),
            (None, path) => Cow::Borrowed(path),
        }
    }

    /// Memory behind it.
    pub fn heap_bytes(&self) -> usize {
        self.cmdline.len() + self.cgroup.len() + self.names.len()
    }
}

/// The last number of `NSpid:\t1841\t7`, which has one for each namespace, the reader's first; 0 where there is but one.
fn innermost_pid(status: &[u8]) -> u32 {
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"));
    let text = line.and_then(|line| str::from_utf8(line).ok()).unwrap_or_default();
    let mut pids = text.split_ascii_whitespace();
    let inner = pids.next().and_then(|_| pids.next_back());
    inner.and_then(|pid| pid.parse().ok()).unwrap_or(0)
}

/// `a\0b\0` to `a b`, bounded.
fn join_arguments(cmdline: &[u8]) -> Box<[u8]> {
    let end = cmdline.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let kept = &cmdline[..end.min(MAX_CMDLINE_BYTES)];
    kept.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect()
}

/// The path that tells most, of lines `number:controllers:path`: that of version 2 unless it is the root, then that of
/// systemd's own hierarchy, then the longest.
fn cgroup_of(lines: &[u8]) -> Box<str> {
    let mut best: (u8, usize, &[u8]) = (0, 0, b"");
    for line in lines.split(|&byte| byte == b'\n') {
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let rank = match (path, controllers) {
            (b"/" | b"", _) => 0,
            (_, b"") => 3,
            (_, b"name=systemd") => 2,
            _ => 1,
        };
        if best.2.is_empty() || (rank, path.len()) > (best.0, best.1) {
            best = (rank, path.len(), path);
        }
    }
    let text = String::from_utf8_lossy(best.2);
    text[..text.floor_char_boundary(MAX_CGROUP_BYTES)].into()
}

/// What runs the container that this part of a path names, and its id; `above` is the part before it.
fn container_part<'a>(part: &'a str, above: &str) -> Option<(Option<&'static str>, &'a str)> {
    const SCOPES: [(&str, &str); 5] = [
        ("docker-", "docker"),
        ("cri-containerd-", "containerd"),
        ("crio-", "cri-o"),
        ("libpod-", "podman"),
        ("nerdctl-", "containerd"),
    ];
    if let Some(name) = part.strip_suffix(".scope") {
        return SCOPES
            .iter()
            .find_map(|(prefix, runtime)| Some((Some(*runtime), name.strip_prefix(prefix)?)))
            .filter(|(_, id)| is_id(id));
    }
    if let Some(name) = part.strip_prefix("lxc.payload.").filter(|name| !name.is_empty()) {
        return Some((Some("lxc"), name));
    }
    // Without systemd the runtimes make directories of their own.
    for (prefix, runtime) in [("libpod-", "podman"), ("crio-", "cri-o")] {
        if let Some(id) = part.strip_prefix(prefix).filter(|id| is_id(id)) {
            return Some((Some(runtime), id));
        }
    }
    // systemd units of containerd are named `PARENT:cri-containerd:ID`.
    if let Some((_, id)) = part.rsplit_once(":cri-containerd:").filter(|(_, id)| is_id(id)) {
        return Some((Some("containerd"), id));
    }
    if !is_id(part) {
        return None;
    }
    match above {
        "docker" => Some((Some("docker"), part)),
        "lxc" => Some((Some("lxc"), part)),
        above if pod_uid(above).is_some() => Some((None, part)),
        _ => (part.len() == 64).then_some((None, part)),
    }
}

/// Ids are 64 hexadecimal digits; some tools shorten them to 12.
fn is_id(text: &str) -> bool {
    (12..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The uid in `kubepods-burstable-podUID.slice` or `podUID`, with dashes as Kubernetes shows it.
pub(crate) fn pod_uid(part: &str) -> Option<String> {
    let name = part.strip_suffix(".slice").unwrap_or(part);
    let uid = match name.strip_prefix("pod") {
        Some(uid) => uid,
        None => name.starts_with("kubepods").then(|| name.rsplit_once("-pod"))?.map(|(_, uid)| uid)?,
    };
    let uid = uid.replace('_', "-");
    // A static pod has the hash of its manifest, 32 digits, for a uid.
    let digits = uid.bytes().filter(|&byte| byte != b'-').count();
    (digits == 32 && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())).then_some(uid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "a1b2c3d4-0000-1111-2222-333344445555";

    fn at(cgroup: &str) -> Who {
        Who { cgroup: cgroup.into(), ..Who::default() }
    }

    fn container(cgroup: &str) -> Option<(Option<&'static str>, String, Option<String>)> {
        let who = at(cgroup);
        who.container().map(|found| (found.runtime, found.id.to_owned(), found.pod))
    }

    #[test]
    fn units_are_the_innermost_service_or_scope() {
        for (cgroup, unit) in [
            ("/system.slice/nginx.service", Some("nginx.service")),
            (
                "/system.slice/system-postgresql.slice/postgresql@16-main.service",
                Some("postgresql@16-main.service"),
            ),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.scope", Some("app-foo.scope")),
            ("/system.slice/nginx.service/workers", Some("nginx.service")),
            ("/user.slice/user-1000.slice", Some("user-1000.slice")),
            ("/init.scope", Some("init.scope")),
            ("/.service", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(at(cgroup).unit(), unit, "{cgroup}");
        }
    }

    #[test]
    fn containers_of_every_runtime_are_recognised() {
        let pod = UID.replace('-', "_");
        let (id, uid) = (ID.to_owned(), Some(UID.to_owned()));
        for (cgroup, expected) in [
            (format!("/system.slice/docker-{ID}.scope"), (Some("docker"), id.clone(), None)),
            (format!("/docker/{ID}"), (Some("docker"), id.clone(), None)),
            (format!("/docker/{ID}/init.scope"), (Some("docker"), id.clone(), None)),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{pod}.slice/cri-containerd-{ID}.scope"
                ),
                (Some("containerd"), id.clone(), uid.clone()),
            ),
            (
                format!("/kubepods.slice/kubepods-pod{pod}.slice/crio-{ID}.scope"),
                (Some("cri-o"), id.clone(), uid.clone()),
            ),
            (format!("/kubepods/besteffort/pod{UID}/{ID}"), (None, id.clone(), uid.clone())),
            (
                format!("/system.slice/kubepods-burstable-pod{pod}.slice:cri-containerd:{ID}"),
                (Some("containerd"), id.clone(), None),
            ),
            (
                format!(
                    "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"
                ),
                (Some("podman"), id.clone(), None),
            ),
            // Podman without systemd.
            (format!("/libpod_parent/libpod-{ID}"), (Some("podman"), id.clone(), None)),
            (format!("/machine.slice/libpod-{ID}.scope"), (Some("podman"), id.clone(), None)),
            ("/lxc.payload.web/system.slice/nginx.service".to_owned(), (Some("lxc"), "web".to_owned(), None)),
            // Docker in Docker: the innermost one.
            (format!("/docker/{ID}/docker/ffffffffffff"), (Some("docker"), "ffffffffffff".to_owned(), None)),
        ] {
            assert_eq!(container(&cgroup), Some(expected), "{cgroup}");
        }
        for cgroup in [
            "/",
            "/system.slice/docker.service",
            "/system.slice/docker-.scope",
            "/system.slice/libpod-conmon-xyz.scope",
            "/user.slice/user-1000.slice/session-c1.scope",
            "/abcdef012345",
            &format!("/kubepods.slice/kubepods-pod{pod}.slice"),
        ] {
            assert_eq!(container(cgroup), None, "{cgroup}");
        }
    }

    #[test]
    fn a_place_is_short() {
        for (cgroup, place) in [
            (format!("/system.slice/docker-{ID}.scope"), "docker 0123456789ab"),
            (format!("/kubepods/besteffort/pod{UID}/{ID}"), "container 0123456789ab"),
            ("/lxc.payload.web/init.scope".to_owned(), "lxc web"),
            ("/system.slice/nginx.service".to_owned(), "nginx.service"),
            ("/batch/7".to_owned(), "/batch/7"),
            (String::new(), "cgroup not known"),
        ] {
            assert_eq!(at(&cgroup).place(), place);
        }
    }

    #[test]
    fn a_place_has_the_names_that_are_known() {
        let who = |cgroup: String, names: &str| Who { names: names.into(), ..at(&cgroup) };
        let docker = || format!("/system.slice/docker-{ID}.scope");
        for (who, place) in [
            (who(docker(), "web"), "docker web"),
            (who(docker(), "ns/p/c"), "pod ns/p/c"),
            (who(docker(), "/p/"), "pod /p/"),
            (who(docker(), "no/names"), "docker 0123456789ab"),
            (who("/system.slice/nginx.service".to_owned(), "web"), "nginx.service"),
        ] {
            assert_eq!(who.place(), place);
        }
    }

    #[test]
    fn the_path_that_tells_most_is_taken() {
        for (lines, path) in [
            ("0::/system.slice/a.service\n", "/system.slice/a.service"),
            ("12:pids:/p\n1:name=systemd:/system.slice/a.service\n0::/\n", "/system.slice/a.service"),
            ("12:pids:/docker/x\n11:memory:/docker/xyz\n0::/\n", "/docker/xyz"),
            ("1:name=systemd:/s\n0::/u\n", "/u"),
            ("0::/with:colons:inside\n", "/with:colons:inside"),
            ("3:cpu:/\n0::/\n", "/"),
            ("nonsense\n", ""),
        ] {
            assert_eq!(&*Who::new(1, b"", lines.as_bytes()).cgroup, path, "{lines:?}");
        }
    }

    #[test]
    fn arguments_are_joined_and_bounded() {
        let cmdline = |bytes: &[u8]| Who::new(1, bytes, b"").cmdline.to_vec();
        assert_eq!(cmdline(b"nginx\0-g\0daemon off;\0"), b"nginx -g daemon off;");
        // A title that was written over the arguments, and what it left behind.
        assert_eq!(cmdline(b"postgres: writer\0\0\0\0"), b"postgres: writer");
        assert_eq!(cmdline(b"a\0\0b\0"), b"a  b");
        assert_eq!(cmdline(b"\xff\x1b[31m\0"), b"\xff\x1b[31m");
        assert_eq!(cmdline(b""), b"");
        assert_eq!(cmdline(&[b'x'; 5000]).len(), MAX_CMDLINE_BYTES);
    }

    #[test]
    fn the_innermost_pid_is_that_of_a_namespace() {
        for (status, pid) in [
            (&b"Name:\tx\nNSpid:\t1841\t7\nNSpgid:\t1841\t9\n"[..], 7),
            (b"NSpid:\t1841\t70\t1\n", 1),
            (b"NSpid:\t1841\n", 0),
            (b"Name:\tNSpid: 1 2\n", 0),
            (b"NSpid:\t1\tx\n", 0),
            (b"NSpid:\xff\n", 0),
            (b"", 0),
        ] {
            assert_eq!(Who::default().with_status(status).ns_pid, pid, "{status:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_somebody(cmdline in proptest::collection::vec(any::<u8>(), 0..3000),
                                  cgroup in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b':'), Just(b'/')], 0..3000),
                                  path in "(/|pod|kubepods-|docker-|[0-9a-f]{12}|\\.scope|\\.slice|é){0,12}") {
            let who = Who::new(1, &cmdline, &cgroup).with_status(&cgroup);
            prop_assert!(who.cmdline.len() <= MAX_CMDLINE_BYTES && who.cgroup.len() <= MAX_CGROUP_BYTES);
            for who in [who, at(&path)] {
                let _ = (who.unit().map(str::len), who.container().map(|found| found.id.len()));
            }
        }
    }
}
