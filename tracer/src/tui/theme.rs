//! The only place with colours. Blue and orange, which nearly everybody can tell apart; every meaning also has
//! a word, a mark or a weight, so that the screen reads the same without any colour.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::config::{ScreenSettings, ThemeChoice};

/// Steps of a scale of heat.
pub(crate) const HEAT_STEPS: usize = 5;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    colours: Colours,
    palette: Palette,
    utf8: bool,
}

/// Which colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Palette {
    #[default]
    Dark,
    Light,
    HighContrast,
}

/// A colour in each palette: of 256 and of 16.
struct Ink([(u8, Color); 3]);

impl Ink {
    const GOOD: Self = Self([(75, Color::Cyan), (25, Color::Blue), (51, Color::LightCyan)]);
    const NOTE: Self = Self([(214, Color::Yellow), (130, Color::Magenta), (226, Color::LightYellow)]);
    const HEAT: [Self; HEAT_STEPS] = [
        Self([(24, Color::Blue), (110, Color::Cyan), (21, Color::Blue)]),
        Self([(31, Color::Blue), (67, Color::Cyan), (33, Color::LightBlue)]),
        Self([(75, Color::Cyan), (25, Color::Blue), (51, Color::LightCyan)]),
        Self([(179, Color::Yellow), (172, Color::Magenta), (226, Color::Yellow)]),
        Self([(214, Color::LightYellow), (130, Color::Red), (231, Color::White)]),
    ];
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
    pub(crate) const MONO: Self = Self { colours: Colours::None, palette: Palette::Dark, utf8: true };

    /// What is asked for, as far as the environment allows it, through `variable` (`std::env::var`).
    pub(crate) fn detect(settings: ScreenSettings, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let terminal = set("TERM").unwrap_or_default();
        // <https://no-color.org>: any value but an empty one.
        let colours =
            if settings.theme == ThemeChoice::Mono || set("NO_COLOR").is_some() || terminal == "dumb" {
                Colours::None
            } else if terminal.contains("256color") || set("COLORTERM").is_some() {
                Colours::Indexed
            } else {
                Colours::Sixteen
            };
        let palette = match settings.theme {
            ThemeChoice::Default | ThemeChoice::Mono => Palette::Dark,
            ThemeChoice::Light => Palette::Light,
            ThemeChoice::HighContrast => Palette::HighContrast,
        };
        // The order in which setlocale(3) reads them.
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let utf8 = !settings.ascii && (locale.contains("utf-8") || locale.contains("utf8"));
        Self { colours, palette, utf8 }
    }

    fn colour(self, ink: &Ink) -> Style {
        let (indexed, basic) = ink.0[self.palette as usize];
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
        let is_dimmed = self.palette != Palette::HighContrast;
        if is_dimmed { Style::new().add_modifier(Modifier::DIM) } else { Style::new() }
    }

    /// Titles.
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is as it should be.
    pub(crate) fn good(self) -> Style {
        self.colour(&Ink::GOOD)
    }

    /// What the reader has to know.
    pub(crate) fn note(self) -> Style {
        self.colour(&Ink::NOTE)
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
        self.colour(&Ink::HEAT[step.min(HEAT_STEPS - 1)])
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
                    "┃" | "│" | "├" => '|',
                    "└" => '`',
                    "▁" => '_',
                    "▂" | "░" => '.',
                    "▃" => ':',
                    "▄" | "·" | "─" => '-',
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
        pub(crate) const ASCII: Self = Self { colours: Colours::None, palette: Palette::Dark, utf8: false };

        /// Of 256 colours.
        pub(crate) const COLOURS: Self =
            Self { colours: Colours::Indexed, palette: Palette::Dark, utf8: true };
    }

    fn detect(pairs: &[(&str, &str)]) -> Theme {
        chosen(ThemeChoice::Default, false, pairs)
    }

    fn chosen(theme: ThemeChoice, ascii: bool, pairs: &[(&str, &str)]) -> Theme {
        let settings = ScreenSettings { theme, ascii, ..ScreenSettings::default() };
        Theme::detect(settings, |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
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
    fn the_settings_choose_and_no_color_and_the_locale_limit() {
        let utf8 = ("LANG", "C.UTF-8");
        let many = ("TERM", "xterm-256color");
        assert_eq!(chosen(ThemeChoice::Mono, false, &[many, utf8]), Theme::MONO);
        assert!(!chosen(ThemeChoice::Default, true, &[many, utf8]).utf8);
        let light = chosen(ThemeChoice::Light, false, &[many, utf8]);
        assert_ne!(light.note(), detect(&[many, utf8]).note());
        let bright = chosen(ThemeChoice::HighContrast, false, &[many, utf8]);
        assert_eq!(bright.dim(), bright.plain(), "nothing is dimmed");
        assert_eq!(
            chosen(ThemeChoice::Light, false, &[many, utf8, ("NO_COLOR", "1")]).note(),
            Theme::MONO.note()
        );
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
