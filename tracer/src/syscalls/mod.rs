//! Names and kinds of syscalls.

use crate::interval::CallKey;

/// Name.
pub fn name(call: CallKey) -> String {
    format!("syscall_{}", call.nr)
}

/// Waiting by design.
pub fn waits_by_design(_call: CallKey) -> bool {
    false
}
