//! What a mistyped item may have been meant to be.

use std::collections::BTreeSet;

use tracer_common::abi::Abi;

use crate::syscalls::{Class, HOST_ABI, names, number};

/// Suggestions given at most.
const SUGGESTIONS: usize = 3;

/// The items spelled most like `mistyped`, nearest first; the host's own calls before others equally near.
/// A name that another table has than `abi` is suggested from there.
pub(super) fn nearest(mistyped: &str, abi: Option<Abi>) -> Vec<String> {
    if abi.is_some() {
        let elsewhere = Abi::ALL.into_iter().filter(|&other| number(other, mistyped).is_some());
        let items: Vec<String> =
            elsewhere.map(|other| format!("{}:{mistyped}", other.name())).take(SUGGESTIONS).collect();
        if !items.is_empty() {
            return items;
        }
    }
    let (tables, prefix) = match &abi {
        Some(abi) => (std::slice::from_ref(abi), format!("{}:", abi.name())),
        None => (&Abi::ALL[..], String::new()),
    };
    let calls = tables.iter().flat_map(|&abi| names::entries(abi)).map(|(_, entry)| entry.name);
    let classes = Class::ALL.into_iter().flat_map(Class::names).copied();
    // One wrong letter in three, and two in short names, is as far as a slip goes.
    let limit = (mistyped.len() / 3).clamp(1, 3);
    let candidates: BTreeSet<(usize, bool, &str)> = calls
        .chain(classes)
        .filter(|name| name.len().abs_diff(mistyped.len()) <= limit)
        .map(|name| (distance(mistyped, name), number(HOST_ABI, name).is_none(), name))
        .filter(|&(distance, ..)| distance <= limit)
        .collect();
    candidates.into_iter().take(SUGGESTIONS).map(|(.., name)| format!("{prefix}{name}")).collect()
}

/// How many letters were left out, put in, changed or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, &letter) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &wanted) in to.iter().enumerate() {
            let changed = last[column] + usize::from(letter != wanted);
            let mut best = changed.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && letter == to[column - 1] && from[row - 1] == wanted {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_slips() {
        for (from, to, slips) in [
            ("", "", 0),
            ("", "abc", 3),
            ("openat", "openat", 0),
            ("opneat", "openat", 1),
            ("opena", "openat", 1),
            ("openatt", "openat", 1),
            ("opanat", "openat", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from, to), slips, "{from} {to}");
            assert_eq!(distance(to, from), slips, "{to} {from}");
        }
    }

    #[test]
    fn a_long_item_is_no_long_work() {
        assert!(nearest(&"a".repeat(1_000_000), None).is_empty());
    }
}
