//! Whether the user sits elsewhere: over ssh the mouse is left to the terminal.

use std::fs;

/// Processes above us that are looked at.
const MOST_ANCESTORS: usize = 64;

/// Whether we run below an ssh server. sudo takes its variables away, so the processes above us are asked too.
pub(super) fn is_over_ssh() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"].into_iter().any(is_set) || has_ancestor("sshd")
}

/// Whether a process above us has a name that begins so.
fn has_ancestor(name: &str) -> bool {
    let mut pid = std::process::id();
    for _ in 0..MOST_ANCESTORS {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
        // A name may hold anything, parentheses too.
        let Some((before, after)) = stat.rsplit_once(')') else { return false };
        if before.split_once('(').is_some_and(|(_, comm)| comm.starts_with(name)) {
            return true;
        }
        match after.split_whitespace().nth(1).and_then(|parent| parent.parse().ok()) {
            Some(parent) if parent != 0 => pid = parent,
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_are_found_by_name() {
        let own = fs::read_to_string("/proc/self/comm").expect("a name");
        assert!(has_ancestor(own.trim()));
        assert!(!has_ancestor("no such program"));
    }
}
