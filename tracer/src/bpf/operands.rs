//! The reading end of the chunks in which the programs leave what calls operate on, and the search for what belongs to a
//! call. Calls come in the order in which they return, operands in that in which calls enter: of one thread that is the
//! same, of many nearly so.

use std::collections::hash_map::Entry;
use std::mem::offset_of;
use std::sync::atomic::{Ordering, compiler_fence};

use rustc_hash::FxHashMap;
use tracer_common::cpu::Cpu;
use tracer_common::operand::{CHUNK_BITS, CHUNK_BYTES, Chunk, HEAD_BYTES};

use super::sys::{SharedArray, order_stores};
use crate::operand;

/// Names a call: its thread and when it entered.
type Name = (u32, u64);

/// Where a record lies: its CPU, and the position on it.
#[derive(Clone, Copy)]
struct Place {
    cpu: usize,
    position: u64,
    bytes: usize,
}

/// A record of a call that has not returned yet, as far as we know.
struct Waiting {
    enter_ns: u64,
    record: Vec<u8>,
}

/// The reading end.
pub struct Operands {
    chunks: SharedArray<Chunk>,
    /// Chunks of one CPU; a power of two.
    per_cpu: u64,
    /// How far each CPU had written when this pass began, and how far it is read.
    heads: Vec<u64>,
    tails: Vec<u64>,
    /// Records of this pass that were passed over.
    passed: FxHashMap<Name, Place>,
    /// Records of earlier passes, by thread. A thread has one open call; of more than one it is not known yet which.
    waiting: FxHashMap<u32, Vec<Waiting>>,
    /// What was found among those.
    found: Vec<u8>,
    /// Calls that entered before this moment and have returned are all in the pass.
    began_ns: u64,
}

impl Operands {
    /// Around the mapped array, which holds `per_cpu` chunks for each of `cpus`.
    pub fn new(chunks: SharedArray<Chunk>, cpus: usize, per_cpu: u32) -> Self {
        Self {
            chunks,
            per_cpu: u64::from(per_cpu),
            heads: vec![0; cpus],
            tails: vec![0; cpus],
            passed: FxHashMap::default(),
            waiting: FxHashMap::default(),
            found: Vec::new(),
            began_ns: 0,
        }
    }

    /// Begins a pass that began at `began_ns`, after it was looked how far the rings are written: whatever belongs to a
    /// call in them was written before it.
    pub fn begin(&mut self, began_ns: u64, cpus: &SharedArray<Cpu>) {
        self.began_ns = began_ns;
        for (cpu, head) in self.heads.iter_mut().enumerate() {
            *head = cpus.read_word(cpu, offset_of!(Cpu, operands.head));
        }
        compiler_fence(Ordering::Acquire);
        order_stores();
    }

    /// The record of a call that came out of the ring of `cpu`.
    pub fn of_call(&mut self, cpu: usize, tid: u32, enter_ns: u64) -> Option<&[u8]> {
        let name = (tid, enter_ns);
        if let Some((next, place)) = self.peek(cpu)
            && next == name
        {
            self.tails[cpu] += place.bytes as u64;
            return Some(self.at(place));
        }
        if let Some(record) = self.take_waiting(name) {
            self.found = record;
            return Some(&self.found);
        }
        if let Some(place) = self.passed.remove(&name) {
            return Some(self.at(place));
        }
        // Its thread changed CPUs, or another entered before it and has not returned.
        let others = (0..self.tails.len()).filter(|&other| other != cpu);
        for cpu in std::iter::once(cpu).chain(others) {
            while let Some((next, place)) = self.peek(cpu) {
                self.tails[cpu] += place.bytes as u64;
                if next == name {
                    return Some(self.at(place));
                }
                self.passed.insert(next, place);
            }
        }
        None
    }

