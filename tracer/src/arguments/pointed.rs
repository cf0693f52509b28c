//! Arguments that point to a path or to a socket address: which calls have them, for the kernel side to read them, and
//! how they are written.

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::LazyLock;

use tracer_common::abi::{Abi, X32_SYSCALL_BIT};
use tracer_common::config::FILTERABLE;
use tracer_common::operand::{self, Read, Reads, TABLE};

use super::kinds::{Kind, Parameter};
use super::words::net;
use crate::human;
use crate::interval::{CallKey, Example, examples};
use crate::operand::Operands;
use crate::syscalls;

/// The longest path that a call takes.
const LONGEST_PATH: usize = 4095;

/// What the kernel side is to read of each call.
pub fn reads() -> &'static [Reads; TABLE] {
    static READS: LazyLock<[Reads; TABLE]> = LazyLock::new(|| {
        let mut table = [0; TABLE];
        for abi in Abi::ALL {
            let bit = if abi == Abi::X32 { X32_SYSCALL_BIT } else { 0 };
            for nr in (0..FILTERABLE as i32).map(|nr| nr | bit) {
                let name = syscalls::plain_name(CallKey { abi, nr });
                if let (Some(place), Some(known)) =
                    (operand::position(abi, nr), super::parameters(abi, &name))
                {
                    table[place] = reads_of(known);
                }
            }
        }
        table
    });
    &READS
}

/// What is read of this call.
pub(super) fn reads_of_call(call: CallKey) -> Reads {
    operand::position(call.abi, call.nr).map_or(0, |place| reads()[place])
}

/// Whether two paths are read of this call.
pub fn takes_two(call: CallKey) -> bool {
    reads_of_call(call) >> 4 != 0
}

fn reads_of(parameters: &[Parameter]) -> Reads {
    let read = |parameter: &Parameter| match parameter.kind {
        Kind::Path => Some(operand::text(parameter.register)),
        Kind::SocketAddress => Some(operand::address(parameter.register)),
        _ => None,
    };
    let mut found = parameters.iter().filter_map(read);
    let mut next = || found.next().unwrap_or(0 as Read);
    let first = next();
    operand::both(first, next())
}

/// The kind of a pointer to a path or an address that the call is given; `None` for other pointers.
pub(super) fn kind_of(call: &str, type_name: &str, name: &str) -> Option<Kind> {
    let is_path = match name {
        "filename" | "pathname" | "path" | "oldname" | "newname" | "from_pathname" | "to_pathname"
        | "new_root" | "put_old" | "specialfile" | "special" | "dev_name" | "dir_name" | "library"
        | "u_name" | "uname" | "_fs_name" => true,
        "name" => matches!(call, "acct" | "umount2" | "name_to_handle_at"),
        _ => false,
    };
    match type_name {
        "char *" => is_path.then_some(Kind::Path),
        "struct sockaddr *" => matches!(call, "bind" | "connect" | "sendto").then_some(Kind::SocketAddress),
        _ => None,
    }
}

/// What a register points to, if that was read.
pub(super) fn behind(reads: Reads, register: usize, operands: Option<Operands<'_>>) -> Option<(bool, &[u8])> {
    let operands = operands?;
    let of = |read: Read| operand::taken_apart(read).filter(|&(_, at)| at == register);
    if let Some((is_address, _)) = of(reads & 15) {
        return Some((is_address, operands.first));
    }
    of(reads >> 4).and_then(|(is_address, _)| operands.second.map(|second| (is_address, second)))
}

/// A path as strace writes it: in quotes, what is no printable ASCII escaped.
pub(super) fn write_quoted(f: &mut fmt::Formatter<'_>, path: &[u8]) -> fmt::Result {
    f.write_char('"')?;
    let shown = &path[..path.len().min(LONGEST_PATH)];
    for (index, &byte) in shown.iter().enumerate() {
        match byte {
            b'"' | b'\\' => write!(f, "\\{}", byte as char)?,
            b'\n' => f.write_str("\\n")?,
            b'\t' => f.write_str("\\t")?,
            b'\r' => f.write_str("\\r")?,
            0x0b => f.write_str("\\v")?,
            0x0c => f.write_str("\\f")?,
            b' '..=b'~' => f.write_char(byte as char)?,
            // Three digits where the next one would be taken for a part of the number.
            _ if shown.get(index + 1).is_some_and(u8::is_ascii_digit) => write!(f, "\\{byte:03o}")?,
            _ => write!(f, "\\{byte:o}")?,
        }
    }
    f.write_str(if path.len() > LONGEST_PATH { "\"..." } else { "\"" })
}

/// A path as people read it: in quotes, letters of any script as they are.
pub(super) fn readable_path(path: &[u8]) -> String {
    let (shown, end) = if path.len() > LONGEST_PATH { (&path[..LONGEST_PATH], "...") } else { (path, "") };
    format!("\"{}\"{end}", human::safe_text(shown).replace('"', "\\\""))
}

