//! Shares of calls that fail, and how sure their difference is.

use super::student::Z_95;

/// A difference of two shares with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Wilson's 95 % interval of a share. Unlike the textbook's it stays inside 0..1 and has a width where
/// nothing, or everything, failed.
pub(super) fn wilson(failed: f64, calls: f64) -> (f64, f64) {
    if calls <= 0.0 {
        return (0.0, 1.0);
    }
    let (share, z2) = (failed / calls, Z_95 * Z_95);
    let centre = share + z2 / (2.0 * calls);
    let reach = Z_95 * (share * (1.0 - share) / calls + z2 / (4.0 * calls * calls)).sqrt();
    let scale = 1.0 + z2 / calls;
    (((centre - reach) / scale).max(0.0), ((centre + reach) / scale).min(1.0))
}

/// Newcombe's interval of the difference of two shares (his method 10): (failed, calls) of each side. It
/// takes calls as independent, so it is the least width that is honest; bursts make the real one wider.
pub(super) fn newcombe(before: (f64, f64), after: (f64, f64)) -> Difference {
    let share = |(failed, calls): (f64, f64)| if calls > 0.0 { failed / calls } else { 0.0 };
    let (p, q) = (share(before), share(after));
    let ((p_low, p_high), (q_low, q_high)) = (wilson(before.0, before.1), wilson(after.0, after.1));
    Difference { low: (q - p) - (q - q_low).hypot(p_high - p), high: (q - p) + (q_high - q).hypot(p - p_low) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `fixtures/newcombe.py` with statsmodels.
    const FIXTURE: &str = include_str!("fixtures/newcombe.csv");

    #[test]
    fn intervals_are_those_of_statsmodels() {
        let mut cases = 0;
        for line in FIXTURE.lines().filter(|line| !line.starts_with(['#', 'b'])) {
            let numbers: Vec<f64> = line.split(',').map(|cell| cell.parse().expect("a number")).collect();
            let [b_failed, b_calls, a_failed, a_calls, low, high] = numbers[..] else { panic!("{line}") };
            let found = newcombe((b_failed, b_calls), (a_failed, a_calls));
            assert!((found.low - low).abs() < 1e-9 && (found.high - high).abs() < 1e-9, "{line}: {found:?}");
            let mirrored = newcombe((a_failed, a_calls), (b_failed, b_calls));
            assert!((found.low + mirrored.high).abs() < 1e-15, "{line}");
            cases += 1;
        }
        assert!(cases > 100);
    }
}
