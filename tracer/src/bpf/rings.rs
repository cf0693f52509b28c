//! The rings: made by us, one for each CPU, read on a timer. Only a ring that fills up wakes us earlier.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use aya::maps::{ArrayOfMaps, MapData, MapError, RingBuf};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF;

use super::sys::RingReader;

/// Ring bytes over all CPUs when nothing else is asked for.
const TOTAL_BYTES: u32 = 128 << 20;
/// Bounds of one ring: below, a burst of a few ms would spill; above, nothing is gained.
const LEAST_BYTES: u32 = 256 << 10;
const MOST_BYTES: u32 = 4 << 20;

/// Bytes of one ring for this many CPUs: 4 MiB up to 32 CPUs, less for each above.
pub fn default_bytes(cpus: usize) -> u32 {
    let share = TOTAL_BYTES / u32::try_from(cpus.max(1)).unwrap_or(u32::MAX);
    let power_of_two = share.checked_ilog2().map_or(0, |log| 1u32 << log);
    power_of_two.clamp(LEAST_BYTES, MOST_BYTES)
}

/// One ring: the map, which lives as long as this, and our end of it.
struct Ring {
    map: RingBuf<MapData>,
    reader: RingReader,
}

/// Every CPU's ring.
pub struct Rings {
    per_cpu: Vec<Ring>,
    bytes: u32,
    /// Largest number of bytes that one pass took from one ring since [`Rings::take_peak_fill`].
    peak_bytes: u64,
}

impl Rings {
    /// Makes a ring for each of the `online` CPUs and puts them into `outer`. A CPU that may come later
    /// shares the first ring; the kernel's rings allow several writers.
    pub fn create(
        outer: &mut ArrayOfMaps<&mut MapData, RingBuf<MapData>>,
        online: &[u32],
        bytes: u32,
    ) -> Result<Self, MapError> {
        let mut per_cpu: Vec<Ring> = Vec::with_capacity(online.len());
        for cpu in online {
            let definition = aya_obj::Map::new_from_params(BPF_MAP_TYPE_RINGBUF as u32, 0, 0, bytes, 0);
            let map = aya::maps::Map::RingBuf(MapData::create(definition, "RING", None)?);
            let map = RingBuf::try_from(map)?;
            if per_cpu.is_empty() {
                for any in 0..outer.len() {
                    outer.set(any, &map, 0)?;
                }
            }
            outer.set(*cpu, &map, 0)?;
            let reader = RingReader::new(map.as_fd(), bytes)?;
            per_cpu.push(Ring { map, reader });
        }
        Ok(Self { per_cpu, bytes, peak_bytes: 0 })
    }

    /// Hands every waiting record to `take`, at most one ring's worth from each ring, so that a flood on
    /// one CPU cannot keep us from the others or from the clock. Returns the number of records.
    pub fn drain(&mut self, mut take: impl FnMut(&[u8])) -> usize {
        let mut total = 0;
        for ring in &mut self.per_cpu {
            let (bytes, records) = ring.reader.drain(u64::from(self.bytes), &mut take);
            self.peak_bytes = self.peak_bytes.max(bytes);
            total += records;
        }
        total
    }

    /// Sleeps until a ring is filling up or `timeout` is over.
    pub fn wait(&self, timeout: Duration) -> io::Result<()> {
        let mut poll_fds: Vec<libc::pollfd> = self
            .per_cpu
            .iter()
            .map(|ring| libc::pollfd { fd: ring.map.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 })
            .collect();
        super::sys::poll(&mut poll_fds, timeout)
    }

    /// Highest fill of any ring since the last call, as a share of its size.
    pub fn take_peak_fill(&mut self) -> f64 {
        (std::mem::take(&mut self.peak_bytes) as f64 / f64::from(self.bytes)).min(1.0)
    }

    /// Bytes of one ring.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_powers_of_two_between_their_bounds() {
        for (cpus, bytes) in
            [(1, MOST_BYTES), (32, MOST_BYTES), (33, 2 << 20), (256, 512 << 10), (4096, LEAST_BYTES)]
        {
            assert_eq!(default_bytes(cpus), bytes, "{cpus} CPUs");
        }
        assert!(default_bytes(0).is_power_of_two());
    }
}
