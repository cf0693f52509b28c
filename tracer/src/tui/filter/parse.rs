//! The filter language as text: words, their fields and values, and what is wrong with them.

use std::ops::Range;

use tracer_common::abi::Abi;

use super::{Field, Term, Value};
use crate::config::values::{parse_duration, parse_pid};
use crate::human::safe_text;
use crate::interval::CallKey;
use crate::syscalls::{self, Class, errno};

/// Fields by the name that stands before the colon.
const FIELDS: [(&str, Field); 6] = [
    ("pid", Field::Pid),
    ("comm", Field::Comm),
    ("sys", Field::Call),
    ("err", Field::Errno),
    ("lat", Field::Latency),
    ("on", Field::On),
];

/// Numbers below which every named syscall lies.
const NUMBERS: i32 = 600;

/// A word that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands in the text, in bytes.
    pub at: Range<usize>,
    /// What is wrong with it, safe to print.
    pub what: String,
}

/// The terms of a text, and the words that are none.
pub(super) fn parse(text: &str) -> (Vec<Term>, Vec<Problem>) {
    let (mut terms, mut problems) = (Vec::new(), Vec::new());
    for at in words(text) {
        match term(&unquoted(&text[at.clone()])) {
            Ok(term) => terms.extend(term),
            Err(what) => problems.push(Problem { at, what }),
        }
    }
    (terms, problems)
}

/// Where the words are: separated by blanks that are not between quotes.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut start, mut is_quoted) = (None, false);
    for (at, character) in text.char_indices() {
        if character.is_whitespace() && !is_quoted {
            words.extend(start.take().map(|start| start..at));
            continue;
        }
        is_quoted ^= character == '"';
        start.get_or_insert(at);
    }
    words.extend(start.map(|start| start..text.len()));
    words
}

fn unquoted(word: &str) -> String {
    word.replace('"', "")
}

/// One word; `None` while there is nothing to look for in it yet.
fn term(word: &str) -> Result<Option<Term>, String> {
    let (excludes, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
    let lower = word.to_lowercase();
    let Some((name, value)) = lower.split_once(':') else { return Ok(anywhere(excludes, &lower)) };
    let Some((_, field)) = FIELDS.iter().find(|field| field.0 == name) else {
        // `i386:getpid` and `kworker/0:1` are what they look like.
        let is_abi = Abi::ALL.into_iter().any(|abi| abi.name() == name);
        if is_abi || name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Ok(anywhere(excludes, &lower));
        }
        return Err(format!("no field {}: there are pid comm sys err lat on", safe_text(name.as_bytes())));
    };
    let items = value.split(',').filter(|item| !item.is_empty());
    let values = items.map(|item| read(*field, item)).collect::<Result<Vec<_>, _>>()?;
    Ok((!values.is_empty()).then_some(Term { excludes, field: *field, values }))
}

fn anywhere(excludes: bool, needle: &str) -> Option<Term> {
    let values = vec![Value::Part(needle.to_owned())];
    (!needle.is_empty()).then_some(Term { excludes, field: Field::Any, values })
}

fn read(field: Field, item: &str) -> Result<Value, String> {
    let shown = safe_text(item.as_bytes());
    match field {
        Field::Any | Field::Comm | Field::On => Ok(Value::Part(item.to_owned())),
        Field::Pid => parse_pid(item).map(Value::Pid).map_err(|_| format!("{shown} is no process id")),
        Field::Call if item.starts_with('%') => Class::parse(item).map(Value::Class).ok_or_else(|| {
            format!("no class {shown}: there are %file %net %desc %process and strace's others")
        }),
        Field::Call if has_call(item) => Ok(Value::Part(item.to_owned())),
        Field::Call => Err(format!("no syscall has {shown} in its name")),
        Field::Errno => match item.parse() {
            Ok(number) => Ok(Value::Errno(number)),
            Err(_) if has_errno(item) => Ok(Value::Part(item.to_owned())),
            Err(_) => Err(format!("no errno has {shown} in its name")),
        },
        Field::Latency => latency(item),
    }
}

/// `>10ms`, `<50us`.
fn latency(item: &str) -> Result<Value, String> {
    let wanted = || "lat: wants > or < and a time, as in lat:>10ms".to_owned();
    let (slower, time) = match (item.strip_prefix('>'), item.strip_prefix('<')) {
        (Some(time), _) => (true, time),
        (_, Some(time)) => (false, time),
        _ => return Err(wanted()),
    };
    let time = parse_duration(time.strip_prefix('=').unwrap_or(time)).map_err(|_| wanted())?;
    let ns = u64::try_from(time.as_nanos()).map_err(|_| wanted())?;
    Ok(if slower { Value::SlowerThan(ns) } else { Value::FasterThan(ns) })
}

