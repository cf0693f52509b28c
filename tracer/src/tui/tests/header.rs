//! The header: whether the figures can be trusted.

use super::*;

#[test]
fn the_header_says_each_state_of_the_ledger() {
    let state = |counter: Counter, value: u64| {
        let mut snapshot = fixture::incident();
        snapshot.ledger.kernel[counter as usize] = value;
        screen(&model_of(snapshot), 120, 24)
    };
    assert!(line(&incident(), 0).contains("  lost 0  "));
    assert!(state(Counter::Lost, 100).contains("LOST 100 (0.43%)"));
    assert!(state(Counter::Spilled, 1000).contains("SPILLED 4.11% detail only"));
    assert!(state(Counter::Overwritten, 3).contains("UNPAIRED 3"));
    assert!(state(Counter::ProcessRecordsLost, 3).contains("NAMES MISSING 3"));
    let mut snapshot = fixture::incident();
    snapshot.ledger.missed_exit = 12;
    let model = model_of(snapshot);
    assert!(line(&model, 0).contains("SKIPPED BY KERNEL 12") && !line(&model, 0).contains("lost 0"));
    for width in 40..200 {
        assert!(screen(&model, width, 8).contains("SKIPPED BY KERNEL 12"), "at width {width}");
    }
}
