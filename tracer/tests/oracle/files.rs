//! One descriptor that is two files in turn, a file that was deleted, and a connection to itself; files that are closed again
//! at once; more descriptors than anybody can look at: what each call was on is known.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, IntoRawFd as _, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::raw;
use crate::tally::Tally;
use crate::tasks::{exit_group, reap_silent};

/// The descriptor that is reused, and another one.
const REUSED: usize = 100;
const DELETED: usize = 101;

/// Longer than an interval, so that in the next one names are asked for again.
const PAUSE: Duration = Duration::from_millis(1_100);

/// Rounds of a process with many descriptors, some seconds in all.
const MANY_ROUNDS: usize = 12;
const MANY_PAUSE: Duration = Duration::from_millis(250);

/// Descriptors beside those that are counted.
const SPARE: u64 = 1_000;

const MESSAGE: &[u8; 10] = b"0123456789";

/// Longer than a name takes to be found.
const SOON: Duration = Duration::from_millis(200);

/// Twice, `count` reads of each of two files through one descriptor, in turn; `count` reads of a deleted file; `count`
/// messages to a socket of its own.
pub(crate) fn files(tally: &mut Tally, count: u64) {
    let directory = std::env::temp_dir().join(format!("oracle-files-{}", std::process::id()));
    fs::create_dir(&directory).expect("a new directory");
    let file = |name: &str, text: &[u8]| {
        let path = directory.join(name);
        fs::write(&path, text).expect("a new file");
        File::open(path).expect("it is there")
    };
    let (a, b, gone) = (file("a", b"aaaaaaaaaa"), file("b", b"bbbbbbbbbbbbbbbbbbbb"), file("gone", b"xxx"));
    fs::remove_file(directory.join("gone")).expect("it is there");
    for (name, file) in [("inode_a", &a), ("inode_b", &b), ("inode_gone", &gone)] {
        tally.fact(name, file.metadata().expect("it is open").ino());
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let client = TcpStream::connect(address).expect("a connection");
    let (_server, _) = listener.accept().expect("a connection");
    tally.fact("port", address.port());
    // What is behind the descriptor when a round ends is there for as long as it takes to find its name.
    for last in [&a, &b] {
        let first = if last.as_raw_fd() == a.as_raw_fd() { &b } else { &a };
        for _ in 0..count {
            for file in [first, last] {
                reuse(tally, file.as_raw_fd(), REUSED);
                read(tally, REUSED);
            }
        }
        thread::sleep(PAUSE);
    }
    reuse(tally, gone.as_raw_fd(), DELETED);
    for _ in 0..count {
        assert_eq!(tally.call(libc::SYS_lseek, [DELETED, 0, libc::SEEK_SET as usize, 0, 0, 0]), 0);
        read(tally, DELETED);
    }
    for _ in 0..count {
        send_message(tally, client.as_raw_fd());
    }
    // A descriptor without a file.
    assert_eq!(
        tally.call(libc::SYS_sendto, [99, MESSAGE.as_ptr() as usize, 10, 0, 0, 0]),
        -i64::from(libc::EBADF)
    );
    thread::sleep(PAUSE);
    fs::remove_dir_all(&directory).expect("our own directory");
}

/// In a directory that somebody has filled, opens `count` files in each of six ways, reads each once and closes it at once: by
/// absolute paths, through symbolic links, from the working directory, from an open directory, from one that was opened from
/// that, and, last of all, within another root.
pub(crate) fn opens(tally: &mut Tally, place: &Path, count: u64) {
    let names = |way: &str| (0..count).map(|index| format!("{way}{index}")).collect::<Vec<_>>();
    let in_place = |name: String| text(format!("{}/{name}", place.display()));
    for path in ["absolute", "link"].into_iter().flat_map(names).map(in_place) {
        open_and_close(tally, &path);
    }
    std::env::set_current_dir(place).expect("it is there");
    for path in names("relative").into_iter().map(text) {
        open_and_close(tally, &path);
    }
    let directory = File::open(place).expect("it is there").into_raw_fd() as usize;
    for name in names("at").into_iter().map(text) {
        let fd = open_at(tally, directory, &name, 0);
        read_and_close(tally, fd);
    }
    let opened = open_at(tally, directory, c"below", libc::O_DIRECTORY);
    for name in names("deep").into_iter().map(text) {
        let fd = open_at(tally, opened, &name, 0);
        read_and_close(tally, fd);
    }
    close(opened);
    // Let what begins at the working directory be looked up while it is the one.
    thread::sleep(SOON);
    let root = in_place("below".to_owned());
    assert_eq!(raw::syscall(libc::SYS_chroot, [root.as_ptr() as usize, 0, 0, 0, 0, 0]), 0, "root may");
    std::env::set_current_dir("/").expect("it is there");
    for path in names("inside").into_iter().map(|name| text(format!("/{name}"))) {
        open_and_close(tally, &path);
    }
    thread::sleep(SOON);
}

/// With `wanted` descriptors open, a quarter of them pipes and a quarter unix sockets, reads the files of a directory that
/// somebody has filled, and as many of the pipes and of the sockets, once in each round. Where a process may not have so
/// many, children share them, until all together have.
pub(crate) fn many(tally: &mut Tally, place: &Path, wanted: u64) {
    let open = wanted.min(raise_limit(wanted + SPARE) - SPARE);
    let pipes: Vec<_> = (0..open / 8).map(|_| std::io::pipe().expect("a pipe")).collect();
    let sockets: Vec<_> = (0..open / 8).map(|_| UnixStream::pair().expect("a pair of sockets")).collect();
    let null: Vec<_> = (0..open / 2).map(|_| File::open("/dev/null").expect("a device")).collect();
    let paths = fs::read_dir(place).expect("it is there").map(|entry| entry.expect("an entry").path());
    let files: Vec<_> = paths.map(|path| File::open(path).expect("it is there")).collect();
    tally.fact("open", fs::read_dir("/proc/self/fd").expect("our own").count());
    let children: Vec<u32> = (1..wanted.div_ceil(open)).map(|_| waiting_child()).collect();
    tally.fact("children", children.len());
    for (index, child) in children.iter().enumerate() {
        tally.fact(&format!("child{index}"), child);
    }
    let (first_pipes, first_sockets) =
        (pipes.iter().take(files.len()), sockets.iter().rev().take(files.len()));
    for round in 0..MANY_ROUNDS {
        for file in &files {
            read_at_start(tally, file.as_raw_fd());
        }
        for (reader, writer) in first_pipes.clone() {
            write_byte(writer.as_raw_fd());
            read(tally, reader.as_raw_fd() as usize);
        }
        for (one, other) in first_sockets.clone() {
            write_byte(other.as_raw_fd());
            read(tally, one.as_raw_fd() as usize);
        }
        // What does not fit into the rings while nobody empties them is seen.
        tally.repeat(libc::SYS_getppid, [0; 6], 2_000);
        if round + 1 < MANY_ROUNDS {
            thread::sleep(MANY_PAUSE);
        }
    }
    thread::sleep(PAUSE);
    drop(null);
    for child in children {
        assert_eq!(raw::syscall(libc::SYS_kill, [child as usize, libc::SIGKILL as usize, 0, 0, 0, 0]), 0);
        reap_silent(child);
    }
}

/// Lets this process have `wanted` descriptors, or as many as it may; returns how many.
fn raise_limit(wanted: u64) -> u64 {
    let limit = |new: usize, old: usize| {
        raw::syscall(libc::SYS_prlimit64, [0, libc::RLIMIT_NOFILE as usize, new, old, 0, 0])
    };
    let both = [wanted; 2];
    if limit(both.as_ptr() as usize, 0) == 0 {
        return wanted;
    }
    let mut ours = [0_u64; 2];
    assert_eq!(limit(0, ours.as_mut_ptr() as usize), 0);
    let most = [ours[1].min(wanted), ours[1]];
    assert_eq!(limit(most.as_ptr() as usize, 0), 0, "up to the hard limit everybody may");
    most[0]
}

/// A child that has what we have, and waits until it is killed.
fn waiting_child() -> u32 {
    let child = raw::checked(raw::syscall(libc::SYS_fork, [0; 6])).expect("fork");
    if child == 0 {
        loop {
            raw::syscall(libc::SYS_pause, [0; 6]);
        }
    }
    child as u32
}

/// Sends `count` messages to a child through a pair of sockets, and as many through a connection that it has accepted at
/// `socket` in a directory.
pub(crate) fn unix(tally: &mut Tally, place: &Path, count: u64) {
    let listener = UnixListener::bind(place.join("socket")).expect("a new path");
    let (own, other) = UnixStream::pair().expect("a pair of sockets");
    let child = raw::checked(raw::syscall(libc::SYS_fork, [0; 6])).expect("fork");
    if child == 0 {
        drop(own);
        let (accepted, _) = listener.accept().expect("a connection");
        let mut ends = [other, accepted];
        let mut message = [0; MESSAGE.len()];
        // Until the parent closes them.
        while ends.iter_mut().all(|end| end.read_exact(&mut message).is_ok()) {}
        exit_group();
    }
    drop((listener, other));
    let connected = UnixStream::connect(place.join("socket")).expect("a connection");
    tally.fact("child", child);
    for (name, socket) in [("pair", &own), ("connected", &connected)] {
        tally.fact(name, inode_of(socket.as_raw_fd()));
    }
    for _ in 0..count {
        for socket in [&own, &connected] {
            send_message(tally, socket.as_raw_fd());
        }
    }
    thread::sleep(PAUSE);
    // In an interval in which both are accepted surely.
    for socket in [&own, &connected] {
        send_message(tally, socket.as_raw_fd());
    }
    thread::sleep(PAUSE);
    drop((own, connected));
    reap_silent(child as u32);
}

/// `count` messages over a socket whose other end nobody holds: it is on its way over another socket.
pub(crate) fn unheld(tally: &mut Tally, count: u64) {
    let (own, other) = UnixStream::pair().expect("a pair of sockets");
    let (carrier, _receiver) = UnixStream::pair().expect("a pair of sockets");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut descriptors = SendAncillaryBuffer::new(&mut space);
    let other_end = [other.as_fd()];
    assert!(descriptors.push(SendAncillaryMessage::ScmRights(&other_end)), "there is room");
    sendmsg(&carrier, &[IoSlice::new(MESSAGE)], &mut descriptors, SendFlags::empty()).expect("it is sent");
    drop(other);
    // Before and after the question for a name is answered.
    for _ in 0..2 {
        for _ in 0..count {
            send_message(tally, own.as_raw_fd());
        }
        thread::sleep(SOON);
    }
}

/// Makes a ring and enters it `count` times with nothing to do.
pub(crate) fn ring(tally: &mut Tally, count: u64) {
    let mut parameters = [0_u32; 30];
    let ring = tally.call(libc::SYS_io_uring_setup, [8, parameters.as_mut_ptr() as usize, 0, 0, 0, 0]);
    assert!(ring >= 0, "no io_uring: {ring}");
    for _ in 0..count {
        assert_eq!(tally.call(libc::SYS_io_uring_enter, [ring as usize, 0, 0, 0, 0, 0]), 0);
    }
    thread::sleep(SOON);
}

fn text(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).expect("no NUL")
}

