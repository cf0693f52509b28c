//! `cargo xtask test --kernels`: the kernel suite on other kernels, each in a virtual machine of its own.

mod debian;
mod initramfs;
mod machine;
mod suite;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::command::{find, say};
use crate::kernel_suite;
use crate::kernels::machine::Verdict;
use crate::tally::{Counts, Ending, Tally};
use crate::workspace;

/// A kernel that the suite runs on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// What `--kernels` calls it.
    name: &'static str,
    /// The series that its version begins with.
    series: &'static str,
    /// Debian's build of it: small and for virtual machines, or fully preemptible.
    flavour: &'static str,
    /// Where Debian has it, the preferred suite first.
    suites: &'static [&'static str],
}

/// Oldest first: what old kernels lack and what new ones changed both show.
const KERNELS: [Kernel; 6] = [
    Kernel { name: "5.10", series: "5.10", flavour: "cloud-amd64", suites: &["bullseye"] },
    Kernel { name: "6.1", series: "6.1", flavour: "cloud-amd64", suites: &["bookworm"] },
    // Its cloud build does not survive QEMU 7.2.
    Kernel { name: "6.12", series: "6.12", flavour: "amd64", suites: &["bookworm-backports", "trixie"] },
    Kernel {
        name: "6.12-rt",
        series: "6.12",
        flavour: "rt-amd64",
        suites: &["bookworm-backports", "trixie"],
    },
    Kernel { name: "6.19", series: "6.19", flavour: "cloud-amd64", suites: &["trixie-backports"] },
    Kernel { name: "7.2", series: "7.2", flavour: "cloud-amd64", suites: &["trixie-backports", "sid"] },
];

/// Programs that this needs, and the Debian package of each.
const NEEDED: [(&str, &str); 5] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
];

/// Runs the suite on the kernels of `list`, or on all when it is empty, and adds a step for each. With `only`, those of
/// its tests whose names hold that.
///
/// A kernel that was asked for by name and cannot be had is a failure; one of the default list is
/// skipped, visibly.
///
/// # Errors
/// When `list` names a kernel that is not known, or the suite does not build.
pub(crate) fn run(list: &[String], only: Option<&str>, tally: &mut Tally) -> Result<()> {
    let by_name = !list.is_empty();
    let kernels = select(list)?;
    if let Err(why) = can_boot() {
        say(format!("{why:#}"));
        for kernel in kernels {
            absent(kernel, by_name, &why, tally);
        }
        return Ok(());
    }

    let start = Instant::now();
    let directory = directory();
    let suite = suite::build(&directory)?;
    let missing = kernel_suite::missing_in_a_machine();
    let mut arguments = kernel_suite::HARNESS.map(str::to_owned).to_vec();
    // What a test says must be on the console when a later one brings the machine down.
    arguments.push("--nocapture".to_owned());
    arguments.extend(kernel_suite::skip_arguments(&missing));
    arguments.extend(only.map(str::to_owned));
    let initramfs = initramfs::pack(&suite, &arguments.join(" "), &directory)?;
    let mut names = kernel_suite::names(&suite.listed);
    names.retain(|name| only.is_none_or(|only| name.contains(only)));
    if names.is_empty() {
        bail!("no test of the kernel suite has {:?} in its name", only.unwrap_or_default());
    }
    let left_out = kernel_suite::left_out(&names, &missing);
    for (name, why) in &left_out {
        say(format!("NOT RUN ({why}): {name}"));
    }
    tally.add("build the suite", start.elapsed(), Ending::Passed, Counts::default());

    let mut images = Vec::new();
    for kernel in kernels {
        match debian::image(kernel, &cache()) {
            Ok(image) => images.push((kernel, image)),
            Err(why) => {
                say(format!("{why:#}"));
                absent(kernel, by_name, &why, tally);
            }
        }
    }
    let next = AtomicUsize::new(0);
    let boot_all = || -> Result<Vec<_>> {
        let mut booted = Vec::new();
        while let Some((kernel, image)) = images.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let log = directory.join(format!("{}.log", kernel.name));
            let (ending, mut counts) = on(image, &initramfs, &log)?;
            counts.skipped += left_out.len() as u64;
            booted.push((&image.version, start.elapsed(), ending, counts));
        }
        Ok(booted)
    };
    // A machine keeps one processor busy.
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let mut booted = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once.min(images.len())).map(|_| scope.spawn(boot_all)).collect();
        for thread in threads {
            booted.extend(thread.join().map_err(|_| anyhow!("a thread that boots kernels panicked"))??);
        }
        anyhow::Ok(())
    })?;
    for (_, image) in &images {
        if let Some(place) = booted.iter().position(|(version, ..)| **version == image.version) {
            let (version, took, ending, counts) = booted.swap_remove(place);
            tally.add(format!("kernel {version}"), took, ending, counts);
        }
    }
    Ok(())
}

