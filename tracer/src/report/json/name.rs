//! Names that strangers chose, as text and, where that says too little, as bytes.

use std::fmt::Write as _;

use serde::Serialize;

use crate::process::Comm;

/// A process name in a line.
#[derive(Serialize)]
pub struct Name {
    comm: String,
    /// Its exact bytes where it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    comm_hex: Option<String>,
}

impl Name {
    /// The two fields.
    pub fn new(comm: Comm) -> Self {
        let bytes = comm.as_bytes();
        Self { comm: String::from_utf8_lossy(bytes).into_owned(), comm_hex: hex_of_no_text(bytes) }
    }
}

/// The bytes where they are no UTF-8.
pub(super) fn hex_of_no_text(bytes: &[u8]) -> Option<String> {
    str::from_utf8(bytes).is_err().then(|| hex(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
