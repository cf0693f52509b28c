//! Names against imitations of the hierarchy: directories with the same files.

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "0123ffffffffffff0123456789abcdef0123456789abcdef0123456789abcdef";
const POD: &str = "a1b2c3d4_0000_1111_2222_333344445555";

/// A tree like the hierarchy's, with these directories and processes in them.
fn imitation(cgroups: &[(&str, &str)]) -> (tempfile::TempDir, Hierarchy) {
    let directory = tempfile::tempdir().expect("a directory");
    let above = directory.path().canonicalize().expect("it is there");
    let (point, runtimes) = (above.join("cgroup"), above.join("runtimes"));
    let line = format!("41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n", point.display());
    let mount = Mount::find(line.as_bytes()).expect("a mount");
    for (path, pids) in [("", "")].iter().chain(cgroups) {
        let directory = point.join(path);
        fs::create_dir_all(&directory).expect("ours");
        for above in directory.ancestors().take_while(|above| above.starts_with(&point)) {
            fs::write(above.join("cgroup.controllers"), "").expect("ours");
        }
        fs::write(directory.join("cgroup.procs"), pids).expect("ours");
    }
    (directory, Hierarchy { mount, procfs: Procfs::default(), runtimes, is_whole: true })
}

/// What a runtime of the imitation has in a file of its own, in which `ID` stands for the container's.
fn keep(hierarchy: &Hierarchy, path: &str, id: &str, text: &str) {
    let path = hierarchy.runtimes.join(path.replace("ID", id));
    fs::create_dir_all(path.parent().expect("a directory")).expect("ours");
    fs::write(path, text.replace("ID", id)).expect("ours");
}

fn labels(found: &[Cgroup]) -> Vec<&str> {
    found.iter().map(|cgroup| cgroup.label.as_str()).collect()
}

fn unit(name: &str) -> CgroupName {
    CgroupName::parse_unit(name).expect("a name")
}

fn container(id: &str) -> CgroupName {
    CgroupName::Container(id.to_owned())
}

#[test]
fn a_cgroup_is_found_by_every_name_it_has() {
    let (_directory, hierarchy) =
        imitation(&[("system.slice/a.service", "7\n5\n"), ("system.slice/a.service/x", "6\n0\n5\n")]);
    let point = &hierarchy.mount.point;
    let there = point.join("system.slice/a.service");
    let id = there.symlink_metadata().expect("it is there").ino();
    for name in [
        CgroupName::Path(there.clone()),
        CgroupName::Path("/system.slice/a.service".into()),
        CgroupName::Path("system.slice/a.service/".into()),
        CgroupName::Path("/system.slice/a.service/x/..".into()),
        CgroupName::Id(id),
        unit("a"),
    ] {
        let found = hierarchy.resolve(&[name.clone(), name.clone()]).expect("it is there");
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!((&found[0].directory, found[0].id), (&there, id), "{name}");
        assert_eq!(found[0].id_now(), Some(id));
        assert_eq!(found[0].processes(), [5, 6, 7], "once each, none of another namespace");
    }
    let root = hierarchy.resolve(&[CgroupName::Path("/".into())]).expect("it is there");
    assert_eq!((labels(&root), &root[0].directory), (vec!["cgroup /"], point));
}

#[test]
fn what_is_outside_the_hierarchy_is_none() {
    let (_directory, hierarchy) = imitation(&[("a", "")]);
    for outside in ["/..", "../../tmp", "/a/../.."] {
        let error = hierarchy.resolve(&[CgroupName::Path(outside.into())]).expect_err("outside");
        assert!(matches!(error, CgroupError::Missing { .. }), "{error}");
    }
}

