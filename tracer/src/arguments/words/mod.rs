//! The words of numbers: flags, commands and other constants of syscalls by name, as the kernel's headers
//! have them for x86 (`include/uapi`).

pub(super) mod file;
pub(super) mod ipc;
pub(super) mod memory;
pub(super) mod net;
pub(super) mod process;
pub(super) mod sync;
pub(super) mod time;

use std::fmt::Write as _;

/// The meaning of one number: one choice in the bits of `mask`, and flags in the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// The bits that hold a choice; they are taken for flags when it has no name.
    pub(super) mask: u64,
    /// What the choice may be.
    pub(super) choices: &'static [(u64, &'static str)],
    /// Flags. One that contains another comes before it.
    pub(super) flags: &'static [(u64, &'static str)],
}

/// Exactly one of `choices`.
const fn one_of(choices: &'static [(u64, &'static str)]) -> Words {
    Words { mask: u64::MAX, choices, flags: &[] }
}

/// Any of `flags`.
const fn any_of(flags: &'static [(u64, &'static str)]) -> Words {
    Words { mask: 0, choices: &[], flags }
}

impl Words {
    /// `O_RDWR|O_CLOEXEC`; what has no name is in hex, nothing at all is `0`.
    pub(super) fn text(&self, number: u64) -> String {
        let mut text = String::new();
        let mut add = |word: &str| {
            if !text.is_empty() {
                text.push('|');
            }
            text.push_str(word);
        };
        let choice = number & self.mask;
        let mut rest = number & !self.mask;
        match self.choices.iter().find(|(value, _)| *value == choice) {
            Some((_, word)) => add(word),
            None => rest |= choice,
        }
        for (flag, word) in self.flags {
            if rest & flag == *flag && *flag != 0 {
                add(word);
                rest &= !flag;
            }
        }
        if rest != 0 {
            let mut unknown = String::new();
            // A string takes everything.
            let _ = write!(unknown, "{rest:#x}");
            add(&unknown);
        }
        if text.is_empty() { "0".to_owned() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_choice_and_flags_and_what_has_no_name() {
        let words =
            Words { mask: 3, choices: &[(0, "READ"), (1, "WRITE")], flags: &[(12, "BOTH"), (4, "FOUR")] };
        for (number, text) in [
            (0, "READ"),
            (5, "WRITE|FOUR"),
            (12, "READ|BOTH"),
            (0x11, "WRITE|0x10"),
            (2, "0x2"),
            (6, "FOUR|0x2"),
        ] {
            assert_eq!(words.text(number), text);
        }
        assert_eq!(any_of(&[(1, "A")]).text(0), "0");
        assert_eq!(one_of(&[(1, "A")]).text(9), "0x9");
    }

    /// Else a flag would hide behind a part of itself, or a choice behind another.
    #[test]
    fn every_word_can_be_reached() {
        let tables =
            [file::ALL, ipc::ALL, memory::ALL, net::ALL, process::ALL, sync::ALL, time::ALL].concat();
        for words in tables {
            for (value, word) in words.choices {
                assert_eq!(value & !words.mask, 0, "{word}");
                assert!(words.text(*value).split('|').any(|shown| shown == *word), "{word}");
            }
            for (flag, word) in words.flags {
                assert!(words.text(*flag).split('|').any(|shown| shown == *word), "{word}");
            }
        }
    }
}
