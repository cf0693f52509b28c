//! What is copied: the selected row as words, or the command line that shows the same.

use super::model::{Model, Screen, Subject};
use crate::by_file::FileRow;
use crate::columns::Row;
use crate::process::Comm;
use crate::snapshot::{CallRow, ErrnoRow, ProcessRow};
use crate::syscalls;
use crate::tui::rows::ProcessKey;

/// Calls that a command line names.
const MOST_CALLS: usize = 8;

/// The selected row, or the call that is open, as `COMM postgres, CALLS/s 4,210, …`.
pub(crate) fn row_words(model: &Model) -> Option<String> {
    let selected = model.selected().and_then(|entry| model.row(entry));
    let row = match model.screen() {
        Screen::Call(..) => Row::Call(model.call()?),
        _ => selected?,
    };
    let context = model.context();
    let words: Vec<String> = model
        .columns()
        .iter()
        .filter(|column| column.is_in(model.scope))
        .map(|column| (column.title, (column.text)(row, &context)))
        .filter(|(_, text)| !text.is_empty())
        .map(|(title, text)| format!("{title} {text}"))
        .collect();
    Some(words.join(", "))
}

/// The command line that traces what is selected or open: `sudo tracer -p 1841 -e fsync`.
pub(crate) fn command_line(model: &Model) -> Option<String> {
    let selected = model.selected().and_then(|entry| model.row(entry));
    let mut command = "sudo tracer".to_owned();
    match (model.screen(), selected) {
        (Screen::Call(subject, _), _) => {
            command += &whose(model, subject);
            command += &which(model.call()?);
        }
        (Screen::Calls(subject), Some(Row::Call(call))) => {
            command += &whose(model, subject);
            command += &which(call);
        }
        (_, Some(Row::Process(process) | Row::Thread(process, _))) => command += &whose_row(process),
        (_, Some(Row::Error(process, call, ErrnoRow { .. }))) => {
            command += &whose_row(process);
            command += &which(call);
            command += " -x";
        }
        (_, Some(Row::Open(process, call, _) | Row::Use(process, call, _))) => {
            command += &whose_row(process);
            command += &which(call);
        }
        (Screen::Files(subject), Some(Row::File(file))) => {
            command += &match subject {
                Subject::All => whose_file(model, file),
                Subject::One(..) => whose(model, subject),
            };
            command += &which_on(file);
        }
        _ => return None,
    }
    Some(command)
}

fn whose(model: &Model, subject: Subject) -> String {
    let Subject::One(key, comm) = subject else { return String::new() };
    match model.shown.processes.iter().find(|process| ProcessKey::of(process) == key) {
        Some(process) => whose_row(process),
        None => target(key.pid(), comm),
    }
}

fn whose_row(process: &ProcessRow) -> String {
    match &process.who {
        // A row of a cgroup: its processes have many names.
        Some(who) if process.id.pid == 0 && process.comm.is_empty() && !who.cgroup.is_empty() => {
            format!(" --cgroup {}", quoted(who.cgroup.as_bytes()))
        }
        _ => target(process.id.pid, process.comm),
    }
}

fn target(pid: u32, comm: Comm) -> String {
    if pid == 0 { format!(" --comm {}", quoted(comm.as_bytes())) } else { format!(" -p {pid}") }
}

/// The process that makes all calls on a file, or all of one name; nothing where there are others.
fn whose_file(model: &Model, file: &FileRow) -> String {
    let mut processes: Vec<usize> = file.uses.iter().map(|&((process, _), _)| process).collect();
    processes.dedup();
    match (&processes[..], &file.comms[..]) {
        (&[process], _) => model.shown.processes.get(process).map_or_else(String::new, whose_row),
        (_, &[(comm, _)]) => target(0, comm),
        _ => String::new(),
    }
}

/// The calls on a file, where a command line has room for them.
fn which_on(file: &FileRow) -> String {
    let names: Vec<_> = file.calls.iter().map(|(call, _)| syscalls::name(*call)).collect();
    if names.len() > MOST_CALLS || names.iter().any(|name| name.ends_with("(others)")) {
        return String::new();
    }
    format!(" -e {}", quoted(names.join(",").as_bytes()))
}

/// Nothing for the sum of calls that have no name of their own: no option names them.
fn which(call: &CallRow) -> String {
    if call.name.ends_with("(others)") {
        String::new()
    } else {
        format!(" -e {}", quoted(call.name.as_bytes()))
    }
}

/// A word for a shell, in printable ASCII whatever is in it.
fn quoted(word: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+=./:,@%".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let escaped: String = word
        .iter()
        .map(|&byte| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("$'{escaped}'")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::who::Who;

    #[test]
    fn a_row_of_a_cgroup_is_traced_by_it() {
        let who = Who { cgroup: "/a b.slice/x.service".into(), ..Who::default() };
        let row = ProcessRow { who: Some(Arc::new(who)), ..ProcessRow::default() };
        assert_eq!(whose_row(&row), " --cgroup $'/a b.slice/x.service'");
        let unknown = ProcessRow { who: Some(Arc::default()), comm: Comm::new("a"), ..ProcessRow::default() };
        assert_eq!(whose_row(&unknown), " --comm a");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, typed) in [
            (&b"fsync"[..], "fsync"),
            (b"i386:getpid", "i386:getpid"),
            (b"Web Content", "$'Web Content'"),
            (b"it's", "$'it\\'s'"),
            (b"", "$''"),
            (b"x\x1b[2J\xff", "$'x\\x1b[2J\\xff'"),
        ] {
            assert_eq!(quoted(word), typed);
        }
    }
}
