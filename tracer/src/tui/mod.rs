//! The screen.

#[cfg(test)]
pub(crate) mod fixture;
