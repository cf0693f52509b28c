//! The figures as Markdown: the table, the design targets, and their place in `docs/benchmarks.md`.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::contender::{Contender, Family, Peer, Reach, Spun};
use super::median;
use super::throughput::{Kept, ROUNDS, Throughput};

/// One contender with one number of threads.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) contender: Contender,
    pub(super) call: Spun,
    pub(super) threads: u32,
    /// ns per call of each round.
    pub(super) rounds: Vec<f64>,
    /// What was wrong in some round.
    pub(super) remarks: Vec<String>,
}

impl Figure {
    pub(super) fn new(contender: Contender, call: Spun, threads: u32) -> Self {
        Self { contender, call, threads, rounds: Vec::new(), remarks: Vec::new() }
    }
}

/// All figures of one run, and what they were taken with.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) figures: Vec<Figure>,
    pub(super) missing: Vec<Peer>,
    /// The family that the tracer takes on this kernel by itself.
    pub(super) family: Family,
    pub(super) throughput: Option<Throughput>,
    pub(super) head: Vec<String>,
    pub(super) facts: Vec<String>,
}

impl Report {
    /// ns per call.
    fn cost(&self, contender: Contender, threads: u32) -> Option<f64> {
        let figure = self.figure(contender, threads)?;
        Some(median(&mut figure.rounds.clone()))
    }

    fn figure(&self, contender: Contender, threads: u32) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.contender == contender && figure.threads == threads)
    }

    /// ns per call more than untraced with as many threads.
    fn added(&self, contender: Contender, threads: u32) -> Option<f64> {
        Some(self.cost(contender, threads)? - self.cost(Contender::Untraced, threads)?)
    }

    /// How many times the cost of `other` this one adds. Without a positive divisor there is no ratio.
    fn ratio(&self, contender: Contender, other: Contender, threads: u32) -> Option<f64> {
        let divisor = self.added(other, threads)?;
        (divisor > 0.0).then_some(self.added(contender, threads)? / divisor)
    }

    /// Everything, in Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        for line in &self.head {
            let _ = writeln!(text, "{line}\n");
        }
        text.push_str(&self.table());
        for peer in &self.missing {
            let _ = writeln!(text, "\n{}: not installed (package {})", peer.name(), peer.package());
        }
        let _ = write!(text, "\n### Design targets\n\n{}", self.targets());
        let _ = writeln!(text, "\n### The machine\n");
        for fact in &self.facts {
            let _ = writeln!(text, "- {fact}");
        }
        text
    }

    fn table(&self) -> String {
        let peers: Vec<Peer> = Peer::ALL
            .into_iter()
            .filter(|&peer| self.figures.iter().any(|figure| figure.contender == Contender::Peer(peer)))
            .collect();
        let mut text = "| contender | threads | ns/call | added ns | spread | × floor |".to_owned();
        for peer in &peers {
            let _ = write!(text, " × {} |", peer.name());
        }
        text.push_str("\n|---|--:|--:|--:|--:|--:|");
        text.push_str(&"--:|".repeat(peers.len()));
        text.push('\n');
        let mut remarks = String::new();
        for figure in &self.figures {
            let (contender, threads) = (figure.contender, figure.threads);
            let number =
                |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"));
            let is_base = contender == Contender::Untraced;
            let _ = write!(
                text,
                "| {} | {threads} | {} | {} | {:.0} % | {} |",
                contender.name(),
                number(self.cost(contender, threads)),
                number(self.added(contender, threads).filter(|_| !is_base)),
                100.0 * spread(&figure.rounds),
                times(self.ratio(contender, contender.floor(), threads).filter(|_| !is_base)),
            );
            for &peer in &peers {
                let ratio = self.ratio(contender, Contender::Peer(peer), threads).filter(|_| !is_base);
                let _ = write!(text, " {} |", times(ratio));
            }
            text.push('\n');
            for remark in &figure.remarks {
                let _ = writeln!(remarks, "\n**{}, {threads} threads: {remark}**", contender.name());
            }
        }
        text + &remarks
    }

    /// The targets for tracing's cost, each with what was measured. The verdict is on the family that the
    /// tracer takes by itself; the other stands beside it.
    fn targets(&self) -> String {
        let in_use = self.family.name();
        let mut text = format!(
            "Verdict on the {in_use} family, which the tracer takes on this kernel.\n\n\
             | target | limit | raw | classic | |\n|---|--:|--:|--:|---|\n"
        );
        let mut row = |what: String, limit: f64, ratio: &dyn Fn(Family) -> Option<f64>| {
            let verdict = ratio(self.family)
                .map_or("not measured", |ratio| if ratio <= limit { "met" } else { "**NOT MET**" });
            let (raw, classic) = (times(ratio(Family::Raw)), times(ratio(Family::Classic)));
            let _ = writeln!(text, "| {what} | ≤ {limit} | {raw} | {classic} | {verdict} |");
        };
        let with_arguments = [("whole host, --args", Reach::HostArguments), ("target", Reach::Target)];
        for (name, reach) in with_arguments {
            row(format!("{name} ÷ floor"), 2.2, &|family| {
                self.ratio(Contender::Tracer(reach, family), Contender::Floor(family), 1)
            });
        }
        // Each tool against the way of ours that traces what it traces.
        for (peer, reach, limit) in [
            (Peer::Syscount, Reach::HostArguments, 0.75),
            (Peer::Bpftrace, Reach::HostArguments, 0.4),
            (Peer::PerfTrace, Reach::Target, 0.012),
            (Peer::Strace, Reach::Target, 0.01),
        ] {
            let ours = if reach == Reach::Target { "target" } else { "whole host, --args" };
            row(format!("{ours} ÷ {}", peer.name()), limit, &|family| {
                self.ratio(Contender::Tracer(reach, family), Contender::Peer(peer), 1)
            });
        }
        row("bystander ÷ floor".to_owned(), 1.1, &|family| {
            self.ratio(Contender::Tracer(Reach::Bystander, family), Contender::Floor(family), 1)
        });
        for (name, reach) in with_arguments {
            row(format!("{name}, 2 threads ÷ 1 thread"), 1.1, &|family| {
                let contender = Contender::Tracer(reach, family);
                let one = self.added(contender, 1).filter(|&added| added > 0.0)?;
                Some(self.added(contender, 2)? / one)
            });
        }
        match self.throughput {
            Some(Throughput { untraced, floor, traced }) => {
                let verdict = if traced.median >= 0.93 { "met" } else { "**NOT MET**" };
                let _ = writeln!(
                    text,
                    "\nredis-benchmark GET, 50 clients, {ROUNDS} rounds: {untraced:.0} requests/s untraced, {} of it under two \
                     empty programs, {} attached by PID (target ≥ 0.93: {verdict}), {:.3} of what the empty \
                     programs leave",
                    share(floor),
                    share(traced),
                    traced.median / floor.median,
                );
            }
            None => text.push_str("\nredis-server and redis-benchmark: not installed\n"),
        }
        text
    }
}

