//! The whole ledger as user space sees it: the kernel's counters, the kernel's own skips, and what
//! happened to records after the ring. The identities that must hold are checked here.

use std::fmt;

mod account;

pub use account::{ACCOUNT, Item, Role};
use serde::{Deserialize, Serialize};
use tracer_common::ledger::{COUNTERS, Counter};

/// Counters of a span of time. Adding two spans gives the longer span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerCounts {
    /// The BPF programs' counters, summed over CPUs; indexed by [`Counter`].
    #[serde(with = "counters")]
    pub kernel: [u64; COUNTERS],
    /// Runs of the enter program that the kernel skipped (`recursion_misses`).
    pub missed_enter: u64,
    /// Runs of the exit program that the kernel skipped.
    pub missed_exit: u64,
    /// Records folded into cells.
    pub aggregated: u64,
    /// Records that were no record.
    pub decode_failed: u64,
    /// Records dropped between the ring and the aggregator. The queue holds mergeable intervals and waits
    /// instead of dropping, so this stays 0; it is here because the identity names it.
    pub user_queue_dropped: u64,
    /// Calls that a recording of events has no row for, because its writer was too slow: they are in its
    /// cells, and in no other figure is anything missing.
    pub recorder_overflow: u64,
}

/// The counters as a list: serde knows arrays of up to 32.
mod counters {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    use super::COUNTERS;

    pub(super) fn serialize<S: Serializer>(counts: &[u64; COUNTERS], to: S) -> Result<S::Ok, S::Error> {
        counts.as_slice().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u64; COUNTERS], D::Error> {
        let counts = Vec::<u64>::deserialize(from)?;
        counts.try_into().map_err(|_| D::Error::custom("another number of counters"))
    }
}

/// One identity of the ledger that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// The identity in the ledger's own words.
    pub identity: &'static str,
    /// Value of its left side.
    pub left: u64,
    /// Value of its right side.
    pub right: u64,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} is not {}", self.identity, self.left, self.right)
    }
}

impl LedgerCounts {
    /// One of the kernel's counters.
    pub fn get(&self, counter: Counter) -> u64 {
        self.kernel[counter as usize]
    }

