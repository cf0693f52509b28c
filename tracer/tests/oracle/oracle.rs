//! `oracle [--wait-for-start] MODE [ARGS]` makes an exactly known multiset of syscalls, counts them where it
//! makes them, and prints its own ledger as one line of JSON: what a tracer must have seen of it.
//!
//! Only calls that neither libc's nor Rust's start-up makes are in the rows, so they can be compared for
//! equality with what a tracer counted from `execve` to exit. docs/TESTING.md lists the modes.

#[cfg(target_arch = "x86_64")]
mod blocked;
#[cfg(target_arch = "x86_64")]
mod calls;
#[cfg(target_arch = "x86_64")]
mod files;
#[cfg(target_arch = "x86_64")]
mod names;
#[cfg(target_arch = "x86_64")]
mod places;
#[cfg(target_arch = "x86_64")]
mod raw;
#[cfg(target_arch = "x86_64")]
mod rings;
#[cfg(target_arch = "x86_64")]
mod run;
#[cfg(target_arch = "x86_64")]
mod signals;
#[cfg(target_arch = "x86_64")]
mod tally;
#[cfg(target_arch = "x86_64")]
mod tasks;
#[cfg(target_arch = "x86_64")]
mod timing;
#[cfg(target_arch = "x86_64")]
mod watch;

#[cfg(target_arch = "x86_64")]
fn main() -> std::process::ExitCode {
    run::main()
}

/// The modes speak x86_64's entry paths and numbers; elsewhere there is nothing to run.
#[cfg(not(target_arch = "x86_64"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(2)
}
