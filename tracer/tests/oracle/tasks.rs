//! Modes with threads and processes: made, exec'd from the wrong thread, and killed while they wait.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use crate::raw;
use crate::run::StartGate;
use crate::tally::{Row, Tally};
use crate::watch;

/// Threads alive at a time in [`short_threads`].
const BATCH: u64 = 32;

/// The calling thread's id, as the kernel knows it.
pub(crate) fn own_tid() -> u32 {
    raw::syscall(libc::SYS_gettid, [0; 6]) as u32
}

/// `count` threads, each with a name of its own, each making `calls` getppid.
pub(crate) fn threads(tally: &mut Tally, count: u64, calls: u64) {
    let workers: Vec<_> = (0..count)
        .map(|index| {
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    let mut mine = Tally::default();
                    mine.repeat(libc::SYS_getppid, [0; 6], calls);
                    mine
                })
                .expect("a thread starts")
        })
        .collect();
    for worker in workers {
        tally.merge(&worker.join().expect("a worker does not panic"));
    }
    tally.fact("threads", count);
}

/// `count` threads in small batches, each making one getppid.
pub(crate) fn short_threads(tally: &mut Tally, count: u64) {
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        let workers: Vec<_> = (0..batch)
            .map(|_| {
                thread::Builder::new()
                    .stack_size(64 * 1024)
                    .spawn(|| raw::syscall(libc::SYS_getppid, [0; 6]))
                    .expect("a thread starts")
            })
            .collect();
        for worker in workers {
            worker.join().expect("a worker does not panic");
        }
        tally.add_calls(libc::SYS_getppid, batch);
        left -= batch;
    }
    tally.fact("threads", count);
}

/// Forks and counts it; the child runs `life` and hands its ledger back. The PID, and the end to read.
fn fork_child(tally: &mut Tally, life: impl FnOnce(&mut Tally)) -> (u32, PipeReader) {
    let child = child_of(libc::SYS_fork, [0; 6], life);
    tally.add_calls(libc::SYS_fork, 1);
    child
}

/// Makes a child by call `nr`; it runs `life` and writes its ledger to the pipe.
fn child_of(nr: i64, args: [usize; 6], life: impl FnOnce(&mut Tally)) -> (u32, PipeReader) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let pid = raw::syscall(nr, args);
    if pid == 0 {
        let mut mine = Tally::default();
        life(&mut mine);
        writer.write_all(mine.to_lines().as_bytes()).expect("the parent reads");
        exit_group();
    }
    (raw::checked(pid).expect("fork") as u32, reader)
}

/// Ends this process and all its threads without running anything else.
pub(crate) fn exit_group() -> ! {
    raw::syscall(libc::SYS_exit_group, [0; 6]);
    unreachable!("exit_group does not return")
}

/// Reads the ledger of a child and reaps it.
fn reap(tally: &mut Tally, (pid, mut reader): (u32, PipeReader)) {
    let mut lines = String::new();
    reader.read_to_string(&mut lines).expect("the child's ledger");
    tally.merge(&Tally::from_lines(&lines));
    reap_silent(pid);
}

/// Waits until child `pid` is gone; its wait status.
pub(crate) fn reap_silent(pid: u32) -> i32 {
    let mut status = 0_i32;
    let args = [pid as usize, (&raw mut status) as usize, libc::__WALL as usize, 0, 0, 0];
    assert_eq!(raw::syscall(libc::SYS_wait4, args), i64::from(pid), "the child is ours");
    status
}

