//! Where intervals come from.

pub mod live;
pub mod replay;
pub mod tape;
mod who;
