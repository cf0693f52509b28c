//! Kernel images from Debian's packages: downloaded with an apt state of our own, unpacked, never
//! installed. The mirror is the one this machine uses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::command::{self, announce, say};
use crate::kernels::Kernel;

/// A kernel ready to boot.
pub(crate) struct Image {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its full version, as in the package's name.
    pub(crate) version: String,
}

/// The image of `kernel`, from `cache` or else from Debian.
pub(crate) fn image(kernel: &Kernel, cache: &Path) -> Result<Image> {
    if let Some(image) = cached(kernel, cache) {
        return Ok(image);
    }
    let mirror = mirror()?;
    let mut reasons = Vec::new();
    for suite in kernel.suites {
        let apt = Apt { root: cache.join("apt").join(suite), suite };
        match apt.fetch(&mirror, kernel, cache) {
            Ok(image) => return Ok(image),
            Err(error) => reasons.push(format!("{suite}: {error:#}")),
        }
    }
    bail!("no image of {}: {}", kernel.name, reasons.join("; "))
}

/// Images are kept as `NAME_VERSION.vmlinuz`.
fn cached(kernel: &Kernel, cache: &Path) -> Option<Image> {
    let prefix = format!("{}_", kernel.name);
    for entry in fs::read_dir(cache).ok()? {
        let path = entry.ok()?.path();
        let name = path.file_name()?.to_string_lossy().into_owned();
        if let Some(version) = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".vmlinuz")) {
            return Some(Image { version: version.to_owned(), path });
        }
    }
    None
}

/// The address of the Debian mirror in this machine's apt configuration.
fn mirror() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let field = |name: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    };
    let (Some(id), Some(codename)) = (field("ID"), field("VERSION_CODENAME")) else {
        bail!("/etc/os-release does not say which Debian this is");
    };
    if id != "debian" {
        bail!("kernel images come from Debian's packages, and this is {id}");
    }
    // Answers from the configuration alone: nothing is downloaded and root is not needed.
    let addresses = command::read(Command::new("apt-get").args(["update", "--print-uris"]))?;
    mirror_in(&addresses, &codename)
        .with_context(|| format!("this machine's apt configuration has no mirror with {codename}"))
}

/// The first address that has the release, preferring one with its updates: other repositories borrow
/// the release's name, the distribution's own mirror has both.
fn mirror_in(addresses: &str, codename: &str) -> Option<String> {
    let having = |suite: &str| -> Vec<&str> {
        let end = format!("/dists/{suite}/InRelease'");
        addresses
            .lines()
            .filter_map(|line| line.split_whitespace().next()?.strip_prefix('\'')?.strip_suffix(&end))
            .collect()
    };
    let updated = having(&format!("{codename}-updates"));
    let all = having(codename);
    all.iter().find(|address| updated.contains(address)).or(all.first()).map(ToString::to_string)
}

/// apt on one suite, with everything it keeps under `root` and the machine's own state untouched.
struct Apt {
    root: PathBuf,
    suite: &'static str,
}

impl Apt {
    fn fetch(&self, mirror: &str, kernel: &Kernel, cache: &Path) -> Result<Image> {
        self.prepare(mirror)?;
        command::run(self.command("apt-get").args(["update", "--quiet=2"]))?;
        let names = command::read(self.command("apt-cache").args(["pkgnames", "linux-"]))?;
        let package = newest(names.lines(), kernel)
            .with_context(|| format!("no package of a {} {} kernel", kernel.series, kernel.flavour))?;
        let version = package.version.clone();
        say(format!("downloading {}", package.name));
        let downloads = self.root.join("downloads");
        if downloads.exists() {
            fs::remove_dir_all(&downloads)
                .with_context(|| format!("cannot remove {}", downloads.display()))?;
        }
        fs::create_dir_all(&downloads).with_context(|| format!("cannot make {}", downloads.display()))?;
        command::run(
            self.command("apt-get").args(["download", "--quiet=2", &package.name]).current_dir(&downloads),
        )?;
        unpack(&downloads)?;
        let unpacked =
            find_image(&downloads).with_context(|| format!("{} holds no kernel image", package.name))?;
        let path = cache.join(format!("{}_{version}.vmlinuz", kernel.name));
        fs::rename(&unpacked, &path).with_context(|| format!("cannot write {}", path.display()))?;
        fs::remove_dir_all(&downloads).with_context(|| format!("cannot remove {}", downloads.display()))?;
        Ok(Image { path, version })
    }

