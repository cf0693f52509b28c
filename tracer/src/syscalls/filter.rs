//! The filter language of `-e`: strace's, and the set of calls it describes.
//!
//! ```text
//! argument = ["trace="] ["!"] item {"," item}
//! item     = ["?"] [abi ":"] value ["@64" | "@32" | "@x32"]
//! value    = "all" | "none" | "%"class | name | number
//! ```
//!
//! `!` negates the whole argument. A name means the call of that name in every table that has one, a number
//! means the host's own table; `i386:` or `@32` narrow both to one table. `?` lets an unknown name pass.
//!
//! Where several arguments are given, strace lets the last one win. Here they add up, so that the order of
//! a long command line does not matter: the calls of all arguments without `!` together (every call when
//! there are none), less the calls of each argument with `!`.

use std::fmt;

use tracer_common::abi::Abi;
use tracer_common::config::{BITMAP_WORDS, bitmap_position};

use super::{Class, HOST_ABI, number};
use crate::human::safe_text;
use crate::interval::CallKey;

mod error;
mod members;
mod suggest;

pub use error::FilterError;
use members::Members;

/// The calls that a filter wants: a definite answer for every number of every table, unknown ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyscallSet {
    members: Members,
    text: String,
}

impl SyscallSet {
    /// Every call, unknown ones included.
    pub fn all() -> Self {
        Self { members: Members::all(), text: "all".to_owned() }
    }

    /// The set that the arguments of all `-e` together describe; every call when there are none.
    pub fn parse(arguments: &[String]) -> Result<Self, FilterError> {
        if arguments.is_empty() {
            return Ok(Self::all());
        }
        let parsed = arguments.iter().map(|text| Argument::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let mut members = parsed
            .iter()
            .filter(|argument| !argument.negated)
            .map(|argument| argument.members.clone())
            .reduce(|set, other| set.union(&other))
            .unwrap_or_else(Members::all);
        for argument in parsed.iter().filter(|argument| argument.negated) {
            members = members.minus(&argument.members);
        }
        let texts: Vec<String> = parsed.into_iter().map(|argument| argument.text).collect();
        Ok(Self { members, text: texts.join(" ") })
    }

    /// Whether the filter wants this call.
    pub fn contains(&self, call: CallKey) -> bool {
        self.members.contains(call)
    }

    /// Whether the filter wants every call, so that there is nothing to filter.
    pub fn is_all(&self) -> bool {
        self.members.is_all()
    }

    /// The set for [`tracer_common::config::Config`]: `wanted`, and whether calls that have no place in it
    /// (`unknown_wanted`) are.
    ///
    /// Exact for every call with a place in the bitmap. The others share one answer: it is yes as soon as
    /// one of them is in the set, so that nothing is missed; [`contains`](Self::contains) tells them apart.
    pub fn bitmap(&self) -> ([u64; BITMAP_WORDS], bool) {
        let mut words = [0; BITMAP_WORDS];
        let mut unknown_wanted = self.members.has_unlisted();
        for call in self.members.listed() {
            match bitmap_position(call.abi, call.nr) {
                Some((word, bit)) => words[word] |= bit,
                None => unknown_wanted = true,
            }
        }
        (words, unknown_wanted)
    }
}

/// The arguments as they were given, without what means nothing (`trace=`, blanks).
impl fmt::Display for SyscallSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One `-e`.
struct Argument {
    negated: bool,
    members: Members,
    text: String,
}

impl Argument {
    fn parse(argument: &str) -> Result<Self, FilterError> {
        let items = argument.trim();
        let items = items.strip_prefix("trace=").or_else(|| items.strip_prefix("t=")).unwrap_or(items);
        let (negated, items) = match items.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, items),
        };
        let mut members = Members::none();
        let mut text = String::from(if negated { "!" } else { "" });
        for (index, item) in items.split(',').map(str::trim).enumerate() {
            if item.is_empty() {
                return Err(FilterError::Empty { argument: safe_text(argument.as_bytes()) });
            }
            add_item(&mut members, item)?;
            if index > 0 {
                text.push(',');
            }
            text.push_str(&safe_text(item.as_bytes()));
        }
        Ok(Self { negated, members, text })
    }
}

