//! How figures and names are written into the cells of a table: short, never wrong, never wider than asked.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Align, BUSY, IN_FLIGHT};
use crate::human;

/// Open calls younger than this are counted but their age is not shown: it only says when we looked.
const AGE_SHOWN_NS: u64 = 100_000_000;

/// `text` in exactly `width` cells: padded on the side away from `align`, or cut with `…`.
pub fn fit(text: &str, width: usize, align: Align) -> String {
    let has = text.width();
    if has > width && align == Align::Newest {
        // Its characters are one cell wide each.
        return text.chars().skip(text.chars().count() - width).collect();
    }
    // What stands in brackets behind a name, whose process it is, gives way before the name does.
    let has_room = |name: &str| name.width() < width;
    if has > width && align == Align::End && !text.rsplit_once(" (").is_some_and(|(name, _)| has_room(name)) {
        let cut = clip_front(text, width);
        let blank = " ".repeat(width.saturating_sub(cut.width()));
        return cut + &blank;
    }
    if has > width {
        let cut = clip(text, width);
        let blank = " ".repeat(width.saturating_sub(cut.width()));
        return cut + &blank;
    }
    let blank = " ".repeat(width - has);
    match align {
        Align::Left | Align::End => format!("{text}{blank}"),
        Align::Right | Align::Newest => format!("{blank}{text}"),
    }
}

/// `text` in at most `width` cells, `…` standing for what was cut.
pub fn clip(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for character in text.chars() {
        let cells = character.width().unwrap_or(0);
        if used + cells + 1 > width {
            break;
        }
        cut.push(character);
        used += cells;
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// The end of `text` in at most `width` cells, `…` standing for what was cut from the front.
fn clip_front(text: &str, width: usize) -> String {
    let mut used = usize::from(width > 0);
    let mut from = text.len();
    for (at, character) in text.char_indices().rev() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        from = at;
    }
    let mark = if width > 0 { "…" } else { "" };
    format!("{mark}{}", &text[from..])
}

/// How long a call has been open: `310 µs`, `4.2 s`, `41 s`, `02:13`.
pub fn age(ns: u64) -> String {
    match ns {
        0..1_000_000_000 => human::duration(ns),
        // 9.95 s and up would print as 10.0 s.
        1_000_000_000..9_950_000_000 => format!("{:.1} s", ns as f64 / 1e9),
        9_950_000_000..10_000_000_000 => "10 s".to_owned(),
        10_000_000_000..100_000_000_000 => format!("{} s", ns / 1_000_000_000),
        100_000_000_000..36_000_000_000_000 => human::clock(ns),
        _ => hours(ns),
    }
}

/// A time in the past: `now`, `12 s ago`, `2 min ago`.
pub(super) fn ago(ns: u64) -> String {
    match ns / 1_000_000_000 {
        0 => "now".to_owned(),
        seconds @ 1..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

/// A duration in at most seven cells; beyond a day in hours.
pub(super) fn span(ns: u64) -> String {
    if ns < 99_999_000_000_000 { human::duration(ns) } else { hours(ns) }
}

pub(super) fn hours(ns: u64) -> String {
    format!("{} h", human::short_count((ns / 3_600_000_000_000) as f64))
}

/// A share in percent in at most five cells; a thousand threads in one process make it large.
pub(super) fn share(part: u64, whole: u64) -> String {
    let percent = human::percent(part as f64, whole as f64);
    if percent.len() < BUSY.width { percent } else { human::short_count(part as f64 / whole as f64 * 100.0) }
}

pub(super) fn in_flight_text(in_flight: u64, oldest_ns: u64) -> String {
    match (in_flight, oldest_ns) {
        (0, _) => String::new(),
        (open, age_ns) if age_ns < AGE_SHOWN_NS => human::count(open),
        (open, age_ns) => {
            let both = format!("{}, {}", human::short_count(open as f64), age(age_ns));
            if both.width() <= IN_FLIGHT.width { both } else { human::short_count(open as f64) }
        }
    }
}

/// A rate with as many digits as it deserves.
pub(super) fn rate(per_second: f64) -> String {
    if per_second < 9.995 { human::short_count(per_second) } else { whole(per_second.round() as u64, 7) }
}

/// A number in full where it fits, in short where it does not: a cut number would be a wrong number.
pub fn whole(number: u64, width: usize) -> String {
    let full = human::count(number);
    if full.len() <= width { full } else { human::short_count(number as f64) }
}

pub(super) fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_grow_without_growing_wide() {
        for (ns, text) in [
            (310_000, "310 µs"),
            (4_230_000_000, "4.2 s"),
            (9_990_000_000, "10 s"),
            (41_900_000_000, "41 s"),
            (133_000_000_000, "02:13"),
        ] {
            assert_eq!(age(ns), text);
        }
        assert_eq!(ago(0), "now");
        assert_eq!(ago(12_000_000_000), "12 s ago");
        assert_eq!(ago(7_300_000_000_000), "2 h ago");
    }

    #[test]
    fn cut_text_says_so_and_keeps_its_cells() {
        assert_eq!(fit("systemd-journald", 8, Align::Left), "systemd…");
        assert_eq!(fit("7", 3, Align::Right), "  7");
        assert_eq!(fit("日本語", 4, Align::Left), "日… ");
        assert_eq!(fit("abc", 0, Align::Left), "");
        assert_eq!(fit("/var/log/syslog", 8, Align::End), "…/syslog");
        assert_eq!(fit("日本語", 4, Align::End), "…語 ");
        assert_eq!(fit("a", 3, Align::End), "a  ");
        assert_eq!(fit("10.0.0.5:80 (nginx 7)", 16, Align::End), "10.0.0.5:80 (ng…");
        assert_eq!(fit("a -> 10.0.0.5:80 (nginx 7)", 12, Align::End), "…0 (nginx 7)");
        assert_eq!((fit("abc", 1, Align::End), fit("abc", 0, Align::End)), ("…".into(), String::new()));
        assert_eq!(fit("▁▂▃█", 2, Align::Newest), "▃█");
        assert_eq!(fit("█", 3, Align::Newest), "  █");
    }
}
