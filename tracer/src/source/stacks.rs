//! Finds out which functions are at addresses of a process, on a thread of its own: in the symbol tables of the files that
//! it has mapped there, or in the map that a JIT compiler writes for `perf`. Whose process has ended before anybody could
//! look keeps its addresses. What was found of a process helps with its other addresses after its end.

mod maps;
mod perf_map;
mod symbols;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::inquiry::Inquiry;
use crate::fold::{NO_CODE, StackQuestion};
use crate::interval::stacks::{Frame, MAX_FRAME_BYTES};
use crate::targets::Procfs;
use maps::{Mapping, Maps};
use perf_map::PerfMap;
use symbols::Symbols;

/// The functions at the addresses of a question, in its order.
pub(super) type Functions = Inquiry<StackQuestion, Vec<Frame>>;

/// Processes whose mappings are kept.
const MAX_PROCESSES: usize = 512;

/// How long the map of a JIT compiler is not read again.
const PERF_MAP_EVERY: Duration = Duration::from_secs(1);

/// Starts a thread that finds out.
pub(super) fn start(procfs: Procfs) -> io::Result<Functions> {
    Inquiry::start_with("symbols", move || {
        let mut finder = Finder { procfs, symbols: Symbols::default(), known: Vec::new() };
        move |question: &StackQuestion| Some(finder.find(question))
    })
}

struct Finder {
    procfs: Procfs,
    symbols: Symbols,
    /// The one asked about last is last.
    known: Vec<Known>,
}

/// What is known of one program of a process.
struct Known {
    number: u64,
    maps: Maps,
    perf_map: Option<(Instant, PerfMap)>,
}

impl Finder {
    fn find(&mut self, question: &StackQuestion) -> Vec<Frame> {
        let mut known = match self.known.iter().position(|known| known.number == question.program) {
            Some(at) => self.known.remove(at),
            None => Known { number: question.program, maps: Maps::default(), perf_map: None },
        };
        known.look(&self.procfs, question);
        let names = question.addresses.iter().map(|&address| self.name(&known, address)).collect();
        if self.known.len() >= MAX_PROCESSES {
            self.known.remove(0);
        }
        self.known.push(known);
        names
    }

    /// What is there. An address on a stack is that behind a call, which may be in the next function already.
    fn name(&mut self, known: &Known, address: u64) -> Frame {
        let at = address.saturating_sub(1);
        let Some(mapping) = known.maps.find(at) else {
            return if known.maps.is_empty() { shortened(&format!("{address:#x}")) } else { NO_CODE.into() };
        };
        let jitted = known.perf_map.as_ref().filter(|_| !mapping.is_file());
        if let Some(name) = jitted.and_then(|(_, map)| map.find(at)) {
            return shortened(name);
        }
        let Some(module) = mapping.module() else { return shortened(&format!("{address:#x}")) };
        match self.symbols.find(mapping, mapping.offset(at)) {
            Some(name) => shortened(&name),
            None => shortened(&format!("{module}+{:#x}", mapping.offset(address))),
        }
    }
}

impl Known {
    /// Looks at the process, where it is there and may have something new.
    fn look(&mut self, procfs: &Procfs, question: &StackQuestion) {
        let pid = question.id.pid;
        let start_ns = question.id.start_ns;
        let found = || {
            procfs.process(pid).filter(|found| !found.zombie && (start_ns == 0 || found.started_at(start_ns)))
        };
        let Some(before) = found() else { return };
        let is_new = |&address: &u64| self.maps.find(address.saturating_sub(1)).is_none();
        if question.addresses.iter().any(is_new) {
            let maps = Maps::read(procfs, pid);
            // One that executes another program has the same number and start; the fold knows, and drops the answer.
            if found().is_none_or(|after| after.start_ns != before.start_ns) || maps.is_empty() {
                return;
            }
            self.maps = maps;
        }
        let in_file =
            |&address: &u64| self.maps.find(address.saturating_sub(1)).is_some_and(Mapping::is_file);
        let is_old = self.perf_map.as_ref().is_none_or(|(read, _)| read.elapsed() >= PERF_MAP_EVERY);
        if is_old && !question.addresses.iter().all(in_file) {
            self.perf_map = Some((Instant::now(), PerfMap::read(procfs, pid)));
        }
    }
}

/// A name as it is kept.
fn shortened(name: &str) -> Frame {
    if name.len() <= MAX_FRAME_BYTES {
        return name.into();
    }
    let cut = name.floor_char_boundary(MAX_FRAME_BYTES - 3);
    Arc::from(format!("{}...", &name[..cut]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::ProcessId;

    fn finder() -> Finder {
        Finder { procfs: Procfs::default(), symbols: Symbols::default(), known: Vec::new() }
    }

    fn question(addresses: &[u64]) -> StackQuestion {
        let pid = std::process::id();
        let id = ProcessId { pid, start_ns: 0 };
        StackQuestion { tgid: pid, id, program: 1, addresses: addresses.to_vec() }
    }

    #[inline(never)]
    fn a_function_that_can_be_found(number: u64) -> u64 {
        std::hint::black_box(number) + 1
    }

    #[test]
    fn functions_of_ours_and_of_a_library_have_their_names() {
        let own = a_function_that_can_be_found as *const () as u64;
        let of_libc = libc::getppid as *const () as u64;
        let names = finder().find(&question(&[own + 1, of_libc + 1, 0x10]));
        assert!(names[0].ends_with("::a_function_that_can_be_found"), "{names:?}");
        assert!(names[1].contains("getppid"), "{names:?}");
        assert_eq!(&*names[2], NO_CODE);
    }

    #[test]
    fn of_a_process_that_has_ended_the_addresses_are_left() {
        let mut asked = question(&[0x5000_0000_1234]);
        // No process has this start.
        asked.id.start_ns = 1;
        let mut finder = finder();
        assert_eq!(&*finder.find(&asked)[0], "0x500000001234");
    }

    #[test]
    fn what_was_seen_of_a_process_tells_after_its_end() {
        let own = a_function_that_can_be_found as *const () as u64;
        let mut finder = finder();
        finder.find(&question(&[own + 1]));
        let mut later = question(&[own + 2, u64::MAX]);
        later.id.start_ns = 1;
        let names = finder.find(&later);
        assert!(names[0].ends_with("::a_function_that_can_be_found"), "{names:?}");
        assert_eq!(&*names[1], NO_CODE);
    }

    #[test]
    fn a_name_without_end_is_cut() {
        let name = shortened(&"é".repeat(4000));
        assert!(name.len() <= MAX_FRAME_BYTES && name.ends_with("é..."), "{name}");
    }
}
