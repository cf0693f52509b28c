//! Targets by cgroup: options of every verb that traces.

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::config::CgroupName;

/// Which cgroups are traced. All three may be repeated and given together.
#[derive(Debug, Args)]
pub struct CgroupOptions {
    /// Trace every process in this cgroup and below it, present and future
    ///
    /// A directory below /sys/fs/cgroup, a path as /proc/PID/cgroup shows it, or the cgroup's id. It must be of
    /// the hierarchy of version 2. A process that is moved into it is traced from its next call on, one that is
    /// moved out until the call it is in returns.
    #[arg(
        long = "cgroup",
        value_name = "PATH|ID",
        value_parser = OsStringValueParser::new().try_map(|given| CgroupName::parse(&given)),
        help_heading = "Target"
    )]
    paths: Vec<CgroupName>,

    /// Trace every process of this systemd unit, present and future
    ///
    /// Without an ending it is a service: `nginx` is nginx.service. A unit that is restarted is traced again.
    #[arg(long = "unit", value_name = "NAME", value_parser = CgroupName::parse_unit, help_heading = "Target")]
    units: Vec<CgroupName>,

    /// Trace every process of this container or Kubernetes pod
    ///
    /// Its name or the beginning of its id, as `docker ps`, `podman ps` and `crictl ps` print them; a pod's name or
    /// the beginning of its uid. One that is started again with the same id is traced again; one that is made anew
    /// under the same name is another.
    #[arg(
        long = "container",
        value_name = "NAME|ID",
        value_parser = CgroupName::parse_container,
        help_heading = "Target"
    )]
    containers: Vec<CgroupName>,
}

impl CgroupOptions {
    /// The first of these options that was given; `None` when none was.
    pub fn option(&self) -> Option<&'static str> {
        [(&self.paths, "--cgroup"), (&self.units, "--unit"), (&self.containers, "--container")]
            .into_iter()
            .find_map(|(names, option)| (!names.is_empty()).then_some(option))
    }

    /// All that were given.
    pub fn into_names(self) -> Vec<CgroupName> {
        [self.paths, self.units, self.containers].concat()
    }
}
