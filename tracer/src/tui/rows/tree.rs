//! Processes under their parents: which rows a tree has in which order, and the lines that are drawn before each.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Place, ProcessKey, RowKey, Rows};
use crate::group;
use crate::snapshot::{ProcessRow, Snapshot};

/// Levels whose lines are drawn; deeper ones stand as deep as the last of them.
const MOST_LEVELS: usize = 12;

/// Parents that are gone through to find one that has a row.
const MOST_ANCESTORS: usize = 64;

/// What the user made of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Whether the processes are shown as one.
    pub(crate) is_shown: bool,
    /// The processes whose descendants are in one row with them.
    pub(crate) folded: BTreeSet<ProcessKey>,
}

/// Where a row is among its relatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Ancestors that have rows.
    pub(crate) depth: usize,
    /// Rows below it, shown or folded.
    pub(crate) below: usize,
    /// Whether they are folded into its row.
    pub(crate) is_folded: bool,
    /// By level of its ancestors and itself, lowest bit first: whether a sibling follows.
    follows: u64,
}

impl Branch {
    /// What stands before its name.
    pub(crate) fn lines(&self) -> String {
        let shown = self.depth.min(MOST_LEVELS);
        let follows = |level: usize| self.follows >> level.min(63) & 1 == 1;
        let mut lines = String::new();
        for level in 1..shown {
            lines.push_str(if follows(level) { "│ " } else { "  " });
        }
        if shown > 0 {
            lines.push_str(if follows(self.depth) { "├" } else { "└" });
            lines.push_str(if self.is_folded { "+" } else { "─" });
        } else if self.is_folded {
            lines.push('+');
        }
        lines
    }
}

/// The processes by the order in which they were sorted: parents, and where each subtree belongs.
struct Forest<'a> {
    processes: Vec<&'a ProcessRow>,
    /// Best first, as a subtree is as good as the best in it.
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    /// The first of each subtree in the order that was sorted.
    best: Vec<usize>,
    /// Processes in each subtree beside its root.
    below: Vec<usize>,
}

impl Rows {
    /// Makes the rows of a tree of `sorted`, of which those from [`Rows::waiting_from`] on wait or are idle.
    pub(super) fn grow(
        &mut self,
        snapshot: &Snapshot,
        sorted: &[Entry],
        folded: &BTreeSet<ProcessKey>,
        show_waiting: bool,
    ) {
        let (forest, waiting) = (Forest::of(snapshot, sorted), self.waiting_from);
        let waits = |node: usize| forest.best[node] >= waiting;
        let mut left: Vec<(usize, Branch)> = Vec::new();
        let place = |siblings: &[usize], parent: Option<Branch>, left: &mut Vec<(usize, Branch)>| {
            let shown: Vec<usize> =
                siblings.iter().copied().filter(|&node| show_waiting || !waits(node)).collect();
            for (at, &node) in shown.iter().enumerate().rev() {
                let depth = parent.map_or(0, |parent| parent.depth + 1);
                let above = parent.map_or(0, |parent| parent.follows);
                let follows = above | u64::from(at + 1 < shown.len()) << depth.min(63);
                left.push((node, Branch { depth, below: forest.below[node], is_folded: false, follows }));
            }
            let hidden = siblings.iter().filter(|&&node| !show_waiting && waits(node));
            hidden.map(|&node| forest.below[node] + 1).sum::<usize>()
        };
        self.waiting_hidden = place(&forest.roots, None, &mut left);
        self.waiting_from = usize::MAX;
        while let Some((node, mut branch)) = left.pop() {
            let mut entry = sorted[node];
            if branch.depth == 0 && waits(node) {
                self.waiting_from = self.waiting_from.min(self.entries.len());
            }
            let RowKey::Process(key) = entry.key else { continue };
            branch.is_folded = branch.below > 0 && folded.contains(&key);
            if branch.is_folded {
                entry.place = Place::Sum(self.sums.len());
                self.sums.push(forest.sum(node));
            } else {
                self.waiting_hidden += place(&forest.children[node], Some(branch), &mut left);
            }
            self.entries.push(entry);
            self.branches.push(branch);
        }
        self.waiting_from = self.waiting_from.min(self.entries.len());
    }
}

