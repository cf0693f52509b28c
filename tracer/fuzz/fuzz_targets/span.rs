//! Any two lines as the moments that a part of a recording lies between.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use tracer::recording::Mark;
use tracer::span::{Bounds, Moment, Selection};

fuzz_target!(|text: &str| {
    let (from, to) = text.split_once('\n').unwrap_or((text, ""));
    let (Ok(from), Ok(to)) = (Moment::parse(from), Moment::parse(to)) else { return };
    let marks = [Mark { time_ns: 2_000_000_000, text: "deployed".to_owned() }];
    let selection = Selection { from: Some(from), to: Some(to) };
    for end_ns in [None, Some(61_000_000_000)] {
        let bounds =
            Bounds { start_ns: 1_000_000_000, end_ns, start_unix_ns: 1_795_356_000_000_000_000, marks: &marks };
        match selection.resolve(&bounds, &TimeZone::UTC) {
            Ok(span) => assert!(span.from_ns < span.to_ns, "{span:?} is empty"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
