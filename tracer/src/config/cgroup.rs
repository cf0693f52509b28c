//! Cgroups as a command line names them: by path, by id, by systemd unit, by container.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::values::ValueError;
use crate::human::safe_text;

/// What systemd appends to the names of units that have a cgroup.
const UNIT_KINDS: [&str; 7] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap", ".target"];

/// A cgroup, or several, as given. Whether it exists is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CgroupName {
    /// A directory of the hierarchy, or a path below its root as `/proc/PID/cgroup` shows it.
    Path(PathBuf),
    /// The kernel's number of a cgroup, which is the inode of its directory.
    Id(u64),
    /// A systemd unit, with its ending.
    Unit(String),
    /// The name of a container or of a pod, or the beginning of a container's id or of a pod's uid.
    Container(String),
}

impl CgroupName {
    /// The value of `--cgroup`: digits alone are an id.
    pub fn parse(given: &OsStr) -> Result<Self, ValueError> {
        match given.to_str().map(str::parse) {
            Some(Ok(id)) => Ok(Self::Id(id)),
            _ if given.is_empty() || given.as_bytes().contains(&0) => Err(ValueError::Cgroup),
            _ => Ok(Self::Path(PathBuf::from(given))),
        }
    }

    /// The value of `--unit`: without an ending it is a service.
    pub fn parse_unit(given: &str) -> Result<Self, ValueError> {
        if given.is_empty() || given.contains('/') {
            return Err(ValueError::Unit);
        }
        let has_kind =
            UNIT_KINDS.iter().any(|kind| given.strip_suffix(kind).is_some_and(|name| !name.is_empty()));
        Ok(Self::Unit(if has_kind { given.to_owned() } else { format!("{given}.service") }))
    }

    /// The value of `--container`.
    pub fn parse_container(given: &str) -> Result<Self, ValueError> {
        if given.is_empty() || given.contains('/') {
            return Err(ValueError::Container);
        }
        Ok(Self::Container(given.to_owned()))
    }
}

impl fmt::Display for CgroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "cgroup {}", safe_text(path.as_os_str().as_bytes())),
            Self::Id(id) => write!(f, "cgroup {id}"),
            Self::Unit(name) => write!(f, "unit {}", safe_text(name.as_bytes())),
            Self::Container(name) => write!(f, "container {}", safe_text(name.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_an_id_and_all_else_is_a_path() {
        assert_eq!(CgroupName::parse(OsStr::new("4312")), Ok(CgroupName::Id(4312)));
        for path in ["/system.slice/a.service", "a/b", "/", "18446744073709551616", "-1"] {
            assert_eq!(CgroupName::parse(OsStr::new(path)), Ok(CgroupName::Path(path.into())));
        }
        assert_eq!(CgroupName::parse(OsStr::new("")), Err(ValueError::Cgroup));
    }

    #[test]
    fn a_unit_without_an_ending_is_a_service() {
        let unit = |given: &str| CgroupName::parse_unit(given).map(|name| name.to_string());
        assert_eq!(unit("nginx"), Ok("unit nginx.service".to_owned()));
        assert_eq!(unit("postgresql@16-main"), Ok("unit postgresql@16-main.service".to_owned()));
        assert_eq!(unit("session-1.scope"), Ok("unit session-1.scope".to_owned()));
        assert_eq!(unit("node.js"), Ok("unit node.js.service".to_owned()));
        assert_eq!(unit(".slice"), Ok("unit .slice.service".to_owned()));
        assert_eq!(unit(""), Err(ValueError::Unit));
        assert_eq!(unit("a/b"), Err(ValueError::Unit));
        assert_eq!(CgroupName::parse_container(""), Err(ValueError::Container));
        assert_eq!(
            CgroupName::Container("\u{1b}[2J".to_owned()).to_string(),
            "container \\x1b[2J",
            "no escape reaches a terminal"
        );
    }
}