impl<'a> Forest<'a> {
    fn of(snapshot: &'a Snapshot, sorted: &[Entry]) -> Self {
        // The processes by PID; of those that had one number the youngest is last.
        let mut by_pid: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (index, process) in snapshot.processes.iter().enumerate().filter(|(_, row)| row.id.pid > 0) {
            by_pid.entry(process.id.pid).or_default().push(index);
        }
        let parent_of = |index: usize| -> Option<usize> {
            let child = snapshot.processes.get(index)?;
            let ppid = child.who.as_ref().map(|who| who.ppid).filter(|&ppid| ppid > 0 && child.id.pid > 0)?;
            let is_older = |&&other: &&usize| {
                let parent = snapshot.processes[other].id;
                other != index && (child.id.start_ns == 0 || parent.start_ns <= child.id.start_ns)
            };
            by_pid.get(&ppid)?.iter().rev().find(is_older).copied()
        };
        let place = |entry: &Entry| match entry.place {
            Place::Process(index) => Some(index),
            _ => None,
        };
        let places: Vec<usize> = sorted.iter().filter_map(place).collect();
        let node_of: BTreeMap<usize, usize> =
            places.iter().enumerate().map(|(node, &index)| (index, node)).collect();
        let parents: Vec<Option<usize>> = places
            .iter()
            .map(|&index| {
                let mut above = std::iter::successors(parent_of(index), |&index| parent_of(index));
                above.by_ref().take(MOST_ANCESTORS).find_map(|index| node_of.get(&index).copied())
            })
            .collect();
        let parents = without_rings(parents);
        let mut best = vec![usize::MAX; parents.len()];
        let mut below = vec![0; parents.len()];
        for node in 0..parents.len() {
            let mut at = Some(node);
            while let Some(above) = at.filter(|&above| best[above] == usize::MAX) {
                best[above] = node;
                at = parents[above];
            }
        }
        let mut forest = Self {
            processes: places.iter().map(|&index| &snapshot.processes[index]).collect(),
            children: vec![Vec::new(); parents.len()],
            roots: Vec::new(),
            best,
            below: Vec::new(),
        };
        for (node, parent) in parents.iter().enumerate() {
            match parent {
                Some(parent) => forest.children[*parent].push(node),
                None => forest.roots.push(node),
            }
        }
        let best = &forest.best;
        forest.roots.sort_by_key(|&node| best[node]);
        for children in &mut forest.children {
            children.sort_by_key(|&node| best[node]);
        }
        // Children come after their parents in this order, so counted from its end they are done before.
        for node in forest.subtree(&forest.roots).into_iter().rev() {
            if let Some(parent) = parents[node] {
                below[parent] += below[node] + 1;
            }
        }
        forest.below = below;
        forest
    }

    /// These and all below them, parents first.
    fn subtree(&self, roots: &[usize]) -> Vec<usize> {
        let mut all = Vec::new();
        let mut left = roots.to_vec();
        while let Some(node) = left.pop() {
            all.push(node);
            left.extend(&self.children[node]);
        }
        all
    }

    /// A process and all below it in one row.
    fn sum(&self, node: usize) -> ProcessRow {
        let root = self.processes[node];
        let rows = self.subtree(&[node]).into_iter().map(|node| self.processes[node].clone()).collect();
        let base = ProcessRow {
            id: root.id,
            comm: root.comm,
            who: root.who.clone(),
            exited: true,
            ..ProcessRow::default()
        };
        group::together(base, rows)
    }
}

/// Parents of which nobody is an ancestor of itself. A recording may say anything.
fn without_rings(mut parents: Vec<Option<usize>>) -> Vec<Option<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnThisWay,
        Done,
    }
    let mut seen = vec![Seen::No; parents.len()];
    for start in 0..parents.len() {
        let mut way = Vec::new();
        let mut at = Some(start);
        while let Some(node) = at.filter(|&node| seen[node] == Seen::No) {
            seen[node] = Seen::OnThisWay;
            way.push(node);
            at = parents[node];
        }
        if let (Some(node), Some(&last)) = (at, way.last())
            && seen[node] == Seen::OnThisWay
        {
            parents[last] = None;
        }
        for node in way {
            seen[node] = Seen::Done;
        }
    }
    parents
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_is_an_ancestor_of_itself(parents in proptest::collection::vec(proptest::option::of(0usize..12), 12)) {
            let cut = without_rings(parents.clone());
            for start in 0..cut.len() {
                prop_assert!(cut[start].is_none() || cut[start] == parents[start]);
                let above = std::iter::successors(Some(start), |&node| cut[node]);
                prop_assert!(above.take(cut.len() + 1).count() <= cut.len());
            }
        }
    }

    #[test]
    fn lines_say_who_follows_on_which_level() {
        let branch = |depth, follows, is_folded| Branch { depth, below: 1, is_folded, follows };
        assert_eq!(branch(0, 0, false).lines(), "");
        assert_eq!(branch(0, 0, true).lines(), "+");
        assert_eq!(branch(1, 0b10, false).lines(), "├─");
        assert_eq!(branch(1, 0, true).lines(), "└+");
        assert_eq!(branch(3, 0b0010, false).lines(), "│   └─");
        assert_eq!(branch(70, 0, false).lines().chars().count(), 2 * MOST_LEVELS);
    }
}
