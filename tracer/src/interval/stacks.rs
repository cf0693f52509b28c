//! Where the slow calls of a cell were made: stacks by the names of their functions, with figures. Bounded: of those that
//! took least time only the sums are kept, in a row without frames, so that rows always add up to all stacks that were taken.
//! Merging is commutative, and associative as long as nothing had to be left out; sums are exact beyond that.

use std::cmp::Reverse;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::human::safe_text;

/// How many are told apart in one cell.
pub const KEPT: usize = 64;

/// Stacks by address that are told apart in one cell of an interval.
const IN_FILLING: usize = 512;

/// Most bytes of the name of a function that are kept.
pub const MAX_FRAME_BYTES: usize = 200;

/// A function, or where it is when it has no known name: `libc.so.6+0x1234`, `0x7f0012345678`.
pub type Frame = Arc<str>;

/// The functions of a stack, the innermost first.
pub type Frames = Arc<[Frame]>;

/// What the calls that were made in one place came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Figures {
    /// Calls.
    pub calls: u64,
    /// Time in them.
    pub total_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl Figures {
    /// Counts a call.
    pub(crate) fn add(&mut self, latency_ns: u64) {
        self.merge(Self { calls: 1, total_ns: latency_ns, max_ns: latency_ns });
    }

    /// Adds those of other calls.
    pub fn merge(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

/// One place in a program, and the slow calls that were made there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Where; empty for the rest, whose places are not told apart.
    pub frames: Frames,
    /// The calls.
    pub figures: Figures,
}

impl Stack {
    /// Whether it stands for all that are not told apart.
    pub fn is_rest(&self) -> bool {
        self.frames.is_empty()
    }

    /// Its functions as they are shown, the innermost first, one in a line and at most so many.
    pub fn lines(&self, limit: usize) -> Vec<String> {
        if self.is_rest() {
            return vec!["(other places)".to_owned()];
        }
        let mut lines: Vec<String> =
            self.frames.iter().take(limit).map(|frame| safe_text(frame.as_bytes())).collect();
        if let more @ 1.. = self.frames.len().saturating_sub(limit) {
            lines.push(format!("... {more} more"));
        }
        lines
    }

    /// The order in a list: the most time first, the rest last.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |stack: &Self| (stack.is_rest(), Reverse(stack.figures.total_ns));
        key(self).cmp(&key(other)).then_with(|| self.frames.cmp(&other.frames))
    }
}

/// Those of a cell that is being filled, by address.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    pub(crate) met: FxHashMap<Box<[u64]>, Met>,
    /// Those of a program that has given way to another: the same addresses are other functions now.
    past: Vec<Stack>,
    /// Of those that found no room.
    rest: Figures,
}

/// Calls that were made in one place, by address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Met {
    pub(crate) figures: Figures,
    /// When the latest returned.
    pub(crate) last_ns: u64,
}

impl Filling {
    /// Counts a call that was made there. False where it is not told apart.
    pub(crate) fn add(&mut self, addresses: &[u64], latency_ns: u64, exit_ns: u64) -> bool {
        if let Some(met) = self.met.get_mut(addresses) {
            met.figures.add(latency_ns);
            met.last_ns = met.last_ns.max(exit_ns);
        } else if self.met.len() < IN_FILLING && !addresses.is_empty() {
            let mut figures = Figures::default();
            figures.add(latency_ns);
            self.met.insert(addresses.into(), Met { figures, last_ns: exit_ns });
        } else {
            self.rest.add(latency_ns);
            return false;
        }
        true
    }

    /// Adds what was made in an earlier program.
    pub(crate) fn add_past(&mut self, stack: Stack) {
        self.past.push(stack);
        if self.past.len() >= IN_FILLING {
            self.past = collect(std::mem::take(&mut self.past)).to_vec();
        }
    }

