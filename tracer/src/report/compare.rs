//! A comparison for readers that are no screen: tables, JSON Lines, Markdown.

mod json;
mod markdown;
mod table;
#[cfg(test)]
mod tests;

pub use json::write_json;
pub use markdown::write_markdown;
pub use table::{Layout, write_tables};

use crate::compare::Comparison;
use crate::compare::gate::Outcome;

/// What is to be shown of it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The comparison.
    pub comparison: &'a Comparison,
    /// What became of the conditions.
    pub conditions: &'a [Outcome],
    /// Only errnos, no latencies.
    pub errnos_only: bool,
    /// Every row.
    pub all: bool,
}
