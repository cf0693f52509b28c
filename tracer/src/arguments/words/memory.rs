//! Words of calls on memory.

use super::{Words, any_of, one_of};

/// `mmap`, `mprotect`.
pub(in super::super) const PROTECTION: Words = Words {
    mask: u64::MAX,
    choices: &[(0, "PROT_NONE")],
    flags: &[
        (1, "PROT_READ"),
        (2, "PROT_WRITE"),
        (4, "PROT_EXEC"),
        (8, "PROT_SEM"),
        (0x0100_0000, "PROT_GROWSDOWN"),
        (0x0200_0000, "PROT_GROWSUP"),
    ],
};

/// `mmap`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/asm-generic/mman-common.h#L19-L33>
pub(in super::super) const MAP: Words = Words {
    mask: 0xf,
    choices: &[(1, "MAP_SHARED"), (2, "MAP_PRIVATE"), (3, "MAP_SHARED_VALIDATE"), (8, "MAP_DROPPABLE")],
    flags: &[
        (0x10, "MAP_FIXED"),
        (0x20, "MAP_ANONYMOUS"),
        (0x40, "MAP_32BIT"),
        (0x100, "MAP_GROWSDOWN"),
        (0x800, "MAP_DENYWRITE"),
        (0x1000, "MAP_EXECUTABLE"),
        (0x2000, "MAP_LOCKED"),
        (0x4000, "MAP_NORESERVE"),
        (0x8000, "MAP_POPULATE"),
        (0x10000, "MAP_NONBLOCK"),
        (0x20000, "MAP_STACK"),
        (0x40000, "MAP_HUGETLB"),
        (0x80000, "MAP_SYNC"),
        (0x10_0000, "MAP_FIXED_NOREPLACE"),
    ],
};

/// `mremap`.
pub(in super::super) const REMAP: Words =
    any_of(&[(1, "MREMAP_MAYMOVE"), (2, "MREMAP_FIXED"), (4, "MREMAP_DONTUNMAP")]);

/// `madvise`.
pub(in super::super) const ADVICE: Words = one_of(&[
    (0, "MADV_NORMAL"),
    (1, "MADV_RANDOM"),
    (2, "MADV_SEQUENTIAL"),
    (3, "MADV_WILLNEED"),
    (4, "MADV_DONTNEED"),
    (8, "MADV_FREE"),
    (9, "MADV_REMOVE"),
    (10, "MADV_DONTFORK"),
    (11, "MADV_DOFORK"),
    (12, "MADV_MERGEABLE"),
    (13, "MADV_UNMERGEABLE"),
    (14, "MADV_HUGEPAGE"),
    (15, "MADV_NOHUGEPAGE"),
    (16, "MADV_DONTDUMP"),
    (17, "MADV_DODUMP"),
    (18, "MADV_WIPEONFORK"),
    (19, "MADV_KEEPONFORK"),
    (20, "MADV_COLD"),
    (21, "MADV_PAGEOUT"),
    (22, "MADV_POPULATE_READ"),
    (23, "MADV_POPULATE_WRITE"),
    (24, "MADV_DONTNEED_LOCKED"),
    (25, "MADV_COLLAPSE"),
    (102, "MADV_GUARD_INSTALL"),
    (103, "MADV_GUARD_REMOVE"),
]);

/// `msync`.
pub(in super::super) const SYNC: Words = any_of(&[(1, "MS_ASYNC"), (2, "MS_INVALIDATE"), (4, "MS_SYNC")]);

/// `mlockall`.
pub(in super::super) const LOCK_ALL: Words =
    any_of(&[(1, "MCL_CURRENT"), (2, "MCL_FUTURE"), (4, "MCL_ONFAULT")]);

/// `mlock2`.
pub(in super::super) const LOCK: Words = any_of(&[(1, "MLOCK_ONFAULT")]);

/// `mbind`, `set_mempolicy`.
pub(in super::super) const POLICY: Words = Words {
    mask: 0xff,
    choices: &[
        (0, "MPOL_DEFAULT"),
        (1, "MPOL_PREFERRED"),
        (2, "MPOL_BIND"),
        (3, "MPOL_INTERLEAVE"),
        (4, "MPOL_LOCAL"),
        (5, "MPOL_PREFERRED_MANY"),
        (6, "MPOL_WEIGHTED_INTERLEAVE"),
    ],
    flags: &[
        (0x2000, "MPOL_F_NUMA_BALANCING"),
        (0x4000, "MPOL_F_RELATIVE_NODES"),
        (0x8000, "MPOL_F_STATIC_NODES"),
    ],
};

#[cfg(test)]
pub(super) const ALL: &[Words] = &[PROTECTION, MAP, REMAP, ADVICE, SYNC, LOCK_ALL, LOCK, POLICY];
