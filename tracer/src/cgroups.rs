//! Cgroups that are there, from the hierarchy of version 2: the one that a path, an id, a systemd unit or a container
//! names, and its processes. One that vanishes while we look is none of them and no error.

mod error;
mod mounts;

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::CgroupName;
use crate::containers::Containers;
use crate::human::safe_text;
use crate::targets::Procfs;
use crate::who::{Names, Who, pod_uid};

pub use error::CgroupError;
use error::listed;
use mounts::Mount;

/// Cgroups that are looked at in search of a name.
const MOST_CGROUPS: usize = 100_000;

/// A cgroup that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// How a header names it: `unit nginx.service`, `docker 0123456789ab`. Safe to show.
    pub label: String,
    /// Its directory.
    pub directory: PathBuf,
    /// The kernel's number, which is never given to another one.
    pub id: u64,
}

impl Cgroup {
    /// `None` when it has just gone.
    fn at(directory: PathBuf, label: String) -> Option<Self> {
        let id = directory.symlink_metadata().ok()?.ino();
        Some(Self { label, directory, id })
    }

    /// Opens its directory as it is now, which may be that of another cgroup of the same path: the second value is its
    /// number.
    pub fn open(&self) -> io::Result<(OwnedFd, u64)> {
        let directory = File::open(&self.directory)?;
        let id = directory.metadata()?.ino();
        Ok((directory.into(), id))
    }

    /// The number of the cgroup that has its path now; `None` while none has.
    pub fn id_now(&self) -> Option<u64> {
        self.directory.symlink_metadata().ok().map(|found| found.ino())
    }

    /// The processes in it and below it, by PID. Those of another PID namespace, and those whose threads are spread
    /// over several cgroups, are not among them.
    pub fn processes(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = Vec::new();
        for directory in Walk::new(self.directory.clone()) {
            let listed = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            pids.extend(listed.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }
}

/// The hierarchy of version 2.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    mount: Mount,
    procfs: Procfs,
    /// Below which runtimes keep what containers are called.
    runtimes: PathBuf,
    /// Whether it is the host's, and not what a container sees of it.
    is_whole: bool,
}

/// The cgroup of a container or of a pod.
#[derive(Debug)]
struct Place {
    directory: PathBuf,
    /// Somebody in it.
    who: Who,
    /// Uid of the pod whose own it is.
    pod: Option<String>,
}

impl Place {
    /// The container's id, or the pod's uid.
    fn id(&self) -> &str {
        let of_container = || self.who.container().map_or("", |container| container.id);
        self.pod.as_deref().unwrap_or_else(of_container)
    }

    fn names(&self) -> Names<'_> {
        self.who.container().map(|container| container.names).unwrap_or_default()
    }

    fn is_in(&self, other: &Self) -> bool {
        self.directory.starts_with(&other.directory)
    }

    fn label(&self) -> String {
        match &self.pod {
            Some(pod) => format!("pod {pod}"),
            None => safe_text(self.who.place().as_bytes()),
        }
    }

    /// The same with the id, where that is not said.
    fn listed(&self) -> String {
        match self.who.container() {
            Some(container) if self.pod.is_none() && container.names != Names::default() => {
                format!("{} ({})", self.label(), safe_text(container.short_id().as_bytes()))
            }
            _ => self.label(),
        }
    }
}

impl Hierarchy {
    /// That of this host, wherever it is mounted.
    pub fn of_this_host() -> Result<Self, CgroupError> {
        let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
        match Mount::find(&mounts) {
            Some(mount) => Ok(Self {
                mount,
                procfs: Procfs::default(),
                runtimes: PathBuf::from("/"),
                is_whole: is_in_first_namespace(),
            }),
            None if mounts::has_version_1(&mounts) => Err(CgroupError::OnlyVersion1),
            None => Err(CgroupError::NotMounted),
        }
    }

    /// The cgroups of these names, each once.
    pub fn resolve(&self, names: &[CgroupName]) -> Result<Vec<Cgroup>, CgroupError> {
        let mut found: Vec<Cgroup> = Vec::new();
        for name in names {
            for cgroup in self.find(name)? {
                if found.iter().all(|other| other.id != cgroup.id) {
                    found.push(cgroup);
                }
            }
        }
        let most = tracer_common::config::MAX_CGROUPS as usize;
        if found.len() > most {
            return Err(CgroupError::TooMany { found: found.len(), most });
        }
        Ok(found)
    }