/// Boots one kernel with the suite and reads its verdict.
fn on(image: &debian::Image, initramfs: &Path, log: &Path) -> Result<(Ending, Counts)> {
    let mut console = machine::boot(&image.path, initramfs, log)?;
    if console.verdict == Verdict::Died && !console.has_started() {
        // The emulator fails now and then while a kernel finds its devices. That says nothing of us; a kernel that
        // never starts still fails.
        say(format!("{} stopped before it ran anything; booting it once more", image.version));
        console = machine::boot(&image.path, initramfs, log)?;
    }
    let mut counts = Counts::of(&console.text);
    let ending = match console.verdict {
        Verdict::Exited(0) => Ending::Passed,
        Verdict::Exited(status) => {
            Ending::Failed(format!("the suite exited with {status}; see {}", log.display()))
        }
        Verdict::Died => {
            Ending::Failed(format!("the machine stopped before the suite ended; see {}", log.display()))
        }
        Verdict::TimedOut => {
            Ending::Failed(format!("not done after {:?}; see {}", machine::TIMEOUT, log.display()))
        }
    };
    if matches!(ending, Ending::Failed(_)) {
        counts.failed = counts.failed.max(1);
    }
    Ok((ending, counts))
}

/// Adds a kernel that the suite did not run on.
fn absent(kernel: &Kernel, by_name: bool, why: &anyhow::Error, tally: &mut Tally) {
    let name = format!("kernel {}", kernel.name);
    let (ending, counts) = if by_name {
        (Ending::Failed(why.to_string()), Counts { failed: 1, ..Counts::default() })
    } else {
        (Ending::Skipped(why.to_string()), Counts { skipped: 1, ..Counts::default() })
    };
    tally.add(name, std::time::Duration::ZERO, ending, counts);
}

fn select(list: &[String]) -> Result<Vec<&'static Kernel>> {
    if list.is_empty() {
        return Ok(KERNELS.iter().collect());
    }
    list.iter()
        .map(|name| {
            KERNELS.iter().find(|kernel| kernel.name == name).with_context(|| {
                format!(
                    "no kernel {name} is known; there are {}",
                    KERNELS.map(|kernel| kernel.name).join(", ")
                )
            })
        })
        .collect()
}

/// Whether this machine has what booting takes.
fn can_boot() -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        bail!(
            "the kernels and the suite are built for x86_64, and this machine is {}",
            std::env::consts::ARCH
        );
    }
    let missing: Vec<_> = NEEDED.into_iter().filter(|(program, _)| find(program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (programs, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    bail!("not installed: {}\napt-get install {}", programs.join(", "), packages.join(" "))
}

/// Where logs and what is booted go.
fn directory() -> PathBuf {
    workspace::target().join("kernels")
}

/// Where kernel images are kept between runs.
fn cache() -> PathBuf {
    std::env::var_os("TRACER_KERNEL_CACHE").map_or_else(directory, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_selects_in_its_order_and_nothing_selects_all() {
        let names = |list: &[&str]| -> Vec<&str> {
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            select(&list).expect("known").iter().map(|kernel| kernel.name).collect()
        };
        assert_eq!(names(&["7.2", "6.12-rt"]), ["7.2", "6.12-rt"]);
        assert_eq!(names(&[]).len(), KERNELS.len());
        let error = select(&["4.4".to_owned()]).expect_err("unknown");
        assert!(error.to_string().contains("5.10, 6.1, 6.12, 6.12-rt, 6.19, 7.2"), "{error}");
    }
}
