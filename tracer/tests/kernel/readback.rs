//! What the commands that read recordings print of a real run is what the run itself printed.

use std::fs;
use std::path::Path;

use crate::oracle::Reach;
use crate::recording::{Place, assert_same};
use crate::tool::{Family, Finished, oracle_command, run, trace, tracer};

const MODES: [&[&str]; 9] = [
    &["errors", "200"],
    &["denied", "1000"],
    &["restarts", "50"],
    &["threads", "8", "10000"],
    &["forks", "100", "50"],
    &["thread-exec", "50"],
    &["killed", "20"],
    &["slow", "30", "20"],
    &["unheld", "50"],
];

/// Where the totals begin in text.
const TOTALS: &str = "totals since the start";

fn report(options: &[&str], file: &str) -> Finished {
    let finished = run(&tracer(), &[&["report"], options, &[file]].concat(), None);
    assert!(finished.status.success(), "{}", finished.stderr);
    finished
}

fn assert_json(family: Family, kind: &[&str]) {
    for mode in MODES {
        let place = Place::new();
        let options = [&["-i", "100ms", "--record", &place.text], kind].concat();
        let live = trace(family, &options, &oracle_command(mode));
        live.oracle().assert_equals(&live.report(), family, Reach::Command);
        let totals = live.total_lines();
        assert!(totals.len() > 10, "{mode:?}: {totals:?}");
        let what = format!("{mode:?} {kind:?}");
        assert_same(&live.lines(), &report(&["--json", "--intervals"], &place.text).lines(), &what);
        let without: Vec<String> =
            live.lines().into_iter().filter(|line| !line.contains(r#""scope":"interval""#)).collect();
        assert_same(&without, &report(&["--json"], &place.text).lines(), &what);
    }
}

/// The tables of the whole run, without the reason why it ended: nobody recorded that.
fn totals_of(text: &str) -> String {
    let start = text.find(TOTALS).unwrap_or_else(|| panic!("no totals in\n{text}"));
    let head = text[..start].lines().last().expect("a header before the totals");
    let head = head.split("  ended: ").next().unwrap_or(head);
    format!("{head}\n{}", &text[start..])
}

both_families! {
    /// Line by line: meta, each interval, the totals.
    json_of_intervals_is_what_was_printed_live(family) {
        assert_json(family, &[]);
    }

    json_of_events_is_what_was_printed_live(family) {
        assert_json(family, &["--events"]);
    }

    tables_are_what_was_printed_live(family) {
        for (mode, kind) in MODES.into_iter().flat_map(|mode| [(mode, &[][..]), (mode, &["--events"][..])]) {
            let place = Place::new();
            let text = format!("{}.txt", place.text);
            let command = oracle_command(mode);
            let options = ["--plain", "--program-family", family.argument(), "-i", "100ms", "-o", &text];
            let mut arguments = [&options[..], &["--record", &place.text], kind, &["--"]].concat();
            arguments.extend(command.iter().map(String::as_str));
            let finished = run(&tracer(), &arguments, None);
            assert!(finished.status.success(), "{}", finished.stderr);
            let live = fs::read_to_string(Path::new(&text)).expect("the tables");
            let recorded = report(&[], &place.text).stdout;
            assert_eq!(totals_of(&live), totals_of(&recorded), "{mode:?} {kind:?}");
            let recorded = report(&["--intervals"], &place.text).stdout;
            // Before its totals the report names the file.
            assert!(recorded.starts_with(before_totals(&live)), "{mode:?} {kind:?}: {live}\nand\n{recorded}");
            let tables = |text: &str| text.lines().filter(|line| line.starts_with("calls of ")).count();
            assert_eq!(tables(&live), tables(&recorded), "{mode:?} {kind:?}: {live}\nand\n{recorded}");
        }
    }
}

/// What was printed for intervals.
fn before_totals(text: &str) -> &str {
    let start = text.find(TOTALS).expect("it was there");
    let header = text[..start].trim_end().rfind('\n').map_or(0, |at| at + 1);
    &text[..header]
}
