//! `tracer completions` and `tracer man`: both are made from the definitions of the command line, so they
//! cannot disagree with it.

use std::io::{self, Write as _};

use anyhow::{Result, bail};
use clap::CommandFactory as _;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::shell::{CompletionsOptions, ManOptions};
use crate::cli::{Cli, exit_status};
use crate::commands::session::reader_is_there;
use crate::config;
use crate::tui::manual;

/// Prints the script.
pub(super) fn completions(options: &CompletionsOptions) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "tracer", &mut script);
    reader_is_there(io::stdout().write_all(&script))?;
    Ok(exit_status::FINE)
}

/// Prints the page as roff, for `man -l -` or a file.
pub(super) fn man(options: &ManOptions) -> Result<u8> {
    let mut all = Cli::command();
    all.build();
    let command = match &options.verb {
        None => Some(all.clone()),
        Some(verb) => all.find_subcommand(verb).cloned(),
    };
    let Some(command) = command else {
        let verbs: Vec<&str> = all.get_subcommands().map(clap::Command::get_name).collect();
        let verb = options.verb.as_deref().unwrap_or_default();
        bail!(
            "error: there is no verb '{}'\nwhy: the verbs are {}\nnext: `tracer man` is about all of them",
            crate::human::safe_text(verb.as_bytes()),
            verbs.join(", ")
        );
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    if options.verb.as_deref().is_none_or(|verb| ["top", "replay", "demo"].contains(&verb)) {
        screen().to_writer(&mut page)?;
    }
    reader_is_there(io::stdout().write_all(&page))?;
    Ok(exit_status::FINE)
}

/// What the screen adds to a page: its keys, its filter, its settings.
fn screen() -> Roff {
    let mut page = Roff::new();
    for section in manual::sections() {
        page.control("SH", [section.title.to_uppercase().as_str()]);
        for (key, meaning) in section.lines {
            page.control("TP", []).text([bold(key)]).text([roman(meaning)]);
        }
    }
    page.control("SH", ["FILES"]).control("TP", []).text([bold("$XDG_CONFIG_HOME/tracer/config.toml")]).text([roman(
        format!(
            "Defaults of options, one a line, as in theme = \"light\": {}. Without the variable it is in ~/.config; under sudo in the \
             home directory of the user who called it. An option wins over its variable (TRACER_THEME), and that over the file.",
            config::KEYS.join(", ")
        ),
    )]);
    page
}
