//! Finds what containers are called, in the files in which their runtimes keep it on this host. No daemon is asked: it
//! could hang, or be what hangs.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::who::Who;
use crate::who::names::{in_bundle, in_docker_config, in_storage_list};

/// Bytes of a file that are read. What one container is made of takes some 10 KiB, a line in the list of a storage 1 KiB; of
/// a longer one nothing is known.
const MAX_FILE_BYTES: u64 = 2 << 20;

/// Containers that are remembered.
const MAX_KNOWN: usize = 1024;

/// For how long: a container can be given another name, and its files can come after its first process.
const KEPT: Duration = Duration::from_mins(1);

/// How a file names a container.
#[derive(Clone, Copy, Debug)]
enum Form {
    Docker,
    Bundle,
    StorageList,
}

/// Where runtimes keep what they know of a container, the more telling first. `ID` stands for its id.
const FILES: [(&str, Form); 8] = [
    ("var/lib/docker/containers/ID/config.v2.json", Form::Docker),
    ("run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json", Form::Bundle),
    // k3s and RKE2 bring a containerd of their own.
    ("run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json", Form::Bundle),
    // nerdctl.
    ("run/containerd/io.containerd.runtime.v2.task/default/ID/config.json", Form::Bundle),
    // CRI-O.
    ("run/containers/storage/overlay-containers/ID/userdata/config.json", Form::Bundle),
    // Podman: its containers, and those that it removes when they end.
    ("var/lib/containers/storage/overlay-containers/containers.json", Form::StorageList),
    ("var/lib/containers/storage/overlay-containers/volatile-containers.json", Form::StorageList),
    ("run/containers/storage/overlay-containers/volatile-containers.json", Form::StorageList),
];

/// What containers of this host are called.
#[derive(Debug)]
pub(crate) struct Containers {
    /// Below which the files lie.
    root: PathBuf,
    /// Names by id, and when they were looked up.
    known: HashMap<Box<str>, (Instant, Box<str>)>,
}

impl Default for Containers {
    fn default() -> Self {
        Self::below("/")
    }
}

impl Containers {
    /// The files of another root.
    pub(crate) fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), known: HashMap::new() }
    }

    /// The same with the names of its container.
    pub(crate) fn name(&mut self, who: Who) -> Who {
        let names = who.container().map_or_else(Box::default, |container| self.names(container.id));
        Who { names, ..who }
    }

    /// Its names in the form of [`Who::names`]; empty where no file tells.
    fn names(&mut self, id: &str) -> Box<str> {
        // Whole ids only, which also are safe in a path: the name of an LXC container may be anything.
        if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Box::default();
        }
        if let Some((_, names)) = self.known.get(id).filter(|(since, _)| since.elapsed() < KEPT) {
            return names.clone();
        }
        let names = self.look_up(id).unwrap_or_default();
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(id.into(), (Instant::now(), names.clone()));
        names
    }

    fn look_up(&self, id: &str) -> Option<Box<str>> {
        FILES.iter().find_map(|(path, form)| {
            let json = read(&self.root.join(path.replace("ID", id)))?;
            match form {
                Form::Docker => in_docker_config(&json),
                Form::Bundle => in_bundle(&json),
                Form::StorageList => in_storage_list(&json, id),
            }
        })
    }
}

