//! What ran, what did not and why: the table and the last line of every verb that tests.

use std::fmt::Write as _;
use std::time::Duration;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It did what it should.
    Passed,
    /// It ran and something was wrong.
    Failed(String),
    /// It did not run.
    Skipped(String),
}

/// Tests counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Ran and held.
    pub(crate) passed: u64,
    /// Ran and did not hold, or could not be run to their end.
    pub(crate) failed: u64,
    /// Did not run.
    pub(crate) skipped: u64,
}

impl Counts {
    /// Adds up the `test result:` lines of everything that cargo's test harness printed.
    pub(crate) fn of(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines() {
            let Some((_, result)) = line.split_once("test result: ") else {
                continue;
            };
            for piece in result.split([';', '.']) {
                let mut words = piece.split_whitespace();
                let (Some(number), Some(what)) = (words.next(), words.next()) else {
                    continue;
                };
                let Ok(number) = number.parse::<u64>() else {
                    continue;
                };
                match what {
                    "passed" => counts.passed += number,
                    "failed" => counts.failed += number,
                    "ignored" => counts.skipped += number,
                    _ => {}
                }
            }
        }
        counts
    }

    /// Tests that ran.
    pub(crate) fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

struct Step {
    name: String,
    ending: Ending,
    counts: Counts,
    took: Duration,
}

/// The steps so far.
#[derive(Default)]
pub(crate) struct Tally {
    steps: Vec<Step>,
}

impl Tally {
    /// Adds a step.
    pub(crate) fn add(&mut self, name: impl Into<String>, took: Duration, ending: Ending, counts: Counts) {
        self.steps.push(Step { name: name.into(), ending, counts, took });
    }

    /// Whether a step failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.ending, Ending::Failed(_)) || step.counts.failed > 0)
    }

    /// The table, one line a step, and the sum as its last line.
    pub(crate) fn table(&self) -> String {
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0).max(4);
        let mut table = format!(
            "\n{:width$}  {:>7} {:>7} {:>7} {:>8}  {}\n",
            "step", "passed", "failed", "skipped", "seconds", "ended"
        );
        let mut sum = Counts::default();
        for step in &self.steps {
            let (ending, why) = match &step.ending {
                Ending::Passed => ("ran", ""),
                Ending::Failed(why) => ("FAILED: ", why.as_str()),
                Ending::Skipped(why) => ("NOT RUN: ", why.as_str()),
            };
            // One line a step: only the first line of the reason, the rest was printed when it happened.
            let why = why.lines().next().unwrap_or_default();
            let _ = writeln!(
                table,
                "{:width$}  {:>7} {:>7} {:>7} {:>8.1}  {ending}{why}",
                step.name,
                step.counts.passed,
                step.counts.failed,
                step.counts.skipped,
                step.took.as_secs_f64(),
            );
            sum.passed += step.counts.passed;
            sum.failed += step.counts.failed;
            sum.skipped += step.counts.skipped;
        }
        let _ = write!(table, "\n{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 2 tests
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
noise
test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.20s
";

    #[test]
    fn result_lines_add_up() {
        assert_eq!(Counts::of(OUTPUT), Counts { passed: 5, failed: 4, skipped: 1 });
        assert_eq!(Counts::of("no tests at all"), Counts::default());
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let mut tally = Tally::default();
        let counts = |passed, failed, skipped| Counts { passed, failed, skipped };
        tally.add("unit", Duration::ZERO, Ending::Passed, counts(5, 0, 1));
        tally.add("kernel", Duration::ZERO, Ending::Skipped("no root\nmore".into()), counts(0, 0, 7));
        let table = tally.table();
        assert_eq!(table.lines().last(), Some("5 passed, 0 failed, 8 skipped"));
        assert!(table.contains("NOT RUN: no root\n"), "{table}");
        assert!(!tally.has_failed());
    }

    #[test]
    fn a_failed_test_or_step_fails_the_whole() {
        let mut tally = Tally::default();
        tally.add("unit", Duration::ZERO, Ending::Passed, Counts { failed: 1, ..Counts::default() });
        assert!(tally.has_failed());
        let mut tally = Tally::default();
        tally.add("unit", Duration::ZERO, Ending::Failed("x".into()), Counts::default());
        assert!(tally.has_failed());
    }
}