    /// Ends the pass: puts aside what belongs to calls that have not returned. What is read is told by
    /// [`Operands::tail`].
    pub fn settle(&mut self) {
        let passed: Vec<(Name, Place)> = self.passed.drain().collect();
        for (name, place) in passed {
            self.put_aside(name, place);
        }
        for cpu in 0..self.tails.len() {
            // What entered later may have returned already, and be in the next pass.
            while let Some((name, place)) = self.peek(cpu)
                && name.1 <= self.began_ns
            {
                self.tails[cpu] += place.bytes as u64;
                self.put_aside(name, place);
            }
        }
    }

    /// How far the chunks of a CPU are read.
    pub fn tail(&self, cpu: usize) -> u64 {
        self.tails[cpu]
    }

    /// What an open call operates on.
    pub fn of_open(&self, tid: u32, enter_ns: u64) -> Option<&[u8]> {
        let waiting = self.waiting.get(&tid)?;
        waiting.iter().find(|waiting| waiting.enter_ns == enter_ns).map(|waiting| &waiting.record[..])
    }

    /// Forgets what belongs to calls that entered before the pass and are not open: the filter did not want them, or
    /// they had no place in a ring.
    pub fn forget_all_but(&mut self, is_open: impl Fn(u32, u64) -> bool) {
        let began_ns = self.began_ns;
        self.waiting.retain(|&tid, waiting| {
            waiting.retain(|one| one.enter_ns > began_ns || is_open(tid, one.enter_ns));
            !waiting.is_empty()
        });
    }

    /// The next record of a CPU.
    fn peek(&mut self, cpu: usize) -> Option<(Name, Place)> {
        let position = self.tails[cpu];
        if position >= self.heads[cpu] {
            return None;
        }
        let (chunk, offset) = self.chunk_of(cpu, position);
        let head = self.chunks.bytes(chunk, offset, HEAD_BYTES);
        let bytes = operand::length(head).filter(|bytes| offset + bytes <= size_of::<Chunk>());
        let (Some(bytes), Some(head)) = (bytes, head.first_chunk()) else {
            // Nothing that our programs write. What follows cannot be found any more.
            self.tails[cpu] = self.heads[cpu];
            return None;
        };
        Some((operand::name(head), Place { cpu, position, bytes }))
    }

    fn chunk_of(&self, cpu: usize, position: u64) -> (usize, usize) {
        let chunk = cpu as u64 * self.per_cpu + (position >> CHUNK_BITS & (self.per_cpu - 1));
        (chunk as usize, position as usize & (CHUNK_BYTES - 1))
    }

    fn at(&self, place: Place) -> &[u8] {
        let (chunk, offset) = self.chunk_of(place.cpu, place.position);
        self.chunks.bytes(chunk, offset, place.bytes)
    }

    fn take_waiting(&mut self, (tid, enter_ns): Name) -> Option<Vec<u8>> {
        let Entry::Occupied(mut of_thread) = self.waiting.entry(tid) else { return None };
        let at = of_thread.get().iter().position(|waiting| waiting.enter_ns == enter_ns)?;
        let record = of_thread.get_mut().swap_remove(at).record;
        if of_thread.get().is_empty() {
            of_thread.remove();
        }
        Some(record)
    }

    fn put_aside(&mut self, (tid, enter_ns): Name, place: Place) {
        let (chunk, offset) = self.chunk_of(place.cpu, place.position);
        let record = self.chunks.bytes(chunk, offset, place.bytes);
        let waiting = self.waiting.entry(tid).or_default();
        if enter_ns <= self.began_ns {
            // It is the open one, or there is a later one that is: what the thread did before has returned.
            if waiting.iter().any(|other| other.enter_ns > enter_ns && other.enter_ns <= self.began_ns) {
                return;
            }
            // Nearly always there is one, whose memory can be used again.
            if let [one] = &mut waiting[..]
                && one.enter_ns < enter_ns
            {
                one.enter_ns = enter_ns;
                one.record.clear();
                one.record.extend_from_slice(record);
                return;
            }
            waiting.retain(|other| other.enter_ns > enter_ns);
        }
        waiting.push(Waiting { enter_ns, record: record.to_vec() });
    }
}
