//! Sockets by inode, from the tables of a process's network namespace (`/proc/PID/net`): protocol, addresses, and the
//! socket at the other end where that is in the same namespace; of unix sockets, wherever it is.
//! Format: <https://docs.kernel.org/networking/proc_net_tcp.html>

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::bpf::sys::{monotonic_ns, thread_cpu_ns};
use crate::file::MAX_NAME_BYTES;
use crate::targets::Procfs;

use super::unix_peers;

/// Most bytes of one table that are read: 400,000 sockets.
const MAX_TABLE_BYTES: u64 = 64 << 20;

/// Namespaces whose tables are kept.
const MAX_NAMESPACES: usize = 64;

/// What was read lasts at least so long, and this many times the CPU time that reading it took.
const LASTS: Duration = Duration::from_millis(20);
const LASTS_TIMES: u32 = 10;

/// How long a question waits until tables may be read again. All that came meanwhile are answered by one reading.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// The tables of addresses.
const TABLES: [(&str, &str); 8] = [
    ("tcp", "tcp"),
    ("tcp6", "tcp"),
    ("udp", "udp"),
    ("udp6", "udp"),
    ("udplite", "udplite"),
    ("udplite6", "udplite"),
    ("raw", "raw"),
    ("raw6", "raw"),
];

/// State of a TCP socket that listens.
const LISTEN: &str = "0A";

/// Type of a unix socket that may be connected to another one later.
const UNIX_DATAGRAM: &str = "0002";

/// What is known of a socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Protocol and own address.
    pub(super) name: Box<[u8]>,
    /// Address at the other end, where it is connected; empty where that has none.
    pub(super) peer: Option<Box<[u8]>>,
    /// The socket at the other end, where that can be told.
    pub(super) peer_inode: Option<u64>,
    pub(super) is_unix: bool,
    /// Whether it stays connected to that one for good, as a stream does.
    is_settled: bool,
}

/// The sockets of the namespaces that were asked for.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    namespaces: FxHashMap<u64, Namespace>,
}

