//! The columns, their layout and their order.

use unicode_width::UnicodeWidthStr;

use super::*;
use crate::tui::fixture;

fn sets() -> [&'static [Column]; 11] {
    [
        &PROCESSES,
        &CALLS_OF_PROCESS,
        &ERRNOS,
        &PROCESSES_ON_SCREEN,
        &PROCESSES_AS_TREE,
        &CALLS_ON_SCREEN,
        &CALLS_AGAINST_BASELINE_ON_SCREEN,
        &THREADS,
        &FILES,
        &FILES_OF_ALL,
        &USES,
    ]
}

#[test]
fn every_column_has_a_name_of_its_own_and_room_for_its_title_and_sort_mark() {
    for set in sets() {
        for (index, column) in set.iter().enumerate() {
            assert!(column.title.width() < column.width, "{}", column.title);
            assert!(column.max_width >= column.width && !column.about.is_empty(), "{}", column.title);
            let scope = if column.is_in(Scope::Interval) { Scope::Interval } else { Scope::Total };
            assert_eq!(find(set, scope, column.id), Some(index), "{}", column.id);
            assert_eq!(find(set, scope, column.title), Some(index), "{}", column.title);
        }
    }
}

#[test]
fn the_other_scope_sorts_by_the_same_figure() {
    for (set, name, other) in [
        (&PROCESSES[..], "CALLS/s", "CALLS"),
        (&PROCESSES[..], "ERR/s", "ERRORS"),
        (&CALLS_OF_PROCESS[..], "CALLS/s", "CALLS"),
        (&CALLS_OF_PROCESS[..], "BUSY%", "BUSY%"),
        (&ERRNOS[..], "NOW/s", "COUNT"),
    ] {
        let index = find(set, Scope::Interval, name).expect("a column");
        assert_eq!(set[counterpart(set, Scope::Total, index)].title, other);
    }
}

#[test]
fn lines_are_never_longer_than_the_terminal_while_anything_can_be_dropped() {
    for set in sets() {
        for scope in [Scope::Interval, Scope::Total] {
            for width in 40..200 {
                let placed = lay_out(set, scope, width);
                let used: usize = placed.iter().map(|at| at.width + GAP).sum::<usize>() - GAP;
                assert!(used <= width, "{used} > {width}");
            }
        }
    }
}

#[test]
fn at_80_cells_the_first_screen_answers_who_is_slow_failing_or_stuck() {
    let titles: Vec<&str> =
        lay_out(&PROCESSES, Scope::Interval, 79).iter().map(|at| at.column.title).collect();
    assert_eq!(titles, ["PID", "COMM", "CALLS/s", "ERR/s", "BUSY%", "P50", "P99", "MAX", "IN FLIGHT"]);
}

#[test]
fn a_wide_screen_has_more_of_the_same_and_how_it_went() {
    let titles = |set, width| -> Vec<&str> {
        lay_out(set, Scope::Interval, width).iter().map(|at| at.column.title).collect()
    };
    assert_eq!(titles(&PROCESSES_ON_SCREEN, 79), titles(&PROCESSES, 79), "at 80 cells nothing is different");
    assert_eq!(titles(&CALLS_ON_SCREEN, 79), titles(&CALLS_OF_PROCESS, 79));
    let at_120 = titles(&PROCESSES_ON_SCREEN, 119);
    assert!(["P90", "TREND", "ERR%"].iter().all(|title| at_120.contains(title)), "{at_120:?}");
    let at_200 = titles(&PROCESSES_ON_SCREEN, 199);
    assert!(["P99.9", "CALLS%", "BYTES/s", "TOTAL"].iter().all(|title| at_200.contains(title)), "{at_200:?}");
    for (flat, tree) in PROCESSES_ON_SCREEN.iter().zip(&PROCESSES_AS_TREE) {
        assert_eq!(flat.id, tree.id, "indices are good for both");
    }
}

#[test]
fn what_a_table_is_sorted_by_is_to_be_seen() {
    for index in
        (0..PROCESSES_ON_SCREEN.len()).filter(|&index| PROCESSES_ON_SCREEN[index].is_in(Scope::Interval))
    {
        for width in [59, 79, 119] {
            let placed = lay_out_with(&PROCESSES_ON_SCREEN, Scope::Interval, width, Some(index));
            assert!(placed.iter().any(|at| at.index == index), "{}", PROCESSES_ON_SCREEN[index].title);
            let used: usize = placed.iter().map(|at| at.width + GAP).sum::<usize>() - GAP;
            assert!(used <= width, "{used} > {width}");
        }
    }
}

#[test]
fn numbers_are_shortened_but_never_cut() {
    assert_eq!(whole(9_999_999, 9), "9,999,999");
    assert_eq!(whole(123_456_789, 9), "123M");
    assert_eq!(rate(1_294_400.0), "1.29M");
    assert_eq!(rate(129_440.2), "129,440");
    assert_eq!(rate(0.5), "0.50");
    for set in sets() {
        for column in set {
            let at =
                Context { recent_ns: 1_000_000_000, end_ns: 99_000_000_000_000_000, ..Context::default() };
            for row in fixture::extreme().rows() {
                let text = (column.text)(row, &at);
                assert!(
                    column.align != Align::Right || text.width() <= column.width,
                    "{} is too narrow for {text}",
                    column.title
                );
            }
        }
    }
}
