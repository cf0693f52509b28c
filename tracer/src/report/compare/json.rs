//! A comparison as JSON Lines: one `comparison`, the `warning`s, a `change` for each row, a `condition` for
//! each `--fail-on`. Times are ns, shares are of 1, ratios are after over before; what does not exist is `null`.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::compare::gate::{Outcome, State};
use crate::compare::{
    By, Change, Comparison, Figures, Method, QUANTILE_COUNT, QuantileChange, Ratio, ShareChange,
    ShareVerdict, SideFigures, Verdict, Withheld,
};
use crate::report::json::JsonLines;
use crate::syscalls::errno;

use super::Shown;

/// What the quantiles are called in lines.
const KEYS: [&str; QUANTILE_COUNT] = ["p50", "p90", "p99", "p999"];

/// Writes all lines.
pub fn write_json<W: Write>(out: W, shown: &Shown<'_>) -> io::Result<W> {
    let comparison = shown.comparison;
    let mut lines = JsonLines::new(out);
    lines.value(&head(comparison))?;
    for warning in &comparison.warnings {
        lines.value(&json!({
            "type": "warning", "name": warning.name(), "refuses": warning.refuses(), "text": warning.to_string(),
        }))?;
    }
    for row in &comparison.rows {
        lines.value(&change(row))?;
    }
    for outcome in shown.conditions {
        lines.value(&condition(outcome))?;
    }
    let mut out = lines.into_inner();
    out.flush()?;
    Ok(out)
}

fn head(comparison: &Comparison) -> Value {
    json!({
        "type": "comparison",
        "by": match comparison.by { By::CommCall => "call", By::Comm => "comm", By::Call => "syscall", By::Cgroup => "cgroup" },
        "before": side(&comparison.before),
        "after": side(&comparison.after),
        "threshold": comparison.thresholds.change,
        "draws": comparison.thresholds.draws,
        "seed": comparison.thresholds.seed,
        "knows_recordings": comparison.knows_recordings(),
        "refused": comparison.refused,
        "summary": comparison.summary,
    })
}

fn side(side: &SideFigures) -> Value {
    let about = &side.about;
    json!({
        "label": about.label, "host": about.host, "kernel": about.kernel, "arch": about.arch, "cpus": about.cpus,
        "family": about.family, "target": about.target, "filter": about.filter,
        "duration_ns": side.duration_ns, "recordings": side.recordings, "intervals": side.intervals, "calls": side.calls,
        "missing": side.missing, "loss": side.loss,
    })
}

fn change(row: &Change) -> Value {
    let mut line = json!({
        "type": "change",
        "comm": row.key.comm.map(|comm| String::from_utf8_lossy(comm.as_bytes()).into_owned()),
        "cgroup": row.cgroup.as_deref(),
        "syscall": row.call_name(),
        "abi": row.key.call.map(|call| call.abi.name()),
        "nr": row.key.call.map(|call| call.nr),
        "verdict": row.verdict.map(Verdict::name),
        "withheld": row.withheld.map(|why| match why {
            Withheld::Waits => "waits by design",
            Withheld::Refused => "refused",
        }),
        "may_be_chance": row.may_be_chance,
        "waits_by_design": row.key.waits,
        "impact_ns_per_s": row.impact,
        "before": figures(&row.before, &row.quantiles, |quantile| quantile.before),
        "after": figures(&row.after, &row.quantiles, |quantile| quantile.after),
        "ratios": {
            "rate": ratio(row.rate), "time": ratio(row.time), "mean": ratio(row.mean), "max": row.max_ratio,
        },
        "shift": row.shift,
        "cliffs_delta": row.delta,
        "effect": row.effect().map(|effect| effect.to_string()),
        "errors": share(&row.errors),
        "errnos": row.errnos.iter().map(|errno| {
            let mut line = share(&errno.share);
            line["errno"] = json!(errno::name(errno.errno));
            line
        }).collect::<Vec<_>>(),
        "method": match row.method {
            Method::Blocks { .. } => "block bootstrap",
            Method::FewIntervals => "bootstrap, few intervals",
            Method::Independent => "order statistics",
        },
        "block_length": match row.method {
            Method::Blocks { before, after } => json!([before, after]),
            _ => Value::Null,
        },
        "assumes_independent_calls": row.method.assumes_independent_calls(),
    });
    for (key, quantile) in KEYS.iter().zip(&row.quantiles) {
        let mut entry = ratio(quantile.ratio);
        if let Value::Object(entry) = &mut entry {
            entry.insert("verdict".to_owned(), json!(quantile.verdict.map(Verdict::name)));
        }
        line["ratios"][key] = entry;
    }
    line
}

fn figures(
    figures: &Figures,
    quantiles: &[QuantileChange],
    of: impl Fn(&QuantileChange) -> Option<f64>,
) -> Value {
    let mut line = json!({
        "calls": figures.calls, "per_s": figures.rate, "errors": figures.errors, "interrupted": figures.interrupted,
        "time_ns_per_s": figures.time_per_s, "mean_ns": figures.mean_ns, "min_ns": figures.min_ns,
        "max_ns": figures.max_ns, "in_flight": figures.in_flight.calls,
        "oldest_in_flight_ns": figures.in_flight.oldest_ns,
    });
    for (key, quantile) in KEYS.iter().zip(quantiles) {
        line[format!("{key}_ns")] = json!(of(quantile));
    }
    line
}

fn ratio(ratio: Option<Ratio>) -> Value {
    match ratio {
        Some(Ratio { value, interval }) => json!({
            "ratio": value,
            "low": interval.map(|interval| interval.0),
            "high": interval.map(|interval| interval.1),
        }),
        None => Value::Null,
    }
}

fn share(share: &ShareChange) -> Value {
    json!({
        "before": share.before, "after": share.after,
        "share_before": share.share_before, "share_after": share.share_after,
        "difference_low": share.difference.map(|difference| difference.0),
        "difference_high": share.difference.map(|difference| difference.1),
        "verdict": share.verdict.map(ShareVerdict::name), "may_be_chance": share.may_be_chance,
    })
}

fn condition(outcome: &Outcome) -> Value {
    json!({
        "type": "condition", "condition": outcome.condition,
        "state": match outcome.state {
            State::Met => "met",
            State::NotMet => "not met",
            State::CannotTell => "cannot tell",
        },
        "because": outcome.because,
    })
}
