//! The laws a comparison must keep, and how often it is right about recordings whose truth is known.

use std::sync::Arc;

use proptest::prelude::*;
use tracer_common::abi::Abi;
use tracer_common::ledger::Counter;

use super::synthetic::{Stream, intervals, normal};
use super::*;
use crate::interval::CallKey;
use crate::process::Comm;
use crate::who::Who;

const SECOND: u64 = 1_000_000_000;

/// Quick enough for hundreds of comparisons in a test build.
fn quick() -> Thresholds {
    Thresholds { draws: 400, ..Thresholds::default() }
}

fn program() -> Vec<Stream> {
    vec![
        Stream::default(),
        Stream { nr: 1, median_ns: 900.0, spread: 0.3, calls: 300.0, ..Stream::default() },
        Stream { nr: 257, median_ns: 20_000.0, spread: 1.0, calls: 60.0, errors: 0.1, ..Stream::default() },
        Stream { nr: 74, median_ns: 2e6, spread: 0.8, calls: 20.0, wander: 0.1, ..Stream::default() },
        Stream { nr: 232, median_ns: 1e7, spread: 1.0, calls: 30.0, ..Stream::default() },
    ]
}

fn row(comparison: &Comparison, nr: i32) -> &Change {
    let call = Some(CallKey { abi: Abi::X86_64, nr });
    comparison.rows.iter().find(|row| row.key.call == call).expect("the row is there")
}

fn is_flagged(row: &Change) -> bool {
    matches!(row.verdict, Some(Verdict::Faster | Verdict::Slower))
}

#[test]
fn two_recordings_of_one_workload_are_hardly_ever_told_apart() {
    let (mut rows, mut flagged, mut runs) = (0, 0, 0);
    for pair in 0..100u64 {
        // Short recordings and long ones, steady calls and unsteady ones.
        let count = [12, 30, 60][pair as usize % 3];
        let streams: Vec<Stream> = program()
            .into_iter()
            .map(|stream| Stream {
                wander: [0.0, 0.03, 0.1][(pair / 3) as usize % 3],
                memory: 0.6,
                calls: stream.calls / 3.0,
                ..stream
            })
            .collect();
        let before = intervals(&streams, count, SECOND, 2 * pair);
        let after = intervals(&streams, count, SECOND, 2 * pair + 1);
        let comparison = compare(&before, &after, &quick());
        let wrong = comparison.rows.iter().filter(|row| is_flagged(row)).count();
        rows += comparison.rows.iter().filter(|row| !row.key.waits).count();
        flagged += wrong;
        runs += usize::from(wrong > 0);
    }
    assert_eq!(rows, 400);
    assert!(flagged * 20 <= rows && runs <= 5, "{flagged} of {rows} rows, {runs} of 100 runs");
}

#[test]
fn a_call_slowed_by_a_fifth_is_found_and_one_slowed_by_a_fiftieth_is_not() {
    let (mut found, mut covered, mut alarms) = (0, 0, 0);
    for pair in 0..100u64 {
        let steady = Stream { calls: 150.0, ..Stream::default() };
        let slowed = |factor: f64| Stream { median_ns: steady.median_ns * factor, ..steady.clone() };
        let count = [12, 40][pair as usize % 2];
        let before = intervals(std::slice::from_ref(&steady), count, SECOND, 1000 + 3 * pair);
        let fifth = compare(&before, &intervals(&[slowed(1.2)], count, SECOND, 1001 + 3 * pair), &quick());
        let fiftieth =
            compare(&before, &intervals(&[slowed(1.02)], count, SECOND, 1002 + 3 * pair), &quick());
        found += usize::from(row(&fifth, 0).verdict == Some(Verdict::Slower));
        let (low, high) = row(&fifth, 0).quantiles[0].ratio.expect("both").interval.expect("enough calls");
        covered += usize::from(low <= 1.2 && 1.2 <= high);
        alarms += usize::from(is_flagged(row(&fiftieth, 0)));
    }
    assert!(found >= 90 && covered >= 90 && alarms == 0, "{found} found, {covered} covered, {alarms} alarms");
}