/// Opens a file, reads it once and closes it.
fn open_and_close(tally: &mut Tally, path: &CStr) {
    let fd = tally.call(libc::SYS_open, [path.as_ptr() as usize, 0, 0, 0, 0, 0]);
    assert!(fd >= 0, "{path:?}: {fd}");
    read_and_close(tally, fd as usize);
}

/// By `openat2`, which nobody else calls here.
fn open_at(tally: &mut Tally, directory: usize, name: &CStr, flags: libc::c_int) -> usize {
    let how = [flags as u64, 0, 0];
    let args = [directory, name.as_ptr() as usize, how.as_ptr() as usize, size_of_val(&how), 0, 0];
    let fd = tally.call(libc::SYS_openat2, args);
    assert!(fd >= 0, "{name:?}: {fd}");
    fd as usize
}

fn read_and_close(tally: &mut Tally, fd: usize) {
    read(tally, fd);
    close(fd);
}

fn close(fd: usize) {
    assert_eq!(raw::syscall(libc::SYS_close, [fd, 0, 0, 0, 0, 0]), 0);
}

/// Puts `file` behind descriptor `number`.
fn reuse(tally: &mut Tally, file: RawFd, number: usize) {
    assert_eq!(tally.call(libc::SYS_dup2, [file as usize, number, 0, 0, 0, 0]), number as i64);
    assert_eq!(tally.call(libc::SYS_lseek, [number, 0, libc::SEEK_SET as usize, 0, 0, 0]), 0);
}

