//! What can be expected of a syscall: how soon it returns, and in which ways it fails in healthy programs.

use crate::interval::CallKey;
use crate::interval::examples::Example;
use crate::syscalls;

/// The symbols of the errnos that rules speak of.
pub(super) mod errno {
    macro_rules! errnos {
        ($($name:ident)+) => {$( pub(in crate::findings) const $name: u16 = libc::$name as u16; )+};
    }
    errnos! {
        EACCES EADDRNOTAVAIL EAGAIN EALREADY EBADF ECHILD EDQUOT EEXIST EINPROGRESS EINTR EINVAL EISCONN
        EMFILE ENFILE ENODATA ENODEV ENOENT ENOPROTOOPT ENOSPC ENOSYS ENOTCONN ENOTDIR ENOTSUP ENOTTY ENXIO EPERM
        ERANGE ESPIPE ESRCH ETIME ETIMEDOUT
    }
}
use errno::{
    EACCES, EADDRNOTAVAIL, EAGAIN, EALREADY, EBADF, ECHILD, EEXIST, EINPROGRESS, EINTR, EINVAL, EISCONN,
    ENODATA, ENODEV, ENOENT, ENOPROTOOPT, ENOSYS, ENOTCONN, ENOTDIR, ENOTSUP, ENOTTY, ENXIO, EPERM, ERANGE,
    ESPIPE, ESRCH, ETIME, ETIMEDOUT,
};

/// How soon a call should return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// Soon, whoever it is for: what it waits for is a device or a lock.
    Prompt,
    /// When the other end of a socket has something to say, or takes what was said.
    Peer,
    /// That depends on the descriptor, which is not known: `read` of a file is prompt, of a pipe it lasts until
    /// a child has something to say.
    Descriptor,
    /// It is how programs wait.
    Waits,
    /// There is nothing to expect of it.
    Unknown,
}

/// How soon it should return.
pub(super) fn nature(call: CallKey) -> Nature {
    if syscalls::waits_by_design(call) {
        return Nature::Waits;
    }
    match &*syscalls::plain_name(call) {
        "recv" | "recvfrom" | "recvmsg" | "recvmmsg" | "recvmmsg_time64" | "send" | "sendto" | "sendmsg"
        | "sendmmsg" => Nature::Peer,
        "read" | "readv" | "write" | "writev" | "sendfile" | "sendfile64" | "splice" | "tee" | "vmsplice"
        | "process_vm_readv" | "process_vm_writev" => Nature::Descriptor,
        // KVM_RUN is an ioctl and lasts as long as a guest computes; vfork lasts until the child executes; a
        // reader of the kernel log waits in syslog, a tracer in ptrace and seccomp; ipc and socketcall are
        // many calls under one number.
        "ioctl" | "vfork" | "clone" | "clone3" | "exit" | "exit_group" | "syslog" | "ptrace" | "seccomp"
        | "ipc" | "socketcall" | "rt_sigreturn" | "sigreturn" | "copy_file_range" | "userfaultfd"
        | "reboot" | "fanotify_mark" | "request_key" | "kexec_load" | "kexec_file_load" | "init_module"
        | "finit_module" | "open_by_handle_at" => Nature::Unknown,
        name if name.starts_with("syscall_") => Nature::Unknown,
        _ => Nature::Prompt,
    }
}

/// Whether it should return soon whoever makes it: what it waits for is a device or a lock.
pub fn is_prompt(call: CallKey) -> bool {
    nature(call) == Nature::Prompt
}

/// Whether it is how threads wait for other threads.
pub(super) fn waits_for_threads(call: CallKey) -> bool {
    matches!(&*syscalls::plain_name(call), "futex" | "futex_time64" | "futex_wait" | "futex_waitv")
}

/// Whether what has been waited for arrives by it.
pub(super) fn receives(call: CallKey) -> bool {
    matches!(
        &*syscalls::plain_name(call),
        "read" | "readv" | "recv" | "recvfrom" | "recvmsg" | "recvmmsg" | "recvmmsg_time64"
    )
}

/// Whether it makes data durable.
pub(super) fn is_sync(call: CallKey) -> bool {
    matches!(
        &*syscalls::plain_name(call),
        "fsync" | "fdatasync" | "sync_file_range" | "sync_file_range2" | "msync" | "sync" | "syncfs"
    )
}

