//! Folded stacks, which flame graph tools and speedscope read: `comm;syscall value`, and `comm;syscall;errno
//! value` for the failed ones where that can be told apart.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Call, Rest, Sink, errno_of, latency_ns};
use crate::cli::export::Weight;
use crate::human::safe_text;
use crate::interval::CallKey;
use crate::process::Comm;
use crate::recording::{Kind, Mark};
use crate::run::Meta;
use crate::syscalls::{self, errno};

/// Names that are kept apart; the others share one.
const MAX_NAMES: usize = 10_000;

pub(super) struct Folded {
    out: Box<dyn Write + Send>,
    weight: Weight,
    by_name: BTreeMap<Comm, BTreeMap<(CallKey, u16), u64>>,
}

impl Folded {
    pub(super) fn new(out: Box<dyn Write + Send>, weight: Weight) -> Self {
        Self { out, weight, by_name: BTreeMap::new() }
    }

    /// `errno` is 0 where nothing failed, or where it is not known which part did.
    fn add(&mut self, comm: Comm, call: CallKey, errno: u16, value: u64) {
        let is_full = self.by_name.len() >= MAX_NAMES && !self.by_name.contains_key(&comm);
        let comm = if is_full { Comm::new("(others)") } else { comm };
        *self.by_name.entry(comm).or_default().entry((call, errno)).or_default() += value;
    }
}

/// A name as one frame: `;` would end it.
fn frame(comm: Comm) -> String {
    if comm.is_empty() { "?".to_owned() } else { safe_text(comm.as_bytes()).replace(';', "\\x3b") }
}

impl Sink for Folded {
    fn begin(&mut self, _: &Meta, _: Kind) -> io::Result<()> {
        Ok(())
    }

    fn call(&mut self, call: &Call<'_>) -> io::Result<()> {
        let value = match self.weight {
            Weight::Time => latency_ns(call.event).unwrap_or(0),
            Weight::Calls => 1,
        };
        self.add(call.comm, call.event.call, errno_of(call.event).unwrap_or(0), value);
        Ok(())
    }

    fn rest(&mut self, rest: &Rest<'_>) -> io::Result<()> {
        for (key, cell) in &rest.interval.cells {
            let comm = rest.names.name(key.process);
            match self.weight {
                Weight::Time => self.add(comm, key.call, 0, cell.total_ns),
                Weight::Calls => {
                    for (&errno, &count) in &cell.errors {
                        self.add(comm, key.call, errno, count);
                    }
                    self.add(comm, key.call, 0, cell.calls.saturating_sub(cell.error_count()));
                }
            }
        }
        Ok(())
    }

    fn mark(&mut self, _: &Mark) -> io::Result<()> {
        // A sum has no moments.
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        for (comm, stacks) in &self.by_name {
            for ((call, errno), value) in stacks.iter().filter(|(_, value)| **value > 0) {
                let (comm, name) = (frame(*comm), syscalls::name(*call));
                match errno {
                    0 => writeln!(self.out, "{comm};{name} {value}")?,
                    _ => writeln!(self.out, "{comm};{name};{} {value}", errno::name(*errno))?,
                }
            }
        }
        self.out.flush()
    }
}
