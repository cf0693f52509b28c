//! What a container is called, out of the files in which runtimes keep it. Pure: finding and reading them is
//! [`crate::source`]'s. Whatever is odd about a name makes it none.

use serde::Deserialize;

/// Most bytes of one name; Kubernetes allows 253.
const MAX_NAME_BYTES: usize = 253;

/// Most bytes of [`super::Who::names`].
pub const MAX_NAMES_BYTES: usize = 3 * MAX_NAME_BYTES + 2;

/// The name of a container, and of the pod that it is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names<'a> {
    /// Its own.
    pub container: Option<&'a str>,
    /// The pod's.
    pub pod: Option<&'a str>,
    /// The Kubernetes namespace of the pod.
    pub namespace: Option<&'a str>,
}

impl<'a> Names<'a> {
    /// From `container` or `namespace/pod/container`, each of which may be empty.
    pub(super) fn of(text: &'a str) -> Self {
        let known = |name: &'a str| (!name.is_empty()).then_some(name);
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(container), None, ..) => Self { container: known(container), ..Self::default() },
            (Some(namespace), Some(pod), Some(container), None) => {
                Self { container: known(container), pod: known(pod), namespace: known(namespace) }
            }
            _ => Self::default(),
        }
    }
}

/// The names in `config.v2.json` of Docker, in the form of [`super::Who::names`].
pub(crate) fn in_docker_config(json: &[u8]) -> Option<Box<str>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct File {
        name: Option<String>,
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        labels: Option<Labels>,
    }
    let File { name, config } = serde_json::from_slice(json).ok()?;
    let labels = config.and_then(|config| config.labels).unwrap_or_default();
    labels.names(name.map(|name| name.trim_start_matches('/').to_owned()))
}

/// The names in `config.json` of a bundle, which the OCI runtime specification describes.
pub(crate) fn in_bundle(json: &[u8]) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Bundle {
        annotations: Option<Labels>,
    }
    let Bundle { annotations } = serde_json::from_slice(json).ok()?;
    annotations?.names(None)
}

/// The name of container `id` in `containers.json` of the storage that Podman uses.
pub(crate) fn in_storage_list(json: &[u8], id: &str) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Item {
        id: String,
        names: Option<Vec<String>>,
    }
    let items: Vec<Item> = serde_json::from_slice(json).ok()?;
    let item = items.into_iter().find(|item| item.id == id)?;
    Labels::default().names(item.names?.into_iter().next())
}

/// Labels of Docker, annotations of bundles.
#[derive(Default, Deserialize)]
struct Labels {
    // The kubelet's own, with Docker and CRI-O.
    #[serde(rename = "io.kubernetes.container.name")]
    container: Option<String>,
    #[serde(rename = "io.kubernetes.pod.name")]
    pod: Option<String>,
    #[serde(rename = "io.kubernetes.pod.namespace")]
    namespace: Option<String>,
    // Those of containerd.
    #[serde(rename = "io.kubernetes.cri.container-name")]
    cri_container: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-name")]
    cri_pod: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-namespace")]
    cri_namespace: Option<String>,
    #[serde(rename = "nerdctl/name")]
    nerdctl: Option<String>,
}

impl Labels {
    /// All of them, the container's own where Kubernetes does not name it.
    fn names(self, own: Option<String>) -> Option<Box<str>> {
        let good = |name: Option<String>| name.filter(|name| is_name(name));
        let container = good(self.container.or(self.cri_container).or(self.nerdctl));
        let Some(pod) = good(self.pod.or(self.cri_pod)) else {
            return container.or_else(|| good(own)).map(String::into_boxed_str);
        };
        let namespace = good(self.namespace.or(self.cri_namespace)).unwrap_or_default();
        // Of a pod's own container, which holds its namespaces, containerd says no name.
        Some(format!("{namespace}/{pod}/{}", container.unwrap_or_default()).into())
    }
}

