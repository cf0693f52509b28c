//! What a descriptor stands for: the identity of an open file as the kernel has it, and the name that somebody found
//! for it. Plain data; finding names is [`crate::source::files`]'s.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracer_common::record::{FileRecord, file_kind};

use crate::human::safe_text;
use crate::process::Comm;

/// Most bytes of a name that are kept.
pub const MAX_NAME_BYTES: usize = 4096;

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum FileKind {
    /// A pipe or FIFO.
    Pipe = 1,
    /// A device of characters: a terminal, `/dev/null`.
    CharacterDevice = 2,
    /// A directory.
    Directory = 4,
    /// A device of blocks.
    BlockDevice = 6,
    /// A regular file.
    Regular = 8,
    /// A symbolic link, opened as such.
    Symlink = 10,
    /// A socket.
    Socket = 12,
    /// Something of the kernel's that has no type: an io\_uring, a pidfd.
    Other = 14,
    /// An eventfd, an epoll or whatever else shares its inode with its like.
    Anonymous = file_kind::ANONYMOUS as u8,
}

impl FileKind {
    /// From what the kernel side says, or a recording; `None` where that is nothing.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            file_kind::NONE => return None,
            1 => Self::Pipe,
            2 => Self::CharacterDevice,
            4 => Self::Directory,
            6 => Self::BlockDevice,
            8 => Self::Regular,
            10 => Self::Symlink,
            12 => Self::Socket,
            file_kind::ANONYMOUS => Self::Anonymous,
            _ => Self::Other,
        })
    }

    /// The word for it in tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::CharacterDevice => "character_device",
            Self::Directory => "directory",
            Self::BlockDevice => "block_device",
            Self::Regular => "file",
            Self::Symlink => "symlink",
            Self::Socket => "socket",
            Self::Other => "other",
            Self::Anonymous => "anonymous",
        }
    }
}

/// The identity of an open file, for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// What kind.
    pub kind: FileKind,
    /// Device of its file system as the kernel numbers them, see [`device`].
    pub dev: u32,
    /// Inode. Of [`FileKind::Anonymous`] what kind of thing it is (a number of the run) in the upper half and the descriptor
    /// in the lower: it has nothing else that tells it from others.
    pub ino: u64,
}

impl FileId {
    /// From what the kernel side says.
    pub fn from_record(record: FileRecord) -> Option<Self> {
        let kind = FileKind::from_number(record.kind)
            // Some kernels say no type of what has none.
            .or((record.ino != 0 || record.dev != 0).then_some(FileKind::Other))?;
        Some(Self { kind, dev: record.dev, ino: record.ino })
    }

    /// What can be said without a name.
    pub fn label(self) -> String {
        let (major, minor) = (self.dev >> 20, self.dev & 0xf_ffff);
        match self.kind {
            FileKind::Anonymous => "anonymous".to_owned(),
            FileKind::Pipe | FileKind::Socket => format!("{}:[{}]", self.kind.name(), self.ino),
            FileKind::Other => format!("inode {}", self.ino),
            kind => format!("{} {major}:{minor} inode {}", kind.name().replace('_', " "), self.ino),
        }
    }
}

/// A device as `stat` shows it in the numbering of [`FileId::dev`]: major in the upper 12 bits, minor in the lower 20.
pub fn device(st_dev: u64) -> u32 {
    rustix::fs::major(st_dev) << 20 | rustix::fs::minor(st_dev) & 0xf_ffff
}

/// What somebody found out about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Known {
    /// Its path, or what stands for one: `pipe:[123]`, `epoll`, `tcp 10.0.0.1:40000`. Any bytes.
    pub name: Box<[u8]>,
    /// Of a socket that is connected, whom it is connected to.
    pub peer: Option<Peer>,
}

/// The other end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Peer {
    /// Its address: `10.0.0.5:5432`, the path of a unix socket; empty where it has none.
    pub address: Box<[u8]>,
    /// The process that holds it, where that is on this host: PID as `/proc` shows it, and name.
    pub process: Option<(u32, Comm)>,
}

impl Peer {
    /// The other end, of which at least one thing must be known: an empty address of nobody's is no peer, in a recording as
    /// well as here.
    pub fn new(address: impl Into<Box<[u8]>>, process: Option<(u32, Comm)>) -> Option<Self> {
        let address = address.into();
        (process.is_some() || !address.is_empty()).then_some(Self { address, process })
    }
}

impl Known {
    /// Of something that has a name and no peer.
    pub fn named(name: impl Into<Box<[u8]>>) -> Self {
        Self { name: name.into(), peer: None }
    }

    /// How much is known: of two names of one socket the one that says more is the better one.
    fn rank(&self) -> u8 {
        match &self.peer {
            None => 0,
            // Where it was to be connected to is known before what it is called, and more is not found of one that was closed.
            Some(Peer { process: None, .. }) if self.name.starts_with(b"socket:[") => 1,
            Some(Peer { process: None, .. }) => 2,
            Some(_) => 3,
        }
    }

