//! Results as text for other programs and for people without a screen.

pub mod json;