/// No runtime allows a slash.
fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.contains(|c: char| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn told(names: Option<Box<str>>) -> Option<String> {
        names.map(String::from)
    }

    #[test]
    fn docker_names_a_container_and_labels_of_kubernetes_its_pod() {
        let plain =
            br#"{"State":{"Pid":7},"ID":"x","Name":"/web","Config":{"Labels":{"a":"b"}},"Driver":"overlay2"}"#;
        assert_eq!(told(in_docker_config(plain)).as_deref(), Some("web"));
        assert_eq!(
            told(in_docker_config(br#"{"Name":"/web","Config":{"Labels":null}}"#)).as_deref(),
            Some("web")
        );
        let of_pod = br#"{"Name":"/k8s_coredns_coredns-6d4b_kube-system_1_0","Config":{"Labels":{
            "io.kubernetes.container.name":"coredns","io.kubernetes.pod.name":"coredns-6d4b",
            "io.kubernetes.pod.namespace":"kube-system"}}}"#;
        assert_eq!(told(in_docker_config(of_pod)).as_deref(), Some("kube-system/coredns-6d4b/coredns"));
    }

    #[test]
    fn bundles_name_pods_with_the_words_of_each_runtime() {
        let containerd =
            br#"{"ociVersion":"1.1.0","annotations":{"io.kubernetes.cri.container-name":"coredns",
            "io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-name":"coredns-6d4b",
            "io.kubernetes.cri.sandbox-namespace":"kube-system"},"linux":{}}"#;
        let cri_o =
            br#"{"annotations":{"io.container.manager":"cri-o","io.kubernetes.container.name":"coredns",
            "io.kubernetes.pod.name":"coredns-6d4b","io.kubernetes.pod.namespace":"kube-system"}}"#;
        for json in [&containerd[..], cri_o] {
            assert_eq!(told(in_bundle(json)).as_deref(), Some("kube-system/coredns-6d4b/coredns"));
        }
        let sandbox = br#"{"annotations":{"io.kubernetes.cri.container-type":"sandbox",
            "io.kubernetes.cri.sandbox-name":"coredns-6d4b","io.kubernetes.cri.sandbox-namespace":"kube-system"}}"#;
        assert_eq!(told(in_bundle(sandbox)).as_deref(), Some("kube-system/coredns-6d4b/"));
        assert_eq!(told(in_bundle(br#"{"annotations":{"nerdctl/name":"web"}}"#)).as_deref(), Some("web"));
        for nothing in
            [&br#"{"annotations":{"io.container.manager":"libpod"}}"#[..], b"{}", br#"{"annotations":null}"#]
        {
            assert_eq!(in_bundle(nothing), None);
        }
    }

    #[test]
    fn files_that_runtimes_wrote_are_read() {
        let docker = include_bytes!("fixtures/docker-20.10.json");
        assert_eq!(told(in_docker_config(docker)).as_deref(), Some("proj-db-1"));
        let podman = include_bytes!("fixtures/podman-4.3.json");
        for (id, name) in [
            ("20a608c6e8bd3916c4d31bc54bfc3e4449e37539d61d956fae3ed48cd83dabba", "podrm"),
            ("1abbc03825469f794dbf572dee93a39e2d6b4de2db20237ef961c45fc0b8123e", "inpod"),
        ] {
            assert_eq!(told(in_storage_list(podman, id)).as_deref(), Some(name));
        }
        let containerd = include_bytes!("fixtures/containerd-1.6.json");
        assert_eq!(told(in_bundle(containerd)).as_deref(), Some("kube-system/dns-6d4b/coredns"));
        let sandbox = include_bytes!("fixtures/containerd-1.6-sandbox.json");
        assert_eq!(told(in_bundle(sandbox)).as_deref(), Some("kube-system/dns-6d4b/"));
    }

    #[test]
    fn the_list_of_a_storage_names_the_container_that_was_asked_for() {
        let list =
            format!(r#"[{{"id":"ab","names":["other"]}},{{"id":"{ID}","names":["db","x"],"layer":"l"}}]"#);
        assert_eq!(told(in_storage_list(list.as_bytes(), ID)).as_deref(), Some("db"));
        assert_eq!(in_storage_list(list.as_bytes(), "abc"), None);
        assert_eq!(in_storage_list(br#"[{"id":"abc","names":null}]"#, "abc"), None);
    }

    #[test]
    fn what_is_odd_is_no_name() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for odd in ["", "/", "a/b", "a\\nb", "\\u001b[2J", &long] {
            let json = format!(r#"{{"Name":"/{odd}"}}"#);
            assert_eq!(in_docker_config(json.as_bytes()), None, "{json}");
        }
        for broken in [
            &b""[..],
            b"{",
            b"[]",
            b"\xff\xfe",
            br#"{"Name":7}"#,
            br#"{"Name":"/a","Name":"/b"}"#,
            br#"{"Name":"/a"} x"#,
            br#"{"Name":"/a","Config":[]}"#,
        ] {
            assert_eq!(in_docker_config(broken), None);
            assert_eq!(in_bundle(broken), None);
            assert_eq!(in_storage_list(broken, ID), None);
        }
        let deep = "[".repeat(100_000);
        assert_eq!(
            in_docker_config(format!(r#"{{"Other":{deep}"#).as_bytes()),
            None,
            "not a stack that overflows"
        );
        let odd_namespace =
            br#"{"annotations":{"io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"a/b"}}"#;
        assert_eq!(told(in_bundle(odd_namespace)).as_deref(), Some("/p/"), "the others stay");
    }

    #[test]
    fn names_are_taken_apart_again() {
        let names = |container, pod, namespace| Names { container, pod, namespace };
        for (text, expected) in [
            ("", Names::default()),
            ("web", names(Some("web"), None, None)),
            ("ns/p/c", names(Some("c"), Some("p"), Some("ns"))),
            ("/p/", names(None, Some("p"), None)),
            ("a/b", Names::default()),
            ("a/b/c/d", Names::default()),
        ] {
            assert_eq!(Names::of(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_names_are_bounded_and_come_back(container in "\\PC{0,300}", pod in "\\PC{0,300}", namespace in "[^\"\\\\]{0,300}") {
            let json = serde_json::json!({ "annotations": {
                "io.kubernetes.container.name": container, "io.kubernetes.pod.name": pod, "io.kubernetes.pod.namespace": namespace,
            }});
            let found = in_bundle(json.to_string().as_bytes()).unwrap_or_default();
            prop_assert!(found.len() <= MAX_NAMES_BYTES);
            let good = |name: &String| Some(name.clone()).filter(|name| is_name(name));
            let names = Names::of(&found);
            prop_assert_eq!(names.container.map(str::to_owned), good(&container));
            prop_assert_eq!(names.pod.map(str::to_owned), good(&pod));
            prop_assert_eq!(names.namespace.map(str::to_owned), good(&namespace).filter(|_| is_name(&pod)));
        }
    }
}
