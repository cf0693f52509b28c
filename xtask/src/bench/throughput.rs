//! What a server under load keeps of its throughput while it is traced: redis and its own benchmark.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::contender::{Contender, Family, Reach};
use super::median;
use super::processes::Background;
use crate::command::{self, find};

/// Enough for about two seconds.
const REQUESTS: &str = "200000";
const CLIENTS: &str = "50";

/// Turns of each contender. The server, its clients and the tracer share two CPUs, and which of them share one
/// differs from turn to turn by more than tracing costs: only many turns tell.
pub(super) const ROUNDS: usize = 9;

/// Medians over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Throughput {
    /// Requests per second.
    pub(super) untraced: f64,
    /// Of that, under two empty programs: what any tracer with a program at enter and one at exit leaves.
    pub(super) floor: Kept,
    /// Of that, attached by PID.
    pub(super) traced: Kept,
}

/// What is kept of the throughput that the same round had untraced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) most: f64,
}

impl Kept {
    fn of(rates: &[f64], untraced: &[f64]) -> Self {
        let mut shares: Vec<f64> =
            rates.iter().zip(untraced).map(|(rate, untraced)| rate / untraced).collect();
        let median = median(&mut shares);
        let [least, most] = [shares.first(), shares.last()].map(|share| share.copied().unwrap_or(f64::NAN));
        Self { least, median, most }
    }
}

/// Measures a server untraced, under empty programs and traced in turn; nothing where redis is not installed.
pub(super) fn measure(family: Family, directory: &Path) -> Result<Option<Throughput>> {
    let (Some(server), Some(client)) = (find("redis-server"), find("redis-benchmark")) else {
        return Ok(None);
    };
    let port = free_port()?.to_string();
    let mut command = Command::new(server);
    command
        .args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no", "--dir"])
        .arg(directory);
    let own = tempfile::tempdir().context("cannot create a directory")?;
    let mut redis = Background::start(command, own.path())?;
    redis.wait_until_ready(|redis| redis.stdout().contains("eady to accept connections"))?;

    let ask = || requests_per_second(&client, &port);
    let contenders =
        [Contender::Untraced, Contender::Floor(family), Contender::Tracer(Reach::Target, family)];
    let mut rates = contenders.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (contender, rates) in contenders.iter().zip(&mut rates) {
            let attached = contender.attach(&[redis.pid()], directory)?;
            rates.push(ask()?);
            if let Some(attached) = attached {
                attached.discard()?;
            }
        }
    }
    redis.stop()?;
    let [mut untraced, floor, traced] = rates;
    let (floor, traced) = (Kept::of(&floor, &untraced), Kept::of(&traced, &untraced));
    Ok(Some(Throughput { untraced: median(&mut untraced), floor, traced }))
}

/// A port nobody listens on now.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot find a free port")?;
    Ok(listener.local_addr()?.port())
}

fn requests_per_second(client: &Path, port: &str) -> Result<f64> {
    let mut command = Command::new(client);
    command.args(["-p", port, "-t", "get", "-n", REQUESTS, "-c", CLIENTS, "--csv"]);
    let printed = command::read(&mut command)?;
    rate(&printed).with_context(|| format!("redis-benchmark printed no rate:\n{printed}"))
}

/// The rate of GET in the benchmark's CSV; its other columns came with later versions.
fn rate(csv: &str) -> Option<f64> {
    let line = csv.lines().find_map(|line| line.trim().strip_prefix("\"GET\","))?;
    line.split(',').next()?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_same_round() {
        let kept = Kept::of(&[95.0, 40.0, 98.0], &[100.0, 50.0, 100.0]);
        assert_eq!(kept, Kept { least: 0.8, median: 0.95, most: 0.98 });
    }

    #[test]
    fn the_rate_is_the_second_column_of_every_version() {
        let new = "\"test\",\"rps\",\"avg_latency_ms\"\n\"GET\",\"86206.90\",\"0.303\"\n";
        assert_eq!(rate(new), Some(86206.90));
        assert_eq!(rate("\"GET\",\"5.5\"\n"), Some(5.5));
        assert_eq!(rate("Could not connect"), None);
    }
}
