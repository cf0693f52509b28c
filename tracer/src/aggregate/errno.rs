//! When one errno of one syscall was seen, and how often before.

/// Time over which the average forgets.
const FORGETS_NS: f64 = 60e9;

/// What is remembered of an errno beside its count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// End of the interval in which it was first seen.
    pub(super) first_ns: u64,
    /// The same for the last.
    pub(super) last_ns: u64,
    /// Failures before the last interval in which there were any, weighted by how long ago they were: divided by the time
    /// that was watched, weighted likewise, they are a rate.
    before: f64,
    /// Failures in that interval.
    last: u64,
}

impl Seen {
    /// Seen so often in an interval that ended at `now_ns`.
    pub(super) fn new(count: u64, now_ns: u64) -> Self {
        Self { first_ns: now_ns, last_ns: now_ns, before: 0.0, last: count }
    }

    /// Seen again.
    pub(super) fn again(&mut self, count: u64, now_ns: u64) {
        if now_ns == self.last_ns {
            // Several calls that share a row.
            self.last += count;
            return;
        }
        self.first_ns = self.first_ns.min(now_ns);
        if now_ns > self.last_ns {
            self.before = (self.before + self.last as f64) * remaining(now_ns - self.last_ns);
            self.last_ns = now_ns;
            self.last = count;
        } else {
            self.before += count as f64 * remaining(self.last_ns - now_ns);
        }
    }

    /// Adds that of another row.
    pub(super) fn merge(&mut self, other: &Self) {
        let (late, early) = if self.last_ns >= other.last_ns { (&*self, other) } else { (other, &*self) };
        let mut sum = *late;
        sum.first_ns = late.first_ns.min(early.first_ns);
        if late.last_ns == early.last_ns {
            sum.last += early.last;
            sum.before += early.before;
        } else {
            sum.before += (early.before + early.last as f64) * remaining(late.last_ns - early.last_ns);
        }
        *self = sum;
    }

    /// Failures a minute before an interval that ended at `end_ns` and began at `start_ns`, where `since_ns` is when the
    /// process was first watched.
    pub(super) fn before_per_minute(&self, since_ns: u64, start_ns: u64, end_ns: u64) -> Option<u64> {
        let watched_ns = start_ns.checked_sub(since_ns).filter(|&ns| ns > 0)?;
        let failures = if self.last_ns >= end_ns {
            self.before
        } else {
            (self.before + self.last as f64) * remaining(end_ns - self.last_ns)
        };
        // What was counted is weighted by its age at the end; so is the time.
        let length_ns = end_ns.saturating_sub(start_ns);
        let weighted_ns =
            FORGETS_NS * (remaining(length_ns) - remaining(length_ns.saturating_add(watched_ns)));
        Some((failures * 60e9 / weighted_ns).round() as u64)
    }
}

/// What an average still has of something this old.
fn remaining(age_ns: u64) -> f64 {
    (-(age_ns as f64) / FORGETS_NS).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// So many failures in each second from second 0 on.
    fn seen(counts: &[u64]) -> Option<Seen> {
        let mut seen: Option<Seen> = None;
        for (at, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let now_ns = (at as u64 + 1) * SECOND;
            match &mut seen {
                Some(seen) => seen.again(count, now_ns),
                None => seen = Some(Seen::new(count, now_ns)),
            }
        }
        seen
    }

    fn before(counts: &[u64]) -> Option<u64> {
        let end_ns = counts.len() as u64 * SECOND;
        seen(counts).expect("it was seen").before_per_minute(0, end_ns - SECOND, end_ns)
    }

    #[test]
    fn a_steady_rate_is_told_from_the_second_interval_on() {
        for seconds in [2, 10, 60, 1000] {
            let found = before(&vec![5; seconds]).expect("watched before");
            assert!((295..=305).contains(&found), "{seconds}: {found}");
        }
        assert_eq!(before(&[5]), None, "nothing was watched before");
    }

    #[test]
    fn what_is_new_was_not_there_before() {
        let mut counts = vec![0; 30];
        counts.push(100);
        assert_eq!(before(&counts), Some(0));
        counts.push(100);
        let found = before(&counts).expect("watched before");
        assert!((100..=500).contains(&found), "100 in about 31 s, and late ones weigh more: {found}");
    }

    #[test]
    fn what_ended_is_forgotten() {
        let mut counts = vec![10; 60];
        counts.extend([0; 300]);
        assert!(before(&counts).expect("watched before") < 10);
    }

    #[test]
    fn rows_that_are_folded_have_the_failures_of_both() {
        let mut sum = seen(&[5; 60]).expect("seen");
        sum.merge(&seen(&[7; 60]).expect("seen"));
        let found = sum.before_per_minute(0, 59 * SECOND, 60 * SECOND).expect("watched before");
        assert!((710..=730).contains(&found), "{found}");
        let mut late = seen(&[0, 0, 0, 4]).expect("seen");
        late.merge(&seen(&[3]).expect("seen"));
        assert_eq!((late.first_ns, late.last_ns, late.last), (SECOND, 4 * SECOND, 4));
    }
}
