//! The contract between the BPF programs and user space: record layouts, ledger counters, histogram
//! buckets and the rules that class a return value. No dependencies, no allocation, no I/O; the same
//! code runs in the kernel and in the tool, so the two cannot disagree.
//!
//! | module | holds |
//! |---|---|
//! | [`abi`] | which syscall table a number belongs to |
//! | [`record`] | what travels through the rings, byte for byte |
//! | [`slot`] | what the kernel side keeps per thread |
//! | [`pairing`] | enter, exit and end of a thread as a state machine |
//! | [`outcome`] | success, error, interrupted: one rule for both sides |
//! | [`bucket`] | the log-linear (H2) bucket index |
//! | [`ledger`] | the counters that must add up |
//! | [`cpu`] | what the kernel side keeps per CPU |
//! | [`ring`] | the cells that records travel in, and their two ends |
//! | [`spill`] | in-kernel cells for calls whose ring was full |
//! | [`operand`] | the paths and addresses that calls are about |
//! | [`stack`] | the user stacks of slow calls |
//! | [`config`] | the globals set before load |
#![no_std]

pub mod abi;
pub mod bucket;
pub mod config;
pub mod cpu;
pub mod ledger;
pub mod operand;
pub mod outcome;
pub mod pairing;
pub mod record;
pub mod ring;
pub mod slot;
pub mod spill;
pub mod stack;