/// Forks into a PID namespace below ours, with a `/proc` that shows it; 0 in the child.
pub(crate) fn fork_into_pid_namespace() -> io::Result<u32> {
    let mount = |source: &CStr, target: &CStr, kind: &CStr, flags: u64| {
        let [source, target, kind] = [source, target, kind].map(|text| text.as_ptr() as usize);
        raw::checked(raw::syscall(libc::SYS_mount, [source, target, kind, flags as usize, 0, 0]))
    };
    let new = (libc::CLONE_NEWPID | libc::CLONE_NEWNS) as usize;
    raw::checked(raw::syscall(libc::SYS_unshare, [new, 0, 0, 0, 0, 0]))?;
    mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE)?;
    let child = raw::checked(raw::syscall(libc::SYS_fork, [0; 6]))?;
    if child == 0 {
        mount(c"proc", c"/proc", c"proc", 0)?;
    }
    Ok(child as u32)
}

/// Forks into the namespaces in which a child of `pid` would be, which has a child; 0 in the child.
pub(crate) fn fork_beside_child(pid: u32) -> io::Result<u32> {
    let open = |name: &str| File::open(format!("/proc/{pid}/ns/{name}"));
    for (namespace, kind) in
        [(open("pid_for_children")?, libc::CLONE_NEWPID), (open("mnt")?, libc::CLONE_NEWNS)]
    {
        let args = [namespace.as_raw_fd() as usize, kind as usize, 0, 0, 0, 0];
        raw::checked(raw::syscall(libc::SYS_setns, args))?;
    }
    raw::checked(raw::syscall(libc::SYS_fork, [0; 6])).map(|child| child as u32)
}

/// `count` children, one after the other, each making `calls` getppid.
pub(crate) fn forks(tally: &mut Tally, count: u64, calls: u64) {
    for _ in 0..count {
        let child = fork_child(tally, |mine| mine.repeat(libc::SYS_getppid, [0; 6], calls));
        reap(tally, child);
    }
    tally.fact("fork_children", count);
}

/// `count` children by vfork, each of which sleeps 2 ms while its parent waits inside the call.
pub(crate) fn vforks(tally: &mut Tally, count: u64) {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 2_000_000 };
    for _ in 0..count {
        let pid = raw::checked(raw::vfork_child_sleeps(&pause)).expect("vfork");
        reap_silent(pid as u32);
    }
    tally.add_calls(libc::SYS_vfork, count);
    tally.add_calls(libc::SYS_nanosleep, count);
    tally.fact("fork_children", count);
    tally.fact("child_sleep_ns", pause.tv_nsec);
}

/// One step of a chain of `execve` calls, each made by a thread that is not the leader, while the leader
/// waits in `pause`. The last program of the chain prints the ledger of all.
pub(crate) fn thread_exec_step(left: u64, done: u64, gate: StartGate) -> ! {
    if left == 0 {
        let mut tally = Tally::default();
        tally.add_calls(libc::SYS_getppid, done);
        tally.add_calls(libc::SYS_execve, done);
        tally.add(libc::SYS_pause, &Row { calls: done, interrupted: done, ..Row::default() });
        tally.fact("threads", done);
        gate.close("thread-exec", &tally);
        std::process::exit(0);
    }
    let leader = std::process::id();
    thread::spawn(move || {
        watch::until_blocked(leader, leader, libc::SYS_pause);
        raw::syscall(libc::SYS_getppid, [0; 6]);
        // The path, not /proc/self/exe: the command's name must stay `oracle`.
        let path = std::env::current_exe().expect("our own path");
        let path = CString::new(path.as_os_str().as_bytes()).expect("a path holds no NUL");
        let numbers = [left - 1, done + 1].map(|n| CString::new(n.to_string()).expect("digits hold no NUL"));
        let [left, done] = numbers;
        let args = [path.clone(), c"thread-exec-step".to_owned(), left, done, gate.as_argument()];
        let why = raw::execve(&path, &args);
        panic!("execve of {path:?} failed: {why}");
    });
    raw::syscall(libc::SYS_pause, [0; 6]);
    unreachable!("no handler is set, so pause ends with the program")
}

