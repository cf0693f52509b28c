//! What the ledger means for the reader, in words: the answer to "can I trust these figures?", the same on
//! the screen and in text.

use tracer_common::ledger::Counter;

use crate::human;
use crate::ledger::LedgerCounts;

/// How much a word matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong.
    Fine,
    /// Counts are exact, something else is coarser than usual.
    Note,
    /// Calls are missing: counts are lower bounds.
    Alarm,
}

/// One state of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// For a header: `lost 0`, `SKIPPED BY KERNEL 12`.
    pub short: String,
    /// For a report: what happened and what it means for the figures.
    pub sentence: String,
    /// How much it matters.
    pub severity: Severity,
}

/// The states of the ledger, worst first; just `lost 0` when nothing is wrong.
pub fn words(ledger: &LedgerCounts) -> Vec<Word> {
    let mut words = Vec::new();
    let mut say = |severity, short: String, sentence: String| words.push(Word { short, sentence, severity });

    let dropped = ledger.get(Counter::Lost) + ledger.decode_failed + ledger.user_queue_dropped;
    let records = ledger.get(Counter::Streamed) + ledger.get(Counter::Spilled) + ledger.get(Counter::Lost);
    if dropped > 0 {
        let share = human::percent(dropped as f64, records.max(dropped) as f64);
        say(
            Severity::Alarm,
            format!("LOST {} ({share}%)", human::count(dropped)),
            format!(
                "LOST {} calls ({share}%): {} found no room in the kernel, {} could not be read, {} were dropped \
                 on the way. Counts are lower bounds; larger buffers (or a narrower target) avoid it.",
                human::count(dropped),
                human::count(ledger.get(Counter::Lost)),
                human::count(ledger.decode_failed),
                human::count(ledger.user_queue_dropped),
            ),
        );
    }
    let skipped = ledger.missed_enter + ledger.missed_exit;
    if skipped > 0 {
        say(
            Severity::Alarm,
            format!("SKIPPED BY KERNEL {}", human::count(skipped)),
            format!(
                "SKIPPED BY KERNEL {}: it did not run our programs on {} enters and {} exits. Counts are lower \
                 bounds.",
                human::count(skipped),
                human::count(ledger.missed_enter),
                human::count(ledger.missed_exit),
            ),
        );
    }
    let unmatched =
        [Counter::StartInsertFailed, Counter::Overwritten, Counter::NrMismatch, Counter::Unexplained];
    let unpaired: u64 = unmatched.iter().map(|&counter| ledger.get(counter)).sum();
    if unpaired > 0 {
        let causes: Vec<String> = unmatched
            .iter()
            .filter(|&&counter| ledger.get(counter) > 0)
            .map(|&counter| format!("{} {}", counter.name(), human::count(ledger.get(counter))))
            .collect();
        say(
            Severity::Alarm,
            format!("UNPAIRED {}", human::count(unpaired)),
            format!(
                "UNPAIRED {}: an enter or exit whose other half was not seen ({}). Counts are lower bounds.",
                human::count(unpaired),
                causes.join(", "),
            ),
        );
    }
    if words.is_empty() {
        words.push(Word {
            short: "lost 0".to_owned(),
            sentence: "lost 0: every call is in the figures.".to_owned(),
            severity: Severity::Fine,
        });
    }
    let mut say = |short: String, sentence: String| {
        words.push(Word { short, sentence, severity: Severity::Note });
    };
    let spilled = ledger.get(Counter::Spilled);
    if spilled > 0 {
        let share = human::percent(spilled as f64, records as f64);
        say(
            format!("SPILLED {share}% detail only"),
            format!(
                "SPILLED {} calls ({share}%): a ring was full and the kernel counted them itself. Counts, errors \
                 and totals are exact, their percentiles within 6.3%.",
                human::count(spilled),
            ),
        );
    }
    let rowless = ledger.recorder_overflow;
    if rowless > 0 {
        let share = human::percent(rowless as f64, records as f64);
        say(
            format!("RECORDED COARSELY {share}%"),
            format!(
                "RECORDED COARSELY: {} calls ({share}%) came faster than the recording could be written. They are \
                 in its counts, errors, totals and percentiles, and not among its single calls.",
                human::count(rowless),
            ),
        );
    }
    let nameless = ledger.get(Counter::ProcessRecordsLost);
    if nameless > 0 {
        say(
            format!("NAMES MISSING {}", human::count(nameless)),
            format!(
                "NAMES MISSING: {} records about processes found a ring full. Names may be old or `?`; no call is \
                 missing.",
                human::count(nameless),
            ),
        );
    }
    words
}

/// What stands before a sum that calls are missing from: `≥ `, or nothing.
pub fn at_least(ledger: &LedgerCounts) -> &'static str {
    if ledger.calls_missing() > 0 { "≥ " } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(pairs: &[(Counter, u64)]) -> LedgerCounts {
        let mut counts = LedgerCounts::default();
        for &(counter, value) in pairs {
            counts.kernel[counter as usize] = value;
        }
        counts
    }

    fn shorts(ledger: &LedgerCounts) -> Vec<String> {
        words(ledger).into_iter().map(|word| word.short).collect()
    }

    #[test]
    fn a_perfect_ledger_says_lost_nothing() {
        assert_eq!(shorts(&ledger(&[(Counter::Streamed, 10)])), ["lost 0"]);
        assert_eq!(words(&LedgerCounts::default())[0].severity, Severity::Fine);
    }

    #[test]
    fn each_trouble_has_its_word() {
        assert_eq!(
            shorts(&ledger(&[(Counter::Streamed, 13_692_133), (Counter::Lost, 41_200)])),
            ["LOST 41,200 (0.30%)"]
        );
        let skipped = LedgerCounts { missed_enter: 5, missed_exit: 7, ..LedgerCounts::default() };
        assert_eq!(shorts(&skipped), ["SKIPPED BY KERNEL 12"]);
        assert_eq!(
            shorts(&ledger(&[(Counter::Streamed, 96), (Counter::Spilled, 4)])),
            ["lost 0", "SPILLED 4.00% detail only"]
        );
        let coarse = LedgerCounts { recorder_overflow: 3, ..ledger(&[(Counter::Streamed, 100)]) };
        assert_eq!(shorts(&coarse), ["lost 0", "RECORDED COARSELY 3.00%"]);
        assert_eq!(shorts(&ledger(&[(Counter::Overwritten, 2), (Counter::Unexplained, 1)])), ["UNPAIRED 3"]);
        assert_eq!(shorts(&ledger(&[(Counter::ProcessRecordsLost, 2)])), ["lost 0", "NAMES MISSING 2"]);
    }

    #[test]
    fn whatever_makes_calls_missing_raises_an_alarm() {
        let mut ledgers: Vec<LedgerCounts> =
            Counter::ALL.iter().map(|&counter| ledger(&[(counter, 1)])).collect();
        ledgers.push(LedgerCounts { decode_failed: 1, ..LedgerCounts::default() });
        ledgers.push(LedgerCounts { user_queue_dropped: 1, ..LedgerCounts::default() });
        ledgers.push(LedgerCounts { recorder_overflow: 1, ..LedgerCounts::default() });
        ledgers.push(LedgerCounts { missed_exit: 1, ..LedgerCounts::default() });
        for ledger in ledgers {
            let alarm = words(&ledger)[0].severity == Severity::Alarm;
            assert_eq!(alarm, ledger.calls_missing() > 0, "{ledger:?}");
            assert_eq!(alarm, !at_least(&ledger).is_empty(), "{ledger:?}");
        }
    }
}
