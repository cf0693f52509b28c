//! Findings over time: what appears only after it held, and goes only after it held no longer.

use std::collections::BTreeMap;

use super::step::Step;
use super::{Finding, Hit, Rule, SECOND};
use crate::interval::CallKey;
use crate::process::ProcessId;

/// Findings that are followed at the same time, and findings that are over and kept for the end.
const MAX_FOLLOWED: usize = 1024;
const MAX_ENDED: usize = 256;

/// How long a hit must hold before it is a finding, unless it is certain, in ns.
const HOLD_NS: u64 = 2 * SECOND;

/// How long a finding stays after its last hit, in ns.
const LINGER_NS: u64 = 5 * SECOND;

/// Steps without a hit after which what never became a finding is forgotten.
const GAP_STEPS: u32 = 2;

/// A finding that went again within this time, in ns, was not worth saying: the next one must hold longer.
const SHORT_NS: u64 = 10 * SECOND;

/// How many times longer, for each time it was wrong, and how often that is counted.
const LONGER: u64 = 4;
const MAX_STRIKES: u32 = 5;

type Key = (Rule, ProcessId, CallKey);

/// What is and was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    followed: BTreeMap<Key, Followed>,
    ended: Vec<Finding>,
}

#[derive(Clone, Debug)]
struct Followed {
    finding: Finding,
    /// With the figures of the step in which it weighed most.
    worst: Finding,
    /// When the present run of hits began.
    first_ns: u64,
    last_ns: u64,
    steps_without: u32,
    is_shown: bool,
    strikes: u32,
}

impl Followed {
    fn hold_ns(&self) -> u64 {
        HOLD_NS.saturating_mul(LONGER.saturating_pow(self.strikes))
    }
}

impl Standing {
    /// Takes the hits of a step. `watch_start_ns` is where watching began.
    pub(super) fn take(&mut self, step: &Step<'_>, hits: Vec<Hit>, watch_start_ns: u64) {
        for followed in self.followed.values_mut() {
            followed.steps_without += 1;
        }
        for Hit { mut finding, is_certain } in hits {
            let key = (finding.rule, finding.process, finding.call);
            if self.followed.len() >= MAX_FOLLOWED && !self.followed.contains_key(&key) {
                continue;
            }
            let followed = self.followed.entry(key).or_insert_with(|| Followed {
                finding: finding.clone(),
                worst: finding.clone(),
                first_ns: step.start_ns(),
                last_ns: step.end_ns(),
                steps_without: 0,
                is_shown: false,
                strikes: 0,
            });
            // Between shows: a new run of hits begins now.
            if followed.steps_without > GAP_STEPS && !followed.is_shown {
                followed.first_ns = step.start_ns();
            } else if finding.rule != Rule::StuckCall && finding.rule != Rule::Standstill {
                finding.since_ns = finding.since_ns.min(followed.finding.since_ns);
            }
            // What held in the first step may have begun before it.
            finding.from_start = finding.since_ns <= watch_start_ns;
            let begins = followed.steps_without > GAP_STEPS && !followed.is_shown;
            if begins || super::rank::weight(&finding) < super::rank::weight(&followed.worst) {
                followed.worst = finding.clone();
            }
            followed.worst.from_start = finding.from_start;
            followed.finding = finding;
            followed.last_ns = step.end_ns();
            followed.steps_without = 0;
            let held_ns = step.end_ns().saturating_sub(followed.first_ns);
            followed.is_shown |= is_certain || held_ns > followed.hold_ns();
        }
        self.drop_over(step);
    }

    fn drop_over(&mut self, step: &Step<'_>) {
        let mut over = Vec::new();
        for (&key, followed) in &mut self.followed {
            let since_last_ns = step.end_ns().saturating_sub(followed.last_ns);
            // An open call that has returned is not open, however short ago.
            let is_over = match key.0 {
                Rule::StuckCall | Rule::Standstill => followed.steps_without > 0,
                _ => followed.steps_without > 0 && since_last_ns >= LINGER_NS,
            };
            if followed.is_shown && is_over {
                followed.is_shown = false;
                let mut finding = followed.worst.clone();
                finding.until_ns = Some(followed.last_ns);
                if followed.last_ns.saturating_sub(followed.first_ns) < SHORT_NS {
                    followed.strikes = (followed.strikes + 1).min(MAX_STRIKES);
                }
                over.push(finding);
            }
        }
        for finding in over {
            self.ended.retain(|ended| !same_subject(ended, &finding));
            self.ended.push(finding);
        }
        if self.ended.len() > MAX_ENDED {
            self.ended.sort_by_key(super::rank::weight);
            self.ended.truncate(MAX_ENDED);
        }
        // What was wrong is remembered, so that it is not wrong again, for as long as there is room for news.
        let has_room = self.followed.len() < MAX_FOLLOWED / 2;
        self.followed.retain(|&(_, process, _), followed| {
            followed.is_shown
                || followed.steps_without <= GAP_STEPS
                || (followed.strikes > 0 && has_room && !step.has_exited(process))
        });
    }

    /// Findings that hold.
    pub(super) fn now(&self) -> impl Iterator<Item = &Finding> {
        self.followed.values().filter(|followed| followed.is_shown).map(|followed| &followed.finding)
    }

    /// Findings of the whole run, with the figures of when each weighed most.
    pub(super) fn run(&self) -> impl Iterator<Item = &Finding> {
        let holding =
            || self.followed.values().filter(|followed| followed.is_shown).map(|followed| &followed.worst);
        let over =
            self.ended.iter().filter(move |ended| !holding().any(|finding| same_subject(ended, finding)));
        holding().chain(over)
    }
}

fn same_subject(a: &Finding, b: &Finding) -> bool {
    (a.rule, a.process, a.call) == (b.rule, b.process, b.call)
}
