//! Sets of calls: a bit for each number that can have a name, and one answer with exceptions for the rest.

use std::collections::BTreeSet;

use tracer_common::abi::Abi;

use crate::interval::CallKey;
use crate::syscalls::{names, without_x32_bit};

const WORDS: usize = names::NUMBERS / 64;
const TABLES: usize = Abi::ALL.len();

/// A set of calls. Arrays are indexed by discriminant of [`Abi`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Members {
    /// The numbers below [`names::NUMBERS`].
    bits: [[u64; WORDS]; TABLES],
    /// Whether the numbers beyond are members.
    beyond: [bool; TABLES],
    /// The numbers beyond for which it is the other way round.
    exceptions: BTreeSet<CallKey>,
}

impl Members {
    pub(super) const fn none() -> Self {
        Self { bits: [[0; WORDS]; TABLES], beyond: [false; TABLES], exceptions: BTreeSet::new() }
    }

    pub(super) const fn all() -> Self {
        Self { bits: [[u64::MAX; WORDS]; TABLES], beyond: [true; TABLES], exceptions: BTreeSet::new() }
    }

    pub(super) fn contains(&self, call: CallKey) -> bool {
        let call = canonical(call);
        match bit(call) {
            Some((word, bit)) => self.bits[call.abi as usize][word] & bit != 0,
            None => self.beyond[call.abi as usize] != self.exceptions.contains(&call),
        }
    }

    pub(super) fn is_all(&self) -> bool {
        self.exceptions.is_empty()
            && self.beyond.iter().all(|&beyond| beyond)
            && self.bits.iter().flatten().all(|&word| word == u64::MAX)
    }

    pub(super) fn insert(&mut self, call: CallKey) {
        let call = canonical(call);
        match bit(call) {
            Some((word, bit)) => self.bits[call.abi as usize][word] |= bit,
            None if self.beyond[call.abi as usize] => {
                self.exceptions.remove(&call);
            }
            None => {
                self.exceptions.insert(call);
            }
        }
    }

    /// Adds every number of a table, named or not.
    pub(super) fn insert_table(&mut self, abi: Abi) {
        self.bits[abi as usize] = [u64::MAX; WORDS];
        self.beyond[abi as usize] = true;
        self.exceptions.retain(|call| call.abi != abi);
    }

    /// Adds the named calls of these tables that `wanted` accepts.
    pub(super) fn insert_named(&mut self, abis: &[Abi], wanted: impl Fn(&str) -> bool) {
        for (call, entry) in abis.iter().flat_map(|&abi| names::entries(abi)) {
            if wanted(entry.name) {
                self.insert(call);
            }
        }
    }

    pub(super) fn union(self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine | theirs)
    }

    pub(super) fn minus(self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine & !theirs)
    }

    /// Decides every number by `rule`, 64 at a time: bit by bit, it is told who has the number and says
    /// whether the result does.
    fn combine(mut self, other: &Self, rule: impl Fn(u64, u64) -> u64) -> Self {
        let decide = |mine: bool, theirs: bool| rule(u64::from(mine), u64::from(theirs)) & 1 != 0;
        let beyond: [bool; TABLES] =
            std::array::from_fn(|table| decide(self.beyond[table], other.beyond[table]));
        let exceptions = self
            .exceptions
            .union(&other.exceptions)
            .filter(|&&call| decide(self.contains(call), other.contains(call)) != beyond[call.abi as usize])
            .copied()
            .collect();
        for (mine, theirs) in self.bits.iter_mut().flatten().zip(other.bits.iter().flatten()) {
            *mine = rule(*mine, *theirs);
        }
        Self { bits: self.bits, beyond, exceptions }
    }

    /// The members that have a bit of their own.
    pub(super) fn listed(&self) -> impl Iterator<Item = CallKey> {
        let numbers = (0..names::NUMBERS as i32).flat_map(|nr| Abi::ALL.map(|abi| CallKey { abi, nr }));
        numbers.filter(|&call| self.contains(call))
    }

    /// Whether there are members without a bit of their own.
    pub(super) fn has_unlisted(&self) -> bool {
        self.beyond.contains(&true) || !self.exceptions.is_empty()
    }
}

/// `x32` numbers come with and without their bit; both are the same call.
const fn canonical(call: CallKey) -> CallKey {
    CallKey { abi: call.abi, nr: without_x32_bit(call) }
}

/// Word and bit of a number that has a bit of its own.
fn bit(call: CallKey) -> Option<(usize, u64)> {
    let number = usize::try_from(call.nr).ok().filter(|&number| number < names::NUMBERS)?;
    Some((number / 64, 1 << (number % 64)))
}
