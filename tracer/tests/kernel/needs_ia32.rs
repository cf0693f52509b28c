//! 32-bit calls: these need a kernel with 32-bit emulation.

use std::process::Command;

use crate::oracle::Reach;
use crate::tool::{Family, oracle, oracle_command, trace};

/// Fails where `int 0x80` kills the caller.
fn require_ia32() {
    let made = Command::new(oracle()).args(["int80", "1"]).output().expect("the oracle starts");
    assert!(
        made.status.success(),
        "NOT RUN: this kernel has no 32-bit calls; leave these tests out with --skip needs_ia32"
    );
}

both_families! {
    /// `i386:getpid` is number 20, as is `writev` to a 64-bit caller.
    int80(family) {
        require_ia32();
        let finished = trace(family, &[], &oracle_command(&["int80", "2000"]));
        finished.oracle().assert_equals(&finished.report(), family, Reach::Command);
    }
}
