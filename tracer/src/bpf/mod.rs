//! The kernel side as user space handles it.

pub mod facts;
pub mod preflight;
