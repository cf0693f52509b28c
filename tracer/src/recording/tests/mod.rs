//! What is read is what was written.

mod exactness;
mod fixture;
