//! Processes of other namespaces, as in a container.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::files::assert_unix_peers;
use crate::oracle::Reach;
use crate::report::{Process, Report, Scope};
use crate::tool::{Family, oracle_command, require_program, run, trace, tracer};

/// Long enough to be asked who it is.
const MODE: [&str; 3] = ["slow", "4", "300"];

fn in_namespace(mode: &[&str]) -> Vec<String> {
    let unshare = require_program("unshare").to_str().expect("a path of text").to_owned();
    let words = [unshare.as_str(), "--pid", "--fork", "--mount-proc"].map(str::to_owned);
    words.into_iter().chain(oracle_command(mode)).collect()
}

both_families! {
    /// Seen from outside, a process has both PIDs.
    both_pids_are_told(family) {
        let finished = trace(family, &[], &in_namespace(&MODE));
        let (report, ledger) = (finished.report(), finished.oracle());
        assert_eq!(ledger.pid, 1, "the first of its namespace");
        let command = oracle_command(&MODE).join(" ");
        let is_it = |line: &&Process| line.scope == Scope::Total && line.cmdline == command;
        let inside = report.processes.iter().find(is_it);
        let inside = inside.unwrap_or_else(|| panic!("no {command}: {:?}", report.processes));
        assert_eq!(inside.ns_pid, Some(1), "{inside:?}");
        assert_ne!(inside.pid, 1, "{inside:?}");
        let others = report.processes.iter().filter(|line| line.pid != inside.pid);
        assert!(others.clone().count() > 0 && others.into_iter().all(|line| line.ns_pid.is_none()), "unshare itself");
        ledger.assert_rows(&report, family, Reach::Command, |pid| pid == inside.pid);
    }
}

both_families! {
    /// Unix sockets of another network namespace have their peers: that namespace is asked.
    unix_peers_in_another_network(family) {
        let directory = tempfile::tempdir().expect("a directory");
        let place = fs::canonicalize(directory.path()).expect("it is there");
        let unshare = require_program("unshare").to_str().expect("a path of text").to_owned();
        let oracle = oracle_command(&["unix", place.to_str().expect("text"), "50"]);
        let command: Vec<String> = [unshare, "--net".to_owned()].into_iter().chain(oracle).collect();
        let finished = trace(family, &[], &command);
        let (report, oracle) = (finished.report(), finished.oracle());
        assert_unix_peers(&report, &oracle, &place, oracle.fact("child") as u32);
    }
}

/// Makes places in the lower directory of an overlay at which directories of the host are to be, and the commands that lend
/// them to `root`.
fn lend(lower: &Path, names: &[&str]) -> String {
    let mount = require_program("mount").to_str().expect("text").to_owned();
    let mut commands = String::new();
    for name in names {
        let (theirs, own) = (Path::new("/").join(name), lower.join(name));
        match fs::read_link(&theirs) {
            Ok(to) => symlink(to, own).expect("ours"),
            Err(_) if theirs.is_dir() => {
                fs::create_dir(own).expect("ours");
                commands.extend([&mount, " --rbind /", name, " root/", name, "; "]);
            }
            Err(_) => {}
        }
    }
    commands
}

both_families! {
    /// Of a tracer whose own root is an overlay, as in a container, paths through links are found too.
    links_on_an_overlay_that_is_our_own_root(family) {
        let directory = tempfile::tempdir().expect("a directory");
        let place = fs::canonicalize(directory.path()).expect("it is there");
        let [unshare, mount, chroot] = ["unshare", "mount", "chroot"].map(require_program);
        for name in ["lower", "lower/out", "other", "root", "out"] {
            fs::create_dir(place.join(name)).expect("ours");
        }
        fs::write(place.join("lower/tracer"), "").expect("ours");
        for number in 0..20 {
            fs::write(place.join(format!("lower/file-{number}")), "text").expect("ours");
            symlink(format!("file-{number}"), place.join(format!("lower/link-{number}"))).expect("ours");
        }
        let lend = lend(&place.join("lower"), &["usr", "bin", "lib", "lib64", "proc", "sys", "dev"]);
        let links: Vec<String> = (0..20).map(|number| format!("/link-{number}")).collect();
        let script = format!(
            "set -e; cd {place}; {mount} -t overlay overlay -o lowerdir=lower:other root; {lend}\
             {mount} --bind out root/out; {mount} --bind {tracer} root/tracer; \
             exec {chroot} root /tracer --json --program-family {family} -o /out/json -- \
             /bin/sh -c 'for link in {links}; do cat $link; done'",
            place = place.display(), mount = mount.display(), chroot = chroot.display(),
            tracer = tracer().display(), family = family.argument(), links = links.join(" "),
        );
        let finished = run(&unshare, &["--mount", "sh", "-c", &script], None);
        assert!(finished.status.success(), "{}", finished.stderr);
        let report = Report::parse(&fs::read_to_string(place.join("out/json")).expect("JSON Lines"));
        let reads = report.totals().filter(|cell| cell.comm == "cat" && cell.syscall == "read");
        let names: Vec<&str> = reads.flat_map(|cell| &cell.on).filter_map(|on| on.name.as_deref()).collect();
        for number in 0..20 {
            let file = format!("/file-{number}");
            assert!(names.contains(&file.as_str()), "{file} is not among {names:?}");
        }
    }
}

