//! Words of futexes and barriers.

use super::{Words, any_of, one_of};

/// The operation of `futex`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/futex.h#L11-L31>
pub(in super::super) const FUTEX: Words = Words {
    mask: 0xff,
    choices: &[
        (0, "FUTEX_WAIT"),
        (1, "FUTEX_WAKE"),
        (2, "FUTEX_FD"),
        (3, "FUTEX_REQUEUE"),
        (4, "FUTEX_CMP_REQUEUE"),
        (5, "FUTEX_WAKE_OP"),
        (6, "FUTEX_LOCK_PI"),
        (7, "FUTEX_UNLOCK_PI"),
        (8, "FUTEX_TRYLOCK_PI"),
        (9, "FUTEX_WAIT_BITSET"),
        (10, "FUTEX_WAKE_BITSET"),
        (11, "FUTEX_WAIT_REQUEUE_PI"),
        (12, "FUTEX_CMP_REQUEUE_PI"),
        (13, "FUTEX_LOCK_PI2"),
        (0x80, "FUTEX_WAIT_PRIVATE"),
        (0x81, "FUTEX_WAKE_PRIVATE"),
        (0x83, "FUTEX_REQUEUE_PRIVATE"),
        (0x84, "FUTEX_CMP_REQUEUE_PRIVATE"),
        (0x85, "FUTEX_WAKE_OP_PRIVATE"),
        (0x86, "FUTEX_LOCK_PI_PRIVATE"),
        (0x87, "FUTEX_UNLOCK_PI_PRIVATE"),
        (0x88, "FUTEX_TRYLOCK_PI_PRIVATE"),
        (0x89, "FUTEX_WAIT_BITSET_PRIVATE"),
        (0x8a, "FUTEX_WAKE_BITSET_PRIVATE"),
        (0x8b, "FUTEX_WAIT_REQUEUE_PI_PRIVATE"),
        (0x8c, "FUTEX_CMP_REQUEUE_PI_PRIVATE"),
        (0x8d, "FUTEX_LOCK_PI2_PRIVATE"),
    ],
    flags: &[(0x100, "FUTEX_CLOCK_REALTIME")],
};

/// The bits that a waiter is woken by.
pub(in super::super) const BITSET: Words = one_of(&[(0xffff_ffff, "FUTEX_BITSET_MATCH_ANY")]);

/// `futex_wait`, `futex_wake`, `futex_requeue`.
pub(in super::super) const FUTEX2: Words = Words {
    mask: 3,
    choices: &[(0, "FUTEX2_SIZE_U8"), (1, "FUTEX2_SIZE_U16"), (2, "FUTEX2_SIZE_U32"), (3, "FUTEX2_SIZE_U64")],
    flags: &[(4, "FUTEX2_NUMA"), (0x80, "FUTEX2_PRIVATE")],
};

/// `membarrier`.
pub(in super::super) const BARRIER: Words = one_of(&[
    (0, "MEMBARRIER_CMD_QUERY"),
    (1, "MEMBARRIER_CMD_GLOBAL"),
    (2, "MEMBARRIER_CMD_GLOBAL_EXPEDITED"),
    (4, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED"),
    (8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"),
    (0x10, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"),
    (0x20, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE"),
    (0x40, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE"),
    (0x80, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ"),
    (0x100, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ"),
]);

/// `rseq`.
pub(in super::super) const RSEQ: Words = any_of(&[(1, "RSEQ_FLAG_UNREGISTER")]);

#[cfg(test)]
pub(super) const ALL: &[Words] = &[FUTEX, BITSET, FUTEX2, BARRIER, RSEQ];