/// A side of so many recordings, each of which is slower or faster than the others as a whole: every call by a factor
/// of its own, whose logarithm has this standard deviation.
fn recordings(streams: &[Stream], count: usize, deviation: f64, seed: u64) -> Side {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut side = Side::new(By::default(), About { start_ns: seed, ..About::default() });
    for _ in 0..count {
        let run: Vec<Stream> = streams
            .iter()
            .map(|stream| Stream {
                median_ns: stream.median_ns * (deviation * normal(&mut rng)).exp(),
                calls: stream.calls * (deviation * normal(&mut rng)).exp(),
                ..stream.clone()
            })
            .collect();
        side.next_recording();
        for interval in intervals(&run, 12, SECOND, rng.u64(..)) {
            side.add(&interval);
        }
    }
    side.finish();
    side
}

fn compare_recordings(before: &Side, after: &Side) -> Comparison {
    compare_sides(before, after, &quick(), 1, &|_, _| {})
}

/// Rows that are told apart, that have an interval of their rate, and whose interval does not hold "no change".
fn told_apart(comparison: &Comparison) -> [usize; 3] {
    let rows = || comparison.rows.iter().filter(|row| !row.key.waits);
    let intervals = || rows().filter_map(|row| row.rate?.interval);
    [
        rows().filter(|row| is_flagged(row)).count(),
        intervals().count(),
        intervals().filter(|(low, high)| *low > 1.0 || *high < 1.0).count(),
    ]
}

#[test]
fn runs_that_differ_among_themselves_are_not_told_apart_when_there_are_several() {
    let streams: Vec<Stream> =
        program().into_iter().map(|stream| Stream { calls: stream.calls / 2.0, ..stream }).collect();
    let mut sums = [[0; 3]; 2];
    for pair in 0..60u64 {
        for (sums, count) in sums.iter_mut().zip([1, 3]) {
            let [before, after] = [0, 1].map(|side| {
                recordings(&streams, count, 0.1, 70_000 + 4 * pair + 2 * side + count as u64 / 2)
            });
            let told = told_apart(&compare_recordings(&before, &after));
            sums.iter_mut().zip(told).for_each(|(sum, more)| *sum += more);
        }
    }
    let [alone, several] = sums;
    // One recording a side cannot know better; that is what several are for.
    assert!(alone[0] > 24 && alone[2] > 60, "{sums:?}");
    assert_eq!(several[1], 240);
    assert!(several[0] * 20 <= 240 && several[2] * 100 <= 240 * 7, "{sums:?}");
}

#[test]
fn a_change_is_found_and_its_interval_holds_it_when_runs_differ_among_themselves() {
    let slow = Stream { calls: 200.0, ..Stream::default() };
    let fast = Stream { median_ns: slow.median_ns / 4.0, ..slow.clone() };
    let (mut found, mut held) = (0, 0);
    for pair in 0..60u64 {
        let before = recordings(std::slice::from_ref(&slow), 3, 0.1, 80_000 + 2 * pair);
        let after = recordings(std::slice::from_ref(&fast), 3, 0.1, 80_001 + 2 * pair);
        let comparison = compare_recordings(&before, &after);
        let row = row(&comparison, 0);
        found += usize::from(row.verdict == Some(Verdict::Faster));
        let (low, high) = row.quantiles[0].ratio.expect("both").interval.expect("enough calls");
        held += usize::from(low <= 0.25 && 0.25 <= high);
    }
    assert!(found >= 57 && held >= 54, "{found} found, {held} held of 60");
}

