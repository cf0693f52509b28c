//! Where slow calls were made: each slow call has a stack, no other has one, and it is that of the function that made it.

use std::collections::BTreeMap;

use crate::oracle::OracleLedger;
use crate::recording::{Place, assert_same, read};
use crate::report::{Report, StackRow};
use crate::tool::{Family, Tracing, Waiting, oracle_command, run, trace, tracer};

const NANOSLEEP: i64 = 35;

const THRESHOLD_NS: u64 = 10_000_000;

const OPTIONS: [&str; 3] = ["--slower", "10ms", "--stack"];

/// The first functions of a stack, without the modules that they are in.
fn functions(stack: &StackRow, count: usize) -> Vec<&str> {
    stack.frames.iter().take(count).map(|frame| frame.rsplit("::").next().unwrap_or(frame)).collect()
}

fn assert_places(report: &Report, oracle: &OracleLedger, family: Family) {
    report.assert_laws();
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for stack in report.total_of(NANOSLEEP).flat_map(|cell| &cell.stacks) {
        let place = match functions(stack, 3)[..] {
            ["place_inner", "place_middle", "place_outer"] => "behind_three",
            ["place_alone", ..] => "alone",
            // On a machine that is busy with others some are slow.
            ["place_of_short_ones", ..] if stack.total_ns >= stack.calls * THRESHOLD_NS => continue,
            _ => panic!("nobody makes slow calls there: {stack:?}"),
        };
        assert!(stack.max_ns >= 20_000_000 && stack.total_ns >= stack.calls * 20_000_000, "{stack:?}");
        *seen.entry(place).or_default() += stack.calls;
    }
    if family.is_exact_here() {
        report.assert_complete();
        let made = ["behind_three", "alone"].map(|place| (place, oracle.fact(place)));
        assert_eq!(seen, made.into());
        for cell in report.totals() {
            let placed: u64 = cell.stacks.iter().map(|stack| stack.calls).sum();
            assert_eq!(placed, cell.calls, "each call that is left is slow: {cell:?}");
        }
        let ledger = report.ledger();
        let calls: u64 = report.totals().map(|cell| cell.calls).sum();
        assert_eq!(
            ["stacks_taken", "stacks_lost", "stacks_unreadable"].map(|name| ledger.get(name)),
            [calls, 0, 0]
        );
    }
}

both_families! {
    /// By equality: as many as were made in each place, and none of those that were short.
    each_slow_call_has_its_own(family) {
        let finished = trace(family, &OPTIONS, &oracle_command(&["places", "20", "20"]));
        assert_places(&finished.report(), &finished.oracle(), family);
    }

    /// The same of a process that was there before, alone and among all, of which no arguments are taken.
    of_a_process_that_was_there(family) {
        for whole_host in [false, true] {
            let mut waiting = Waiting::start(&["places", "10", "20"]);
            let pid = waiting.pid.to_string();
            let target = if whole_host { ["-e", "nanosleep"] } else { ["-p", &pid] };
            let tracing = Tracing::attach(family, &[&OPTIONS[..], &target].concat());
            waiting.go();
            let oracle = waiting.ledger();
            waiting.end();
            let report = tracing.stop().report();
            report.assert_laws();
            let own = report.total_of(NANOSLEEP).filter(|cell| cell.pid == oracle.pid);
            let stacks: Vec<&StackRow> = own.flat_map(|cell| &cell.stacks).collect();
            let stacks: Vec<&StackRow> =
                stacks.into_iter().filter(|stack| functions(stack, 1) != ["place_of_short_ones"]).collect();
            let calls: u64 = stacks.iter().map(|stack| stack.calls).sum();
            assert!(stacks.iter().all(|stack| functions(stack, 1)[0].starts_with("place_")), "{stacks:?}");
            if family.is_exact_here() {
                assert_eq!(calls, oracle.fact("behind_three") + oracle.fact("alone"), "{whole_host}");
            }
        }
    }

    /// Not asked for, there is none.
    without_asking_there_is_none(family) {
        let finished = trace(family, &["--slower", "10ms"], &oracle_command(&["places", "5", "20"]));
        let report = finished.report();
        report.assert_laws();
        assert!(report.cells.iter().all(|cell| cell.stacks.is_empty()));
        assert_eq!(report.ledger().get("stacks_taken"), 0);
    }

    /// A recording of either kind says the same, and so does a flame graph that is made of it.
    recorded(family) {
        for kind in [&[][..], &["--events"]] {
            let place = Place::new();
            let options = [&OPTIONS, &["-i", "100ms", "--record", &place.text][..], kind].concat();
            let finished = trace(family, &options, &oracle_command(&["places", "10", "20"]));
            assert_places(&finished.report(), &finished.oracle(), family);
            assert_same(&finished.total_lines(), &read(&place.path()).totals, "live and recorded");
            let again = run(&tracer(), &["report", "--json", &place.text], None);
            let own: Vec<String> = again.lines().into_iter().filter(|line| line.contains(r#""total""#)).collect();
            assert_same(&finished.total_lines(), &own, "live and reported");
            let folded = run(&tracer(), &["export", "--to", "folded", "--weight", "calls", &place.text], None);
            let mut behind_three = 0;
            for line in folded.stdout.lines().filter(|line| line.contains("place_inner")) {
                let (stack, calls) = line.rsplit_once(' ').expect("a value");
                let frames: Vec<&str> = stack.split(';').collect();
                let place: Vec<&str> =
                    frames[frames.len() - 4..].iter().map(|frame| frame.rsplit("::").next().unwrap_or(frame)).collect();
                assert_eq!(place, ["place_outer", "place_middle", "place_inner", "nanosleep"], "{line}");
                assert_eq!(frames[0], "oracle");
                behind_three += calls.parse::<u64>().expect("a number");
            }
            if family.is_exact_here() {
                assert_eq!(behind_three, finished.oracle().fact("behind_three"), "{kind:?}");
            }
            let text = run(&tracer(), &["report", &place.text], None);
            let wanted = if family.is_exact_here() {
                ["where slow calls were made", "place_middle"]
            } else {
                ["! no stacks are taken", "--program-family classic takes them"]
            };
            assert!(wanted.iter().all(|wanted| text.stdout.contains(wanted)), "{}", text.stdout);
        }
    }
}

/// Without `--slower` it would be of every call.
#[test]
#[ignore = "root"]
fn alone_it_is_refused() {
    let refused = run(&tracer(), &["--stack"], None);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    for word in ["error: --stack needs --slower", "why: ", "next: "] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
}