    fn find(&self, name: &CgroupName) -> Result<Vec<Cgroup>, CgroupError> {
        match name {
            CgroupName::Path(path) => self.find_path(path),
            CgroupName::Id(id) => self.find_id(*id),
            CgroupName::Unit(unit) => self.find_unit(unit),
            CgroupName::Container(id) => self.find_container(id),
        }
    }

    fn find_path(&self, given: &Path) -> Result<Vec<Cgroup>, CgroupError> {
        let directory = self
            .mount
            .candidates(given)
            .into_iter()
            .filter_map(|path| path.canonicalize().ok())
            .find(|path| path.starts_with(&self.mount.point) && is_cgroup(path));
        if let Some(directory) = directory {
            let label = format!("cgroup {}", self.shown(&directory));
            return Ok(Cgroup::at(directory, label).into_iter().collect());
        }
        let name = CgroupName::Path(given.to_owned());
        if given.join("tasks").exists() && !is_cgroup(given) {
            let listed = fs::read_to_string(given.join("cgroup.procs")).unwrap_or_default();
            let pids = listed.lines().filter_map(|line| line.parse().ok()).collect();
            return Err(CgroupError::InVersion1 { name, pids });
        }
        // What the nearest of those above it that exists has.
        let wanted = self.mount.candidates(given).pop().unwrap_or_default();
        let above = wanted.ancestors().skip(1).find(|above| is_cgroup(above)).unwrap_or(&self.mount.point);
        let children = children_of(above).into_iter().map(|child| self.shown(&child)).collect();
        Err(self.missing(name, listed(children, "")))
    }

    fn find_id(&self, id: u64) -> Result<Vec<Cgroup>, CgroupError> {
        let is_it = |directory: &PathBuf| directory.symlink_metadata().is_ok_and(|found| found.ino() == id);
        if let Some(directory) = self.walk().find(is_it) {
            let label = format!("cgroup {}", self.shown(&directory));
            return Ok(Cgroup::at(directory, label).into_iter().collect());
        }
        let with_id = |child: PathBuf| {
            let id = child.symlink_metadata().map_or(0, |found| found.ino());
            format!("{id} ({})", self.shown(&child))
        };
        let children = children_of(&self.mount.point).into_iter().map(with_id).collect();
        Err(self.missing(CgroupName::Id(id), listed(children, "")))
    }

    fn find_unit(&self, unit: &str) -> Result<Vec<Cgroup>, CgroupError> {
        // systemd puts this before names that could be files of the kernel's.
        let escaped = format!("_{unit}");
        let mut found = Vec::new();
        let mut others = Vec::new();
        for directory in self.walk() {
            let Some(name) = directory.file_name().and_then(|name| name.to_str()) else { continue };
            if name == unit || name == escaped {
                let label = format!("unit {}", safe_text(unit.as_bytes()));
                found.extend(Cgroup::at(directory, label));
            } else if [".service", ".scope", ".slice"].iter().any(|kind| name.ends_with(kind)) {
                others.push(safe_text(name.as_bytes()));
            }
        }
        // A systemd in a container has units of the same names.
        let is_in_container = |cgroup: &Cgroup| self.who(&cgroup.directory).container().is_some();
        if !found.iter().all(is_in_container) {
            found.retain(|cgroup| !is_in_container(cgroup));
        }
        if found.is_empty() {
            let wanted = unit.rsplit_once('.').map_or(unit, |(name, _)| name);
            let name = CgroupName::Unit(unit.to_owned());
            return Err(self.missing_or_elsewhere(name, listed(others, wanted), |who| {
                who.cgroup.split('/').any(|part| part == unit)
            }));
        }
        Ok(found)
    }

