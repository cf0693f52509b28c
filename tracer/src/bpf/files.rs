//! What the programs need to say which file a descriptor stands for, and whether this kernel gives it.

use std::io;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::fstat;
use tracer_common::config::{INODE_BYTES, Offsets};

use crate::file::device;

/// An inode by device, as the kernel numbers them, and number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) dev: u32,
    pub(super) ino: u64,
}

/// The inode that eventfds, epolls and their like share, as one of them shows it.
pub(super) fn anonymous_inode() -> io::Result<Inode> {
    let stat = fstat(eventfd(0, EventfdFlags::CLOEXEC)?)?;
    Ok(Inode { dev: device(stat.st_dev), ino: stat.st_ino })
}

/// Whether every place that has to be read is known.
pub(super) fn can_be_told(offsets: &Offsets) -> bool {
    let in_inode = [offsets.inode_mode, offsets.inode_number, offsets.inode_super_block];
    let elsewhere = [
        offsets.task_files,
        offsets.files_table,
        offsets.table_len,
        offsets.table_files,
        offsets.file_inode,
        offsets.file_operations,
        offsets.operations_release,
        offsets.super_block_device,
    ];
    let is_inside = |&offset: &u32| (offset as usize).saturating_add(size_of::<u64>()) <= INODE_BYTES;
    !elsewhere.contains(&Offsets::UNKNOWN) && in_inode.iter().all(is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_anonymous_shares_an_inode() {
        let epoll =
            rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let stat = fstat(epoll).expect("it is open");
        let inode = Inode { dev: device(stat.st_dev), ino: stat.st_ino };
        assert_eq!(anonymous_inode().expect("an eventfd"), inode);
    }
}
