//! Where intervals come from.

pub mod live;