    /// Those that have names, to be completed by those of the addresses.
    pub(crate) fn take_told(&mut self) -> Vec<Stack> {
        let mut told = std::mem::take(&mut self.past);
        told.push(Stack { frames: Arc::default(), figures: std::mem::take(&mut self.rest) });
        told
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let addresses: usize = self.met.keys().map(|addresses| size_of_val(&**addresses)).sum();
        heap_bytes(&self.past) + addresses + self.met.len() * size_of::<(Box<[u64]>, Met)>()
    }
}

/// Puts stacks in order, those with the same frames together, and bounds them.
pub(crate) fn collect(mut all: Vec<Stack>) -> Arc<[Stack]> {
    all.sort_unstable_by(|a, b| a.frames.cmp(&b.frames));
    all.dedup_by(|next, kept| {
        let same = next.frames == kept.frames;
        if same {
            kept.figures.merge(next.figures);
        }
        same
    });
    all.retain(|stack| stack.figures.calls > 0);
    all.sort_unstable_by(Stack::order);
    let told = all.len() - usize::from(all.last().is_some_and(Stack::is_rest));
    if told > KEPT {
        let mut rest = Figures::default();
        all.drain(KEPT..).for_each(|stack| rest.merge(stack.figures));
        all.push(Stack { frames: Arc::default(), figures: rest });
    }
    all.into()
}

/// Adds `other` to `mine`; both are in order.
pub fn merge(mine: &mut Arc<[Stack]>, other: &Arc<[Stack]>) {
    if mine.is_empty() || other.is_empty() {
        if mine.is_empty() {
            mine.clone_from(other);
        }
        return;
    }
    *mine = collect(mine.iter().chain(other.iter()).cloned().collect());
}

/// Whether a list is one that [`merge`] can be given: in order, bounded, and each only once.
pub(crate) fn are_in_order(stacks: &[Stack]) -> bool {
    let mut frames: Vec<&Frames> = stacks.iter().map(|stack| &stack.frames).collect();
    frames.sort_unstable();
    frames.dedup();
    frames.len() == stacks.len()
        && stacks.iter().filter(|stack| !stack.is_rest()).count() <= KEPT
        && stacks.windows(2).all(|pair| pair[0].order(&pair[1]).is_lt())
}

/// What was added to a list since it was `before`. What was longest before says nothing of the time since, and is left as it
/// is: an upper bound.
pub(crate) fn since<'a>(now: &[Stack], before: &(impl Iterator<Item = &'a Stack> + Clone)) -> Arc<[Stack]> {
    let added = |stack: &Stack| {
        let mut figures = stack.figures;
        for known in before.clone().filter(|known| known.frames == stack.frames) {
            figures.calls = figures.calls.saturating_sub(known.figures.calls);
            figures.total_ns = figures.total_ns.saturating_sub(known.figures.total_ns);
        }
        figures.max_ns = figures.max_ns.min(figures.total_ns);
        Stack { frames: Arc::clone(&stack.frames), figures }
    };
    collect(now.iter().map(added).collect())
}