/// `count` children killed by SIGKILL inside `readv`, then `count` whose second thread is inside `recvfrom`
/// when the first calls `exit_group`.
pub(crate) fn killed(tally: &mut Tally, count: u64) {
    for _ in 0..count {
        let (child, _reader) = fork_child(tally, |_| {
            let (silent, _writer) = io::pipe().expect("a pipe");
            readv_one_byte(silent.as_raw_fd());
            unreachable!("nobody writes")
        });
        watch::until_blocked(child, child, libc::SYS_readv);
        let killed = raw::syscall(libc::SYS_kill, [child as usize, libc::SIGKILL as usize, 0, 0, 0, 0]);
        assert_eq!(killed, 0, "the child is ours");
        reap_silent(child);
    }
    tally.add(libc::SYS_readv, &Row { calls: count, interrupted: count, ..Row::default() });
    tally.add_calls(libc::SYS_kill, count);

    for _ in 0..count {
        let (child, _reader) = fork_child(tally, |_| {
            let (silent, _other) = UnixStream::pair().expect("a socket pair");
            let (send_tid, receive_tid) = mpsc::channel();
            thread::spawn(move || {
                send_tid.send(own_tid()).expect("the main thread waits");
                receive_one_byte(silent.as_raw_fd());
            });
            let tid = receive_tid.recv().expect("the thread says who it is");
            watch::until_blocked(std::process::id(), tid, libc::SYS_recvfrom);
            exit_group();
        });
        reap_silent(child);
    }
    tally.add(libc::SYS_recvfrom, &Row { calls: count, interrupted: count, ..Row::default() });
    tally.fact("fork_children", 2 * count);
    tally.fact("threads", count);
    tally.fact("killed", 2 * count);
}

/// `readv` of one byte; the raw result.
pub(crate) fn readv_one_byte(fd: i32) -> i64 {
    let mut byte = 0u8;
    let vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    raw::syscall(libc::SYS_readv, [fd as usize, (&raw const vector) as usize, 1, 0, 0, 0])
}

/// `recvfrom` of one byte; the raw result.
pub(crate) fn receive_one_byte(fd: i32) -> i64 {
    let mut byte = 0u8;
    raw::syscall(libc::SYS_recvfrom, [fd as usize, (&raw mut byte) as usize, 1, 0, 0, 0])
}

/// A child forked before the start, waiting for its parent's word.
pub(crate) struct Descendant {
    start: PipeWriter,
    child: (u32, PipeReader),
    calls: u64,
}

impl Descendant {
    /// Forks the child that `tree` starts later. It makes `calls` getpgid, and has a child of its own make
    /// `calls` getpriority.
    pub(crate) fn fork(calls: u64) -> Self {
        let (mut waiting, start) = io::pipe().expect("a pipe");
        // By `clone`, so that the row of `fork` holds what happens after the start and nothing else.
        let child = child_of(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0, 0], |mine| {
            let mut byte = [0];
            waiting.read_exact(&mut byte).expect("the parent starts us");
            mine.repeat(libc::SYS_getpgid, [0; 6], calls);
            let grandchild = fork_child(mine, |its| its.repeat(libc::SYS_getpriority, [0; 6], calls));
            reap(mine, grandchild);
        });
        Self { start, child, calls }
    }
}

/// A family: this process makes getppid, a child of before the start getpgid, its own new child getpriority,
/// and a new child of ours getsid. Which rows a tracer shows says whom it followed.
pub(crate) fn tree(tally: &mut Tally, mut descendant: Descendant) {
    let calls = descendant.calls;
    tally.repeat(libc::SYS_getppid, [0; 6], calls);
    descendant.start.write_all(b"g").expect("the child waits");
    let existing = descendant.child.0;
    reap(tally, descendant.child);
    let new = fork_child(tally, |mine| mine.repeat(libc::SYS_getsid, [0; 6], calls));
    tally.fact("existing_children", 1);
    tally.fact("existing_child", existing);
    tally.fact("new_child", new.0);
    reap(tally, new);
    tally.fact("fork_children", 2);
}