/// The parts of an address that are known.
enum Address<'a> {
    Inet(SocketAddr),
    Unix(&'a [u8]),
    /// A name that is no file's.
    Abstract(&'a [u8]),
    Netlink {
        port: u32,
        groups: u32,
    },
    /// The family alone, or not even that.
    Other(Option<u16>),
}

impl<'a> Address<'a> {
    /// <https://man7.org/linux/man-pages/man7/address_families.7.html>
    fn of(bytes: &'a [u8]) -> Self {
        let Some((family, rest)) = bytes.split_first_chunk::<2>() else { return Self::Other(None) };
        let family = u16::from_ne_bytes(*family);
        let be16 = |at: usize| rest.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
        let word = |at: usize| rest.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four));
        let known = match family {
            1 => Some(match rest {
                [] => Self::Unix(&[]),
                [0, name @ ..] => Self::Abstract(name),
                path => Self::Unix(path.split(|&byte| byte == 0).next().unwrap_or_default()),
            }),
            2 => be16(0)
                .zip(rest.get(2..).and_then(|rest| rest.first_chunk::<4>()))
                .map(|(port, host)| Self::Inet((Ipv4Addr::from_octets(*host), port).into())),
            10 => be16(0).zip(rest.get(6..).and_then(|rest| rest.first_chunk::<16>())).map(|(port, host)| {
                let scope = word(22).unwrap_or(0);
                Self::Inet(SocketAddrV6::new(Ipv6Addr::from_octets(*host), port, 0, scope).into())
            }),
            16 => word(2).zip(word(6)).map(|(port, groups)| Self::Netlink { port, groups }),
            _ => None,
        };
        known.unwrap_or(Self::Other(Some(family)))
    }
}

fn family_name(family: u16) -> String {
    net::FAMILY.text(u64::from(family))
}

/// `10.0.0.5:5432`, `[::1]:80`, `unix:/run/x.sock`, `unix:@name`: an address as people read it.
pub fn readable_address(bytes: &[u8]) -> String {
    match Address::of(bytes) {
        Address::Inet(address) => address.to_string(),
        Address::Unix([]) => "unix:(unnamed)".to_owned(),
        Address::Unix(path) => format!("unix:{}", human::safe_text(path)),
        Address::Abstract(name) => format!("unix:@{}", human::safe_text(name)),
        Address::Netlink { port, groups } => format!("netlink:{port}:{groups:#x}"),
        Address::Other(Some(family)) => family_name(family),
        Address::Other(None) => "no address".to_owned(),
    }
}

/// `{sa_family=AF_INET, sin_port=htons(5432), sin_addr=inet_addr("10.0.0.5")}`: an address as strace writes it.
pub(super) fn write_address(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    match Address::of(bytes) {
        Address::Inet(SocketAddr::V4(address)) => write!(
            f,
            "{{sa_family=AF_INET, sin_port=htons({}), sin_addr=inet_addr(\"{}\")}}",
            address.port(),
            address.ip()
        ),
        Address::Inet(SocketAddr::V6(address)) => write!(
            f,
            "{{sa_family=AF_INET6, sin6_port=htons({}), sin6_flowinfo=htonl(0), \
             inet_pton(AF_INET6, \"{}\", &sin6_addr), sin6_scope_id={}}}",
            address.port(),
            address.ip(),
            address.scope_id()
        ),
        Address::Unix([]) => f.write_str("{sa_family=AF_UNIX}"),
        Address::Unix(path) => {
            f.write_str("{sa_family=AF_UNIX, sun_path=")?;
            write_quoted(f, path)?;
            f.write_char('}')
        }
        Address::Abstract(name) => {
            f.write_str("{sa_family=AF_UNIX, sun_path=@")?;
            write_quoted(f, name)?;
            f.write_char('}')
        }
        Address::Netlink { port, groups } => {
            write!(f, "{{sa_family=AF_NETLINK, nl_pid={port}, nl_groups={groups:08x}}}")
        }
        Address::Other(family) => {
            let rest = bytes.get(2..).unwrap_or_default();
            write!(f, "{{sa_family={}, sa_data=", family.map_or_else(String::new, family_name))?;
            write_quoted(f, rest)?;
            f.write_char('}')
        }
    }
}

/// What calls failed on, as people read it: `"/etc/passwd"`, `"a" -> "b"`, `10.0.0.5:5432`.
pub fn readable(call: CallKey, example: &Example) -> String {
    example_text(call, example, readable_path)
}

/// The same without quotes, for a field that holds nothing else.
pub fn plain(call: CallKey, example: &Example) -> String {
    example_text(call, example, human::safe_text)
}