    fn prepare(&self, mirror: &str) -> Result<()> {
        for name in ["lists/partial", "cache/archives/partial"] {
            let path = self.root.join(name);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let signed = if Path::new(keys).is_file() { format!("[signed-by={keys}] ") } else { String::new() };
        let root = self.root.display();
        for (name, content) in [
            ("status", String::new()),
            ("sources.list", format!("deb {signed}{mirror} {} main\n", self.suite)),
            ("apt.conf", SETTINGS.replace("ROOT", &root.to_string())),
        ] {
            let path = self.root.join(name);
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.root.join("apt.conf"));
        command
    }
}

/// Everything that apt keeps goes under ROOT, and it stays the user that we are: the one it would drop to
/// cannot write there.
const SETTINGS: &str = r#"Dir::Etc::sourcelist "ROOT/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "ROOT";
Dir::State::lists "ROOT/lists";
Dir::State::status "ROOT/status";
Dir::Cache "ROOT/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Sandbox::User "root";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    /// The version as numbers, to compare.
    numbers: Vec<u32>,
    /// From 6.19 on the image is in `linux-binary-*`, and `linux-image-*` only depends on it.
    is_binary: bool,
    version: String,
    name: String,
}

/// The package with the newest image of `kernel` among `names`.
fn newest<'a>(names: impl Iterator<Item = &'a str>, kernel: &Kernel) -> Option<Package> {
    names.filter_map(|name| package(name, kernel)).max()
}

fn package(name: &str, kernel: &Kernel) -> Option<Package> {
    let (is_binary, rest) = match name.strip_prefix("linux-binary-") {
        Some(rest) => (true, rest),
        None => (false, name.strip_prefix("linux-image-")?),
    };
    let version = rest.strip_suffix(kernel.flavour)?.strip_suffix('-')?;
    let after = version.strip_prefix(kernel.series)?;
    // Not 6.12 for 6.1, not the `cloud` build for a plain one, and not a package without a version.
    if !after.starts_with('.') || version.contains("-cloud") || version.contains("-rt") {
        return None;
    }
    let numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    Some(Package {
        numbers,
        is_binary,
        version: format!("{version}-{}", kernel.flavour),
        name: name.to_owned(),
    })
}

/// Unpacks only the image from the package in `directory`: modules are ten times its size.
fn unpack(directory: &Path) -> Result<()> {
    let package = fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded nothing")?;
    let mut contents = Command::new("dpkg-deb");
    contents.arg("--fsys-tarfile").arg(&package).stdout(Stdio::piped());
    announce(&contents);
    let mut contents = contents.spawn().context("cannot run dpkg-deb")?;
    let pipe = contents.stdout.take().context("dpkg-deb has no stdout")?;
    // tar fails and complains when one of the two patterns matches nothing, and one of them always does; our
    // caller sees whether there is an image.
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--wildcards", "./boot/vmlinuz-*", "./usr/lib/modules/*/vmlinuz"])
        .current_dir(directory)
        .stdin(pipe)
        .stderr(Stdio::null());
    announce(&tar);
    tar.status().context("cannot run tar")?;
    contents.wait().context("cannot wait for dpkg-deb")?;
    Ok(())
}

/// The kernel image somewhere under `directory`.
fn find_image(directory: &Path) -> Option<PathBuf> {
    for entry in fs::read_dir(directory).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find_image(&path) {
                return Some(found);
            }
        } else if path.file_name()?.to_string_lossy().starts_with("vmlinuz") {
            return Some(path);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(series: &'static str, flavour: &'static str) -> Kernel {
        Kernel { name: series, series, flavour, suites: &[] }
    }

    #[test]
    fn the_newest_image_of_the_series_is_chosen() {
        let names = [
            "linux-image-6.1.0-47-cloud-amd64",
            "linux-image-6.1.0-50-cloud-amd64",
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-51-cloud-amd64-dbg",
            "linux-image-6.1.0-51-cloud-amd64-unsigned",
            "linux-image-6.12.95+deb12-cloud-amd64",
            "linux-image-6.12.9+deb12-rt-amd64",
            "linux-image-7.2.13+deb14-cloud-amd64",
            "linux-binary-7.2.13+deb14-cloud-amd64",
            "linux-image-cloud-amd64",
        ];
        let chosen =
            |series, flavour| newest(names.into_iter(), &kernel(series, flavour)).map(|package| package.name);
        assert_eq!(chosen("6.1", "cloud-amd64").as_deref(), Some("linux-image-6.1.0-50-cloud-amd64"));
        assert_eq!(chosen("6.12", "rt-amd64").as_deref(), Some("linux-image-6.12.9+deb12-rt-amd64"));
        assert_eq!(chosen("7.2", "cloud-amd64").as_deref(), Some("linux-binary-7.2.13+deb14-cloud-amd64"));
        assert_eq!(chosen("6.12", "amd64"), None);
        assert_eq!(chosen("5.10", "cloud-amd64"), None);
    }

    #[test]
    fn the_distributions_own_mirror_is_found() {
        let addresses = "\
'http://other.example/debian/dists/bookworm/InRelease' other 0
'http://mirror.example/debian/dists/bookworm/InRelease' mirror 0
'http://mirror.example/debian/dists/bookworm-updates/InRelease' mirror 0
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' mirror 0
";
        assert_eq!(mirror_in(addresses, "bookworm").as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(mirror_in(addresses, "trixie"), None);
    }
}
