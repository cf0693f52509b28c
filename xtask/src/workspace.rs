//! Where things are in this repository.

use std::path::{Path, PathBuf};

/// The top of the repository this xtask was built from.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo and the verbs put what they make.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The object that the tracer embeds.
pub(crate) fn object() -> PathBuf {
    root().join("tracer/bpf/tracer.bpf.o")
}

/// The record of how the object was made.
pub(crate) fn provenance() -> PathBuf {
    root().join("tracer/bpf/PROVENANCE.toml")
}
