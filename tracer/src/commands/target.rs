//! From the target that was asked for to the one that is attached: PIDs looked up, a command held before
//! its `execve`, and the moment at which the target has ended.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;

use crate::bpf::loader::Kernel;
use crate::bpf::sys;
use crate::cgroups::{Cgroup, Hierarchy};
use crate::config::Target;
use crate::human::safe_text;
use crate::launch::{Held, Streams};
use crate::process::Comm;
use crate::targets::{Procfs, Resolved};

/// A target that was found.
pub(super) enum Found {
    /// Everything.
    WholeHost,
    /// These processes.
    Pids {
        /// The processes.
        processes: Vec<Resolved>,
        /// Children too.
        follow: bool,
    },
    /// Everything of these names.
    Comms {
        /// The names.
        names: Vec<Comm>,
        /// Children too.
        follow: bool,
    },
    /// Everything in these cgroups.
    Cgroups(Vec<Cgroup>),
    /// A command that waits to be executed.
    Command(Held),
}

impl Found {
    /// Looks the target up, or starts and holds it.
    pub(super) fn find(target: &Target, streams: Streams) -> Result<Self> {
        Ok(match target {
            Target::WholeHost => Self::WholeHost,
            Target::Pids { pids, follow } => {
                Self::Pids { processes: Procfs::default().resolve_pids(pids)?, follow: *follow }
            }
            Target::Comms { names, follow } => Self::Comms { names: names.clone(), follow: *follow },
            Target::Cgroups { names } => Self::Cgroups(Hierarchy::of_this_host()?.resolve(names)?),
            Target::Command { argv } => Self::Command(Held::spawn(argv, streams)?),
        })
    }

    /// How a header names it.
    pub(super) fn label(&self, target: &Target) -> String {
        match (self, target) {
            (Self::Pids { processes, .. }, _) => {
                let one = |resolved: &Resolved| format!("{} {}", resolved.process.comm, resolved.process.pid);
                processes.iter().map(one).collect::<Vec<_>>().join(", ")
            }
            (Self::Comms { names, .. }, _) => {
                format!("named {}", names.iter().map(Comm::to_string).collect::<Vec<_>>().join(", "))
            }
            (Self::Cgroups(cgroups), _) => {
                let mut labels: Vec<&str> = cgroups.iter().map(|cgroup| cgroup.label.as_str()).collect();
                labels.dedup();
                labels.join(", ")
            }
            (Self::Command(_), Target::Command { argv }) => {
                argv.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
            }
            _ => "whole host".to_owned(),
        }
    }

    /// The PIDs that were asked for; empty for other targets.
    pub(super) fn pids(&self) -> Vec<u32> {
        match self {
            Self::Pids { processes, .. } => processes.iter().map(|resolved| resolved.process.pid).collect(),
            _ => Vec::new(),
        }
    }

    /// What to tell about the numbers that were given.
    pub(super) fn notices(&self) -> Vec<String> {
        match self {
            Self::Pids { processes, .. } => processes.iter().filter_map(Resolved::notice).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether children of targets are targets.
    pub(super) fn follows(&self) -> bool {
        match self {
            Self::WholeHost | Self::Cgroups(_) => false,
            Self::Pids { follow, .. } | Self::Comms { follow, .. } => *follow,
            Self::Command(_) => true,
        }
    }

    /// The names that make a process a target.
    pub(super) fn names(&self) -> &[Comm] {
        match self {
            Self::Comms { names, .. } => names,
            _ => &[],
        }
    }

    /// The cgroups whose processes are targets.
    pub(super) fn cgroups(&self) -> &[Cgroup] {
        match self {
            Self::Cgroups(cgroups) => cgroups,
            _ => &[],
        }
    }

    /// Attaches everything and makes the target's present processes targets. What forks meanwhile is
    /// caught by the fork program, which comes first, or by looking again until nothing new is found.
    ///
    /// Returns the processes that were there, but for a whole host, and a command that was held.
    pub(super) fn attach(&self, kernel: &mut Kernel) -> Result<Vec<u32>> {
        let fork = self.follows() || !self.names().is_empty();
        let mut known = BTreeSet::new();
        self.add_new(kernel, &mut known)?;
        for (place, cgroup) in self.cgroups().iter().enumerate() {
            let (directory, _) = cgroup.open().with_context(|| {
                format!("cannot open {}", safe_text(cgroup.directory.as_os_str().as_bytes()))
            })?;
            kernel.set_cgroup(place, &directory)?;
        }
        kernel.attach_lifecycle(fork)?;
        while fork && self.add_new(kernel, &mut known)? {
            kernel.bump_epoch();
        }
        kernel.attach_syscalls()?;
        known.extend(self.cgroups().iter().flat_map(Cgroup::processes));
        let waits_for_us = matches!(self, Self::Command(_));
        Ok(if waits_for_us { Vec::new() } else { known.into_iter().collect() })
    }

    fn add_new(&self, kernel: &mut Kernel, known: &mut BTreeSet<u32>) -> Result<bool> {
        let procfs = Procfs::default();
        let mut present: Vec<u32> = match self {
            Self::WholeHost | Self::Cgroups(_) => Vec::new(),
            Self::Pids { .. } => self.pids(),
            Self::Comms { names, .. } => {
                procfs.processes_named(names)?.into_iter().map(|process| process.pid).collect()
            }
            Self::Command(held) => vec![held.pid()],
        };
        if self.follows() && !matches!(self, Self::Command(_)) {
            for pid in present.clone() {
                present.extend(procfs.descendants(pid)?);
            }
        }
        let mut found_new = false;
        for pid in present {
            if known.insert(pid) {
                kernel.add_target(pid)?;
                found_new = true;
            }
        }
        Ok(found_new)
    }
}

/// Tells when every one of these processes has ended; never when there are none. Watched by pidfd, which no
/// reuse of a PID can deceive; one that cannot be opened has ended already.
pub(super) fn watch_ends(pids: &[u32]) -> io::Result<Option<oneshot::Receiver<()>>> {
    if pids.is_empty() {
        return Ok(None);
    }
    let watched: Vec<OwnedFd> = pids.iter().filter_map(|pid| sys::pidfd_open(*pid).ok()).collect();
    let (sender, ended) = oneshot::channel();
    thread::Builder::new().name("watch".to_owned()).spawn(move || {
        for process in watched {
            if sys::wait_readable(process.as_fd()).is_err() {
                return;
            }
        }
        let _ = sender.send(());
    })?;
    Ok(Some(ended))
}

/// How often it is looked whether a cgroup was made anew.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Tells of each of these cgroups that another one has taken its path, as when systemd starts a unit again: its place
/// among them, and the directory. Ends when `tell` wants no more.
pub(super) fn watch_cgroups(
    cgroups: Vec<Cgroup>,
    tell: impl Fn(usize, OwnedFd) -> bool + Send + 'static,
) -> io::Result<()> {
    if cgroups.is_empty() {
        return Ok(());
    }
    let mut known: Vec<u64> = cgroups.iter().map(|cgroup| cgroup.id).collect();
    thread::Builder::new().name("cgroups".to_owned()).spawn(move || {
        loop {
            thread::sleep(LOOK_EVERY);
            for (place, cgroup) in cgroups.iter().enumerate() {
                if cgroup.id_now().is_none_or(|id| id == known[place]) {
                    continue;
                }
                // One that has gone again will be looked for again.
                let Ok((directory, id)) = cgroup.open() else { continue };
                known[place] = id;
                if !tell(place, directory) {
                    return;
                }
            }
        }
    })?;
    Ok(())
}
