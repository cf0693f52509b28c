//! Where slow calls were made: the places with most time, each as its functions from the innermost out.

use std::cmp::Reverse;
use std::io::{self, Write};

use crate::columns::{self, Align, fit};
use crate::human;
use crate::interval::Stack;
use crate::snapshot::{CallRow, ProcessRow, Snapshot};

/// Functions of a stack that are printed; the outermost say least.
const FRAMES: usize = 12;

/// Writes the places of all processes, at most so many; nothing where no stacks were taken.
pub(super) fn write_stacks(out: &mut impl Write, snapshot: &Snapshot, limit: usize) -> io::Result<()> {
    let calls =
        snapshot.processes.iter().flat_map(|process| process.calls.iter().map(move |call| (process, call)));
    let mut all: Vec<(&ProcessRow, &CallRow, &Stack)> = calls
        .flat_map(|(process, call)| call.stacks.iter().map(move |stack| (process, call, stack)))
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    all.sort_by_key(|(process, call, stack)| {
        (stack.is_rest(), Reverse(stack.figures.total_ns), process.id, call.call)
    });
    writeln!(out, "\nwhere slow calls were made")?;
    writeln!(out, "  {:>11} {:>9} {:>9}  CALL", "CALLS", "TIME", "MAX")?;
    for (process, call, stack) in all.iter().take(limit) {
        writeln!(
            out,
            "  {:>11} {} {}  {} of {}",
            human::count(stack.figures.calls),
            fit(&human::duration(stack.figures.total_ns), 9, Align::Right),
            fit(&human::duration(stack.figures.max_ns), 9, Align::Right),
            call.name,
            columns::process_label(process),
        )?;
        for line in stack.lines(FRAMES) {
            writeln!(out, "{:36}{line}", "")?;
        }
    }
    match all.len().saturating_sub(limit) {
        0 => Ok(()),
        more => writeln!(out, "  ... {} more", human::count(more as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::stacks::tests::stack;
    use crate::tui::fixture;

    #[test]
    fn a_place_has_its_figures_and_its_functions_and_no_escape_of_a_name() {
        let mut snapshot = fixture::incident();
        let deep: Vec<String> = (0..20).map(|depth| format!("f{depth}")).collect();
        let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
        snapshot.processes[0].calls[0].stacks = [
            stack(&["fsync", "evil\x1b[31m\nname", "main"], &[2_000_000_000; 3]),
            stack(&deep, &[1_000_000]),
            stack(&[], &[9_000_000_000]),
        ]
        .into();
        let mut out = Vec::new();
        write_stacks(&mut out, &snapshot, 2).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("text");
        let first = text.lines().nth(3).expect("a place");
        assert!(first.contains(" 3 ") && first.contains("6.00 s") && first.contains("2.00 s"), "{text}");
        assert!(text.contains("evil\\x1b[31m\\x0aname") && !text.contains('\x1b'), "{text}");
        assert!(text.contains("f11\n") && !text.contains("f12") && text.contains("... 8 more"), "{text}");
        assert!(text.ends_with("  ... 1 more\n"), "{text}");
        let mut out = Vec::new();
        write_stacks(&mut out, &snapshot, 3).expect("a vector takes everything");
        assert!(String::from_utf8(out).expect("text").contains("(other places)"));
    }

    #[test]
    fn without_stacks_there_is_nothing() {
        let mut out = Vec::new();
        write_stacks(&mut out, &fixture::incident(), 5).expect("a vector takes everything");
        assert!(out.is_empty());
    }
}
