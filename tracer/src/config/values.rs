//! Values of options: text into durations, process ids, names and sizes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use thiserror::Error;

use crate::human;
use crate::process::Comm;

/// Shortest interval; below it, publishing costs more than collecting.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Smallest ring: a page.
pub const MIN_RING_BYTES: u32 = 4096;

/// Shortest time that segments of a recording keep.
pub const MIN_RING: Duration = Duration::from_secs(10);

/// Smallest limit of a recording: room for what says what it is.
pub const MIN_SIZE: u64 = 65_536;

/// Longest text of a mark, in characters.
const MARK_CHARS: usize = 200;

/// A value on the command line that is none. The text follows clap's "invalid value 'X' for '--option'".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Not `NUMBER[UNIT]`.
    #[error(
        "not a duration; write a number and a unit, as in 10us, 500ms, 3s, 1.5s, 2m or 1h (a number alone is \
         seconds)"
    )]
    Duration,
    /// More nanoseconds than fit in 64 bits.
    #[error("longer than 584 years")]
    DurationTooLong,
    /// A run of no time.
    #[error("a run of no time shows nothing; leave -d out to run until interrupted")]
    NoRunTime,
    /// An interval below [`MIN_INTERVAL`].
    #[error("an interval is at least {}", human::duration(nanoseconds(MIN_INTERVAL)))]
    IntervalTooShort,
    /// Not a process id.
    #[error("not a process id; write a whole number from 1 on, as `pgrep NAME` prints it")]
    Pid,
    /// An empty name.
    #[error("a process name has at least one byte; `ps -eo comm` lists the names there are")]
    Comm,
    /// No path and no id.
    #[error("not a cgroup; write its path, as /proc/PID/cgroup shows it, or its id")]
    Cgroup,
    /// No name of a unit.
    #[error("not a unit; write its name, as in nginx, nginx.service or session-1.scope")]
    Unit,
    /// No id of a container.
    #[error("not a container; write the beginning of its id, as `docker ps` or `crictl ps` prints it")]
    Container,
    /// Not a ring size.
    #[error("a ring is a power of two from 4096 bytes to 1G, as in 65536, 512K or 4M")]
    RingBytes,
    /// Not a size.
    #[error("not a size; write a number of bytes and perhaps a unit, as in 65536, 500M or 2G")]
    Size,
    /// A file too small for anything.
    #[error("a recording takes at least {MIN_SIZE} bytes")]
    TooSmall,
    /// A ring below [`MIN_RING`].
    #[error("a ring holds at least {}", human::duration(nanoseconds(MIN_RING)))]
    RingTooShort,
    /// Nothing to find again.
    #[error("a mark has between 1 and 200 characters, none of them a control character")]
    Mark,
}

/// `10us`, `500ms`, `3s`, `3`, `1.5s`, `2m`, `1h`.
pub fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    const UNITS: [(&str, u64); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("", 1_000_000_000),
    ];
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit_ns = UNITS.iter().find(|(name, _)| *name == unit).ok_or(ValueError::Duration)?.1;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(ValueError::Duration);
    }
    // What is left of a fraction after 15 digits is below a nanosecond in any unit.
    let fraction = &fraction[..fraction.len().min(15)];
    let whole: u64 = whole.parse().map_err(|_| ValueError::DurationTooLong)?;
    let part: u128 = fraction.parse().map_err(|_| ValueError::Duration)?;
    let part_ns = part * u128::from(unit_ns) / 10u128.pow(fraction.len() as u32);
    let ns = u128::from(whole) * u128::from(unit_ns) + part_ns;
    u64::try_from(ns).map(Duration::from_nanos).map_err(|_| ValueError::DurationTooLong)
}

/// A duration that is not zero.
pub fn parse_run_time(text: &str) -> Result<Duration, ValueError> {
    let duration = parse_duration(text)?;
    if duration.is_zero() { Err(ValueError::NoRunTime) } else { Ok(duration) }
}

/// A duration of at least [`MIN_INTERVAL`].
pub fn parse_interval(text: &str) -> Result<Duration, ValueError> {
    let duration = parse_duration(text)?;
    if duration < MIN_INTERVAL { Err(ValueError::IntervalTooShort) } else { Ok(duration) }
}

/// A process id: 1 to 2³¹−1.
pub fn parse_pid(text: &str) -> Result<u32, ValueError> {
    match text.trim().parse() {
        Ok(pid @ 1..=0x7FFF_FFFF) => Ok(pid),
        _ => Err(ValueError::Pid),
    }
}

/// A process name; any bytes but none.
pub fn parse_comm(name: &OsStr) -> Result<Comm, ValueError> {
    let comm = Comm::new(name.as_bytes());
    if comm.is_empty() { Err(ValueError::Comm) } else { Ok(comm) }
}

