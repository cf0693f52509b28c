//! Where intervals come from.

pub mod contest;
mod descriptors;
pub mod live;
pub mod replay;
mod standing;
pub mod tape;
mod who;
