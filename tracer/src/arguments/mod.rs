//! What the six registers of a call mean: the names of its arguments, and for the calls that engineers look
//! at also descriptors, flags, modes, sizes, timeouts and operations in words. Of what they point to, paths and socket
//! addresses are known where the kernel side read them; of the rest only where it is.
//!
//! All text is printable and of bounded length, whatever the registers hold and whatever they point to.

mod kinds;
mod pointed;
mod signatures;
mod special;
mod words;

use std::borrow::Cow;
use std::fmt;

use tracer_common::abi::{Abi, X32_SYSCALL_BIT};
use tracer_common::config::{BITMAP_WORDS, FILTERABLE, bitmap_position};

use crate::interval::CallKey;
use crate::operand::Operands;
use crate::syscalls;
use kinds::{Kind, Parameter};
pub use pointed::{plain, readable, readable_address, reads, takes_two, times};

/// One argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The kernel's own name for it; `arg0` to `arg5` where it publishes none.
    pub name: &'static str,
    /// The register.
    pub raw: u64,
    /// What it means.
    pub meaning: Meaning,
}

/// What an argument means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An open file, socket or whatever else has a descriptor.
    Descriptor(i32),
    /// The directory that a relative path begins at; −100 is the working directory.
    Directory(i32),
    /// Where something is in the process's memory; 0 for nothing.
    Address(u64),
    /// A path: its bytes without the NUL.
    Path(Vec<u8>),
    /// A `struct sockaddr`: its bytes.
    SocketAddress(Vec<u8>),
    /// A number that can be negative.
    Signed(i64),
    /// A number, size or count.
    Unsigned(u64),
    /// Bits without names.
    Bits(u64),
    /// Permissions of a file.
    Mode(u32),
    /// Constants by name: `O_RDONLY|O_CLOEXEC`.
    Words(String),
}

impl fmt::Display for Meaning {
    /// As strace writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(-100) => f.write_str("AT_FDCWD"),
            Self::Descriptor(number) | Self::Directory(number) => write!(f, "{number}"),
            Self::Address(0) => f.write_str("NULL"),
            Self::Bits(0) => f.write_str("0"),
            Self::Address(bits) | Self::Bits(bits) => write!(f, "{bits:#x}"),
            Self::Signed(number) => write!(f, "{number}"),
            Self::Unsigned(number) => write!(f, "{number}"),
            // `0` alone is what strace writes for no permissions at all: `000`.
            Self::Mode(bits) => write!(f, "0{bits:02o}"),
            Self::Words(words) => f.write_str(words),
            Self::Path(path) => pointed::write_quoted(f, path),
            Self::SocketAddress(address) => pointed::write_address(f, address),
        }
    }
}

impl Meaning {
    /// As people read it on a screen: paths in the letters that they have, addresses in short.
    pub fn readable(&self) -> String {
        match self {
            Self::Path(path) => pointed::readable_path(path),
            Self::SocketAddress(address) => readable_address(address),
            other => other.to_string(),
        }
    }
}

/// The arguments of `call`, at most six, which points to `operands` as far as they were read (in the
/// form of [`Operands::from_kept`]). Those that the call ignores (the mode of an `open` that creates
/// nothing) are left out.
pub fn decode(call: CallKey, args: &[u64; 6], operands: Option<&[u8]>) -> Vec<Argument> {
    let name = syscalls::plain_name(call);
    let parameters = match parameters(call.abi, &name) {
        Some(known) => special::parameters(call.abi, &name, known, args),
        None => Cow::Borrowed(&kinds::UNKNOWN[..]),
    };
    let reads = pointed::reads_of_call(call);
    let operands = operands.map(|kept| Operands::from_kept(kept, takes_two(call)));
    let argument = |parameter: &Parameter| {
        let raw = args[parameter.register];
        let meaning = match pointed::behind(reads, parameter.register, operands) {
            None => parameter.kind.meaning(raw, call.abi),
            Some((false, path)) => Meaning::Path(path.to_owned()),
            Some((true, address)) => Meaning::SocketAddress(address.to_owned()),
        };
        Argument { name: parameter.name, raw, meaning }
    };
    parameters.iter().map(argument).collect()
}

/// `3, 0x7ffd12345678, 1024`: the arguments as strace writes them.
pub fn text(call: CallKey, args: &[u64; 6], operands: Option<&[u8]>) -> String {
    let texts: Vec<String> =
        decode(call, args, operands).iter().map(|argument| argument.meaning.to_string()).collect();
    texts.join(", ")
}

