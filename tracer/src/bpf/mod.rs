//! The kernel's side as user space handles it: what is loaded, how it is attached, read and undone. The
//! only module that talks to `bpf(2)`.
//!
//! | module | does |
//! |---|---|
//! | [`loader`] | loads the object with its settings, attaches, detaches |
//! | [`family`] | says which programs suit a kernel |
//! | [`rings`] | makes the rings and hands out records |
//! | [`operands`] | finds the path or the address that belongs to a call |
//! | [`stacks`] | finds where a slow call was made |
//! | [`counters`] | reads the ledger, the kernel's skips and the spill cells |
//! | [`log`](mod@log) | collects what the programs themselves say |
//! | [`btf`], [`tracefs`] | find where the running kernel keeps what we read |
//! | [`facts`], [`preflight`] | turn a failed load into what, why and what to do next |
//! | [`sys`] | the raw system calls and the mapping of the slots |

pub mod btf;
pub mod counters;
pub mod facts;
pub mod family;
mod files;
pub mod floor;
pub mod loader;
pub mod log;
pub mod operands;
pub mod preflight;
pub mod rings;
pub mod stacks;
pub mod sys;
pub mod tracefs;