fn add_item(members: &mut Members, item: &str) -> Result<(), FilterError> {
    let safe = |text: &str| safe_text(text.as_bytes());
    if item.starts_with('!') {
        return Err(FilterError::NegatedItem { item: safe(item) });
    }
    let (may_be_unknown, value) = match item.strip_prefix('?') {
        Some(value) => (true, value),
        None => (false, item),
    };
    if value.starts_with('/') {
        return Err(FilterError::Regex { item: safe(value) });
    }
    let (abi, value) = split_abi(value)?;
    let abis = abi.as_ref().map_or(&Abi::ALL[..], std::slice::from_ref);
    if value.starts_with('%') {
        return match Class::parse(value) {
            Some(class) => {
                members.insert_named(abis, |name| class.contains(name));
                Ok(())
            }
            None if may_be_unknown => Ok(()),
            None => Err(FilterError::UnknownClass { name: safe(value) }),
        };
    }
    match value {
        "all" => abis.iter().for_each(|&abi| members.insert_table(abi)),
        "none" => {}
        _ => {
            // Numbers mean nothing without a table; nobody who types one means all of them.
            let host_or_given = abi.unwrap_or(HOST_ABI);
            let by_number = value.parse().ok().or_else(|| unnamed_number(host_or_given, value));
            if let Some(nr) = by_number {
                members.insert(CallKey { abi: host_or_given, nr });
                return Ok(());
            }
            let mut known = false;
            for &abi in abis {
                if let Some(nr) = number(abi, value) {
                    members.insert(CallKey { abi, nr });
                    known = true;
                }
            }
            if !known && !may_be_unknown {
                return Err(FilterError::UnknownSyscall {
                    name: safe(value),
                    abi,
                    suggestions: suggest::nearest(value, abi),
                });
            }
        }
    }
    Ok(())
}

/// The number behind `syscall_470`, which is how tables show calls without a name.
fn unnamed_number(abi: Abi, value: &str) -> Option<i32> {
    value.starts_with("syscall_").then(|| number(abi, value)).flatten()
}

