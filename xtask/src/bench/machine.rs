//! The machine's facts that a figure depends on.

use std::fs;
use std::path::Path;

const VULNERABILITIES: &str = "/sys/devices/system/cpu/vulnerabilities";
/// More than this and somebody else is at work.
const QUIET: f64 = 0.7;

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The load average of the last minute when it is too high for figures to be trusted.
pub(super) fn disturbance() -> Option<f64> {
    let load = text("/proc/loadavg").split_whitespace().next()?.parse::<f64>().ok()?;
    (load > QUIET).then_some(load)
}

/// The facts as lines of Markdown. No date and no host name: they change nothing.
pub(super) fn facts() -> Vec<String> {
    let processor = text("/proc/cpuinfo");
    let field = |wanted: &str| {
        processor.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == wanted).then(|| value.trim())
        })
    };
    let is_virtual =
        field("flags").is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let mut facts = vec![
        format!(
            "CPU: {} × {}{}",
            count,
            field("model name").unwrap_or("unknown model"),
            if is_virtual { ", in a virtual machine" } else { "" }
        ),
        format!("kernel: {} {}", text("/proc/sys/kernel/osrelease"), std::env::consts::ARCH),
        format!("clocksource: {}", text("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
    ];
    facts.extend(mitigations());
    facts
}

/// What the kernel does against the processor's vulnerabilities, which syscalls pay for.
fn mitigations() -> Vec<String> {
    let Ok(entries) = fs::read_dir(VULNERABILITIES) else {
        return vec!["mitigations: unknown".to_owned()];
    };
    let mut lines: Vec<String> = entries
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), text(entry.path())))
        .filter(|(_, state)| state != "Not affected")
        .map(|(name, state)| format!("{name}: {state}"))
        .collect();
    lines.sort();
    lines
}