/// Sends the message to whoever is at the other end.
fn send_message(tally: &mut Tally, socket: RawFd) {
    let args = [socket as usize, MESSAGE.as_ptr() as usize, MESSAGE.len(), 0, 0, 0];
    assert_eq!(tally.call(libc::SYS_sendto, args), MESSAGE.len() as i64, "there is room");
}

fn write_byte(fd: RawFd) {
    assert_eq!(raw::syscall(libc::SYS_write, [fd as usize, MESSAGE.as_ptr() as usize, 1, 0, 0, 0]), 1);
}

/// Reads the first byte of a file.
fn read_at_start(tally: &mut Tally, file: RawFd) {
    let mut byte = 0_u8;
    let part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    assert_eq!(tally.call(libc::SYS_preadv, [file as usize, (&raw const part) as usize, 1, 0, 0, 0]), 1);
}

fn inode_of(fd: RawFd) -> u64 {
    fs::metadata(format!("/proc/self/fd/{fd}")).expect("it is open").ino()
}

/// Reads whatever is there, up to 64 bytes.
fn read(tally: &mut Tally, number: usize) {
    let mut buffer = [0_u8; 64];
    let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    assert!(tally.call(libc::SYS_readv, [number, (&raw const part) as usize, 1, 0, 0, 0]) > 0);
}