fn share(kept: Kept) -> String {
    format!("{:.3} ({:.3} to {:.3})", kept.median, kept.least, kept.most)
}

/// A ratio with as many digits as a small one needs.
pub(super) fn times(ratio: Option<f64>) -> String {
    match ratio {
        None => "–".to_owned(),
        Some(ratio) if ratio.abs() < 0.1 => format!("{ratio:.4}"),
        Some(ratio) => format!("{ratio:.2}"),
    }
}

/// How far the rounds lie apart, as a part of their median.
pub(super) fn spread(rounds: &[f64]) -> f64 {
    let most = rounds.iter().copied().fold(f64::MIN, f64::max);
    let least = rounds.iter().copied().fold(f64::MAX, f64::min);
    (most - least) / median(&mut rounds.to_vec())
}

/// `page` with `text` between the markers of `what`.
pub(super) fn insert(page: &str, what: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {what}:begin -->"), format!("<!-- {what}:end -->"));
    let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let Some((before, after)) = parts else {
        bail!("the page has no `{begin}` followed by `{end}`; put both where the figures belong");
    };
    Ok(format!("{before}{begin}\n{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(costs: &[(Contender, u32, f64)]) -> Report {
        let figures = costs
            .iter()
            .map(|&(contender, threads, cost)| Figure {
                contender,
                call: Spun::Getppid,
                threads,
                rounds: vec![cost],
                remarks: Vec::new(),
            })
            .collect();
        Report {
            figures,
            missing: vec![Peer::Strace],
            family: Family::Raw,
            throughput: Some(Throughput { untraced: 100.0, floor: kept(0.95), traced: kept(0.92) }),
            head: Vec::new(),
            facts: Vec::new(),
        }
    }

    fn kept(median: f64) -> Kept {
        Kept { least: median - 0.01, median, most: median + 0.01 }
    }

    const HOST: Contender = Contender::Tracer(Reach::HostArguments, Family::Raw);
    const FLOOR: Contender = Contender::Floor(Family::Raw);

    #[test]
    fn ratios_are_of_what_is_added() {
        let report = report(&[
            (Contender::Untraced, 1, 100.0),
            (Contender::Untraced, 2, 110.0),
            (FLOOR, 1, 250.0),
            (HOST, 1, 430.0),
            (HOST, 2, 473.0),
            (Contender::Peer(Peer::Syscount), 1, 500.0),
        ]);
        let text = report.markdown();
        for wanted in [
            "| untraced | 1 | 100 | – | 0 % | – | – |",
            "| tracer, whole host, --args, raw | 1 | 430 | 330 | 0 % | 2.20 | 0.82 |",
            "| whole host, --args ÷ floor | ≤ 2.2 | 2.20 | – | met |",
            "| whole host, --args ÷ syscount -L | ≤ 0.75 | 0.82 | – | **NOT MET** |",
            "| whole host, --args, 2 threads ÷ 1 thread | ≤ 1.1 | 1.10 | – | met |",
            "| target ÷ floor | ≤ 2.2 | – | – | not measured |",
            "strace -f -c: not installed (package strace)",
            "0.920 (0.910 to 0.930) attached by PID (target ≥ 0.93: **NOT MET**)",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
        }
    }

    #[test]
    fn nothing_is_divided_by_noise() {
        let report = report(&[(Contender::Untraced, 1, 100.0), (FLOOR, 1, 99.0), (HOST, 1, 430.0)]);
        assert_eq!(report.ratio(HOST, FLOOR, 1), None);
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = |text: &str| format!("before\n<!-- price:begin -->\n{text}\n<!-- price:end -->\nafter\n");
        let new = insert(&page("old"), "price", "new\n").expect("both markers");
        assert_eq!(new, page("new"));
        assert_eq!(insert(&new, "price", "new\n").expect("both markers"), new);
        assert!(insert(&new, "overhead", "new").is_err(), "another's markers");
    }
}
