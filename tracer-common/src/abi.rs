//! Which syscall table a number belongs to. A number means nothing without it: 20 is `writev` to a
//! 64-bit caller on `x86_64` and `getpid` through `int 0x80`.

/// Calling convention of one syscall, taken at enter.
///
/// The discriminants are on the wire; new ones are only ever added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Abi {
    /// 64-bit `syscall` on `x86_64`.
    X86_64 = 0,
    /// 32-bit calls on `x86_64`: `int 0x80`, `sysenter` and 32-bit `syscall` (`TS_COMPAT`).
    I386 = 1,
    /// `x32`: 64-bit entry with bit 30 of the number set.
    X32 = 2,
    /// `svc` on aarch64.
    Aarch64 = 3,
}

/// Bit 30 of a number marks an `x32` call.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/uapi/asm/unistd.h#L13>
pub const X32_SYSCALL_BIT: i32 = 0x4000_0000;

impl Abi {
    /// Every value, in wire order.
    pub const ALL: [Self; 4] = [Self::X86_64, Self::I386, Self::X32, Self::Aarch64];

    /// The value with this discriminant; `None` for bytes that are no ABI we know.
    pub const fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::X86_64),
            1 => Some(Self::I386),
            2 => Some(Self::X32),
            3 => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// The name used in tables, JSON and recordings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I386 => "i386",
            Self::X32 => "x32",
            Self::Aarch64 => "aarch64",
        }
    }
}