    /// Adds another span.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.kernel.iter_mut().zip(other.kernel) {
            *mine += theirs;
        }
        self.missed_enter += other.missed_enter;
        self.missed_exit += other.missed_exit;
        self.aggregated += other.aggregated;
        self.decode_failed += other.decode_failed;
        self.user_queue_dropped += other.user_queue_dropped;
        self.recorder_overflow += other.recorder_overflow;
    }

    /// What happened since `earlier`, a reading of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut kernel = self.kernel;
        for (mine, theirs) in kernel.iter_mut().zip(earlier.kernel) {
            *mine = mine.saturating_sub(theirs);
        }
        Self {
            kernel,
            missed_enter: self.missed_enter.saturating_sub(earlier.missed_enter),
            missed_exit: self.missed_exit.saturating_sub(earlier.missed_exit),
            aggregated: self.aggregated.saturating_sub(earlier.aggregated),
            decode_failed: self.decode_failed.saturating_sub(earlier.decode_failed),
            user_queue_dropped: self.user_queue_dropped.saturating_sub(earlier.user_queue_dropped),
            recorder_overflow: self.recorder_overflow.saturating_sub(earlier.recorder_overflow),
        }
    }

    /// Name and value of everything counted, in the order of tables and JSON.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Counter::ALL.iter().map(|&counter| (counter.name(), self.get(counter))).chain([
            ("missed_enter", self.missed_enter),
            ("missed_exit", self.missed_exit),
            ("aggregated", self.aggregated),
            ("decode_failed", self.decode_failed),
            ("user_queue_dropped", self.user_queue_dropped),
            ("recorder_overflow", self.recorder_overflow),
        ])
    }

    /// The counter that [`LedgerCounts::named`] gives this name.
    pub fn by_name_mut(&mut self, name: &str) -> Option<&mut u64> {
        match name {
            "missed_enter" => Some(&mut self.missed_enter),
            "missed_exit" => Some(&mut self.missed_exit),
            "aggregated" => Some(&mut self.aggregated),
            "decode_failed" => Some(&mut self.decode_failed),
            "user_queue_dropped" => Some(&mut self.user_queue_dropped),
            "recorder_overflow" => Some(&mut self.recorder_overflow),
            _ => {
                let counter = Counter::ALL.iter().find(|counter| counter.name() == name)?;
                self.kernel.get_mut(*counter as usize)
            }
        }
    }

    /// Calls made that are in no cell: dropped, never tracked, or never shown to us.
    pub fn calls_missing(&self) -> u64 {
        use Counter::{Lost, NrMismatch, Overwritten, StartInsertFailed, Unexplained};
        [Lost, StartInsertFailed, Overwritten, NrMismatch, Unexplained]
            .into_iter()
            .map(|counter| self.get(counter))
            .sum::<u64>()
            + self.missed_enter
            + self.missed_exit
            + self.decode_failed
            + self.user_queue_dropped
    }

    /// The identities that do not hold, given the number of calls in flight now. Exact once the programs
    /// are detached; while they run, counters of different CPUs are read at different instants.
    pub fn imbalances(&self, in_flight_now: u64) -> Vec<Imbalance> {
        use Counter::{
            DeniedBeforeEnter, DiedInFlight, EnterSeen, ExitSeen, FilteredOut, ForkChild, InFlightAtAttach,
            Lost, NoReturn, NrMismatch, Overwritten, Paired, Spilled, StartInsertFailed, Streamed,
            Unexplained, UntrackedExit,
        };
        let sum = |counters: &[Counter]| counters.iter().map(|&counter| self.get(counter)).sum::<u64>();
        [
            (
                "enter_seen = paired + no_return + died_in_flight + in_flight_now + start_insert_failed + \
                 overwritten + nr_mismatch",
                self.get(EnterSeen),
                sum(&[Paired, NoReturn, DiedInFlight, StartInsertFailed, Overwritten, NrMismatch])
                    + in_flight_now,
            ),
            (
                "exit_seen = paired + fork_child + denied_before_enter + in_flight_at_attach + nr_mismatch + \
                 untracked_exit + unexplained",
                self.get(ExitSeen),
                sum(&[
                    Paired,
                    ForkChild,
                    DeniedBeforeEnter,
                    InFlightAtAttach,
                    NrMismatch,
                    UntrackedExit,
                    Unexplained,
                ]),
            ),
            (
                "paired + no_return + denied_before_enter + died_in_flight = streamed + spilled + lost + \
                 filtered_out",
                sum(&[Paired, NoReturn, DeniedBeforeEnter, DiedInFlight]),
                sum(&[Streamed, Spilled, Lost, FilteredOut]),
            ),
            (
                "streamed = aggregated + user_queue_dropped + decode_failed",
                self.get(Streamed),
                self.aggregated + self.user_queue_dropped + self.decode_failed,
            ),
        ]
        .into_iter()
        .filter(|(_, left, right)| left != right)
        .map(|(identity, left, right)| Imbalance { identity, left, right })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(Counter, u64)]) -> LedgerCounts {
        let mut counts = LedgerCounts::default();
        for &(counter, value) in pairs {
            counts.kernel[counter as usize] = value;
        }
        counts
    }

    #[test]
    fn a_balanced_ledger_has_no_imbalance_and_one_off_is_named() {
        use Counter::{EnterSeen, ExitSeen, ForkChild, NoReturn, Paired, Spilled, Streamed};
        let mut ledger = counts(&[
            (EnterSeen, 11),
            (ExitSeen, 9),
            (Paired, 8),
            (NoReturn, 1),
            (ForkChild, 1),
            (Streamed, 7),
            (Spilled, 2),
        ]);
        ledger.aggregated = 7;
        assert_eq!(ledger.imbalances(2), []);
        let found = ledger.imbalances(1);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].left, found[0].right), (11, 10));
    }

    #[test]
    fn every_counter_is_found_by_its_name() {
        let mut ledger = LedgerCounts::default();
        let names: Vec<&str> = LedgerCounts::default().named().map(|(name, _)| name).collect();
        for (value, name) in names.iter().enumerate() {
            *ledger.by_name_mut(name).expect("it has a name") = value as u64;
        }
        assert!(ledger.named().map(|(_, value)| value).eq(0..names.len() as u64));
    }

    #[test]
    fn since_undoes_merge() {
        let a =
            LedgerCounts { recorder_overflow: 3, ..counts(&[(Counter::EnterSeen, 5), (Counter::Lost, 1)]) };
        let b = LedgerCounts { recorder_overflow: 2, ..counts(&[(Counter::EnterSeen, 7)]) };
        let mut both = a;
        both.merge(&b);
        assert_eq!(both.since(&a), b);
    }
}
