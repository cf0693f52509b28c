//! Which unix socket is connected to which: the kernel says so over netlink, and in no file of `/proc`.
//! <https://man7.org/linux/man-pages/man7/sock_diag.7.html>

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::unix::{ShowFlags, StateFlags, UnixRequest};
use rustc_hash::FxHashMap;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What the kernel puts into one answer at most.
const ANSWER_BYTES: usize = 32 << 10;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Inodes of the sockets at the other end, by inode, of the network namespace at this path (`/proc/PID/ns/net`). Empty where
/// the kernel does not say, or the namespace is another one that we may not enter.
pub(super) fn read(namespace: &Path) -> FxHashMap<u64, u64> {
    let mut peers = FxHashMap::default();
    // What was said before an error is true all the same.
    let _ = socket_in(namespace).and_then(|socket| ask(&socket, &mut peers));
    peers
}

/// A socket that is asked about this namespace.
fn socket_in(namespace: &Path) -> io::Result<OwnedFd> {
    let new_socket = || {
        let protocol = Some(netlink::SOCK_DIAG);
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(socket)
    };
    let ours = fs::metadata("/proc/thread-self/ns/net")?;
    let theirs = File::open(namespace)?;
    if theirs.metadata()?.ino() == ours.ino() {
        return new_socket();
    }
    // A socket stays in the namespace in which it was made: a thread goes there, and does not come back.
    let thread = std::thread::Builder::new().name("namespace".to_owned()).spawn(move || {
        move_into_link_name_space(theirs.as_fd(), Some(LinkNameSpaceType::Network))?;
        new_socket()
    })?;
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
}

fn ask(socket: &OwnedFd, peers: &mut FxHashMap<u64, u64>) -> io::Result<()> {
    let request = UnixRequest {
        state_flags: StateFlags::from_bits_retain(u32::MAX),
        inode: 0,
        show_flags: ShowFlags::PEER,
        cookie: [0xff; 8],
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::UnixRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    send(socket, &bytes, SendFlags::empty())?;
    let mut answer = vec![0; ANSWER_BYTES];
    loop {
        let (len, _) = recv(socket, &mut answer[..], RecvFlags::empty())?;
        if !take(&answer[..len], peers)? {
            return Ok(());
        }
    }
}

/// Takes one answer; whether more follow.
fn take(mut answer: &[u8], peers: &mut FxHashMap<u64, u64>) -> io::Result<bool> {
    if answer.is_empty() {
        return Ok(false);
    }
    while !answer.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(answer).map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::UnixResponse(socket)) => {
                // One that nobody has accepted yet, or that was closed, is number 0.
                if let Some(peer @ 1..) = socket.peer() {
                    peers.insert(u64::from(socket.header.inode), u64::from(peer));
                }
            }
            NetlinkPayload::Done(_) => return Ok(false),
            other => return Err(io::Error::other(format!("an answer to no question: {other:?}"))),
        }
        // Each begins at a multiple of four bytes.
        let len = (message.header.length as usize).next_multiple_of(4).max(4);
        answer = answer.get(len..).unwrap_or_default();
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use proptest::prelude::*;

    use super::*;

    const OURS: &str = "/proc/self/ns/net";

    fn inode(socket: &impl AsRawFd) -> u64 {
        fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("it is open").ino()
    }

    #[test]
    fn both_ends_of_a_connection_have_each_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a new path");
        let client = UnixStream::connect(&path).expect("a connection");
        let waiting = UnixStream::connect(&path).expect("a connection");
        let (server, _) = listener.accept().expect("a connection");
        let (one, other) = UnixStream::pair().expect("a pair");
        let (left, gone) = UnixStream::pair().expect("a pair");
        drop(gone);
        let log = UnixDatagram::bind(directory.path().join("log")).expect("a new path");
        let sender = UnixDatagram::unbound().expect("a socket");
        sender.connect(directory.path().join("log")).expect("it is there");
        let peers = read(Path::new(OURS));
        let peer_of = |inode: u64| peers.get(&inode).copied();
        for (one, other) in [(&client, &server), (&one, &other)] {
            assert_eq!(peer_of(inode(one)), Some(inode(other)));
            assert_eq!(peer_of(inode(other)), Some(inode(one)));
        }
        assert_eq!(peer_of(inode(&sender)), Some(inode(&log)));
        for alone in [inode(&log), inode(&listener), inode(&waiting), inode(&left)] {
            assert_eq!(peer_of(alone), None);
        }
    }

    #[test]
    fn many_sockets_are_more_than_one_answer() {
        let pairs: Vec<_> = (0..400).map(|_| UnixDatagram::pair().expect("a pair")).collect();
        let peers = read(Path::new(OURS));
        for (one, other) in &pairs {
            assert_eq!(peers.get(&inode(one)), Some(&inode(other)));
        }
    }

    #[test]
    fn of_what_is_no_namespace_nothing_is_known() {
        assert!(read(Path::new("/proc/self/ns/no")).is_empty());
        assert!(read(Path::new("/proc/self/ns/uts")).is_empty(), "a thread may not go there as to a network");
    }

    proptest! {
        #[test]
        fn any_answer_is_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = take(&bytes, &mut FxHashMap::default());
        }
    }
}
