//! Names and meanings of what failing calls return. The numbers are the same on all our ABIs.

use std::borrow::Cow;

use syscalls::Errno;

/// The largest code that has a name, the kernel's internal ones included.
const LAST_NAMED: u16 = 531;

/// Second names of the same number, as manual pages use them.
const ALIASES: [(&str, u16); 3] = [("EWOULDBLOCK", 11), ("EDEADLOCK", 35), ("ENOTSUP", 95)];

/// The symbol, such as `ENOENT`; `errno_999` when there is none.
pub fn name(errno: u16) -> Cow<'static, str> {
    match Errno::new(i32::from(errno)).name() {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("errno_{errno}")),
    }
}

/// What the errno says, in a few words.
pub fn description(errno: u16) -> Option<&'static str> {
    match errno {
        // The crate has the comments of the kernel's header. For these they are not the words that the C
        // library prints and that people therefore know and search for.
        5 => Some("Input/output error"),
        9 => Some("Bad file descriptor"),
        11 => Some("Resource temporarily unavailable"),
        12 => Some("Cannot allocate memory"),
        18 => Some("Invalid cross-device link"),
        23 => Some("Too many open files in system"),
        25 => Some("Inappropriate ioctl for device"),
        33 => Some("Numerical argument out of domain"),
        34 => Some("Numerical result out of range"),
        35 => Some("Resource deadlock avoided"),
        37 => Some("No locks available"),
        38 => Some("Function not implemented"),
        40 => Some("Too many levels of symbolic links"),
        74 => Some("Bad message"),
        84 => Some("Invalid or incomplete multibyte or wide character"),
        95 => Some("Operation not supported"),
        102 => Some("Network dropped connection on reset"),
        122 => Some("Disk quota exceeded"),
        125 => Some("Operation canceled"),
        _ => Errno::new(i32::from(errno)).description(),
    }
}

/// The number of a symbol: `ENOENT` is 2. Second names (`EWOULDBLOCK`) count, and so does `errno_999`.
pub fn number(name: &str) -> Option<u16> {
    if let Some(digits) = name.strip_prefix("errno_") {
        return digits.parse().ok();
    }
    if let Some(&(_, errno)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some(errno);
    }
    (1..=LAST_NAMED).find(|&errno| Errno::new(i32::from(errno)).name() == Some(name))
}

/// The kernel's own code of a call that a signal cut short, which programs never see; `None` for any other
/// code.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/errno.h#L14-L20>
pub const fn interrupted_name(code: u16) -> Option<&'static str> {
    match code {
        512 => Some("ERESTARTSYS"),
        513 => Some("ERESTARTNOINTR"),
        514 => Some("ERESTARTNOHAND"),
        516 => Some("ERESTART_RESTARTBLOCK"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::abi::Abi;
    use tracer_common::outcome::{Outcome, classify};

    use super::*;

    #[test]
    fn names_and_numbers_are_inverse() {
        for errno in 0..=4095 {
            assert_eq!(number(&name(errno)), Some(errno));
        }
        assert_eq!(name(2), "ENOENT");
        assert_eq!(name(11), "EAGAIN");
        assert_eq!(name(999), "errno_999");
        assert_eq!(number("EWOULDBLOCK"), Some(11));
        assert_eq!(number("ENOSUCH"), None);
        assert_eq!(number(""), None);
    }

    #[test]
    fn everything_with_a_name_has_a_description() {
        for errno in 1..=4095 {
            assert_eq!(description(errno).is_some(), !name(errno).starts_with("errno_"), "{errno}");
        }
        assert_eq!(description(38), Some("Function not implemented"));
    }

    #[test]
    fn interrupted_codes_are_the_ones_that_count_as_interrupted() {
        for code in 1..=4095_u16 {
            let interrupted = classify(Abi::X86_64, 0, -i64::from(code)) == Outcome::Interrupted(code);
            assert_eq!(interrupted_name(code).is_some(), interrupted, "{code}");
            if let Some(symbol) = interrupted_name(code) {
                assert_eq!(name(code), symbol);
            }
        }
    }
}
