//! Numbers and foreign text as people read them.

use std::fmt::Write as _;

/// Text from outside made safe for a terminal, a log or a table: control characters, escape sequences,
/// bidi overrides, zero-width characters and bytes that are no UTF-8 are shown as `\xNN` or `\u{N}`, never
/// passed on and never silently dropped (two hostile names must not look alike).
pub fn safe_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                c if c.is_ascii_control() => {
                    let _ = write!(text, "\\x{:02x}", c as u32);
                }
                c if is_deceptive(c) => {
                    let _ = write!(text, "\\u{{{:x}}}", c as u32);
                }
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Characters that change how the text around them is drawn, or that draw nothing.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c as u32,
            0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
            | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xE0000..=0xE0FFF | 0xE000..=0xF8FF)
}

/// A duration in ns with three significant digits and its unit: `310 ns`, `6.12 µs`, `48.0 ms`, `1.50 s`.
pub fn duration(ns: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
    for (index, &(unit_ns, unit)) in UNITS.iter().enumerate() {
        // 999.5 µs and up would print as 1000 µs; it belongs to the next unit.
        if ns >= unit_ns || (index < 3 && ns as f64 >= unit_ns as f64 * 0.9995) {
            let value = ns as f64 / unit_ns as f64;
            return match value {
                v if v < 9.995 => format!("{v:.2} {unit}"),
                v if v < 99.95 => format!("{v:.1} {unit}"),
                v => format!("{v:.0} {unit}"),
            };
        }
    }
    format!("{ns} ns")
}

/// A whole number with thousands separated: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in at most five characters: `987`, `12.3k`, `184k`, `1.20M`.
pub fn short_count(number: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    if number < 999.5 {
        return if number == 0.0 || number >= 99.95 || number.fract() == 0.0 {
            format!("{number:.0}")
        } else if number >= 9.995 {
            format!("{number:.1}")
        } else {
            format!("{number:.2}")
        };
    }
    for (unit, suffix) in UNITS {
        if number >= unit * 0.9995 {
            let value = number / unit;
            return match value {
                v if v < 9.995 => format!("{v:.2}{suffix}"),
                v if v < 99.95 => format!("{v:.1}{suffix}"),
                v => format!("{v:.0}{suffix}"),
            };
        }
    }
    format!("{number:.0}")
}

/// A size with three significant digits and its unit: `512 B`, `1.20 MB`, `12.4 MB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let number = number as f64;
    for (unit, name) in UNITS {
        if number >= unit * 0.9995 {
            return match number / unit {
                v if v < 9.995 => format!("{v:.2} {name}"),
                v if v < 99.95 => format!("{v:.1} {name}"),
                v => format!("{v:.0} {name}"),
            };
        }
    }
    format!("{number:.0} B")
}

/// A share of `whole` in percent: `0`, `0.01`, `31.4`, `100`; empty whole gives `-`.
pub fn percent(part: f64, whole: f64) -> String {
    if whole <= 0.0 {
        return "-".to_owned();
    }
    match part / whole * 100.0 {
        0.0 => "0".to_owned(),
        p if p < 0.01 => "<0.01".to_owned(),
        p if p < 9.995 => format!("{p:.2}"),
        p if p < 99.95 => format!("{p:.1}"),
        p => format!("{p:.0}"),
    }
}

/// How long something lasted: `37.4 ms`, `12.0 s`, `02:13`, `1:02:13`.
pub fn length(ns: u64) -> String {
    if ns < 60_000_000_000 { duration(ns) } else { clock(ns) }
}

/// A count of things: `1 interval`, `2,310 intervals`.
pub fn plural(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Elapsed time as `02:13` or `1:02:13`.
pub fn clock(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_and_counts_read_as_words() {
        assert_eq!(length(37_380_000), "37.4 ms");
        assert_eq!(length(133_000_000_000), "02:13");
        assert_eq!(plural(1, "mark"), "1 mark");
        assert_eq!(plural(2_310, "mark"), "2,310 marks");
    }

    #[test]
    fn durations_keep_three_digits_and_never_reach_a_thousand() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (6_120, "6.12 µs"),
            (99_949, "99.9 µs"),
            (99_950, "100 µs"),
            (999_499, "999 µs"),
            (999_501, "1.00 ms"),
            (48_000_000, "48.0 ms"),
            (1_500_000_000, "1.50 s"),
            (600_000_000_000, "600 s"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn counts_are_grouped_and_shortened() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(short_count(0.0), "0");
        assert_eq!(short_count(3.25), "3.25");
        assert_eq!(short_count(987.0), "987");
        assert_eq!(short_count(12_345.0), "12.3k");
        assert_eq!(short_count(999_600.0), "1.00M");
        assert_eq!(percent(1.0, 0.0), "-");
        assert_eq!(percent(0.0, 5.0), "0");
        assert_eq!(percent(1.0, 3.0), "33.3");
        for (number, text) in [(0, "0 B"), (999, "999 B"), (1_200, "1.20 kB"), (12_400_000, "12.4 MB")] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(clock(133_000_000_000), "02:13");
        assert_eq!(clock(3_733_000_000_000), "1:02:13");
    }

    #[test]
    fn hostile_names_are_shown_and_stay_different() {
        assert_eq!(safe_text(b"nginx"), "nginx");
        assert_eq!(safe_text(b"\x1b[2J"), "\\x1b[2J");
        assert_eq!(safe_text(b"a\x9bb"), "a\\x9bb");
        assert_eq!(safe_text("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(safe_text("caf\u{e9}".as_bytes()), "caf\u{e9}");
        assert_ne!(safe_text(b"\\x1b"), safe_text(b"\x1b"));
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_would_obey_gets_through(bytes in any::<Vec<u8>>()) {
            let text = safe_text(&bytes);
            prop_assert!(text.chars().all(|c| !c.is_control() && !is_deceptive(c)));
        }
    }
}
