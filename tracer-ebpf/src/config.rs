//! The knobs, as the verifier sees them: constants of a frozen map, so that what is switched off costs
//! nothing.

use tracer_common::abi::Abi;
use tracer_common::config::{BITMAP_WORDS, Config, bitmap_position};
use tracer_common::operand::{self, Reads, TABLE};

/// Written by user space before load.
#[unsafe(no_mangle)]
pub static CONFIG: Config = Config::DEFAULT;

/// Reads one field of [`CONFIG`]. Volatile, or the compiler would put the default in its place.
macro_rules! config {
    ($($field:ident).+) => {{
        let field = &raw const crate::config::CONFIG.$($field).+;
        // SAFETY: the address of a field of a static.
        unsafe { core::ptr::read_volatile(field) }
    }};
}
pub(crate) use config;

/// Whether the syscall filter wants this call.
#[inline(always)]
pub fn wants(abi: Abi, nr: i32) -> bool {
    if config!(filter_syscalls) == 0 {
        return true;
    }
    let Some((word, bit)) = bitmap_position(abi, nr) else { return config!(unknown_wanted) != 0 };
    has_bit((&raw const CONFIG.wanted).cast(), word, bit)
}

/// Whether the first argument of this call is a descriptor.
#[inline(always)]
pub fn is_described(abi: Abi, nr: i32) -> bool {
    let Some((word, bit)) = bitmap_position(abi, nr) else { return false };
    has_bit((&raw const CONFIG.described).cast(), word, bit)
}

/// Whether a bit is set in one of the bitmaps of [`CONFIG`].
#[inline(always)]
fn has_bit(words: *const u64, word: usize, bit: u64) -> bool {
    // Through memory and a mask: the compiler knows that the index is in bounds and would drop the proof that
    // the verifier needs.
    // SAFETY: a local.
    let index = unsafe { core::ptr::read_volatile(&raw const word) } & (BITMAP_WORDS - 1);
    // SAFETY: the index is below the length.
    unsafe { core::ptr::read_volatile(words.add(index)) & bit != 0 }
}

/// What is to be read of this call.
#[inline(always)]
pub fn reads(abi: Abi, nr: i32) -> Reads {
    let Some(place) = operand::position(abi, nr) else { return 0 };
    // As above.
    // SAFETY: a local.
    let place = unsafe { core::ptr::read_volatile(&raw const place) } & (TABLE - 1);
    let table = (&raw const CONFIG.reads).cast::<Reads>();
    // SAFETY: the place is below the length.
    unsafe { core::ptr::read_volatile(table.add(place)) }
}
