//! How the screen looks and listens.

use crate::by_file::OnBy;
use crate::cli::screen::ScreenOptions;

/// Colours of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ThemeChoice {
    /// Blue and orange on a dark ground.
    #[default]
    Default,
    /// Blue and orange on a light ground.
    Light,
    /// Brighter, and nothing dimmed.
    HighContrast,
    /// No colour.
    Mono,
}

/// Whether the mouse is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum MouseChoice {
    /// Unless we run over ssh, where selecting text matters more.
    #[default]
    Auto,
    /// Yes.
    On,
    /// No: the terminal selects text with it.
    Off,
}

/// What is asked of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScreenSettings {
    /// Colours.
    pub theme: ThemeChoice,
    /// Mouse.
    pub mouse: MouseChoice,
    /// ASCII alone.
    pub ascii: bool,
    /// Shows at first what calls are on, taken together by this.
    pub on_by: Option<OnBy>,
}

impl From<ScreenOptions> for ScreenSettings {
    fn from(options: ScreenOptions) -> Self {
        Self { theme: options.theme, mouse: options.mouse, ascii: options.ascii, on_by: None }
    }
}
