//! What the failed calls of a cell failed on: for each errno the paths and addresses that were met most often, and of
//! those that were met rarely the latest.
//!
//! Bounded counting as in Metwally's "Space-Saving": where there is no place left, a newcomer takes that of the rarest and
//! its count, and says how much of it may be another's. So what fails in one of [`KEPT`] calls or more is always found,
//! and `calls - unsure` is never too much. Merging is commutative, and associative as long as nothing had to be left out;
//! beyond that the order of merges may change what is kept of the rare ones, never these two promises.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::operand::Kept;

/// How many are kept for each errno.
pub const KEPT: usize = 16;

/// Errnos of one cell for which any are kept.
const ERRNOS: usize = 16;

/// Bytes of one that are kept; a longer one is kept with one byte more, by which it is known.
pub const MOST_BYTES: usize = 200;

/// Something that calls failed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// How they failed.
    pub errno: u16,
    /// On what: its first [`MOST_BYTES`], and one more where there are more.
    pub on: Kept,
    /// At most so many calls, among those that were seen one by one.
    pub calls: u64,
    /// How many of them may have failed on something else.
    pub unsure: u64,
}

impl Example {
    /// So many calls failed on it for certain.
    pub fn at_least(&self) -> u64 {
        self.calls.saturating_sub(self.unsure)
    }

    /// The order in a list: by errno, the most frequent first.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |example: &Self| (example.errno, std::cmp::Reverse(example.at_least()), example.unsure);
        key(self).cmp(&key(other)).then_with(|| self.on.cmp(&other.on))
    }
}

/// The part of a kept operand that an example keeps.
fn cut(on: &[u8]) -> &[u8] {
    &on[..on.len().min(MOST_BYTES + 1)]
}

/// Those of one errno that are being gathered.
#[derive(Debug)]
struct Group {
    errno: u16,
    /// What, how often, how much of that is unsure, and when last.
    met: Vec<(Kept, u64, u64, u64)>,
}

/// Those of a cell that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    groups: Vec<Group>,
    /// Calls so far.
    clock: u64,
}

impl Filling {
    /// Counts a call that failed on something.
    pub(crate) fn add(&mut self, errno: u16, on: &[u8]) {
        let on = cut(on);
        self.clock += 1;
        let group = match self.groups.iter_mut().position(|group| group.errno == errno) {
            Some(at) => &mut self.groups[at],
            None if self.groups.len() < ERRNOS => {
                self.groups.push(Group { errno, met: Vec::new() });
                let last = self.groups.len() - 1;
                &mut self.groups[last]
            }
            None => return,
        };
        if let Some((_, calls, _, last)) = group.met.iter_mut().find(|(known, ..)| **known == *on) {
            *calls += 1;
            *last = self.clock;
        } else if group.met.len() < KEPT {
            group.met.push((on.into(), 1, 0, self.clock));
        } else if let Some(rarest) = group.met.iter_mut().min_by_key(|(_, calls, _, last)| (*calls, *last)) {
            let (_, calls, ..) = *rarest;
            *rarest = (on.into(), calls + 1, calls, self.clock);
        }
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let met = self.groups.iter().flat_map(|group| &group.met);
        met.map(|(on, ..)| on.len() + 64).sum::<usize>() + self.groups.len() * size_of::<Group>()
    }

    /// What was found, in order.
    pub(crate) fn finish(self) -> Arc<[Example]> {
        if self.groups.is_empty() {
            return Arc::default();
        }
        let of = |Group { errno, met }: Group| {
            met.into_iter().map(move |(on, calls, unsure, _)| Example { errno, on, calls, unsure })
        };
        let mut found: Vec<Example> = self.groups.into_iter().flat_map(of).collect();
        found.sort_unstable_by(Example::order);
        found.into()
    }
}

/// Adds `other` to `mine`; both are in order.
pub fn merge(mine: &mut Arc<[Example]>, other: &Arc<[Example]>) {
    if mine.is_empty() || other.is_empty() {
        if mine.is_empty() {
            mine.clone_from(other);
        }
        return;
    }
    let mut merged = Vec::with_capacity(mine.len().max(other.len()));
    let mut errnos: Vec<u16> = mine.iter().chain(other.iter()).map(|example| example.errno).collect();
    errnos.sort_unstable();
    errnos.dedup();
    for errno in errnos.into_iter().take(ERRNOS) {
        merged.extend(merge_group(of_errno(mine, errno), of_errno(other, errno)));
    }
    *mine = merged.into();
}

/// Whether a list is one that [`merge`] can be given: in order, bounded, and each only once.
pub(crate) fn are_in_order(examples: &[Example]) -> bool {
    let bounded = examples.chunk_by(|a, b| a.errno == b.errno).all(|group| {
        let mut on: Vec<&Kept> = group.iter().map(|example| &example.on).collect();
        on.sort_unstable();
        on.dedup();
        group.len() <= KEPT && on.len() == group.len()
    });
    bounded && examples.windows(2).all(|pair| pair[0].order(&pair[1]).is_lt())
}

/// Those of one errno.
pub fn of_errno(examples: &[Example], errno: u16) -> &[Example] {
    let start = examples.partition_point(|example| example.errno < errno);
    let end = examples.partition_point(|example| example.errno <= errno);
    &examples[start..end]
}

