//! Where intervals come from.

pub mod contest;
mod descriptors;
mod files;
mod inquiry;
mod links;
pub mod live;
pub mod replay;
mod rings;
mod stacks;
mod standing;
pub mod tape;
mod who;