/// A power of two from [`MIN_RING_BYTES`] to 1 GiB, with `K` for 2¹⁰ and `M` for 2²⁰ if wanted.
pub fn parse_ring_bytes(text: &str) -> Result<u32, ValueError> {
    match parse_bytes(text).and_then(|bytes| u32::try_from(bytes).ok()) {
        Some(bytes) if bytes.is_power_of_two() && (MIN_RING_BYTES..=1 << 30).contains(&bytes) => Ok(bytes),
        _ => Err(ValueError::RingBytes),
    }
}

/// Bytes, from [`MIN_SIZE`] on, with a unit as rings have it.
pub fn parse_size(text: &str) -> Result<u64, ValueError> {
    match parse_bytes(text) {
        Some(bytes) if bytes >= MIN_SIZE => Ok(bytes),
        Some(_) => Err(ValueError::TooSmall),
        None => Err(ValueError::Size),
    }
}

fn parse_bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale: u64 = match unit {
        "" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "m" | "MiB" => 1 << 20,
        "G" | "g" | "GiB" => 1 << 30,
        "T" | "t" | "TiB" => 1 << 40,
        // As sizes are printed.
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// A duration of at least [`MIN_RING`].
pub fn parse_ring(text: &str) -> Result<Duration, ValueError> {
    let duration = parse_duration(text)?;
    if duration < MIN_RING { Err(ValueError::RingTooShort) } else { Ok(duration) }
}

/// Text of a mark.
pub fn parse_mark(text: &str) -> Result<String, ValueError> {
    let fits = (1..=MARK_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(ValueError::Mark) }
}

/// Whole nanoseconds; 584 years are the end of time.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_a_number_and_perhaps_a_unit() {
        for (text, ns) in [
            ("500ms", 500_000_000),
            ("3s", 3_000_000_000),
            ("3", 3_000_000_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("10us", 10_000),
            ("10µs", 10_000),
            ("1.5s", 1_500_000_000),
            ("0.1", 100_000_000),
            ("0.1ns", 0),
            ("1.00000000000000000001s", 1_000_000_000),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(ns)), "{text}");
        }
        for text in
            ["", "s", "-1s", "1.s", ".5s", "1..2s", "1.2.3", "3 s", "3S", "3d", "1h30m", "1e3", "+1s", "٣s"]
        {
            assert_eq!(parse_duration(text), Err(ValueError::Duration), "{text}");
        }
        for text in ["99999999999999999999s", "18446744073709551615", "6000000000m"] {
            assert_eq!(parse_duration(text), Err(ValueError::DurationTooLong), "{text}");
        }
        assert_eq!(parse_run_time("0ms"), Err(ValueError::NoRunTime));
        assert_eq!(parse_interval("99ms"), Err(ValueError::IntervalTooShort));
        assert_eq!(parse_interval("100ms"), Ok(MIN_INTERVAL));
        assert_eq!(ValueError::IntervalTooShort.to_string(), "an interval is at least 100 ms");
    }

    #[test]
    fn rings_are_powers_of_two_of_at_least_a_page() {
        for (text, bytes) in [("4096", 4096), ("64K", 65_536), ("4M", 4 << 20), ("1G", 1 << 30)] {
            assert_eq!(parse_ring_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["0", "", "2048", "5000", "3M", "2G", "4T", "-4096", "4096.0", "M", "4294967296"] {
            assert_eq!(parse_ring_bytes(text), Err(ValueError::RingBytes), "{text}");
        }
    }

    #[test]
    fn sizes_have_units_and_a_least() {
        for (text, bytes) in [
            ("65536", 65_536),
            ("500M", 500 << 20),
            ("2G", 2 << 30),
            ("1TiB", 1 << 40),
            ("588kB", 588_000),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_size("1K"), Err(ValueError::TooSmall));
        for text in ["", "G", "1.5G", "-1", "99999999999999999999", "20000000T"] {
            assert_eq!(parse_size(text), Err(ValueError::Size), "{text}");
        }
        assert_eq!(parse_ring("9s"), Err(ValueError::RingTooShort));
        assert_eq!(parse_ring("10m"), Ok(Duration::from_mins(10)));
    }

    #[test]
    fn marks_are_one_line_of_text() {
        assert_eq!(parse_mark("deployed \u{1F680}").as_deref(), Ok("deployed \u{1F680}"));
        for text in ["", "a\nb", "\u{1b}[2J", &"x".repeat(201)] {
            assert_eq!(parse_mark(text), Err(ValueError::Mark), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in any::<String>()) {
            let _ = parse_duration(&text);
            let _ = parse_ring_bytes(&text);
            let _ = parse_size(&text);
            if let Ok(pid) = parse_pid(&text) {
                prop_assert!(pid > 0);
            }
        }

        #[test]
        fn a_number_of_milliseconds_is_read_exactly(ms in 0u64..1 << 40) {
            let exact = Ok(Duration::from_millis(ms));
            prop_assert_eq!(parse_duration(&format!("{ms}ms")), exact.clone());
            prop_assert_eq!(parse_duration(&format!("{}.{:03}s", ms / 1000, ms % 1000)), exact);
        }
    }
}
