//! What was usual until now, in bounded memory. What does not fit is not remembered, and of what is not
//! remembered nothing is said.

use rustc_hash::FxHashMap;

use super::SECOND;
use super::nature::receives;
use super::step::Step;
use crate::interval::{CallKey, CellKey};
use crate::process::ProcessId;
use crate::syscalls;

/// Processes that are remembered.
const MAX_PROCESSES: usize = 16_384;

/// (Process, syscall, errno) that are remembered.
const MAX_ERRNOS: usize = 8_192;

/// What has not been seen for so long is forgotten where room is needed, in ns.
const FORGET_NS: u64 = 300 * SECOND;

/// Time over which averages forget, in seconds.
const SLOW_S: f64 = 60.0;
const FAST_S: f64 = 10.0;

/// What was usual.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    processes: FxHashMap<ProcessId, ProcessBefore>,
    pub(super) errnos: FxHashMap<(CellKey, u16), ErrnoBefore>,
    /// Ages, added up, of the calls that were open at the end of the last step.
    open_ns: FxHashMap<CellKey, u64>,
}

#[derive(Clone, Copy, Debug)]
struct ProcessBefore {
    first_ns: u64,
    last_ns: u64,
    /// How long it was seen at work.
    worked_ns: u64,
    /// Calls a second that do not wait, as long as there are any.
    work_per_s: f64,
}

/// One errno of one syscall of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrnoBefore {
    /// When it was last seen.
    pub(super) last_ns: u64,
    /// Steps in the average.
    steps: u32,
    /// Failures a second outside of episodes.
    pub(super) usual_per_s: f64,
    /// The highest rate of an episode that is over: what went by itself and comes back is no news.
    pub(super) past_peak_per_s: f64,
    /// The time in which it is far more frequent than before.
    pub(super) episode: Option<Episode>,
}

/// A time in which an errno is far more frequent than before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Episode {
    /// When it began.
    pub(super) since_ns: u64,
    /// Failures in it.
    pub(super) count: u64,
    /// Its highest rate.
    pub(super) peak_per_s: f64,
    /// The rate below which it is over when it stays there.
    pub(super) floor_per_s: f64,
    /// When the rate was last above that.
    pub(super) last_ns: u64,
}

impl Before {
    /// How long a process had been watched at `at_ns`; `None` where it is not remembered.
    pub(super) fn watched_ns(&self, process: ProcessId, at_ns: u64) -> Option<u64> {
        self.processes.get(&process).map(|before| at_ns.saturating_sub(before.first_ns))
    }

    /// For how long a process was seen at work, in ns, and calls a second that do not wait while it was.
    pub(super) fn work(&self, process: ProcessId) -> (u64, f64) {
        self.processes.get(&process).map_or((0, 0.0), |before| (before.worked_ns, before.work_per_s))
    }

    /// Ages, added up, of the calls of a kind that were open at the end of the last step.
    pub(super) fn open_ns(&self, process: ProcessId, call: CallKey) -> u64 {
        self.open_ns.get(&CellKey { process, call }).copied().unwrap_or(0)
    }

    /// Takes a step in, after the rules have seen it.
    pub(super) fn learn(&mut self, step: &Step<'_>) {
        self.open_ns.clear();
        for (&process, activity) in &step.processes {
            for (&call, open) in &activity.open {
                self.open_ns.insert(CellKey { process, call }, step.open_ns(open));
            }
            let work: u64 = activity
                .cells
                .iter()
                .filter(|(call, _)| !syscalls::waits_by_design(**call) && !receives(**call))
                .map(|(_, cell)| cell.calls)
                .sum();
            let rate = step.per_second(work);
            let full = self.processes.len() >= MAX_PROCESSES;
            match self.processes.get_mut(&process) {
                Some(before) => {
                    before.last_ns = step.end_ns();
                    if work > 0 {
                        before.worked_ns = before.worked_ns.saturating_add(step.over_ns());
                        before.work_per_s += (rate - before.work_per_s) * weight(step, FAST_S);
                    }
                }
                None if !full => {
                    let before = ProcessBefore {
                        first_ns: step.start_ns(),
                        last_ns: step.end_ns(),
                        worked_ns: if work > 0 { step.over_ns() } else { 0 },
                        work_per_s: rate,
                    };
                    self.processes.insert(process, before);
                }
                None => {}
            }
        }
        self.forget(step);
    }

    /// The memory of an errno, made where there is room.
    pub(super) fn errno(&mut self, key: (CellKey, u16), now_ns: u64) -> Option<&mut ErrnoBefore> {
        if self.errnos.len() >= MAX_ERRNOS && !self.errnos.contains_key(&key) {
            return None;
        }
        Some(self.errnos.entry(key).or_insert(ErrnoBefore {
            last_ns: now_ns,
            steps: 0,
            usual_per_s: 0.0,
            past_peak_per_s: 0.0,
            episode: None,
        }))
    }

    fn forget(&mut self, step: &Step<'_>) {
        self.processes.retain(|&process, _| !step.has_exited(process));
        self.errnos.retain(|(key, _), _| !step.has_exited(key.process));
        let old_ns = step.end_ns().saturating_sub(FORGET_NS);
        if self.processes.len() >= MAX_PROCESSES {
            self.processes.retain(|_, before| before.last_ns > old_ns);
        }
        if self.errnos.len() >= MAX_ERRNOS {
            self.errnos.retain(|_, before| before.last_ns > old_ns);
        }
    }
}

impl ErrnoBefore {
    /// Takes a rate outside of episodes in.
    pub(super) fn average(&mut self, step: &Step<'_>, per_s: f64) {
        // The plain mean of the first steps: what has always been so must not look as if it rose from nothing.
        self.steps = self.steps.saturating_add(1);
        self.usual_per_s +=
            (per_s - self.usual_per_s) * weight(step, SLOW_S).max(1.0 / f64::from(self.steps));
    }
}

/// What a step counts in an average over `seconds`.
fn weight(step: &Step<'_>, seconds: f64) -> f64 {
    let length = step.over_ns() as f64 / SECOND as f64;
    1.0 - (-length / seconds).exp()
}