/// The bytes of a regular file, if they are not too many.
fn read(path: &Path) -> Option<Vec<u8>> {
    // Neither waits for whoever would write into a pipe nor follows a link out of the directory.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    let about = file.metadata().ok().filter(|about| about.is_file() && about.len() <= MAX_FILE_BYTES)?;
    let mut bytes = Vec::with_capacity(about.len() as usize);
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MAX_FILE_BYTES).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// A root with these files, in which `ID` is the id.
    fn root(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = root.path().join(path.replace("ID", ID));
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text.replace("ID", ID)).expect("written");
        }
        root
    }

    fn names(root: &TempDir) -> String {
        Containers::below(root.path()).names(ID).into()
    }

    #[test]
    fn every_runtime_has_its_file() {
        const CRI: &str = r#"{"annotations":{"io.kubernetes.cri.container-name":"c",
            "io.kubernetes.cri.sandbox-name":"p","io.kubernetes.cri.sandbox-namespace":"ns"}}"#;
        const CRI_O: &str = r#"{"annotations":{"io.kubernetes.container.name":"c",
            "io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"ns"}}"#;
        let storage = "var/lib/containers/storage/overlay-containers";
        let bundle = "io.containerd.runtime.v2.task";
        for (path, text, expected) in [
            ("var/lib/docker/containers/ID/config.v2.json", r#"{"Name":"/web"}"#, "web"),
            (&format!("run/containerd/{bundle}/k8s.io/ID/config.json"), CRI, "ns/p/c"),
            (&format!("run/k3s/containerd/{bundle}/k8s.io/ID/config.json"), CRI, "ns/p/c"),
            (
                &format!("run/containerd/{bundle}/default/ID/config.json"),
                r#"{"annotations":{"nerdctl/name":"web"}}"#,
                "web",
            ),
            ("run/containers/storage/overlay-containers/ID/userdata/config.json", CRI_O, "ns/p/c"),
            (&format!("{storage}/containers.json"), r#"[{"id":"ID","names":["db"]}]"#, "db"),
            (&format!("{storage}/volatile-containers.json"), r#"[{"id":"ID","names":["db"]}]"#, "db"),
        ] {
            assert_eq!(names(&root(&[(path, text)])), expected, "{path}");
        }
        assert_eq!(names(&root(&[])), "");
    }

    #[test]
    fn a_process_in_a_container_has_its_names() {
        let root = root(&[("var/lib/docker/containers/ID/config.v2.json", r#"{"Name":"/web"}"#)]);
        let mut containers = Containers::below(root.path());
        let mut at = |cgroup: &str| containers.name(Who { cgroup: cgroup.into(), ..Who::default() });
        assert_eq!(&*at(&format!("/docker/{ID}")).names, "web");
        assert_eq!(&*at("/system.slice/docker.service").names, "");
    }

    #[test]
    fn a_file_that_says_nothing_leaves_it_to_the_next() {
        let root = root(&[
            ("run/containers/storage/overlay-containers/ID/userdata/config.json", r#"{"annotations":{}}"#),
            ("var/lib/containers/storage/overlay-containers/containers.json", "[{"),
            (
                "var/lib/containers/storage/overlay-containers/volatile-containers.json",
                r#"[{"id":"ID","names":["db"]}]"#,
            ),
        ]);
        assert_eq!(names(&root), "db");
    }

    #[test]
    fn what_is_no_plain_file_of_bounded_size_is_not_read() {
        const NAMED: &str = r#"{"Name":"/web"}"#;
        let root = root(&[("elsewhere", NAMED), ("var/lib/docker/containers/ID/x", "")]);
        let path = root.path().join(format!("var/lib/docker/containers/{ID}/config.v2.json"));
        symlink(root.path().join("elsewhere"), &path).expect("linked");
        assert_eq!(names(&root), "", "a link");
        fs::remove_file(&path).expect("removed");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("made");
        let began = Instant::now();
        assert_eq!(names(&root), "", "a pipe into which nobody writes");
        assert!(began.elapsed() < Duration::from_secs(10));
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("made");
        assert_eq!(names(&root), "", "a directory");
        fs::remove_dir(&path).expect("removed");
        let blank = " ".repeat(usize::try_from(MAX_FILE_BYTES).expect("small") - NAMED.len());
        fs::write(&path, format!("{blank}{NAMED}")).expect("written");
        assert_eq!(names(&root), "web", "as long as may be");
        fs::write(&path, format!("{blank} {NAMED}")).expect("written");
        assert_eq!(names(&root), "", "too long");
    }

    #[test]
    fn only_whole_ids_become_paths() {
        let root = root(&[("config.v2.json", r#"{"Name":"/out"}"#), ("var/lib/docker/containers/ID/x", "")]);
        let mut containers = Containers::below(root.path());
        for id in ["", "web", "../../../..", "0123456789ab", &"../".repeat(22)[..64], &"/".repeat(64)] {
            assert_eq!(&*containers.names(id), "", "{id}");
        }
        assert!(containers.known.is_empty());
    }

    #[test]
    fn a_container_is_looked_up_once_and_memory_is_bounded() {
        let path = "var/lib/docker/containers/ID/config.v2.json";
        let root = root(&[(path, r#"{"Name":"/web"}"#)]);
        let mut containers = Containers::below(root.path());
        assert_eq!(&*containers.names(ID), "web");
        fs::write(root.path().join(path.replace("ID", ID)), r#"{"Name":"/renamed"}"#).expect("written");
        assert_eq!(&*containers.names(ID), "web", "remembered");
        for (since, _) in containers.known.values_mut() {
            *since = since.checked_sub(KEPT).expect("the host is up for longer");
        }
        assert_eq!(&*containers.names(ID), "renamed", "but not for ever");
        for number in 0..3 * MAX_KNOWN {
            assert_eq!(&*containers.names(&format!("{number:064x}")), "");
        }
        assert!(containers.known.len() <= MAX_KNOWN);
    }
}
