//! Where intervals come from.

pub mod contest;
mod descriptors;
mod files;
mod inquiry;
pub mod live;
pub mod replay;
mod stacks;
mod standing;
pub mod tape;
mod who;