/// `fd=3 buf=0x7ffd12345678 count=1024`, safe for a terminal.
pub fn named_text(call: CallKey, args: &[u64; 6], operands: Option<&[u8]>) -> String {
    let text = |argument: &Argument| format!("{}={}", argument.name, argument.meaning.readable());
    let texts: Vec<String> = decode(call, args, operands).iter().map(text).collect();
    texts.join(" ")
}

/// How many of the six registers are arguments of the call of this name; the others hold whatever was there before. Six where
/// it is not known.
pub fn count(abi: Abi, name: &str) -> usize {
    parameters(abi, name).map_or(6, <[Parameter]>::len)
}

/// Bits for [`tracer_common::config::Config::described`]: the calls of every table whose first argument is a descriptor.
pub fn taking_a_descriptor() -> [u64; BITMAP_WORDS] {
    let mut words = [0; BITMAP_WORDS];
    for abi in Abi::ALL {
        for number in 0..FILTERABLE as i32 {
            let call = CallKey { abi, nr: if abi == Abi::X32 { number | X32_SYSCALL_BIT } else { number } };
            if let Some((word, bit)) = bitmap_position(abi, number)
                && takes_descriptor(call)
            {
                words[word] |= bit;
            }
        }
    }
    words
}

/// Whether the first argument of a call is a descriptor, or a directory's from which a path is given.
pub fn takes_descriptor(call: CallKey) -> bool {
    let first = parameters(call.abi, &syscalls::plain_name(call)).and_then(<[Parameter]>::first);
    first.is_some_and(|first| matches!(first.kind, Kind::Descriptor | Kind::Directory))
}

