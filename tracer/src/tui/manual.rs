//! The keys and the filter as a manual: made from the tables that the screen itself uses.

use std::fmt::Write as _;

use super::filter;
use super::keys::{self, Mode};
use crate::run::Origin;

/// A part of the manual: what is typed or pressed, and what it does.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its title.
    pub title: &'static str,
    /// Key and meaning.
    pub lines: Vec<(&'static str, String)>,
}

/// A binding in one of the places where it works, for whoever presses every key.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Title of the place, as in [`sections`].
    pub place: &'static str,
    /// What a terminal sends for each of its keys.
    pub typed: Vec<String>,
    /// What it does.
    pub help: &'static str,
    /// The command, as it is named in the code.
    pub command: String,
    /// Why pressing it may leave the screen as it is; `None` where something is always to be seen.
    pub unseen: Option<&'static str>,
}

/// Every binding that works with figures of this origin, once for each place.
pub fn bound(origin: Origin) -> Vec<Bound> {
    let of_place = |(mode, place): (Mode, &'static str)| {
        keys::bindings(mode, origin).map(move |binding| Bound {
            place,
            typed: binding.keys.iter().map(|key| key.typed()).collect(),
            help: binding.help,
            command: format!("{:?}", binding.command),
            unseen: keys::why_unseen(binding.command),
        })
    };
    MODES.into_iter().flat_map(of_place).collect()
}

const MODES: [(Mode, &str); 7] = [
    (Mode::Table, "On a table"),
    (Mode::Detail, "On one syscall, and on other pages"),
    (Mode::Filter, "While the filter is typed"),
    (Mode::Jump, "While a moment is typed"),
    (Mode::SortMenu, "In the menu of columns"),
    (Mode::SaveMenu, "In the menu of formats"),
    (Mode::Help, "In the help"),
];

/// Everything that can be pressed, then everything that a filter can be.
pub fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = MODES
        .into_iter()
        .map(|(mode, title)| {
            let bindings = keys::all().filter(|binding| binding.modes.contains(&mode));
            let lines = bindings.map(|binding| {
                let only = match binding.origins {
                    [Origin::Live] => " (live)",
                    [Origin::Replay] => " (replay)",
                    _ => "",
                };
                (binding.label, format!("{}{only}", binding.help))
            });
            Section { title, lines: lines.collect() }
        })
        .collect();
    let words = filter::LANGUAGE.map(|(word, meaning)| (word, meaning.to_owned()));
    sections.push(Section { title: "Words of the filter", lines: words.into() });
    sections
}

/// The manual as Markdown: `docs/KEYS.md`.
pub fn markdown() -> String {
    let mut page = "# Keys of the screen\n\nMade from the table of keys by `cargo run -p tracer --example keys > docs/KEYS.md`.\n\
                    On the screen, `?` lists those that work where one is.\n"
        .to_owned();
    for section in sections() {
        let _ = write!(page, "\n## {}\n\n| | |\n|---|---|\n", section.title);
        for (key, meaning) in section.lines {
            let keys: Vec<String> = match section.title {
                "Words of the filter" => vec![code(key)],
                _ => key.split(' ').map(code).collect(),
            };
            let _ = writeln!(
                page,
                "| {} | {} |",
                keys.join(" "),
                meaning.replace('|', "\\|").replace('<', "\\<")
            );
        }
    }
    page
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_made_from_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/KEYS.md");
        let page = std::fs::read_to_string(path).expect("docs/KEYS.md");
        assert_eq!(page, markdown(), "cargo run -p tracer --example keys > docs/KEYS.md");
    }

    #[test]
    fn every_binding_is_in_the_manual() {
        let listed: usize = sections().iter().map(|section| section.lines.len()).sum();
        let bound: usize = keys::all().map(|binding| binding.modes.len()).sum();
        assert_eq!(listed, bound + filter::LANGUAGE.len());
    }
}