both_families! {
    /// What was opened and closed on an overlay, as a container's root is one, by a process that ended at once, has its path:
    /// another process of that root is there still.
    paths_of_the_ended_on_an_overlay(family) {
        let directory = tempfile::tempdir().expect("a directory");
        let place = fs::canonicalize(directory.path()).expect("it is there");
        let [unshare, mount, chroot] = ["unshare", "mount", "chroot"].map(require_program);
        let files: Vec<String> = (0..20).map(|number| format!("/file-{number}")).collect();
        for name in ["lower", "other", "root"] {
            fs::create_dir(place.join(name)).expect("ours");
        }
        for file in &files {
            fs::write(place.join("lower").join(&file[1..]), "text").expect("ours");
        }
        let lend = lend(&place.join("lower"), &["usr", "bin", "lib", "lib64"]);
        let script = format!(
            "set -e; cd {place}; {mount} -t overlay overlay -o lowerdir=lower:other root; {lend}\
             exec {chroot} root /bin/sh -c 'for file in {files}; do cat $file; done; sleep 1; :'",
            place = place.display(), mount = mount.display(), chroot = chroot.display(), files = files.join(" "),
        );
        let command = [unshare.to_str().expect("text"), "--mount", "sh", "-c", &script].map(str::to_owned);
        let finished = trace(family, &[], &command);
        assert!(finished.status.success(), "{}", finished.stderr);
        let report = finished.report();
        let reads: Vec<_> = report.totals().filter(|cell| cell.comm == "cat" && cell.syscall == "read").collect();
        let names: Vec<&str> = reads.iter().flat_map(|cell| &cell.on).filter_map(|on| on.name.as_deref()).collect();
        // Without a mount namespace's root of its own, as chroot leaves it.
        let root = place.join("root").to_str().expect("text").to_owned();
        for file in files.iter().map(|file| format!("{root}{file}")) {
            assert!(names.contains(&file.as_str()), "{file} is not among {names:?}");
        }
    }
}

both_families! {
    /// Files of an overlay of several file systems have another device in `stat` than in the kernel, and their path all the
    /// same; so have those of a subvolume of btrfs.
    files_whose_device_stat_does_not_show(family) {
        let directory = tempfile::tempdir().expect("a directory");
        let place = fs::canonicalize(directory.path()).expect("it is there");
        let [unshare, mount] = ["unshare", "mount"].map(require_program);
        for name in ["lower", "memory", "merged"] {
            fs::create_dir(place.join(name)).expect("ours");
        }
        fs::write(place.join("lower/disk"), "text\n").expect("ours");
        let script = format!(
            "set -e; cd {place}; {mount} -t tmpfs none memory; mkdir memory/up; echo text > memory/up/memory; \
             {mount} -t overlay none -o lowerdir=lower:memory/up merged; exec 3< merged/disk 4< merged/memory; \
             read -r line <&3; read -r line <&4; sleep 1; :",
            place = place.display(), mount = mount.display(),
        );
        let command = [unshare.to_str().expect("text"), "--mount", "sh", "-c", &script].map(str::to_owned);
        let finished = trace(family, &[], &command);
        assert!(finished.status.success(), "{}", finished.stderr);
        let report = finished.report();
        let files: Vec<_> = report.totals().flat_map(|cell| &cell.on).collect();
        for file in ["disk", "memory"].map(|name| place.join("merged").join(name)) {
            let wanted = file.to_str();
            let found: Vec<_> = files.iter().filter(|on| on.name.as_deref() == wanted).collect();
            assert!(!found.is_empty(), "{wanted:?} is not among {files:?}");
            assert!(found.iter().all(|on| on.other_names), "another may have its inode: {found:?}");
        }
    }
}
