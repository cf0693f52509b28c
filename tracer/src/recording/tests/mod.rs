//! What is read is what was written.

mod damage;
mod exactness;
pub(crate) mod fixture;
mod golden;
