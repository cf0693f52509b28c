//! Where slow calls were made, from addresses to the names of functions: what the fold asks for, and what it was told. A name
//! belongs to one address of one program in one process. A stack whose names are not known when its interval ends is told in
//! the interval in which they are, and when they do not come, by its addresses.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Fold;
use crate::interval::CellKey;
use crate::interval::stacks::{self, Figures, Filling, Frame, Frames, Met, Stack};
use crate::process::ProcessId;

/// Names that are kept, of all processes.
const MAX_NAMES: usize = 1 << 18;

/// Questions that may wait to be taken.
const MAX_QUESTIONS: usize = 4096;

/// Stacks that may be told later than their interval.
const MAX_LATE: usize = 16_384;

/// How long names are waited for.
const PATIENCE_NS: u64 = 3_000_000_000;

/// The answer for an address where the process has no code: what lies there on its stack is no frame, since a function
/// without frame pointers had its own use for the register that the kernel followed.
pub const NO_CODE: &str = "";

/// Addresses of one process that were seen and whose functions are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackQuestion {
    /// The process, in the initial PID namespace.
    pub tgid: u32,
    /// The same as the tracer's own PID namespace shows it.
    pub id: ProcessId,
    /// Which of the programs that had this number; grows over a run.
    pub program: u64,
    /// The addresses.
    pub addresses: Vec<u64>,
}

/// What is known of the stacks of every process.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    by_process: FxHashMap<u32, Program>,
    /// The next [`StackQuestion::program`].
    next: u64,
    /// Names in all of them, known or asked for.
    names: usize,
    questions: Vec<StackQuestion>,
    late: Vec<Late>,
    /// Whether nobody answers any more.
    is_over: bool,
}

/// One program of a process.
#[derive(Debug)]
struct Program {
    number: u64,
    /// When it was executed; 0 where that was not seen.
    since_ns: u64,
    /// `None` while it is asked for.
    names: FxHashMap<u64, Option<Frame>>,
}

/// A stack of an interval that has ended.
#[derive(Debug)]
struct Late {
    owner: Owner,
    cell: CellKey,
    addresses: Box<[u64]>,
    met: Met,
    /// When its interval ended.
    since_ns: u64,
}

/// Whose stacks they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) tgid: u32,
    pub(super) id: ProcessId,
    /// When it executed the program that it runs now; 0 where that was not seen.
    pub(super) program_ns: u64,
}

impl Fold {
    /// Addresses that were seen and whose functions are wanted; to be called when a pass over the rings has ended.
    pub fn take_stack_questions(&mut self) -> Vec<StackQuestion> {
        let mut questions = std::mem::take(&mut self.stacks.questions);
        for question in &mut questions {
            question.id = self.present_id(question.tgid).unwrap_or(question.id);
        }
        questions
    }

    /// Says which functions are at the addresses of a question, in its order.
    pub fn name_frames(&mut self, question: &StackQuestion, names: &[Frame]) {
        self.stacks.name(question, names);
    }

    /// No more answers will come: what has no name by the next interval is told by its address.
    pub fn end_of_names(&mut self) {
        self.stacks.is_over = true;
    }
}

impl Stacks {
    /// A stack was seen in this interval.
    pub(super) fn seen(&mut self, owner: Owner, addresses: &[u64]) {
        if self.questions.len() >= MAX_QUESTIONS {
            // It is asked for when it is seen again.
            return;
        }
        if self.names >= MAX_NAMES {
            // What is being asked for is asked for again.
            self.by_process.clear();
            self.names = 0;
        }
        let program = self.by_process.entry(owner.tgid).or_insert_with(|| {
            self.next += 1;
            Program { number: self.next, since_ns: owner.program_ns, names: FxHashMap::default() }
        });
        let mut new = Vec::new();
        for &address in addresses {
            // A function that calls itself is there more than once.
            if program.names.contains_key(&address) {
                continue;
            }
            program.names.insert(address, None);
            self.names += 1;
            new.push(address);
        }
        if new.is_empty() {
            return;
        }
        let Owner { tgid, id, .. } = owner;
        match self.questions.last_mut() {
            Some(question) if question.program == program.number => question.addresses.append(&mut new),
            _ => self.questions.push(StackQuestion { tgid, id, program: program.number, addresses: new }),
        }
    }

    fn name(&mut self, question: &StackQuestion, names: &[Frame]) {
        let program = self.by_process.get_mut(&question.tgid);
        if let Some(program) = program.filter(|program| program.number == question.program) {
            for (address, name) in question.addresses.iter().zip(names) {
                program.names.insert(*address, Some(Arc::clone(name)));
            }
        }
    }

