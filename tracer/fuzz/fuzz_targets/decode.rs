//! Any bytes as a record of a ring, decoded and folded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::decode::{Record, decode};
use tracer::fold::Fold;
use tracer::ledger::LedgerCounts;

fuzz_target!(|bytes: &[u8]| {
    let mut fold = Fold::new(1);
    fold.take(bytes);
    let interval = fold.close(2, Vec::new(), LedgerCounts::default());
    let calls: u64 = interval.cells.values().map(|cell| cell.calls).sum();
    match decode(bytes) {
        Ok(Record::Call(_)) => assert_eq!((calls, interval.ledger.decode_failed), (1, 0)),
        Ok(Record::Process(_) | Record::Operands(_) | Record::Stack(_)) => assert_eq!((calls, interval.ledger.decode_failed), (0, 0)),
        Err(_) => assert_eq!((calls, interval.ledger.decode_failed), (0, 1)),
    }
});
