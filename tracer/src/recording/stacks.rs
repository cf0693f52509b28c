//! The column of where slow calls were made: for each cell a list of stacks, those with most time first.

use std::sync::Arc;

use super::batch::{Column, Damage};
use super::columns::{Ends, Numbers, Text};
use super::encode::{Body, Shape};
use super::interval::IMPOSSIBLE;
use super::reader::nonsense;
use super::schema::{row, stack};
use crate::interval::Stack;
use crate::interval::stacks::{self, Figures, Frame, KEPT, MAX_FRAME_BYTES};

/// Most frames of a stack: what the kernel side takes is less.
const MAX_FRAMES: usize = 128;

/// The column, while it is being gathered.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    ends: Ends,
    frames: Ends,
    names: Text,
    calls: Numbers<u64>,
    totals: Numbers<u64>,
    maxima: Numbers<u64>,
    /// Frames, and bytes of their names.
    items: usize,
    text_bytes: usize,
}

impl Stacks {
    /// Bytes held.
    pub(super) fn list_bytes(&self) -> usize {
        32 * self.calls.items() + 8 * self.items + self.text_bytes
    }

    /// Adds to the list of the row that [`Stacks::end_row`] ends.
    pub(super) fn add(&mut self, stack: &Stack) {
        debug_assert!(stack.frames.len() <= MAX_FRAMES, "what a reader would refuse");
        for frame in stack.frames.iter() {
            self.names.push(frame.as_bytes());
            self.text_bytes += frame.len();
        }
        self.items += stack.frames.len();
        self.frames.push(self.items);
        self.calls.push(stack.figures.calls);
        self.totals.push(stack.figures.total_ns);
        self.maxima.push(stack.figures.max_ns);
    }

    pub(super) fn end_row(&mut self) {
        self.ends.push(self.calls.items());
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.frames.clear();
        self.names.clear();
        self.calls.clear();
        self.totals.clear();
        self.maxima.clear();
        self.items = 0;
        self.text_bytes = 0;
    }

    pub(super) fn encode(&self, body: &mut Body) {
        self.ends.encode_structures(body);
        self.frames.encode(body);
        self.names.encode(body);
        self.calls.encode_as(body, Shape::Counts);
        self.totals.encode(body);
        self.maxima.encode(body);
    }
}

/// Where row `at` says that calls were made.
pub(super) fn take(columns: &[Column], at: usize) -> Result<Option<Arc<[Stack]>>, Damage> {
    let Some(list) = columns.get(row::STACKS).map(|column| column.structures(at)) else { return Ok(None) };
    if list.len() == 0 {
        return Ok(None);
    }
    if list.len() > KEPT + 1 {
        return Err(nonsense());
    }
    let calls: &[u64] = list.numbers(stack::CALLS).ok_or_else(nonsense)?;
    let totals: &[u64] = list.numbers(stack::TOTAL).ok_or_else(nonsense)?;
    let maxima: &[u64] = list.numbers(stack::MAX).ok_or_else(nonsense)?;
    let (frames, start) = list.part(stack::FRAMES).ok_or_else(nonsense)?;
    let mut read = Vec::with_capacity(calls.len());
    for index in 0..calls.len() {
        let (first, end) = frames.range(start + index);
        if end.saturating_sub(first) > MAX_FRAMES {
            return Err(nonsense());
        }
        let name = |place: usize| {
            let name = frames.item_bytes(place).and_then(|bytes| str::from_utf8(bytes).ok());
            name.filter(|name| name.len() <= MAX_FRAME_BYTES).map(Frame::from)
        };
        let frames: Option<Arc<[Frame]>> = (first..end).map(name).collect();
        let figures = Figures { calls: calls[index], total_ns: totals[index], max_ns: maxima[index] };
        if figures.calls == 0 || figures.calls >= IMPOSSIBLE || figures.max_ns > figures.total_ns {
            return Err(nonsense());
        }
        read.push(Stack { frames: frames.ok_or_else(nonsense)?, figures });
    }
    if stacks::are_in_order(&read) { Ok(Some(read.into())) } else { Err(nonsense()) }
}
