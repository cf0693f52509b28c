//! What the calls of a row failed on, for each errno: on the screen there is room for the first of them, a file has all that
//! are known.

use serde_json::{Value, json};

use crate::arguments;
use crate::columns::{self, Row};
use crate::human;
use crate::report::json::ExampleLine;
use crate::snapshot::{CallRow, ErrnoRow, ProcessRow};
use crate::syscalls::errno;

/// What stands above them.
pub(super) const HEADING: &str = "What calls failed on";

/// One errno of one syscall, of which it is known what calls failed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedOn<'a> {
    /// Where the row says whose calls they are.
    process: Option<&'a ProcessRow>,
    call: &'a CallRow,
    errno: &'a ErrnoRow,
}

impl<'a> FailedOn<'a> {
    /// Those of a row: an error has one, a syscall one for each errno.
    pub(super) fn of_row(row: Row<'a>) -> Vec<Self> {
        let (process, call, errnos) = match row {
            Row::Error(process, call, errno) => (Some(process), call, std::slice::from_ref(errno)),
            Row::Call(call) => (None, call, &call.errnos[..]),
            _ => return Vec::new(),
        };
        let known = errnos.iter().filter(|errno| !errno.examples.is_empty());
        known.map(|errno| Self { process, call, errno }).collect()
    }

    /// `openat ENOENT 2,310x in nginx 977`.
    pub(super) fn subject(&self) -> String {
        let whose =
            self.process.map_or_else(String::new, |row| format!(" in {}", columns::process_label(row)));
        let Self { call, errno, .. } = self;
        format!("{} {} {}x{whose}", call.name, errno::name(errno.errno), human::count(errno.count))
    }

    /// How often, and on what; the most frequent first.
    pub(super) fn examples(&self) -> impl Iterator<Item = (String, String)> {
        let call = self.call.call;
        self.errno
            .examples
            .iter()
            .map(move |example| (arguments::times(example), arguments::readable(call, example)))
    }

    /// With the names that JSON Lines have.
    pub(super) fn object(&self) -> Value {
        let mut object = json!({
            "syscall": self.call.name,
            "errno": errno::name(self.errno.errno),
            "count": self.errno.count,
            "examples": ExampleLine::all(self.call.call, &self.errno.examples),
        });
        if let Some(process) = self.process {
            object["pid"] = json!(process.id.pid);
            object["comm"] = json!(process.comm.to_string());
        }
        object
    }
}
