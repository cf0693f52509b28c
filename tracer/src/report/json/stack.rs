//! Where slow calls were made, as a part of the lines of cells.

use serde::Serialize;

use crate::interval::Stack;
use crate::interval::stacks::{Figures, Frame};

/// One place in a program.
#[derive(Serialize)]
pub(super) struct StackLine<'a> {
    /// Functions, the innermost first; empty for the places that are not told apart.
    frames: &'a [Frame],
    #[serde(flatten)]
    figures: Figures,
}

impl<'a> StackLine<'a> {
    pub(super) fn new(stack: &'a Stack) -> Self {
        Self { frames: &stack.frames, figures: stack.figures }
    }
}
