//! Reports for readers that are no screen: a log, a pipe, a file.

mod findings;
pub mod json;
mod table;

pub use crate::columns::Scope;
pub use table::write_tables;
