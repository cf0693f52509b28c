//! The ledger as an account for people: what came in, what became of it, in words. The identities of
//! [`LedgerCounts::imbalances`] are its sums.

use tracer_common::ledger::Counter;

use super::LedgerCounts;

/// What a line of the account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the lines below it add up to.
    Sum,
    /// A part, worth a line when it is not nothing.
    Part,
    /// A part that says that calls are missing or are known less exactly, worth a line when it is not nothing.
    Trouble,
    /// The same, worth a line even when it is nothing: people look for it.
    Loss,
}

/// A line of the account.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// What was counted.
    pub words: &'static str,
    /// What it is.
    pub role: Role,
    amount: fn(&LedgerCounts, u64) -> u64,
}

impl Item {
    /// How many, with so many calls open at the end of the span.
    pub fn amount(&self, ledger: &LedgerCounts, in_flight: u64) -> u64 {
        (self.amount)(ledger, in_flight)
    }
}

macro_rules! item {
    ($role:ident $words:literal, $amount:expr) => {
        Item { words: $words, role: Role::$role, amount: $amount }
    };
    ($role:ident $words:literal = $($counter:ident)+) => {
        item!($role $words, |ledger, _| [$(Counter::$counter),+].into_iter().map(|counter| ledger.get(counter)).sum())
    };
}

/// The account, from entering a call to its place in the figures.
pub static ACCOUNT: [Item; 34] = [
    // What is beside the sums.
    item!(Loss "skipped by the kernel", |ledger, _| ledger.missed_enter + ledger.missed_exit),
    item!(Trouble "news of processes lost (names)" = ProcessRecordsLost),
    item!(Trouble "not among the recorded single calls", |ledger, _| ledger.recorder_overflow),
    item!(Part "calls whose path or address was read" = OperandsRead),
    item!(Part "calls whose path or address was not readable" = OperandsUnreadable),
    item!(Trouble "paths and addresses lost: no room" = OperandsLost),
    item!(Part "slow calls whose stack was taken" = StacksTaken),
    item!(Part "slow calls whose stack was not readable" = StacksUnreadable),
    item!(Trouble "stacks lost: no room" = StacksLost),
    item!(Sum "calls entered" = EnterSeen),
    item!(Part "returned" = Paired),
    item!(Part "never to return (exit)" = NoReturn),
    item!(Part "ended with their thread" = DiedInFlight),
    item!(Part "open now", |_, in_flight| in_flight),
    item!(Trouble "no place for their thread" = StartInsertFailed),
    item!(Trouble "their return was not shown to us" = Overwritten),
    item!(Trouble "returned as another call" = NrMismatch),
    item!(Sum "returns seen" = ExitSeen),
    item!(Part "of a call that was entered" = Paired),
    item!(Part "of a new task from the call that made it" = ForkChild),
    item!(Part "refused before entry (seccomp)" = DeniedBeforeEnter),
    item!(Part "entered before we watched" = InFlightAtAttach),
    item!(Trouble "of another call than was entered" = NrMismatch),
    item!(Trouble "of a thread without a place" = UntrackedExit),
    item!(Trouble "unexplained" = Unexplained),
    item!(Sum "calls to report" = Paired NoReturn DeniedBeforeEnter DiedInFlight),
    item!(Part "sent one by one" = Streamed),
    item!(Part "left out by -x or --slower" = FilteredOut),
    item!(Trouble "counted in the kernel: ring full" = Spilled),
    item!(Loss "lost" = Lost),
    item!(Sum "calls sent" = Streamed),
    item!(Part "in the figures", |ledger, _| ledger.aggregated),
    item!(Trouble "unreadable", |ledger, _| ledger.decode_failed),
    item!(Trouble "dropped on the way", |ledger, _| ledger.user_queue_dropped),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sums that do not hold.
    fn differences(ledger: &LedgerCounts, in_flight: u64) -> usize {
        let sums = ACCOUNT.split_inclusive(|item| item.role == Role::Sum).skip(1);
        let heads = ACCOUNT.iter().filter(|item| item.role == Role::Sum);
        heads
            .zip(sums)
            .filter(|(head, parts)| {
                let parts = parts.iter().filter(|item| item.role != Role::Sum);
                let sum: u64 = parts.map(|item| item.amount(ledger, in_flight)).sum();
                sum != head.amount(ledger, in_flight)
            })
            .count()
    }

    proptest! {
        #[test]
        fn its_sums_hold_exactly_where_the_identities_do(kernel in any::<[u8; 24]>(), folded in 0u64..3, in_flight in 0u64..3) {
            let mut ledger = LedgerCounts { aggregated: folded, ..LedgerCounts::default() };
            for (counter, value) in ledger.kernel.iter_mut().zip(kernel) {
                *counter = u64::from(value % 3);
            }
            prop_assert_eq!(differences(&ledger, in_flight), ledger.imbalances(in_flight).len());
        }
    }

    #[test]
    fn whatever_is_counted_has_a_line() {
        for (name, _) in LedgerCounts::default().named() {
            let mut ledger = LedgerCounts::default();
            *ledger.by_name_mut(name).expect("it has a name") = 1;
            assert!(ACCOUNT.iter().any(|item| item.amount(&ledger, 0) == 1), "{name}");
        }
    }

    #[test]
    fn what_is_missing_is_told_as_trouble() {
        for (name, _) in LedgerCounts::default().named() {
            let mut ledger = LedgerCounts::default();
            *ledger.by_name_mut(name).expect("it has a name") = 1;
            let is_told = ACCOUNT
                .iter()
                .any(|item| matches!(item.role, Role::Trouble | Role::Loss) && item.amount(&ledger, 0) > 0);
            assert!(is_told || ledger.calls_missing() == 0, "{name}");
        }
    }
}