/// Takes `i386:` off the front or `@32` off the end.
fn split_abi(value: &str) -> Result<(Option<Abi>, &str), FilterError> {
    let unknown = |name: &str| FilterError::UnknownAbi { name: safe_text(name.as_bytes()) };
    if let Some((name, rest)) = value.split_once(':') {
        let abi = Abi::ALL.into_iter().find(|abi| abi.name() == name).ok_or_else(|| unknown(name))?;
        return Ok((Some(abi), rest));
    }
    if let Some((rest, personality)) = value.rsplit_once('@') {
        let abi = match personality {
            "64" => HOST_ABI,
            "32" => Abi::I386,
            "x32" => Abi::X32,
            _ => return Err(unknown(personality)),
        };
        return Ok((Some(abi), rest));
    }
    Ok((None, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracer_common::abi::X32_SYSCALL_BIT;
    use tracer_common::config::FILTERABLE;

    use super::*;
    use crate::syscalls::names;

    fn set(arguments: &[&str]) -> SyscallSet {
        let owned: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        SyscallSet::parse(&owned).expect("a valid filter")
    }

    fn error(argument: &str) -> FilterError {
        SyscallSet::parse(&[argument.to_owned()]).expect_err("an invalid filter")
    }

    /// The call of this name in this table.
    fn call(abi: Abi, name: &str) -> CallKey {
        CallKey { abi, nr: number(abi, name).expect("a known call") }
    }

    fn host(name: &str) -> CallKey {
        call(HOST_ABI, name)
    }

    /// Numbers with and without a name, in every table, around every limit.
    fn some_calls() -> impl Iterator<Item = CallKey> {
        let numbers = (-3..700).chain([i32::MIN, i32::MAX, 100_000, X32_SYSCALL_BIT, X32_SYSCALL_BIT + 514]);
        numbers.flat_map(|nr| Abi::ALL.map(|abi| CallKey { abi, nr }))
    }

    #[test]
    fn names_match_in_every_table() {
        let set = set(&["getpid,socketcall"]);
        for abi in Abi::ALL {
            assert!(set.contains(call(abi, "getpid")), "{abi:?}");
            assert!(!set.contains(call(abi, "gettid")), "{abi:?}");
        }
        assert!(set.contains(call(Abi::I386, "socketcall")));
        // 20 is getpid of i386 only.
        assert!(!set.contains(CallKey { abi: Abi::X86_64, nr: 20 }));
    }

    #[test]
    fn x32_numbers_match_with_and_without_their_bit() {
        let set = set(&["readv"]);
        assert!(set.contains(CallKey { abi: Abi::X32, nr: 515 }));
        assert!(set.contains(CallKey { abi: Abi::X32, nr: 515 + X32_SYSCALL_BIT }));
        assert!(!set.contains(CallKey { abi: Abi::X32, nr: 19 + X32_SYSCALL_BIT }));
    }

    #[test]
    fn a_table_can_be_named() {
        for text in ["i386:getpid", "getpid@32", "i386:20", "trace=i386:getpid", "i386:syscall_20"] {
            let set = set(&[text]);
            let wanted: Vec<CallKey> = some_calls().filter(|&call| set.contains(call)).collect();
            assert_eq!(wanted, [CallKey { abi: Abi::I386, nr: 20 }], "{text}");
        }
        let network = set(&["i386:%net"]);
        assert!(network.contains(call(Abi::I386, "socketcall")));
        assert!(!network.contains(call(Abi::X86_64, "connect")));
        let table = set(&["i386:all"]);
        assert!(table.contains(CallKey { abi: Abi::I386, nr: -1 }));
        assert!(!table.contains(CallKey { abi: Abi::X86_64, nr: -1 }));
    }

    #[test]
    fn classes_are_those_of_the_class_table() {
        for class in Class::ALL {
            for name in class.names() {
                let set = set(&[name]);
                for abi in Abi::ALL {
                    for (call, entry) in names::entries(abi) {
                        assert_eq!(set.contains(call), class.contains(entry.name), "{name} {}", entry.name);
                    }
                }
            }
        }
    }

    #[test]
    fn bare_numbers_are_the_hosts() {
        let set = set(&["39,-1,1000000,syscall_470"]);
        for nr in [39, -1, 1_000_000, 470] {
            assert!(set.contains(CallKey { abi: HOST_ABI, nr }), "{nr}");
            assert!(!set.contains(CallKey { abi: Abi::I386, nr }), "{nr}");
        }
        assert!(!set.contains(CallKey { abi: HOST_ABI, nr: 1_000_001 }));
    }

    #[test]
    fn an_exclamation_mark_negates_the_whole_argument() {
        for text in ["!%file,futex", "trace=!%file,futex", "t=!%file, futex"] {
            let set = set(&[text]);
            assert!(!set.contains(host("openat")), "{text}");
            assert!(!set.contains(host("futex")), "{text}");
            assert!(set.contains(host("read")), "{text}");
            assert!(set.contains(CallKey { abi: HOST_ABI, nr: -1 }), "unknown calls are not in %file");
        }
    }

    #[test]
    fn several_arguments_add_up_whatever_their_order() {
        for arguments in [["%desc", "read,futex", "!%file"], ["!%file", "read,futex", "%desc"]] {
            let set = set(&arguments);
            assert!(set.contains(host("futex")));
            assert!(set.contains(host("write")));
            assert!(!set.contains(host("openat")), "in %desc, but in %file too");
            assert!(!set.contains(host("getpid")));
        }
        let negative = set(&["!futex", "!read"]);
        assert!(!negative.contains(host("futex")) && !negative.contains(host("read")));
        assert!(negative.contains(host("write")));
    }

    #[test]
    fn all_and_none() {
        for arguments in
            [&["all"][..], &["!none"], &["all", "openat"], &["%file", "!%file", "all", "!none"], &[]]
        {
            let set = set(arguments);
            let expected = !arguments.contains(&"!%file");
            assert_eq!(set.is_all(), expected, "{arguments:?}");
            assert_eq!(some_calls().all(|call| set.contains(call)), expected, "{arguments:?}");
        }
        for arguments in
            [&["none"][..], &["!all"], &["openat", "!openat"], &["?no_such_call,?%no_such_class"]]
        {
            let set = set(arguments);
            assert!(!some_calls().any(|call| set.contains(call)), "{arguments:?}");
            assert_eq!(set.bitmap(), ([0; BITMAP_WORDS], false));
        }
    }

    #[test]
    fn is_all_is_not_fooled_by_a_call_beyond_the_tables() {
        assert!(!set(&["!1000000"]).is_all());
        assert!(set(&["!1000000", "all", "1000000"]).contains(host("read")));
        assert!(!set(&["all", "!1000000"]).contains(CallKey { abi: HOST_ABI, nr: 1_000_000 }));
    }

    #[test]
    fn unknown_names_come_with_suggestions() {
        let FilterError::UnknownSyscall { suggestions, .. } = error("opneat") else { panic!("the kind") };
        assert_eq!(suggestions, ["openat", "openat2"]);
        let message = error("read,sendfle").to_string();
        assert_eq!(
            message,
            "error: unknown syscall \"sendfle\" in the filter\nwhy: no syscall table has this name\n\
             next: did you mean sendfile?"
        );
        assert!(error("net").to_string().contains("%net"), "{}", error("net"));
        assert!(error("file").to_string().contains("%file"), "{}", error("file"));
        assert_eq!(
            error("x86_64:socketcall"),
            FilterError::UnknownSyscall {
                name: "socketcall".to_owned(),
                abi: Some(Abi::X86_64),
                suggestions: vec!["i386:socketcall".to_owned()],
            }
        );
        let FilterError::UnknownSyscall { suggestions, .. } = error("zzzzzzzzzz") else { panic!("the kind") };
        assert_eq!(suggestions, [""; 0]);
    }

    #[test]
    fn other_mistakes_are_told_apart() {
        for empty in ["", " ", ",", "read,", "trace=", "!", "read,,write"] {
            assert!(matches!(error(empty), FilterError::Empty { .. }), "{empty:?}");
        }
        assert!(error("%files").to_string().contains("%network = %net"), "{}", error("%files"));
        assert!(matches!(error("/^open"), FilterError::Regex { .. }));
        assert!(matches!(error("read,!write"), FilterError::NegatedItem { .. }));
        assert!(matches!(error("arm:read"), FilterError::UnknownAbi { .. }));
        assert!(matches!(error("read@16"), FilterError::UnknownAbi { .. }));
        assert!(matches!(error("99999999999"), FilterError::UnknownSyscall { .. }));
        for kind in ["", "%files", "/^open", "read,!write", "arm:read", "nosuch"] {
            assert_eq!(error(kind).to_string().lines().count(), 3, "what, why, what next: {kind:?}");
        }
    }

    #[test]
    fn hostile_text_does_not_reach_the_terminal() {
        for text in ["\x1b[2Jread", "%\x1b]0;x\x07", "\u{202e}:read", "/\x1b", "read,!\x1b", "\x1b,"] {
            let message = error(text).to_string();
            assert!(!message.contains(['\x1b', '\x07', '\u{202e}']), "{message:?}");
        }
        assert_eq!(set(&["?\x1bread"]).to_string(), "?\\x1bread");
    }

    #[test]
    fn is_shown_as_it_was_given() {
        assert_eq!(set(&["trace=openat, %file", "!futex"]).to_string(), "openat,%file !futex");
        assert_eq!(set(&[]).to_string(), "all");
    }

    fn any_item() -> impl Strategy<Value = String> {
        let names: Vec<&str> =
            Abi::ALL.into_iter().flat_map(names::entries).map(|(_, entry)| entry.name).collect();
        let classes: Vec<&str> = Class::ALL.iter().flat_map(|class| class.names()).copied().collect();
        let abi = prop_oneof![
            Just(String::new()),
            (0..4_usize).prop_map(|index| Abi::ALL[index].name().to_owned() + ":")
        ];
        prop_oneof![
            4 => proptest::sample::select(names).prop_map(str::to_owned),
            2 => (abi.clone(), proptest::sample::select(classes)).prop_map(|(abi, class)| abi + class),
            2 => (abi.clone(), -2..800_i32).prop_map(|(abi, nr)| format!("{abi}{nr}")),
            1 => abi.prop_map(|abi| abi + "all"),
            1 => Just("none".to_owned()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn negation_is_complement(items in proptest::collection::vec(any_item(), 1..6)) {
            let (plain, negated) = (set(&[&items.join(",")]), set(&[&format!("!{}", items.join(","))]));
            for call in some_calls() {
                prop_assert_ne!(plain.contains(call), negated.contains(call), "{:?}", call);
            }
        }

        #[test]
        fn arguments_are_united_and_subtracted(
            wanted in proptest::collection::vec(any_item(), 1..4),
            unwanted in proptest::collection::vec(any_item(), 1..4),
        ) {
            let negated: Vec<String> = unwanted.iter().map(|item| format!("!{item}")).collect();
            let arguments: Vec<&str> = wanted.iter().chain(&negated).map(String::as_str).collect();
            let both = set(&arguments);
            let of = |items: &[String]| items.iter().map(|item| set(&[item])).collect::<Vec<_>>();
            let (wanted, unwanted) = (of(&wanted), of(&unwanted));
            for call in some_calls() {
                let expected = wanted.iter().any(|set| set.contains(call))
                    && !unwanted.iter().any(|set| set.contains(call));
                prop_assert_eq!(both.contains(call), expected, "{:?}", call);
            }
        }

        #[test]
        fn the_bitmap_agrees(items in proptest::collection::vec(any_item(), 1..6), negate: bool) {
            let set = set(&[&format!("{}{}", if negate { "!" } else { "" }, items.join(","))]);
            let (words, unknown_wanted) = set.bitmap();
            for call in some_calls() {
                match bitmap_position(call.abi, call.nr) {
                    Some((word, bit)) => prop_assert_eq!(words[word] & bit != 0, set.contains(call), "{:?}", call),
                    None => prop_assert!(unknown_wanted || !set.contains(call), "{:?} is missed", call),
                }
            }
            let missing = |nr| Abi::ALL.into_iter().any(|abi| set.contains(CallKey { abi, nr }));
            if (-2..800).filter(|&nr| nr < 0 || nr >= FILTERABLE as i32).all(|nr| !missing(nr)) {
                prop_assert!(!unknown_wanted, "nothing outside the bitmap is in the set");
            }
        }
    }
}
