//! One descriptor that is two files in turn, a file that was deleted, and a connection to itself: what each call was on
//! is known.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::thread;
use std::time::Duration;

use crate::tally::Tally;

/// The descriptor that is reused, and another one.
const REUSED: usize = 100;
const DELETED: usize = 101;

/// Longer than an interval, so that in the next one names are asked for again.
const PAUSE: Duration = Duration::from_millis(1_100);

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
    let message = b"0123456789";
    for _ in 0..count {
        let args = [client.as_raw_fd() as usize, message.as_ptr() as usize, message.len(), 0, 0, 0];
        assert_eq!(tally.call(libc::SYS_sendto, args), 10, "there is room");
    }
    // A descriptor without a file.
    assert_eq!(
        tally.call(libc::SYS_sendto, [99, message.as_ptr() as usize, 10, 0, 0, 0]),
        -i64::from(libc::EBADF)
    );
    thread::sleep(PAUSE);
    fs::remove_dir_all(&directory).expect("our own directory");
}

/// Puts `file` behind descriptor `number`.
fn reuse(tally: &mut Tally, file: RawFd, number: usize) {
    assert_eq!(tally.call(libc::SYS_dup2, [file as usize, number, 0, 0, 0, 0]), number as i64);
    assert_eq!(tally.call(libc::SYS_lseek, [number, 0, libc::SEEK_SET as usize, 0, 0, 0]), 0);
}

/// Reads whatever is there, up to 64 bytes.
fn read(tally: &mut Tally, number: usize) {
    let mut buffer = [0_u8; 64];
    let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    assert!(tally.call(libc::SYS_readv, [number, (&raw const part) as usize, 1, 0, 0, 0]) > 0);
}
