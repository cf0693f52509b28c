//! From evidence to words: the correction for the number of rows, and the rules of each verdict.

use super::change::{Change, ShareVerdict, Verdict, Withheld};
use super::measure::{Evidence, Measured, ShareEvidence};
use super::{JUDGED, Thresholds};

/// Share of the changes reported that may be none (Benjamini and Hochberg). When nothing changed at all it
/// is the chance that anything is reported.
const FALSE_DISCOVERY: f64 = 0.02;

/// Gives every row its verdict.
pub(super) fn settle(rows: Vec<Measured>, refused: bool, thresholds: &Thresholds) -> Vec<Change> {
    let latency = limit(rows.iter().filter_map(Measured::p_value).collect());
    let errors = limit(rows.iter().flat_map(Measured::share_p_values).collect());
    rows.into_iter()
        .map(|mut row| {
            if refused {
                row.change.withheld = Some(Withheld::Refused);
                return row.change;
            }
            judge_latency(&mut row, latency, thresholds);
            judge_errors(&mut row, errors, thresholds);
            row.change
        })
        .collect()
}

/// The p-value up to which a test counts.
fn limit(mut p_values: Vec<f64>) -> f64 {
    p_values.sort_by(f64::total_cmp);
    let tests = p_values.len() as f64;
    p_values
        .iter()
        .enumerate()
        .rev()
        .map(|(at, &p)| (p, FALSE_DISCOVERY * (at + 1) as f64 / tests))
        .find(|(p, allowed)| p <= allowed)
        .map_or(0.0, |(_, allowed)| allowed)
}

fn judge_latency(row: &mut Measured, limit: f64, thresholds: &Thresholds) {
    let change = &mut row.change;
    let (before, after) = (change.before.calls, change.after.calls);
    if before == 0 || after == 0 {
        change.verdict = Some(if before == 0 { Verdict::New } else { Verdict::Gone });
        return;
    }
    if change.key.waits {
        change.withheld = Some(Withheld::Waits);
        return;
    }
    if row.identical {
        change.verdict = Some(Verdict::Same);
        for quantile in change.quantiles.iter_mut().take(JUDGED) {
            quantile.verdict = quantile.ratio.map(|_| Verdict::Same);
        }
        return;
    }
    let tests = row.evidence.iter().take(JUDGED).flatten().count() as f64;
    for (quantile, evidence) in change.quantiles.iter_mut().zip(&row.evidence).take(JUDGED) {
        let Some(evidence) = evidence else { continue };
        quantile.verdict = Some(judge_quantile(evidence, evidence.p * tests <= limit, thresholds));
    }
    let verdicts = || change.quantiles.iter().take(JUDGED).filter_map(|quantile| quantile.verdict);
    let changed = |verdict: &Verdict| matches!(verdict, Verdict::Faster | Verdict::Slower);
    // The tail is what hurts: where the median fell and p99 rose, the row is slower.
    let verdict = match verdicts().rev().find(changed) {
        Some(verdict) => verdict,
        None if verdicts().next().is_some() && verdicts().all(|verdict| verdict == Verdict::Same) => {
            Verdict::Same
        }
        None => Verdict::Inconclusive,
    };
    change.verdict = Some(verdict);
}

fn judge_quantile(evidence: &Evidence, is_significant: bool, thresholds: &Thresholds) -> Verdict {
    let least = (1.0 + thresholds.change).ln();
    let excludes_none = evidence.low > 0.0 || evidence.high < 0.0;
    if is_significant && excludes_none && evidence.log_ratio.abs() >= least.max(evidence.width) {
        return if evidence.log_ratio > 0.0 { Verdict::Slower } else { Verdict::Faster };
    }
    // Two one-sided tests at 5 % are the 90 % interval inside the threshold.
    if evidence.low_90 > -least && evidence.high_90 < least { Verdict::Same } else { Verdict::Inconclusive }
}

fn judge_errors(row: &mut Measured, limit: f64, thresholds: &Thresholds) {
    let Measured { change, errors, errnos, identical, .. } = row;
    let both = change.before.calls > 0 && change.after.calls > 0;
    let all = std::iter::once((&mut change.errors, &*errors));
    for (share, evidence) in all.chain(change.errnos.iter_mut().map(|row| &mut row.share).zip(&*errnos)) {
        share.verdict = match (share.before, share.after) {
            (0, 0) => None,
            (0, _) => Some(ShareVerdict::New),
            (_, 0) => Some(ShareVerdict::Gone),
            _ if *identical => Some(ShareVerdict::Same),
            _ if both => Some(judge_share(evidence, limit, thresholds)),
            _ => None,
        };
    }
}

fn judge_share(evidence: &ShareEvidence, limit: f64, thresholds: &Thresholds) -> ShareVerdict {
    let excludes_none = evidence.low > 0.0 || evidence.high < 0.0;
    if evidence.p <= limit && excludes_none && evidence.difference.abs() >= thresholds.errors {
        return if evidence.difference > 0.0 { ShareVerdict::More } else { ShareVerdict::Fewer };
    }
    if evidence.low > -thresholds.errors && evidence.high < thresholds.errors {
        ShareVerdict::Same
    } else {
        ShareVerdict::Inconclusive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(p_values: &[f64]) -> usize {
        let limit = limit(p_values.to_vec());
        p_values.iter().filter(|&&p| p <= limit).count()
    }

    #[test]
    fn the_limit_is_that_of_benjamini_and_hochberg() {
        // The largest p-value below 2 % times its rank by their number carries those before it, of which
        // the second would not pass alone.
        let p = [0.0018, 0.0041, 0.0059, 0.0079, 0.02, 0.1, 0.2, 0.4, 0.7, 1.0];
        assert!(passing(&p) == 4);
        let p = [0.0018, 0.0041, 0.0059, 0.0081, 0.02, 0.1, 0.2, 0.4, 0.7, 1.0];
        assert!(passing(&p) == 3 && passing(&[]) == 0 && passing(&[0.2, 0.9]) == 0);
    }
}
