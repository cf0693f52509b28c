//! The kernel side's counters: the ledger, the runs the kernel skipped, and the spill cells. All are
//! monotonic and read by difference.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustc_hash::FxHashMap;
use tracer_common::bucket::SPILL_BUCKETS;
use tracer_common::cpu::Cpu;
use tracer_common::ledger::COUNTERS;
use tracer_common::spill::SpillCell;

use super::sys::SharedArray;

/// The kernel counters summed over CPUs.
pub fn read_ledger(cpus: &SharedArray<Cpu>) -> [u64; COUNTERS] {
    let mut sum = [0; COUNTERS];
    for cpu in 0..cpus.len() {
        for (total, value) in sum.iter_mut().zip(cpus.read(cpu).ledger.counters) {
            *total += value;
        }
    }
    sum
}

/// How often the kernel skipped this program because the CPU was already running it. `None` on kernels
/// that do not say (raw tracepoints before 6.1, classic ones before 6.7).
pub fn recursion_misses(program: BorrowedFd<'_>) -> Option<u64> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
}

/// The spill cells and what was last read from them.
pub struct Spill {
    cells: SharedArray<SpillCell>,
    last: FxHashMap<usize, SpillCell>,
}

impl Spill {
    /// Around the mapped cells.
    pub fn new(cells: SharedArray<SpillCell>) -> Self {
        Self { cells, last: FxHashMap::default() }
    }

    /// Hands out what was counted since the last call. `max_ns` and `min_ns_plus_one` are exact when they
    /// moved, else the bounds of the filled buckets.
    pub fn read(&mut self, mut take: impl FnMut(&SpillCell)) {
        for index in 0..self.cells.len() {
            if self.cells.read_byte(index, std::mem::offset_of!(SpillCell, key.kind)) == 0 {
                continue;
            }
            let now = self.cells.read(index);
            let before = self.last.get(&index).copied().unwrap_or(SpillCell::EMPTY);
            if now.calls != before.calls {
                take(&difference(&now, &before));
                self.last.insert(index, now);
            }
        }
    }
}

fn difference(now: &SpillCell, before: &SpillCell) -> SpillCell {
    use tracer_common::bucket::{SPILL_GROUPING_POWER, lower_bound, upper_bound};
    let mut histogram = [0; SPILL_BUCKETS];
    for (index, count) in histogram.iter_mut().enumerate() {
        *count = now.histogram[index].wrapping_sub(before.histogram[index]);
    }
    let lowest = histogram.iter().position(|&count| count > 0).unwrap_or(0);
    let highest = histogram.iter().rposition(|&count| count > 0).unwrap_or(0);
    let min_moved = now.min_ns_plus_one != before.min_ns_plus_one;
    let max_moved = now.max_ns != before.max_ns;
    SpillCell {
        key: now.key,
        calls: now.calls - before.calls,
        total_ns: now.total_ns - before.total_ns,
        min_ns_plus_one: if min_moved {
            now.min_ns_plus_one
        } else {
            lower_bound(lowest, SPILL_GROUPING_POWER).max(now.min_ns_plus_one.saturating_sub(1)) + 1
        },
        max_ns: if max_moved {
            now.max_ns
        } else {
            upper_bound(highest, SPILL_GROUPING_POWER).min(now.max_ns)
        },
        histogram,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::bucket::{SPILL_GROUPING_POWER, index};

    fn cell(latencies: &[u64]) -> SpillCell {
        let mut cell = SpillCell::EMPTY;
        for &ns in latencies {
            cell.calls += 1;
            cell.total_ns += ns;
            cell.max_ns = cell.max_ns.max(ns);
            cell.min_ns_plus_one =
                if cell.min_ns_plus_one == 0 { ns + 1 } else { cell.min_ns_plus_one.min(ns + 1) };
            cell.histogram[index(ns, SPILL_GROUPING_POWER)] += 1;
        }
        cell
    }

    #[test]
    fn a_difference_holds_only_what_came_later() {
        let delta = difference(&cell(&[100, 5_000, 700]), &cell(&[100, 5_000]));
        assert_eq!((delta.calls, delta.total_ns), (1, 700));
        assert!(delta.min_ns_plus_one > 100 && delta.min_ns_plus_one - 1 <= 700);
        assert!((700..5_000).contains(&delta.max_ns));
        assert_eq!(delta.histogram.iter().sum::<u32>(), 1);
    }

    #[test]
    fn new_extremes_are_exact() {
        let delta = difference(&cell(&[100, 5, 9_999]), &cell(&[100]));
        assert_eq!((delta.min_ns_plus_one, delta.max_ns), (6, 9_999));
    }
}
