//! The machine's whole user space: busybox, the suite, and an init that runs one with the other.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{self, ask_text, find};
use crate::kernels::machine::MARKER;
use crate::kernels::suite::Suite;

/// Packs it all into one file under `directory`; the suite will run with `arguments`.
pub(crate) fn pack(suite: &Suite, arguments: &str, directory: &Path) -> Result<PathBuf> {
    let root = directory.join("initramfs");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    for name in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"] {
        let path = root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    let busybox = busybox()?;
    install(&busybox, &root.join("bin/busybox"))?;
    for applet in ask_text(&busybox, &["--list"]).unwrap_or_default().lines() {
        if applet != "busybox" {
            symlink("busybox", root.join("bin").join(applet))
                .with_context(|| format!("cannot link {applet}"))?;
        }
    }
    install(&suite.tests, &root.join("bin/kernel-tests"))?;
    install(&suite.tracer, &root.join("bin/tracer"))?;
    install(&suite.oracle, &root.join("bin/oracle"))?;
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").context("cannot write passwd")?;
    fs::write(root.join("etc/group"), "root:x:0:\n").context("cannot write group")?;
    fs::write(root.join("init"), init(arguments)).context("cannot write init")?;
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))
        .context("cannot make init executable")?;

    let packed = directory.join("initramfs.cpio");
    command::run(
        Command::new("sh")
            .args(["-c", "find . | cpio --create --format=newc --quiet > \"$0\""])
            .arg(&packed)
            .current_dir(&root),
    )?;
    Ok(packed)
}

/// The first program of the machine. Its last lines say how the suite ended and stop the machine.
fn init(arguments: &str) -> String {
    format!(
        "\
#!/bin/sh
export PATH=/bin HOME=/root TERM=dumb TMPDIR=/tmp
export TRACER_BIN=/bin/tracer ORACLE_BIN=/bin/oracle TRACER_EMULATED=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
hostname machine
cd /tmp
uname -a
/bin/kernel-tests {arguments}
echo \"{MARKER}$?\"
poweroff -f
"
    )
}

/// A busybox that needs no libraries.
fn busybox() -> Result<PathBuf> {
    let path = find("busybox").context("there is no busybox on PATH\napt-get install busybox-static")?;
    // ldd fails on what is not dynamically linked.
    if ask_text("ldd", &[&path.to_string_lossy()]).is_some() {
        bail!(
            "{} needs libraries that the machine does not have\napt-get install busybox-static",
            path.display()
        );
    }
    Ok(path)
}

fn install(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", to.display()))
}