    /// For tables and screens; safe to print.
    pub fn label(&self) -> String {
        let mut label = safe_text(&self.name);
        if let Some(Peer { address, process }) = &self.peer {
            if !address.is_empty() {
                label = format!("{label} -> {}", safe_text(address));
            }
            if let Some((pid, comm)) = process {
                label = format!("{label} ({comm} {pid})");
            }
        }
        label
    }

    /// Memory that it points to.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.peer.as_ref().map_or(0, |peer| peer.address.len())
    }
}

/// The names that one identity had: a file can be renamed, a number can be given to another file, and the kernel side cannot
/// tell files apart that have one inode number in two subvolumes of a btrfs, or in two file systems below an overlay. Merging is
/// associative and commutative: of several the first in order is kept, and that there were others.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Names {
    /// One of them; `None` while none is known.
    pub known: Option<Arc<Known>>,
    /// Whether it had others that say as much.
    pub has_others: bool,
}

impl From<Arc<Known>> for Names {
    /// The only one, as far as known.
    fn from(known: Arc<Known>) -> Self {
        Self { known: Some(known), has_others: false }
    }
}

impl Names {
    /// Adds names of the same file.
    pub fn merge(&mut self, other: &Self) {
        let Some(theirs) = &other.known else { return };
        let Some(mine) = &self.known else {
            self.clone_from(other);
            return;
        };
        if Arc::ptr_eq(mine, theirs) {
            self.has_others |= other.has_others;
            return;
        }
        match mine.rank().cmp(&theirs.rank()) {
            std::cmp::Ordering::Less => self.clone_from(other),
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Equal => {
                self.has_others |= other.has_others || mine != theirs;
                if theirs < mine {
                    self.known = Some(Arc::clone(theirs));
                }
            }
        }
    }

    /// For tables and screens; safe to print.
    pub fn label(&self, file: FileId) -> String {
        match &self.known {
            None => file.label(),
            Some(known) if self.has_others => format!("{} (and other names)", known.label()),
            Some(known) => known.label(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        pub(crate) fn any_names()(
            name in proptest::option::of(0u8..4), address in prop_oneof![Just(""), Just("10.0.0.5:5432")],
            process in prop_oneof![Just(None), Just(Some("postgres")), Just(Some(""))], has_others in any::<bool>(),
        ) -> Names {
            let known = name.map(|name| {
                let peer = Peer::new(address.as_bytes(), process.map(|comm| (7, Comm::new(comm))));
                Arc::new(Known { name: Box::from([b'a' + name]), peer })
            });
            Names { has_others: has_others && known.is_some(), known }
        }
    }

    fn merged(parts: &[&Names]) -> Names {
        let mut sum = Names::default();
        for part in parts {
            sum.merge(part);
        }
        sum
    }

    proptest! {
        #[test]
        fn names_merge_in_any_order(a in any_names(), b in any_names(), c in any_names()) {
            let left = merged(&[&merged(&[&a, &b]), &c]);
            prop_assert_eq!(&left, &merged(&[&a, &merged(&[&b, &c])]));
            prop_assert_eq!(&left, &merged(&[&c, &b, &a]));
            prop_assert_eq!(&merged(&[&a, &a]), &a);
        }
    }

    #[test]
    fn a_socket_that_is_found_later_has_one_name() {
        let known = |name: &[u8]| Names {
            known: Some(Arc::new(Known { name: name.into(), peer: Peer::new(*b"10.0.0.5:80", None) })),
            has_others: false,
        };
        let (early, late) = (known(b"socket:[77]"), known(b"tcp 10.0.0.1:40000"));
        assert_eq!((merged(&[&early, &late]), merged(&[&late, &early])), (late.clone(), late));
    }

    #[test]
    fn devices_are_numbered_as_the_kernel_does() {
        // 259:3, as `stat` packs it.
        assert_eq!(device(rustix::fs::makedev(259, 3)), 259 << 20 | 3);
        assert_eq!(device(rustix::fs::makedev(0, 300)), 300);
    }

    #[test]
    fn labels_say_what_is_known_and_never_more() {
        let socket = FileId { kind: FileKind::Socket, dev: 8, ino: 77 };
        let file = FileId { kind: FileKind::Regular, dev: 259 << 20 | 3, ino: 12 };
        assert_eq!(Names::default().label(socket), "socket:[77]");
        assert_eq!(Names::default().label(file), "file 259:3 inode 12");
        let peer = Peer::new(*b"10.0.0.5:5432", Some((412, Comm::new("postgres"))));
        let known = Known { peer, ..Known::named(*b"tcp 10.0.0.1:40000") };
        let names = Names { known: Some(Arc::new(known)), has_others: false };
        assert_eq!(names.label(socket), "tcp 10.0.0.1:40000 -> 10.0.0.5:5432 (postgres 412)");
        let hostile = Names { known: Some(Arc::new(Known::named(*b"/tmp/\x1b[31m\n"))), has_others: true };
        let label = hostile.label(file);
        assert!(label.ends_with(" (and other names)") && !label.contains(['\x1b', '\n']), "{label}");
    }
}