#[test]
fn what_is_said_of_recordings_depends_on_how_many_there_are() {
    let side = |count, seed| recordings(&program(), count, 0.0, seed);
    for (before, after, knows) in [(1, 1, false), (2, 1, false), (2, 2, true), (1, 3, true)] {
        let comparison = compare_recordings(&side(before, 1), &side(after, 2));
        assert_eq!(comparison.knows_recordings(), knows, "{before} {after}");
        let said =
            comparison.summary.iter().filter(|line| line.contains("how much runs differ by themselves"));
        assert_eq!(said.count(), usize::from(!knows), "{:?}", comparison.summary);
        assert_eq!((comparison.before.recordings, comparison.after.recordings), (before, after));
    }
    // Slices of two recordings are never joined, and every call stays.
    let mut many = Side::new(By::default(), About::default());
    let (mut calls, stream) = (0, [Stream { calls: 3.0, ..Stream::default() }]);
    for count in [101, 1, 250, 33] {
        many.next_recording();
        for interval in intervals(&stream, count, SECOND, count as u64) {
            calls += interval.cells.values().map(|cell| cell.calls).sum::<u64>();
            many.add(&interval);
        }
    }
    many.finish();
    let seconds_of = |at: u32| -> u64 {
        many.slices()
            .iter()
            .filter(|slice| slice.recording == at)
            .map(|slice| slice.duration_ns / SECOND)
            .sum()
    };
    assert_eq!([0, 1, 2, 3].map(seconds_of), [101, 1, 250, 33]);
    assert!((many.calls(), many.recordings()) == (calls, 4) && many.slices().len() < 256);
    let in_parts: u64 =
        many.keys().flat_map(|key| &many.row(key).expect("its key").parts).map(|part| part.calls).sum();
    assert_eq!(in_parts, calls);
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    // Peaks much narrower than a bucket, smooth ones, and slices that wander together.
    for (name, stream) in [
        ("narrow", Stream { spread: 0.004, wander: 0.003, ..Stream::default() }),
        ("wandering", Stream { wander: 0.15, memory: 0.7, ..Stream::default() }),
        ("integers", Stream { median_ns: 23.0, spread: 0.1, ..Stream::default() }),
    ] {
        let mut held = [0; 2];
        for pair in 0..100u64 {
            // Where in its bucket the peak lies is chance.
            let stream = Stream {
                median_ns: stream.median_ns * (1.0 + pair as f64 / 1500.0),
                calls: 100.0,
                ..stream.clone()
            };
            let slowed = Stream { median_ns: stream.median_ns * 1.2, ..stream.clone() };
            let before = intervals(&[stream], 40, SECOND, 5000 + 2 * pair);
            let after = intervals(&[slowed], 40, SECOND, 5001 + 2 * pair);
            let comparison = compare(&before, &after, &quick());
            for (held, at) in held.iter_mut().zip([0, 1]) {
                let (low, high) =
                    row(&comparison, 0).quantiles[at].ratio.expect("both").interval.expect("enough");
                // Latencies are whole numbers of ns, which 1.2 times one of them seldom is.
                let slack = 0.6 / row(&comparison, 0).quantiles[at].before.expect("some");
                *held += usize::from(low - slack <= 1.2 && 1.2 <= high + slack);
            }
        }
        assert!(held.iter().all(|&held| held >= 90), "{name}: {held:?}");
    }
}

#[test]
fn more_or_longer_is_not_slower() {
    let busy = program();
    let half: Vec<Stream> =
        busy.iter().map(|stream| Stream { calls: stream.calls / 2.0, ..stream.clone() }).collect();
    for (name, before, after) in [
        ("half the load", intervals(&busy, 30, SECOND, 1), intervals(&half, 30, SECOND, 2)),
        ("twice as long", intervals(&busy, 30, SECOND, 3), intervals(&busy, 60, SECOND, 4)),
        ("shorter intervals", intervals(&busy, 30, SECOND, 5), intervals(&half, 60, SECOND / 2, 6)),
    ] {
        let comparison = compare(&before, &after, &quick());
        assert!(!comparison.rows.iter().any(is_flagged), "{name}: {:?}", comparison.summary);
    }
    let comparison = compare(&intervals(&busy, 30, SECOND, 1), &intervals(&half, 30, SECOND, 2), &quick());
    let rate = row(&comparison, 0).rate.expect("both sides call");
    assert!((rate.value - 0.5).abs() < 0.05, "{rate:?}");
    let (low, high) = rate.interval.expect("enough intervals");
    assert!(low < 0.5 && 0.5 < high && high < 0.6, "{rate:?}");
    assert!(
        comparison.summary.iter().any(|line| line.starts_with("Calls per second went")),
        "{:?}",
        comparison.summary
    );
}

#[test]
fn waiting_calls_stand_apart_and_are_not_judged() {
    let slow: Vec<Stream> =
        program().into_iter().map(|s| Stream { median_ns: s.median_ns * 3.0, ..s }).collect();
    let comparison =
        compare(&intervals(&program(), 30, SECOND, 1), &intervals(&slow, 30, SECOND, 2), &quick());
    let last = comparison.rows.last().expect("rows");
    assert!(last.key.waits && last.verdict.is_none() && last.withheld == Some(Withheld::Waits));
    let work = &comparison.rows[..comparison.rows.len() - 1];
    assert!(work.iter().all(|row| row.verdict == Some(Verdict::Slower)));
    assert!(work.is_sorted_by(|a, b| a.impact.abs() >= b.impact.abs()));
    assert_eq!(work[0].key.call.map(|call| call.nr), Some(74));
}

