//! Whatever happens to a file, reading it gives what was written before the damage and says that it is
//! damaged: no panic, no hang, no wrong figure.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::fixture::{Step, any_steps, as_recorded, read, record};
use crate::recording::{End, Item, Kind, repair};

/// Longest time that reading a file of a few hundred kilobytes may take, in a debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// A run of a few intervals, the same in each test run.
fn fixed(kind: Kind, args: bool) -> (Vec<Item>, Vec<u8>) {
    let mut runner = TestRunner::deterministic();
    let mut steps = Vec::new();
    while steps.len() < 100 {
        steps.extend(any_steps(args).new_tree(&mut runner).expect("a run").current());
    }
    let closed = |step: &Step| matches!(step, Step::Closed(_));
    let last = steps.iter().enumerate().filter(|(_, step)| closed(step)).map(|(at, _)| at).nth(2);
    steps.truncate(last.expect("three intervals") + 1);
    let (shown, file) = record(&steps, kind, args);
    (as_recorded(shown, false), file)
}

/// Where the messages of a good file begin, the end marker last.
fn messages(file: &[u8]) -> Vec<usize> {
    let (mut starts, mut at) = (Vec::new(), 0);
    loop {
        starts.push(at);
        let length = u32::from_le_bytes(file[at + 4..at + 8].try_into().expect("four bytes")) as usize;
        if length == 0 {
            return starts;
        }
        let head = &file[at + 8..at + 8 + length];
        let body = arrow_ipc::root_as_message(head).expect("a message").bodyLength() as usize;
        at += 8 + length + body;
    }
}

/// Holds for every file: it is refused, or gives a beginning of what was written, and all of it only if it says
/// that nothing is wrong.
fn check(file: &[u8], shown: &[Item]) -> Option<usize> {
    let start = Instant::now();
    let found = read(file);
    assert!(start.elapsed() < LIMIT);
    let (items, end) = found.ok()?;
    let items = as_recorded(items, false);
    assert!(shown.starts_with(&items), "{} items that were not written", items.len());
    assert!(end != End::Clean || items.len() == shown.len(), "{} of {} items", items.len(), shown.len());
    Some(items.len())
}

#[test]
fn a_file_cut_anywhere_reads_up_to_the_cut() {
    for (kind, args) in [(Kind::Intervals, false), (Kind::Events, true)] {
        let (shown, file) = fixed(kind, args);
        let starts = messages(&file);
        let (items, end) = read(&file).expect("a recording");
        assert_eq!((as_recorded(items, false), end), (shown.clone(), End::Clean));
        let last = starts.len() - 1;
        let mut before = 0;
        for cut in starts[last - 2]..file.len() {
            let found = check(&file[..cut], &shown).expect("a recording");
            assert!(found >= before, "less at {cut} than before");
            before = found;
        }
        assert_eq!(before, shown.len());
        for cut in (0..starts[last - 2]).step_by(97) {
            check(&file[..cut], &shown);
        }
    }
}

#[test]
fn ten_thousand_corruptions_are_noticed() {
    for (kind, args) in [(Kind::Intervals, false), (Kind::Events, true)] {
        let (shown, file) = fixed(kind, args);
        let starts = messages(&file);
        let mut random = fastrand::Rng::with_seed(7);
        let mut refused = 0;
        for _ in 0..5_000 {
            let mut bad = file.clone();
            // Heads of messages are a small part of a file and most of what can go wrong.
            let at = if random.bool() {
                random.usize(..bad.len())
            } else {
                (starts[random.usize(..starts.len())] + random.usize(..600)).min(bad.len() - 1)
            };
            match random.u8(..5) {
                0 => bad[at] ^= 1 << random.u8(..8),
                1 => bad[at] = random.u8(..),
                2 => {
                    let end = (at + random.usize(1..64)).min(bad.len());
                    random.fill(&mut bad[at..end]);
                }
                3 => {
                    let end = (at + random.usize(1..64)).min(bad.len());
                    bad[at..end].fill(0);
                }
                _ => {
                    let end = (at + random.usize(1..200)).min(bad.len());
                    bad.drain(at..end);
                }
            }
            refused += usize::from(check(&bad, &shown).is_none());
        }
        assert!(refused < 2_500, "{refused} of 5,000 refused although most damage is behind the beginning");
    }
}

#[test]
fn corruptions_of_files_of_the_first_format_are_noticed() {
    for name in ["full-1", "events-1"] {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        let file = std::fs::read(format!("{directory}/{name}.arrows")).expect("in the repository");
        let shown = as_recorded(read(&file).expect("a recording").0, false);
        let starts = messages(&file);
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..300 {
            let mut bad = file.clone();
            let start = starts[random.usize(1..starts.len())];
            let at = (start + random.usize(..6_000)).min(bad.len() - 1);
            bad[at] ^= 1 << random.u8(..8);
            check(&bad, &shown).expect("what is before the damage");
            bad.drain(at..(at + 100).min(file.len()));
            check(&bad, &shown);
        }
    }
}

#[test]
fn messages_that_are_missing_twice_or_exchanged_are_noticed() {
    for (kind, args) in [(Kind::Intervals, false), (Kind::Events, true)] {
        let (shown, file) = fixed(kind, args);
        let starts = messages(&file);
        let part = |index: usize| &file[starts[index]..starts.get(index + 1).copied().unwrap_or(file.len())];
        let parts: Vec<&[u8]> = (0..starts.len()).map(part).collect();
        // The last batch before the end marker is the one that nothing behind it misses.
        for index in 1..parts.len() - 2 {
            let mut missing = parts.clone();
            missing.remove(index);
            check(&missing.concat(), &shown);
            let mut twice = parts.clone();
            twice.insert(index, parts[index]);
            check(&twice.concat(), &shown);
            let mut exchanged = parts.clone();
            exchanged.swap(index, index + 1);
            check(&exchanged.concat(), &shown);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_no_recording_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(read(&bytes).is_err());
    }

    #[test]
    fn a_repaired_file_ends_cleanly_with_what_could_be_read(
        steps in any_steps(true), events in any::<bool>(), cut in 0.0f64..1.0,
    ) {
        let kind = if events { Kind::Events } else { Kind::Intervals };
        let (_, file) = record(&steps, kind, true);
        let cut = (file.len() as f64 * cut) as usize;
        let Ok((before, end)) = read(&file[..cut]) else { return Ok(()) };
        prop_assert_ne!(&end, &End::Clean);
        let mut repaired = Vec::new();
        let kept = repair(std::io::Cursor::new(&file[..cut]), &mut repaired).expect("repaired");
        prop_assert_eq!(&kept.end, &end);
        let (mut after, end) = read(&repaired).expect("a recording");
        prop_assert_eq!(end, End::Clean);
        let Some(Item::Mark(mark)) = after.pop() else { panic!("no mark says that it was repaired") };
        prop_assert!(mark.text.starts_with("repaired: "), "{}", mark.text);
        let intervals = |items: &[Item]| -> Vec<Item> {
            items.iter().filter(|item| matches!(item, Item::Interval(_))).cloned().collect()
        };
        prop_assert_eq!(intervals(&after), intervals(&before));
        prop_assert_eq!(kept.intervals, intervals(&before).len() as u64);
    }
}
