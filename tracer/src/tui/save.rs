//! What is on the screen as a file: text, JSON or Markdown. All rows, whatever the terminal has room for, and all that is
//! known of what their calls failed on.

mod failed_on;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::{Map, Value, json};

use self::failed_on::FailedOn;
use super::model::{Model, Overlay};
use super::view;
use crate::columns::{self, Scope, SortKey};
use crate::human::{duration, safe_text};
use crate::recorder::Created;
use crate::report::markdown::escaped;
use crate::trust;

/// Least width of a saved screen: all columns have room.
const WIDTH: u16 = 160;

/// Most rows that are saved.
const MOST_ROWS: usize = 10_000;

/// Lines around the rows.
const AROUND: usize = 24;

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The screen as it is.
    Text,
    /// One object.
    Json,
    /// A heading, facts and a table.
    Markdown,
}

impl Format {
    /// Every format.
    pub(crate) const ALL: [Self; 3] = [Self::Text, Self::Json, Self::Markdown];

    /// Its name in the menu, and what it is.
    pub(crate) const fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text", "the screen as it is, with all rows"),
            Self::Json => ("json", "an object with the figures of each row, times in ns"),
            Self::Markdown => ("markdown", "a table to paste into a report"),
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Markdown => "md",
        }
    }
}

/// Writes the screen to a new file in `directory`, mode 0600, and says in one line where it is or why it is nowhere.
pub(crate) fn save(model: &Model, format: Format, now: Timestamp, directory: &Path) -> String {
    let host: String = model
        .run
        .host
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' })
        .collect();
    let time = now.strftime("%Y%m%dT%H%M%SZ");
    let path = directory.join(format!("tracer-{host}-{time}.{}", format.extension()));
    let shown = safe_text(path.as_os_str().as_encoded_bytes());
    let written =
        Created::new(&path, false, || {}).map_err(|error| error.why().to_owned()).and_then(|created| {
            let mut file = &created.file;
            file.write_all(content(model, format, now).as_bytes()).map_err(|error: io::Error| {
                created.remove();
                error.to_string()
            })
        });
    match written {
        Ok(()) => format!("written to {shown}"),
        Err(why) => format!("not written to {shown}: {why}"),
    }
}

/// What is written.
pub(crate) fn content(model: &Model, format: Format, now: Timestamp) -> String {
    match format {
        Format::Text => {
            let mut lines = text(model);
            let failed = failed_on(model);
            if !failed.is_empty() {
                lines.extend([String::new(), failed_on::HEADING.to_owned()]);
            }
            for errno in &failed {
                lines.push(format!("  {}", errno.subject()));
                lines.extend(errno.examples().map(|(times, on)| format!("    {times:>8} {on}")));
            }
            lines.join("\n") + "\n"
        }
        Format::Json => format!("{:#}\n", object(model, now)),
        Format::Markdown => markdown(model, now),
    }
}

/// The screen drawn with room for everything, without the line of keys.
fn text(model: &Model) -> Vec<String> {
    let mut model = model.clone();
    // The menu in which this was chosen is not meant.
    if matches!(model.overlay, Some(Overlay::SaveMenu(_))) {
        model.overlay = None;
    }
    let lines = AROUND.max(usize::from(model.size.1)) + model.rows.entries.len().min(MOST_ROWS);
    model.size = (model.size.0.max(WIDTH), lines as u16);
    model.scroll_to(0);
    let area = Rect::new(0, 0, model.size.0, model.size.1);
    let mut buffer = Buffer::empty(area);
    view::draw_into(&model, area, &mut buffer);
    let mut lines: Vec<String> = buffer
        .content
        .chunks(usize::from(area.width))
        .map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned())
        .collect();
    lines.pop();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// What is true of all formats: name and value.
