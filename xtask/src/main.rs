//! Everything done to this repository beside `cargo build`.

fn main() {}