/// What the call of this name takes; `None` where it is not known.
fn parameters(abi: Abi, name: &str) -> Option<&'static [Parameter]> {
    match abi {
        Abi::I386 => kinds::of(kinds::name_on_i386(name)?),
        _ => kinds::of(name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::syscalls::number;

    fn shown(abi: Abi, name: &str, args: [u64; 6]) -> String {
        let nr = number(abi, name).expect("a call of this table");
        text(CallKey { abi, nr }, &args, None)
    }

    fn shown_here(name: &str, args: &[u64]) -> String {
        // What lies behind the arguments must not be looked at.
        let mut registers = [0xdead_beef_dead_beef; 6];
        registers[..args.len()].copy_from_slice(args);
        shown(Abi::X86_64, name, registers)
    }

    const AT_FDCWD: u64 = -100_i32 as u32 as u64;

    #[test]
    fn calls_read_as_strace_writes_them() {
        let cases: &[(&str, &[u64], &str)] = &[
            ("getpid", &[], ""),
            ("read", &[3, 0x7ffd_0000_1000, 1024], "3, 0x7ffd00001000, 1024"),
            ("close", &[u64::MAX], "-1"),
            ("openat", &[AT_FDCWD, 0x1000, 0o2_000_000, 0o666], "AT_FDCWD, 0x1000, O_RDONLY|O_CLOEXEC"),
            ("openat", &[u64::MAX - 99, 0x1000, 0o102, 0o600], "AT_FDCWD, 0x1000, O_RDWR|O_CREAT, 0600"),
            ("openat", &[7, 0x1000, 0o20_200_002, 0], "7, 0x1000, O_RDWR|O_TMPFILE, 000"),
            ("open", &[0x1000, 0o4_011_001], "0x1000, O_WRONLY|O_TRUNC|O_SYNC"),
            (
                "mmap",
                &[0, 8192, 3, 0x22, u64::MAX, 0],
                "NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0",
            ),
            ("mmap", &[0x5000, 1, 0, 1, 4, 0x3000], "0x5000, 1, PROT_NONE, MAP_SHARED, 4, 0x3000"),
            ("brk", &[0], "NULL"),
            ("lseek", &[3, u64::MAX, 2], "3, -1, SEEK_END"),
            ("fcntl", &[3, 1], "3, F_GETFD"),
            ("fcntl", &[3, 2, 1], "3, F_SETFD, FD_CLOEXEC"),
            ("fcntl", &[3, 4, 0o4002], "3, F_SETFL, O_RDWR|O_NONBLOCK"),
            ("fcntl", &[3, 1030, 10], "3, F_DUPFD_CLOEXEC, 10"),
            ("fcntl", &[3, 7, 0x9000], "3, F_SETLKW, 0x9000"),
            ("futex", &[0x1000, 0x80, 2, 0], "0x1000, FUTEX_WAIT_PRIVATE, 2, NULL"),
            ("futex", &[0x1000, 0x81, 1], "0x1000, FUTEX_WAKE_PRIVATE, 1"),
            (
                "futex",
                &[0x1000, 0x189, 0, 0x2000, 5, 0xffff_ffff],
                "0x1000, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, 0x2000, FUTEX_BITSET_MATCH_ANY",
            ),
            ("futex", &[0x1000, 3, 1, 9, 0x2000], "0x1000, FUTEX_REQUEUE, 1, 9, 0x2000"),
            ("socket", &[2, 0o2_004_001, 6], "AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_TCP"),
            ("socket", &[1, 2, 0], "AF_UNIX, SOCK_DGRAM, 0"),
            ("socket", &[16, 3, 15], "AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT"),
            ("setsockopt", &[3, 1, 2, 0x1000, 4], "3, SOL_SOCKET, SO_REUSEADDR, 0x1000, 4"),
            ("setsockopt", &[3, 6, 1, 0x1000, 4], "3, SOL_TCP, TCP_NODELAY, 0x1000, 4"),
            ("connect", &[3, 0x1000, 16], "3, 0x1000, 16"),
            ("recvfrom", &[3, 0x1000, 64, 0x42, 0, 0], "3, 0x1000, 64, MSG_PEEK|MSG_DONTWAIT, NULL, NULL"),
            ("epoll_ctl", &[4, 1, 5, 0x1000], "4, EPOLL_CTL_ADD, 5, 0x1000"),
            ("epoll_wait", &[4, 0x1000, 16, 0xffff_ffff], "4, 0x1000, 16, -1"),
            ("poll", &[0x1000, 1, 1000], "0x1000, 1, 1000"),
            ("wait4", &[u64::MAX, 0, 1, 0], "-1, NULL, WNOHANG, NULL"),
            ("kill", &[12, 15], "12, SIGTERM"),
            ("tgkill", &[12, 13, 64], "12, 13, SIGRT_32"),
            ("mkdir", &[0x1000, 0o755], "0x1000, 0755"),
            ("umask", &[0o22], "022"),
            ("access", &[0x1000, 5], "0x1000, R_OK|X_OK"),
            ("newfstatat", &[AT_FDCWD, 0x1000, 0x2000, 0x1000], "AT_FDCWD, 0x1000, 0x2000, AT_EMPTY_PATH"),
            ("clock_nanosleep", &[1, 1, 0x1000, 0], "CLOCK_MONOTONIC, TIMER_ABSTIME, 0x1000, NULL"),
            ("madvise", &[0x1000, 4096, 4], "0x1000, 4096, MADV_DONTNEED"),
            ("prlimit64", &[0, 7, 0, 0x1000], "0, RLIMIT_NOFILE, NULL, 0x1000"),
            ("shmget", &[0, 4096, 0o1600], "IPC_PRIVATE, 4096, IPC_CREAT|0600"),
            ("ioctl", &[1, 0x5413, 0x1000], "1, TIOCGWINSZ, 0x1000"),
            ("ioctl", &[1, 0x5451], "1, FIOCLEX"),
            ("flock", &[3, 6], "3, LOCK_EX|LOCK_NB"),
            ("exit_group", &[0], "0"),
        ];
        for (name, args, expected) in cases {
            assert_eq!(shown_here(name, args), *expected, "{name}");
        }
    }

    #[test]
    fn what_was_read_stands_in_the_place_of_its_address() {
        let call = |name: &str| CallKey { abi: Abi::X86_64, nr: number(Abi::X86_64, name).expect("a call") };
        let operands = b"/etc/passwd".as_slice();
        assert_eq!(
            text(call("openat"), &[AT_FDCWD, 0x1000, 0, 0, 0, 0], Some(operands)),
            "AT_FDCWD, \"/etc/passwd\", O_RDONLY"
        );
        let two = b"a\n\xff1\0b".as_slice();
        assert_eq!(text(call("rename"), &[1, 2, 0, 0, 0, 0], Some(two)), "\"a\\n\\3771\", \"b\"");
        let peer = [2, 0, 0, 80, 10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0].as_slice();
        assert_eq!(
            text(call("connect"), &[3, 0x1000, 16, 0, 0, 0], Some(peer)),
            "3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"10.0.0.5\")}, 16"
        );
        assert_eq!(
            named_text(call("connect"), &[3, 0x1000, 16, 0, 0, 0], Some(peer)),
            "fd=3 uservaddr=10.0.0.5:80 addrlen=16"
        );
        assert_eq!(text(call("read"), &[3, 0x1000, 5, 0, 0, 0], Some(operands)), "3, 0x1000, 5");
    }

    #[test]
    fn names_are_the_kernels() {
        let call = CallKey { abi: Abi::X86_64, nr: 0 };
        assert_eq!(named_text(call, &[3, 0, 5, 0, 0, 0], None), "fd=3 buf=NULL count=5");
    }

    #[test]
    fn other_tables_have_their_own_orders_and_constants() {
        assert_eq!(shown(Abi::I386, "read", [3, 0x1000, 5, 9, 9, 9]), "3, 0x1000, 5");
        assert_eq!(shown(Abi::I386, "lseek", [3, 0xffff_ffff, 0, 9, 9, 9]), "3, -1, SEEK_SET");
        assert_eq!(shown(Abi::I386, "fstat64", [3, 0x1000, 5, 9, 9, 9]), "3, 0x1000");
        // One argument, which points to six.
        assert_eq!(shown(Abi::I386, "mmap", [1, 2, 3, 4, 5, 6]), "0x1, 0x2, 0x3, 0x4, 0x5, 0x6");
        assert_eq!(
            shown(Abi::Aarch64, "openat", [AT_FDCWD, 0x1000, 0o40_000, 0, 0, 0]),
            "AT_FDCWD, 0x1000, O_RDONLY|O_DIRECTORY"
        );
        let thread = [0x3d_0f00, 1, 2, 3, 4, 0];
        assert!(shown(Abi::X86_64, "clone", thread).ends_with("0x1, 0x2, 0x3, 0x4"));
        let call = CallKey { abi: Abi::Aarch64, nr: number(Abi::Aarch64, "clone").expect("a call") };
        let decoded = decode(call, &thread, None);
        assert_eq!((decoded[3].name, decoded[3].raw), ("tls", 3), "the last two change places");
    }

    #[test]
    fn calls_on_a_descriptor_are_known() {
        let words = taking_a_descriptor();
        for (name, expected) in [
            ("read", true),
            ("close", true),
            ("connect", true),
            ("accept4", true),
            ("epoll_wait", true),
            ("getdents64", true),
            ("sendmmsg", true),
            ("openat", true),
            ("newfstatat", true),
            ("open", false),
            ("mmap", false),
            ("futex", false),
            ("getpid", false),
        ] {
            for abi in [Abi::X86_64, Abi::I386, Abi::X32] {
                let Some(nr) = number(abi, name) else { continue };
                let (word, bit) = bitmap_position(abi, nr).expect("a number with a place");
                assert_eq!(words[word] & bit != 0, expected, "{abi:?} {name}");
            }
        }
    }

    #[test]
    fn counts_are_those_of_the_manual_pages() {
        for (name, expected) in
            [("getpid", 0), ("close", 1), ("stat", 2), ("read", 3), ("openat", 4), ("mmap", 6), ("exit", 1)]
        {
            assert_eq!(count(Abi::X86_64, name), expected, "{name}");
        }
        assert_eq!(count(Abi::I386, "getpid"), 0);
        assert_eq!(count(Abi::X86_64, "syscall_99999"), 6);
    }

    /// But for those that no kernel ever had, or has no more.
    #[test]
    fn every_call_of_the_host_has_names() {
        let nameless: Vec<_> = (0..470)
            .map(|nr| syscalls::plain_name(CallKey { abi: Abi::X86_64, nr }))
            .filter(|name| !name.starts_with("syscall_") && parameters(Abi::X86_64, name).is_none())
            .collect();
        assert_eq!(
            nameless.join(" "),
            "create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg afs_syscall tuxcall security \
             epoll_ctl_old epoll_wait_old vserver"
        );
    }

    proptest! {
        #[test]
        fn any_registers_give_bounded_printable_text(
            abi in 0..Abi::ALL.len(), nr in prop_oneof![-2..600_i32, any::<i32>()], args: [u64; 6], narrow: bool,
            kept in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        ) {
            let args = if narrow { args.map(|arg| arg % 64) } else { args };
            let call = CallKey { abi: Abi::ALL[abi], nr };
            let operands = kept.as_deref();
            let decoded = decode(call, &args, operands);
            prop_assert!(decoded.len() <= 6);
            prop_assert!(decoded.iter().all(|argument| args.contains(&argument.raw)));
            let text = text(call, &args, operands);
            prop_assert!(text.len() < 2000, "{}", text.len());
            prop_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            let named = named_text(call, &args, operands);
            prop_assert!(named.chars().all(|c| !c.is_control()));
        }
    }
}
