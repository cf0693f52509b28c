//! The oracle's own ledger: what was called, how often, and how each call ended, counted where it is made.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::names;
use crate::raw;

/// The entry path of a call, named as the tracer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Abi {
    X86_64,
    I386,
    X32,
}

/// Bit 30 of a number marks an x32 call.
pub(crate) const X32_BIT: i64 = 0x4000_0000;

impl Abi {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I386 => "i386",
            Self::X32 => "x32",
        }
    }

    fn of_number(nr: i64) -> Self {
        if nr >= 0 && nr & X32_BIT != 0 { Self::X32 } else { Self::X86_64 }
    }
}

/// Everything counted of one syscall.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) calls: u64,
    /// Failures by errno; calls that a signal cut short are not among them.
    pub(crate) errors: BTreeMap<i64, u64>,
    pub(crate) interrupted: u64,
    pub(crate) denied: u64,
    /// Wall time around the calls made by [`Tally::timed`], `(shortest, total)`.
    pub(crate) timed_ns: Option<(u64, u64)>,
}

/// The ledger of a process, a thread or a whole run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    rows: BTreeMap<(Abi, i64), Row>,
    facts: BTreeMap<String, String>,
}

/// The errno in a raw return value.
fn errno_of(ret: i64) -> Option<i64> {
    (-4095..0).contains(&ret).then_some(-ret)
}

impl Tally {
    fn row(&mut self, nr: i64) -> &mut Row {
        self.rows.entry((Abi::of_number(nr), nr)).or_default()
    }

    /// Makes one call and counts how it ended.
    pub(crate) fn call(&mut self, nr: i64, args: [usize; 6]) -> i64 {
        let ret = raw::syscall(nr, args);
        let row = self.row(nr);
        row.calls += 1;
        if let Some(errno) = errno_of(ret) {
            *row.errors.entry(errno).or_default() += 1;
        }
        ret
    }

    /// Makes the same call `count` times, with nothing but the call in the loop.
    pub(crate) fn repeat(&mut self, nr: i64, args: [usize; 6], count: u64) {
        let mut errors = BTreeMap::new();
        for _ in 0..count {
            if let Some(errno) = errno_of(raw::syscall(nr, args)) {
                *errors.entry(errno).or_default() += 1;
            }
        }
        self.add(nr, &Row { calls: count, errors, ..Row::default() });
    }

    /// Makes the same call, which seccomp refuses, `count` times.
    pub(crate) fn repeat_denied(&mut self, nr: i64, count: u64) {
        self.repeat(nr, [0; 6], count);
        self.row(nr).denied += count;
    }

    /// Makes one 32-bit call by `int 0x80`.
    pub(crate) fn call_i386(&mut self, nr: i32, args: [u32; 3], never_fails: bool) -> i64 {
        let ret = raw::int80(nr, args);
        let row = self.rows.entry((Abi::I386, i64::from(nr))).or_default();
        row.calls += 1;
        if let Some(errno) = errno_of(ret).filter(|_| !never_fails) {
            *row.errors.entry(errno).or_default() += 1;
        }
        ret
    }

    /// Makes one call that a signal is going to cut short: it must come back with `EINTR`.
    pub(crate) fn call_interrupted(&mut self, nr: i64, args: [usize; 6]) {
        let ret = raw::syscall(nr, args);
        assert_eq!(ret, -i64::from(libc::EINTR), "{} was meant to be interrupted", names::syscall(nr));
        self.add(nr, &Row { calls: 1, interrupted: 1, ..Row::default() });
    }

    /// Makes one call and measures it from outside: never less than the kernel's own measure.
    pub(crate) fn timed(&mut self, nr: i64, args: [usize; 6]) -> i64 {
        let start = std::time::Instant::now();
        let ret = self.call(nr, args);
        let ns = start.elapsed().as_nanos() as u64;
        let row = self.row(nr);
        let (shortest, total) = row.timed_ns.unwrap_or((u64::MAX, 0));
        row.timed_ns = Some((shortest.min(ns), total + ns));
        ret
    }