    /// The stacks of a cell whose interval ends at `now_ns`, as far as they have names.
    pub(super) fn finish(
        &mut self,
        owner: Owner,
        cell: CellKey,
        mut filling: Filling,
        now_ns: u64,
    ) -> Arc<[Stack]> {
        let mut told = filling.take_told();
        for (addresses, met) in filling.met {
            told.extend(self.tell(Late { owner, cell, addresses, met, since_ns: now_ns }, now_ns));
        }
        stacks::collect(told)
    }

    /// The stacks of earlier intervals whose names are known by now, or do not come.
    pub(super) fn take_late(&mut self, now_ns: u64) -> Vec<(CellKey, Arc<[Stack]>)> {
        let mut told: FxHashMap<CellKey, Vec<Stack>> = FxHashMap::default();
        for late in std::mem::take(&mut self.late) {
            let cell = late.cell;
            if let Some(stack) = self.tell(late, now_ns) {
                told.entry(cell).or_default().push(stack);
            }
        }
        told.into_iter().map(|(cell, stacks)| (cell, stacks::collect(stacks))).collect()
    }

    /// The stack by names, or nothing yet.
    fn tell(&mut self, late: Late, now_ns: u64) -> Option<Stack> {
        let Late { owner, met, .. } = late;
        let program = self.by_process.get(&owner.tgid);
        // What it returned to was another program.
        let since_ns = program.map_or(0, |program| program.since_ns).max(owner.program_ns);
        let is_past = met.last_ns < since_ns;
        let name = |address: &u64| match program?.names.get(address)? {
            Some(name) if !is_past => Some(Arc::clone(name)),
            _ => None,
        };
        if let Some(names) = late.addresses.iter().map(name).collect::<Option<Vec<Frame>>>() {
            return Some(Stack { frames: up_to_no_code(names), figures: met.figures });
        }
        let may_come = !is_past && !self.is_over && now_ns.saturating_sub(late.since_ns) < PATIENCE_NS;
        if may_come && self.late.len() < MAX_LATE {
            self.seen(owner, &late.addresses);
            self.late.push(late);
            return None;
        }
        let known = |address: &u64| name(address).unwrap_or_else(|| at_address(*address));
        let names = late.addresses.iter().map(known).collect();
        Some(Stack { frames: up_to_no_code(names), figures: met.figures })
    }

    /// Whether there are stacks of a process.
    pub(super) fn knows(&self, tgid: u32) -> bool {
        self.by_process.contains_key(&tgid)
    }

    /// The stacks of a cell so far, whose program gives way to another: the same addresses are other functions then.
    pub(super) fn end_program(&self, tgid: u32, filling: &mut Filling) {
        let names = self.by_process.get(&tgid).map(|program| &program.names);
        let name = |address: &u64| {
            let known = names.and_then(|names| names.get(address)?.clone());
            known.unwrap_or_else(|| at_address(*address))
        };
        for (addresses, met) in std::mem::take(&mut filling.met) {
            let frames = up_to_no_code(addresses.iter().map(name).collect());
            filling.add_past(Stack { frames, figures: met.figures });
        }
    }

    /// A process executed another program.
    pub(super) fn executed(&mut self, tgid: u32, time_ns: u64) {
        if let Some(program) = self.by_process.get_mut(&tgid) {
            self.next += 1;
            self.names -= program.names.len();
            *program = Program { number: self.next, since_ns: time_ns, names: FxHashMap::default() };
        }
    }

    /// A process has ended long ago, or its number is another's.
    pub(super) fn forget(&mut self, tgid: u32) {
        if let Some(program) = self.by_process.remove(&tgid) {
            self.names -= program.names.len();
        }
    }
}

/// Counts a call of a program that has given way to another, of which it is heard only now.
pub(super) fn add_of_past(filling: &mut Filling, addresses: &[u64], latency_ns: u64) {
    let mut figures = Figures::default();
    figures.add(latency_ns);
    filling.add_past(Stack { frames: addresses.iter().copied().map(at_address).collect(), figures });
}

/// The frames of a stack, without what follows an address that is none. The first is where the call itself was made, whatever
/// is known of it: a list without any would be that of all other places.
fn up_to_no_code(mut names: Vec<Frame>) -> Frames {
    if let Some(first) = names.first_mut().filter(|first| &***first == NO_CODE) {
        *first = "?".into();
    }
    let end = names.iter().position(|name| &**name == NO_CODE).unwrap_or(names.len());
    names.truncate(end);
    names.into()
}

/// A function of which nothing is known but where it is.
fn at_address(address: u64) -> Frame {
    format!("{address:#x}").into()
}
