//! Folded stacks, which flame graph tools and speedscope read: `comm;syscall value`, and `comm;syscall;errno
//! value` for the failed ones where that can be told apart. Calls of which it was taken where they were made have their
//! functions in between: `comm;main;f;syscall value`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use super::{Call, Rest, Sink, errno_of, latency_ns};
use crate::cli::export::Weight;
use crate::human::safe_text;
use crate::interval::stacks::Frames;
use crate::interval::{CallKey, Stack};
use crate::process::Comm;
use crate::recording::{Kind, Mark};
use crate::run::Meta;
use crate::syscalls::{self, errno};

/// Names that are kept apart; the others share one.
const MAX_NAMES: usize = 10_000;

/// Places that are kept apart; the others are among the calls without one.
const MAX_PLACES: usize = 200_000;

pub(super) struct Folded {
    out: Box<dyn Write + Send>,
    weight: Weight,
    by_name: BTreeMap<Comm, BTreeMap<(CallKey, u16), u64>>,
    /// The part of these of which it is known where they were made.
    made_in: BTreeMap<Comm, BTreeMap<CallKey, BTreeMap<Frames, u64>>>,
    /// Places in it.
    places: usize,
}

impl Folded {
    pub(super) fn new(out: Box<dyn Write + Send>, weight: Weight) -> Self {
        Self { out, weight, by_name: BTreeMap::new(), made_in: BTreeMap::new(), places: 0 }
    }

    fn named(&self, comm: Comm) -> Comm {
        let is_full = self.by_name.len() >= MAX_NAMES && !self.by_name.contains_key(&comm);
        if is_full { Comm::new("(others)") } else { comm }
    }

    /// `errno` is 0 where nothing failed, or where it is not known which part did.
    fn add(&mut self, comm: Comm, call: CallKey, errno: u16, value: u64) {
        let comm = self.named(comm);
        *self.by_name.entry(comm).or_default().entry((call, errno)).or_default() += value;
    }

    /// Calls of which it is known where they were made. They are among those of [`Folded::add`].
    fn add_stack(&mut self, comm: Comm, call: CallKey, stack: &Stack) {
        if stack.is_rest() || self.places >= MAX_PLACES {
            return;
        }
        let value = match self.weight {
            Weight::Time => stack.figures.total_ns,
            Weight::Calls => stack.figures.calls,
        };
        let places = self.made_in.entry(self.named(comm)).or_default().entry(call).or_default();
        if let Some(known) = places.get_mut(&stack.frames) {
            *known += value;
        } else {
            places.insert(Arc::clone(&stack.frames), value);
            self.places += 1;
        }
    }

    /// Writes the calls that are known by place, and takes them from the others.
    fn write_places(&mut self) -> io::Result<()> {
        for (comm, calls) in std::mem::take(&mut self.made_in) {
            for (call, places) in calls {
                for (frames, value) in places {
                    // No more than there is: a part of a recording may begin between a call and what is known of it.
                    if let value @ 1.. = self.take(comm, call, value) {
                        let functions: Vec<String> =
                            frames.iter().rev().map(|name| text(name.as_bytes())).collect();
                        let (comm, name) = (frame(comm), syscalls::name(call));
                        writeln!(self.out, "{comm};{};{name} {value}", functions.join(";"))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes so much of a call away, as far as there is so much. A program's first calls may stand under the name that its
    /// process had before.
    fn take(&mut self, comm: Comm, call: CallKey, value: u64) -> u64 {
        let mut left = value;
        let mut take = |known: &mut BTreeMap<(CallKey, u16), u64>| {
            for (_, value) in known.range_mut((call, 0)..=(call, u16::MAX)) {
                let taken = left.min(*value);
                *value -= taken;
                left -= taken;
            }
        };
        self.by_name.get_mut(&comm).into_iter().for_each(&mut take);
        self.by_name.values_mut().for_each(&mut take);
        value - left
    }
}

/// A name as one frame: `;` would end it.
fn frame(comm: Comm) -> String {
    if comm.is_empty() { "?".to_owned() } else { text(comm.as_bytes()) }
}

fn text(name: &[u8]) -> String {
    safe_text(name).replace(';', "\\x3b")
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
        for (key, stacks) in rest.stacks {
            let comm = rest.names.name(key.process);
            stacks.iter().for_each(|stack| self.add_stack(comm, key.call, stack));
        }
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
        self.write_places()?;
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
