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
use crate::human::safe_text;
use crate::targets::Procfs;
use crate::who::{Who, pod_uid};

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
}

impl Hierarchy {
    /// That of this host, wherever it is mounted.
    pub fn of_this_host() -> Result<Self, CgroupError> {
        let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
        match Mount::find(&mounts) {
            Some(mount) => Ok(Self { mount, procfs: Procfs::default() }),
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
            return Err(self.missing_or_version_1(name, listed(others, wanted), |who| {
                who.cgroup.split('/').any(|part| part == unit)
            }));
        }
        Ok(found)
    }

    fn find_container(&self, prefix: &str) -> Result<Vec<Cgroup>, CgroupError> {
        let mut found: Vec<(String, Cgroup)> = Vec::new();
        let mut others = Vec::new();
        for directory in self.walk() {
            let Some((id, label)) = self.container_at(&directory) else { continue };
            if id.starts_with(prefix) {
                found.extend(Cgroup::at(directory, label).map(|cgroup| (id, cgroup)));
            } else {
                others.push(label);
            }
        }
        let name = CgroupName::Container(prefix.to_owned());
        let Some((first, _)) = found.first() else {
            return Err(self.missing_or_version_1(name, listed(others, prefix), |who| {
                who.container().is_some_and(|container| container.id.starts_with(prefix))
            }));
        };
        if found.iter().any(|(id, _)| id != first) {
            let found = found.into_iter().map(|(_, cgroup)| cgroup.label).collect();
            return Err(CgroupError::Ambiguous { name, found: listed(found, "") });
        }
        Ok(found.into_iter().map(|(_, cgroup)| cgroup).collect())
    }

    /// The id and the label of the container or the pod whose own cgroup this is.
    fn container_at(&self, directory: &Path) -> Option<(String, String)> {
        let who = self.who(directory);
        if let Some(pod) = directory.file_name().and_then(|name| name.to_str()).and_then(pod_uid) {
            let label = format!("pod {pod}");
            return Some((pod, label));
        }
        let above = self.who(directory.parent()?);
        let container = who.container().filter(|container| {
            // What is below a container's cgroup is in it too.
            above.container().is_none_or(|above| above.id != container.id)
        })?;
        Some((container.id.to_owned(), safe_text(who.place().as_bytes())))
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
        CgroupError::Missing { name, mount: self.mount.point.clone(), others }
    }

    /// The same; but processes of that name may be in hierarchies of version 1.
    fn missing_or_version_1(
        &self,
        name: CgroupName,
        others: String,
        is_it: impl Fn(&Who) -> bool,
    ) -> CgroupError {
        let processes = self.procfs.processes().unwrap_or_default();
        let is_there = |pid: u32| {
            let lines = fs::read(self.procfs.file(pid, "cgroup")).unwrap_or_default();
            lines.split(|&byte| byte == b'\n').any(|line| is_it(&Who::new(0, b"", line)))
        };
        let pids: Vec<u32> =
            processes.iter().map(|process| process.pid).filter(|&pid| is_there(pid)).collect();
        if pids.is_empty() { self.missing(name, others) } else { CgroupError::InVersion1 { name, pids } }
    }
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
