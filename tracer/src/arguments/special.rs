//! Calls in which one argument says what the others are.

use std::borrow::Cow;

use tracer_common::abi::Abi;

use super::kinds::{Kind, Parameter};
use super::words::{file, net, process, sync};

/// The parameters of this very call, out of those of its syscall.
pub(super) fn parameters(
    abi: Abi,
    name: &str,
    known: &'static [Parameter],
    args: &[u64; 6],
) -> Cow<'static, [Parameter]> {
    let own = || known.to_vec();
    let parameters = match name {
        "open" | "openat" | "mq_open" => open(abi, own(), args),
        "fcntl" | "fcntl64" => fcntl(own(), args),
        "futex" | "futex_time64" => futex(known, args),
        "clone" => clone(abi, own()),
        // TIOCNOTTY FIONCLEX FIOCLEX
        "ioctl" if matches!(args[1] as u32, 0x5422 | 0x5450 | 0x5451) => own()[..2].to_vec(),
        "socket" | "socketpair" => {
            let mut own = own();
            own[2].kind = match args[0] as u32 {
                2 | 10 => Kind::Words(&net::IP_PROTOCOL),
                16 => Kind::Words(&net::NETLINK_PROTOCOL),
                _ => Kind::Int,
            };
            own
        }
        "setsockopt" | "getsockopt" => {
            let mut own = own();
            own[2].kind = match args[1] as u32 {
                1 => Kind::Words(&net::SOCKET_OPTION),
                6 => Kind::Words(&net::TCP_OPTION),
                _ => Kind::Int,
            };
            own
        }
        // A 64-bit position is whole in the first of its two registers.
        "preadv" | "pwritev" | "preadv2" | "pwritev2" if abi != Abi::I386 => {
            own().into_iter().filter(|parameter| parameter.name != "pos_h").collect()
        }
        _ => return Cow::Borrowed(known),
    };
    Cow::Owned(parameters)
}

/// What is created has a mode; what is opened has none.
fn open(abi: Abi, mut own: Vec<Parameter>, args: &[u64; 6]) -> Vec<Parameter> {
    const O_CREAT: u64 = 0o100;
    const O_TMPFILE_ALONE: u64 = 0o20_000_000;
    let Some(at) = own.iter().position(|parameter| matches!(parameter.name, "flags" | "oflag")) else {
        return own;
    };
    if abi == Abi::Aarch64 {
        own[at].kind = Kind::Words(&file::OPEN_AARCH64);
    }
    if args[own[at].register] & (O_CREAT | O_TMPFILE_ALONE) == 0 {
        own.truncate(at + 1);
    }
    own
}

fn fcntl(mut own: Vec<Parameter>, args: &[u64; 6]) -> Vec<Parameter> {
    own[2].kind = match args[1] as u32 {
        // F_GETFD F_GETFL F_GETOWN F_GETSIG F_GETLEASE F_GETPIPE_SZ F_GET_SEALS
        1 | 3 | 9 | 11 | 1025 | 1032 | 1034 => {
            own.truncate(2);
            return own;
        }
        2 => Kind::Words(&file::CLOEXEC),
        4 => Kind::Words(&file::OPEN),
        // F_DUPFD F_SETOWN F_SETLEASE F_DUPFD_CLOEXEC F_SETPIPE_SZ
        0 | 8 | 1024 | 1030 | 1031 => Kind::Int,
        10 => Kind::Words(&process::SIGNAL),
        1026 | 1033 => Kind::Bits,
        _ => Kind::Address,
    };
    own
}

/// <https://github.com/torvalds/linux/blob/v6.12/kernel/futex/syscalls.c#L85-L136>
fn futex(known: &'static [Parameter], args: &[u64; 6]) -> Vec<Parameter> {
    let [uaddr, op, val, timeout, uaddr2, val3] = known else { return known.to_vec() };
    // The fourth register is a count where there is no timeout.
    let val2 = Parameter { name: "val2", kind: Kind::Unsigned, ..*timeout };
    let bitset = Parameter { name: "bitset", kind: Kind::Words(&sync::BITSET), ..*val3 };
    let [uaddr, op, val, timeout, uaddr2, val3] = [*uaddr, *op, *val, *timeout, *uaddr2, *val3];
    match args[1] & 0x7f {
        0 => vec![uaddr, op, val, timeout],
        1 => vec![uaddr, op, val],
        3 => vec![uaddr, op, val, val2, uaddr2],
        4 | 12 => vec![uaddr, op, val, val2, uaddr2, val3],
        5 => vec![uaddr, op, val, val2, uaddr2, Parameter { kind: Kind::Bits, ..val3 }],
        6 | 13 => vec![uaddr, op, timeout],
        7 | 8 => vec![uaddr, op],
        9 => vec![uaddr, op, val, timeout, bitset],
        10 => vec![uaddr, op, val, bitset],
        11 => vec![uaddr, op, val, timeout, uaddr2, val3],
        _ => known.to_vec(),
    }
}

/// Two of its arguments change places on some machines.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/fork.c#L2862-L2880>
fn clone(abi: Abi, mut own: Vec<Parameter>) -> Vec<Parameter> {
    if let ([.., child, tls], Abi::Aarch64 | Abi::I386) = (&mut own[..], abi) {
        (child.name, tls.name) = (tls.name, child.name);
        (child.kind, tls.kind) = (tls.kind, child.kind);
    }
    own
}
