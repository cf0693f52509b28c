//! Lines about errnos, with what calls failed on.

use std::borrow::Cow;

use serde::Serialize;

use super::{Subject, Total};
use crate::arguments;
use crate::interval::{CallKey, Example};
use crate::syscalls;

/// Failed calls with one errno.
#[derive(Serialize)]
pub(super) struct ErrnoLine<'a> {
    #[serde(flatten)]
    pub(super) subject: Option<Subject<'a>>,
    /// Instead of a subject, where the line is about all calls.
    #[serde(flatten)]
    pub(super) total: Option<Total>,
    pub(super) errno: Cow<'static, str>,
    pub(super) count: u64,
    /// What they failed on, as far as it was read, the most frequent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) examples: Vec<ExampleLine>,
}

/// A path or an address that calls failed on.
#[derive(Serialize)]
pub(crate) struct ExampleLine {
    /// Where the line is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    syscall: Option<String>,
    on: String,
    at_least: u64,
}

impl ExampleLine {
    /// Those of one syscall.
    pub(crate) fn all(call: CallKey, examples: &[Example]) -> Vec<Self> {
        examples.iter().map(|example| Self { syscall: None, ..Self::of(call, example) }).collect()
    }

    /// Among those of several syscalls.
    pub(super) fn of(call: CallKey, example: &Example) -> Self {
        Self {
            syscall: Some(syscalls::name(call).into_owned()),
            on: arguments::plain(call, example),
            at_least: example.at_least(),
        }
    }
}
