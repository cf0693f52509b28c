//! From the target that was asked for to the one that is attached: PIDs looked up, a command held before
//! its `execve`, and the moment at which the target has ended.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use anyhow::Result;
use tokio::io::unix::AsyncFd;

use crate::bpf::loader::{Kernel, LoadError};
use crate::bpf::sys;
use crate::config::Target;
use crate::launch::{Held, Streams};
use crate::process::Comm;
use crate::targets;

/// A target that was found.
pub(super) enum Found {
    /// Everything.
    WholeHost,
    /// These processes.
    Pids {
        /// Their PIDs.
        pids: Vec<u32>,
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
    /// A command that waits to be executed.
    Command(Held),
}

impl Found {
    /// Looks the target up, or starts and holds it.
    pub(super) fn find(target: &Target, streams: Streams) -> Result<Self> {
        Ok(match target {
            Target::WholeHost => Self::WholeHost,
            Target::Pids { pids, follow } => {
                let found = targets::resolve_pids(pids)?;
                Self::Pids { pids: found.iter().map(|process| process.pid).collect(), follow: *follow }
            }
            Target::Comms { names, follow } => Self::Comms { names: names.clone(), follow: *follow },
            Target::Command { argv } => Self::Command(Held::spawn(argv, streams)?),
        })
    }

    /// How a header names it.
    pub(super) fn label(&self, target: &Target) -> String {
        match (self, target) {
            (Self::Pids { pids, .. }, _) => {
                let one = |pid: &u32| match targets::comm_of(*pid) {
                    Some(comm) => format!("{comm} {pid}"),
                    None => pid.to_string(),
                };
                pids.iter().map(one).collect::<Vec<_>>().join(", ")
            }
            (Self::Comms { names, .. }, _) => {
                format!("named {}", names.iter().map(Comm::to_string).collect::<Vec<_>>().join(", "))
            }
            (Self::Command(_), Target::Command { argv }) => {
                argv.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
            }
            _ => "whole host".to_owned(),
        }
    }

    /// Whether children of targets are targets.
    pub(super) fn follows(&self) -> bool {
        match self {
            Self::WholeHost => false,
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

    /// Attaches everything and makes the target's present processes targets. What forks meanwhile is
    /// caught by the fork program, which comes first, or by looking again until nothing new is found.
    pub(super) fn attach(&self, kernel: &mut Kernel) -> Result<(), LoadError> {
        let fork = self.follows() || !self.names().is_empty();
        let mut known = BTreeSet::new();
        self.add_new(kernel, &mut known)?;
        kernel.attach_lifecycle(fork)?;
        let mut epoch = 0;
        while fork && self.add_new(kernel, &mut known)? {
            epoch += 1;
            kernel.bump_epoch(epoch)?;
        }
        kernel.attach_syscalls()
    }

    fn add_new(&self, kernel: &mut Kernel, known: &mut BTreeSet<u32>) -> Result<bool, LoadError> {
        let mut present: Vec<u32> = match self {
            Self::WholeHost => Vec::new(),
            Self::Pids { pids, .. } => pids.clone(),
            Self::Comms { names, .. } => targets::processes_named(names),
            Self::Command(held) => vec![held.pid()],
        };
        if self.follows() && !matches!(self, Self::Command(_)) {
            let children: Vec<u32> = present.iter().flat_map(|pid| targets::descendants(*pid)).collect();
            present.extend(children);
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

/// Completes when every process given has ended; never when none was given.
pub(super) struct Ends(Vec<AsyncFd<OwnedFd>>);

impl Ends {
    /// Watches processes by pidfd, which no reuse of a PID can deceive. One that cannot be watched has
    /// ended already.
    pub(super) fn watch(pids: &[u32]) -> Self {
        Self(pids.iter().filter_map(|pid| AsyncFd::new(sys::pidfd_open(*pid).ok()?).ok()).collect())
    }

    /// Waits.
    pub(super) async fn all(&self) {
        for process in &self.0 {
            // An error means that the descriptor cannot tell us anything any more.
            let _ = process.readable().await.map(|mut guard| guard.retain_ready());
        }
    }
}