fn example_text(call: CallKey, example: &Example, path: fn(&[u8]) -> String) -> String {
    let (on, end) = match example.on.get(..examples::MOST_BYTES) {
        Some(start) if example.on.len() > examples::MOST_BYTES => (start, "..."),
        _ => (&*example.on, ""),
    };
    let text = if operand::taken_apart(reads_of_call(call) & 15).is_some_and(|(is_address, _)| is_address) {
        readable_address(on)
    } else {
        let Operands { first, second } = Operands::from_kept(on, takes_two(call));
        match second {
            None => path(first),
            Some(second) => format!("{} -> {}", path(first), path(second)),
        }
    };
    text + end
}

/// How often calls failed on it: `1,234x`, `≥17x` where some of those that are counted may have failed on something else.
pub fn times(example: &Example) -> String {
    let more = if example.unsure > 0 { "≥" } else { "" };
    format!("{more}{}x", human::count(example.at_least()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::number;

    fn read_of(abi: Abi, name: &str) -> Vec<(bool, usize)> {
        let reads = reads_of_call(CallKey { abi, nr: number(abi, name).expect("a call") });
        [reads & 15, reads >> 4].into_iter().filter_map(operand::taken_apart).collect()
    }

    #[test]
    fn the_calls_that_take_paths_and_addresses_are_known() {
        let one = |register| vec![(false, register)];
        for (name, expected) in [
            ("open", one(0)),
            ("openat", one(1)),
            ("openat2", one(1)),
            ("creat", one(0)),
            ("stat", one(0)),
            ("lstat", one(0)),
            ("newfstatat", one(1)),
            ("statx", one(1)),
            ("access", one(0)),
            ("faccessat2", one(1)),
            ("readlink", one(0)),
            ("readlinkat", one(1)),
            ("unlink", one(0)),
            ("unlinkat", one(1)),
            ("mkdir", one(0)),
            ("mkdirat", one(1)),
            ("rmdir", one(0)),
            ("chdir", one(0)),
            ("chroot", one(0)),
            ("execve", one(0)),
            ("execveat", one(1)),
            ("truncate", one(0)),
            ("umount2", one(0)),
            ("inotify_add_watch", one(1)),
            ("utimensat", one(1)),
            ("getxattr", one(0)),
            ("statfs", one(0)),
            ("mknodat", one(1)),
            ("memfd_create", one(0)),
            ("rename", vec![(false, 0), (false, 1)]),
            ("renameat2", vec![(false, 1), (false, 3)]),
            ("linkat", vec![(false, 1), (false, 3)]),
            ("symlinkat", vec![(false, 0), (false, 2)]),
            ("mount", vec![(false, 0), (false, 1)]),
            ("connect", vec![(true, 1)]),
            ("bind", vec![(true, 1)]),
            ("sendto", vec![(true, 4)]),
            ("read", vec![]),
            ("write", vec![]),
            ("pwrite64", vec![]),
            ("accept", vec![]),
            ("recvfrom", vec![]),
            ("fgetxattr", vec![]),
            ("getcwd", vec![]),
            ("exit_group", vec![]),
            ("mq_timedsend", vec![]),
        ] {
            assert_eq!(read_of(Abi::X86_64, name), expected, "{name}");
        }
        assert_eq!(read_of(Abi::I386, "open"), one(0));
        assert_eq!(read_of(Abi::I386, "fstatat64"), one(1));
        assert_eq!(read_of(Abi::I386, "connect"), vec![(true, 1)]);
        assert_eq!(read_of(Abi::Aarch64, "openat"), one(1));
    }

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let address = |family: u16, rest: &[u8]| [&family.to_ne_bytes(), rest].concat();
        for (bytes, expected) in [
            (address(2, &[0x15, 0x38, 10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]), "10.0.0.5:5432"),
            (address(2, &[0x15, 0x38, 10]), "AF_INET"),
            (address(10, &[[0, 80, 0, 0, 0, 0].as_slice(), &[0; 15], &[1], &[0; 4]].concat()), "[::1]:80"),
            (address(1, b"/run/x.sock\0rest"), "unix:/run/x.sock"),
            (address(1, b"/run/x\x1b[31m"), "unix:/run/x\\x1b[31m"),
            (address(1, b"\0name"), "unix:@name"),
            (address(1, b""), "unix:(unnamed)"),
            (address(16, &[0; 10]), "netlink:0:0x0"),
            (address(17, &[1, 2]), "AF_PACKET"),
            (vec![1], "no address"),
        ] {
            assert_eq!(readable_address(&bytes), expected);
        }
    }

    #[test]
    fn hostile_paths_are_quoted() {
        assert_eq!(readable_path(b"/a\"b\x1b[31m\xff"), "\"/a\\\"b\\x1b[31m\\xff\"");
        assert_eq!(readable_path("/tmp/caf\u{e9}".as_bytes()), "\"/tmp/caf\u{e9}\"");
        let long = readable_path(&[b'x'; 4096]);
        assert!(long.ends_with("x\"...") && long.len() == 4095 + 5);
        assert!(!readable_path(&[b'x'; 4095]).ends_with("..."));
    }
}