/// Memory behind a list.
pub(crate) fn heap_bytes(stacks: &[Stack]) -> usize {
    // A counted string has two counters before it; most names are shared with other stacks.
    const FRAME_BYTES: usize = size_of::<Frame>() + 24;
    stacks.iter().map(|stack| size_of::<Stack>() + stack.frames.len() * FRAME_BYTES).sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// A stack of functions with these names.
    pub(crate) fn stack(frames: &[&str], latencies: &[u64]) -> Stack {
        let mut figures = Figures::default();
        for &ns in latencies {
            figures.add(ns);
        }
        Stack { frames: frames.iter().map(|&frame| frame.into()).collect(), figures }
    }

    /// Those of calls that were made so.
    pub(crate) fn stacks_of(calls: &[(u8, u64)]) -> Arc<[Stack]> {
        collect(
            calls.iter().map(|(place, ns)| stack(&["write", &format!("f{place}"), "main"], &[*ns])).collect(),
        )
    }

    fn sum(stacks: &[Stack]) -> Figures {
        let mut sum = Figures::default();
        for stack in stacks {
            sum.merge(stack.figures);
        }
        sum
    }

    proptest! {
        #[test]
        fn sums_are_exact_whatever_is_cut_and_merged(
            calls in proptest::collection::vec((any::<u8>(), 1u64..1 << 40), 0..400),
            cuts in proptest::collection::vec(0usize..400, 0..4), backwards: bool,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(calls.len())).chain([0, calls.len()]).collect();
            cuts.sort_unstable();
            let mut parts: Vec<_> = cuts.windows(2).map(|cut| stacks_of(&calls[cut[0]..cut[1]])).collect();
            if backwards {
                parts.reverse();
            }
            let mut merged = Arc::default();
            for part in &parts {
                merge(&mut merged, part);
            }
            prop_assert!(are_in_order(&merged));
            let mut truth = Figures::default();
            let mut each: HashMap<String, Figures> = HashMap::new();
            for (place, ns) in &calls {
                truth.add(*ns);
                each.entry(format!("f{place}")).or_default().add(*ns);
            }
            prop_assert_eq!(sum(&merged), truth);
            for stack in merged.iter().filter(|stack| !stack.is_rest()) {
                let all = each[&*stack.frames[1]];
                prop_assert!(stack.figures.calls <= all.calls && stack.figures.total_ns <= all.total_ns);
                prop_assert!(stack.figures.max_ns <= all.max_ns);
            }
        }

        #[test]
        fn few_are_told_apart_exactly_in_whatever_order(
            a in proptest::collection::vec((0u8..40, 1u64..9), 0..60), b in proptest::collection::vec((0u8..40, 1u64..9), 0..60),
            c in proptest::collection::vec((0u8..40, 1u64..9), 0..60),
        ) {
            let [x, y, z] = [&a, &b, &c].map(|calls| stacks_of(calls));
            let joined = |parts: [&Arc<[Stack]>; 3]| {
                let mut sum = Arc::clone(parts[0]);
                merge(&mut sum, parts[1]);
                merge(&mut sum, parts[2]);
                sum
            };
            let all = [a, b, c].concat();
            let at_once = stacks_of(&all);
            prop_assert_eq!(&joined([&x, &y, &z]), &at_once);
            prop_assert_eq!(&joined([&z, &x, &y]), &at_once);
            prop_assert!(at_once.iter().all(|stack| !stack.is_rest()));
            let later = since(&joined([&x, &y, &z]), &x.iter());
            let mut since_then = Arc::clone(&y);
            merge(&mut since_then, &z);
            let calls = |stacks: &[Stack]| -> HashMap<Frames, (u64, u64)> {
                stacks.iter().map(|s| (Arc::clone(&s.frames), (s.figures.calls, s.figures.total_ns))).collect()
            };
            prop_assert_eq!(calls(&later), calls(&since_then));
        }
    }

    #[test]
    fn of_many_those_with_most_time_are_told_apart() {
        let calls: Vec<(u8, u64)> = (0..=255).map(|place| (place, 1000 + u64::from(place))).collect();
        let found = stacks_of(&calls);
        assert_eq!(found.len(), KEPT + 1);
        assert_eq!(&*found[0].frames[1], "f255");
        assert!(found[KEPT].is_rest());
        assert_eq!(found[KEPT].figures.calls, 256 - KEPT as u64);
    }

    #[test]
    fn places_beyond_the_bound_of_an_interval_are_counted_together() {
        let mut filling = Filling::default();
        for place in 0..2 * IN_FILLING as u64 {
            filling.add(&[place], 5, place);
        }
        assert_eq!((filling.met.len(), filling.rest.calls), (IN_FILLING, IN_FILLING as u64));
        assert!(filling.add(&[0], 7, 9_999));
        assert_eq!(filling.met[&[0u64][..]].last_ns, 9_999);
        assert!(!filling.add(&[], 1, 1), "nothing to be named");
    }
}
