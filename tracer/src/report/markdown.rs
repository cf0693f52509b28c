//! Text in Markdown that means only itself.

use std::fmt::Write as _;

/// `text` as a part of a line, in a table or not. What has a meaning in Markdown becomes a character reference, which is
/// read as text wherever it stands.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let is_meant = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '&' | '|' | '#' | '~' | '@' | '$' => true,
            // Inside a word, as in the names of syscalls, it is only that.
            '_' => !before.is_alphanumeric() || !characters.peek().is_some_and(|next| next.is_alphanumeric()),
            c => c.is_control(),
        };
        if is_meant {
            let _ = write!(escaped, "&#{};", c as u32);
        } else {
            escaped.push(c);
        }
        before = c;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_has_a_meaning_is_escaped() {
        for (text, expected) in [
            ("epoll_wait 4,290 of 10.0.0.5:5432", "epoll_wait 4,290 of 10.0.0.5:5432"),
            ("a|b", "a&#124;b"),
            ("`a`", "&#96;a&#96;"),
            ("a\nb", "a&#10;b"),
            ("/_x_/a_b", "/&#95;x&#95;/a_b"),
            ("<img src=x>&lt;", "&#60;img src=x&#62;&#38;lt;"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_ends_a_cell_or_a_line(text in "(\\PC|[|`\n\r\t<>&\\\\]){0,40}") {
            let escaped = escaped(&text);
            prop_assert!(!escaped.chars().any(|c| c.is_control() || "|`<>\\".contains(c)), "{escaped:?}");
        }
    }
}
