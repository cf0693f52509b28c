//! The real `tracer` on the real kernel, against programs whose calls are known: counts must be equal, not
//! near, and every identity of the ledger must hold. docs/TESTING.md says how to run these.
//!
//! They need root, so plain `cargo test` ignores them. A module named `needs_…` needs something more; where
//! that is missing, its tests fail unless the run leaves them out by name, because a test that did not run
//! must not look like one that passed.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

/// A check that runs once with each program family, as two tests.
macro_rules! both_families {
    ($($(#[doc = $doc:literal])* $name:ident($family:ident) $body:block)+) => {$(
        mod $name {
            #[allow(clippy::wildcard_imports, unused_imports, reason = "the body sees what its file sees")]
            use super::*;

            $(#[doc = $doc])*
            fn check($family: Family) $body

            #[test]
            #[ignore = "root"]
            fn raw() {
                check(Family::Raw);
            }

            #[test]
            #[ignore = "root"]
            fn classic() {
                check(Family::Classic);
            }
        }
    )+};
}

mod blocked;
mod cgroups;
mod failures;
mod files;
mod filters;
mod modes;
mod namespaces;
mod needs_bash;
mod needs_ia32;
mod needs_io_uring;
mod needs_perf;
mod needs_python3;
mod needs_python3_operands;
mod needs_quiet;
mod needs_sh;
mod needs_speed;
mod needs_strace;
mod needs_strace_arguments;
mod needs_strace_files;
mod needs_unshare;
mod oracle;
mod overload;
mod readback;
mod recording;
mod report;
mod stacks;
mod targets;
#[path = "../pty/terminal.rs"]
#[expect(dead_code, reason = "the tests of the screen use the rest")]
mod terminal;
mod tool;
