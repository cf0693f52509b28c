//! Reports for readers that are no screen: a log, a pipe, a file.

pub mod compare;
mod errnos;
mod files;
mod findings;
pub mod json;
pub(crate) mod markdown;
mod stacks;
mod table;

pub use crate::columns::Scope;
pub use errnos::write_errnos;
pub use files::write_files;
pub use table::{Limits, write_tables, write_tables_within};
