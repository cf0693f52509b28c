//! Which syscalls of a Linux process are slow, which fail, which never return.
//!
//! ```text
//! bpf (rings, ledger) ─► source::live ─► decode ─► Interval ─► Aggregator ─► Arc<Snapshot> ─► tui | report
//! ```
//!
//! The core (`decode`, `histogram`, `interval`, `aggregate`, `findings`, `snapshot`, `compare`,
//! `syscalls`, `arguments`, `human`, `columns`, `by_file`, `by_thread`, `trend`, `who`, `file`) does no I/O, reads no clock and takes no lock. The edges (`bpf`, `source`, `report`, `tui`) know the core
//! and not each other; `commands` is the only place that knows both.

pub mod aggregate;
pub mod arguments;
pub mod baseline;
pub mod bpf;
pub mod by_file;
pub mod by_thread;
pub mod cgroups;
pub mod cli;
pub mod columns;
pub mod commands;
pub mod compare;
pub mod config;
pub(crate) mod containers;
pub mod decode;
pub mod export;
pub mod file;
pub mod findings;
pub mod fold;
pub mod group;
pub mod histogram;
pub mod history;
pub mod human;
pub mod interval;
pub mod io_uring;
pub mod launch;
pub mod ledger;
pub mod operand;
pub mod over_time;
pub mod playback;
pub mod process;
pub mod recorder;
pub mod recording;
pub mod report;
pub mod run;
pub mod sieve;
pub mod since;
pub mod snapshot;
pub mod source;
pub mod span;
pub(crate) mod spark;
pub mod stack;
pub mod syscalls;
pub mod tap;
pub mod targets;
pub mod timeline;
pub mod trend;
pub mod trust;
pub mod tui;
pub mod who;