    fn find_container(&self, given: &str) -> Result<Vec<Cgroup>, CgroupError> {
        let mut containers = Containers::below(&self.runtimes);
        let all: Vec<Place> =
            self.walk().filter_map(|directory| self.container_at(directory, &mut containers)).collect();
        let is_of_pod = |place: &Place| place.names().pod == Some(given);
        // As Docker does: a whole id, then a name, then the beginning of an id.
        let ways: [&dyn Fn(&Place) -> bool; 4] = [
            &|place| place.id() == given,
            &|place| place.names().container == Some(given),
            // What has a name in a pod are its containers; the pod is around them.
            &|place| place.pod.is_some() && all.iter().any(|one| is_of_pod(one) && one.is_in(place)),
            &|place| place.id().starts_with(given),
        ];
        let name = CgroupName::Container(given.to_owned());
        let found = ways.into_iter().map(|is_it| all.iter().filter(|place| is_it(place)).collect::<Vec<_>>());
        let Some(found) = found.into_iter().find(|found| !found.is_empty()) else {
            let others = listed(all.iter().map(Place::listed).collect(), given);
            return Err(self.missing_or_elsewhere(name, others, |who| {
                let who = containers.name(who);
                who.container().is_some_and(|container| {
                    container.id.starts_with(given) || container.names.container == Some(given)
                })
            }));
        };
        if found.iter().any(|place| place.id() != found[0].id()) {
            let found = found.into_iter().map(Place::listed).collect();
            return Err(CgroupError::Ambiguous { name, found: listed(found, "") });
        }
        Ok(found.into_iter().filter_map(|place| Cgroup::at(place.directory.clone(), place.label())).collect())
    }

    /// The container or the pod whose own cgroup this is.
    fn container_at(&self, directory: PathBuf, containers: &mut Containers) -> Option<Place> {
        let who = self.who(&directory);
        let pod = directory.file_name().and_then(|name| name.to_str()).and_then(pod_uid);
        if pod.is_some() {
            return Some(Place { directory, who, pod });
        }
        let above = self.who(directory.parent()?);
        let id = who.container()?.id;
        // What is below a container's cgroup is in it too.
        if above.container().is_some_and(|above| above.id == id) {
            return None;
        }
        Some(Place { directory, who: containers.name(who), pod })
    }

    fn who(&self, directory: &Path) -> Who {
        let path = String::from_utf8_lossy(self.mount.below(directory).as_os_str().as_bytes()).into_owned();
        Who { cgroup: path.into(), ..Who::default() }
    }

    fn shown(&self, directory: &Path) -> String {
        safe_text(self.mount.below(directory).as_os_str().as_bytes())
    }

    fn walk(&self) -> Walk {
        Walk::new(self.mount.point.clone())
    }

    fn missing(&self, name: CgroupName, others: String) -> CgroupError {
        let mount = self.mount.point.clone();
        if self.is_whole {
            CgroupError::Missing { name, mount, others }
        } else {
            CgroupError::OutOfSight { name, mount, others }
        }
    }

    /// The same; but processes of that name may be in hierarchies of version 1.
    fn missing_or_elsewhere(
        &self,
        name: CgroupName,
        others: String,
        mut is_it: impl FnMut(Who) -> bool,
    ) -> CgroupError {
        let processes = self.procfs.processes().unwrap_or_default();
        let mut is_there = |pid: u32| {
            let lines = fs::read(self.procfs.file(pid, "cgroup")).unwrap_or_default();
            let mut of_version_1 =
                lines.split(|&byte| byte == b'\n').filter(|line| !line.starts_with(VERSION_2));
            of_version_1.any(|line| is_it(Who::new(0, b"", line)))
        };
        let pids: Vec<u32> =
            processes.iter().map(|process| process.pid).filter(|&pid| is_there(pid)).collect();
        if pids.is_empty() { self.missing(name, others) } else { CgroupError::InVersion1 { name, pids } }
    }
}

/// The beginning of the line in `/proc/PID/cgroup` of the hierarchy of version 2.
const VERSION_2: &[u8] = b"0::";

/// Whether our cgroup namespace is the first, whose number never changes.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h>
fn is_in_first_namespace() -> bool {
    fs::read_link("/proc/self/ns/cgroup").is_ok_and(|link| link == Path::new("cgroup:[4026531835]"))
}

/// A directory of the hierarchy of version 2; those of version 1 have no such file.
fn is_cgroup(directory: &Path) -> bool {
    directory.join("cgroup.controllers").exists()
}

fn children_of(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut children: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    children.sort_unstable();
    children
}

/// A directory and those below it, each before what is in it.
struct Walk {
    ahead: Vec<PathBuf>,
    left: usize,
}

impl Walk {
    fn new(root: PathBuf) -> Self {
        Self { ahead: vec![root], left: MOST_CGROUPS }
    }
}

impl Iterator for Walk {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        let next = self.ahead.pop()?;
        self.left = self.left.checked_sub(1)?;
        self.ahead.extend(children_of(&next).into_iter().rev());
        Some(next)
    }
}

#[cfg(test)]
mod tests;