#[test]
fn containers_are_found_by_the_beginning_of_their_id() {
    let pod = format!("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD}.slice");
    let docker = format!("system.slice/docker-{ID}.scope");
    let cri = format!("{pod}/cri-containerd-{OTHER}.scope");
    let (_directory, hierarchy) = imitation(&[
        (&format!("{docker}/init.scope"), ""),
        (&cri, ""),
        ("lxc.payload.web/system.slice/a.service", ""),
        ("system.slice/docker.service", ""),
    ]);
    for (given, label, path) in [
        ("01234", "docker 0123456789ab", docker.as_str()),
        (ID, "docker 0123456789ab", &docker),
        ("0123f", "containerd 0123ffffffff", &cri),
        ("a1b2c3d4-0000", "pod a1b2c3d4-0000-1111-2222-333344445555", &pod),
        ("web", "lxc web", "lxc.payload.web"),
    ] {
        let found = hierarchy.resolve(&[container(given)]).expect("it is there");
        assert_eq!(labels(&found), [label]);
        assert_eq!(found[0].directory, hierarchy.mount.point.join(path));
    }
    let error = hierarchy.resolve(&[container("0123")]).expect_err("two of them");
    assert_eq!(
        error.to_string(),
        "error: container 0123 is not one container\n\
         why: several have this name, or ids that begin like this\n\
         next: give an id, or more of it; there are: containerd 0123ffffffff, docker 0123456789ab"
    );
    let error = hierarchy.resolve(&[container("beef")]).expect_err("none");
    let text = error.to_string();
    assert!(
        text.starts_with("error: no such container beef\nwhy: no cgroup below ")
            && text.contains(
                "next: there are: containerd 0123ffffffff, docker 0123456789ab, lxc web, pod \
                 a1b2c3d4-0000-1111-2222-333344445555\n"
            ),
        "{text}"
    );
}

#[test]
fn containers_and_pods_are_found_by_name() {
    const WEB: &str = "beefffffffffffff0123456789abcdef0123456789abcdef0123456789abcdef";
    const PAUSE: &str = "cafe0fffffffffff0123456789abcdef0123456789abcdef0123456789abcdef";
    const BUNDLE: &str = "run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json";
    let pod = format!("kubepods.slice/kubepods-pod{POD}.slice");
    let other_pod = format!("kubepods.slice/kubepods-pod{}.slice", POD.replace('1', "9"));
    let (web, db) = (format!("docker/{WEB}"), format!("docker/{ID}"));
    let of_pod = [OTHER, PAUSE].map(|id| format!("{pod}/cri-containerd-{id}.scope"));
    let elsewhere = format!("{other_pod}/cri-containerd-{}.scope", OTHER.replace('0', "1"));
    let cgroups: [&str; 6] = [&web, &db, &of_pod[0], &of_pod[1], &elsewhere, "docker/ffffffffffff"];
    let (_directory, hierarchy) = imitation(&cgroups.map(|path| (path, "")));
    let docker = "var/lib/docker/containers/ID/config.v2.json";
    // The name of one is the beginning of another's id.
    keep(&hierarchy, docker, ID, r#"{"ID":"ID","Name":"/beef"}"#);
    keep(&hierarchy, docker, WEB, r#"{"ID":"ID","Name":"/web\u0007"}"#);
    let annotations = |namespace: &str, container: &str| {
        format!(
            r#"{{"annotations":{{{container}"io.kubernetes.cri.sandbox-name":"dns","io.kubernetes.cri.sandbox-namespace":"{namespace}"}}}}"#
        )
    };
    let named = r#""io.kubernetes.cri.container-name":"cache","#;
    keep(&hierarchy, BUNDLE, OTHER, &annotations("sys", named));
    keep(&hierarchy, BUNDLE, PAUSE, &annotations("sys", ""));
    for (given, label, path) in [
        ("beef", "docker beef", db.as_str()),
        (WEB, "docker beefffffffff", &web),
        ("beeff", "docker beefffffffff", &web),
        ("cache", "pod sys/dns/cache", &of_pod[0]),
        ("dns", "pod a1b2c3d4-0000-1111-2222-333344445555", &pod),
    ] {
        let found = hierarchy.resolve(&[container(given)]).expect("it is there");
        assert_eq!(labels(&found), [label], "{given}");
        assert_eq!(found[0].directory, hierarchy.mount.point.join(path), "{given}");
    }
    keep(&hierarchy, BUNDLE, &OTHER.replace('0', "1"), &annotations("app", named));
    let error = hierarchy.resolve(&[container("cache")]).expect_err("two of them").to_string();
    assert!(
        error.ends_with("there are: pod app/dns/cache (1123ffffffff), pod sys/dns/cache (0123ffffffff)"),
        "{error}"
    );
    let error = hierarchy.resolve(&[container("dns")]).expect_err("two of them").to_string();
    assert!(error.starts_with("error: container dns is not one container\n"), "{error}");
    let error = hierarchy.resolve(&[container("none")]).expect_err("none").to_string();
    assert!(
        error.contains("docker beef (0123456789ab), docker beefffffffff, docker ffffffffffff"),
        "{error}"
    );
}

#[test]
fn what_a_container_does_not_see_may_be_there() {
    let (_directory, hierarchy) = imitation(&[("init.scope", "")]);
    let inside = Hierarchy { is_whole: false, ..hierarchy };
    for name in [container("web"), unit("init"), CgroupName::Path("/docker".into()), CgroupName::Id(1)] {
        let error = inside.resolve(std::slice::from_ref(&name)).expect_err("not here");
        let text = error.to_string();
        assert!(matches!(error, CgroupError::OutOfSight { .. }), "{text}");
        assert!(text.starts_with(&format!("error: no such {name} is seen from here\n")), "{text}");
        assert!(text.contains("docker run --cgroupns host"), "{text}");
    }
}

#[test]
fn a_unit_of_the_host_comes_before_those_of_containers() {
    let inside = format!("docker/{ID}/system.slice/a.service");
    let (_directory, hierarchy) = imitation(&[
        ("system.slice/a.service", ""),
        ("user.slice/user@1.service/a.service", ""),
        (&inside, ""),
        (&format!("docker/{ID}/b.service"), ""),
    ]);
    let found = hierarchy.resolve(&[unit("a")]).expect("it is there");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|cgroup| !cgroup.directory.ends_with(&inside)), "{found:?}");
    assert_eq!(hierarchy.resolve(&[unit("b")]).expect("it is there").len(), 1, "else they are meant");
}

