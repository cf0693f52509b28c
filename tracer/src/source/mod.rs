//! Where intervals come from.

pub mod contest;
pub mod live;
pub mod replay;
pub mod tape;
mod who;
