//! Where tracefs is, and what the classic tracepoints' own format files in it say.

use std::io;
use std::path::PathBuf;

use rustix::mount::{MountFlags, mount};

/// Where every kernel since 4.1 has an empty folder for it.
const USUAL_PLACE: &str = "/sys/kernel/tracing";

/// Where tracefs is mounted; `None` when it is not.
pub fn mount_point() -> Option<PathBuf> {
    [USUAL_PLACE, "/sys/kernel/debug/tracing"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.join("events/raw_syscalls/sys_enter/id").exists())
}

/// Mounts tracefs at its usual place where nobody has yet, as perf does: a host without systemd may have none,
/// and classic tracepoints are found through it. Needs `CAP_SYS_ADMIN`.
pub fn ensure_mounted() -> io::Result<()> {
    if mount_point().is_some() {
        return Ok(());
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("tracefs", USUAL_PLACE, "tracefs", flags, None)?)
}

/// Byte offset of `field` in the record of `event` (`sched/sched_process_fork`).
pub fn field_offset(event: &str, field: &str) -> Option<u32> {
    let format = std::fs::read_to_string(mount_point()?.join("events").join(event).join("format")).ok()?;
    parse_field_offset(&format, field)
}

/// A format line is `field:pid_t child_pid; offset:44; size:4; signed:1;`, with tabs.
fn parse_field_offset(format: &str, field: &str) -> Option<u32> {
    format.lines().find_map(|line| {
        let mut parts = line.trim().split(';').map(str::trim);
        let declaration = parts.next()?.strip_prefix("field:")?;
        let name = declaration.rsplit(' ').next()?.split('[').next()?;
        if name != field {
            return None;
        }
        parts.find_map(|part| part.strip_prefix("offset:"))?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::parse_field_offset;

    #[test]
    fn offsets_are_read_from_both_shapes_of_the_fork_record() {
        let fixed = "\tfield:char parent_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
                     \tfield:pid_t child_pid;\toffset:44;\tsize:4;\tsigned:1;\n";
        let located = "\tfield:__data_loc char[] child_comm;\toffset:16;\tsize:4;\tsigned:0;\n\
                       \tfield:pid_t child_pid;\toffset:20;\tsize:4;\tsigned:1;\n";
        assert_eq!(parse_field_offset(fixed, "child_pid"), Some(44));
        assert_eq!(parse_field_offset(located, "child_pid"), Some(20));
        assert_eq!(parse_field_offset(fixed, "parent_comm"), Some(8));
        assert_eq!(parse_field_offset(fixed, "old_pid"), None);
        assert_eq!(parse_field_offset("nonsense", "child_pid"), None);
    }
}
