//! The two families of programs, and which of them suits a kernel.

/// First kernel whose raw tracepoint programs may be preempted, which makes it skip the calls of every
/// other thread on that CPU (measured on 7.2; 6.19 is not affected, 7.0 and 7.1 were not to be had).
const FIRST_PREEMPTIBLE_MAJOR: u32 = 7;

/// Which programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Raw tracepoints: about 125 ns a call cheaper.
    Raw,
    /// Classic tracepoints: run with preemption off on every kernel.
    Classic,
}

impl Family {
    /// The name in headers and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Classic => "classic",
        }
    }

    /// Why it is used on a kernel of this release: because it was asked for, or because it is the best one.
    pub fn why(self, release: &str, is_asked_for: bool) -> &'static str {
        match (is_asked_for, self, Self::for_release(release)) {
            (true, Self::Raw, Self::Classic) => {
                "asked for, although this kernel can preempt and then skip them"
            }
            (true, ..) => "asked for",
            (false, Self::Raw, _) => "the cheaper kind, and this kernel does not preempt them",
            (false, Self::Classic, _) => "this kernel could preempt raw ones and then skip calls",
        }
    }

    /// Whether a program of this family can be preempted by another one on its CPU.
    pub(super) fn is_preemptible_on(self, release: &str) -> bool {
        self == Self::Raw && Self::for_release(release) == Self::Classic
    }

    /// The family that loses nothing on a kernel of this release (`6.1.0-42-amd64`), the cheaper first.
    pub fn for_release(release: &str) -> Self {
        let major = release.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
        if major >= FIRST_PREEMPTIBLE_MAJOR { Self::Classic } else { Self::Raw }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_follows_the_kernel() {
        for (release, family) in [
            ("5.10.0-35-cloud-amd64", Family::Raw),
            ("6.19.11+deb14-cloud-amd64", Family::Raw),
            ("7.0.0", Family::Classic),
            ("7.2.13+deb14-amd64", Family::Classic),
            ("unreadable", Family::Raw),
        ] {
            assert_eq!(Family::for_release(release), family, "{release}");
        }
    }
}