#[derive(Debug, Default)]
struct Namespace {
    inet: FxHashMap<u64, Inet>,
    /// By protocol, own and other address.
    by_ends: FxHashMap<(&'static str, SocketAddr, SocketAddr), u64>,
    unix: FxHashMap<u64, Unix>,
    /// Inodes of the other ends of unix sockets.
    unix_peers: FxHashMap<u64, u64>,
    next: Option<Instant>,
    /// When it was read, on `CLOCK_MONOTONIC`.
    read_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inet {
    protocol: &'static str,
    local: SocketAddr,
    remote: SocketAddr,
    listens: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Unix {
    /// Its path, if it has one.
    name: Box<[u8]>,
    is_datagram: bool,
}

impl Sockets {
    /// What is known of the socket with this inode, in the network namespace of process `pid`, where it was seen at
    /// `seen_ns` (`CLOCK_MONOTONIC`). Waits until it may be looked for; what is looked for after it was seen and is not
    /// there is there no longer.
    pub(super) fn find(&mut self, procfs: &Procfs, pid: u32, inode: u64, seen_ns: u64) -> Option<Found> {
        // Inodes of sockets are numbered for all namespaces: of who is gone ours may tell.
        let namespace_of = |pid| Some((pid, fs::metadata(procfs.file(pid, "ns/net")).ok()?.ino()));
        let (pid, key) = namespace_of(pid).or_else(|| namespace_of(procfs.own_pid()?))?;
        if self.namespaces.len() >= MAX_NAMESPACES && !self.namespaces.contains_key(&key) {
            self.namespaces.clear();
        }
        let namespace = self.namespaces.entry(key).or_default();
        // What is not there, or not connected, may be by now; and a connection on this host may have been accepted, which gave
        // its other end an inode. Of others too that is asked no more often than somebody doubts what is known.
        let found = namespace.find(inode);
        if found.as_ref().is_some_and(|found| found.is_settled) || namespace.read_ns > seen_ns {
            return found;
        }
        let wait =
            namespace.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(Instant::now()));
        if wait > LONGEST_WAIT {
            return found;
        }
        std::thread::sleep(wait);
        let (read_ns, began_ns) = (monotonic_ns(), thread_cpu_ns());
        *namespace = Namespace { read_ns, ..Namespace::read(procfs, pid) };
        let took = Duration::from_nanos(thread_cpu_ns().saturating_sub(began_ns));
        namespace.next = Some(Instant::now() + LASTS.max(took * LASTS_TIMES));
        namespace.find(inode)
    }
}

impl Namespace {
    fn read(procfs: &Procfs, pid: u32) -> Self {
        let mut namespace = Self::default();
        for (file, protocol) in TABLES {
            let text = table(procfs, pid, file);
            for (inode, socket) in text.lines().skip(1).filter_map(|line| inet(line, protocol)) {
                namespace.by_ends.insert((protocol, socket.local, socket.remote), inode);
                namespace.inet.insert(inode, socket);
            }
        }
        let text = table(procfs, pid, "unix");
        namespace.unix = text.lines().skip(1).filter_map(unix).collect();
        namespace.unix_peers = unix_peers::read(&procfs.file(pid, "ns/net"));
        namespace
    }

    fn find(&self, inode: u64) -> Option<Found> {
        if let Some(Unix { name, is_datagram }) = self.unix.get(&inode) {
            let peer_inode = self.unix_peers.get(&inode).copied();
            let address = |peer| self.unix.get(&peer).map(|peer| peer.name.clone()).unwrap_or_default();
            return Some(Found {
                name: if name.is_empty() {
                    Box::from(&b"unix"[..])
                } else {
                    [b"unix ", &**name].concat().into()
                },
                peer: peer_inode.map(address),
                peer_inode,
                is_unix: true,
                is_settled: peer_inode.is_some() && !is_datagram,
            });
        }
        let Inet { protocol, local, remote, listens } = *self.inet.get(&inode)?;
        let own = format!("{protocol} {local}{}", if listens { " (listening)" } else { "" });
        let is_connected = !remote.ip().is_unspecified() || remote.port() != 0;
        let peer_inode = self.by_ends.get(&(protocol, remote, local)).copied().filter(|_| is_connected);
        Some(Found {
            name: own.into_bytes().into(),
            peer: is_connected.then(|| remote.to_string().into_bytes().into()),
            peer_inode,
            is_unix: false,
            is_settled: peer_inode.is_some() && protocol == "tcp",
        })
    }
}

/// One of the tables; empty where it cannot be read. Only names of unix sockets can be other than ASCII.
fn table(procfs: &Procfs, pid: u32, name: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(procfs.file(pid, &format!("net/{name}"))) {
        // What was read before an error is the beginning all the same.
        let _ = file.take(MAX_TABLE_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …`.
fn inet(line: &str, protocol: &'static str) -> Option<(u64, Inet)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (address(fields.next()?)?, address(fields.next()?)?);
    let listens = protocol == "tcp" && fields.next()? == LISTEN;
    // After the state five fields more; of other protocols the state was not taken yet.
    let inode = fields.nth(if protocol == "tcp" { 5 } else { 6 })?.parse().ok()?;
    (inode != 0).then_some((inode, Inet { protocol, local, remote, listens }))
}

/// `0100007F:1F90`: words of the address in the byte order of the machine, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            // What reaches an IPv4 address through an IPv6 socket is the same address.
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// `Num RefCount Protocol Flags Type St Inode Path`; the path may be missing, and begins with `@` where it is abstract.
fn unix(line: &str) -> Option<(u64, Unix)> {
    let mut rest = line;
    let mut field = || {
        let trimmed = rest.trim_start_matches(' ');
        let (field, after) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
        rest = after;
        field
    };
    let is_datagram = (0..5).map(|_| field()).last()? == UNIX_DATAGRAM;
    let inode = (0..2).map(|_| field()).last()?.parse().ok()?;
    let path = &rest.as_bytes()[..rest.len().min(MAX_NAME_BYTES)];
    Some((inode, Unix { name: path.into(), is_datagram }))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use proptest::prelude::*;

    use super::*;

    fn inode(socket: &impl AsRawFd) -> u64 {
        fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("it is open").ino()
    }

    fn find(socket: &impl AsRawFd) -> Found {
        let found =
            Sockets::default().find(&Procfs::default(), std::process::id(), inode(socket), monotonic_ns());
        found.expect("it is in a table")
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn connections_have_both_addresses_and_the_socket_at_the_other_end() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(host) else { continue };
            let there = listener.local_addr().expect("an address");
            let client = TcpStream::connect(there).expect("a connection");
            let here = client.local_addr().expect("an address");
            let (server, _) = listener.accept().expect("a connection");
            let found = find(&client);
            assert_eq!(text(&found.name), format!("tcp {here}"));
            assert_eq!(found.peer.map(|peer| text(&peer)), Some(there.to_string()));
            assert_eq!(found.peer_inode, Some(inode(&server)));
            assert_eq!(find(&server).peer_inode, Some(inode(&client)));
            assert_eq!(
                find(&listener),
                Found {
                    name: format!("tcp {there} (listening)").into_bytes().into(),
                    peer: None,
                    peer_inode: None,
                    is_unix: false,
                    is_settled: false,
                }
            );
        }
    }

    #[test]
    fn a_socket_that_is_connected_later_has_a_peer_then() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let mut sockets = Sockets::default();
        let mut find = || {
            sockets
                .find(&Procfs::default(), std::process::id(), inode(&socket), monotonic_ns())
                .expect("it is there")
        };
        assert_eq!(find().peer, None);
        socket.connect("127.0.0.1:9").expect("it is connected");
        let deadline = Instant::now() + Duration::from_secs(20);
        while find().peer.is_none() {
            assert!(Instant::now() < deadline, "it never has a peer");
            std::thread::sleep(LASTS / 4);
        }
        assert_eq!(find().peer.map(|peer| text(&peer)), Some("127.0.0.1:9".to_owned()));
    }

    #[test]
    fn unix_sockets_have_their_path_and_that_of_the_other_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a socket");
        let listener = UnixListener::bind(&path).expect("a new path");
        let (name, address) = (format!("unix {}", path.display()), path.display().to_string());
        assert_eq!(text(&find(&listener).name), name);
        assert_eq!(find(&listener).peer, None);
        let client = UnixStream::connect(&path).expect("a connection");
        assert_eq!(find(&client).peer, None, "it is not accepted yet");
        let (server, _) = listener.accept().expect("a connection");
        let ends = |found: Found| (text(&found.name), found.peer.map(|peer| text(&peer)), found.peer_inode);
        assert_eq!(ends(find(&client)), ("unix".to_owned(), Some(address), Some(inode(&server))));
        assert_eq!(ends(find(&server)), (name, Some(String::new()), Some(inode(&client))));
    }

    #[test]
    fn a_datagram_socket_that_is_connected_to_another_has_that_as_its_peer() {
        let directory = tempfile::tempdir().expect("a directory");
        let bound = ["one", "other"].map(|name| {
            let path = directory.path().join(name);
            (UnixDatagram::bind(&path).expect("a new path"), path)
        });
        let socket = UnixDatagram::unbound().expect("a socket");
        let mut sockets = Sockets::default();
        for (there, path) in &bound {
            socket.connect(path).expect("it is there");
            let found = sockets.find(&Procfs::default(), std::process::id(), inode(&socket), monotonic_ns());
            let found = found.expect("it is there");
            assert_eq!((found.peer_inode, found.is_settled), (Some(inode(there)), false));
            assert_eq!(found.peer.map(|peer| text(&peer)), Some(path.display().to_string()));
        }
    }

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        assert_eq!(address("0100007F:1F90"), "127.0.0.1:8080".parse().ok());
        assert_eq!(address("0000000000000000FFFF00000100007F:0050"), "127.0.0.1:80".parse().ok());
        assert_eq!(address("00000000000000000000000001000000:0016"), "[::1]:22".parse().ok());
        assert_eq!(
            unix("0000: 00000002 00000000 00010000 0001 01 123 @a b"),
            Some((123, Unix { name: b"@a b"[..].into(), is_datagram: false }))
        );
        assert_eq!(
            unix("0000: 00000002 00000000 00010000 0002 01 124"),
            Some((124, Unix { name: b""[..].into(), is_datagram: true }))
        );
    }

    proptest! {
        #[test]
        fn any_line_is_a_socket_or_none(line in "[0-9A-Fa-f: @/é]{0,80}") {
            let _ = (inet(&line, "tcp"), inet(&line, "udp"), unix(&line), address(&line));
        }
    }
}