/// Whether it looks a file up by name, so that ENOENT is an answer rather than a failure.
pub(super) fn is_lookup(call: CallKey) -> bool {
    matches!(
        &*syscalls::plain_name(call),
        "open"
            | "openat"
            | "openat2"
            | "stat"
            | "lstat"
            | "stat64"
            | "lstat64"
            | "newfstatat"
            | "fstatat64"
            | "statx"
            | "access"
            | "faccessat"
            | "faccessat2"
            | "readlink"
            | "readlinkat"
            | "execve"
            | "execveat"
            | "inotify_add_watch"
            | "statfs"
            | "statfs64"
            | "getxattr"
            | "lgetxattr"
            | "chdir"
    )
}

/// Whether ENOSPC of it speaks of a file system; of others it means other limits (watches, semaphores).
pub(super) fn takes_space(call: CallKey) -> bool {
    matches!(
        &*syscalls::plain_name(call),
        "write"
            | "writev"
            | "pwrite64"
            | "pwritev"
            | "pwritev2"
            | "open"
            | "openat"
            | "openat2"
            | "creat"
            | "mkdir"
            | "mkdirat"
            | "rename"
            | "renameat"
            | "renameat2"
            | "link"
            | "linkat"
            | "symlink"
            | "symlinkat"
            | "mknod"
            | "mknodat"
            | "fallocate"
            | "ftruncate"
            | "ftruncate64"
            | "truncate"
            | "truncate64"
            | "fsync"
            | "fdatasync"
            | "sync_file_range"
            | "sync_file_range2"
            | "msync"
            | "syncfs"
            | "copy_file_range"
            | "sendfile"
            | "sendfile64"
            | "splice"
            | "close"
            | "setxattr"
            | "lsetxattr"
            | "fsetxattr"
    )
}

/// How often one process asks for the same path in vain before that is no part of a search any more.
const AGAIN: u64 = 60;

/// Whether a process keeps asking for a path that is not there. A search passes through many such paths, each once or a few
/// times; who asks for the same one over and over needs it, or should have remembered the answer.
pub fn asks_again(call: CallKey, errno: u16, examples: &[Example]) -> bool {
    matches!(errno, ENOENT | ENOTDIR)
        && is_lookup(call)
        && examples.iter().any(|example| example.at_least() >= AGAIN)
}

/// Whether healthy programs get this answer: it tells them something, and nothing is wrong.
pub fn is_expected(call: CallKey, errno: u16) -> bool {
    if matches!(errno, EAGAIN | EINTR | EINPROGRESS | EALREADY | EISCONN | ENOSYS) {
        return true;
    }
    if syscalls::waits_by_design(call) {
        return matches!(errno, ETIMEDOUT | ETIME | ECHILD | EINVAL);
    }
    if is_lookup(call) && matches!(errno, ENOENT | ENOTDIR) {
        return true;
    }
    match &*syscalls::plain_name(call) {
        // Asking whether a descriptor is a terminal, or what kind of device it is.
        "ioctl" => matches!(errno, ENOTTY | EINVAL | ENODEV | ENOTSUP | ENXIO),
        // Asking for permission is what it is for.
        "access" | "faccessat" | "faccessat2" => matches!(errno, EACCES | EPERM),
        // Made unless they were there; removed unless they were gone.
        "mkdir" | "mkdirat" | "link" | "linkat" | "symlink" | "symlinkat" => errno == EEXIST,
        "open" | "openat" | "openat2" => matches!(errno, EEXIST | ENXIO),
        "unlink" | "unlinkat" | "rmdir" => errno == ENOENT,
        "lseek" | "_llseek" | "pread64" => matches!(errno, ESPIPE | ENXIO),
        "getxattr" | "lgetxattr" | "fgetxattr" | "listxattr" | "llistxattr" | "flistxattr" => {
            matches!(errno, ENODATA | ENOTSUP | ENOENT | ERANGE)
        }
        "getcwd" => errno == ERANGE,
        "kill" | "tgkill" | "tkill" | "sched_setaffinity" | "sched_getaffinity" | "getpgid" | "getsid" => {
            errno == ESRCH
        }
        "getsockopt" | "setsockopt" => matches!(errno, ENOPROTOOPT | ENOTSUP),
        // Looking for an address to speak from, as resolvers do.
        "bind" | "connect" => errno == EADDRNOTAVAIL,
        "getpeername" | "shutdown" => errno == ENOTCONN,
        "epoll_ctl" => matches!(errno, EEXIST | ENOENT | EPERM),
        // Closing whatever might be open.
        "close" | "close_range" => errno == EBADF,
        // Reading a link that is none; trying what another kernel may offer.
        "readlink" | "readlinkat" | "prctl" | "madvise" | "fadvise64" | "mremap" | "membarrier" => {
            errno == EINVAL
        }
        _ => false,
    }
}
