//! What is read is what was written.

mod damage;
mod exactness;
mod fixture;
mod golden;
