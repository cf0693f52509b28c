//! The configuration file: defaults for options, under the names that they have on the command line.
//!
//! ```toml
//! theme = "light"
//! mouse = "off"
//! ascii = false
//! interval = "500ms"
//! program-family = "classic"
//! ring-bytes = "4M"
//! ```
//!
//! An option given on the command line wins over its variable (`TRACER_THEME`), and that over the file.

use clap::Command;
use thiserror::Error;
use toml::Value;

use crate::human::safe_text;

/// Options that the file may hold.
pub const KEYS: [&str; 6] = ["theme", "mouse", "ascii", "interval", "program-family", "ring-bytes"];

/// Defaults of options by their long name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults(Vec<(&'static str, String)>);

/// A file that cannot be used. Its content is not repeated: it could be any file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FileError {
    /// Not TOML.
    #[error("line {line}: {what}")]
    Syntax {
        /// Line, from 1 on.
        line: usize,
        /// What is wrong, without the text itself.
        what: String,
    },
    /// A key that is none.
    #[error("'{0}' is no setting; there are {list}", list = KEYS.join(", "))]
    Key(String),
    /// A value that the option does not take.
    #[error("{0}: not a value that --{0} takes; `tracer --help` lists them")]
    Value(&'static str),
}

impl Defaults {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| FileError::Syntax {
            line: error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1)),
            what: safe_text(error.message().as_bytes()),
        })?;
        let mut defaults = Vec::new();
        for (name, value) in table {
            let Some(key) = KEYS.into_iter().find(|&key| key == name) else {
                return Err(FileError::Key(safe_text(name.as_bytes())));
            };
            let text = match value {
                Value::String(text) => text,
                Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => value.to_string(),
                _ => return Err(FileError::Value(key)),
            };
            defaults.push((key, text));
        }
        Ok(Self(defaults))
    }

    /// Gives them to a command line and the verbs in it. Values that an option does not take are refused.
    pub fn apply(&self, command: Command) -> Result<Command, FileError> {
        for (key, value) in &self.0 {
            let word = if *key == "ascii" { format!("--{key}") } else { format!("--{key}={value}") };
            let is_fine = if *key == "ascii" {
                value.parse::<bool>().is_ok()
            } else {
                command.clone().try_get_matches_from(["tracer".to_owned(), word]).is_ok()
            };
            if !is_fine {
                return Err(FileError::Value(key));
            }
        }
        let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        let mut command = self.apply_to(command);
        for verb in verbs {
            command = command.mut_subcommand(verb, |verb| self.apply_to(verb));
        }
        Ok(command)
    }

    fn apply_to(&self, command: Command) -> Command {
        command.mut_args(|arg| {
            let value = arg.get_long().and_then(|long| self.0.iter().find(|default| default.0 == long));
            match value {
                // clap keeps defaults as long as the program runs.
                Some((_, value)) => arg.default_value(&*value.clone().leak()),
                None => arg,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Verb};
    use crate::config::{MouseChoice, ThemeChoice};
    use std::time::Duration;

    fn top(file: &str, line: &[&str]) -> crate::cli::top::TopOptions {
        let defaults = Defaults::parse(file).expect("a good file");
        let line = [&["tracer"], line].concat();
        match Cli::read_with(line, &defaults).expect("good settings").expect("a command line").into_verb() {
            Verb::Top(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_file_gives_defaults_and_the_command_line_wins() {
        let file =
            "theme = \"light\"\nmouse = \"off\"\nascii = true\ninterval = \"500ms\"\nring-bytes = 65536\n";
        for verb in [&[][..], &["top"]] {
            let options = top(file, verb);
            assert_eq!((options.screen.theme, options.screen.mouse), (ThemeChoice::Light, MouseChoice::Off));
            assert!(options.screen.ascii);
            assert_eq!(options.target.interval, Duration::from_millis(500));
            assert_eq!(options.kernel.ring_bytes, Some(65536));
        }
        let options = top(file, &["--theme", "mono", "-i", "2s"]);
        assert_eq!((options.screen.theme, options.screen.mouse), (ThemeChoice::Mono, MouseChoice::Off));
        assert_eq!(options.target.interval, Duration::from_secs(2));
        assert_eq!(top("", &[]).screen.theme, ThemeChoice::Default);
        assert!(!top("ascii = false", &[]).screen.ascii);
    }

    #[test]
    fn what_is_wrong_is_named_and_the_text_is_not_repeated() {
        let refusal = |text: &str| match Defaults::parse(text) {
            Err(error) => error.to_string(),
            Ok(defaults) => match Cli::read_with(["tracer"], &defaults) {
                Err(error) => error.to_string(),
                Ok(_) => panic!("{text} is taken"),
            },
        };
        assert!(refusal("theme = \"pink\"").starts_with("theme: not a value that --theme takes"));
        assert!(refusal("interval = \"1ms\"").starts_with("interval: "));
        assert!(refusal("ascii = \"perhaps\"").starts_with("ascii: "));
        assert!(refusal("colour = 1").starts_with("'colour' is no setting; there are theme, mouse"));
        assert!(refusal("theme = [1]").starts_with("theme: "));
        let text = refusal("a = 1\nroot:secret:1\n");
        assert!(text.starts_with("line 2: ") && !text.contains("secret"), "{text}");
        assert!(!refusal("\u{1b}[2J").contains('\u{1b}'));
    }
}
