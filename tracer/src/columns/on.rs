//! What a single call was about, in words: the file or peer behind its descriptor first, then its arguments.

use crate::arguments;
use crate::interval::{CallKey, On};

/// `tcp 10.0.0.1:40000 -> 10.0.0.5:5432  fd=17 buf=0x7f0012345000 count=8192`; safe to print. Empty where nothing is known.
pub fn about(call: CallKey, args: Option<&[u64; 6]>, on: Option<&On>, operands: Option<&[u8]>) -> String {
    let args = args.map(|args| arguments::named_text(call, args, operands));
    match (on, args) {
        (Some(on), Some(args)) => format!("{}  {args}", on.names.label(on.file)),
        (Some(on), None) => on.names.label(on.file),
        (None, args) => args.unwrap_or_default(),
    }
}