fn facts(model: &Model, now: Timestamp) -> Vec<(&'static str, String)> {
    let words = |text: &str| safe_text(text.as_bytes());
    let trusted: Vec<String> = trust::words(model.ledger()).into_iter().map(|word| word.short).collect();
    let mut facts = vec![
        ("host", words(&model.run.host)),
        ("target", words(&model.run.target)),
        ("written", now.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
        ("screen", model.path().map(|screen| model.name_of(screen)).collect::<Vec<_>>().join(" > ")),
        ("figures", span_words(model)),
        ("ledger", trusted.join(", ")),
    ];
    if !model.filter.text().is_empty() {
        facts.push(("filter", words(model.filter.text())));
    }
    if let Some(only) = &model.run.filter {
        facts.push(("only", words(only)));
    }
    facts
}

/// What the figures are counted over.
fn span_words(model: &Model) -> String {
    let since = if model.counts_from_zero() { "since zero" } else { "since start" };
    match model.scope {
        Scope::Interval => format!("last {}, latency {since}", duration(model.shown.recent_ns)),
        Scope::Total => since.to_owned(),
    }
}

fn findings(model: &Model) -> Vec<String> {
    let findings = match model.scope {
        Scope::Interval => &model.shown.findings.now,
        Scope::Total => &model.shown.findings.run,
    };
    let end_ns = model.shown.end_ns;
    findings.iter().map(|finding| format!("{}: {}", finding.subject(), finding.sentence(end_ns))).collect()
}

/// The rows that are written.
fn rows(model: &Model) -> impl Iterator<Item = columns::Row<'_>> {
    model.rows.entries.iter().take(MOST_ROWS).filter_map(|&entry| model.row(entry))
}

/// What their calls failed on.
fn failed_on(model: &Model) -> Vec<FailedOn<'_>> {
    rows(model).flat_map(FailedOn::of_row).collect()
}

fn object(model: &Model, now: Timestamp) -> Value {
    let context = model.context();
    let columns = model.columns();
    let rows: Vec<Value> = rows(model)
        .map(|row| {
            let figures = columns.iter().filter(|column| column.is_in(model.scope)).map(|column| {
                let value = match (column.key)(row, &context) {
                    SortKey::Text(text) => json!(safe_text(text.as_bytes())),
                    // What has no figure sorts below all that have one.
                    SortKey::Number(number) if number < 0.0 => Value::Null,
                    SortKey::Number(number) if number.fract() == 0.0 => json!(number as u64),
                    SortKey::Number(number) => json!(number),
                };
                (column.id.to_owned(), value)
            });
            Value::Object(figures.collect::<Map<_, _>>())
        })
        .collect();
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("screen"));
    object.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    object.extend(facts(model, now).into_iter().map(|(name, value)| (name.to_owned(), json!(value))));
    object.insert("findings".to_owned(), json!(findings(model)));
    object.insert("rows".to_owned(), Value::Array(rows));
    let failed: Vec<Value> = failed_on(model).iter().map(FailedOn::object).collect();
    if !failed.is_empty() {
        object.insert("failed_on".to_owned(), Value::Array(failed));
    }
    object.insert("lines".to_owned(), json!(text(model)));
    Value::Object(object)
}

fn markdown(model: &Model, now: Timestamp) -> String {
    let mut page = "# tracer\n\n".to_owned();
    for (name, value) in facts(model, now) {
        let _ = writeln!(page, "- {name}: {}", escaped(&value));
    }
    let findings = findings(model);
    if !findings.is_empty() {
        page += "\n**What stands out**\n\n";
        page.extend(findings.iter().map(|finding| format!("- {}\n", escaped(finding))));
    }
    page.push('\n');
    let columns: Vec<_> = model.columns().iter().filter(|column| column.is_in(model.scope)).collect();
    if model.screen().is_page() || columns.is_empty() {
        let lines = text(model).join("\n");
        let fence = fence(&lines);
        let _ = write!(page, "{fence}\n{lines}\n{fence}\n");
        write_failed_on(&mut page, model);
        return page;
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    page += &line(columns.iter().map(|column| column.title.to_owned()).collect());
    let rule = |column: &&columns::Column| if column.align == columns::Align::Left { "---" } else { "---:" };
    page += &line(columns.iter().map(|column| rule(column).to_owned()).collect());
    let context = model.context();
    for row in rows(model) {
        page += &line(columns.iter().map(|column| escaped(&(column.text)(row, &context))).collect());
    }
    write_failed_on(&mut page, model);
    page
}

fn write_failed_on(page: &mut String, model: &Model) {
    let failed = failed_on(model);
    if !failed.is_empty() {
        let _ = write!(page, "\n**{}**\n\n", failed_on::HEADING);
    }
    for errno in &failed {
        let _ = writeln!(page, "- {}", escaped(&errno.subject()));
        page.extend(
            errno.examples().map(|(times, on)| format!("  - {} {}\n", escaped(&times), escaped(&on))),
        );
    }
}

/// A fence that is longer than any row of backticks between.
fn fence(lines: &str) -> String {
    let longest = lines.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(3.max(longest + 1))
}