fn merge_group(left: &[Example], right: &[Example]) -> Vec<Example> {
    // What a full list does not name may have been met as often as the rarest that it names.
    let unnamed = |list: &[Example]| match list.len() {
        KEPT.. => list.iter().map(|example| example.calls).min().unwrap_or(0),
        _ => 0,
    };
    let (in_left, in_right) = (unnamed(left), unnamed(right));
    let mut all = Vec::with_capacity(left.len() + right.len());
    for example in left {
        let (calls, unsure) = match right.iter().find(|other| other.on == example.on) {
            Some(other) => (other.calls, other.unsure),
            None => (in_right, in_right),
        };
        all.push(Example {
            calls: example.calls.saturating_add(calls),
            unsure: example.unsure.saturating_add(unsure),
            ..example.clone()
        });
    }
    for example in right.iter().filter(|example| left.iter().all(|other| other.on != example.on)) {
        all.push(Example {
            calls: example.calls.saturating_add(in_left),
            unsure: example.unsure.saturating_add(in_left),
            ..example.clone()
        });
    }
    all.sort_unstable_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.order(b)));
    all.truncate(KEPT);
    all.sort_unstable_by(Example::order);
    all
}

/// What was added to a list since it was `before`: those that can be told.
pub(crate) fn since<'a>(
    now: &[Example],
    before: &(impl Iterator<Item = &'a Example> + Clone),
) -> Arc<[Example]> {
    let added = |example: &Example| {
        let known = before.clone().filter(|known| known.on == example.on);
        let (most, least) = known.fold((0, 0), |(most, least), known| {
            (known.calls.saturating_add(most), known.at_least().saturating_add(least))
        });
        let calls = example.calls.saturating_sub(least);
        let at_least = example.at_least().saturating_sub(most);
        (at_least > 0).then(|| Example { calls, unsure: calls - at_least, ..example.clone() })
    };
    let mut added: Vec<Example> = now.iter().filter_map(added).collect();
    added.sort_unstable_by(Example::order);
    added.into()
}

/// Memory behind a list.
pub(crate) fn heap_bytes(examples: &[Example]) -> usize {
    // A counted string has two counters before it.
    examples.iter().map(|example| size_of::<Example>() + example.on.len() + 2 * size_of::<usize>()).sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Examples of calls that failed so.
    pub(crate) fn examples_of(calls: &[(u16, u8)]) -> Arc<[Example]> {
        let mut filling = Filling::default();
        for (errno, on) in calls {
            filling.add(*errno, format!("/etc/{on}").as_bytes());
        }
        filling.finish()
    }

    fn truth(calls: &[(u16, u8)]) -> HashMap<(u16, Vec<u8>), u64> {
        let mut counts = HashMap::new();
        for (errno, on) in calls {
            *counts.entry((*errno, format!("/etc/{on}").into_bytes())).or_default() += 1;
        }
        counts
    }

    proptest! {
        #[test]
        fn counts_are_bounds_whatever_is_cut_and_merged(
            calls in proptest::collection::vec((2u16..4, prop_oneof![0u8..3, any::<u8>()]), 0..400),
            cuts in proptest::collection::vec(0usize..400, 0..4), backwards: bool,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(calls.len())).chain([0, calls.len()]).collect();
            cuts.sort_unstable();
            let mut parts: Vec<_> = cuts.windows(2).map(|cut| examples_of(&calls[cut[0]..cut[1]])).collect();
            if backwards {
                parts.reverse();
            }
            let mut sum = Arc::default();
            for part in &parts {
                merge(&mut sum, part);
            }
            let truth = truth(&calls);
            for example in sum.iter() {
                let count = truth.get(&(example.errno, example.on.to_vec())).copied().unwrap_or(0);
                prop_assert!(example.at_least() <= count && count <= example.calls, "{count} {example:?}");
            }
            for errno in 2..4 {
                let of_errno = of_errno(&sum, errno);
                prop_assert!(of_errno.len() <= KEPT);
                prop_assert!(of_errno.windows(2).all(|pair| pair[0].at_least() >= pair[1].at_least()));
                let all: u64 = truth.iter().filter(|((of, _), _)| *of == errno).map(|(_, count)| count).sum();
                for ((of, on), count) in &truth {
                    if *of == errno && *count > all / KEPT as u64 {
                        prop_assert!(of_errno.iter().any(|example| *example.on == on[..]), "{on:?} {count} of {all}");
                    }
                }
            }
        }

        #[test]
        fn few_are_counted_exactly_in_whatever_order(
            a in proptest::collection::vec((2u16..5, 0u8..10), 0..60), b in proptest::collection::vec((2u16..5, 0u8..10), 0..60),
            c in proptest::collection::vec((2u16..5, 0u8..10), 0..60),
        ) {
            let [x, y, z] = [&a, &b, &c].map(|calls| examples_of(calls));
            let joined = |parts: [&Arc<[Example]>; 3]| {
                let mut sum = Arc::clone(parts[0]);
                merge(&mut sum, parts[1]);
                merge(&mut sum, parts[2]);
                sum
            };
            let all = [a, b, c].concat();
            let at_once = examples_of(&all);
            prop_assert_eq!(&joined([&x, &y, &z]), &at_once);
            prop_assert_eq!(&joined([&z, &x, &y]), &at_once);
            prop_assert!(at_once.iter().all(|example| example.unsure == 0));
        }
    }

    #[test]
    fn of_many_that_are_met_once_the_latest_are_kept() {
        let calls: Vec<(u16, u8)> = (0..100).map(|on| (2, on)).collect();
        let found = examples_of(&calls);
        assert_eq!(found.len(), KEPT);
        assert!(found.iter().all(|example| example.at_least() == 1));
        assert!(found.iter().any(|example| *example.on == *b"/etc/99"), "{found:?}");
    }

    #[test]
    fn a_long_path_is_cut_and_known_by_that() {
        let mut filling = Filling::default();
        filling.add(2, &[b'x'; 4000]);
        assert_eq!(filling.finish()[0].on.len(), MOST_BYTES + 1);
    }
}
