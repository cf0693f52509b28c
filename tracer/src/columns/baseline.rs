//! Columns that hold a syscall against an earlier recording: shown only where there is one.

use super::cell::dash;
use super::{CALLS_OF_PROCESS, Column, Context, FIGURE, Row, Scope, SortKey};
use crate::baseline::Ratios;

const PLAIN: usize = CALLS_OF_PROCESS.len();

/// Columns of the table of syscalls with those of a baseline, which come last: indices into one set are good for the
/// other.
pub static CALLS_AGAINST_BASELINE: [Column; PLAIN + 3] = {
    let mut set = [FIGURE; PLAIN + 3];
    let mut at = 0;
    while at < PLAIN {
        set[at] = CALLS_OF_PROCESS[at];
        at += 1;
    }
    [set[PLAIN], set[PLAIN + 1], set[PLAIN + 2]] = [RATE, P50, P99];
    set
};

const RATE: Column = Column {
    id: "rate_ratio",
    title: "RATE/B",
    about: "calls a second over those of the baseline; `new` where it had none",
    drop: [Some(2), Some(2)],
    text: |row, at| text(row, at, |ratios| ratios.rate),
    key: |row, at| key(row, at, |ratios| ratios.rate),
    ..FIGURE
};

const P50: Column = Column {
    id: "p50_ratio",
    title: "P50/B",
    about: "the median since the start over that of the baseline",
    drop: [Some(2), Some(2)],
    text: |row, at| text(row, at, |ratios| ratios.p50),
    key: |row, at| key(row, at, |ratios| ratios.p50),
    ..FIGURE
};

const P99: Column = Column {
    id: "p99_ratio",
    title: "P99/B",
    about: "the 99th percentile since the start over that of the baseline",
    drop: [Some(1), Some(1)],
    text: |row, at| text(row, at, |ratios| ratios.p99),
    key: |row, at| key(row, at, |ratios| ratios.p99),
    ..FIGURE
};

/// `None` for a call that the baseline has not.
fn ratios(row: Row<'_>, at: &Context) -> Option<Ratios> {
    let Row::Call(call) = row else { return None };
    let before = call.before.as_ref()?;
    let calls = match at.scope {
        Scope::Interval => call.stats.recent_calls,
        Scope::Total => call.stats.calls,
    };
    Some(before.ratios(&call.stats, calls, at.window_ns()))
}

fn text(row: Row<'_>, at: &Context, of: fn(Ratios) -> Option<f64>) -> String {
    match (row, ratios(row, at)) {
        (Row::Call(_), None) => "new".to_owned(),
        (_, ratios) => ratios.and_then(of).map_or_else(dash, times),
    }
}

/// A factor in at most seven cells: `0.46x`, `12.3x`, `>999x`.
fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 999.5 => ">999x".to_owned(),
        ratio if ratio >= 99.95 => format!("{ratio:.0}x"),
        ratio if ratio >= 9.995 => format!("{ratio:.1}x"),
        ratio => format!("{ratio:.2}x"),
    }
}

fn key(row: Row<'_>, at: &Context, of: fn(Ratios) -> Option<f64>) -> SortKey {
    SortKey::Number(ratios(row, at).and_then(of).unwrap_or(-1.0))
}

#[cfg(test)]
mod tests {
    use super::times;

    #[test]
    fn factors_fit_into_their_column() {
        let written =
            [0.0, 0.004, 0.456, 1.0, 9.994, 9.996, 12.34, 99.96, 999.4, 1e9, f64::INFINITY].map(times);
        let wanted =
            ["0.00x", "0.00x", "0.46x", "1.00x", "9.99x", "10.0x", "12.3x", "100x", "999x", ">999x", ">999x"];
        assert_eq!(written, wanted);
    }
}