#[test]
fn errors_that_come_and_go_are_named() {
    let failing = Stream { errors: 0.05, ..Stream::default() };
    let clean = [Stream { errors: 0.0, ..Stream::default() }];
    let (with, without) = (intervals(&[failing], 20, SECOND, 1), intervals(&clean, 20, SECOND, 2));
    let gone = compare(&with, &without, &quick());
    assert_eq!(row(&gone, 0).errors.verdict, Some(ShareVerdict::Gone));
    assert!(gone.summary.iter().any(|line| line.starts_with("ENOENT (was ") && line.ends_with("is gone.")));
    assert!(!is_flagged(row(&gone, 0)));
    let worse = [Stream { errors: 0.10, ..Stream::default() }];
    let more = compare(&with, &intervals(&worse, 20, SECOND, 3), &quick());
    let errors = row(&more, 0).errors;
    assert_eq!(errors.verdict, Some(ShareVerdict::More));
    let (low, high) = errors.difference.expect("calls on both sides");
    assert!(low < 0.05 && 0.05 < high, "{errors:?}");
    let again =
        compare(&with, &intervals(&[Stream { errors: 0.05, ..Stream::default() }], 20, SECOND, 4), &quick());
    assert!(!matches!(row(&again, 0).errors.verdict, Some(ShareVerdict::More | ShareVerdict::Fewer)));
}

#[test]
fn loss_refuses_every_verdict_and_keeps_the_figures() {
    let before = intervals(&program(), 20, SECOND, 1);
    let mut after = intervals(&program(), 20, SECOND, 2);
    let calls: u64 = after.iter().flat_map(|i| i.cells.values()).map(|cell| cell.calls).sum();
    after[3].ledger.kernel[Counter::Lost as usize] = calls / 50;
    let comparison = compare(&before, &after, &quick());
    assert!(comparison.refused && comparison.rows.iter().all(|row| row.verdict.is_none()));
    assert!(comparison.rows.iter().all(|row| row.quantiles[0].ratio.is_some()));
    assert!(comparison.summary[0].starts_with("Nothing is judged: after lost"), "{:?}", comparison.summary);
    after[3].ledger.kernel[Counter::Lost as usize] = calls / 500;
    let comparison = compare(&before, &after, &quick());
    assert!(!comparison.refused && comparison.warnings.len() == 1);
}

#[test]
fn sides_that_make_no_sense_are_refused_and_short_ones_labelled() {
    let some = intervals(&program(), 20, SECOND, 1);
    let names =
        |comparison: &Comparison| -> Vec<&str> { comparison.warnings.iter().map(Warning::name).collect() };
    let nothing = compare(&some, &[], &quick());
    assert!(nothing.refused && names(&nothing) == ["empty", "too_short"]);
    let twice: Vec<Interval> = some.iter().chain(&some).cloned().collect();
    assert_eq!(names(&compare(&some, &twice, &quick())), ["overlapping"]);
    for (count, method) in [(3, Method::Independent), (6, Method::FewIntervals)] {
        let short = compare(&some[..count], &intervals(&program(), count, SECOND, 2), &quick());
        assert_eq!(names(&short), ["few_intervals", "few_intervals"]);
        assert!(row(&short, 0).method == method && method.assumes_independent_calls());
        assert!(row(&short, 0).quantiles[0].ratio.expect("both").interval.is_some());
    }
}

#[test]
fn differences_in_how_it_was_recorded_are_said() {
    let about = |kernel: &str, filter: &str| About {
        kernel: kernel.to_owned(),
        filter: filter.to_owned(),
        cpus: 4,
        ..About::default()
    };
    let data = intervals(&program(), 12, SECOND, 1);
    let before = Side::of(By::default(), about("6.1", ""), &data);
    let after = Side::of(By::default(), About { cpus: 2, ..about("6.12", "openat") }, &data);
    let comparison = compare_sides(&before, &after, &quick(), 1, &|_, _| {});
    let said: Vec<String> = comparison.warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        said,
        [
            "the filter differs: none before, openat after",
            "the kernel differs: 6.1 before, 6.12 after",
            "the number of CPUs differs: 4 before, 2 after",
        ]
    );
}

