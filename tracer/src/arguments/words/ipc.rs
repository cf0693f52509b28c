//! Words of System V IPC.

use super::{Words, any_of, one_of};

/// `semget`, `shmget`, `msgget`: flags around a mode, which is kept apart.
pub(in super::super) const GET: Words =
    any_of(&[(0o1000, "IPC_CREAT"), (0o2000, "IPC_EXCL"), (0o4000, "SHM_HUGETLB")]);

/// Keys.
pub(in super::super) const KEY: Words = one_of(&[(0, "IPC_PRIVATE")]);

/// `semctl`.
pub(in super::super) const SEMCTL: Words = one_of(&[
    (0, "IPC_RMID"),
    (1, "IPC_SET"),
    (2, "IPC_STAT"),
    (3, "IPC_INFO"),
    (11, "GETPID"),
    (12, "GETVAL"),
    (13, "GETALL"),
    (14, "GETNCNT"),
    (15, "GETZCNT"),
    (16, "SETVAL"),
    (17, "SETALL"),
    (18, "SEM_STAT"),
    (19, "SEM_INFO"),
]);

/// `shmctl`.
pub(in super::super) const SHMCTL: Words = one_of(&[
    (0, "IPC_RMID"),
    (1, "IPC_SET"),
    (2, "IPC_STAT"),
    (3, "IPC_INFO"),
    (11, "SHM_LOCK"),
    (12, "SHM_UNLOCK"),
    (13, "SHM_STAT"),
    (14, "SHM_INFO"),
]);

/// `msgctl`.
pub(in super::super) const MSGCTL: Words = one_of(&[
    (0, "IPC_RMID"),
    (1, "IPC_SET"),
    (2, "IPC_STAT"),
    (3, "IPC_INFO"),
    (11, "MSG_STAT"),
    (12, "MSG_INFO"),
]);

/// `shmat`.
pub(in super::super) const SHMAT: Words = any_of(&[
    (0o10_000, "SHM_RDONLY"),
    (0o20_000, "SHM_RND"),
    (0o40_000, "SHM_REMAP"),
    (0o100_000, "SHM_EXEC"),
]);

/// `msgsnd`, `msgrcv`.
pub(in super::super) const MESSAGE: Words =
    any_of(&[(0o4000, "IPC_NOWAIT"), (0o10_000, "MSG_NOERROR"), (0o20_000, "MSG_EXCEPT")]);

#[cfg(test)]
pub(super) const ALL: &[Words] = &[GET, KEY, SEMCTL, SHMCTL, MSGCTL, SHMAT, MESSAGE];
