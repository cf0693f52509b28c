//! Any text as what is given to `-e`: what is understood is shown in words that mean the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::syscalls::SyscallSet;

fuzz_target!(|text: &str| {
    let Ok(set) = SyscallSet::parse(&[text.to_owned()]) else { return };
    let again = SyscallSet::parse(&[set.to_string()]).expect("what is shown can be given");
    assert_eq!(set.bitmap(), again.bitmap(), "{text:?} is shown as {set}");
});