    /// Counts calls of the 64-bit table that were made elsewhere.
    pub(crate) fn add(&mut self, nr: i64, counted: &Row) {
        merge_row(self.row(nr), counted);
    }

    /// Counts `calls` successful calls that were made elsewhere.
    pub(crate) fn add_calls(&mut self, nr: i64, calls: u64) {
        self.add(nr, &Row { calls, ..Row::default() });
    }

    /// States a fact beside the rows; `value` is a JSON number.
    pub(crate) fn fact(&mut self, name: &str, value: impl fmt::Display) {
        self.facts.insert(name.to_owned(), value.to_string());
    }

    /// Adds the ledger of a thread or a child.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (&key, row) in &other.rows {
            merge_row(self.rows.entry(key).or_default(), row);
        }
        self.facts.extend(other.facts.clone());
    }

    /// The rows as lines that [`Tally::from_lines`] reads: how a child hands its ledger to its parent.
    pub(crate) fn to_lines(&self) -> String {
        let mut text = String::new();
        for (&(abi, nr), row) in &self.rows {
            let errors: Vec<String> = row.errors.iter().map(|(e, n)| format!("{e}:{n}")).collect();
            let _ = writeln!(
                text,
                "{} {nr} {} {} {} {}",
                abi as u8,
                row.calls,
                row.interrupted,
                row.denied,
                errors.join(",")
            );
        }
        text
    }

    /// The ledger of a child.
    pub(crate) fn from_lines(text: &str) -> Self {
        let mut tally = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let mut number = || words.next().and_then(|word| word.parse::<i64>().ok()).expect("a number");
            let abi = match number() {
                0 => Abi::X86_64,
                1 => Abi::I386,
                _ => Abi::X32,
            };
            let nr = number();
            let mut row = Row {
                calls: number() as u64,
                interrupted: number() as u64,
                denied: number() as u64,
                ..Row::default()
            };
            for pair in words.next().unwrap_or("").split(',').filter(|pair| !pair.is_empty()) {
                let (errno, count) = pair.split_once(':').expect("errno:count");
                row.errors.insert(errno.parse().expect("an errno"), count.parse().expect("a count"));
            }
            tally.rows.insert((abi, nr), row);
        }
        tally
    }

    /// The whole ledger as one line of JSON.
    pub(crate) fn to_json(&self, mode: &str) -> String {
        let rows: Vec<String> = self.rows.iter().map(|(&(abi, nr), row)| row_json(abi, nr, row)).collect();
        let facts: Vec<String> =
            self.facts.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!(
            "{{\"mode\":\"{mode}\",\"pid\":{},\"rows\":[{}],\"facts\":{{{}}}}}",
            std::process::id(),
            rows.join(","),
            facts.join(",")
        )
    }
}

fn merge_row(into: &mut Row, from: &Row) {
    into.calls += from.calls;
    into.interrupted += from.interrupted;
    into.denied += from.denied;
    for (&errno, &count) in &from.errors {
        *into.errors.entry(errno).or_default() += count;
    }
    if let Some((shortest, total)) = from.timed_ns {
        let (mine, sum) = into.timed_ns.unwrap_or((u64::MAX, 0));
        into.timed_ns = Some((mine.min(shortest), sum + total));
    }
}

fn row_json(abi: Abi, nr: i64, row: &Row) -> String {
    let name = match abi {
        Abi::X86_64 => names::syscall(nr),
        Abi::I386 => format!("i386:{}", names::i386(nr)),
        Abi::X32 => format!("x32:{}", names::syscall(nr & !X32_BIT)),
    };
    let errors: Vec<String> =
        row.errors.iter().map(|(&errno, count)| format!("\"{}\":{count}", names::errno(errno))).collect();
    let timed = row
        .timed_ns
        .map_or(String::new(), |(shortest, total)| format!(",\"min_ns\":{shortest},\"total_ns\":{total}"));
    format!(
        "{{\"abi\":\"{}\",\"nr\":{nr},\"name\":\"{name}\",\"calls\":{},\"errors\":{{{}}},\
         \"interrupted\":{},\"denied\":{}{timed}}}",
        abi.name(),
        row.calls,
        errors.join(","),
        row.interrupted,
        row.denied,
    )
}
