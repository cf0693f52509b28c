//! The knobs, as the verifier sees them: constants of a frozen map, so that what is switched off costs
//! nothing.

use tracer_common::abi::Abi;
use tracer_common::config::{BITMAP_WORDS, Config, bitmap_position};

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
    match bitmap_position(abi, nr) {
        Some((word, bit)) if word < BITMAP_WORDS => {
            let words = (&raw const CONFIG.wanted).cast::<u64>();
            // SAFETY: `word` is below the length.
            unsafe { core::ptr::read_volatile(words.add(word)) & bit != 0 }
        }
        _ => config!(unknown_wanted) != 0,
    }
}
