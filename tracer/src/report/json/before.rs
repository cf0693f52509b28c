//! What a cell was like in the baseline, as part of its line.

use std::sync::Arc;

use serde::Serialize;

use crate::baseline::Before;
use crate::snapshot::CallStats;

/// What is said of it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum BeforeLine {
    /// Nothing: there is no baseline.
    LeftOut,
    /// `null`: it was not called then.
    New,
    /// Figures of then, and those of now over them.
    Figures {
        calls: u64,
        errors: u64,
        calls_per_s: f64,
        p50_ns: Option<u64>,
        p99_ns: Option<u64>,
        rate_ratio: Option<f64>,
        p50_ratio: Option<f64>,
        p99_ratio: Option<f64>,
    },
}

impl BeforeLine {
    /// Of a call with `stats` now, counted over `window_ns`.
    pub(super) fn new(before: Option<&Arc<Before>>, stats: &CallStats, window_ns: u64) -> Self {
        let Some(before) = before else { return Self::New };
        let ratios = before.ratios(stats, stats.calls, window_ns);
        Self::Figures {
            calls: before.calls,
            errors: before.errors,
            calls_per_s: before.rate(),
            p50_ns: before.p50_ns,
            p99_ns: before.p99_ns,
            rate_ratio: ratios.rate,
            p50_ratio: ratios.p50,
            p99_ratio: ratios.p99,
        }
    }

    pub(super) fn is_left_out(&self) -> bool {
        matches!(self, Self::LeftOut)
    }
}