#[test]
fn what_is_there_is_listed_the_likeliest_first() {
    let many: Vec<String> = (0..20).map(|number| format!("system.slice/u{number:02}.service")).collect();
    let mut cgroups: Vec<(&str, &str)> = many.iter().map(|path| (path.as_str(), "")).collect();
    cgroups.push(("system.slice/z-nginx-2.service", ""));
    let (_directory, hierarchy) = imitation(&cgroups);
    let error = hierarchy.resolve(&[unit("nginx")]).expect_err("none").to_string();
    let expected = "next: there are: z-nginx-2.service, system.slice, u00.service, ";
    assert!(error.starts_with("error: no such unit nginx.service\n") && error.contains(expected), "{error}");
    assert!(error.contains(" and 10 more\n"), "{error}");
    let error = hierarchy.resolve(&[CgroupName::Path("/system.slice/none/deeper".into())]);
    let error = error.expect_err("none").to_string();
    assert!(error.contains("next: there are: /system.slice/u00.service, "), "{error}");
    let error = hierarchy.resolve(&[CgroupName::Id(1)]).expect_err("none").to_string();
    assert!(
        error.starts_with("error: no such cgroup 1\n") && error.contains(" (/system.slice)\n"),
        "{error}"
    );
}

#[test]
fn a_cgroup_of_version_1_is_named_as_that_with_its_processes() {
    let (_directory, hierarchy) = imitation(&[]);
    let old = tempfile::tempdir().expect("a directory");
    for (file, text) in [("tasks", "7\n9\n"), ("cgroup.procs", "7\n")] {
        fs::write(old.path().join(file), text).expect("ours");
    }
    let error = hierarchy.resolve(&[CgroupName::Path(old.path().to_owned())]).expect_err("version 1");
    let text = error.to_string();
    assert!(matches!(error, CgroupError::InVersion1 { .. }), "{text}");
    assert!(text.contains("next: trace its processes: tracer -f -p 7\n"), "{text}");
}

#[test]
fn there_is_an_end_to_how_many() {
    let many: Vec<String> = (0..70).map(|number| format!("{number}/a.service")).collect();
    let cgroups: Vec<(&str, &str)> = many.iter().map(|path| (path.as_str(), "")).collect();
    let (_directory, hierarchy) = imitation(&cgroups);
    let error = hierarchy.resolve(&[unit("a")]).expect_err("too many");
    assert!(matches!(error, CgroupError::TooMany { found: 70, most: 64 }), "{error}");
}
