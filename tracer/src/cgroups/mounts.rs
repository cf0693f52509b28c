//! Where the hierarchy of version 2 is mounted, and what of it. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// A mount of the hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where.
    pub(super) point: PathBuf,
    /// Which cgroup is at that place; `/` but in a container without a cgroup namespace of its own.
    root: PathBuf,
}

impl Mount {
    /// The first in `/proc/self/mountinfo`, with the whole hierarchy if one has it.
    pub(super) fn find(mountinfo: &[u8]) -> Option<Self> {
        let mut mounts: Vec<Self> = of_type(mountinfo, b"cgroup2")
            .map(|(root, point)| Self { point: unescaped(point), root: unescaped(root) })
            .collect();
        let whole = mounts.iter().position(|mount| mount.root == Path::new("/")).unwrap_or(0);
        (!mounts.is_empty()).then(|| mounts.swap_remove(whole))
    }

    /// The directories that somebody may mean by `given`, the likeliest first.
    pub(super) fn candidates(&self, given: &Path) -> Vec<PathBuf> {
        if given.starts_with(&self.point) {
            return vec![given.to_owned()];
        }
        let mut candidates = Vec::new();
        if self.root != Path::new("/")
            && let Ok(below) = given.strip_prefix(&self.root)
        {
            candidates.push(self.point.join(below));
        }
        candidates.push(self.point.join(given.strip_prefix("/").unwrap_or(given)));
        candidates
    }

    /// The path of a directory as `/proc/PID/cgroup` would show it to somebody whose root of cgroups is this mount.
    pub(super) fn below(&self, directory: &Path) -> PathBuf {
        match directory.strip_prefix(&self.point) {
            Ok(below) if below.as_os_str().is_empty() => self.root.clone(),
            Ok(below) => self.root.join(below),
            Err(_) => directory.to_owned(),
        }
    }
}

/// Whether hierarchies of version 1 are mounted.
pub(super) fn has_version_1(mountinfo: &[u8]) -> bool {
    of_type(mountinfo, b"cgroup").next().is_some()
}

/// Root and mount point of the mounts of a type. A line is `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - TYPE …`.
/// <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>
fn of_type<'a>(mountinfo: &'a [u8], kind: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    mountinfo.split(|&byte| byte == b'\n').filter_map(move |line| {
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let dash = 6 + words.get(6..)?.iter().position(|word| *word == b"-")?;
        (*words.get(dash + 1)? == kind).then_some((*words.get(3)?, *words.get(4)?))
    })
}

/// `\040` to a space, and the like.
fn unescaped(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) if byte == b'\\' => {
                bytes.push(escaped);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = b"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn it_is_found_wherever_it_is() {
        let mount = |point: &str, root: &str| Some(Mount { point: point.into(), root: root.into() });
        assert_eq!(Mount::find(HYBRID), mount("/sys/fs/cgroup/unified", "/"));
        assert!(has_version_1(HYBRID));
        let modern =
            b"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 master:1 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(Mount::find(modern), mount("/sys/fs/cgroup", "/"));
        assert!(!has_version_1(modern));
        let inside = b"9 8 0:26 /docker/a\\040b /sys/fs/cgroup ro - cgroup2 cgroup rw\n\
            10 8 0:26 / /host/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(Mount::find(inside), mount("/host/cgroup", "/"));
        assert_eq!(Mount::find(&inside[..66]), mount("/sys/fs/cgroup", "/docker/a b"));
        assert_eq!(Mount::find(b"nonsense\n1 2 3 - cgroup2\n\xff - cgroup2"), None);
    }

    #[test]
    fn a_path_is_meant_as_it_is_shown_in_either_place() {
        let whole = Mount::find(HYBRID).expect("mounted");
        for given in ["/sys/fs/cgroup/unified/a/b", "/a/b", "a/b"] {
            assert_eq!(whole.candidates(Path::new(given)), [Path::new("/sys/fs/cgroup/unified/a/b")]);
        }
        assert_eq!(whole.below(Path::new("/sys/fs/cgroup/unified/a/b")), Path::new("/a/b"));
        assert_eq!(whole.below(&whole.point), Path::new("/"));
        let part = Mount { point: "/sys/fs/cgroup".into(), root: "/docker/x".into() };
        let below = [Path::new("/sys/fs/cgroup/a"), Path::new("/sys/fs/cgroup/docker/x/a")];
        assert_eq!(part.candidates(Path::new("/docker/x/a")), below);
        assert_eq!(part.below(Path::new("/sys/fs/cgroup/a")), Path::new("/docker/x/a"));
        assert_eq!(part.below(&part.point), Path::new("/docker/x"));
    }

    proptest::proptest! {
        #[test]
        fn no_table_makes_it_panic(bytes in "([0-9]{1,3}|/|-| |\n|cgroup2?|\\\\[0-9]{0,4}|é){0,60}") {
            let _ = (Mount::find(bytes.as_bytes()), has_version_1(bytes.as_bytes()));
        }
    }
}
