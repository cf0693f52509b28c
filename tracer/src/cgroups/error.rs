//! Why a cgroup cannot be traced, what there is instead, and what to do.

use std::path::PathBuf;

use thiserror::Error;

use crate::config::CgroupName;

/// Names that are listed; of more, their number.
const LISTED: usize = 12;
/// Processes that are put on a command line to copy.
const COPIED: usize = 16;

/// A cgroup that cannot be traced.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// Nothing has this name.
    #[error(
        "error: no such {name}\n\
         why: no cgroup below {} has this name now{}\n\
         next: {others}\n\
         next: `cat /proc/PID/cgroup` shows where a process is; `tracer --comm NAME` also finds what starts later",
        .mount.display(),
        remark(.name)
    )]
    Missing {
        /// As given.
        name: CgroupName,
        /// Where it was looked for.
        mount: PathBuf,
        /// What is there, in words.
        others: String,
    },
    /// It may be one of the host's, which are not seen from here.
    #[error(
        "error: no such {name} is seen from here\n\
         why: this runs in a cgroup namespace of its own, a container's: below {} are its cgroups alone\n\
         next: run tracer on the host, or with: docker run --cgroupns host --pid host …, as with podman\n\
         next: with --pid host only: tracer -f -p PID, by PIDs of the host\n\
         next: {others}",
        .mount.display()
    )]
    OutOfSight {
        /// As given.
        name: CgroupName,
        /// Where it was looked for.
        mount: PathBuf,
        /// What is there, in words.
        others: String,
    },
    /// Several containers have this name, or ids that begin so.
    #[error(
        "error: {name} is not one container\n\
         why: several have this name, or ids that begin like this\n\
         next: give an id, or more of it; {found}"
    )]
    Ambiguous {
        /// As given.
        name: CgroupName,
        /// What is there, in words.
        found: String,
    },
    /// More than the programs compare with.
    #[error(
        "error: {found} cgroups are too many for one run\n\
         why: each thread is compared with every one of them; {most} is the most\n\
         next: name a cgroup above them: what is below it counts, too"
    )]
    TooMany {
        /// How many.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// It is there, and the kernel does not tell programs about it.
    #[error(
        "error: {name} is in hierarchies of version 1\n\
         why: the kernel tells programs where a process is in the hierarchy of version 2, and in no other\n\
         next: {}\n\
         next: boot with systemd.unified_cgroup_hierarchy=1, the default of distributions since 2021",
        by_pid(.pids)
    )]
    InVersion1 {
        /// As given.
        name: CgroupName,
        /// Its processes.
        pids: Vec<u32>,
    },
    /// No hierarchy of version 2.
    #[error(
        "error: this host has no cgroup hierarchy of version 2\n\
         why: all its cgroups are of version 1, of which the kernel tells programs nothing\n\
         next: trace its processes: tracer -f -p $(paste -sd, /sys/fs/cgroup/pids/PATH/cgroup.procs)\n\
         next: boot with systemd.unified_cgroup_hierarchy=1, the default of distributions since 2021"
    )]
    OnlyVersion1,
    /// No hierarchy at all.
    #[error(
        "error: no cgroup hierarchy is mounted\n\
         why: cgroups are found through it\n\
         next: mount -t cgroup2 none /sys/fs/cgroup\n\
         next: of a container: docker run -v /sys/fs/cgroup:/sys/fs/cgroup:ro …"
    )]
    NotMounted,
}

fn remark(name: &CgroupName) -> &'static str {
    match name {
        CgroupName::Path(_) | CgroupName::Id(_) => "",
        CgroupName::Unit(_) => ": the unit does not run, or has another name",
        CgroupName::Container(_) => ": the container does not run, or is another host's",
    }
}

fn by_pid(pids: &[u32]) -> String {
    if pids.is_empty() {
        return "it has no process now; tracer -f -p PID traces one".to_owned();
    }
    let more = if pids.len() > COPIED { " # and more" } else { "" };
    let pids: Vec<String> = pids.iter().take(COPIED).map(u32::to_string).collect();
    format!("trace its processes: tracer -f -p {}{more}", pids.join(","))
}

/// What there is, in words, what contains `wanted` first.
pub(super) fn listed(mut names: Vec<String>, wanted: &str) -> String {
    names.sort_by_cached_key(|name| (wanted.is_empty() || !name.contains(wanted), name.clone()));
    names.dedup();
    if names.is_empty() {
        return "there are none here".to_owned();
    }
    let more = match names.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(LISTED);
    format!("there are: {}{more}", names.join(", "))
}
