//! Any text as what is typed into the filter of the screen: what means nothing is a word of the text, and is named
//! without a control character.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::tui::filter::Filter;

fuzz_target!(|text: &str| {
    let filter = Filter::parse(text);
    assert_eq!(filter.text(), text);
    for problem in filter.problems() {
        assert!(!text[problem.at.clone()].trim().is_empty(), "{text:?}: {problem:?}");
        assert!(!problem.what.chars().any(char::is_control), "{text:?}: {problem:?}");
    }
});
