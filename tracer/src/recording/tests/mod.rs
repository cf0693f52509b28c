//! What is read is what was written.

mod exactness;
pub(crate) mod fixture;
