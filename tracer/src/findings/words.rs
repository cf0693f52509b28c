//! Findings in words: one line each, the call first, then the figures, then since when.

use super::nature::{errno, receives};
use super::{Evidence, Finding, Rule};
use crate::arguments;
use crate::columns::age;
use crate::human;
use crate::interval::sizes::SMALL_BYTES;
use crate::syscalls;

impl Finding {
    /// Of whom it holds: `postgres 1841`, `nginx 977 and 3 more`. Safe for a terminal.
    pub fn subject(&self) -> String {
        let process = match self.process.pid {
            0 => self.comm.to_string(),
            pid => format!("{} {pid}", self.comm),
        };
        if self.more == 0 { process } else { format!("{process} and {} more", human::count(self.more)) }
    }

    /// What stands out, without its subject: `fsync 31/s, median 1.28 ms, 29% of its time`. `now_ns` is the
    /// moment it is read.
    pub fn sentence(&self, now_ns: u64) -> String {
        let call = syscalls::name(self.call);
        let figures = match self.evidence {
            Evidence::Errors { errno: code, count, of, over_ns } => {
                let name = syscalls::errno::name(code);
                let share = match self.rule {
                    Rule::RetryStorm => format!(", {}% of its calls", percent(count, of)),
                    Rule::SearchStorm => format!(", {}% of its lookups", percent(count, of)),
                    _ => String::new(),
                };
                format!("{call} {name} {}/s{share}", pace(count, over_ns))
            }
            Evidence::Open { threads, age_ns, p99_ns } => {
                if self.rule == Rule::Standstill {
                    format!("all {threads} threads in {call} for {}, none can be woken", age(age_ns))
                } else {
                    let threads = if threads > 1 { format!(" in {threads} threads") } else { String::new() };
                    let contrast = match p99_ns.filter(|&p99_ns| p99_ns > 0) {
                        Some(p99_ns) => format!(", {}x its p99", human::count(age_ns / p99_ns)),
                        None => String::new(),
                    };
                    let open = if self.until_ns.is_some() { "was open" } else { "open" };
                    let silence = if receives(self.call) { ", nothing arrives" } else { "" };
                    format!("{call} {open} for {}{threads}{contrast}{silence}", age(age_ns))
                }
            }
            Evidence::Time { calls, busy_ns, over_ns, p50_ns, p99_ns } => {
                let latency = if self.rule == Rule::SlowCall && p99_ns / 10 >= p50_ns {
                    let times = human::count(p99_ns / p50_ns.max(1));
                    format!("p99 {}, {times}x its median", human::duration(p99_ns))
                } else {
                    format!("{}/s, median {}", pace(calls, over_ns), human::duration(p50_ns))
                };
                format!("{call} {latency}, {}", share(busy_ns, over_ns))
            }
            Evidence::Sizes { calls, small, bytes, over_ns } => {
                let (part, each) = (percent(small, calls), bytes / calls.max(1));
                format!(
                    "{call} {}/s, {part}% under {SMALL_BYTES} B, {each} B on average",
                    pace(calls, over_ns)
                )
            }
        };
        let when = match (self.until_ns, self.evidence) {
            (Some(until_ns), _) => format!(", until {} ago", age(now_ns.saturating_sub(until_ns))),
            (None, Evidence::Errors { .. }) => self.beginning(now_ns),
            // Open calls say how long, and slow ones were not fast before they were seen.
            _ => String::new(),
        };
        let open = self.descriptors.map_or_else(String::new, |descriptors| format!(" ({descriptors} open)"));
        let meaning = self.meaning().map_or_else(String::new, |meaning| format!(": {meaning}{open}"));
        format!("{figures}{when}{meaning}{}", self.failed_on())
    }

    /// On what: most of them, or some of them.
    fn failed_on(&self) -> String {
        let (Some(on), Evidence::Errors { count, .. }) = (&self.on, self.evidence) else {
            return String::new();
        };
        let how = if on.at_least() * 2 >= count { "mostly" } else { "such as" };
        format!(", {how} on {}", arguments::readable(self.call, on))
    }

    fn beginning(&self, now_ns: u64) -> String {
        let ago = age(now_ns.saturating_sub(self.since_ns) / 1_000_000_000 * 1_000_000_000);
        match (now_ns.saturating_sub(self.since_ns), self.from_start) {
            (0..1_000_000_000, false) => ", began now".to_owned(),
            (_, false) => format!(", began {ago} ago"),
            // It may be older than we are.
            (_, true) => String::new(),
        }
    }

    fn meaning(&self) -> Option<&'static str> {
        let Evidence::Errors { errno: code, .. } = self.evidence else { return None };
        match (self.rule, code) {
            (Rule::DescriptorExhaustion, errno::ENFILE) => Some("no file left on this host"),
            (Rule::DescriptorExhaustion, _)
                if syscalls::plain_name(self.call).starts_with("inotify_init") =>
            {
                Some("no inotify instance left")
            }
            (Rule::DescriptorExhaustion, _) => Some("no descriptor left"),
            (Rule::DiskFull, errno::EDQUOT) => Some("quota used up"),
            (Rule::DiskFull, _) => Some("no space left"),
            _ => None,
        }
    }
}

/// A rate in a few characters: `0.3`, `31`, `2,310`, `184k`.
fn pace(count: u64, over_ns: u64) -> String {
    let rate = count as f64 * 1e9 / over_ns.max(1) as f64;
    if (9.95..99_999.5).contains(&rate) {
        human::count(rate.round() as u64)
    } else {
        human::short_count(rate)
    }
}

fn percent(part: u64, whole: u64) -> String {
    human::percent(part as f64, whole as f64)
}

/// Time in a call as people say it: in percent of one thread's time, or in threads.
fn share(busy_ns: u64, over_ns: u64) -> String {
    let share = busy_ns as f64 / over_ns.max(1) as f64;
    if share < 1.05 {
        format!("{:.0}% of its time", (share * 100.0).min(100.0))
    } else {
        format!("{share:.1} threads in it at a time")
    }
}
