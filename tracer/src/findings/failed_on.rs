//! What calls failed on most often, in one path or address.

use std::collections::BTreeMap;

use super::Rule;
use crate::interval::{Cell, Example, examples};

/// What most of the calls of `cell` that failed with `errno` failed on.
pub(super) fn most(rule: Rule, cell: &Cell, errno: u16) -> Option<Example> {
    let met = examples::of_errno(&cell.examples, errno);
    let most = met.first()?;
    let all = cell.errors.get(&errno).copied().unwrap_or(0);
    let is_spread = rule == Rule::SearchStorm && most.at_least() * 2 < all;
    let directory = if is_spread { common_directory(met) } else { None };
    Some(directory.unwrap_or_else(|| most.clone()))
}

/// The directory in which most of them are, if that is more than one of them.
fn common_directory(met: &[Example]) -> Option<Example> {
    let mut directories: BTreeMap<&[u8], Vec<&Example>> = BTreeMap::new();
    for example in met {
        let slash = example.on.iter().rposition(|&byte| byte == b'/')?;
        directories.entry(&example.on[..=slash]).or_default().push(example);
    }
    let sum = |of: fn(&Example) -> u64, of_directory: &[&Example]| {
        of_directory.iter().map(|example| of(example)).sum::<u64>()
    };
    let (directory, inside) =
        directories.into_iter().max_by_key(|(_, inside)| sum(Example::at_least, inside))?;
    (inside.len() > 1).then(|| Example {
        errno: met[0].errno,
        on: directory.into(),
        calls: sum(|example| example.calls, &inside),
        unsure: sum(|example| example.unsure, &inside),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn most_of(rule: Rule, met: &[(&str, u64)]) -> Option<(String, u64)> {
        let example =
            |&(on, calls): &(&str, u64)| Example { errno: 2, on: on.as_bytes().into(), calls, unsure: 0 };
        let examples: Arc<[Example]> = met.iter().map(example).collect();
        let errors = [(2, met.iter().map(|met| met.1).sum())].into();
        let most = most(rule, &Cell { errors, examples, ..Cell::default() }, 2)?;
        Some((String::from_utf8_lossy(&most.on).into_owned(), most.calls))
    }

    #[test]
    fn a_path_stands_for_itself_and_many_for_their_directory() {
        let many = [("/app/x", 4), ("/app/a", 3), ("/app/b", 3), ("/usr/c", 2)];
        assert_eq!(most_of(Rule::SearchStorm, &many), Some(("/app/".to_owned(), 10)));
        assert_eq!(most_of(Rule::NewErrno, &many), Some(("/app/x".to_owned(), 4)));
        assert_eq!(
            most_of(Rule::SearchStorm, &[("/app/x", 9), ("/app/a", 3)]),
            Some(("/app/x".to_owned(), 9))
        );
        assert_eq!(
            most_of(Rule::SearchStorm, &[("/a/x", 2), ("/b/x", 1), ("/c/x", 1), ("/d/x", 1)]),
            Some(("/a/x".to_owned(), 2))
        );
        assert_eq!(
            most_of(Rule::SearchStorm, &[("x", 2), ("y", 2), ("z", 2)]),
            Some(("x".to_owned(), 2)),
            "of no directory"
        );
        assert_eq!(most_of(Rule::SearchStorm, &[]), None);
    }
}
