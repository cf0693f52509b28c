//! How the screen looks and listens, on the command line of every verb that has one.

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use crate::config::{MouseChoice, ThemeChoice};

/// Options of the screen, as given.
#[derive(Clone, Copy, Debug, Args)]
pub struct ScreenOptions {
    /// Colours of the screen; `NO_COLOR` in the environment means `mono`
    #[arg(
        long,
        value_name = "THEME",
        env = "TRACER_THEME",
        hide_env_values = true,
        default_value = "default",
        value_enum,
        help_heading = "Screen"
    )]
    pub theme: ThemeChoice,

    /// Whether a click selects a row, or text as in any terminal; `auto`: a row, but text over ssh
    #[arg(
        long,
        value_name = "WHEN",
        env = "TRACER_MOUSE",
        hide_env_values = true,
        default_value = "auto",
        value_enum,
        help_heading = "Screen"
    )]
    pub mouse: MouseChoice,

    /// Draw with ASCII alone, as where the locale has no UTF-8
    #[arg(
        long,
        env = "TRACER_ASCII",
        hide_env_values = true,
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new(),
        help_heading = "Screen"
    )]
    pub ascii: bool,
}
