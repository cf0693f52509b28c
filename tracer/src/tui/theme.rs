//! The only place with colours. Blue and orange, which nearly everybody can tell apart; every meaning also has
//! a word, a mark or a weight, so that the screen reads the same without any colour.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

/// Steps of a scale of heat.
pub(crate) const HEAT_STEPS: usize = 5;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    colours: Colours,
    utf8: bool,
}

/// How many colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    None,
    Sixteen,
    Indexed,
}

#[expect(clippy::unused_self, reason = "a theme may give any of them a colour; callers need not know")]
impl Theme {
    /// No colour.
    #[cfg(test)]
    pub(crate) const MONO: Self = Self { colours: Colours::None, utf8: true };

    /// What the environment says, through `variable` (`std::env::var`).
    pub(crate) fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let terminal = set("TERM").unwrap_or_default();
        // <https://no-color.org>: any value but an empty one.
        let colours = if set("NO_COLOR").is_some() || terminal == "dumb" {
            Colours::None
        } else if terminal.contains("256color") || set("COLORTERM").is_some() {
            Colours::Indexed
        } else {
            Colours::Sixteen
        };
        // The order in which setlocale(3) reads them.
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        Self { colours, utf8: locale.contains("utf-8") || locale.contains("utf8") }
    }

    fn colour(self, indexed: u8, basic: Color) -> Style {
        match self.colours {
            Colours::None => Style::new(),
            Colours::Sixteen => Style::new().fg(basic),
            Colours::Indexed => Style::new().fg(Color::Indexed(indexed)),
        }
    }

    /// Names and figures.
    pub(crate) fn plain(self) -> Style {
        Style::new()
    }

    /// What matters less.
    pub(crate) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Titles.
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is as it should be.
    pub(crate) fn good(self) -> Style {
        self.colour(75, Color::Cyan)
    }

    /// What the reader has to know.
    pub(crate) fn note(self) -> Style {
        self.colour(214, Color::Yellow)
    }

    /// What the reader must not overlook.
    pub(crate) fn alarm(self) -> Style {
        self.note().add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// A stuck row.
    pub(crate) fn stuck(self) -> Style {
        self.note().add_modifier(Modifier::BOLD)
    }

    /// Heads of columns.
    pub(crate) fn head(self) -> Style {
        Style::new().add_modifier(Modifier::UNDERLINED)
    }

    /// The selected row.
    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A step of heat, from 0 to `HEAT_STEPS - 1`.
    pub(crate) fn heat(self, step: usize) -> Style {
        const INDEXED: [u8; HEAT_STEPS] = [24, 31, 75, 179, 214];
        const BASIC: [Color; HEAT_STEPS] =
            [Color::Blue, Color::Blue, Color::Cyan, Color::Yellow, Color::LightYellow];
        let step = step.min(HEAT_STEPS - 1);
        self.colour(INDEXED[step], BASIC[step])
    }

    /// Rewrites what was drawn in characters that any terminal has.
    pub(crate) fn restrict(self, buffer: &mut Buffer) {
        if self.utf8 {
            return;
        }
        for cell in &mut buffer.content {
            if !cell.symbol().is_ascii() {
                let plain = match cell.symbol() {
                    "µ" => 'u',
                    "▲" => '^',
                    "▼" => 'v',
                    "…" => '~',
                    "≥" => '>',
                    "┃" => '|',
                    "▁" => '_',
                    "▂" | "░" => '.',
                    "▃" => ':',
                    "▄" | "·" => '-',
                    "▅" => '=',
                    "▆" => '+',
                    "▇" => '*',
                    "▀" => '"',
                    "▒" => 'o',
                    "▓" => '@',
                    "█" | "▉" | "▊" | "▋" | "▌" | "▍" | "▎" | "▏" => '#',
                    _ => '?',
                };
                cell.set_char(plain);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Theme {
        /// No colour and no character beyond ASCII.
        pub(crate) const ASCII: Self = Self { colours: Colours::None, utf8: false };
    }

    fn detect(pairs: &[(&str, &str)]) -> Theme {
        Theme::detect(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    #[test]
    fn the_environment_decides() {
        assert_eq!(detect(&[("NO_COLOR", "1"), ("LANG", "en_GB.UTF-8")]), Theme::MONO);
        assert_eq!(detect(&[("NO_COLOR", ""), ("TERM", "linux")]).colours, Colours::Sixteen);
        assert_eq!(detect(&[("TERM", "xterm-256color")]).colours, Colours::Indexed);
        assert!(!detect(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]).utf8);
        assert!(detect(&[("LC_CTYPE", "C.utf8"), ("LANG", "C")]).utf8);
    }

    #[test]
    fn without_colour_no_style_has_one_and_warnings_still_stand_out() {
        let theme = Theme::MONO;
        for style in
            [theme.good(), theme.note(), theme.alarm(), theme.stuck(), theme.head(), theme.selected()]
        {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert_ne!(theme.alarm(), theme.plain());
        assert_ne!(theme.stuck(), theme.plain());
    }
}
