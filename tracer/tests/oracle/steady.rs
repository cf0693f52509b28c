//! `steady SECONDS BYTES` reads BYTES at a time from /dev/zero for so long, as fast as it goes, and prints what
//! it measured itself of each read: the truth that a comparison of two recordings is held against.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<f64>().ok());
    let (Some(seconds), Some(bytes)) = (number(), number()) else {
        let _ = writeln!(std::io::stderr(), "usage: steady SECONDS BYTES");
        std::process::exit(2);
    };
    let mut buffer = vec![0u8; bytes as usize];
    let mut zero = File::open("/dev/zero").expect("/dev/zero");
    // The clock is read without a syscall, and the list is as long as it can get, so nothing but reads is seen.
    let mut latencies: Vec<u32> = Vec::with_capacity((seconds * 4e6) as usize);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    loop {
        let began = Instant::now();
        if began >= end {
            break;
        }
        zero.read_exact(&mut buffer).expect("zeros never end");
        latencies.push(began.elapsed().as_nanos() as u32);
    }
    latencies.sort_unstable();
    let quantile = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let line = format!(
        "{{\"calls\":{},\"p50_ns\":{},\"p90_ns\":{},\"p99_ns\":{}}}\n",
        latencies.len(),
        quantile(0.5),
        quantile(0.9),
        quantile(0.99)
    );
    std::io::stdout().write_all(line.as_bytes()).expect("a reader");
}
