//! What can be wrong with a filter, and what to do about it.

use tracer_common::abi::Abi;

use crate::syscalls::Class;

/// What is wrong with a filter. Text of the user is made safe to print before it gets here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// An argument without items, or an item without text.
    #[error(
        "error: empty item in the syscall filter \"{argument}\"\n\
         why: names, numbers and classes are separated by one comma\n\
         next: write them like this: openat,%net"
    )]
    Empty {
        /// The argument.
        argument: String,
    },
    /// A name that no table has, or not the table it was narrowed to.
    #[error(
        "error: unknown syscall \"{name}\" in the filter\nwhy: {}\nnext: {}",
        where_it_is_missing(*.abi),
        what_to_write(.name, .suggestions)
    )]
    UnknownSyscall {
        /// The name.
        name: String,
        /// The table it was narrowed to.
        abi: Option<Abi>,
        /// Up to three items that are spelled almost the same, nearest first.
        suggestions: Vec<String>,
    },
    /// A `%` without one of the known classes behind it.
    #[error(
        "error: unknown syscall class \"{name}\" in the filter\n\
         why: the classes are those of strace\n\
         next: choose from {}",
        Class::ALL.map(|class| class.names().join(" = ")).join(", ")
    )]
    UnknownClass {
        /// The class, with its percent sign.
        name: String,
    },
    /// A table that is none of ours.
    #[error(
        "error: unknown ABI \"{name}\" in the filter\n\
         why: what stands before \":\" or behind \"@\" names a syscall table\n\
         next: choose from {} (or @64, @32, @x32)",
        Abi::ALL.map(|abi| format!("{}:", abi.name())).join(", ")
    )]
    UnknownAbi {
        /// The ABI.
        name: String,
    },
    /// A regular expression.
    #[error(
        "error: \"{item}\" in the filter is a regular expression\n\
         why: strace knows them, this filter does not\n\
         next: list the names, or use a class such as %file"
    )]
    Regex {
        /// The item.
        item: String,
    },
    /// A `!` that does not begin the argument.
    #[error(
        "error: \"{item}\" in the filter is negated alone\n\
         why: \"!\" negates all items of its -e together and stands before the first\n\
         next: give what to leave out in a -e of its own: -e '{item}'"
    )]
    NegatedItem {
        /// The item, with its exclamation mark.
        item: String,
    },
}

fn where_it_is_missing(abi: Option<Abi>) -> String {
    match abi {
        Some(abi) => format!("the {} table has no call of this name", abi.name()),
        None => "no syscall table has this name".to_owned(),
    }
}

fn what_to_write(name: &str, suggestions: &[String]) -> String {
    match suggestions {
        [] => format!("write the number of a call that has no name, or ?{name} to pass over it"),
        [only] => format!("did you mean {only}?"),
        [most @ .., last] => format!("did you mean {} or {last}?", most.join(", ")),
    }
}