#[test]
fn an_hour_fits_in_bounded_memory_and_keeps_every_call() {
    let streams =
        [Stream { calls: 3.0, ..Stream::default() }, Stream { nr: 1, calls: 0.01, ..Stream::default() }];
    let data = intervals(&streams, 3600, SECOND, 1);
    let side = Side::of(By::default(), About::default(), &data);
    assert!(side.slices().len() <= 256 && side.slices().len() >= 128);
    assert_eq!(side.duration_ns(), 3600 * SECOND);
    let calls: u64 = data.iter().flat_map(|i| i.cells.values()).map(|cell| cell.calls).sum();
    assert_eq!(side.calls(), calls);
    for key in side.keys() {
        let in_slices: u64 =
            side.latencies_over_time(key).flat_map(|(_, b)| b).map(|&(_, n)| u64::from(n)).sum();
        let row = side.row(key).expect("its key");
        assert_eq!(in_slices, row.total.latencies.count());
        assert_eq!(row.parts.iter().map(|part| part.calls).sum::<u64>(), row.total.calls);
    }
}

#[test]
fn threads_change_nothing() {
    let before = Side::of(By::default(), About::default(), &intervals(&program(), 20, SECOND, 1));
    let after = Side::of(By::default(), About::default(), &intervals(&program(), 20, SECOND, 2));
    let reports = AtomicUsize::new(0);
    let two = compare_sides(&before, &after, &quick(), 3, &|_, all| {
        assert_eq!(all, 5);
        reports.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(two, compare_sides(&before, &after, &quick(), 1, &|_, _| {}));
    assert_eq!(reports.into_inner(), 5);
}

fn any_streams() -> impl Strategy<Value = Vec<Stream>> {
    let stream = (0usize..3, 0..4i32, 0.0..60.0f64, 3.0..17.0f64, 0.0..1.5f64, 0.0..0.2f64).prop_map(
        |(comm, nr, calls, log_ns, spread, errors)| Stream {
            comm: ["a", "bb", "ccc"][comm],
            nr: [0, 74, 232, 257][nr as usize],
            calls,
            median_ns: log_ns.exp(),
            spread,
            errors,
            ..Stream::default()
        },
    );
    proptest::collection::vec(stream, 1..6)
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

/// Whether `there` is `back` seen from the other side.
fn mirrors(there: Option<Ratio>, back: Option<Ratio>) -> bool {
    match (there, back) {
        (None, None) => true,
        (Some(there), Some(back)) => {
            near(there.value * back.value, 1.0)
                && match (there.interval, back.interval) {
                    (None, None) => true,
                    (Some((low, high)), Some((back_low, back_high))) => {
                        near(low * back_high, 1.0) && near(high * back_low, 1.0)
                    }
                    _ => false,
                }
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn swapping_sides_mirrors_every_figure(
        a in any_streams(), b in any_streams(), counts in (1usize..25, 1usize..25),
        pieces in (1usize..5, 1usize..5), seed in any::<u64>(),
    ) {
        let thresholds = Thresholds { draws: 60, seed, ..Thresholds::default() };
        let side = |streams: &[Stream], count: usize, pieces: usize, seed: u64| {
            let mut side = Side::new(By::default(), About::default());
            let run = intervals(streams, count, SECOND, seed);
            for recording in run.chunks(count.div_ceil(pieces)) {
                side.next_recording();
                for interval in recording {
                    side.add(interval);
                }
            }
            side.finish();
            side
        };
        let before = side(&a, counts.0, pieces.0, seed);
        let after = side(&b, counts.1, pieces.1, seed ^ 1);
        let there = compare_sides(&before, &after, &thresholds, 1, &|_, _| {});
        let back = compare_sides(&after, &before, &thresholds, 1, &|_, _| {});
        prop_assert_eq!(there.refused, back.refused);
        prop_assert_eq!(there.rows.len(), back.rows.len());
        for (row, mirror) in there.rows.iter().zip(&back.rows) {
            prop_assert_eq!(row.key, mirror.key);
            prop_assert_eq!(&row.before, &mirror.after);
            prop_assert_eq!(row.verdict.map(Verdict::mirrored), mirror.verdict);
            prop_assert_eq!(row.withheld, mirror.withheld);
            prop_assert!(near(row.impact, -mirror.impact));
            for (ratio, mirror) in [(row.rate, mirror.rate), (row.time, mirror.time), (row.mean, mirror.mean)] {
                prop_assert!(mirrors(ratio, mirror), "{:?} {:?}", ratio, mirror);
            }
            for (quantile, mirror) in row.quantiles.iter().zip(&mirror.quantiles) {
                prop_assert!(mirrors(quantile.ratio, mirror.ratio), "{:?} {:?}", quantile, mirror);
                prop_assert_eq!(quantile.verdict.map(Verdict::mirrored), mirror.verdict);
            }
            prop_assert_eq!(row.delta.map(|d| near(d, -mirror.delta.unwrap_or(9.0))), row.delta.map(|_| true));
            prop_assert_eq!(row.errors.verdict.map(ShareVerdict::mirrored), mirror.errors.verdict);
            for (errno, mirror) in row.errnos.iter().zip(&mirror.errnos) {
                prop_assert_eq!(errno.errno, mirror.errno);
                prop_assert_eq!(errno.share.verdict.map(ShareVerdict::mirrored), mirror.share.verdict);
                if let (Some((low, high)), Some(other)) = (errno.share.difference, mirror.share.difference) {
                    prop_assert!(near(low, -other.1) && near(high, -other.0));
                }
            }
        }
    }

    #[test]
    fn a_recording_does_not_differ_from_itself(a in any_streams(), count in 1usize..25, seed in any::<u64>()) {
        let thresholds = Thresholds { draws: 60, seed, ..Thresholds::default() };
        let data = intervals(&a, count, SECOND, seed);
        let comparison = compare(&data, &data, &thresholds);
        for row in &comparison.rows {
            prop_assert!(matches!(row.verdict, Some(Verdict::Same) | None), "{:?}", row.verdict);
            prop_assert!(matches!(row.errors.verdict, Some(ShareVerdict::Same | ShareVerdict::Inconclusive) | None));
            prop_assert!(row.impact == 0.0);
            for ratio in row.quantiles.iter().filter_map(|quantile| quantile.ratio).chain(row.rate) {
                prop_assert!(near(ratio.value, 1.0));
            }
        }
    }
}

#[test]
fn by_cgroup_processes_of_one_service_are_one_row_and_paths_are_shown_safely() {
    let streams = |median_ns| {
        let one = |comm| Stream { comm, nr: 74, calls: 100.0, median_ns, spread: 0.3, ..Stream::default() };
        [one("postgres"), one("walwriter"), Stream { median_ns: 1e6, ..one("nginx") }]
    };
    let side = |median_ns, seed| {
        let mut run = intervals(&streams(median_ns), 30, 1_000_000_000, seed);
        for info in run.iter_mut().flat_map(|interval| interval.processes.values_mut()) {
            let cgroup =
                if info.comm == Comm::new("nginx") { "/web\u{1b}[2J" } else { "/system.slice/db.service" };
            info.who = Some(Arc::new(Who { cgroup: cgroup.into(), ..Who::default() }));
        }
        Side::of(By::Cgroup, About::default(), &run)
    };
    let comparison = compare_sides(&side(1e6, 1), &side(2e6, 2), &Thresholds::default(), 1, &|_, _| {});
    let rows: Vec<_> =
        comparison.rows.iter().map(|row| (row.owner(), row.verdict, row.call_name())).collect();
    let owner = |text: &str| Some(text.to_owned());
    assert_eq!(rows[0], (owner("/system.slice/db.service"), Some(Verdict::Slower), None));
    assert_eq!((&rows[1].0, rows.len()), (&owner("/web\\x1b[2J"), 2));
}

#[test]
fn factors_are_said_as_people_say_them() {
    let said: Vec<String> =
        [1.0, 1.2, 0.96, 3.1, 1.0 / 15.0, 9999.0, 1e8, 1e-8].into_iter().map(factor).collect();
    assert_eq!(said, ["0 %", "+20 %", "-4.0 %", "3.1x", "1/15", "9999x", ">9999x", "<1/9999"]);
}
