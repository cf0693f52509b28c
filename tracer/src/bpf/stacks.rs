//! The reading end of the cells in which the programs leave where slow calls were made. On each CPU a stack comes right
//! before its call, so that both have one order.

use std::mem::offset_of;
use std::sync::atomic::{Ordering, compiler_fence};

use tracer_common::cpu::Cpu;
use tracer_common::stack::StackRecord;

use super::sys::{SharedArray, order_stores};
use crate::stack;

/// The reading end.
pub struct Stacks {
    cells: SharedArray<StackRecord>,
    /// Cells of one CPU, a power of two; 0 where no stacks are taken.
    per_cpu: u64,
    /// How far each CPU had written when this pass began, when the one before began, and how far it is read.
    heads: Vec<u64>,
    earlier: Vec<u64>,
    tails: Vec<u64>,
}

impl Stacks {
    /// Around the mapped array, which holds `per_cpu` cells for each of `cpus`.
    pub fn new(cells: SharedArray<StackRecord>, cpus: usize, per_cpu: u32) -> Self {
        let none = vec![0; cpus];
        Self { cells, per_cpu: u64::from(per_cpu), heads: none.clone(), earlier: none.clone(), tails: none }
    }

    /// Begins a pass, after it was looked how far the rings are written: whatever belongs to a call in them was written
    /// before it.
    pub fn begin(&mut self, cpus: &SharedArray<Cpu>) {
        if self.per_cpu == 0 {
            return;
        }
        std::mem::swap(&mut self.heads, &mut self.earlier);
        for (cpu, head) in self.heads.iter_mut().enumerate() {
            *head = cpus.read_word(cpu, offset_of!(Cpu, stacks.head));
        }
        compiler_fence(Ordering::Acquire);
        order_stores();
    }

    /// The record of a call that came out of the ring of `cpu`. Those of calls that had no place in the ring are passed
    /// over.
    pub fn of_call(&mut self, cpu: usize, tid: u32, exit_ns: u64) -> Option<&[u8]> {
        while self.tails[cpu] < self.heads[cpu] {
            let position = self.tails[cpu];
            let found = stack::name(self.at(cpu, position));
            if found.1 > exit_ns {
                return None;
            }
            self.tails[cpu] += 1;
            if found == (tid, exit_ns) {
                return Some(self.at(cpu, position));
            }
        }
        None
    }

    /// Ends the pass. Stacks whose calls had no place in a ring must not fill the cells for ever: when there are many,
    /// those that were there in the pass before are given up.
    pub fn settle(&mut self) {
        for (cpu, tail) in self.tails.iter_mut().enumerate() {
            if self.heads[cpu] - *tail > self.per_cpu / 2 {
                *tail = (*tail).max(self.earlier[cpu]);
            }
        }
    }

    /// How far the cells of a CPU are read.
    pub fn tail(&self, cpu: usize) -> u64 {
        self.tails[cpu]
    }

    fn at(&self, cpu: usize, position: u64) -> &[u8] {
        let cell = cpu as u64 * self.per_cpu + (position & (self.per_cpu - 1));
        self.cells.bytes(cell as usize, 0, size_of::<StackRecord>())
    }
}