fn has_call(part: &str) -> bool {
    // What is shown of numbers without a name has the number in it.
    let mut known = Abi::ALL.into_iter().flat_map(|abi| (0..NUMBERS).map(move |nr| CallKey { abi, nr }));
    part.contains("syscall_")
        || "(others)".contains(part)
        || known.any(|call| syscalls::name(call).contains(part))
}

fn has_errno(part: &str) -> bool {
    part.starts_with("errno_") || (1..=531).any(|number| errno::name(number).to_lowercase().contains(part))
}

impl Value {
    /// As it would be typed.
    #[cfg(test)]
    fn typed(&self) -> String {
        match self {
            Self::Part(part) => format!("\"{part}\""),
            Self::Pid(pid) => pid.to_string(),
            Self::Errno(number) => number.to_string(),
            Self::Class(class) => class.names()[0].to_owned(),
            Self::SlowerThan(ns) => format!(">{ns}ns"),
            Self::FasterThan(ns) => format!("<{ns}ns"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(text: &str) -> (String, String) {
        let (_, problems) = parse(text);
        let first = problems.first().unwrap_or_else(|| panic!("{text}: no problem"));
        (text[first.at.clone()].to_owned(), first.what.clone())
    }

    #[test]
    fn what_is_wrong_is_said_of_the_word() {
        for (text, word, what) in [
            ("a pid:x b", "pid:x", "no process id"),
            ("pid:0", "pid:0", "no process id"),
            ("sys:opnat nginx", "sys:opnat", "no syscall has opnat"),
            ("!sys:%nett", "!sys:%nett", "no class %nett"),
            ("err:ENOSUCHTHING", "err:ENOSUCHTHING", "no errno has"),
            ("lat:10ms", "lat:10ms", "lat:>10ms"),
            ("lat:>", "lat:>", "lat:>10ms"),
            ("lat:>10parsecs", "lat:>10parsecs", "lat:>10ms"),
            ("foo:bar", "foo:bar", "no field foo"),
        ] {
            let (at, said) = problem(text);
            assert_eq!(at, word);
            assert!(said.contains(what), "{text}: {said}");
        }
    }

    #[test]
    fn what_is_fine_has_no_problem() {
        for text in [
            "",
            " ",
            "!",
            "pid:",
            "lat:",
            "nginx",
            "pid:1,2",
            "sys:openat,%net",
            "sys:%file",
            "err:enoent,28",
            "err:ENO",
            "lat:>10ms",
            "lat:<=50us",
            "comm:\"Web Content\"",
            "i386:getpid",
            "kworker/0:1",
            "::",
            "sys:syscall_470",
            "!comm:sshd",
            "\"",
            "comm:\"unclosed quote",
        ] {
            assert_eq!(parse(text).1, [], "{text}");
        }
    }

    #[test]
    fn quotes_keep_words_together() {
        let (terms, _) = parse("comm:\"Web Content\" x");
        assert_eq!(terms.len(), 2);
        assert_eq!(terms[0].values, [Value::Part("web content".to_owned())]);
    }

    /// Text near the language, so that most of it means something.
    fn near() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("pid:"),
            Just("comm:"),
            Just("sys:"),
            Just("err:"),
            Just("lat:"),
            Just(">"),
            Just("<"),
            Just("!"),
            Just(","),
            Just(" "),
            Just("\""),
            Just("%net"),
            Just("openat"),
            Just("ENOENT"),
            Just("10ms"),
            Just("7"),
            Just(":"),
            Just("\u{202e}"),
            Just("é"),
            Just("x"),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_problems_stand_on_words(text in prop_oneof![near(), any::<String>()]) {
            let (terms, problems) = parse(&text);
            for Problem { at, what } in &problems {
                let word = &text[at.clone()];
                prop_assert!(!word.is_empty() && !word.starts_with(char::is_whitespace));
                prop_assert!(what.chars().all(|c| !c.is_control()));
            }
            prop_assert!(terms.len() + problems.len() <= words(&text).len());
            prop_assert!(terms.iter().all(|term| !term.values.is_empty()));
        }

        #[test]
        fn what_was_understood_can_be_typed_again(text in near()) {
            // A plain word that looks like something else cannot be quoted into one.
            let mut terms = parse(&text).0;
            terms.retain(|term| term.field != Field::Any);
            let typed: Vec<String> = terms.iter().map(|term| {
                let name = FIELDS.iter().find(|field| field.1 == term.field).map_or(String::new(), |field| format!("{}:", field.0));
                let values: Vec<String> = term.values.iter().map(Value::typed).collect();
                format!("{}{name}{}", if term.excludes { "!" } else { "" }, values.join(","))
            }).collect();
            prop_assert_eq!(parse(&typed.join(" ")), (terms, Vec::new()));
        }
    }
}
